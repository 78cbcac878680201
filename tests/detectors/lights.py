"""The made-up street in two lights: coloured by day, grey and inverted in infra-red, so that neither fits the other."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from detectors.vision import VisionDetector
from schemas.detections import Detections
from tests.detectors.street import CAMERA, GRID, Pixels, Street, batch

Light = Callable[[Street, float], Pixels]


def day(street: Street, t_s: float) -> Pixels:
    """The street with large soft patches of colour."""
    rng = np.random.default_rng([street.seed, 5])
    tint = cv2.resize(rng.uniform(0.75, 1.25, (4, 6, 3)), GRID[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(street.at(t_s) * tint, 0, 255), np.uint8)


def infrared(street: Street, t_s: float) -> Pixels:
    """The street without colours, bright where it was dark."""
    grey = 235 - 0.7 * street.at(t_s).mean(axis=2)
    return np.asarray(np.clip(grey, 0, 255), np.uint8)[..., None].repeat(3, axis=2)


def dark(_: Street, t_s: float) -> Pixels:
    """A covered lens: noise on black."""
    rng = np.random.default_rng(round(t_s * 1000))
    return rng.integers(0, 12, (*GRID, 3)).astype(np.uint8)


def watch(
    by: VisionDetector, street: Street, start_s: float, end_s: float, *, light: Light = day, period_s: float = 8.0
) -> Iterator[tuple[float, Detections]]:
    """Steps from ``start_s`` to before ``end_s``."""
    for k in range(round((end_s - start_s) / period_s)):
        t_s = start_s + k * period_s
        yield t_s, by.step(batch([(CAMERA, t_s, light(street, t_s))]))


def last(steps: Iterator[tuple[float, Detections]]) -> Detections:
    """What the last step found."""
    *_, (_, found) = steps
    return found
