"""What a detector saw, as columns: one row per standing or departed object."""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

# Order of the posterior's columns. Everything but the first two is a reason not to alert.
CLASSES = ("stall", "waste", "vehicle", "bike", "crowd", "other")
OF_FRAMES = frozenset({"scene", "wanted_frame"})  # columns with a row per frame of the batch


class Phase(IntEnum):
    """Where a track is in its life."""

    MATURING = 0  # static and verified, dwell not reached
    STANDING = 1  # dwell reached
    GONE = 2  # left after STANDING: reported in exactly one batch


class SceneState(IntEnum):
    """What a whole frame told; only OK frames feed dwell."""

    OK = 0
    WARMING = 1  # the background is still being learned
    CHANGED = 2  # most samples disagree, for a reason that cannot be told
    FROZEN = 3  # the frame before again, byte for byte or but for its clock
    LATE = 4  # captured before the frame already seen
    BLACK = 5
    WHITE = 6
    FLAT = 7  # most of it one colour: a decoder's green or grey
    NOISE = 8  # snow: no pixel knows its neighbour
    CARD = 9  # test card, "No Video", service picture
    DARK = 10  # too dark to see what stands there
    BLURRED = 11  # fine edges are gone: out of focus, rain drops on the dome
    COVERED = 12  # most of the street's edges are gone, and none came
    MOVED = 13  # turned a little, or another view
    PRESET = 14  # a view that its zones are not bound to
    LIGHT = 15  # the same view in a light that no gain brings back: night, infra-red


class Evidence(IntEnum):
    """What carried a row's class."""

    SHAPE = 0  # features of the grid: size, colours, edges, activity
    CROP = 1  # our classifier, on the piece of the original picture
    MODEL = 2  # the operator's own model


@dataclass(frozen=True, slots=True)
class Detections:
    """Struct of arrays over R rows, plus one scene state for each of the batch's N frames.

    Attributes:
        scene: (N,) uint8, a SceneState per frame of the batch.
        frame: (R,) int32, row of the FrameBatch.
        track_id: (R,) int64, unique within a camera for ever (kept over snapshot and restore).
        phase: (R,) uint8, a Phase.
        box_px: (R, 4) float32, x, y, w, h in native px.
        appeared_ns: (R,) int64, estimated capture time at which the object came to stand.
        dwell_s: (R,) float32, captured seconds it has stood, >= 0.
        posterior: (R, 6) float32 over CLASSES, rows sum to 1.
        evidence: (R,) uint8, an Evidence.
        wanted: (R,) bool, the detector would see this row's piece of the original picture (schemas/crops.py).
        wanted_frame: (N,) bool, the same for a whole picture.
    """

    scene: NDArray[np.uint8]
    frame: NDArray[np.int32]
    track_id: NDArray[np.int64]
    phase: NDArray[np.uint8]
    box_px: NDArray[np.float32]
    appeared_ns: NDArray[np.int64]
    dwell_s: NDArray[np.float32]
    posterior: NDArray[np.float32]
    evidence: NDArray[np.uint8]
    wanted: NDArray[np.bool_]
    wanted_frame: NDArray[np.bool_]

    @classmethod
    def empty(cls, frames: int = 0) -> Self:
        """Nothing seen in ``frames`` frames, all OK."""
        return cls(
            scene=np.zeros(frames, np.uint8),
            frame=np.zeros(0, np.int32),
            track_id=np.zeros(0, np.int64),
            phase=np.zeros(0, np.uint8),
            box_px=np.zeros((0, 4), np.float32),
            appeared_ns=np.zeros(0, np.int64),
            dwell_s=np.zeros(0, np.float32),
            posterior=np.zeros((0, len(CLASSES)), np.float32),
            evidence=np.zeros(0, np.uint8),
            wanted=np.zeros(0, np.bool_),
            wanted_frame=np.zeros(frames, np.bool_),
        )

    def __len__(self) -> int:
        """Number of rows R."""
        return len(self.track_id)

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """Rows for which the (R,) mask is True; the frames' scene states stay."""
        rows = {f.name: getattr(self, f.name)[mask] for f in fields(self) if f.name not in OF_FRAMES}
        return type(self)(scene=self.scene, wanted_frame=self.wanted_frame, **rows)

    def replaced(self, newer: Self) -> Self:
        """Put the rows of ``newer`` in the place of those of the same frame and track; new ones follow.

        The frames' scene states stay, and nothing is wanted any more.
        """
        places = {key: len(self) + row for row, key in enumerate(_keys(newer))}
        order = [places.pop(key, row) for row, key in enumerate(_keys(self))] + list(places.values())
        rows = {
            f.name: np.concatenate([getattr(self, f.name), getattr(newer, f.name)])[np.asarray(order, np.int64)]
            for f in fields(self)
            if f.name not in OF_FRAMES
        }
        rows["wanted"] = np.zeros(len(order), np.bool_)
        return type(self)(scene=self.scene, wanted_frame=np.zeros(len(self.scene), np.bool_), **rows)


def _keys(detections: Detections) -> list[tuple[int, int]]:
    return list(zip(detections.frame.tolist(), detections.track_id.tolist(), strict=True))
