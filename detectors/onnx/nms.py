"""Non-maximum suppression: of boxes of one class that lie on one another the best stays."""

import numpy as np
from numpy.typing import NDArray

BOXES_MAX = 1000  # best boxes that are compared: a picture with more finds above the threshold is not read by anybody

Array = NDArray[np.float32]


def keep(corners: Array, scores: Array, classes: NDArray[np.int64], overlap_max: float) -> NDArray[np.int64]:
    """Rows that stay, best first; of equal scores the earlier row.

    Args:
        corners: (N, 4) x1, y1, x2, y2 in px; N may be 0.
        scores: (N,) any order.
        classes: (N,); boxes of different classes never push one another out.
        overlap_max: 0..1, intersection over union above which the lower box goes.
    """
    order = np.argsort(-scores, kind="stable")[:BOXES_MAX]
    boxes = corners[order].astype(np.float64)
    shares = intersection_over_union(boxes) > overlap_max
    rivals = shares & (classes[order][:, None] == classes[order][None, :])
    stays = np.ones(len(order), np.bool_)
    for row in range(len(order)):
        if stays[row]:
            stays[row + 1 :] &= ~rivals[row, row + 1 :]
    return np.asarray(order[stays], np.int64)


def intersection_over_union(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, N) of (N, 4) corners; 0 where a box is empty."""
    low = np.maximum(corners[:, None, :2], corners[None, :, :2])
    high = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = np.prod(np.maximum(corners[:, 2:] - corners[:, :2], 0), axis=1)
    both = areas[:, None] + areas[None, :] - common
    return np.asarray(common / np.where(both > 0, both, 1), np.float64)
