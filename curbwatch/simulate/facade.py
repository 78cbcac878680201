"""Drawings that stand still: house fronts, trees, lamp posts, bins, and the skyline."""

import cv2
import numpy as np

from curbwatch.simulate.sprite import Canvas, Colour, Image, Rng, Sprite, shade, u8, vary

WALL_PPM = 40
WALL_M = 13.0
WALLS: tuple[Colour, ...] = ((165, 178, 188), (140, 158, 182), (178, 180, 178), (120, 140, 172), (150, 165, 168))
SIGNS: tuple[Colour, ...] = ((40, 40, 180), (150, 80, 30), (50, 140, 60), (30, 30, 34), (40, 150, 215), (200, 205, 210))
LEAVES: tuple[Colour, ...] = ((52, 98, 70), (44, 84, 56), (60, 112, 88))


def front(rng: Rng, length_m: float) -> Image:
    """Draw a row of house fronts with shops, (13 m, length) at 40 px/m, the ground at the bottom."""
    wide, high = round(length_m * WALL_PPM), round(WALL_M * WALL_PPM)
    wall: Image = np.zeros((high, wide, 3), np.uint8)
    x = 0.0
    while x < length_m:
        house = float(rng.uniform(9, 17))
        _house(wall, rng, x, min(house, length_m - x))
        x += house
    stain = cv2.resize(rng.normal(0, 7, (high // 20, wide // 30)), (wide, high))
    grain = rng.normal(0, 3.5, (high, wide))
    return np.clip(wall + (stain + grain)[..., None], 0, 255).astype(np.uint8)


def _fill(wall: Image, x: float, y: float, size: tuple[float, float], colour: Colour) -> None:
    """Fill a rectangle given in metres from the left and up from the ground."""
    high = wall.shape[0]
    left, right = round(x * WALL_PPM), round((x + size[0]) * WALL_PPM)
    top, bottom = high - round((y + size[1]) * WALL_PPM), high - round(y * WALL_PPM)
    wall[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = colour


def _house(wall: Image, rng: Rng, x: float, length: float) -> None:
    plaster = vary(rng, WALLS[rng.integers(len(WALLS))], 14)
    _fill(wall, x, 0, (length, WALL_M), plaster)
    _fill(wall, x, 4.2, (length, 0.18), shade(plaster, 0.8))
    at = 0.2
    while at < length - 2.2:
        shop = min(float(rng.uniform(3.2, 5.5)), length - at)
        _shop(wall, rng, x + at, shop)
        at += shop
    storey = 7.4 if rng.random() < 0.3 else 3.1
    for y in np.arange(5.0, WALL_M, storey):
        step = float(rng.uniform(2.4, 3.4))
        for wx in np.arange(0.7, length - 1.6, step):
            _window(wall, rng, x + float(wx), float(y), plaster)


def _window(wall: Image, rng: Rng, x: float, y: float, plaster: Colour) -> None:
    _fill(wall, x - 0.08, y - 0.08, (1.66, 1.66), shade(plaster, 1.12))
    glass = vary(rng, (92, 84, 74), 14)
    _fill(wall, x, y, (1.5, 1.5), glass)
    _fill(wall, x + 0.72, y, (0.06, 1.5), shade(plaster, 1.05))
    if rng.random() < 0.35:
        _fill(wall, x, y, (0.6, 1.5), vary(rng, (150, 150, 170), 25))
    if rng.random() < 0.35:  # bars
        for bar in np.arange(0, 1.5, 0.16):
            _fill(wall, x + float(bar), y - 0.1, (0.03, 1.7), (150, 152, 154))
    if rng.random() < 0.4:  # air conditioner
        _fill(wall, x + 0.3, y - 0.85, (0.85, 0.6), (196, 200, 200))
        _fill(wall, x + 0.4, y - 0.75, (0.42, 0.42), (120, 122, 124))


def _shop(wall: Image, rng: Rng, x: float, wide: float) -> None:
    _fill(wall, x, 0, (wide, 3.1), vary(rng, (120, 124, 130), 12))
    inner = wide - 0.5
    if rng.random() < 0.3:  # shutter
        for y in np.arange(0.1, 2.7, 0.12):
            _fill(wall, x + 0.25, float(y), (inner, 0.08), vary(rng, (165, 168, 168), 3))
    else:
        _fill(wall, x + 0.25, 0.1, (inner, 2.6), vary(rng, (62, 58, 56), 12))
        for _ in range(26):  # goods and people one cannot quite see
            colour = vary(rng, (90, 100, 120), 35)
            place = (float(rng.uniform(0.3, inner)), float(rng.uniform(0.3, 2.0)))
            _fill(wall, x + place[0], place[1], (float(rng.uniform(0.1, 0.4)), float(rng.uniform(0.1, 0.4))), colour)
        for door in np.arange(0.25, inner, 1.25):
            _fill(wall, x + float(door), 0.1, (0.06, 2.6), (170, 172, 172))
    board = vary(rng, SIGNS[rng.integers(len(SIGNS))], 10)
    _fill(wall, x + 0.05, 2.95, (wide - 0.1, 1.05), board)
    ink: Colour = (40, 40, 170) if sum(board) > 480 else (225, 232, 235)
    count = int((wide - 1.0) / 0.85)
    for k in range(count):
        _glyph(wall, rng, x + 0.45 + k * 0.85 + (wide - 1.0 - count * 0.85) / 2, ink)


def _glyph(wall: Image, rng: Rng, x: float, ink: Colour) -> None:
    """Strokes that read as a character from afar."""
    for y in sorted(rng.uniform(3.15, 3.75, 3)):
        _fill(wall, x + float(rng.uniform(0, 0.1)), float(y), (float(rng.uniform(0.35, 0.6)), 0.07), ink)
    for at in rng.uniform(0.05, 0.5, 2):
        _fill(wall, x + float(at), 3.12, (0.075, float(rng.uniform(0.35, 0.7))), ink)


def tree(rng: Rng) -> Sprite:
    """Draw a street tree about 6.5 m high, its trunk limed white below."""
    canvas = Canvas(5.4, 7.4, 0.3, 64)
    trunk: Colour = (58, 72, 84)
    canvas.line((0, 0.1), (0.08, 3.6), 0.26, trunk)
    canvas.line((0, 0.1), (0.03, 1.1), 0.27, (190, 198, 202))
    for end in ((-0.9, 4.5), (0.9, 4.8), (0.1, 5.2)):
        canvas.line((0.08, 3.4), end, 0.13, trunk)
    leaf = vary(rng, LEAVES[rng.integers(len(LEAVES))], 8)
    clumps = [(float(rng.normal(0, 0.85)), 4.9 + float(rng.normal(0, 0.62))) for _ in range(26)]
    for x, y in sorted(clumps, key=lambda clump: clump[1]):
        tone = 0.62 + 0.2 * (y - 3.8)
        for _ in range(34):
            px, py = x + float(rng.normal(0, 0.3)), y + float(rng.normal(0, 0.22))
            size = float(rng.uniform(0.05, 0.13))
            colour = shade(vary(rng, leaf, 10), tone + 0.5 * (py - y))
            canvas.ellipse((px, py), (size, size * 0.65), colour, float(rng.uniform(0, 180)))
    return canvas.finish(rng, grain=0.06, light=0.1)


def lamp(rng: Rng) -> Sprite:
    """Draw a lamp post 8 m high."""
    canvas = Canvas(3.0, 8.4, 0.3, 64)
    canvas.line((0, 0), (0, 8.0), 0.13, (112, 116, 116))
    canvas.line((0, 0), (0, 1.0), 0.2, (100, 104, 104))
    canvas.line((0, 8.0), (1.2, 8.15), 0.09, (112, 116, 116))
    canvas.ellipse((1.2, 8.1), (0.3, 0.08), (205, 210, 210))
    return canvas.finish(rng, grain=0.04)


def bin_pair(rng: Rng) -> Sprite:
    """Draw a pair of litter bins such as stand on every pavement."""
    canvas = Canvas(1.8, 1.4)
    for x, colour in ((-0.48, (60, 130, 60)), (0.04, (150, 100, 50))):
        canvas.box(x, 0.08, (0.44, 0.8, 0.42), vary(rng, colour, 10))
        canvas.rectangle(x + 0.06, 0.62, 0.32, 0.12, (40, 42, 44))
    return canvas.finish(rng, grain=0.05)


def skyline(rng: Rng, size: tuple[int, int], horizon: float) -> Image:
    """Draw (width, height) px of hazy sky with distant blocks that stand on the ``horizon`` row."""
    width, height = size
    down = np.linspace(0, 1, height)[:, None, None]
    sky = np.array([232, 222, 208], np.float64) * (1 - down) + np.array([226, 226, 222], np.float64) * down
    picture = u8(np.repeat(sky, width, 1).astype(np.uint8)).copy()
    x, unit = 0, width / 1280
    while x < width:
        wide = int(rng.uniform(30, 110) * unit)
        top = int(horizon - rng.uniform(25, 130) * unit)
        colour = vary(rng, (186, 186, 184), 7)
        picture[max(0, top) :, x : x + wide] = colour
        for y in range(max(0, top) + 5, int(horizon), max(4, int(8 * unit))):
            picture[y : y + max(2, int(3 * unit)), x + 3 : x + wide - 3 : max(5, int(7 * unit))] = shade(colour, 0.9)
        x += wide
    return u8(cv2.GaussianBlur(picture, (0, 0), max(0.6, 1.1 * unit)))
