"""What of a picture's structure is left in another: edges at the samples, fine edges by block, a shift. Pure numpy."""

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import BLOCKS, TILE_PX, Plane

BEFORE, AFTER = 2, 1  # px before and after a sample between which its slope is taken
SLOPE_MAX = 32.0  # grey levels: a few strong edges, of lamps and captions, do not outvote the street
EDGE_GREY = 8.0  # slope from which a sample of a background is an edge
EDGES_SHARE = 0.03  # of samples, both directions: fewer, as on bare asphalt, and the agreement says nothing
SPREAD = 0.6  # of the rows and of the columns of samples that have edges: else they may be of one parked car
FINE_GREY = 3.0  # mean step between neighbouring px of a block that has edges to lose
LINE = 4  # of so many rows one is measured for fine edges
KEPT = 0.5  # share of its usual fine edges that a block must keep
UNUSUAL = 3.0  # mean deviations: blocks through which traffic passes have now more, now fewer
LOST_MIN = 4  # blocks: a crowd or a lorry hides three
FINES_MIN = 8  # frames from which the usual is known
FINES_MAX = 64  # and over which it is a fading mean: half an hour at a frame every 4 s
SHIFT_MIN_PX = 1.5  # grid px; a mast in the wind sways by less
SHIFT_AGREES = 0.4  # agreement that there must be when the shift is taken back

Slopes = NDArray[np.float32]  # (N, 2, TH, TW): steps across and down at the samples, grey levels


def slopes(
    stack: NDArray[np.uint8],
    shape: tuple[int, int],
    rows: NDArray[np.int64] | None = None,
    spacing_px: int = TILE_PX,
) -> Slopes:
    """(N, 2, TH, TW) steps of brightness around each sample of (S, 1.5 H, W) pictures, or of its ``rows`` only."""
    half, (height, _) = TILE_PX // 2, shape
    _, down, across = stack[:, half:height:spacing_px, half::spacing_px].shape

    def taps(y: int, x: int) -> NDArray[np.int16]:
        view = stack[:, y:height:spacing_px, x::spacing_px][:, :down, :across]
        return np.asarray(view if rows is None else view[rows], np.int16)

    wide = taps(half, half + AFTER) - taps(half, half - BEFORE)
    high = taps(half + AFTER, half) - taps(half - BEFORE, half)
    return np.clip(np.stack([wide, high], axis=1).astype(np.float32), -SLOPE_MAX, SLOPE_MAX)


def agreement(frames: Slopes, backgrounds: Slopes) -> NDArray[np.float32]:
    """(N,) correlation of slopes where the backgrounds have edges, -1..1; nan where they have too few to tell.

    Light scales slopes and does not turn them, people hide a few. What else a frame shows does not count: over bare
    asphalt each car has more edges than the street. docs/camera-health.md has the values of real and rendered views.
    """
    edge = np.abs(backgrounds) >= EDGE_GREY
    known = np.where(edge, backgrounds, np.float32(0))
    seen = np.where(edge, frames, np.float32(0))
    dot = np.einsum("nijk,nijk->n", seen, known)
    power = np.einsum("nijk,nijk->n", seen, seen) * np.einsum("nijk,nijk->n", known, known)
    enough = edge.mean(axis=(1, 2, 3)) >= EDGES_SHARE
    for across in ((1, 2), (1, 3)):
        enough &= edge.any(axis=across).mean(axis=1) >= SPREAD
    return np.asarray(np.where(enough, dot / np.sqrt(np.maximum(power, 1.0)), np.nan), np.float32)


def close_agreement(frame: Plane, background: Plane) -> float:
    """``agreement`` of two (H, W) pictures at one pixel in 4: another view has at most 0.03, in whatever light."""
    shape = (frame.shape[0], frame.shape[1])
    seen, known = (slopes(picture[None], shape, spacing_px=2) for picture in (frame, background))
    return float(agreement(seen, known)[0])


def fine_edges(brightness: Plane) -> NDArray[np.float32]:
    """(6, 8) mean step between horizontal neighbours in each block, of one row in 4, grey levels."""
    rows, columns = BLOCKS
    lines = brightness[1::LINE]
    down, across = max(1, len(lines) // rows), (brightness.shape[1] - 1) // columns
    lines = lines[: rows * down]
    step = cv2.absdiff(lines[:, 1 : 1 + columns * across], lines[:, : columns * across])
    if len(step) < rows:  # a picture of a few rows: one block high
        return np.full(BLOCKS, float(step.mean()), np.float32)
    sums = step.reshape(rows, down, columns, across).sum(axis=(1, 3), dtype=np.int32)
    return np.asarray(sums / (down * across), np.float32)


def lost_share(found: NDArray[np.float32], usual: NDArray[np.float32], frames: int) -> float:
    """Share of the textured blocks in which ``found`` (6, 8) is less than half of the usual (2, 6, 8).

    0 where fewer than a sixth of the blocks have texture, fewer than 4 have lost it, or the usual is of fewer than 8
    frames.
    """
    mean, deviation = usual
    textured = mean >= FINE_GREY
    count = int(textured.sum())
    if frames < FINES_MIN or count < textured.size // 6:
        return 0.0
    gone = int((textured & (found < KEPT * mean) & (found < mean - UNUSUAL * deviation)).sum())
    return gone / count if gone >= LOST_MIN else 0.0


def learn_fine(found: NDArray[np.float32], usual: NDArray[np.float32], frames: int) -> None:
    """Let the usual (2, 6, 8) of ``frames`` frames follow one more, in place."""
    mean, deviation = usual
    share = 1 / min(frames + 1, FINES_MAX)
    deviation += share * (np.abs(found - mean) - deviation) if frames else 0.0
    mean += share * (found - mean)


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
    agrees = float(agreement(slopes(back[None], (shape[0], shape[1])), base)[0])
    return found if agrees >= SHIFT_AGREES else (0, 0)


def _outline(brightness: Plane) -> NDArray[np.float32]:
    """Edges at half size, both directions, clipped."""
    half = cv2.resize(brightness, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    wide, high = cv2.Sobel(half, cv2.CV_32F, 1, 0), cv2.Sobel(half, cv2.CV_32F, 0, 1)
    return np.asarray(np.minimum(np.abs(wide) + np.abs(high), 200.0), np.float32)
