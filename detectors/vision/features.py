"""Hand features of one look at a standing object: what the class posterior is computed from."""

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import TILE_PX
from detectors.vision.proposals import Blob, Crop
from detectors.vision.verify import Look, gradient, half_mask, moments

GREY_CELLS, BUSY_CELLS, COLOUR_CELLS = 5, 4, 3  # a box is divided into so many rows and columns for its layout
NAMES = (
    *("log_height", "log_width", "log_area", "aspect", "fill", "foot", "height_by_foot"),
    *("grey_mean", "grey_change", "grey_std", "bright", "dark", "u_mean", "v_mean", "u_std", "v_std", "colourful"),
    *("u_change", "v_change", "colour_change", "busy_new", "busy_old", "upright", "edge_density"),
    *("ncc", "ratio", "spread", "ghost", "edge_candidate", "ring_background", "ring_candidate"),
    *("ring_activity", "row_activity", "unrest", "votes_spread"),
    *(f"grey_{row}{column}" for row in range(GREY_CELLS) for column in range(GREY_CELLS)),
    *(f"busy_{row}{column}" for row in range(BUSY_CELLS) for column in range(BUSY_CELLS)),
    *(f"fill_{row}{column}" for row in range(BUSY_CELLS) for column in range(BUSY_CELLS)),
    *(f"u_{row}{column}" for row in range(COLOUR_CELLS) for column in range(COLOUR_CELLS)),
    *(f"v_{row}{column}" for row in range(COLOUR_CELLS) for column in range(COLOUR_CELLS)),
    *(f"angle_{bin_}" for bin_ in range(6)),
)


def measure(
    crop: Crop, blob: Blob, seen: Look, activity: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """(F,) float32 in the order of ``NAMES``; lengths are relative to the grid's width, so 320 and 480 agree.

    ``activity`` is the camera's (TH, TW) share of recent time in which a place was busy.
    """
    across, down = cv2.spatialGradient(crop.candidate)
    steep, tall = np.abs(across), np.abs(down)
    busy = np.asarray(steep + tall, np.int16)
    texture = [
        np.log1p(cv2.mean(busy, crop.mask)[0]),
        np.log1p(cv2.mean(gradient(crop.background), crop.mask)[0]),
        np.log((cv2.mean(steep, crop.mask)[0] + 2) / (cv2.mean(tall, crop.mask)[0] + 2)),
        cv2.mean(cv2.threshold(busy, 120, 1, cv2.THRESH_BINARY)[1], crop.mask)[0],
    ]
    judged = [
        seen.ncc,
        np.log(min(max(seen.ratio, 0.1), 8.0)),
        min(seen.spread, 2.0),
        seen.ghost,
        np.log1p(seen.edge_candidate),
        np.log1p(seen.ring_background),
        np.log1p(seen.ring_candidate),
    ]
    plain = [*_size(blob, shape), *_colour(crop), *texture, *judged, *_activity(blob, activity), *_unrest(crop)]
    inside = np.flatnonzero(crop.mask)
    angles = _angles(across.take(inside).astype(np.float32), down.take(inside).astype(np.float32))
    return np.concatenate([np.asarray(plain, np.float32), _layout(crop, blob, busy), angles])


def _size(blob: Blob, shape: tuple[int, int]) -> list[float]:
    scale = 320.0 / shape[1]
    _, y, w, h = blob.box
    foot = (y + h) / shape[0]
    return [
        float(np.log(h * scale)),
        float(np.log(w * scale)),
        float(np.log(blob.area * scale * scale)),
        float(np.log(w / h)),
        blob.area / (w * h),
        foot,
        float(np.log(h / shape[0] / (foot + 0.1))),
    ]


def _colour(crop: Crop) -> list[float]:
    mask, half = crop.mask, half_mask(crop)
    grey, spread = moments(crop.candidate, mask)
    back = cv2.mean(crop.background, mask)[0]
    new = [moments(plane, half) for plane in crop.candidate_colour]
    old = [cv2.mean(plane, half)[0] for plane in crop.background_colour]
    plain = np.full_like(half, 128)
    colourful = sum(cv2.mean(cv2.absdiff(plane, plain), half)[0] for plane in crop.candidate_colour)
    change = sum(cv2.mean(cv2.absdiff(*pair), half)[0] for pair in zip(*crop.colours(), strict=True))
    return [
        grey / 64,
        (grey - back) / 64,
        spread / 32,
        cv2.mean(cv2.threshold(crop.candidate, 190, 1, cv2.THRESH_BINARY)[1], mask)[0],
        cv2.mean(cv2.threshold(crop.candidate, 59, 1, cv2.THRESH_BINARY_INV)[1], mask)[0],
        (new[0][0] - 128) / 16,
        (new[1][0] - 128) / 16,
        new[0][1] / 8,
        new[1][1] / 8,
        colourful / 16,
        (new[0][0] - old[0]) / 16,
        (new[1][0] - old[1]) / 16,
        change / 16,
    ]


def _activity(blob: Blob, activity: NDArray[np.float32]) -> list[float]:
    x, y, w, h = (side / TILE_PX for side in blob.box)
    top, bottom = max(0, int(y - 1)), min(activity.shape[0], int(y + h + 2))
    left, right = max(0, int(x - 1)), min(activity.shape[1], int(x + w + 2))
    near = activity[top:bottom, left:right]
    rows = activity[top:bottom]
    return [float(near.mean()) if near.size else 0.0, float(rows.mean()) if rows.size else 0.0]


def _unrest(crop: Crop) -> list[float]:
    """How far the newest frame is from what has stood, and how unevenly that stood: much where traffic queues."""
    away = cv2.mean(cv2.absdiff(crop.frame, crop.candidate), crop.mask)[0]
    mean, spread = moments(crop.votes, crop.mask)
    return [float(np.log1p(away)), spread / (mean + 1)]


def _layout(crop: Crop, blob: Blob, busy: NDArray[np.int16]) -> NDArray[np.float32]:
    """What is where in the box: brightness against its mean, edges against theirs, the mask, both colours."""
    x, y, w, h = blob.box
    rows, columns = slice(y - crop.y, y - crop.y + h), slice(x - crop.x, x - crop.x + w)
    half = (
        slice((y - crop.y) // 2, max((y - crop.y) // 2 + 1, (y - crop.y + h) // 2)),
        slice((x - crop.x) // 2, max((x - crop.x) // 2 + 1, (x - crop.x + w) // 2)),
    )
    grey = _cells(crop.candidate[rows, columns].astype(np.float32), GREY_CELLS)
    edges = _cells(busy[rows, columns].astype(np.float32), BUSY_CELLS)
    filled = _cells(crop.mask[rows, columns].astype(np.float32), BUSY_CELLS) / 255
    colours = [_cells(plane[half].astype(np.float32) - 128, COLOUR_CELLS) / 16 for plane in crop.candidate_colour]
    return np.concatenate([(grey - grey.mean()) / 32, edges / (edges.mean() + 8), filled, *colours])


def _cells(part: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(part, (count, count), interpolation=cv2.INTER_AREA), np.float32).ravel()


def _angles(across: NDArray[np.float32], down: NDArray[np.float32]) -> NDArray[np.float32]:
    weight, angle = cv2.cartToPolar(across, down)
    bins = np.asarray(angle.ravel() * np.float32(6 / np.pi), np.int64) % 6
    histogram = np.bincount(bins, weights=weight.ravel(), minlength=6)
    return np.asarray(histogram / (histogram.sum() + 1), np.float32)
