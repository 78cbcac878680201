"""How good the crop classifier is on the tune split of street waste, which nothing was learned from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.train.crop_bank import Window, boxes_of, empty_windows
from curbwatch.tuning.train.crop_samples import shown
from detectors.vision.crops import INPUT_PX, KINDS
from schemas.detections import CLASSES

SIZES_PX = (8, 12, 16, 24, 32, 48)
EMPTY = 4  # windows without a box taken of each photograph
FALSE = 0.1  # share of wrong ones at which recall is told
WASTE, BIN, OVERFLOW = (KINDS.index(name) for name in ("waste", "bin", "overflow"))

Judge = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Waste against the rest at one size: ``auc`` and ``recall`` at FALSE wrong, of ``waste`` and ``rest`` windows."""

    size_px: int
    auc: float
    recall: float
    waste: int
    rest: int


def tune_windows(data: Path, seed: int = 9) -> list[Window]:
    """Boxes of the tune split, and places without any."""
    rng = np.random.default_rng(seed)
    found: list[Window] = []
    for file in sorted((data / "waste-street-cn" / "tune" / "labels").glob("*.txt")):
        found.extend(kept for kept, _ in boxes_of(file))
        found.extend(empty_windows(file, rng, EMPTY))
    return found


def figures(judge: Judge, windows: Sequence[Window], *, overflow: bool) -> list[Figure]:
    """Figures by size; ``judge`` gives (N, 6) probabilities of windows.

    Waste is exposed waste against bins and places without a box; with ``overflow`` overflowing bins are waste too,
    else they are left out.
    """
    chosen = [one for one in windows if overflow or one.kind != OVERFLOW]
    waste = np.asarray([one.kind in {WASTE, OVERFLOW} for one in chosen])
    found = []
    for size in SIZES_PX:
        pictures = np.stack([shown(one, size) for one in chosen])
        score = judge(pictures)[:, CLASSES.index("waste")]
        found.append(Figure(size, *ranked(score[waste], score[~waste]), int(waste.sum()), int((~waste).sum())))
    return found


def told(judge: Judge, windows: Sequence[Window]) -> str:
    """Both tables of figures."""
    lines = []
    for overflow in (False, True):
        name = "with overflowing bins as waste" if overflow else "exposed waste, overflowing bins left out"
        lines.append(f"tune split, {name}: px, AUC, recall at {FALSE:.0%} false")
        found = figures(judge, windows, overflow=overflow)
        lines += [f"{one.size_px:4d} {one.auc:.3f} {one.recall:.3f}  of {one.waste} and {one.rest}" for one in found]
    return "\n".join(lines) + "\n"


def patterns(count: int = 4) -> NDArray[np.uint8]:
    """(count, INPUT_PX, INPUT_PX, 3) windows made by arithmetic, to compare runtimes by."""
    n, y, x, c = np.ogrid[:count, :INPUT_PX, :INPUT_PX, :3]
    return np.asarray((n * 61 + (y * (n + 1)) // 3 * 37 + (x // (n + 2)) * 59 + c * 83) % 256, np.uint8)


def ranked(waste: NDArray[np.float32], rest: NDArray[np.float32]) -> tuple[float, float]:
    """Area under the curve, and recall where FALSE of the rest are wrong; both NaN where one side is empty."""
    if not len(waste) or not len(rest):
        return float("nan"), float("nan")
    order = np.sort(rest)
    below = np.searchsorted(order, waste, "left") + np.searchsorted(order, waste, "right")
    limit = order[min(len(order) - 1, int(np.ceil((1 - FALSE) * len(order))))]
    return float(below.mean() / 2 / len(rest)), float((waste > limit).mean())
