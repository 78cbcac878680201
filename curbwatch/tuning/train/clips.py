"""Sequences as a detector sees them: grids with captured times; and pictures pasted into them."""

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ingest.decode import decode_full, decode_grid
from schemas.errors import FrameError, UsageError
from schemas.frame import FrameBatch
from schemas.place import CameraView, ImageZone

Box = tuple[int, int, int, int]  # x, y, w, h
START_NS = 1_700_000_000_000_000_000  # clips without stamps begin here
QUALITY = 90  # JPEG quality at which frames of a video travel


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording/1 in memory.

    Attributes:
        name: from its folder.
        jpegs: the frames as they would travel.
        times_ns: captured time of each.
        size: native width and height, px.
        view: its zones, under its name.
        standing: boxes of objects that are there from the first frame on.
    """

    name: str
    jpegs: tuple[bytes, ...]
    times_ns: tuple[int, ...]
    size: tuple[int, int]
    view: CameraView
    standing: tuple[Box, ...]


def read_clip(path: Path, *, time_scale_s: float | None, most: int = 100_000) -> Clip:
    """Read a folder with a recording.json; frames without stamps count ``time_scale_s`` apart (None: as recorded).

    Raises UsageError where the file or its media cannot be read.
    """
    file = path / "recording.json"
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {error}") from None
    jpegs = list(_media(path, facts["media"], most))
    if facts.get("stamps"):
        times_ns = [round(datetime.fromisoformat(stamp).timestamp() * 1e9) for stamp in facts["stamps"]]
    else:
        apart_s = facts.get("period_s") or time_scale_s or 1 / facts["fps"]
        times_ns = [START_NS + round(k * apart_s * 1e9) for k in range(len(jpegs))]
    name = "-".join(path.parts[-2:] if path.parent.name.startswith("seq-") else path.parts[-1:])
    zones = tuple(ImageZone(z["name"], tuple((x, y) for x, y in z["polygon"])) for z in facts.get("zones", ()))
    standing = [*facts.get("standing_stalls", ()), *facts.get("standing_objects", ())]
    boxes = tuple((*(int(side) for side in entry["bbox"]),) for entry in standing)
    count = min(len(jpegs), len(times_ns))
    width, height = facts["frame_size"]
    return Clip(
        name,
        tuple(jpegs[:count]),
        tuple(times_ns[:count]),
        (width, height),
        CameraView(name, zones),
        tuple((b[0], b[1], b[2], b[3]) for b in boxes),
    )


def _media(path: Path, media: str, most: int) -> Iterator[bytes]:
    if "*" in media:
        for picture in sorted(path.glob(media))[:most]:
            yield picture.read_bytes()
        return
    video = cv2.VideoCapture(str(path / media))
    if not video.isOpened():
        raise UsageError(f"{path / media}: cannot be opened as a video")
    for _ in range(most):
        read, frame = video.read()
        if not read:
            break
        yield encode(np.asarray(frame, np.uint8))
    video.release()


def encode(picture: NDArray[np.uint8]) -> bytes:
    """BGR to JPEG as a camera would send it."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def batches(clip: Clip, pasted: "Sequence[Paste]" = ()) -> Iterator[FrameBatch]:
    """One batch per decodable frame, with the pastes in their frames."""
    for index, (jpeg, time_ns) in enumerate(zip(clip.jpegs, clip.times_ns, strict=True)):
        try:
            sent = jpeg
            now = [paste for paste in pasted if paste.first <= index < paste.last]
            if now:
                sent = encode(reduce(lambda picture, paste: paste.onto(picture), now, decode_full(jpeg)))
            grid = decode_grid(sent, *clip.size)
        except FrameError:
            continue
        yield FrameBatch(
            camera_ids=(clip.name,),
            captured_ns=np.asarray([time_ns], np.int64),
            pixels=grid[None],
            native_px=np.asarray([clip.size], np.int32),
            crc32=np.asarray([zlib.crc32(sent)], np.uint32),
        )


@dataclass(frozen=True, slots=True)
class Paste:
    """A cut-out in a clip from frame ``first`` to before frame ``last``.

    Attributes:
        picture: (h, w, 3) uint8 BGR, at the size at which it is pasted.
        alpha: (h, w) float32 0..1, its soft edge.
        x, y: where its upper left corner goes, native px.
    """

    picture: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    x: int
    y: int
    first: int
    last: int

    @property
    def box(self) -> Box:
        """x, y, w, h in native px."""
        return self.x, self.y, self.picture.shape[1], self.picture.shape[0]

    def onto(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame with the cut-out in it, a new array."""
        out = frame.copy()
        x, y, w, h = self.box
        part = out[y : y + h, x : x + w].astype(np.float32)
        alpha = self.alpha[..., None]
        out[y : y + h, x : x + w] = np.clip(alpha * self.picture + (1 - alpha) * part, 0, 255).astype(np.uint8)
        return out
