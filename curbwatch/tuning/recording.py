"""Recordings in format recording/1: a folder with a ``recording.json`` and its media, read frame by frame."""

import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ingest.jpeg import check_size
from schemas.errors import FrameError, UsageError
from schemas.place import ImageZone
from schemas.units import ns_of

Box = tuple[int, int, int, int]  # x, y, w, h in native px
Entry = TypeVar("Entry")
START_NS = 1_700_000_000_000_000_000  # clips without stamps begin here
UNUSABLE = (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError, FrameError)
LAST_FRAME = 1 << 40  # of what has no end
VIDEO_QUALITY = 90  # JPEG quality at which frames of a video travel


@dataclass(frozen=True, slots=True)
class Event:
    """What must be found; frames count from 0 in playing order, both ends inclusive."""

    kind: str
    label: str
    first_frame: int
    last_frame: int
    box: Box


@dataclass(frozen=True, slots=True)
class Distractor:
    """What must raise no alert; ``box`` is None where the recording draws none."""

    label: str
    first_frame: int
    last_frame: int
    box: Box | None


@dataclass(frozen=True, slots=True)
class Recording:
    """One camera's recording. Its pictures stay on disk until ``jpegs`` is read.

    Attributes:
        name: device id made of folder and sub-folder: ``seq-ucsd-ped2-01``.
        folder: where ``recording.json`` lies.
        media: a video file, or a glob of pictures in name order, relative to the folder.
        size: native width and height, px.
        times_ns: captured time of each frame with a stamp; empty where frames are evenly spaced.
        apart_s: seconds between frames without stamps, as recorded.
        own_time: whether the feed carries stamps or a period of its own, which ``--time-scale`` leaves alone.
        zones: where an operator would watch; empty: the whole picture.
        events, standing: what must be found; boxes of what is there from the first frame on.
        standing_until: for each of ``standing`` the frame at which it is gone; None where it stays.
        distractors: what must raise no alert, where the recording says so.
        presets: name of the view of each frame, for cameras that turn; empty: one view.
        condition: of light, weather or making, as the recording names it; ``recorded`` where it does not.
    """

    name: str
    folder: Path
    media: str
    size: tuple[int, int]
    times_ns: tuple[int, ...]
    apart_s: float
    own_time: bool
    zones: tuple[ImageZone, ...]
    events: tuple[Event, ...]
    standing: tuple[Box, ...]
    condition: str = "recorded"
    standing_until: tuple[int | None, ...] = ()
    distractors: tuple[Distractor, ...] = ()
    presets: tuple[str, ...] = ()

    def jpegs(self) -> Iterator[bytes]:
        """Yield each frame as it would travel: pictures as they are, frames of a video as JPEG."""
        if "*" in self.media:
            for picture in sorted(self.folder.glob(self.media)):
                yield picture.read_bytes()
            return
        video = open_video(self.folder / self.media)
        if not video.isOpened():
            raise UsageError(f"{self.folder / self.media}: cannot be opened as a video")
        try:
            while True:
                read, frame = video.read()
                if not read:
                    return
                yield encode(np.asarray(frame, np.uint8))
        finally:
            video.release()

    def count(self) -> int:
        """Number of frames; of a video what its header says, which may be wrong, so for display only."""
        if "*" in self.media:
            return sum(1 for _ in self.folder.glob(self.media))
        video = open_video(self.folder / self.media)
        try:
            return max(0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
        finally:
            video.release()

    def picked(self, indexes: Collection[int]) -> dict[int, bytes]:
        """Return the frames with these numbers, as they would travel; those that do not exist are left out."""
        if "*" in self.media:
            pictures = sorted(self.folder.glob(self.media))
            return {index: pictures[index].read_bytes() for index in indexes if 0 <= index < len(pictures)}
        last = max(indexes, default=-1)
        return {index: jpeg for index, jpeg in enumerate(islice(self.jpegs(), last + 1)) if index in indexes}

    def backwards(self) -> list[int]:
        """Numbers of the frames whose stamp lies before that of the frame before."""
        return [number for number, (one, other) in enumerate(pairwise(self.times_ns), 1) if other < one]

    def frames(self, time_scale_s: float | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (captured_ns, JPEG) of each frame; clips without a time of their own count ``time_scale_s`` apart."""
        apart_s = self.apart_s if self.own_time or time_scale_s is None else time_scale_s
        for index, jpeg in enumerate(self.jpegs()):
            if self.times_ns:
                if index >= len(self.times_ns):
                    return
                yield self.times_ns[index], jpeg
            else:
                yield START_NS + round(index * apart_s * 1e9), jpeg


def find_recordings(path: Path) -> list[Recording]:
    """Return the recordings at or below a folder, by name; none: an empty list. Raises UsageError for a broken one."""
    return [read_recording(folder) for folder in recording_folders(path)]


def recording_folders(path: Path) -> list[Path]:
    """Return the folders with a ``recording.json`` at or below ``path``. Raises UsageError where there is no path."""
    if not path.exists():
        raise UsageError(f"{path}: there is no such folder")
    files = [path] if path.name == "recording.json" else sorted(path.rglob("recording.json"))
    return [file.parent for file in files]


def read_recording(folder: Path) -> Recording:
    """Read a folder's ``recording.json``. Raises UsageError naming file and key where it cannot be used."""
    file = folder / "recording.json"
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(facts, dict) or facts.get("format") != "recording/1":
            raise UsageError(f"{file}: is not of format recording/1")
        return _recording(folder.absolute(), facts)
    except KeyError as error:
        raise UsageError(f"{file}: {error.args[0]} is missing") from None
    except UNUSABLE as error:
        raise UsageError(f"{file}: cannot be read: {error}") from None


def encode(picture: NDArray[np.uint8]) -> bytes:
    """BGR to JPEG as a camera would send it."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, VIDEO_QUALITY])[1].tobytes()


def device_name(folder: Path) -> str:
    """Device id of a folder: its name, with its parent's where that names the sequence."""
    parts = folder.parts[-2:] if folder.parent.name.startswith("seq-") else folder.parts[-1:]
    return "".join(mark if mark.isascii() and (mark.isalnum() or mark in "_-") else "-" for mark in "-".join(parts))[
        :64
    ]


def open_video(path: Path) -> cv2.VideoCapture:
    """Open a video without the decoder's own words about a broken one; of one that cannot be opened nothing comes."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(str(path))
    finally:
        cv2.utils.logging.setLogLevel(before)


def _recording(folder: Path, facts: dict[str, Any]) -> Recording:
    stamps = tuple(ns_of(_aware(stamp)) for stamp in facts.get("stamps") or ())
    width, height = _size(facts["frame_size"])
    if not isinstance(facts["media"], str):
        raise TypeError("media must be a video file or a glob of pictures")
    if not facts.get("period_s") and not float(facts["fps"]) > 0:
        raise ValueError("fps must be above 0 where there is no period_s")
    standing = [one for key in ("standing_stalls", "standing_objects") for one in _each(facts, key, _standing)]
    return Recording(
        name=device_name(folder),
        folder=folder,
        media=facts["media"],
        size=(width, height),
        times_ns=stamps,
        apart_s=float(facts.get("period_s") or 1 / facts["fps"]),
        own_time=bool(stamps or facts.get("period_s")),
        zones=_each(facts, "zones", _zone),
        events=_each(facts, "events", _event),
        standing=tuple(box for box, _ in standing),
        condition=str(facts.get("condition") or "recorded"),
        standing_until=tuple(gone for _, gone in standing),
        distractors=_each(facts, "distractors", _distractor),
        presets=tuple(str(name or "") for name in facts.get("presets") or ()),
    )


def _each(facts: dict[str, Any], key: str, read: Callable[[dict[str, Any]], Entry]) -> tuple[Entry, ...]:
    """Every entry of a list, null or missing being none. Raises KeyError and ValueError that name the entry."""
    found = []
    for number, entry in enumerate(facts.get(key) or ()):
        try:
            found.append(read(entry))
        except KeyError as error:
            raise KeyError(f"{key}[{number}].{error.args[0]}") from None
        except UNUSABLE as error:
            raise ValueError(f"{key}[{number}]: {error}") from None
    return tuple(found)


def _size(sides: object) -> tuple[int, int]:
    """Width and height. Raises ValueError for another form, FrameError for a size that no frame may have."""
    if not (isinstance(sides, list) and len(sides) == len(("width", "height")) and all(map(_number, sides))):
        raise ValueError(f"frame_size must be [width, height] in px, as [1280, 720], not {json.dumps(sides)}")
    width, height = int(sides[0]), int(sides[1])
    check_size(width, height)
    return width, height


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _standing(entry: dict[str, Any]) -> tuple[Box, int | None]:
    return _box(entry["bbox"]), _frame(entry.get("gone_by_frame"))


def _zone(zone: dict[str, Any]) -> ImageZone:
    corners = tuple((float(x), float(y)) for x, y in zone["polygon"])
    families = zone.get("families") or ("stall", "waste")
    return ImageZone(zone["name"], corners, frozenset(families), str(zone.get("preset") or ""))


def _aware(stamp: str) -> datetime:
    """A stamp's moment; one without an offset is UTC."""
    when = datetime.fromisoformat(stamp)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _event(entry: dict[str, Any]) -> Event:
    """An event starts when the thing stands there: put down, or, for a stall, come."""
    first = entry.get("drop_frame")
    if first is None:
        first = entry["appear_frame"]
    last = _frame(entry["last_frame"])
    label = str(entry.get("label") or "")
    return Event(entry["kind"], label, int(first), LAST_FRAME if last is None else last, _box(entry["bbox"]))


def _distractor(entry: dict[str, Any]) -> Distractor:
    first, last = _frame(entry.get("first_frame")), _frame(entry.get("last_frame"))
    box = entry.get("bbox")
    return Distractor(
        str(entry.get("label") or ""),
        0 if first is None else first,
        LAST_FRAME if last is None else last,
        None if box is None else _box(box),
    )


def _frame(number: float | None) -> int | None:
    return None if number is None else int(number)


def _box(sides: list[float]) -> Box:
    x, y, w, h = (int(side) for side in sides)
    return x, y, w, h
