"""Blobs of the standing mask, joined where they belong to one object, and their crops."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import Plane, chroma, luma

Box = tuple[int, int, int, int]  # x, y, w, h in grid px

MARGIN_PX = 6  # of surroundings around a crop: the ring that an object is compared with
FULL = 0.7  # of the surroundings: more is no object that stands in them
OPEN = np.ones((2, 2), np.uint8)
CLOSE = np.ones((5, 5), np.uint8)
BORDER_PX = 6  # around what was opened: room to grow again and to close


@dataclass(frozen=True, slots=True)
class Blob:
    """One standing region: its box, its area in grid px, and its outlines (cv2 contours)."""

    box: Box
    area: float
    outlines: tuple[NDArray[np.int32], ...]

    def parts(self) -> "list[Blob]":
        """One blob for each outline; none for a single one."""
        return [_of((outline,)) for outline in self.outlines] if len(self.outlines) > 1 else []


@dataclass(frozen=True, slots=True)
class Levels:
    """Thresholds of a faint part: brightness, colour, votes."""

    grey: float
    colour: float
    votes: int


@dataclass(frozen=True, slots=True)
class Crop:
    """Background and candidate around one blob; the origin is even, so that colour pixels align.

    Attributes:
        x, y: origin in grid px.
        background, candidate: (h, w) uint8 brightness.
        mask: (h, w) uint8, 255 inside the blob.
        background_colour, candidate_colour: (2, h/2, w/2) uint8 both colour planes.
        frame, votes: (h, w) uint8 brightness of the newest frame, and the candidate's votes.
    """

    x: int
    y: int
    background: Plane
    candidate: Plane
    mask: Plane
    background_colour: NDArray[np.uint8]
    candidate_colour: NDArray[np.uint8]
    frame: Plane
    votes: Plane

    def colours(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Both colour planes of background and of candidate."""
        return self.background_colour, self.candidate_colour


def opened(mask: Plane) -> Plane | None:
    """What is left of a (H, W) mask where 2 x 2 px blocks are kept, before they are grown again; None: nothing.

    Most of what stands for a moment is single pixels: two passes of shifted minima say so at a tenth of the price of
    the opening.
    """
    kept = np.empty_like(mask)
    cv2.min(mask[:-1], mask[1:], dst=kept[:-1])
    kept[-1] = mask[-1]
    part = np.empty_like(mask)
    cv2.min(kept[:, :-1], kept[:, 1:], dst=part[:, :-1])
    part[:, -1] = kept[:, -1]
    return part if cv2.countNonZero(part) else None


def find_blobs(mask: Plane, area_min: float) -> list[Blob]:
    """Blobs of at least ``area_min`` px of a (H, W) mask, in the order of their outlines."""
    kept = opened(mask)
    return [] if kept is None else blobs_of(kept, area_min)


def blobs_of(kept: Plane, area_min: float) -> list[Blob]:
    """``find_blobs`` from what ``opened`` gave; changes it."""
    x, y, w, h = cv2.boundingRect(kept)
    left, top = max(0, x - BORDER_PX), max(0, y - BORDER_PX)
    part = kept[top : y + h + BORDER_PX, left : x + w + BORDER_PX]
    cv2.dilate(part, OPEN, dst=part, anchor=(1, 1))
    cv2.morphologyEx(part, cv2.MORPH_CLOSE, CLOSE, dst=part)
    found, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left, top))
    blobs = []
    for outline in found:
        blob = _of((np.asarray(outline, np.int32),))
        if blob.area >= area_min:
            blobs.append(blob)
    return blobs


def grow(planes: tuple[Plane, Plane, Plane], blob: Blob, least: Levels, shape: tuple[int, int]) -> Blob:
    """Add to a blob what is joined to it at half its thresholds: the faint parts of the same object.

    ``planes`` are background, candidate and votes. A blob that would fill its surroundings (a change of light
    around it) stays as it is.
    """
    background, candidate, votes = planes
    x, y, w, h = blob.box
    reach = MARGIN_PX + max(w, h) // 2
    left, top = max(0, x - reach) & ~1, max(0, y - reach) & ~1
    right, bottom = min(shape[1], (x + w + reach + 1) & ~1), min(shape[0], (y + h + reach + 1) & ~1)
    part, half = (slice(top, bottom), slice(left, right)), (slice(top // 2, bottom // 2), slice(left // 2, right // 2))
    mask = _apart(luma(candidate, shape)[part], luma(background, shape)[part], luma(votes, shape)[part], least)
    faint = Levels(least.colour, least.colour, least.votes)
    for old, new, cast in zip(chroma(background, shape), chroma(candidate, shape), chroma(votes, shape), strict=True):
        coloured = _apart(new[half], old[half], cast[half], faint)
        if cv2.countNonZero(coloured):
            wide = cv2.resize(coloured, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_NEAREST)
            cv2.bitwise_or(mask, wide, dst=mask)
    _open(mask)
    seed = np.zeros_like(mask)
    cv2.drawContours(seed, blob.outlines, -1, (255,), cv2.FILLED, offset=(-left, -top))
    cv2.bitwise_or(mask, seed, dst=mask)
    cv2.morphologyEx(mask, cv2.MORPH_CLOSE, CLOSE, dst=mask)
    if cv2.countNonZero(mask) > FULL * mask.size:
        return blob
    count, labels = cv2.connectedComponents(mask, ltype=cv2.CV_16U)
    joined = np.zeros(count, np.uint8)
    joined[labels[seed > 0]] = 255
    joined[0] = 0
    found, _ = cv2.findContours(joined[labels], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left, top))
    return _of(tuple(np.asarray(outline, np.int32) for outline in found)) if found else blob


def _apart(new: Plane, old: Plane, votes: Plane, least: Levels) -> Plane:
    """255 where two pictures differ by more than ``least.grey`` and at least ``least.votes`` were cast."""
    differs = cv2.threshold(cv2.absdiff(new, old), least.grey, 255, cv2.THRESH_BINARY)[1]
    cast = cv2.threshold(votes, least.votes - 1, 255, cv2.THRESH_BINARY)[1]
    return np.asarray(cv2.bitwise_and(differs, cast), np.uint8)


def _open(mask: Plane) -> None:
    """Opening by 2 x 2 px, in place; cv2's own moves everything by a pixel, because it does not turn the kernel."""
    cv2.erode(mask, OPEN, dst=mask, anchor=(0, 0))
    cv2.dilate(mask, OPEN, dst=mask, anchor=(1, 1))


def _of(outlines: tuple[NDArray[np.int32], ...]) -> Blob:
    # An outline runs through pixel centres; by Pick's theorem half of it and one more are the pixels inside.
    area = sum(cv2.contourArea(outline) + len(outline) / 2 + 1 for outline in outlines)
    x, y, w, h = cv2.boundingRect(np.concatenate(outlines))
    return Blob((x, y, w, h), area, outlines)


def cut(planes: tuple[Plane, Plane, Plane], frame: Plane, blob: Blob, shape: tuple[int, int]) -> Crop:
    """Cut a blob with its margin out of background, candidate, votes and frame: views, apart from the mask."""
    background, candidate, votes = planes
    x, y, w, h = blob.box
    left, top = max(0, x - MARGIN_PX) & ~1, max(0, y - MARGIN_PX) & ~1
    right, bottom = min(shape[1], (x + w + MARGIN_PX + 1) & ~1), min(shape[0], (y + h + MARGIN_PX + 1) & ~1)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.drawContours(mask, blob.outlines, -1, (255,), cv2.FILLED, offset=(-left, -top))
    rows, columns = slice(top, bottom), slice(left, right)
    half = slice(top // 2, bottom // 2), slice(left // 2, right // 2)
    return Crop(
        x=left,
        y=top,
        background=luma(background, shape)[rows, columns],
        candidate=luma(candidate, shape)[rows, columns],
        mask=mask,
        background_colour=np.stack([plane[half] for plane in chroma(background, shape)]),
        candidate_colour=np.stack([plane[half] for plane in chroma(candidate, shape)]),
        frame=luma(frame, shape)[rows, columns],
        votes=luma(votes, shape)[rows, columns],
    )
