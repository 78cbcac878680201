"""What the detector's cost is compared with: background models and a motion detector on the same grids, in one run.

MOG2 and KNN are OpenCV's. CNT and the motion detector of Frigate are re-created here from what is published of them,
with OpenCV's quickest calls, because neither is a dependency: their cost is compared and nothing else. None of them
knows dwell or classes; ``dual_mog2`` is the whole pipeline of ``curbwatch/tuning/baseline``.
"""

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from config.vision import VisionKnobs
from curbwatch.tuning.baseline import DualMog2
from schemas.frame import FrameBatch
from schemas.place import CameraView

Image = NDArray[np.uint8]

CNT_STABLE_FRAMES = 15  # its default; how long it remembers is cut to what a byte holds, 255
CNT_GREY = 14  # how far a pixel may move and count as the same
FRIGATE_ROWS = 100  # its default frame height for motion
FRIGATE_THRESHOLD, FRIGATE_AREA_PX, FRIGATE_ALPHA = 30, 10, 0.01
FRIGATE_PERCENTILES = (4, 96)


class Model(Protocol):
    """One camera's model of a baseline."""

    def see(self, batch: FrameBatch) -> object:
        """Look at a batch of one frame."""


class Subtractor:
    """One of OpenCV's background models, on the colour grid."""

    def __init__(self, model: cv2.BackgroundSubtractor) -> None:
        self._model = model

    def see(self, batch: FrameBatch) -> object:
        """Look at a batch of one frame."""
        return self._model.apply(batch.pixels[0])


class CountedModel:
    """CNT re-created: a pixel that stays alike for some frames is background, until another one stays for longer.

    After S. Zeevi's BackgroundSubtractorCNT (opencv_contrib, bgsegm): grey, difference to the frame before, a counter
    of stability per pixel, and a background that is replaced where the new value has been stable as long.
    """

    def __init__(self) -> None:
        self._before: Image | None = None
        self._background = self._stable = self._held = self._one = np.zeros((0, 0), np.uint8)

    def see(self, batch: FrameBatch) -> object:
        """Look at a batch of one frame."""
        grey = np.asarray(cv2.cvtColor(batch.pixels[0], cv2.COLOR_BGR2GRAY), np.uint8)
        if self._before is None:
            self._before, self._background = grey, grey.copy()
            self._stable, self._held, self._one = np.zeros_like(grey), np.zeros_like(grey), np.ones_like(grey)
            return grey
        alike = _at_most(cv2.absdiff(grey, self._before), CNT_GREY)
        cv2.add(self._stable, self._one, dst=self._stable)
        cv2.bitwise_and(self._stable, alike, dst=self._stable)
        known = _at_most(cv2.absdiff(grey, self._background), CNT_GREY)
        cv2.add(self._held, self._one, dst=self._held, mask=known)
        stable = cv2.threshold(self._stable, CNT_STABLE_FRAMES - 1, 255, cv2.THRESH_BINARY)[1]
        longer = cv2.bitwise_and(stable, cv2.compare(self._stable, self._held, cv2.CMP_GT))
        cv2.copyTo(grey, longer, self._background)
        cv2.copyTo(self._stable, longer, self._held)
        self._before = grey
        return cv2.bitwise_not(known)


class Motion:
    """Frigate's motion detector re-created (frigate/motion/improved_motion.py): motion only, no dwell.

    Nearest-neighbour resize of the grey picture, contrast stretched between two percentiles, blur, difference to a
    running average, threshold, dilation, contours above a least area. ``rows``: 100 is its default; None: all of the
    grid's, for a comparison at equal pixels. Its blur is scipy's; OpenCV's here is quicker.
    """

    def __init__(self, rows: int | None) -> None:
        self._rows = rows
        self._average: NDArray[np.float32] | None = None

    def see(self, batch: FrameBatch) -> object:
        """Look at a batch of one frame."""
        grey = np.asarray(cv2.cvtColor(batch.pixels[0], cv2.COLOR_BGR2GRAY), np.uint8)
        if self._rows is not None:
            size = (round(grey.shape[1] * self._rows / grey.shape[0]), self._rows)
            grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        low, high = (float(np.percentile(grey, share)) for share in FRIGATE_PERCENTILES)
        stretched = (np.clip(grey, low, high) - low) / max(1.0, high - low) * 255
        soft = np.asarray(cv2.GaussianBlur(stretched.astype(np.uint8), (3, 3), 1.0), np.uint8)
        if self._average is None:
            self._average = soft.astype(np.float32)
        delta = cv2.absdiff(soft, cv2.convertScaleAbs(self._average))
        moving = cv2.threshold(delta, FRIGATE_THRESHOLD, 255, cv2.THRESH_BINARY)[1]
        moving = cv2.dilate(moving, np.ones((3, 3), np.uint8), iterations=1)
        outlines, _ = cv2.findContours(moving, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        boxes = [cv2.boundingRect(one) for one in outlines if cv2.contourArea(one) > FRIGATE_AREA_PX]
        cv2.accumulateWeighted(soft, self._average, FRIGATE_ALPHA)
        return boxes


def _at_most(values: MatLike, limit: int) -> MatLike:
    return cv2.threshold(values, limit, 255, cv2.THRESH_BINARY_INV)[1]


def _dual() -> Model:
    return DualMog2(VisionKnobs(), CameraView("bench"))


MAKERS: dict[str, Callable[[], Model]] = {
    "mog2": lambda: Subtractor(cv2.createBackgroundSubtractorMOG2()),
    "dual_mog2": _dual,
    "knn": lambda: Subtractor(cv2.createBackgroundSubtractorKNN()),
    "cnt_recreated": CountedModel,
    "frigate_recreated": lambda: Motion(None),
    "frigate_recreated_100_rows": lambda: Motion(FRIGATE_ROWS),
}
