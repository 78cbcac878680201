"""Sequences as a detector sees them: grids with captured times; and pictures pasted into them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.recording import Box, encode, read_recording
from curbwatch.tuning.replay import batch_of
from ingest.decode import decode_full
from schemas.errors import FrameError
from schemas.frame import Frame, FrameBatch
from schemas.place import CameraView


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
        own_time: whether it carries stamps or a period of its own.
    """

    name: str
    jpegs: tuple[bytes, ...]
    times_ns: tuple[int, ...]
    size: tuple[int, int]
    view: CameraView
    standing: tuple[Box, ...]
    own_time: bool = False


def read_clip(path: Path, *, time_scale_s: float | None, most: int = 100_000) -> Clip:
    """Read a folder with a recording.json; frames without stamps count ``time_scale_s`` apart (None: as recorded).

    Raises UsageError where the file or its media cannot be read.
    """
    recording = read_recording(path)
    frames = list(islice(recording.frames(time_scale_s), most))
    return Clip(
        recording.name,
        tuple(jpeg for _, jpeg in frames),
        tuple(captured_ns for captured_ns, _ in frames),
        recording.size,
        CameraView(recording.name, recording.zones),
        recording.standing,
        recording.own_time,
    )


def batches(clip: Clip, pasted: "Sequence[Paste]" = ()) -> Iterator[tuple[FrameBatch, bytes]]:
    """One batch per decodable frame with the JPEG behind it, with the pastes in their frames."""
    for index, (jpeg, time_ns) in enumerate(zip(clip.jpegs, clip.times_ns, strict=True)):
        try:
            sent = jpeg
            now = [paste for paste in pasted if paste.first <= index < paste.last]
            if now:
                sent = encode(reduce(lambda picture, paste: paste.onto(picture), now, decode_full(jpeg)))
            batch = batch_of(Frame(clip.name, time_ns, time_ns, sent, *clip.size))
        except FrameError:
            continue
        yield batch, sent


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
