"""Pieces of original pictures, for a detector that wants to see something closer than its grid shows it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from schemas.detections import Detections
from schemas.frame import FrameBatch

WHOLE = -1  # track_id of a piece that is the whole picture
CONTEXT = 0.5  # of the box's longer side: what a piece shows around the box on each side
PIECE_MIN_PX = 48  # of a piece's sides, native: less shows nothing of where a thing stands
PIECE_MAX_PX = 256  # longer side at most; larger pieces are cut from a picture decoded at 1/2, 1/4 or 1/8
WHOLE_MAX_PX = 1280  # the same for a whole picture
REDUCTIONS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Piece:
    """What to cut: x, y, w, h in native px, within the picture, and the reduction 1, 2, 4 or 8 to decode it at."""

    box_px: tuple[int, int, int, int]
    reduction: int


@dataclass(frozen=True, slots=True)
class Wish:
    """One piece that a step asked for: the row of its FrameBatch, the track (``WHOLE``: none), and what to cut."""

    frame: int
    track_id: int
    box_px: tuple[float, float, float, float]
    piece: Piece


@dataclass(frozen=True, slots=True)
class CropBatch:
    """Struct of arrays over K pieces of original pictures.

    Attributes:
        camera_ids: K device ids.
        frame: (K,) int32, row of the FrameBatch whose step wanted the piece.
        captured_ns: (K,) int64, capture time of that frame.
        track_id: (K,) int64; -1 for a whole picture.
        box_px: (K, 4) float32, x, y, w, h of the track in native px; of the whole picture for track -1.
        piece_px: (K, 4) int32, x, y, w, h of what was cut, native px.
        pieces: K pictures (h, w, 3) uint8 BGR; native px divided by the reduction, sides of at least 1.
    """

    camera_ids: tuple[str, ...]
    frame: NDArray[np.int32]
    captured_ns: NDArray[np.int64]
    track_id: NDArray[np.int64]
    box_px: NDArray[np.float32]
    piece_px: NDArray[np.int32]
    pieces: tuple[NDArray[np.uint8], ...]

    @classmethod
    def of(cls, frames: FrameBatch, wishes: Sequence[Wish], pieces: Sequence[NDArray[np.uint8]]) -> Self:
        """Return the K pieces that were cut for K wishes of one step; K may be 0."""
        rows = np.asarray([wish.frame for wish in wishes], np.int32)
        return cls(
            camera_ids=tuple(frames.camera_ids[wish.frame] for wish in wishes),
            frame=rows,
            captured_ns=np.asarray(frames.captured_ns[rows], np.int64),
            track_id=np.asarray([wish.track_id for wish in wishes], np.int64),
            box_px=np.asarray([wish.box_px for wish in wishes], np.float32).reshape(-1, 4),
            piece_px=np.asarray([wish.piece.box_px for wish in wishes], np.int32).reshape(-1, 4),
            pieces=tuple(pieces),
        )

    def __len__(self) -> int:
        """Number of pieces K."""
        return len(self.camera_ids)

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """The pieces for which the (K,) mask is True."""
        rows = np.flatnonzero(mask)
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in {"camera_ids", "pieces"}}
        return type(self)(
            camera_ids=tuple(self.camera_ids[row] for row in rows),
            pieces=tuple(self.pieces[row] for row in rows),
            **arrays,
        )


def wishes_of(detections: Detections, frames: FrameBatch) -> list[Wish]:
    """What a step wants to see closer, whole pictures first; nothing wanted gives an empty list."""
    found = []
    for row in np.flatnonzero(detections.wanted_frame):
        width, height = (int(side) for side in frames.native_px[row])
        box = (0.0, 0.0, float(width), float(height))
        found.append(Wish(int(row), WHOLE, box, Piece((0, 0, width, height), reduction((width, height), WHOLE_MAX_PX))))
    for row in np.flatnonzero(detections.wanted):
        index = int(detections.frame[row])
        x, y, w, h = (float(side) for side in detections.box_px[row])
        size = int(frames.native_px[index, 0]), int(frames.native_px[index, 1])
        found.append(Wish(index, int(detections.track_id[row]), (x, y, w, h), around((x, y, w, h), size)))
    return found


def around(box_px: tuple[float, float, float, float], native_px: tuple[int, int]) -> Piece:
    """The piece that shows a box with its surroundings, within a picture of ``native_px`` (width, height)."""
    x, y, w, h = box_px
    margin = CONTEXT * max(w, h)
    left, right = _span(x - margin, x + w + margin, native_px[0])
    top, bottom = _span(y - margin, y + h + margin, native_px[1])
    sides = right - left, bottom - top
    return Piece((left, top, *sides), reduction(sides, PIECE_MAX_PX))


def reduction(sides_px: tuple[int, int], most_px: int) -> int:
    """The smallest of 1, 2, 4 and 8 that brings the longer side to ``most_px`` or below; 8 where none does."""
    return next((factor for factor in REDUCTIONS if max(sides_px) <= most_px * factor), REDUCTIONS[-1])


def _span(low: float, high: float, limit_px: int) -> tuple[int, int]:
    """Whole px from ``low`` to ``high``, at least ``PIECE_MIN_PX`` of them where the picture has so many."""
    lack = max(0.0, PIECE_MIN_PX - (high - low)) / 2
    start, end = int(np.floor(low - lack)), int(np.ceil(high + lack))
    wide = min(limit_px, max(1, end - start))
    start = min(max(0, start), limit_px - wide)
    return start, start + wide
