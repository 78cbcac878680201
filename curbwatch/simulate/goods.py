"""Drawings of street stalls: table, cart, tarp, umbrella."""

import math

import numpy as np

from curbwatch.simulate.sprite import TILT, Canvas, Colour, Rng, Sprite, shade, vary

STALLS = ("table", "cart", "tarp", "umbrella")
FRUIT: tuple[Colour, ...] = (
    (40, 130, 240),
    (40, 40, 190),
    (60, 200, 215),
    (60, 150, 60),
    (70, 60, 130),
    (90, 200, 170),
    (190, 200, 225),
)
CLOTHS: tuple[Colour, ...] = ((160, 60, 40), (50, 50, 180), (190, 190, 195), (80, 140, 60), (200, 150, 60))


def stall(rng: Rng, kind: str) -> Sprite:
    """Draw a stall of one of ``STALLS``, 1.4 to 2.6 m wide."""
    if kind == "table":
        return _table(rng)
    if kind == "cart":
        return _cart(rng)
    if kind == "tarp":
        return _tarp(rng)
    return _umbrella(rng)


def _heaps(canvas: Canvas, rng: Rng, area: tuple[float, float, float, float], rows: int, columns: int) -> None:
    """Crates with fruit on an upward area x, y, width, depth as seen (already tilted)."""
    x0, y0, width, deep = area
    cell_w, cell_h = width / columns, deep / rows
    for row in reversed(range(rows)):
        for column in range(columns):
            colour = FRUIT[rng.integers(len(FRUIT))]
            x, y = x0 + column * cell_w, y0 + row * cell_h
            edge = vary(rng, (130, 165, 190), 15)
            canvas.rectangle(x + 0.02, y, cell_w - 0.04, cell_h * 0.9 + 0.05, edge)
            canvas.rectangle(x + 0.04, y + 0.05, cell_w - 0.08, cell_h * 0.8, shade(colour, 0.55))
            size = float(rng.uniform(0.035, 0.055))
            for _ in range(int(14 * cell_w * cell_h / 0.06)):
                px, py = rng.uniform(0.06, cell_w - 0.06), rng.uniform(0.06, cell_h * 0.85 + 0.04)
                centre = (x + float(px), y + float(py))
                canvas.ellipse(centre, (size, size * 0.85), vary(rng, colour, 16))


def _table(rng: Rng) -> Sprite:
    canvas = Canvas(3.2, 2.2)
    width, depth, high = float(rng.uniform(1.5, 2.2)), float(rng.uniform(0.7, 1.0)), 0.72
    cloth = vary(rng, CLOTHS[rng.integers(len(CLOTHS))])
    half, deep = width / 2, depth * TILT
    for x in (-half + 0.08, half - 0.08):
        canvas.line((x, 0), (x, high), 0.05, (70, 70, 75))
    canvas.rectangle(-half, 0.18, width, high - 0.18, shade(cloth, 0.72))
    for fold in np.linspace(-half + 0.15, half - 0.15, 7):
        canvas.line((float(fold), 0.2), (float(fold) + 0.02, high), 0.03, shade(cloth, float(rng.uniform(0.55, 0.85))))
    canvas.rectangle(-half, high, width, deep, cloth)
    _heaps(canvas, rng, (-half + 0.05, high + 0.02, width - 0.1, deep + 0.06), 2, int(rng.integers(4, 7)))
    if rng.random() < 0.5:
        canvas.box(half + 0.05, 0.0, (0.4, 0.32, 0.4), vary(rng, (110, 150, 180)))
    if rng.random() < 0.4:
        canvas.rectangle(-0.35, high + deep + 0.1, 0.7, 0.4, (60, 70, 200))
        canvas.rectangle(-0.3, high + deep + 0.22, 0.6, 0.06, (220, 230, 235))
    return canvas.finish(rng)


def _cart(rng: Rng) -> Sprite:
    canvas = Canvas(3.6, 2.8)
    width = float(rng.uniform(1.5, 1.9))
    half, paint = width / 2, vary(rng, ((60, 90, 200), (170, 90, 40), (190, 195, 200), (60, 140, 60))[rng.integers(4)])
    for x in (-half + 0.3, half - 0.3):
        canvas.ellipse((x, 0.3), (0.3, 0.3), (34, 34, 36))
        canvas.ellipse((x, 0.3), (0.2, 0.2), (150, 150, 152))
    canvas.rectangle(-half, 0.42, width, 0.5, paint)
    canvas.rectangle(-half, 0.78, width, 0.06, shade(paint, 1.3))
    canvas.rectangle(-half, 0.92, width, 0.3, shade(paint, 1.1))
    # the glass case with what is sold, and the lamp's light on it
    canvas.rectangle(-half + 0.08, 1.0, width * 0.6, 0.62, (150, 165, 170))
    _heaps(canvas, rng, (-half + 0.1, 1.02, width * 0.56, 0.42), 2, 3)
    canvas.ellipse((half - 0.38, 1.25), (0.26, 0.12), (60, 60, 64))
    canvas.ellipse((half - 0.38, 1.27), (0.2, 0.08), (90, 130, 160))
    for x in (-half + 0.06, half - 0.06):
        canvas.line((x, 0.9), (x, 2.0), 0.05, (165, 168, 170))
    roof = vary(rng, CLOTHS[rng.integers(len(CLOTHS))])
    canvas.polygon(((-half - 0.12, 1.92), (half + 0.12, 1.92), (half, 2.4), (-half, 2.4)), roof)
    for k in range(5):
        x = -half - 0.12 + k * (width + 0.24) / 5
        tone = 1.3 if k % 2 else 0.8
        canvas.rectangle(x, 1.8, (width + 0.24) / 5, 0.14, shade(roof, tone))
    handle = -half - 0.5
    canvas.line((-half, 0.75), (handle, 0.95), 0.05, (70, 70, 72))
    if rng.random() < 0.7:  # the rider's half of a cargo tricycle
        canvas.ellipse((handle - 0.1, 0.3), (0.28, 0.28), (34, 34, 36))
        canvas.ellipse((handle - 0.1, 0.3), (0.2, 0.2), (140, 142, 145))
        canvas.line((handle - 0.1, 0.3), (handle, 1.05), 0.05, (60, 60, 150))
        canvas.line((handle + 0.14, 0.45), (handle + 0.16, 0.85), 0.05, (60, 60, 150))
        canvas.ellipse((handle + 0.16, 0.88), (0.14, 0.05), (40, 40, 44))
    return canvas.finish(rng)


def _tarp(rng: Rng) -> Sprite:
    canvas = Canvas(3.6, 1.6)
    width, depth = float(rng.uniform(1.8, 2.6)), float(rng.uniform(1.3, 1.8)) * (TILT + 0.06)
    half, cloth = width / 2, vary(rng, ((170, 90, 50), (60, 60, 160), (150, 155, 160), (60, 110, 60))[rng.integers(4)])
    edge = [
        (-half, 0.0),
        (half, 0.02),
        (half - 0.15, depth),
        (-half + 0.12, depth + 0.02),
    ]
    canvas.polygon([(x + float(rng.normal(0, 0.04)), y + float(rng.normal(0, 0.02))) for x, y in edge], cloth)
    canvas.line((-half * 0.9, depth * 0.5), (half * 0.9, depth * 0.52), 0.02, shade(cloth, 0.8))
    for row in reversed(range(4)):
        y = 0.06 + row * depth / 4.3
        x = -half + 0.2
        while x < half - 0.25:
            wide = float(rng.uniform(0.1, 0.24))
            _ware(canvas, rng, x, y, wide)
            x += wide + float(rng.uniform(0.04, 0.14))
    if rng.random() < 0.6:
        canvas.box(half - 0.45, depth * 0.6, (0.45, 0.35, 0.35), vary(rng, (100, 145, 180)))
    return canvas.finish(rng)


def _ware(canvas: Canvas, rng: Rng, x: float, y: float, wide: float) -> None:
    colour = vary(rng, (FRUIT + CLOTHS)[rng.integers(len(FRUIT) + len(CLOTHS))], 20)
    form = int(rng.integers(3))
    if form == 0:
        canvas.box(x, y, (wide, 0.06, 0.14), colour)
    elif form == 1:
        canvas.ellipse((x + wide / 2, y + 0.06), (wide / 2, 0.06), colour)
        canvas.ellipse((x + wide / 2 - 0.01, y + 0.08), (wide / 4, 0.03), shade(colour, 1.25))
    else:
        canvas.polygon(((x, y), (x + wide, y + 0.01), (x + wide * 0.8, y + 0.13), (x + wide * 0.2, y + 0.14)), colour)


def _umbrella(rng: Rng) -> Sprite:
    canvas = Canvas(3.8, 3.6)
    canvas.paste(_table(rng), 0.0, 0.0)
    canvas.line((0.0, 0.1), (0.05, 2.3), 0.06, (190, 190, 192))
    radius = float(rng.uniform(1.1, 1.45))
    first, second = vary(rng, CLOTHS[rng.integers(len(CLOTHS))]), (210, 214, 218)
    if rng.random() < 0.4:
        second = shade(first, 0.75)
    centre, top, flat = (0.05, 2.15), (0.05, 2.62), 0.46
    parts = 10
    edge = [
        (
            centre[0] + radius * math.cos(2 * math.pi * k / parts),
            centre[1] + flat * radius * math.sin(2 * math.pi * k / parts),
        )
        for k in range(parts)
    ]
    # far panels first: those in front lie over them
    for k in sorted(range(parts), key=lambda k: -(edge[k][1] + edge[(k + 1) % parts][1])):
        tone = 1.0 + 0.12 * math.cos(2 * math.pi * k / parts + 2.2)
        canvas.polygon((top, edge[k], edge[(k + 1) % parts]), shade(first if k % 2 else second, tone))
    for k in range(parts):
        a, b = edge[k], edge[(k + 1) % parts]
        if (a[1] + b[1]) / 2 < centre[1]:
            colour = shade(first if k % 2 else second, 0.7)
            canvas.polygon((a, b, (b[0], b[1] - 0.16), (a[0], a[1] - 0.16)), colour)
    return canvas.finish(rng)
