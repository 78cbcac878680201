"""Blobs of the standing mask, joined where they belong to one object, and their crops."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import Plane, chroma, luma

Box = tuple[int, int, int, int]  # x, y, w, h in grid px

MARGIN_PX = 6  # of surroundings around a crop: the ring that an object is compared with
OPEN = np.ones((2, 2), np.uint8)
CLOSE = np.ones((5, 5), np.uint8)


@dataclass(frozen=True, slots=True)
class Blob:
    """One standing region: its box, its area in grid px, and its outlines (cv2 contours)."""

    box: Box
    area: float
    outlines: tuple[NDArray[np.int32], ...]


@dataclass(frozen=True, slots=True)
class Crop:
    """Background and candidate around one blob; the origin is even, so that colour pixels align.

    Attributes:
        x, y: origin in grid px.
        background, candidate: (h, w) uint8 brightness.
        mask: (h, w) uint8, 255 inside the blob.
        background_colour, candidate_colour: (2, h/2, w/2) uint8 both colour planes.
    """

    x: int
    y: int
    background: Plane
    candidate: Plane
    mask: Plane
    background_colour: NDArray[np.uint8]
    candidate_colour: NDArray[np.uint8]


def find_blobs(mask: Plane, area_min: float) -> list[Blob]:
    """Blobs of at least ``area_min`` px of a (H, W) mask, in the order of their outlines; changes the mask."""
    x, y, w, h = cv2.boundingRect(mask)
    part = mask[max(0, y - 5) : y + h + 5, max(0, x - 5) : x + w + 5]
    cv2.morphologyEx(part, cv2.MORPH_OPEN, OPEN, dst=part)
    cv2.morphologyEx(part, cv2.MORPH_CLOSE, CLOSE, dst=part)
    found, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(max(0, x - 5), max(0, y - 5)))
    blobs = []
    for outline in found:
        # The outline runs through pixel centres; by Pick's theorem half of it and one more are the pixels inside.
        area = cv2.contourArea(outline) + len(outline) / 2 + 1
        if area >= area_min:
            left, top, wide, tall = cv2.boundingRect(outline)
            blobs.append(Blob((left, top, wide, tall), area, (np.asarray(outline, np.int32),)))
    return blobs


def cut(background: Plane, candidate: Plane, blob: Blob, shape: tuple[int, int]) -> Crop:
    """Cut a blob with its margin out of two I420 pictures: views, apart from the mask."""
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
    )
