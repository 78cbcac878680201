"""Draws what the crop classifier learns from: windows as a camera would show them, small, blurred, noisy, in JPEG.

What is pasted is pasted in the same way whatever it is, so that pasting tells nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.train.collect import ANY_OTHER, Looks
from curbwatch.tuning.train.collect import WINDOW_PX as LOOK_PX
from curbwatch.tuning.train.crop_bank import SURROUNDINGS, WINDOW_PX, Bank, Sprite, Window
from curbwatch.tuning.train.cutouts import Rng
from detectors.vision.crops import INPUT_PX, KINDS, MARGIN
from schemas.crops import CONTEXT
from schemas.detections import CLASSES

SIZES_PX = (7.0, 72.0)  # longer side of a thing in a camera's picture
# Of the samples: photographs as they are, pasted into frames, looks of the detector, frames as they are, real carts.
SHARES = (0.34, 0.25, 0.32, 0.06, 0.03)
PASTED = {"stall": 0.3, "waste": 0.4, "vehicle": 0.07, "bike": 0.04, "crowd": 0.07, "other": 0.08, "bin": 0.04}
PHOTOGRAPHED = {KINDS.index("waste"): 0.36, KINDS.index("bin"): 0.16, KINDS.index("overflow"): 0.14, ANY_OTHER: 0.34}
LOOKED = {"stall": 0.2, "waste": 0.25, "other": 0.43, "vehicle": 0.05, "bike": 0.02, "crowd": 0.05}
PIECES = 0.2  # of the pasted ``other``: pieces of photographs

Picture = NDArray[np.uint8]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shelf:
    """A bank and looks sorted by kind, for one half or both."""

    windows: dict[int, list[Window]]
    sprites: dict[int, list[Sprite]]
    frames: list[Picture]
    carts: list[Window]
    looks: Looks
    rows: dict[int, NDArray[np.int64]]

    @classmethod
    def of(cls, bank: Bank, looks: Looks, halves: Sequence[bool]) -> "Shelf":
        """Sort what belongs to the ``halves`` (False the first, True the second); ``looks`` are of these already."""
        windows: dict[int, list[Window]] = {}
        for one in bank.windows:
            if one.second in halves:
                windows.setdefault(one.kind, []).append(one)
        sprites: dict[int, list[Sprite]] = {}
        for cut in bank.sprites:
            if cut.second in halves:
                sprites.setdefault(cut.kind, []).append(cut)
        usable = np.flatnonzero(looks.window >= 0)
        rows = {kind: usable[looks.labels[usable] == kind] for kind in np.unique(looks.labels[usable]).tolist()}
        frames = [frame for frame, second in bank.frames if second in halves]
        return cls(windows, sprites, frames, [one for one in bank.carts if one.second in halves], looks, rows)


def batch(shelf: Shelf, rng: Rng, count: int) -> tuple[Picture, NDArray[np.int64]]:
    """(count, INPUT_PX, INPUT_PX, 3) uint8 BGR and (count,) kinds; ANY_OTHER: neither stall nor waste."""
    pictures = np.empty((count, INPUT_PX, INPUT_PX, 3), np.uint8)
    kinds = np.empty(count, np.int64)
    makers = (_photograph, _pasted, _look, _plain, _cart)
    shares = np.asarray(SHARES) * [1, bool(shelf.frames), bool(shelf.rows), bool(shelf.frames), bool(shelf.carts)]
    for index, which in enumerate(rng.choice(len(makers), count, p=shares / shares.sum())):
        pictures[index], kinds[index] = makers[which](shelf, rng)
    return pictures, kinds


def shown(one: Window, longer_px: float, rng: Rng | None = None, jitter: float = 0.0) -> Picture:
    """What a camera shows of a window in which the thing is ``longer_px`` long, in the classifier's frame.

    Without ``rng`` it is shrunk only, as for a figure; with it, degraded as a camera might.
    """
    side = max(6, round(longer_px * (1 + 2 * SURROUNDINGS)))
    small = np.asarray(cv2.resize(one.picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    if rng is not None:
        small = degrade(small, rng)
    return framed(small, SURROUNDINGS, rng, jitter)


def framed(picture: Picture, surroundings: float, rng: Rng | None, jitter: float) -> Picture:
    """The classifier's frame of a square picture with more ``surroundings``; moved and scaled by up to ``jitter``."""
    side = picture.shape[0]
    longer = side / (1 + 2 * surroundings)
    reach = longer * (1 + 2 * MARGIN)
    x = y = side / 2
    if rng is not None:
        reach *= float(np.exp(rng.uniform(-jitter, jitter)))
        reach = min(reach, float(side))
        room = min(longer * jitter * 0.6, (side - reach) / 2)
        x, y = x + rng.uniform(-room, room), y + rng.uniform(-room, room)
    left, top = max(0, round(x - reach / 2)), max(0, round(y - reach / 2))
    wide = max(2, round(reach))
    part = picture[top : top + wide, left : left + wide]
    if rng is not None and rng.random() < 0.5:
        part = part[:, ::-1]
    way = cv2.INTER_AREA if part.shape[0] >= INPUT_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (INPUT_PX, INPUT_PX), interpolation=way), np.uint8)


def degrade(picture: Picture, rng: Rng, least_quality: int = 40) -> Picture:
    """Light, colour, blur, motion, noise and JPEG of a camera."""
    out = picture
    if rng.random() < 0.7:
        out = np.asarray(cv2.LUT(out, _tones(rng)), np.uint8)
    if rng.random() < 0.1:
        grey = cv2.convertScaleAbs(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), alpha=float(rng.uniform(0.5, 1.0)))
        out = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if rng.random() < 0.4:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.3, 1.1))), np.uint8)
    if rng.random() < 0.06:
        out = np.asarray(cv2.blur(out, (int(rng.integers(2, 5)), 1)), np.uint8)
    if rng.random() < 0.6:
        noise = rng.standard_normal((*out.shape[:2], 1), np.float32) * np.float32(rng.uniform(1, 6))
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.8:
        quality = int(rng.integers(least_quality, 92))
        encoded = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        out = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return out


def _tones(rng: Rng) -> Picture:
    """A table of (256, 1, 3) for each channel: gamma, contrast, brightness and a tint."""
    level = np.arange(256, dtype=np.float64)
    if rng.random() < 0.5:
        level = 255 * (level / 255) ** float(np.exp(rng.uniform(-0.35, 0.35)))
    level = (level - 128) * float(rng.uniform(0.7, 1.15)) + 128 * float(rng.uniform(0.75, 1.15))
    return np.clip(level[:, None, None] * (1 + rng.uniform(-0.08, 0.08, 3)), 0, 255).astype(np.uint8)


def paste(frame: Picture, cut: Sprite, longer_px: float, rng: Rng) -> Picture | None:
    """A square piece of a frame with a cut-out in its middle, light matched, a shadow under it; None: no room."""
    side = max(10, round(longer_px * (1 + 2 * SURROUNDINGS)))
    if side > min(frame.shape[:2]):
        return None
    x, y = int(rng.integers(0, frame.shape[1] - side + 1)), int(rng.integers(0, frame.shape[0] - side + 1))
    piece = frame[y : y + side, x : x + side].astype(np.float32)
    scale = longer_px / max(cut.picture.shape[:2])
    size = max(2, round(cut.picture.shape[1] * scale)), max(2, round(cut.picture.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(cut.picture, size, interpolation=way).astype(np.float32)
    alpha = np.asarray(cv2.resize(cut.alpha, size, interpolation=way), np.float32)
    if not cut.outline or rng.random() < 0.25:
        alpha = alpha * _feather(size, rng)
    if rng.random() < 0.7:
        share = float(rng.uniform(0.2, 0.8))
        picture = picture + share * (piece.mean() - picture.mean())
    picture = (picture - 128) * float(rng.uniform(0.7, 1.1)) + 128 * float(rng.uniform(0.85, 1.1))
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    if rng.random() < 0.6:
        piece = _shadowed(piece, (left, top, *size), rng)
    part = piece[top : top + size[1], left : left + size[0]]
    part[:] = np.clip(alpha[..., None] * picture + (1 - alpha[..., None]) * part, 0, 255)
    return piece.astype(np.uint8)


def _photograph(shelf: Shelf, rng: Rng) -> tuple[Picture, int]:
    kinds = list(PHOTOGRAPHED)
    kind = kinds[rng.choice(len(kinds), p=list(PHOTOGRAPHED.values()))]
    return shown(_one(shelf.windows[kind], rng), _size(rng), rng, 0.25), kind


def _pasted(shelf: Shelf, rng: Rng) -> tuple[Picture, int]:
    name = list(PASTED)[rng.choice(len(PASTED), p=list(PASTED.values()))]
    kind = KINDS.index(name)
    if name == "other" and rng.random() < PIECES:
        one = _one(shelf.windows[ANY_OTHER], rng)
        inner = round(WINDOW_PX * SURROUNDINGS / (1 + 2 * SURROUNDINGS))
        middle = one.picture[inner:-inner, inner:-inner]
        cut = Sprite(middle, np.ones(middle.shape[:2], np.float32), ANY_OTHER, outline=False, second=one.second)
    else:
        cut = _one(shelf.sprites[kind], rng)
    for _ in range(4):
        piece = paste(_one(shelf.frames, rng), cut, _size(rng), rng)
        if piece is not None:
            return framed(degrade(piece, rng, 55), SURROUNDINGS, rng, 0.25), kind
    return _photograph(shelf, rng)


def _look(shelf: Shelf, rng: Rng) -> tuple[Picture, int]:
    there = [name for name in LOOKED if len(shelf.rows.get(CLASSES.index(name), ()))]
    shares = np.asarray([LOOKED[name] for name in there])
    kind = CLASSES.index(there[rng.choice(len(there), p=shares / shares.sum())])
    row = int(shelf.rows[kind][rng.integers(len(shelf.rows[kind]))])
    picture = shelf.looks.windows[shelf.looks.window[row]]
    # The window was scaled to LOOK_PX already: a little more blur and JPEG at the size it came from.
    native = float(shelf.looks.sizes[row]) * (1 + 2 * CONTEXT)
    if rng.random() < 0.5 and native < LOOK_PX:
        side = max(8, round(native))
        picture = degrade(
            np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8), rng, 60
        )
    elif rng.random() < 0.5:
        picture = degrade(picture, rng, 60)
    return framed(picture, CONTEXT, rng, 0.2), ANY_OTHER if kind == CLASSES.index("other") else kind


def _plain(shelf: Shelf, rng: Rng) -> tuple[Picture, int]:
    frame = _one(shelf.frames, rng)
    side = min(round(_size(rng) * (1 + 2 * SURROUNDINGS)), *frame.shape[:2])
    x, y = int(rng.integers(0, frame.shape[1] - side + 1)), int(rng.integers(0, frame.shape[0] - side + 1))
    return framed(degrade(frame[y : y + side, x : x + side], rng, 60), SURROUNDINGS, rng, 0.25), ANY_OTHER


def _cart(shelf: Shelf, rng: Rng) -> tuple[Picture, int]:
    one = _one(shelf.carts, rng)
    return shown(one, float(rng.uniform(14, 58)), rng, 0.25), one.kind


def _one(items: Sequence[Item], rng: Rng) -> Item:
    return items[int(rng.integers(len(items)))]


def _size(rng: Rng) -> float:
    return float(np.exp(rng.uniform(np.log(SIZES_PX[0]), np.log(SIZES_PX[1]))))


def _feather(size: tuple[int, int], rng: Rng) -> NDArray[np.float32]:
    soft, power = float(rng.uniform(0.05, 0.35)), float(rng.choice([2.0, 4.0, 12.0]))
    u = (np.arange(size[0]) + 0.5) / size[0] * 2 - 1
    v = (np.arange(size[1]) + 0.5) / size[1] * 2 - 1
    edge = (np.abs(u[None, :]) ** power + np.abs(v[:, None]) ** power) ** (1 / power)
    return np.clip((1 - edge) / soft, 0, 1).astype(np.float32)


def _shadowed(piece: NDArray[np.float32], box: tuple[int, int, int, int], rng: Rng) -> NDArray[np.float32]:
    x, y, w, h = box
    mask = np.zeros(piece.shape[:2], np.float32)
    axes = max(1, round(w * rng.uniform(0.4, 0.65))), max(1, round(h * rng.uniform(0.08, 0.25)))
    middle = round(x + w / 2 + rng.uniform(-0.15, 0.15) * w), round(y + h * 0.93)
    cv2.ellipse(mask, middle, axes, 0, 0, 360, (float(rng.uniform(0.2, 0.55)),), cv2.FILLED)
    return piece * (1 - cv2.GaussianBlur(mask, (0, 0), max(0.6, 0.05 * w)))[..., None]
