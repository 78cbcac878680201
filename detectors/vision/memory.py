"""Time-weighted majority memory per pixel: what stood here for most of the recent time (vision.md 3 and 4)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import Plane, chroma, luma
from detectors.vision.proposals import Box

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
    cv2.threshold(votes, 0, 255, cv2.THRESH_BINARY_INV, dst=work.step)
    cv2.copyTo(frame, work.step, dst=candidate)
    cv2.threshold(work.differs, grey, increment, cv2.THRESH_BINARY_INV, dst=work.step)
    cv2.add(votes, work.step, dst=votes)


def drift(frame: Plane, model: Plane, grey: int, work: Scratch) -> None:
    """Let a model follow the frame, in place, where it already matches within ``grey`` levels (colour: half)."""
    cv2.absdiff(frame, model, dst=work.differs)
    colour = work.differs[work.shape[0] :]
    cv2.add(colour, colour, dst=colour)
    follow(frame, model, grey, work)


def follow(frame: Plane, model: Plane, grey: int, work: Scratch) -> None:
    """``drift`` with the difference that ``vote`` or ``drift`` left in ``work.differs``, which stays."""
    cv2.threshold(work.differs, grey, 255, cv2.THRESH_BINARY_INV, dst=work.mask)
    cv2.addWeighted(frame, DRIFT, model, 1 - DRIFT, 0, dst=work.step)
    cv2.copyTo(work.step, work.mask, dst=model)


def cap(votes: Plane, limit: int, most: int, grey: int, work: Scratch) -> None:
    """Cap the votes at ``limit`` where a pixel looks like its background, at ``most`` elsewhere; in place.

    So a new object wins quickly, and where one thing stood and another stands now, the other does not wait for ever.
    Reads |candidate - background| from ``work.differs``, which stays.
    """
    cv2.threshold(work.differs, grey, most - limit, cv2.THRESH_BINARY, dst=work.step)
    cv2.add(work.step, np.full(1, limit, np.float64), dst=work.step)
    cv2.min(votes, work.step, dst=votes)


def standing_mask(votes: Plane, static: int, grey: int, colour_levels: int, work: Scratch) -> NDArray[np.uint8] | None:
    """(H, W) uint8, 255 where something else than the background has stood; None where nothing has.

    Reads |candidate - background| from ``work.differs``; the result lies in ``work.mask``. ``static`` is the number
    of votes (1..255) asked for.
    """
    shape = work.shape
    rows = shape[0]
    cv2.threshold(work.differs[:rows], grey, 255, cv2.THRESH_BINARY, dst=work.mask[:rows])
    cv2.threshold(work.differs[rows:], colour_levels, 255, cv2.THRESH_BINARY, dst=work.mask[rows:])
    cv2.min(work.mask, votes, dst=work.mask)
    cv2.threshold(work.mask, static - 1, 255, cv2.THRESH_BINARY, dst=work.mask)
    standing = work.mask[:rows]
    cv2.max(*chroma(work.mask, shape), dst=work.half)
    x, y, w, h = cv2.boundingRect(work.half)
    if w:
        # Scaling up costs as much as four votes: only where there is something.
        part = standing[2 * y : 2 * (y + h), 2 * x : 2 * (x + w)]
        coloured = cv2.resize(work.half[y : y + h, x : x + w], (2 * w, 2 * h), interpolation=cv2.INTER_NEAREST)
        cv2.bitwise_or(part, coloured, dst=part)
    return standing if w or cv2.countNonZero(standing) else None


def parts(plane: Plane, box: Box, shape: tuple[int, int]) -> list[tuple[Plane, tuple[slice, slice]]]:
    """The brightness and colour planes of an I420 picture, with the slices that a box covers in each."""
    x, y, w, h = box
    half = slice(y // 2, (y + h + 1) // 2), slice(x // 2, (x + w + 1) // 2)
    return [(luma(plane, shape), (slice(y, y + h), slice(x, x + w))), *((one, half) for one in chroma(plane, shape))]


def forget(candidate: Plane, background: Plane, votes: Plane, box: Box, shape: tuple[int, int]) -> None:
    """Let a box look as its background does, without votes, in place."""
    planes = (parts(plane, box, shape) for plane in (candidate, background, votes))
    for (new, where), (old, _), (cast, _) in zip(*planes, strict=True):
        new[where] = old[where]
        cast[where] = 0
