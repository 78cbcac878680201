"""Gain, colour shift and scene change of a batch of frames, from one sampled pixel in 64."""

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision.grid import TILE_PX, Plane, chroma, luma

BLACK = 12.0  # four levels below I420's black: ratios of dark pixels stay finite and pull towards 1
GAIN_MIN, GAIN_MAX = 0.4, 2.5  # beyond it 8 bits have lost the picture: a scene change (vision.md 4)
DISAGREE_GREY = 25.0  # a sample that differs by more after the gain does not fit its background
DISAGREE_SHARE = 0.5  # of the samples: most of the picture is another
DOUBT_SHARE = 0.35  # of the samples: enough to ask for the correlation; a passing lorry covers 0.3 of a low camera
CORRELATION_MIN = 0.3  # between samples and background; the same street in other light keeps above 0.6
GAIN_IDLE = 0.012  # a gain nearer to 1 changes no pixel below 190 by more than noise
RELEVEL_LOG = 0.08  # slow gain from which background and candidate are brought to the camera's new level
SLOW_S = 60.0  # time constant of the slow gain and the slow colour shift

Sample = TypeVar("Sample", np.float32, np.int16)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How N frames compare with their backgrounds.

    Attributes:
        gain: (N,) float32 by which brightness above black must be multiplied to look like the background.
        shift: (N, 2) float32 levels to add to both colour planes.
        changed: (N,) bool: not the same scene, or beyond what a gain can repair.
        luma: (N, TH, TW) float32 samples after the gain.
        apart: (N, TH, TW) float32, how far those are from the background's, grey levels.
    """

    gain: NDArray[np.float32]
    shift: NDArray[np.float32]
    changed: NDArray[np.bool_]
    luma: NDArray[np.float32]
    apart: NDArray[np.float32]


def sample_luma(stack: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(S, TH, TW): one brightness per 8 x 8 px tile of (S, 1.5 H, W) pictures, a view."""
    half = TILE_PX // 2
    return stack[:, half : shape[0] : TILE_PX, half::TILE_PX]


def sample_chroma(stack: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(S, 2, CH, CW): one value of each colour plane per 16 x 16 px, a view."""
    rows, columns = shape
    flat = stack.reshape(len(stack), rows * columns * 3 // 2)[:, rows * columns :].reshape(
        len(stack), 2, rows // 2, columns // 2
    )
    return flat[:, :, TILE_PX // 2 :: TILE_PX, TILE_PX // 2 :: TILE_PX]


def compare(
    frames: NDArray[np.uint8], reference: NDArray[np.uint8], slots: NDArray[np.int64], shape: tuple[int, int]
) -> Exposure:
    """Compare N frames (N, 1.5 H, W) with the N slots of a stack (S, 1.5 H, W) of references; N may be 0."""
    seen = sample_luma(frames, shape).astype(np.float32)
    known = sample_luma(reference, shape)[slots].astype(np.float32)
    ratio = _median((known - BLACK) / np.maximum(seen - BLACK, 1))
    gain = np.clip(ratio, GAIN_MIN, GAIN_MAX).astype(np.float32)
    level = (seen - 16) * gain[:, None, None] + 16
    apart = np.abs(level - known)
    share = np.count_nonzero(apart > DISAGREE_GREY, axis=(1, 2)) / max(1, apart[:1].size)
    changed = np.asarray((ratio < GAIN_MIN) | (ratio > GAIN_MAX) | (share > DISAGREE_SHARE), np.bool_)
    doubtful = np.flatnonzero(~changed & (share > DOUBT_SHARE))
    if len(doubtful):
        changed[doubtful] = _correlation(level[doubtful], known[doubtful]) < CORRELATION_MIN
    delta = sample_chroma(reference, shape)[slots].astype(np.int16) - sample_chroma(frames, shape)
    shift = _median(delta.reshape(2 * len(frames), *delta.shape[2:])).reshape(len(frames), 2)
    return Exposure(gain, shift.astype(np.float32), changed, level, apart)


def normalise(plane: Plane, gain: float, shift: NDArray[np.float32], shape: tuple[int, int]) -> None:
    """Bring one I420 picture to its background's exposure, in place."""
    if abs(gain - 1) > GAIN_IDLE:
        level(luma(plane, shape), gain)
    for half, offset in zip(chroma(plane, shape), shift, strict=True):
        if abs(offset) >= 1:
            cv2.convertScaleAbs(half, dst=half, alpha=1.0, beta=float(round(float(offset))))


def level(brightness: Plane, gain: float) -> None:
    """Multiply brightness above black by ``gain``, in place."""
    cv2.convertScaleAbs(brightness, dst=brightness, alpha=gain, beta=16.0 * (1.0 - gain))


def _median(values: NDArray[Sample]) -> NDArray[Sample]:
    flat = values.reshape(len(values), values.shape[1] * values.shape[2])
    middle = flat.shape[1] // 2
    return np.partition(flat, middle, axis=1)[:, middle]


def _correlation(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    a = left - left.mean(axis=(1, 2), keepdims=True)
    b = right - right.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((a * a).sum(axis=(1, 2)) * (b * b).sum(axis=(1, 2)))
    # A picture without any contrast correlates with nothing; the share of differing samples judges it alone.
    return np.asarray(np.where(norm > 1, (a * b).sum(axis=(1, 2)) / np.maximum(norm, 1), 1), np.float32)
