"""Drawings of dumped waste: bag, heap of bags, boxes, muck."""

import math

import numpy as np

from curbwatch.simulate.sprite import TILT, Canvas, Colour, Rng, Sprite, shade, vary

WASTES = ("bag", "heap", "boxes", "muck")
PLASTIC: tuple[Colour, ...] = (
    (38, 36, 36),
    (38, 36, 36),
    (205, 208, 210),
    (175, 120, 60),
    (60, 50, 150),
    (90, 130, 70),
)
CARD: Colour = (110, 150, 185)


def waste(rng: Rng, kind: str) -> Sprite:
    """Draw waste of one of ``WASTES``, 0.8 to 2.4 m wide."""
    if kind == "bag":
        return _bag_drawing(rng)
    if kind == "heap":
        return _heap(rng)
    if kind == "boxes":
        return _boxes(rng)
    return _muck(rng)


def _bag(canvas: Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    """A full bin bag: a lumpy round with folds that run to the knot, and glints."""
    colour = vary(rng, PLASTIC[rng.integers(len(PLASTIC))], 8)
    high = size * float(rng.uniform(0.75, 1.0))
    outline: list[tuple[float, float]] = []
    for k in range(18):
        angle = 2 * math.pi * k / 18
        lump = 1 + float(rng.normal(0, 0.05))
        px, py = math.cos(angle) * size / 2 * lump, math.sin(angle) * high / 2 * lump
        narrow = 1.0 - 0.35 * max(0.0, math.sin(angle)) ** 2
        outline.append((x + px * narrow, y + max(0.0, high / 2 + py)))
    canvas.polygon(outline, colour)
    knot = (x + float(rng.normal(0, size * 0.06)), y + high * 1.02)
    canvas.polygon(
        (
            (knot[0] - size * 0.1, knot[1] - 0.03),
            (knot[0] - size * 0.09, knot[1] + size * 0.14),
            (knot[0] + size * 0.1, knot[1] + size * 0.12),
            (knot[0] + size * 0.06, knot[1] - 0.03),
        ),
        shade(colour, 1.1),
    )
    for _ in range(7):
        end = (x + float(rng.uniform(-0.4, 0.4)) * size, y + float(rng.uniform(0.15, 0.6)) * high)
        glint = shade((colour[0] + 30, colour[1] + 30, colour[2] + 30), float(rng.uniform(0.7, 1.5)))
        middle = ((knot[0] + end[0]) / 2, (knot[1] - 0.05 + end[1]) / 2)
        canvas.line(middle, end, size * 0.03, glint)
    canvas.ellipse(
        (x - size * 0.16, y + high * 0.62),
        (size * 0.08, size * 0.05),
        shade((colour[0] + 60, colour[1] + 60, colour[2] + 60), 1.1),
        40,
    )
    canvas.ellipse((x, y + high * 0.1), (size * 0.4, high * 0.09), shade(colour, 0.7))


def _litter(canvas: Canvas, rng: Rng, half: float, count: int) -> None:
    for _ in range(count):
        x, y, size = float(rng.normal(0, half * 0.7)), float(rng.uniform(0, 0.25)), float(rng.uniform(0.03, 0.1))
        colour = vary(rng, ((200, 205, 208), CARD, (60, 90, 150), (90, 120, 60))[rng.integers(4)], 25)
        canvas.polygon(
            [(x + float(rng.normal(0, size)), y + abs(float(rng.normal(0, size * 0.5)))) for _ in range(4)], colour
        )


def _bag_drawing(rng: Rng) -> Sprite:
    canvas = Canvas(2.2, 1.6)
    _litter(canvas, rng, 0.4, 6)
    if rng.random() < 0.6:
        _bag(canvas, rng, -0.25, 0.12, float(rng.uniform(0.5, 0.65)))
    _bag(canvas, rng, 0.12, 0.0, float(rng.uniform(0.65, 0.9)))
    return canvas.finish(rng, grain=0.1)


def _heap(rng: Rng) -> Sprite:
    canvas = Canvas(3.2, 2.2)
    half = float(rng.uniform(0.6, 0.95))
    _litter(canvas, rng, half, 14)
    bags = [(float(rng.uniform(-half, half)), float(rng.uniform(0.25, 0.5))) for _ in range(5)]
    bags += [(float(rng.uniform(-half * 0.5, half * 0.5)), 0.55), (float(rng.normal(0, half * 0.3)), 0.4)]
    bags += [(x, float(rng.uniform(0.0, 0.12))) for x in np.linspace(-half, half, 4)]
    for x, y in sorted(bags, key=lambda bag: -bag[1]):
        _bag(canvas, rng, float(x), y, float(rng.uniform(0.5, 0.75)))
    if rng.random() < 0.5:
        canvas.box(half * 0.5, 0.0, (0.45, 0.35, 0.4), vary(rng, CARD))
    return canvas.finish(rng, grain=0.1)


def _carton(canvas: Canvas, rng: Rng, x: float, y: float, size: float) -> None:
    colour = vary(rng, CARD, 14)
    width, high, depth = size, size * float(rng.uniform(0.5, 0.9)), size * float(rng.uniform(0.6, 1.0))
    canvas.box(x - width / 2, y, (width, high, depth), colour)
    back = y + high + depth * TILT
    if rng.random() < 0.5:  # open: flaps and a dark inside
        canvas.polygon(
            (
                (x - width * 0.42, y + high + 0.03),
                (x + width * 0.42, y + high + 0.03),
                (x + width * 0.38, back - 0.02),
                (x - width * 0.38, back - 0.02),
            ),
            shade(colour, 0.35),
        )
        canvas.polygon(
            (
                (x - width / 2, y + high),
                (x - width * 0.75, y + high + 0.12),
                (x - width * 0.65, back + 0.06),
                (x - width / 2, back),
            ),
            shade(colour, 1.2),
        )
    else:
        canvas.line((x, y + high), (x, back), 0.05, shade(colour, 0.85))
    canvas.rectangle(x - width * 0.3, y + high * 0.3, width * 0.3, high * 0.2, shade(colour, 0.6))


def _boxes(rng: Rng) -> Sprite:
    canvas = Canvas(3.2, 2.2)
    half = float(rng.uniform(0.5, 0.85))
    _litter(canvas, rng, half, 6)
    for _ in range(2):
        _carton(
            canvas, rng, float(rng.uniform(-half, half)), float(rng.uniform(0.25, 0.4)), float(rng.uniform(0.45, 0.7))
        )
    for x in np.linspace(-half, half, int(rng.integers(2, 4))):
        _carton(canvas, rng, float(x), float(rng.uniform(0.0, 0.08)), float(rng.uniform(0.5, 0.75)))
    if rng.random() < 0.6:  # a board leans on them
        x = float(rng.uniform(-half, half))
        canvas.polygon(((x - 0.5, 0.0), (x - 0.42, 0.0), (x + 0.2, 0.95), (x + 0.12, 0.97)), vary(rng, (120, 160, 185)))
    if rng.random() < 0.5:
        _bag(canvas, rng, float(rng.uniform(-half, half)), 0.0, 0.5)
    return canvas.finish(rng, grain=0.08)


def _muck(rng: Rng) -> Sprite:
    canvas = Canvas(3.6, 1.8)
    width, high = float(rng.uniform(1.4, 2.3)), float(rng.uniform(0.4, 0.75))
    half, earth = width / 2, vary(rng, ((85, 110, 135), (110, 115, 120), (70, 90, 115))[rng.integers(3)], 10)
    ridge = [
        (x, high * math.exp(-((x / half * 1.5) ** 2)) * (1 + float(rng.normal(0, 0.08))))
        for x in np.linspace(-half, half, 24)
    ]
    back = [(float(x), max(0.02, float(y)) + 0.18) for x, y in ridge]
    front = [
        (float(x) * 1.02, float(rng.uniform(-0.05, 0.02)) - 0.06 * math.cos(x / half * 1.5)) for x, _ in reversed(ridge)
    ]
    canvas.polygon([*back, *front], earth)
    for _ in range(170):
        x = float(np.clip(rng.normal(0, half * 0.5), -half, half))
        top = (high * math.exp(-((x / half * 1.5) ** 2)) + 0.12) * 0.95
        y, size = float(rng.uniform(0.0, max(0.04, top))), float(rng.uniform(0.015, 0.06))
        lit = 0.7 + 0.6 * y / (high + 0.2)
        canvas.ellipse((x, y), (size, size * 0.7), shade(vary(rng, earth, 14), lit))
    for _ in range(int(rng.integers(3, 9))):  # broken brick and concrete
        x, y, size = float(rng.normal(0, half * 0.6)), float(rng.uniform(0, high * 0.5)), float(rng.uniform(0.06, 0.14))
        colour = vary(rng, ((70, 85, 165), (165, 168, 170), (190, 192, 195))[rng.integers(3)], 12)
        canvas.box(x, y, (size * 1.6, size * 0.7, size), colour)
    return canvas.finish(rng, grain=0.12)
