"""Cut-outs: things drawn once in metres, then scaled, toned and laid over a picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red, 0..255
Point = tuple[float, float]
Rng = np.random.Generator

PPM = 104  # px per metre of a drawing: about what the nearest pavement shows
TILT = 0.38  # how much of a depth in metres shows as height: a camera some 6 m up, some 15 m away
SHIFT = 4  # fractional bits of cv2's drawing coordinates
SHADOW_PPM = 32
LEVELS = 4  # steps of sunlight a cut-out is kept for
HALVINGS = 3
CACHE_MAX = 400


def u8(pixels: object) -> Image:
    """Return an array of cv2 as uint8, without a copy."""
    return np.asarray(pixels, np.uint8)


def shade(colour: Colour, factor: float) -> Colour:
    """Return ``colour`` made brighter or darker, 0..255 each."""
    blue, green, red = (min(255, max(0, round(part * factor))) for part in colour)
    return blue, green, red


def vary(rng: Rng, colour: Colour, spread: float = 12.0) -> Colour:
    """Return ``colour`` with its brightness and tint moved at random by about ``spread`` grey levels."""
    both, *each = (rng.standard_normal(4) * spread).tolist()
    blue, green, red = (
        int(min(255.0, max(0.0, part + both + own / 3))) for part, own in zip(colour, each, strict=True)
    )
    return blue, green, red


@dataclass(frozen=True, slots=True)
class Sprite:
    """A thing with soft edges.

    Attributes:
        colour: (H, W, 3) uint8 BGR, premultiplied by the opacity.
        opacity: (H, W) uint8.
        ppm: px per metre.
        foot: (x, y) px where it stands on the ground.
    """

    colour: Image
    opacity: Image
    ppm: float
    foot: Point


def opaque_box(opacity: Image, threshold: int = 64) -> tuple[int, int, int, int]:
    """Return x0, y0, x1, y1 (exclusive) of what is more opaque than ``threshold``; zeros where nothing is."""
    mask = opacity > threshold
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not columns.size:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


class Canvas:
    """A drawing in metres: x to the right of the middle, y up from the ground; colours stay premultiplied."""

    def __init__(self, width_m: float, height_m: float, below_m: float = 0.3, ppm: float = PPM) -> None:
        self.ppm = ppm
        self._x0, self._y0 = width_m / 2, height_m
        shape = (round((height_m + below_m) * ppm), round(width_m * ppm))
        self.colour: Image = np.zeros((*shape, 3), np.uint8)
        self.opacity: Image = np.zeros(shape, np.uint8)

    def _px(self, points: Sequence[Point]) -> NDArray[np.int32]:
        scaled = [((x + self._x0) * self.ppm, (self._y0 - y) * self.ppm) for x, y in points]
        return np.round(np.array(scaled) * (1 << SHIFT)).astype(np.int32)

    def polygon(self, points: Sequence[Point], colour: Colour, opacity: int = 255) -> None:
        """Fill a polygon."""
        corners = [self._px(points)]
        cv2.fillPoly(self.colour, corners, colour, cv2.LINE_AA, SHIFT)
        cv2.fillPoly(self.opacity, corners, opacity, cv2.LINE_AA, SHIFT)

    def rectangle(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Fill a rectangle with its lower left corner at (x, y)."""
        self.polygon(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), colour)

    def ellipse(self, centre: Point, radii: Point, colour: Colour, angle_deg: float = 0.0) -> None:
        """Fill an ellipse."""
        middle = self._px([centre])[0]
        axes = tuple(max(1, round(r * self.ppm * (1 << SHIFT))) for r in radii)
        where, size = (int(middle[0]), int(middle[1])), (axes[0], axes[1])
        cv2.ellipse(self.colour, where, size, -angle_deg, 0, 360, colour, -1, cv2.LINE_AA, SHIFT)
        cv2.ellipse(self.opacity, where, size, -angle_deg, 0, 360, 255, -1, cv2.LINE_AA, SHIFT)

    def line(self, start: Point, end: Point, width_m: float, colour: Colour) -> None:
        """Draw a line with round ends."""
        (x0, y0), (x1, y1) = self._px([start, end]).tolist()
        thick = max(1, round(width_m * self.ppm))
        cv2.line(self.colour, (x0, y0), (x1, y1), colour, thick, cv2.LINE_AA, SHIFT)
        cv2.line(self.opacity, (x0, y0), (x1, y1), 255, thick, cv2.LINE_AA, SHIFT)

    def box(self, x: float, y: float, size: tuple[float, float, float], colour: Colour) -> None:
        """Draw a box: front (width, height) with its lower left at (x, y), and the top its depth shows."""
        width, height, depth = size
        back = depth * TILT
        self.rectangle(x, y, width, height, shade(colour, 0.8))
        top = ((x, y + height), (x + width, y + height), (x + width, y + height + back), (x, y + height + back))
        self.polygon(top, shade(colour, 1.12))

    def paste(self, other: "Sprite", x: float, y: float) -> None:
        """Lay another drawing of the same px per metre over this one, its foot at (x, y)."""
        left = round((x + self._x0) * self.ppm - other.foot[0])
        top = round((self._y0 - y) * self.ppm - other.foot[1])
        cover = cv2.merge([other.opacity] * 3)
        lay(self.colour, (left, top), other.colour, u8(255 - np.asarray(cover)))
        height, width = other.opacity.shape
        part = self.opacity[max(0, top) : top + height, max(0, left) : left + width]
        inside = other.opacity[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
        np.maximum(part, inside, out=part)

    def finish(self, rng: Rng, *, grain: float = 0.07, light: float = 0.12) -> Sprite:
        """Return the cut-out, with uneven surface (``grain``) and light from the left (``light``), both 0..1."""
        height, width = self.opacity.shape
        coarse = rng.normal(0, grain, (max(2, height // 12), max(2, width // 12)))
        fine = rng.normal(0, grain / 2, (height // 3 + 1, width // 3 + 1))
        factor = 1.0 + cv2.resize(coarse, (width, height)) + cv2.resize(fine, (width, height))
        factor += np.linspace(light, -light, width)[None, :] + np.linspace(light / 2, -light, height)[:, None]
        toned = np.minimum(self.colour * factor[..., None], self.opacity[..., None])
        toned = np.where(self.colour == 0, 0, np.clip(toned, 0, 255))
        return Sprite(toned.astype(np.uint8), self.opacity, self.ppm, (self._x0 * self.ppm, self._y0 * self.ppm))


def lay(picture: Image, corner: tuple[int, int], colour: Image, through: Image) -> tuple[int, int, int, int]:
    """Lay premultiplied ``colour`` over ``picture`` in place; ``through`` (H, W, 3) is 255 - opacity.

    Returns x0, y0, x1, y1 of what was touched, clipped to the picture; empty (zeros) where it lies outside.
    """
    height, width = picture.shape[:2]
    left, top = corner
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + colour.shape[1]), min(height, top + colour.shape[0])
    if x0 >= x1 or y0 >= y1:
        return 0, 0, 0, 0
    cut = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    part = picture[y0:y1, x0:x1]
    picture[y0:y1, x0:x1] = cv2.add(cv2.multiply(part, through[cut], scale=1 / 255), colour[cut])
    return x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut-out at the size of one place in one picture: what ``lay`` needs, and where its foot is."""

    colour: Image
    through: Image
    foot: Point


class Shop:
    """Keeps drawn and scaled cut-outs. What it returns depends on its arguments only; the cache only saves work."""

    def __init__(self, draw: Callable[[str], Sprite]) -> None:
        self._draw = draw
        self._drawn: dict[str, tuple[Sprite, ...]] = {}
        self._cuts: dict[tuple[str, int, bool, int], tuple[Cut, Cut]] = {}

    def _sizes(self, name: str) -> tuple[Sprite, ...]:
        """Return a drawing at full, half, quarter … size, so that scaling far things touches few pixels."""
        found = self._drawn.get(name)
        if found is None:
            if len(self._drawn) >= CACHE_MAX:
                self._drawn.pop(next(iter(self._drawn)))
            sizes = [self._draw(name)]
            for _ in range(HALVINGS):
                sizes.append(_halved(sizes[-1]))
            found = self._drawn[name] = tuple(sizes)
        return found

    def cut(self, name: str, px_per_m: float, *, flip: bool = False, sun: float = 0.0) -> tuple[Cut, Cut]:
        """Return the thing and its shadow at about ``px_per_m`` (steps of 2 %), for sunlight 0..1."""
        step, level = round(float(np.log(px_per_m)) * 50), round(sun * (LEVELS - 1))
        key = (name, step, flip, level)
        found = self._cuts.pop(key, None)
        if found is None:
            if len(self._cuts) >= CACHE_MAX:
                self._cuts.pop(next(iter(self._cuts)))
            scale, bright = float(np.exp(step / 50)), level / (LEVELS - 1)
            sizes = self._sizes(name)
            sprite = next((size for size in reversed(sizes) if size.ppm >= scale), sizes[0])
            found = (
                scaled(sprite, scale, flip=flip, gain=0.86 + 0.22 * bright),
                shadow(sprite, scale, bright, flip=flip),
            )
        self._cuts[key] = found
        return found


def _halved(sprite: Sprite) -> Sprite:
    height, width = sprite.opacity.shape
    size = (max(1, width // 2), max(1, height // 2))
    colour = u8(cv2.resize(sprite.colour, size, interpolation=cv2.INTER_AREA))
    opacity = u8(cv2.resize(sprite.opacity, size, interpolation=cv2.INTER_AREA))
    return Sprite(colour, opacity, sprite.ppm / 2, (sprite.foot[0] / 2, sprite.foot[1] / 2))


def scaled(sprite: Sprite, px_per_m: float, *, flip: bool = False, gain: float = 1.0) -> Cut:
    """Return ``sprite`` at ``px_per_m``, mirrored or not, brighter or darker."""
    factor = px_per_m / sprite.ppm
    height, width = sprite.opacity.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    colour = u8(cv2.convertScaleAbs(cv2.resize(sprite.colour, size, interpolation=cv2.INTER_AREA), alpha=gain))
    opacity = u8(cv2.resize(sprite.opacity, size, interpolation=cv2.INTER_AREA))
    colour = u8(cv2.min(colour, cv2.merge([opacity] * 3)))
    foot_x = sprite.foot[0] * factor
    if flip:
        colour, opacity, foot_x = colour[:, ::-1], opacity[:, ::-1], size[0] - foot_x
    through = 255 - opacity
    return Cut(np.ascontiguousarray(colour), u8(cv2.merge([through] * 3)), (foot_x, sprite.foot[1] * factor))


def shadow(sprite: Sprite, px_per_m: float, sun: float, *, flip: bool) -> Cut:
    """Return the dark on the ground: close round the foot always, and cast to the right and back by the sun 0..1."""
    small = SHADOW_PPM / sprite.ppm
    body = cv2.resize(sprite.opacity, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
    if flip:
        body = body[:, ::-1]
    height, width = body.shape
    foot_x, foot_y = sprite.foot[0] * small, sprite.foot[1] * small
    if flip:
        foot_x = width - foot_x
    out = (width + height // 2 + 8, height // 2 + 16)
    cast = np.array([[1, -0.45, 0.45 * foot_y + 4], [0, 0.22, out[1] - 9 - 0.22 * foot_y]])
    dark = cv2.warpAffine(np.ascontiguousarray(body), cast, out).astype(np.float32) * (0.5 * sun)
    x0, _, x1, _ = opaque_box(u8(body))
    contact = np.zeros(out[::-1], np.float32)
    centre = (int((x0 + x1) / 2 + 4), out[1] - 10)
    cv2.ellipse(contact, centre, (max(2, int((x1 - x0) * 0.48)), 4), 0, 0, 360, 120.0, -1)
    dark = cv2.GaussianBlur(np.maximum(dark, cv2.GaussianBlur(contact, (0, 0), 2.2)), (0, 0), 0.8)
    factor = px_per_m / SHADOW_PPM
    size = (max(1, round(out[0] * factor)), max(1, round(out[1] * factor)))
    opacity = np.clip(cv2.resize(dark, size, interpolation=cv2.INTER_LINEAR), 0, 200).astype(np.uint8)
    through = u8(cv2.merge([255 - opacity] * 3))
    return Cut(np.zeros((*opacity.shape, 3), np.uint8), through, ((foot_x + 4) * factor, (out[1] - 9) * factor))
