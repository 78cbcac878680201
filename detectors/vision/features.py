"""Hand features of one look at a standing object: what the class posterior is computed from."""

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import TILE_PX
from detectors.vision.proposals import Blob, Crop
from detectors.vision.verify import Look, gradient

CELLS = 3  # the crop's box is divided into 3 x 3 for layout features
NAMES = (
    *("log_height", "log_width", "log_area", "aspect", "fill", "foot", "height_by_foot"),
    *("grey_mean", "grey_change", "grey_std", "bright", "dark", "u_mean", "v_mean", "u_std", "v_std", "colourful"),
    *("u_change", "v_change", "colour_change", "busy_new", "busy_old", "upright", "edge_density"),
    *("ncc", "ratio", "spread", "ghost", "edge_candidate", "ring_background", "ring_candidate"),
    *("ring_activity", "row_activity", "unrest", "votes_spread"),
    *(f"grey_{row}{column}" for row in range(CELLS) for column in range(CELLS)),
    *(f"busy_{row}{column}" for row in range(CELLS) for column in range(CELLS)),
    *(f"angle_{bin_}" for bin_ in range(6)),
)


def measure(
    crop: Crop, blob: Blob, seen: Look, activity: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """(F,) float32 in the order of ``NAMES``; lengths are relative to the grid's width, so 320 and 480 agree.

    ``activity`` is the camera's (TH, TW) share of recent time in which a place was busy.
    """
    inside = crop.mask > 0
    size = _size(blob, shape)
    colour = _colour(crop, inside)
    busy, across, down = _texture(crop)
    texture = [
        np.log1p(busy[inside].mean()),
        np.log1p(gradient(crop.background)[inside].mean()),
        np.log((np.abs(across[inside]).mean() + 2) / (np.abs(down[inside]).mean() + 2)),
        float((busy[inside] > 120).mean()),
    ]
    judged = [
        seen.ncc,
        np.log(np.clip(seen.ratio, 0.1, 8.0)),
        min(seen.spread, 2.0),
        seen.ghost,
        np.log1p(seen.edge_candidate),
        np.log1p(seen.ring_background),
        np.log1p(seen.ring_candidate),
    ]
    around = [*_activity(blob, activity), *_unrest(crop, inside)]
    layout = _layout(crop, blob, busy)
    angles = _angles(across[inside].astype(np.float32), down[inside].astype(np.float32))
    return np.asarray([*size, *colour, *texture, *judged, *around, *layout, *angles], np.float32)


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


def _colour(crop: Crop, inside: NDArray[np.bool_]) -> list[float]:
    grey = crop.candidate[inside].astype(np.float32)
    back = crop.background[inside].astype(np.float32)
    half = inside[::2, ::2]
    if not half.any():
        half = np.ones_like(half)
    new = crop.candidate_colour[:, half].astype(np.float32) - 128
    old = crop.background_colour[:, half].astype(np.float32) - 128
    means, spread, change = new.mean(axis=1), new.std(axis=1), (new - old).mean(axis=1)
    return [
        float(grey.mean()) / 64,
        float((grey - back).mean()) / 64,
        float(grey.std()) / 32,
        float((grey > 190).mean()),
        float((grey < 60).mean()),
        float(means[0]) / 16,
        float(means[1]) / 16,
        float(spread[0]) / 8,
        float(spread[1]) / 8,
        float(np.abs(new).sum(axis=0).mean()) / 16,
        float(change[0]) / 16,
        float(change[1]) / 16,
        float(np.abs(new - old).sum(axis=0).mean()) / 16,
    ]


def _texture(crop: Crop) -> tuple[NDArray[np.int16], NDArray[np.int16], NDArray[np.int16]]:
    across, down = cv2.spatialGradient(crop.candidate)
    return (
        np.asarray(np.abs(across) + np.abs(down), np.int16),
        np.asarray(across, np.int16),
        np.asarray(down, np.int16),
    )


def _activity(blob: Blob, activity: NDArray[np.float32]) -> list[float]:
    x, y, w, h = (side / TILE_PX for side in blob.box)
    top, bottom = max(0, int(y - 1)), min(activity.shape[0], int(y + h + 2))
    left, right = max(0, int(x - 1)), min(activity.shape[1], int(x + w + 2))
    near = activity[top:bottom, left:right]
    rows = activity[top:bottom]
    return [float(near.mean()) if near.size else 0.0, float(rows.mean()) if rows.size else 0.0]


def _unrest(crop: Crop, inside: NDArray[np.bool_]) -> list[float]:
    """How far the newest frame is from what has stood, and how unevenly that stood: much where traffic queues."""
    away = cv2.absdiff(crop.frame, crop.candidate)[inside]
    votes = crop.votes[inside].astype(np.float32)
    return [float(np.log1p(away.mean())), float(votes.std() / (votes.mean() + 1))]


def _layout(crop: Crop, blob: Blob, busy: NDArray[np.int16]) -> list[float]:
    x, y, w, h = blob.box
    rows, columns = slice(y - crop.y, y - crop.y + h), slice(x - crop.x, x - crop.x + w)
    cells = (CELLS, CELLS)
    grey = np.asarray(cv2.resize(crop.candidate[rows, columns].astype(np.float32), cells, interpolation=cv2.INTER_AREA))
    edges = np.asarray(cv2.resize(busy[rows, columns].astype(np.float32), cells, interpolation=cv2.INTER_AREA))
    grey = (grey - grey.mean()) / 32
    edges = edges / (edges.mean() + 8)
    return [float(value) for value in (*grey.ravel(), *edges.ravel())]


def _angles(across: NDArray[np.float32], down: NDArray[np.float32]) -> list[float]:
    weight = np.hypot(across, down)
    bins = np.asarray(np.mod(np.arctan2(down, across), np.pi) / np.pi * 6, np.int64).clip(0, 5)
    histogram = np.bincount(bins, weights=weight, minlength=6)
    return [float(value) for value in histogram / (histogram.sum() + 1)]
