"""What a party's copy of a picture shows: what the case is about, and blocks of one colour for all else. Pure.

Blocks, not a blur: a blur can be undone where its kernel is guessed, a block's mean stands for thousands of pixels and
nothing else of them is left. How large a block must be: people know a face from 18 blocks across it, hardly from 15
(Bachmann 1991, doi 10.1080/09541449108406221), well-known ones from 12 x 14 (Sinha), and networks go on where people
give up (McPherson, Shokri, Shmatikov 2016, arXiv 1609.00408), so 8 blocks on a face's height do not do. EN 62676-4:2015
calls 80 mm a pixel the coarsest at which it can still be told that somebody is there. A face of 100 px, 0.23 m, has two
blocks of 48 px on its height: 110 mm each. In larger pictures faces are larger, and so are the blocks.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Region = tuple[int, int, int, int]  # x, y, w, h: whole native px inside the picture, w and h at least 1

METHOD = "block_mean"
BLOCK_PX = 48  # least side of a block
BLOCKS_MAX = 15  # on the picture's shorter side: 48 px of 720, 72 px of 1080, 144 px of 2160
LEVELS = 16  # of each colour: what a strip of a block beside the shown part adds to its mean is lost in the rounding
MARGIN_SHARE = 0.1  # of the box's side, on each side
MARGIN_PX = 8  # at least: boxes are found on a grid whose pixels are up to 4 native ones


def block_px(width: int, height: int) -> int:
    """Least side of a block for a picture of ``width`` x ``height`` px."""
    return max(BLOCK_PX, -(-min(width, height) // BLOCKS_MAX))


def shown_region(box: Sequence[float], width: int, height: int) -> Region | None:
    """The part of a ``width`` x ``height`` px picture that is shown for a box (x, y, w, h, native px), with its margin.

    Cut at the picture's edges. None for what is no box: other than four finite numbers, no area, or all of it outside.
    """
    if len(box) != 4 or not all(map(math.isfinite, box)) or box[2] <= 0 or box[3] <= 0:
        return None
    x, y, w, h = box
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        return None
    across, down = max(MARGIN_PX, MARGIN_SHARE * w), max(MARGIN_PX, MARGIN_SHARE * h)
    left, top = math.floor(max(0.0, x - across)), math.floor(max(0.0, y - down))
    right, bottom = math.ceil(min(float(width), x + w + across)), math.ceil(min(float(height), y + h + down))
    return left, top, right - left, bottom - top


def pixelated(picture: Pixels, shown: Sequence[Region] = ()) -> Pixels:
    """A new picture in which everything outside ``shown`` is blocks of one colour; no region: the whole of it.

    ``picture``: (H, W) or (H, W, C) uint8, at least one pixel; it is not changed. The blocks lie alike in all pictures
    of a size, so that several of one camera tell no more than one. A block's colour is the mean of all its pixels,
    those that are shown too, in ``LEVELS`` steps. Raises ValueError for a picture without pixels.
    """
    if picture.ndim not in {2, 3} or picture.size == 0:
        raise ValueError(f"no picture: {picture.shape}")
    height, width = picture.shape[:2]
    least = block_px(width, height)
    rows, columns = _starts(height, least), _starts(width, least)
    sums = np.add.reduceat(np.add.reduceat(picture, rows, axis=0, dtype=np.uint64), columns, axis=1)
    high, wide = np.diff(rows, append=height), np.diff(columns, append=width)
    counts = np.outer(high, wide).astype(np.uint64)
    means = sums // (counts if picture.ndim == 2 else counts[..., None])
    step = 256 // LEVELS
    coarse = (means // step * step + step // 2).astype(np.uint8)
    copy = np.repeat(np.repeat(coarse, high, axis=0), wide, axis=1)
    for x, y, w, h in shown:
        copy[y : y + h, x : x + w] = picture[y : y + h, x : x + w]
    return copy


def shown_share(shown: Sequence[Region], width: int, height: int) -> float:
    """Share of a picture's area that is shown, 0..1; what two regions show counts once."""
    seen = np.zeros((height, width), np.bool_)
    for x, y, w, h in shown:
        seen[y : y + h, x : x + w] = True
    return float(seen.mean()) if seen.size else 0.0


def _starts(size: int, least: int) -> NDArray[np.int64]:
    """Where the blocks of a side begin: each at least ``least`` px, as no narrow one is to be left at the edge."""
    count = max(1, size // least)
    return np.arange(count, dtype=np.int64) * size // count
