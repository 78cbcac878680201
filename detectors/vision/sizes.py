"""Which blobs may be a thing at all: by size, by share of the picture, by zone."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision.proposals import Blob

if TYPE_CHECKING:
    from detectors.vision.camera import Camera

ZONE_SHARE = 0.3  # of a blob's area or of its foot that must lie inside the zones
FOOT_SHARE = 0.25  # lower part of the box that is its foot
HUGE = 0.5  # of the picture: more is not one thing


def area_min(camera: "Camera", knobs: VisionKnobs) -> float:
    """Least area of a blob, grid px."""
    return float(knobs.area_min_px) if camera.calibration is None else min(8.0, knobs.area_min_px)


def is_large(camera: "Camera", blob: Blob, knobs: VisionKnobs) -> bool:
    """Whether a blob is large enough in metres; any is where nothing is calibrated."""
    scale = camera.px_per_m(blob.box[1] + blob.box[3])
    return scale == 0 or blob.area >= knobs.area_min_m2 * scale * scale


def is_huge(camera: "Camera", blob: Blob) -> bool:
    """Whether a blob is too much of the picture to be one thing; it may still be light."""
    rows, columns = camera.arena.shape
    return blob.box[2] * blob.box[3] > HUGE * rows * columns


def in_zone(zone: NDArray[np.uint8] | None, blob: Blob) -> bool:
    """Whether enough of a blob's foot lies in the zones, a (H, W) mask; None: the whole picture."""
    if zone is None:
        return True
    x, y, w, h = blob.box
    foot = max(1, round(h * FOOT_SHARE))
    return bool((zone[y + h - foot : y + h, x : x + w] > 0).mean() >= ZONE_SHARE)
