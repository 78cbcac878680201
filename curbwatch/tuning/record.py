"""A ring of recordings: the pictures of each camera as they came, in one folder for each camera and hour.

A folder is a recording (recording/1) at every moment: pictures come first, then ``recording.json`` is replaced whole,
and pictures that it does not name yet are none of it. Whatever ends the process, what was recorded can be read.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from alerts.durable import write_whole
from schemas.errors import CurbwatchError, UsageError
from schemas.frame import Frame
from schemas.place import ImageZone
from schemas.units import ns_of, utc

MAKER = "curbwatch record"  # only folders that say so are ever removed
FACTS = "recording.json"
HOUR_NS = 3_600_000_000_000
LATE_NS = 60_000_000_000  # a frame from so shortly before the hour was overtaken, and goes with the others
TAPE_SHARE = 8  # no folder becomes larger than this part of the ring, so that a step of it frees as little
NAME = "{index:06d}.jpg"  # 30 frames a second for an hour are 108 000


@dataclass(slots=True)
class Tape:
    """One folder that pictures are being added to; made with its first picture."""

    camera_id: str
    folder: Path
    size: tuple[int, int]
    hour: int
    zones: tuple[ImageZone, ...] = ()
    period_s: float = 1.0
    stamps: list[int] = field(default_factory=list)
    presets: list[str] = field(default_factory=list)
    unstamped: int = 0
    bytes: int = 0
    written: int = 0  # stamps that recording.json names

    @property
    def dirty(self) -> bool:
        """Whether there are pictures that ``recording.json`` does not name."""
        return self.written != len(self.stamps)

    def add(self, frame: Frame) -> None:
        """Keep a picture's original bytes. Raises OSError."""
        if not self.stamps:
            for made in (self.folder.parent, self.folder, self.folder / "frames"):
                made.mkdir(exist_ok=made == self.folder.parent, mode=0o700)
        target = self.folder / "frames" / NAME.format(index=len(self.stamps))
        # Not synced: a power loss may cost the newest pictures, a killed process none.
        part = target.with_suffix(".part")
        part.write_bytes(frame.jpeg)
        part.replace(target)
        self.stamps.append(frame.captured_ns)
        self.presets.append(frame.preset)
        self.unstamped += not frame.stamped
        self.bytes += len(frame.jpeg)
        if len(self.stamps) == 1:
            self.describe()

    def describe(self) -> None:
        """Write ``recording.json`` as of now. Raises OSError."""
        if self.stamps:
            write_whole(self.folder / FACTS, json.dumps(self.facts(), ensure_ascii=False, indent=1).encode())
            self.written = len(self.stamps)

    def facts(self) -> dict[str, Any]:
        """What ``recording.json`` says; at least one picture was added."""
        gaps_s = [(later - earlier) / 1e9 for earlier, later in zip(self.stamps, self.stamps[1:], strict=False)]
        steady_s = median(gaps_s) if gaps_s else 0.0
        known: dict[str, Any] = {
            "format": "recording/1",
            "recorded_by": MAKER,
            "camera_id": self.camera_id,
            "media": "frames/*.jpg",
            "period_s": round(steady_s, 3) if steady_s > 0 else self.period_s,
            "frame_size": list(self.size),
            "zones": [_zone(zone) for zone in self.zones],
            "bytes": self.bytes,
            "without_time": self.unstamped,
            "stamps": [utc(stamp).isoformat() for stamp in self.stamps],
        }
        return known | ({"presets": self.presets} if any(self.presets) else {})


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of the ring that nothing is added to any more: its bytes, its earliest and its last picture."""

    folder: Path
    camera_id: str
    bytes: int
    first_ns: int
    last_ns: int


class Ring:
    """All folders below one; use it from one thread.

    ``keep_bytes`` is what the pictures have together; the oldest folder goes first, so does what is older than
    ``keep_s`` (None: no limit). What somebody else put there is left alone and not counted.
    """

    def __init__(self, folder: Path, *, keep_bytes: int, keep_s: float | None = None) -> None:
        self._folder = folder
        self._keep_bytes = keep_bytes
        self._keep_s = keep_s
        self._open: dict[str, Tape] = {}
        self.removed = 0
        self.size_bytes = 0  # of all pictures
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._kept = sorted(_found(folder), key=_age)
        except OSError as error:
            raise UsageError(f"--out {folder}: {error.strerror}") from None
        self.size_bytes += sum(kept.bytes for kept in self._kept)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders that nothing is added to any more, the oldest first."""
        return tuple(kept.folder for kept in self._kept)

    def add(self, frame: Frame, zones: tuple[ImageZone, ...] = (), period_s: float | None = None) -> None:
        """Keep a picture, in a new folder where its hour, its size or the zones are others than the last one's.

        Raises CurbwatchError where the disk does not take it; what was recorded before is whole.
        """
        try:
            tape = self._open.get(frame.camera_id)
            if tape is not None and self._over(tape, frame, zones):
                self._close(tape)
                tape = None
            if tape is None:
                tape = self._begin(frame, zones, period_s)
            tape.add(frame)
            self._open[frame.camera_id] = tape
            self.size_bytes += len(frame.jpeg)
        except OSError as error:
            raise _refused(self._folder, error) from None
        self._shrink(frame.received_ns)

    def describe(self) -> None:
        """Bring every ``recording.json`` up to date. Raises CurbwatchError."""
        try:
            for tape in self._open.values():
                if tape.dirty:
                    tape.describe()
        except OSError as error:
            raise _refused(self._folder, error) from None

    def close(self) -> None:
        """End every folder. Raises CurbwatchError."""
        try:
            for tape in list(self._open.values()):
                self._close(tape)
        except OSError as error:
            raise _refused(self._folder, error) from None

    def _over(self, tape: Tape, frame: Frame, zones: tuple[ImageZone, ...]) -> bool:
        if tape.size != (frame.width, frame.height) or tape.zones != zones:
            return True
        if tape.bytes + len(frame.jpeg) > self._keep_bytes / TAPE_SHARE:
            return True
        start_ns = tape.hour * HOUR_NS
        return not start_ns - LATE_NS <= frame.captured_ns < start_ns + HOUR_NS

    def _begin(self, frame: Frame, zones: tuple[ImageZone, ...], period_s: float | None) -> Tape:
        hour = frame.captured_ns // HOUR_NS
        name = f"{frame.camera_id}-{utc(frame.captured_ns):%Y-%m-%dT%HZ}"
        place, number = self._folder / frame.camera_id / name, 1
        while place.exists():
            number += 1
            place = place.with_name(f"{name}-{number}")
        return Tape(frame.camera_id, place, (frame.width, frame.height), hour, zones, period_s or 1.0)

    def _close(self, tape: Tape) -> None:
        tape.describe()
        self._open.pop(tape.camera_id, None)
        self._kept.append(Kept(tape.folder, tape.camera_id, tape.bytes, min(tape.stamps), max(tape.stamps)))
        self._kept.sort(key=_age)

    def _shrink(self, now_ns: int) -> None:
        while self._kept and self._keep_s is not None and now_ns - self._kept[0].last_ns > self._keep_s * 1e9:
            self._remove(self._kept.pop(0))
        while self.size_bytes > self._keep_bytes:
            if not self._kept:  # so many cameras that what is open is too much already
                self._close(min(self._open.values(), key=lambda tape: min(tape.stamps)))
            self._remove(self._kept.pop(0))

    def _remove(self, kept: Kept) -> None:
        # First its description: half a folder is then no recording.
        (kept.folder / FACTS).unlink(missing_ok=True)
        shutil.rmtree(kept.folder, ignore_errors=True)
        self.removed += 1
        self.size_bytes -= kept.bytes


def _found(folder: Path) -> Iterator[Kept]:
    """Folders of earlier runs."""
    for file in folder.glob(f"*/*/{FACTS}"):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            if facts.get("recorded_by") == MAKER and not file.parent.is_symlink():
                times = [ns_of(datetime.fromisoformat(stamp)) for stamp in facts["stamps"]]
                yield Kept(file.parent, str(facts["camera_id"]), int(facts["bytes"]), min(times), max(times))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # somebody else's


def _age(kept: Kept) -> tuple[int, str]:
    return kept.last_ns, str(kept.folder)


def _zone(zone: ImageZone) -> dict[str, Any]:
    known: dict[str, Any] = {"name": zone.name, "polygon": [list(corner) for corner in zone.polygon]}
    known["families"] = sorted(zone.families)
    return known | ({"preset": zone.preset} if zone.preset else {})


def _refused(folder: Path, error: OSError) -> CurbwatchError:
    return CurbwatchError(
        f"{error.filename or folder}: cannot be written: {error.strerror}; what was recorded is whole. Make room,"
        " or give a smaller --keep-gb"
    )
