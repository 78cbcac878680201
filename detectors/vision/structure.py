"""What of a picture's structure is left in another: edges at the samples, fine edges by block, a shift. Pure numpy."""

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import TILE_PX, Plane

BEFORE, AFTER = 2, 1  # px before and after a sample between which its slope is taken
SLOPE_MAX = 32.0  # grey levels: a few strong edges, of lamps and captions, do not outvote the street
EDGE_GREY = 8.0  # slope from which a sample of a background is an edge
BLOCKS = (6, 8)  # rows and columns of blocks in which fine edges are compared
FINE_GREY = 3.0  # mean step between neighbouring px of a block that has edges to lose
KEPT = 0.5  # share of its fine edges that a block must keep
SHIFT_MIN_PX = 3.0  # grid px; a mast in the wind sways by less
SHIFT_GAIN = 0.15  # by which the agreement must grow when the shift is taken back

Slopes = NDArray[np.float32]  # (N, 2, TH, TW): steps across and down at the samples, grey levels


def slopes(stack: NDArray[np.uint8], shape: tuple[int, int], rows: NDArray[np.int64] | None = None) -> Slopes:
    """(N, 2, TH, TW) steps of brightness around each sample of (S, 1.5 H, W) pictures, or of its ``rows`` only."""
    half, (height, _) = TILE_PX // 2, shape
    centre = stack[:, half:height:TILE_PX, half::TILE_PX]
    _, down, across = centre.shape

    def taps(y: int, x: int) -> NDArray[np.int16]:
        view = stack[:, y:height:TILE_PX, x::TILE_PX][:, :down, :across]
        return np.asarray(view if rows is None else view[rows], np.int16)

    wide = taps(half, half + AFTER) - taps(half, half - BEFORE)
    high = taps(half + AFTER, half) - taps(half - BEFORE, half)
    return np.clip(np.stack([wide, high], axis=1).astype(np.float32), -SLOPE_MAX, SLOPE_MAX)


def agreement(left: Slopes, right: Slopes) -> NDArray[np.float32]:
    """(N,) correlation of slopes, -1..1; 0 where either has none.

    Light scales slopes and does not turn them, people hide a few: the same view keeps 0.3 and more by day and night
    (35 real feeds), one turned by 4 px of the grid has less than 0.3, another view 0.0 to 0.1 (24 rendered streets).
    """
    dot = np.einsum("nijk,nijk->n", left, right)
    power = np.einsum("nijk,nijk->n", left, left) * np.einsum("nijk,nijk->n", right, right)
    return np.asarray(dot / np.sqrt(np.maximum(power, 1.0)), np.float32)


def edges(found: Slopes) -> NDArray[np.int64]:
    """(N,) number of edges among the samples: a bare wall has none, and then the agreement says nothing."""
    return np.asarray((np.abs(found) >= EDGE_GREY).sum(axis=(1, 2, 3)), np.int64)


def fine_edges(brightness: Plane) -> NDArray[np.float32]:
    """(6, 8) mean step between horizontal neighbours in each block of every second row, grey levels."""
    rows, columns = BLOCKS
    down, across = brightness.shape[0] // 2 // rows, (brightness.shape[1] - 1) // columns
    lines = brightness[1::2][: rows * down]
    step = cv2.absdiff(lines[:, 1 : 1 + columns * across], lines[:, : columns * across])
    return np.asarray(cv2.resize(step, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def lost_share(frame: NDArray[np.float32], background: NDArray[np.float32]) -> float:
    """Share of the background's textured blocks (6, 8) of which the frame keeps less than half; 0 without texture."""
    textured = background >= FINE_GREY
    count = int(textured.sum())
    if count < textured.size // 6:
        return 0.0
    return float((textured & (frame < KEPT * background)).sum() / count)


def shift_px(frame: Plane, background: Plane) -> tuple[int, int]:
    """Whole grid px by which a picture (H, W) lies right of and below its background; (0, 0) where none is sure."""
    old, new = _outline(background), _outline(frame)
    window = cv2.createHanningWindow(old.shape[::-1], cv2.CV_32F)
    (across, down), _ = cv2.phaseCorrelate(old, new, window)
    found = round(2 * across), round(2 * down)
    if np.hypot(*found) < SHIFT_MIN_PX:
        return 0, 0
    back = np.roll(frame, (-found[1], -found[0]), axis=(0, 1))
    shape = frame.shape
    base = slopes(background[None], (shape[0], shape[1]))
    moved, stayed = (float(agreement(slopes(x[None], (shape[0], shape[1])), base)[0]) for x in (back, frame))
    return found if moved >= stayed + SHIFT_GAIN else (0, 0)


def _outline(brightness: Plane) -> NDArray[np.float32]:
    """Edges at half size, both directions, clipped."""
    half = cv2.resize(brightness, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    wide, high = cv2.Sobel(half, cv2.CV_32F, 1, 0), cv2.Sobel(half, cv2.CV_32F, 0, 1)
    return np.asarray(np.minimum(np.abs(wide) + np.abs(high), 200.0), np.float32)
