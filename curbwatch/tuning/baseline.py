"""What people build instead, to compare with: two MOG2 background models and a persistence count.

A pixel that the slow model calls foreground and the quick one background has come to stand; where that lasts for the
dwell, its blob is an alert. Shadows are left out by MOG2 itself; opening, closing and least area are those of
``detectors/vision``. It knows no classes, verifies nothing and learns nothing: the usual thing, not the best that
could be built on it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from curbwatch.tuning.replay import Alert, Notes, Sites
from detectors.vision.grid import zone_mask
from detectors.vision.proposals import find_blobs
from schemas.frame import Frame, FrameBatch
from schemas.incident import Sighting
from schemas.place import CameraView

QUICK_S, SLOW_S = 20.0, 900.0  # time constants of the two models at a dwell of 90 s
QUICK_SHARE = 0.25  # of a shorter dwell is the quick one's at most
FOREGROUND = 255  # MOG2 marks shadows with 127
MERGE_IOU = 0.3


class DualMog2:
    """One camera's two models; a Watcher."""

    def __init__(self, knobs: VisionKnobs, view: CameraView) -> None:
        self._knobs, self._view = knobs, view
        self._quick_s = min(QUICK_S, QUICK_SHARE * knobs.dwell_s)
        self._quick = cv2.createBackgroundSubtractorMOG2(history=50, varThreshold=16, detectShadows=True)
        self._slow = cv2.createBackgroundSubtractorMOG2(history=500, varThreshold=16, detectShadows=True)
        self._stood_s: NDArray[np.float32] | None = None
        self._zone: NDArray[np.uint8] | None = None
        self._last_ns = self._first_ns = 0
        self._sites = Sites(MERGE_IOU)
        self._tracks = 0
        self.notes = Notes()

    def maturing(self) -> bool:
        """The baseline asks for no other frames than it gets."""
        return False

    def see(self, batch: FrameBatch, _: Frame | None = None) -> list[Alert]:
        """Alerts that this batch of one frame opens."""
        now_ns, grid = int(batch.captured_ns[0]), batch.pixels[0]
        native = (int(batch.native_px[0, 0]), int(batch.native_px[0, 1]))
        if self._stood_s is None or self._stood_s.shape != grid.shape[:2]:
            self._stood_s = np.zeros(grid.shape[:2], np.float32)
            self._zone = zone_mask(self._view.zones, (grid.shape[0], grid.shape[1]), native)
            self._first_ns = self._last_ns = now_ns
        dt_s = min((now_ns - self._last_ns) / 1e9, self._knobs.gap_s)
        self._last_ns = now_ns
        warm = (now_ns - self._first_ns) / 1e9 >= self._knobs.learn_s
        quick = self._quick.apply(grid, learningRate=_rate(dt_s, self._quick_s))
        slow = self._slow.apply(grid, learningRate=_rate(dt_s, SLOW_S) if warm else 0.2)
        stands = (slow == FOREGROUND) & (quick != FOREGROUND)
        gone = slow != FOREGROUND
        self._stood_s[gone] = np.maximum(self._stood_s[gone] - dt_s, 0)
        self._stood_s[stands] += dt_s
        if not warm:
            self._stood_s[:] = 0
        return self._alerts(now_ns, native)

    def _alerts(self, now_ns: int, native: tuple[int, int]) -> list[Alert]:
        stood = self._stood_s
        if stood is None:
            return []
        mask = np.asarray(stood >= self._knobs.dwell_s, np.uint8) * np.uint8(255)
        if self._zone is not None:
            cv2.bitwise_and(mask, self._zone, dst=mask)
        if not mask.any():
            return []
        across, down = native[0] / mask.shape[1], native[1] / mask.shape[0]
        opened = []
        for blob in find_blobs(mask, float(self._knobs.area_min_px)):
            x, y, w, h = blob.box
            box = (x * across, y * down, w * across, h * down)
            self._tracks += 1
            if self._sites.opens(_sighting(self._view.camera_id, self._tracks, box, now_ns)):
                opened.append(Alert("", box, now_ns, now_ns, 1.0))
        return opened


def _rate(dt_s: float, constant_s: float) -> float:
    """Learning rate of one frame that stands for ``dt_s``; negative would mean MOG2's own choice."""
    return float(max(1e-4, 1 - np.exp(-dt_s / constant_s)))


def _sighting(camera_id: str, track_id: int, box: tuple[float, float, float, float], now_ns: int) -> Sighting:
    return Sighting(
        camera_id=camera_id,
        track_id=track_id,
        family="any",
        class_code="",
        zone="",
        cell_id="",
        unit_id="",
        point=None,
        box_px=box,
        captured_ns=now_ns,
        appeared_ns=now_ns,
        dwell_s=0.0,
        confidence=1.0,
        direct=False,
        urgent=False,
        rule_version="",
    )
