"""Joining: fragments that stand side by side are one object, and one object is one row."""

import numpy as np

from detectors.vision.proposals import Blob, Box

GAP_PX = 3.0  # fragments nearer than this belong together, whatever their size
GAP_SHARE = 0.25  # and those nearer than this share of the smaller one's height (a stall's top and its table)


def union(left: Box, right: Box) -> Box:
    """Smallest box around both."""
    x, y = min(left[0], right[0]), min(left[1], right[1])
    return (
        x,
        y,
        max(left[0] + left[2], right[0] + right[2]) - x,
        max(left[1] + left[3], right[1] + right[3]) - y,
    )


def gap(left: Box, right: Box) -> float:
    """Distance between two boxes in px, 0 where they touch or overlap."""
    across = max(left[0] - right[0] - right[2], right[0] - left[0] - left[2], 0)
    down = max(left[1] - right[1] - right[3], right[1] - left[1] - left[3], 0)
    return float(np.hypot(across, down))


def overlap(left: Box, right: Box) -> float:
    """Intersection over the smaller area, 0..1."""
    w = min(left[0] + left[2], right[0] + right[2]) - max(left[0], right[0])
    h = min(left[1] + left[3], right[1] + right[3]) - max(left[1], right[1])
    return max(0, w) * max(0, h) / max(1, min(left[2] * left[3], right[2] * right[3]))


def neighbours(left: Box, right: Box, reach_px: float = 0.0) -> bool:
    """Whether two boxes are parts of one object: nearer than ``reach_px``, or than their own size allows."""
    allowed = max(GAP_PX, reach_px, GAP_SHARE * min(left[3], right[3]))
    return gap(left, right) <= allowed


def join(blobs: list[Blob], reach_px: float = 0.0) -> list[Blob]:
    """Join neighbouring blobs until none are left to join; the order is that of the first member."""
    groups = list(blobs)
    index = 0
    while index < len(groups):
        near = next(
            (k for k in range(index + 1, len(groups)) if neighbours(groups[index].box, groups[k].box, reach_px)), None
        )
        if near is None:
            index += 1
            continue
        other = groups.pop(near)
        mine = groups[index]
        groups[index] = Blob(union(mine.box, other.box), mine.area + other.area, mine.outlines + other.outlines)
        index = 0
    return groups
