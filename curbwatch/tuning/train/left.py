"""Drawings of left things that are no bin bags: cases, backpacks, cartons, soft bags, crates, each ``waste``.

The photographs show heaps of rubbish; what stands alone on a pavement is as often a suitcase, a carton or a sack.
Without them every unfamiliar solid thing was taken for ``other``: of 84 such things in real clips 10 were found.
"""

from collections.abc import Callable, Iterator

import numpy as np

from curbwatch.simulate.sprite import Canvas, Colour, Rng, Sprite, opaque_box, scaled, shade, vary
from curbwatch.tuning.train.cutouts import CutOut

WIDTH_PX = (7, 34)  # on the grid
COLOURS: tuple[Colour, ...] = (
    (28, 28, 30),
    (62, 60, 58),
    (110, 108, 104),
    (188, 190, 192),
    (42, 36, 110),
    (118, 72, 34),
    (50, 84, 46),
    (58, 96, 132),
    (96, 142, 178),
    (40, 130, 190),
)


def left_things(rng: Rng, count: int) -> Iterator[CutOut]:
    """``count`` drawings, all kinds in turn; none for 0."""
    makers: tuple[Callable[[Canvas, Rng, Colour], None], ...] = (_case, _backpack, _carton, _bag, _crate, _bundle)
    for index in range(count):
        canvas = Canvas(1.6, 1.4, 0.3, ppm=90)
        colour = vary(rng, COLOURS[rng.integers(len(COLOURS))], 12)
        _contact(canvas, rng)
        makers[index % len(makers)](canvas, rng, colour)
        yield _cut(canvas.finish(rng, grain=float(rng.uniform(0.03, 0.09))), rng)


def _contact(canvas: Canvas, rng: Rng) -> None:
    if rng.random() < 0.6:
        canvas.ellipse((float(rng.uniform(-0.08, 0.08)), 0.0), (float(rng.uniform(0.25, 0.42)), 0.05), (24, 24, 26))


def _case(canvas: Canvas, rng: Rng, colour: Colour) -> None:
    wide, high = float(rng.uniform(0.32, 0.6)), float(rng.uniform(0.4, 0.75))
    canvas.box(-wide / 2, 0.04, (wide, high, 0.25), colour)
    for k in range(int(rng.integers(1, 4))):
        row = high * (k + 1) / 4
        canvas.line((-wide * 0.45, row), (wide * 0.45, row), 0.015, shade(colour, float(rng.uniform(0.6, 1.5))))
    if rng.random() < 0.6:
        grip, top = wide * 0.22, high + float(rng.uniform(0.12, 0.4))
        for side in (-grip, grip):
            canvas.line((side, high), (side, top), 0.025, shade(colour, 0.6))
        canvas.line((-grip, top), (grip, top), 0.03, shade(colour, 0.6))


def _backpack(canvas: Canvas, rng: Rng, colour: Colour) -> None:
    wide, high = float(rng.uniform(0.3, 0.5)), float(rng.uniform(0.38, 0.6))
    canvas.rectangle(-wide / 2, 0, wide, high * 0.55, colour)
    canvas.ellipse((0, high * 0.52), (wide / 2, high * 0.48), colour)
    canvas.ellipse((0, high * 0.3), (wide * 0.34, high * 0.24), shade(colour, float(rng.uniform(0.75, 1.35))))
    canvas.line((-wide * 0.3, high * 0.75), (wide * 0.3, high * 0.75), 0.02, shade(colour, 0.6))
    canvas.line((0, high), (0.05, high + 0.08), 0.03, shade(colour, 0.7))


def _carton(canvas: Canvas, rng: Rng, colour: Colour) -> None:
    card = vary(rng, (105, 145, 182), 16) if rng.random() < 0.7 else colour
    wide, high = float(rng.uniform(0.35, 0.8)), float(rng.uniform(0.22, 0.6))
    canvas.box(-wide / 2, 0, (wide, high, float(rng.uniform(0.25, 0.5))), card)
    canvas.line((-wide / 2, high * 0.5), (wide / 2, high * 0.5), 0.03, shade(card, float(rng.uniform(0.8, 1.4))))
    if rng.random() < 0.5:
        flap = (
            (wide / 2, high),
            (wide / 2 + 0.16, high + 0.06),
            (wide / 2 + 0.1, high + 0.18),
            (wide * 0.4, high + 0.1),
        )
        canvas.polygon(flap, shade(card, 1.15))


def _bag(canvas: Canvas, rng: Rng, colour: Colour) -> None:
    wide, high = float(rng.uniform(0.35, 0.75)), float(rng.uniform(0.25, 0.45))
    canvas.ellipse((0, high / 2), (wide / 2, high / 2), colour)
    canvas.rectangle(-wide * 0.42, 0, wide * 0.84, high * 0.4, colour)
    for side in (-1, 1):
        canvas.line((side * wide * 0.2, high * 0.85), (0, high + 0.14), 0.025, shade(colour, 0.65))
    canvas.line(
        (-wide * 0.38, high * 0.6), (wide * 0.38, high * 0.6), 0.02, shade(colour, float(rng.uniform(0.7, 1.5)))
    )


def _crate(canvas: Canvas, rng: Rng, colour: Colour) -> None:
    wide, high = float(rng.uniform(0.4, 0.7)), float(rng.uniform(0.2, 0.35))
    for level in range(int(rng.integers(1, 4))):
        canvas.box(-wide / 2, level * high, (wide, high * 0.92, 0.3), shade(colour, 1 + 0.1 * level))
        canvas.line(
            (-wide * 0.4, level * high + high * 0.4), (wide * 0.4, level * high + high * 0.4), 0.04, (20, 20, 22)
        )


def _bundle(canvas: Canvas, rng: Rng, colour: Colour) -> None:
    for _ in range(int(rng.integers(2, 5))):
        x, size = float(rng.uniform(-0.35, 0.35)), float(rng.uniform(0.15, 0.3))
        one = vary(rng, colour, 22)
        canvas.ellipse((x, size * 0.7), (size, size * 0.8), one, float(rng.uniform(-20, 20)))
        canvas.line((x - size * 0.4, size), (x + size * 0.4, size * 1.1), 0.02, shade(one, 1.4))


def _cut(sprite: Sprite, rng: Rng) -> CutOut:
    cut = scaled(sprite, sprite.ppm, flip=bool(rng.integers(2)), gain=float(rng.uniform(0.7, 1.2)))
    alpha = 1 - cut.through[..., 0].astype(np.float32) / 255
    x0, y0, x1, y1 = opaque_box(np.asarray(alpha * 255, np.uint8), 8)
    alpha = alpha[y0:y1, x0:x1]
    colour = cut.colour[y0:y1, x0:x1].astype(np.float32) / np.maximum(alpha[..., None], 1e-3)
    return CutOut(np.clip(colour, 0, 255).astype(np.uint8), alpha.astype(np.float32), "waste", WIDTH_PX)
