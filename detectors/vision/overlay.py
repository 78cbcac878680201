"""Words that a camera writes into its picture: a clock that moves on, a caption that comes: nothing on the street."""

import numpy as np

from detectors.vision.grid import Plane
from detectors.vision.proposals import Box

EDGE_SHARE = 0.16  # of the rows, above and below, in which cameras write
HEIGHT_SHARE = 0.13  # of the rows: two lines of writing
AROUND_PX = 2  # the ground of the letters, around what changed
CONTRAST_GREY = 60  # between letters and their ground, after the reduction to the grid
STEP_SHARE = 0.3  # of that contrast between neighbouring px: the edge of a letter
STEPS = 0.15  # of all pairs of neighbours: letters are all edges, bags and boxes have a rim
SAME_GREY = 45  # letters and ground before and after: other letters, the same writing
WIDE = 2.0  # width to height of a line of writing
WHITE_GREY = 170  # of its letters, or black ones on white: half a letter's px are mixed with the ground
BLACK_GREY = 50  # of letters or their rim: fences, paving and leaves have neither in whole rows


def is_writing(background: Plane, candidate: Plane, box: Box) -> bool:
    """Whether what stands in a box of two brightness planes (H, W) is writing that changed, or that came."""
    x, y, w, h = box
    rows = background.shape[0]
    near = y + h <= EDGE_SHARE * rows or y >= (1 - EDGE_SHARE) * rows
    if not near or h > HEIGHT_SHARE * rows:
        return False
    # Of a clock one digit changes: a line of writing it is with those beside it.
    beside = AROUND_PX + max(0, round((WIDE * h - w) / 2))
    part = np.s_[max(0, y - AROUND_PX) : y + h + AROUND_PX, max(0, x - beside) : x + w + beside]
    was, now = _letters(background[part]), _letters(candidate[part])
    if now is None:
        return False
    if was is not None and abs(was[0] - now[0]) <= SAME_GREY and abs(was[1] - now[1]) <= SAME_GREY:
        return now[1] >= WHITE_GREY or now[0] <= BLACK_GREY
    return w >= WIDE * h and now[1] >= WHITE_GREY


def _letters(part: Plane) -> tuple[int, int] | None:
    """Levels of ground and letters, the darker first; None where it is no writing."""
    flat = np.sort(part, axis=None)
    if len(flat) < 2:
        return None
    low, high = int(flat[len(flat) // 20]), int(flat[-1 - len(flat) // 20])
    if high - low < CONTRAST_GREY:
        return None
    step = np.abs(np.diff(part.astype(np.int16), axis=1))
    return (low, high) if (step >= STEP_SHARE * (high - low)).mean() >= STEPS else None
