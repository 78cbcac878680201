"""Pictures of one made-up street as its camera sends them, and what becomes of them on a bad day."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.detectors.street import Street, Thing

SIZE = (640, 384)  # px; the grid has half of it
THING = Thing((60, 40, 24, 20), start_s=80.0)
TINT = np.asarray([0.85, 1.0, 1.1], np.float32)  # the made-up street is grey; this one has a colour
Pixels = NDArray[np.uint8]


def encoded(pixels: Pixels, *options: int) -> bytes:
    """The JPEG of a picture, with OpenCV's options."""
    written, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90, *options])
    assert written
    return data.tobytes()


def view(t_s: float, *, things: tuple[Thing, ...] = (), seed: int = 0, clock_s: float | None = None) -> Pixels:
    """The street at a moment, with the camera's clock burnt in; no two moments have the same noise."""
    small = Street(things, seed).at(t_s).astype(np.float32) * TINT
    large = np.asarray(cv2.resize(np.clip(small, 0, 255), SIZE), np.uint8)
    seconds = int(t_s if clock_s is None else clock_s)
    text = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    cv2.putText(large, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
    return large


@cache
def street(t_s: float, clock_s: float | None = None) -> bytes:
    """The undisturbed street."""
    return encoded(view(t_s, clock_s=clock_s))


def flat(t_s: float, bgr: tuple[int, int, int]) -> bytes:
    """One colour, with the noise of a sensor."""
    rng = np.random.default_rng(round(t_s * 1000))
    small = np.asarray(bgr, np.float32) + rng.normal(0, 1.5, (SIZE[1] // 4, SIZE[0] // 4, 1))
    return encoded(np.asarray(cv2.resize(np.clip(small, 0, 255).astype(np.uint8), SIZE), np.uint8))


def noise(t_s: float) -> bytes:
    """Nothing but noise."""
    rng = np.random.default_rng(round(t_s * 1000))
    return encoded(rng.integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8))


def fog(t_s: float) -> bytes:
    """The street through fog: blurred, and without contrast."""
    blurred = np.asarray(cv2.GaussianBlur(view(t_s), (0, 0), 4), np.float32)
    return encoded((blurred * 0.35 + 120).astype(np.uint8))


def infrared(t_s: float) -> bytes:
    """The street at night, lit by the camera: no colours, other brightness."""
    grey = view(t_s).mean(axis=2, keepdims=True)
    return encoded(np.clip(grey * 0.6 + 70, 0, 255).astype(np.uint8).repeat(3, axis=2))


def resized(t_s: float, width: int, height: int) -> bytes:
    """The street, sent at another size."""
    return encoded(np.asarray(cv2.resize(view(t_s), (width, height)), np.uint8))


def turned(t_s: float) -> bytes:
    """The street seen by a camera that was turned by a quarter of its picture; its clock runs on."""
    return encoded(np.roll(view(t_s), (53, 160), (0, 1)))
