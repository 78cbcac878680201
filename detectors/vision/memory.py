"""Time-weighted majority memory per pixel: what stood here for most of the recent time (vision.md 3 and 4)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import Plane, chroma, luma

DRIFT = 0.25  # share by which background and candidate follow a pixel that already matches


class Scratch:
    """Working planes of one grid shape, shared by all cameras, so that no step allocates."""

    def __init__(self, shape: tuple[int, int]) -> None:
        rows, columns = shape
        plane = (rows * 3 // 2, columns)
        self.shape = shape
        self.differs: Plane = np.empty(plane, np.uint8)
        self.step: Plane = np.empty(plane, np.uint8)
        self.mask: Plane = np.empty(plane, np.uint8)
        self.area: Plane = np.empty(shape, np.uint8)
        self.wide: Plane = np.empty(shape, np.uint8)
        self.half: Plane = np.empty((rows // 2, columns // 2), np.uint8)


def vote(frame: Plane, candidate: Plane, votes: Plane, increment: int, grey: int, work: Scratch) -> None:
    """One majority vote of weight ``increment`` (1..255), in place: 8 passes of saturating bytes.

    A pixel within ``grey`` levels of its candidate (colour: half of that) gains, another loses, and one
    without votes left takes the frame's value as its new candidate.
    """
    rows = work.shape[0]
    cv2.absdiff(frame, candidate, dst=work.differs)
    colour = work.differs[rows:]
    cv2.add(colour, colour, dst=colour)
    cv2.threshold(work.differs, grey, increment, cv2.THRESH_BINARY, dst=work.step)
    cv2.subtract(votes, work.step, dst=votes)
    cv2.threshold(votes, 0, 255, cv2.THRESH_BINARY_INV, dst=work.mask)
    cv2.copyTo(frame, work.mask, dst=candidate)
    cv2.threshold(work.differs, grey, increment, cv2.THRESH_BINARY_INV, dst=work.step)
    cv2.add(votes, work.step, dst=votes)


def drift(frame: Plane, model: Plane, grey: int, work: Scratch) -> None:
    """Let a model follow the frame, in place, where it already matches within ``grey`` levels (colour: half)."""
    cv2.absdiff(frame, model, dst=work.differs)
    colour = work.differs[work.shape[0] :]
    cv2.add(colour, colour, dst=colour)
    cv2.threshold(work.differs, grey, 255, cv2.THRESH_BINARY_INV, dst=work.mask)
    cv2.addWeighted(frame, DRIFT, model, 1 - DRIFT, 0, dst=work.step)
    cv2.copyTo(work.step, work.mask, dst=model)


def cap_background(background: Plane, candidate: Plane, votes: Plane, limit: int, grey: int, work: Scratch) -> None:
    """Cap the votes of pixels that look like their background, so that a new object wins quickly; in place."""
    cv2.absdiff(candidate, background, dst=work.differs)
    cv2.threshold(work.differs, grey, 255 - limit, cv2.THRESH_BINARY, dst=work.step)
    cv2.add(work.step, np.full(1, limit, np.float64), dst=work.step)
    cv2.min(votes, work.step, dst=votes)


def standing_mask(votes: Plane, static: int, grey: int, colour_levels: int, work: Scratch) -> NDArray[np.uint8] | None:
    """(H, W) uint8, 255 where something else than the background has stood; None where nothing has.

    Reads |candidate - background| from ``work.differs``, and spoils it. ``static`` is the number of votes (1..255)
    asked for.
    """
    shape = work.shape
    cv2.threshold(votes, static - 1, 255, cv2.THRESH_BINARY, dst=work.mask)
    cv2.threshold(luma(work.differs, shape), grey, 255, cv2.THRESH_BINARY, dst=work.area)
    cv2.bitwise_and(work.area, luma(work.mask, shape), dst=work.area)
    differs_u, differs_v = chroma(work.differs, shape)
    voted_u, voted_v = chroma(work.mask, shape)
    cv2.min(differs_u, voted_u, dst=differs_u)
    cv2.min(differs_v, voted_v, dst=differs_v)
    cv2.max(differs_u, differs_v, dst=work.half)
    cv2.threshold(work.half, colour_levels, 255, cv2.THRESH_BINARY, dst=work.half)
    if cv2.countNonZero(work.half):
        cv2.resize(work.half, shape[::-1], dst=work.wide, interpolation=cv2.INTER_NEAREST)
        cv2.bitwise_or(work.area, work.wide, dst=work.area)
    return work.area if cv2.countNonZero(work.area) else None
