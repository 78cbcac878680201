"""Labelled cases: what a person judged, with the frames around it, as recordings that no later version may lose.

A case is a folder in format recording/1, so that every tool plays it; its key ``case`` holds who judged what, when.
Pictures of people stay in it: the folder and all in it are readable by its owner only.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from alerts.durable import sync_folder, write_whole
from alerts.incidents.sites import box_overlap
from curbwatch.parts.paths import home
from curbwatch.tuning.recording import device_name
from schemas.detections import CLASSES
from schemas.errors import UsageError
from schemas.incident import Box
from schemas.place import ImageZone
from schemas.units import ns_of, utc

Verdict = Literal["real", "false"]
FAMILIES = ("stall", "waste")
FILE = "recording.json"
SAME = 0.3  # of the smaller box: the same thing (vision.md 7)
NEAR_S = 300.0  # captured s between two openings of the same thing at other knobs
CONDITION = "case"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One person's word: when, who, real or false, what it is (empty: as reported), and a note."""

    at: datetime
    person: str
    verdict: Verdict
    what: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled thing.

    Attributes:
        case_id: name of its folder.
        camera_id: whose picture it is.
        family: as it was reported; empty where it was missed.
        box_px: x, y, w, h in native px.
        opened_ns, appeared_ns: captured times of the alert, or of the moment named where there was none.
        dwell_s: captured seconds it was judged with.
        source: where the frames are from: a recording's folder, or ``incident ID``.
        pictures_only: only the evidence pair was left: nothing can be played.
        shows: whether the kept frames raise the alert again, when they were kept; None: there was none.
        judgements: oldest first; the newest holds.
    """

    case_id: str
    camera_id: str
    family: str
    box_px: Box
    opened_ns: int
    appeared_ns: int
    dwell_s: float
    source: str
    pictures_only: bool = False
    shows: bool | None = None
    judgements: tuple[Judgement, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The word that holds; ``false`` where nobody has judged."""
        return self.judgements[-1].verdict if self.judgements else "false"

    @property
    def what(self) -> str:
        """What it is: the judge's class, else the family that was reported."""
        return (self.judgements[-1].what if self.judgements else "") or self.family

    @property
    def key(self) -> str:
        """What a result is a result of: a changed verdict makes earlier results mean nothing."""
        return f"{self.verdict} {self.what}".strip()


@dataclass(frozen=True, slots=True)
class Clip:
    """Facts of the kept frames: native width and height, each captured time, zones, boxes there from the start."""

    size: tuple[int, int]
    times_ns: tuple[int, ...]
    zones: tuple[ImageZone, ...] = ()
    standing: tuple[Box, ...] = ()


def cases_dir(given: Path | None) -> Path:
    """Where cases are kept: the folder given, else ``cases`` in the private folder."""
    return given if given is not None else home() / "cases"


def check(verdict: str, what: str, family: str) -> None:
    """Raise UsageError for a class that does not exist, or that contradicts the verdict."""
    if what and what not in CLASSES:
        raise UsageError(f"--class {what}: there are {', '.join(CLASSES)}")
    if verdict == "real" and (what or family) not in FAMILIES:
        named = what or "nothing named"
        raise UsageError(
            f"real, but {named}: only a stall or waste is a real alert; say --class stall or --class waste"
        )


def case_id_of(camera_id: str, opened_ns: int, box_px: Box) -> str:
    """A name that sorts by camera and time and is the same for the same thing."""
    digest = sha256(repr([round(side) for side in box_px]).encode()).hexdigest()[:3]
    return f"{camera_id}-{utc(opened_ns):%y%m%dT%H%M%S}-{digest}"


def case_ids(folder: Path) -> list[str]:
    """Names of the cases in a folder; none where the folder is missing."""
    return [file.parent.name for file in sorted(folder.glob(f"[!.]*/{FILE}"))]


def list_cases(folder: Path) -> list[Case]:
    """Every case that can be read, by name; none where the folder is missing."""
    found = []
    for case_id in case_ids(folder):
        with suppress(UsageError):
            found.append(read_case(folder / case_id))
    return found


def read_case(folder: Path) -> Case:
    """Read one case. Raises UsageError naming the file where it cannot be used."""
    file = folder / FILE
    try:
        return _case(json.loads(file.read_text(encoding="utf-8"))["case"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{file}: is not a case: {error}") from None


def find_case(folder: Path, source: str, camera_id: str, box_px: Box, opened_ns: int) -> Case | None:
    """The case that this thing is already: same source and camera, overlapping box, opened at about the same time."""
    for case in list_cases(folder):
        near = abs(case.opened_ns - opened_ns) <= NEAR_S * 1e9
        if (case.source, case.camera_id) == (source, camera_id) and near and box_overlap(case.box_px, box_px) >= SAME:
            return case
    return None


def write_frames(folder: Path, frames: Iterable[tuple[int, bytes]]) -> tuple[int, ...]:
    """Write pictures as they are into ``folder/frames``; returns their captured times. Raises OSError."""
    pictures = private_folder(folder / "frames")
    times = []
    for index, (captured_ns, jpeg) in enumerate(frames):
        picture = pictures / f"{index:06d}.jpg"
        picture.touch(mode=0o600)
        picture.write_bytes(jpeg)
        times.append(captured_ns)
    return tuple(times)


def write_case(folder: Path, case: Case, clip: Clip) -> None:
    """Write a case's ``recording.json``: what it is as recording/1, and who said so."""
    facts = {
        "format": "recording/1",
        "media": "frames/*.jpg",
        "fps": 1,
        "fps_known": False,
        "frame_size": list(clip.size),
        "stamps": [utc(time_ns).isoformat() for time_ns in clip.times_ns],
        "condition": CONDITION,
        "camera_id": case.camera_id,
        "zones": [
            {"name": zone.name, "polygon": [list(corner) for corner in zone.polygon], "families": sorted(zone.families)}
            for zone in clip.zones
        ],
        "standing_objects": [{"bbox": list(box)} for box in clip.standing],
    }
    whole = facts | _truth(case, clip.times_ns) | {"case": _told(case)}
    write_whole(folder / FILE, (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode())
    sync_folder(folder)


def judge(folder: Path, case: Case, judgement: Judgement) -> Case:
    """Add a word to a case that is there; the same word again changes nothing. Returns the case as it is now."""
    last = case.judgements[-1] if case.judgements else None
    if last is not None and replace(last, at=judgement.at) == judgement:
        return case
    judged = replace(case, judgements=(*case.judgements, judgement))
    file = folder / case.case_id / FILE
    facts = json.loads(file.read_text(encoding="utf-8"))
    times = tuple(ns_of(datetime.fromisoformat(stamp)) for stamp in facts["stamps"])
    facts |= _truth(judged, times) | {"case": _told(judged)}
    write_whole(file, (json.dumps(facts, ensure_ascii=False, indent=1) + "\n").encode())
    return judged


def folder_of(folder: Path, case_id: str) -> Path:
    """The folder of one case. Raises UsageError for a name that is none of the cases'."""
    if case_id not in case_ids(folder):
        raise UsageError(f"no case {case_id} in {folder}; `curbwatch cases list` names them")
    return folder / case_id


def drop_case(folder: Path, case_id: str) -> None:
    """Delete a case with its pictures, also one that cannot be read. Raises UsageError for an unknown one."""
    shutil.rmtree(folder_of(folder, case_id))


def private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter. Raises UsageError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror}; name another folder with --dir") from None
    return folder


def name_of(text: str) -> str:
    """A camera's name as a folder may have it."""
    return device_name(Path(text))


def _truth(case: Case, times_ns: Sequence[int]) -> dict[str, Any]:
    """Events and distractors of a case; a thing that was judged false must not be reported."""
    first = next((k for k, time_ns in enumerate(times_ns) if time_ns >= case.appeared_ns), 0)
    last = max(0, len(times_ns) - 1)
    box = [round(side) for side in case.box_px]
    if case.verdict == "real":
        event = {"kind": case.what, "label": case.key, "appear_frame": first, "drop_frame": first}
        return {"events": [event | {"unattended_frame": None, "last_frame": last, "bbox": box}], "distractors": []}
    label = case.judgements[-1].what if case.judgements else ""
    distractor = {"label": label or f"no {case.family}", "first_frame": first, "last_frame": last, "bbox": box}
    return {"events": [], "distractors": [distractor]}


def _told(case: Case) -> dict[str, Any]:
    told = asdict(case) | {
        "opened_at": utc(case.opened_ns).isoformat(),
        "appeared_at": utc(case.appeared_ns).isoformat(),
    }
    told["judgements"] = [asdict(one) | {"at": one.at.isoformat()} for one in case.judgements]
    return told


def _case(told: dict[str, Any]) -> Case:
    return Case(
        case_id=str(told["case_id"]),
        camera_id=str(told["camera_id"]),
        family=str(told["family"]),
        box_px=_box(told["box_px"]),
        opened_ns=int(told["opened_ns"]),
        appeared_ns=int(told["appeared_ns"]),
        dwell_s=float(told["dwell_s"]),
        source=str(told["source"]),
        pictures_only=bool(told["pictures_only"]),
        shows=told["shows"],
        judgements=tuple(_judgements(told["judgements"])),
    )


def _judgements(rows: list[dict[str, Any]]) -> Iterator[Judgement]:
    for row in rows:
        verdict: Verdict = "real" if row["verdict"] == "real" else "false"
        yield Judgement(datetime.fromisoformat(row["at"]), row["person"], verdict, row["what"], row["note"])


def _box(sides: Sequence[float]) -> Box:
    x, y, w, h = (float(side) for side in sides)
    return x, y, w, h
