"""A second look: pieces of the original pictures, cut where a step asked for them, back to the detector."""

from collections.abc import Callable, Sequence

import structlog
from numpy import uint8
from numpy.typing import NDArray

from detectors.base import Detector
from schemas.crops import CropBatch, Piece, wishes_of
from schemas.detections import Detections
from schemas.errors import FrameError
from schemas.frame import Frame, FrameBatch
from schemas.meter import Meter, NullMeter

log = structlog.get_logger()

CAUSES_MAX = 32  # told once each; a message that differs each time must not fill the log

Cut = Callable[[Sequence[tuple[Frame, Piece]]], Sequence[NDArray[uint8] | FrameError]]


class FailedLooks:
    """Second looks that failed, as those of an operator's model that cannot be run: counted, each cause logged once."""

    def __init__(self, meter: Meter | None = None) -> None:
        self._meter = meter or NullMeter()
        self._causes: set[str] = set()

    def note(self, error: Exception, pieces: int) -> None:
        """Count one that lost ``pieces``; log it where its cause is a new one."""
        self._meter.add("looks_failed")
        cause = f"{type(error).__name__}: {error}"
        if cause not in self._causes and len(self._causes) < CAUSES_MAX:
            self._causes.add(cause)
            log.error("look_failed", error=cause, pieces=pieces, effect="the classes stay as they were; told once")


def look_closer(
    detector: Detector,
    found: Detections,
    batch: FrameBatch,
    frames: Sequence[Frame],
    cut: Cut,
    failed: FailedLooks | None = None,
) -> Detections:
    """Return a step's detections after the pieces it wanted; unchanged where it wanted none.

    ``frames`` are those of the batch, in its order. A piece that cannot be cut is left out. A look that fails is noted
    in ``failed`` and changes nothing: the step has been made, and what it told of all cameras must not be lost.
    Without ``failed`` its exception is raised.
    """
    wishes = wishes_of(found, batch)
    if not wishes:
        return found
    pieces = cut([(frames[wish.frame], wish.piece) for wish in wishes])
    pairs = [(wish, piece) for wish, piece in zip(wishes, pieces, strict=True) if not isinstance(piece, FrameError)]
    crops = CropBatch.of(batch, [wish for wish, _ in pairs], [piece for _, piece in pairs])
    try:
        return found.replaced(detector.classify(crops))
    except Exception as error:
        if failed is None:
            raise
        failed.note(error, len(crops))
        return found
