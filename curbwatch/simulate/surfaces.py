"""What the ground is made of: paving, asphalt, markings; and random fields."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.simulate.sprite import Colour, Rng

Field = NDArray[np.float32]

TABLE = 1 << 12  # random values that tiles draw from
NOISE_SIDE = 512  # px of the repeating noise picture


@dataclass(frozen=True, slots=True)
class Paving:
    """One kind of paving: colour, tile (along, across) m, joint m, whether rows are offset, unevenness in grey."""

    colour: Colour
    tile: tuple[float, float]
    joint_m: float
    running: bool
    spread: float


PAVINGS = (
    Paving((150, 156, 162), (0.4, 0.4), 0.008, False, 9.0),
    Paving((112, 124, 158), (0.22, 0.11), 0.006, True, 16.0),
    Paving((140, 146, 150), (0.6, 0.3), 0.008, True, 10.0),
    Paving((128, 142, 152), (0.25, 0.25), 0.01, False, 14.0),
    Paving((122, 130, 132), (0.8, 0.4), 0.01, True, 8.0),
)
TACTILE: Colour = (70, 165, 190)  # the yellow strip for blind people
ASPHALT: Colour = (92, 92, 90)
LINE: Colour = (196, 202, 204)


def noise_picture(rng: Rng) -> Field:
    """Return a repeating (512, 512) field of mean 0 and deviation about 1, soft at three sizes."""
    total = np.zeros((NOISE_SIDE, NOISE_SIDE), np.float32)
    for cells, weight in ((16, 0.6), (64, 0.5), (256, 0.6)):
        coarse = rng.normal(0, weight, (cells, cells)).astype(np.float32)
        coarse = np.pad(coarse, 1, mode="wrap")
        big = cv2.resize(coarse, None, fx=NOISE_SIDE / cells, fy=NOISE_SIDE / cells, interpolation=cv2.INTER_CUBIC)
        edge = NOISE_SIDE // cells
        total += np.asarray(big, np.float32)[edge:-edge, edge:-edge]
    return total


def looked_up(noise: Field, across: Field, along: Field, per_m: float) -> Field:
    """Return the noise at ground points, ``per_m`` px of it to the metre."""
    i = (along * per_m).astype(np.int32) & (NOISE_SIDE - 1)
    j = (across * per_m).astype(np.int32) & (NOISE_SIDE - 1)
    found: Field = noise[i, j]
    return found


def paved(kind: Paving, across: Field, along: Field, px_m: Field, rng: Rng) -> Field:
    """Return (H, W, 3) BGR of paving at ground points; ``px_m`` is how many metres one pixel covers."""
    rows = across / kind.tile[1]
    row = np.floor(rows)
    offset = 0.5 * (row.astype(np.int32) & 1) if kind.running else 0.0
    columns = along / kind.tile[0] + offset
    column = np.floor(columns)
    off_a, off_b = rows - row, columns - column
    near = np.minimum(
        np.minimum(off_a, 1 - off_a) * kind.tile[1],
        np.minimum(off_b, 1 - off_b) * kind.tile[0],
    )
    wide = np.maximum(kind.joint_m, px_m * 0.6)
    joint = np.where(near < wide, np.minimum(1.0, 1.6 * kind.joint_m / wide), 0.0) * 46.0
    table = rng.normal(0, kind.spread, TABLE).astype(np.float32)
    index = (row.astype(np.int32) * 7919 + column.astype(np.int32) * 10473) & (TABLE - 1)
    # tiles smaller than a pixel are seen as their mean
    blur = np.clip(min(kind.tile) / px_m * 0.7 - 0.3, 0.15, 1.0)
    grey = table[index] * blur - joint
    return np.asarray(np.array(kind.colour, np.float32) + grey[..., None], np.float32)


def asphalt(across: Field, along: Field, noise: Field, rng: Rng) -> Field:
    """Return (H, W, 3) BGR of a worn road: lanes polished lighter, patches, oil."""
    grain = looked_up(noise, across, along, 90.0) * 5.0 + looked_up(noise, across, along, 3.0) * 4.0
    oil = -10.0 * np.clip(looked_up(noise, across, along + 40.0, 1.2) - 1.1, 0, 1)
    colour = np.array(ASPHALT, np.float32) + float(rng.normal(0, 8))
    out = colour + (grain + oil)[..., None]
    for _ in range(3):  # repaired patches
        a, b = float(rng.uniform(-3, 3)), float(rng.uniform(14, 50))
        inside = (np.abs(across - a) < rng.uniform(0.4, 1.2)) & (np.abs(along - b) < rng.uniform(0.6, 2.5))
        out[inside] -= float(rng.uniform(6, 18))
    return np.asarray(out, np.float32)


def painted(out: Field, where: NDArray[np.bool_], wear: Field, colour: Colour = LINE) -> None:
    """Paint a road marking in place, worn where ``wear`` is low."""
    share = np.clip(0.85 + 0.25 * wear[where], 0.35, 0.95)[:, None]
    out[where] = out[where] * (1 - share) + np.array(colour, np.float32) * share
