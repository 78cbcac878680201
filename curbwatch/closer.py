"""A second look: pieces of the original pictures, cut where a step asked for them, back to the detector."""

from collections.abc import Callable, Sequence

from numpy import uint8
from numpy.typing import NDArray

from detectors.base import Detector
from schemas.crops import CropBatch, Piece, wishes_of
from schemas.detections import Detections
from schemas.errors import FrameError
from schemas.frame import Frame, FrameBatch

Cut = Callable[[Sequence[tuple[Frame, Piece]]], Sequence[NDArray[uint8] | FrameError]]


def look_closer(
    detector: Detector, found: Detections, batch: FrameBatch, frames: Sequence[Frame], cut: Cut
) -> Detections:
    """Return a step's detections after the pieces it wanted; unchanged where it wanted none.

    ``frames`` are those of the batch, in its order. A piece that cannot be cut is left out.
    """
    wishes = wishes_of(found, batch)
    if not wishes:
        return found
    pieces = cut([(frames[wish.frame], wish.piece) for wish in wishes])
    pairs = [(wish, piece) for wish, piece in zip(wishes, pieces, strict=True) if not isinstance(piece, FrameError)]
    crops = CropBatch.of(batch, [wish for wish, _ in pairs], [piece for _, piece in pairs])
    return found.replaced(detector.classify(crops))
