"""An incident of a running system as a thing to explain or to keep: its facts, its pictures, frames where recorded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import curbwatch.database as db
from alerts.incidents.evidence import EvidenceFolder
from curbwatch.desk import Desk
from curbwatch.parts.paths import home
from curbwatch.registry import load_registry
from curbwatch.tuning.cases import Case, case_id_of, name_of
from curbwatch.tuning.cases_keep import Source
from curbwatch.tuning.explain import frames_of
from curbwatch.tuning.recording import Recording, find_recordings
from ingest.jpeg import inspect
from schemas.errors import FrameError, UsageError
from schemas.incident import EvidenceRecord, IncidentRow
from schemas.place import CameraView
from schemas.units import ns_of

REACH_S = 900.0  # captured s before the opening from which frames may be there: what a case keeps, and half as much


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of an incident.

    Attributes:
        row: as stored.
        view: the camera's zones and calibration, as the registry has them now.
        pictures: (record, bytes) of the evidence that is on disk and whole, the one before first.
        source: its frames: recorded ones where there are, else the pictures.
        recorded: whether frames around it were recorded.
    """

    row: IncidentRow
    view: CameraView
    pictures: tuple[tuple[EvidenceRecord, bytes], ...]
    source: Source
    recorded: bool


def incident(desk: Desk, incident_id: str, recordings: Path | None) -> Kept:
    """Read an incident with its pictures, and look for frames of its camera in a folder that ``record`` writes.

    Raises UsageError for an unknown incident, and where neither frames nor pictures are left.
    """
    row = desk.incidents.show(incident_id)
    with db.session(desk.site.endpoints.database_url) as conn:
        view = load_registry(conn).views.get(row.camera_id, CameraView(row.camera_id))
    pictures = tuple(_pictures(desk, incident_id))
    origin = f"incident {row.incident_id}"
    opened_ns = ns_of(row.opened_at)
    found = [] if recordings is None else camera_recordings(recordings, row.camera_id)
    times = tuple(time_ns for recording in found for time_ns in recording.times_ns)
    if any(opened_ns - REACH_S * 1e9 <= time_ns <= opened_ns for time_ns in times):
        source = Source(origin, times, lambda: _chained(found), found[0].size, view.zones)
        return Kept(row, view, pictures, source, recorded=True)
    if not pictures:
        raise UsageError(f"{origin}: its pictures are gone, and no frames of {row.camera_id} were recorded")
    frames = tuple((record.captured_ns, jpeg) for record, jpeg in pictures)
    source = Source(origin, tuple(time_ns for time_ns, _ in frames), lambda: frames, _size(frames[-1][1]), view.zones)
    return Kept(row, view, pictures, source, recorded=False)


def recordings_dir(given: Path | None) -> Path:
    """Where frames are recorded: the folder given, else ``recordings`` in the private folder."""
    return given if given is not None else home() / "recordings"


def case_of(kept: Kept, dwell_s: float) -> Case:
    """An incident as a case that nobody has judged yet."""
    row = kept.row
    opened_ns = ns_of(row.opened_at)
    return Case(
        case_id_of(row.camera_id, opened_ns, row.box_px),
        row.camera_id,
        row.family,
        row.box_px,
        opened_ns,
        ns_of(row.appeared_at),
        dwell_s,
        kept.source.origin,
        pictures_only=not kept.recorded,
    )


def camera_recordings(folder: Path, camera_id: str) -> list[Recording]:
    """Recordings of one camera at or below a folder, oldest first: those that name it, or are named after it."""
    if not folder.is_dir():
        return []
    own = [one for one in find_recordings(folder) if one.times_ns and _camera_of(one) == camera_id]
    return sorted(own, key=lambda one: one.times_ns[0])


def _camera_of(recording: Recording) -> str:
    facts = json.loads((recording.folder / "recording.json").read_text(encoding="utf-8"))
    return str(facts.get("camera_id") or name_of(recording.folder.parent.name))


def _chained(recordings: list[Recording]) -> Iterator[tuple[int, bytes]]:
    for recording in recordings:
        yield from frames_of(recording, None)


def _pictures(desk: Desk, incident_id: str) -> Iterator[tuple[EvidenceRecord, bytes]]:
    if not desk.site.evidence_dir.is_dir():
        return
    folder = EvidenceFolder(desk.site.evidence_dir)
    for picture in desk.incidents.pictures(incident_id):
        record = picture.record
        if picture.role in {"before", "opening"} and folder.intact(record.sha256):
            yield record, folder.path(record.sha256).read_bytes()


def _size(jpeg: bytes) -> tuple[int, int]:
    try:
        header = inspect(jpeg, max_bytes=len(jpeg), max_pixels=1 << 30)
    except FrameError as error:
        raise UsageError(f"the opening picture cannot be read: {error}") from None
    return header.width, header.height
