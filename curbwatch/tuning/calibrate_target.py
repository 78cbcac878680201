"""What is calibrated: a picture, a recording's first frame, or a camera of the registry, which keeps the result."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alerts.incidents.evidence import EvidenceFolder
from curbwatch.database import Connection
from curbwatch.registry import load_registry
from curbwatch.tuning.recording import read_recording
from ingest.decode import decode_full
from schemas.errors import FrameError, UsageError
from schemas.place import Calibration, ImageZone

NEWEST = "select sha256 from evidence where camera_id = %s order by captured_at desc limit 8"
SAVE = "update device set calibration = %s::jsonb, updated_at = now() where device_id = %s and kind = 'camera'"


@dataclass(frozen=True, slots=True)
class Target:
    """One view.

    Attributes:
        name: of the camera, or of the file.
        pixels: (H, W, 3) uint8 BGR.
        zones: as drawn; empty: the whole picture.
        calibration: as the registry has it; None where it has none, or knows no such camera.
        source: who entered the camera: ``pack``, ``publish`` or ``accepted``; empty for a picture.
    """

    name: str
    pixels: NDArray[np.uint8]
    zones: tuple[ImageZone, ...] = ()
    calibration: Calibration | None = None
    source: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.pixels.shape[1], self.pixels.shape[0]


def of_path(path: Path) -> Target:
    """A picture, or the first frame of a recording with its zones. Raises UsageError for what cannot be read."""
    folder = path.parent if path.name == "recording.json" else path
    if folder.is_dir():
        recording = read_recording(folder)
        first = next(iter(recording.jpegs()), None)
        if first is None:
            raise UsageError(f"{folder}: has no frames")
        return Target(recording.name, _pixels(first, str(folder)), recording.zones)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    return Target(path.name, _pixels(data, str(path)))


def of_camera(conn: Connection, camera_id: str, evidence_dir: Path, picture: Path | None) -> Target:
    """A camera of the registry with the picture given, else the newest one kept of it as evidence.

    Raises UsageError for an unknown camera, and where there is no picture.
    """
    view = load_registry(conn).views.get(camera_id)
    if view is None:
        raise UsageError(
            f"{camera_id}: neither a file nor a camera of the registry; `curbwatch device list` names them"
        )
    row = conn.execute("select source from device where device_id = %s", (camera_id,)).fetchone()
    data = _newest(conn, camera_id, evidence_dir) if picture is None else of_path(picture).pixels
    if data is None:
        raise UsageError(f"{camera_id}: no picture of it was kept yet; give one: --picture FILE")
    return Target(camera_id, data, view.zones, view.calibration, str(row[0]) if row else "")


def save(conn: Connection, camera_id: str, calibration: Calibration) -> None:
    """Write a camera's calibration into the registry; a running system learns the camera anew at once."""
    with conn.transaction():
        conn.execute(SAVE, (json.dumps(asdict(calibration)), camera_id))


def _newest(conn: Connection, camera_id: str, evidence_dir: Path) -> NDArray[np.uint8] | None:
    if not evidence_dir.is_dir():
        return None
    folder = EvidenceFolder(evidence_dir)
    for (sha256,) in conn.execute(NEWEST, (camera_id,)).fetchall():
        if folder.intact(sha256):
            return _pixels(folder.path(sha256).read_bytes(), camera_id)
    return None


def _pixels(data: bytes, name: str) -> NDArray[np.uint8]:
    try:
        return decode_full(data)
    except FrameError as error:
        raise UsageError(f"{name}: is not a picture: {error}") from None
