"""A made-up street for detector tests: fixed texture, small noise, things put down at given seconds. Seeded."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas.detections import CLASSES, Detections, Phase
from schemas.frame import FrameBatch

GRID = (96, 160)  # rows, columns
NATIVE = (640, 384)
START_NS = 1_700_000_000_000_000_000
CAMERA = "cam-1"
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that stands from ``start_s`` to before ``end_s``; box in grid px."""

    box: tuple[int, int, int, int]
    start_s: float
    end_s: float = 1e9
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Street:
    """A view; ``gain`` multiplies brightness from ``gain_s`` on, ``shade`` darkens a box from ``shade_s`` on."""

    things: tuple[Thing, ...] = ()
    seed: int = 0
    gain: float = 1.0
    gain_s: float = 0.0
    shade: tuple[int, int, int, int] | None = None
    shade_s: float = 0.0
    noise: float = 1.5
    base: Pixels = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))

    def at(self, t_s: float) -> Pixels:
        """(H, W, 3) BGR at a moment; noise differs from moment to moment and is the same each time."""
        picture = ground(self.seed).astype(np.float32)
        for thing in self.things:
            if thing.start_s <= t_s < thing.end_s:
                x, y, w, h = thing.box
                picture[y : y + h, x : x + w] = pattern(thing.seed, (h, w))
        if self.shade is not None and t_s >= self.shade_s:
            x, y, w, h = self.shade
            picture[y : y + h, x : x + w] *= 0.6
        if t_s >= self.gain_s:
            picture *= self.gain
        rng = np.random.default_rng([self.seed, round(t_s * 1000)])
        return np.clip(picture + rng.normal(0, self.noise, picture.shape), 0, 255).astype(np.uint8)


def ground(seed: int) -> Pixels:
    """Paving: coarse and fine texture around middle grey."""
    rng = np.random.default_rng([seed, 99])
    coarse = np.asarray(cv2.resize(rng.normal(0, 32, (12, 20)), GRID[::-1]), np.float32)
    fine = rng.normal(0, 6, GRID)
    return np.clip(115 + coarse + fine, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)


def pattern(seed: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A colourful thing, nothing like paving."""
    rng = np.random.default_rng([seed, 7])
    blocks = rng.choice([30.0, 210.0], (max(1, shape[0] // 4), max(1, shape[1] // 4), 3))
    return np.asarray(cv2.resize(blocks, shape[::-1], interpolation=cv2.INTER_NEAREST), np.float32)


def batch(frames: Sequence[tuple[str, float, Pixels]]) -> FrameBatch:
    """One batch of (camera, seconds since the start, pixels)."""
    pixels = [picture for _, _, picture in frames]
    return FrameBatch(
        camera_ids=tuple(camera for camera, _, _ in frames),
        captured_ns=np.asarray([START_NS + round(t * 1e9) for _, t, _ in frames], np.int64),
        pixels=np.stack(pixels) if pixels else np.zeros((0, *GRID, 3), np.uint8),
        native_px=np.asarray([NATIVE for _ in frames], np.int32).reshape(-1, 2),
        crc32=np.asarray([hash(picture.tobytes()) & 0xFFFFFFFF for picture in pixels], np.uint32),
    )


def one(street: Street, t_s: float, camera: str = CAMERA) -> FrameBatch:
    """A batch of one frame."""
    return batch([(camera, t_s, street.at(t_s))])


def as_bytes(found: Detections) -> bytes:
    """Every column, to compare runs byte by byte."""
    columns = (found.scene, found.frame, found.track_id, found.phase, found.box_px, found.appeared_ns)
    return b"".join(column.tobytes() for column in (*columns, found.dwell_s, found.posterior))


def standing(found: Detections) -> int:
    """How many rows have reached their dwell."""
    return int((found.phase == Phase.STANDING).sum())


def classes() -> int:
    """Width of a posterior."""
    return len(CLASSES)
