"""Drawings of vehicles: from the side (driving right), from the front and from behind."""

from curbwatch.simulate.sprite import Canvas, Colour, Rng, Sprite, shade, vary

PAINTS: tuple[Colour, ...] = (
    (225, 225, 225),
    (190, 190, 192),
    (55, 55, 58),
    (120, 60, 40),
    (45, 45, 150),
    (200, 205, 210),
    (110, 112, 115),
    (90, 140, 165),
)
GLASS: Colour = (78, 70, 62)
TYRE: Colour = (30, 30, 32)
VEHICLE_PPM = 80


def car(rng: Rng, view: str) -> Sprite:
    """Draw a car; ``view`` is side, front or rear. About 4.4 m long, 1.8 m wide, 1.5 m high."""
    paint = vary(rng, PAINTS[rng.integers(len(PAINTS))])
    tall = float(rng.uniform(1.0, 1.15))
    if view == "side":
        return _car_side(rng, paint, tall)
    return _car_end(rng, paint, tall, front=view == "front")


def _car_side(rng: Rng, paint: Colour, tall: float) -> Sprite:
    canvas = Canvas(4.9, 2.4, 0.25, VEHICLE_PPM)
    lower = ((-2.2, 0.32), (-2.22, 0.75), (-1.9, 0.95), (1.45, 0.95), (2.1, 0.78), (2.2, 0.5), (2.15, 0.3))
    canvas.polygon(lower, paint)
    roof = ((-1.95, 0.92), (-1.45, 1.42 * tall), (0.45, 1.44 * tall), (1.3, 0.94))
    canvas.polygon(roof, shade(paint, 0.9))
    back = 1.42 * tall + 0.22
    canvas.polygon(((-1.45, 1.42 * tall), (0.45, 1.44 * tall), (0.35, back), (-1.35, back)), shade(paint, 1.15))
    canvas.polygon(((-1.72, 0.97), (-1.35, 1.35 * tall), (-0.55, 1.36 * tall), (-0.55, 0.97)), GLASS)
    canvas.polygon(((-0.45, 0.97), (-0.45, 1.36 * tall), (0.36, 1.37 * tall), (1.08, 0.97)), GLASS)
    canvas.line((-0.5, 0.4), (-0.5, 0.95), 0.02, shade(paint, 0.6))
    canvas.line((0.55, 0.4), (0.6, 0.95), 0.02, shade(paint, 0.6))
    canvas.polygon(((-2.2, 0.32), (2.15, 0.3), (2.15, 0.4), (-2.2, 0.42)), shade(paint, 0.5))
    canvas.rectangle(2.02, 0.6, 0.14, 0.14, (230, 240, 245))
    canvas.rectangle(-2.2, 0.66, 0.12, 0.16, (40, 40, 190))
    for x in (-1.35, 1.35):
        canvas.ellipse((x, 0.33), (0.36, 0.34), shade(paint, 0.35))
        canvas.ellipse((x, 0.31), (0.31, 0.31), TYRE)
        canvas.ellipse((x, 0.31), (0.18, 0.18), (165, 165, 168))
    return canvas.finish(rng, grain=0.03, light=0.08)


def _car_end(rng: Rng, paint: Colour, tall: float, *, front: bool) -> Sprite:
    canvas = Canvas(2.4, 2.9, 0.25, VEHICLE_PPM)
    for x in (-0.78, 0.5):
        canvas.rectangle(x, 0.0, 0.26, 0.5, TYRE)
    canvas.polygon(((-0.9, 0.25), (0.9, 0.25), (0.92, 0.8), (-0.92, 0.8)), paint)
    bonnet = 0.8 + (0.4 if front else 0.2)
    canvas.polygon(((-0.92, 0.8), (0.92, 0.8), (0.84, bonnet), (-0.84, bonnet)), shade(paint, 1.08))
    top = bonnet + 0.55 * tall
    canvas.polygon(((-0.84, bonnet), (0.84, bonnet), (0.64, top), (-0.64, top)), GLASS)
    canvas.polygon(((-0.5, bonnet + 0.05), (-0.1, bonnet + 0.05), (-0.2, top), (-0.42, top)), shade(GLASS, 1.35))
    canvas.polygon(((-0.64, top), (0.64, top), (0.56, top + 0.55), (-0.56, top + 0.55)), shade(paint, 1.15))
    canvas.rectangle(-0.8, 0.25, 1.6, 0.16, shade(paint, 0.5))
    lamp: Colour = (235, 240, 245) if front else (40, 40, 200)
    for x in (-0.84, 0.54):
        canvas.rectangle(x, 0.58, 0.3, 0.16, lamp)
    if front:
        canvas.rectangle(-0.4, 0.45, 0.8, 0.22, (45, 45, 48))
    canvas.rectangle(-0.24, 0.34, 0.48, 0.14, (190, 110, 40))
    return canvas.finish(rng, grain=0.03, light=0.08)


def truck(rng: Rng, view: str) -> Sprite:
    """Draw a tipper; ``view`` is side, front or rear. About 7.5 m long, 2.4 m wide, 3 m high."""
    paint = vary(rng, ((60, 150, 70), (50, 60, 190), (70, 170, 220))[rng.integers(3)])
    if view == "side":
        canvas = Canvas(8.2, 3.8, 0.3, VEHICLE_PPM)
        canvas.rectangle(-3.7, 0.55, 7.3, 0.3, (55, 55, 58))
        canvas.polygon(((-3.8, 0.95), (-3.9, 2.5), (1.55, 2.5), (1.5, 0.95)), shade(paint, 0.85))
        for step in range(-3, 2):
            canvas.rectangle(step - 0.4, 0.95, 0.12, 1.55, shade(paint, 0.7))
        canvas.polygon(((-3.9, 2.5), (1.55, 2.5), (1.45, 3.1), (-3.8, 3.1)), (95, 110, 120))
        canvas.polygon(((1.75, 0.6), (1.75, 2.55), (3.3, 2.55), (3.7, 1.6), (3.72, 0.6)), paint)
        canvas.polygon(((2.3, 1.55), (2.3, 2.35), (3.2, 2.35), (3.5, 1.55)), GLASS)
        for x in (-2.9, -1.8, 2.6):
            canvas.ellipse((x, 0.48), (0.48, 0.48), TYRE)
            canvas.ellipse((x, 0.48), (0.24, 0.24), (140, 140, 142))
        return canvas.finish(rng, grain=0.05, light=0.06)
    canvas = Canvas(3.0, 4.2, 0.3, VEHICLE_PPM)
    for x in (-1.1, 0.7):
        canvas.rectangle(x, 0.0, 0.4, 0.8, TYRE)
    if view == "front":
        canvas.rectangle(-1.2, 0.4, 2.4, 2.1, paint)
        canvas.polygon(((-1.08, 1.5), (1.08, 1.5), (1.02, 2.35), (-1.02, 2.35)), GLASS)
        for x in (-1.1, 0.7):
            canvas.rectangle(x, 0.7, 0.4, 0.2, (235, 240, 245))
    else:
        canvas.rectangle(-1.2, 0.7, 2.4, 1.9, shade(paint, 0.85))
        for x in (-1.15, 0.85):
            canvas.rectangle(x, 0.5, 0.3, 0.18, (40, 40, 200))
    canvas.polygon(((-1.2, 2.6), (1.2, 2.6), (1.1, 3.7), (-1.1, 3.7)), (95, 110, 120))
    return canvas.finish(rng, grain=0.05, light=0.06)


def bus(rng: Rng, view: str) -> Sprite:
    """Draw a city bus; ``view`` is side, front or rear. About 10 m long, 2.5 m wide, 3.1 m high."""
    paint = vary(rng, ((90, 160, 60), (190, 120, 40), (60, 120, 215))[rng.integers(3)])
    if view == "side":
        canvas = Canvas(10.8, 4.0, 0.3, VEHICLE_PPM)
        canvas.rectangle(-5.0, 0.35, 10.0, 2.7, paint)
        canvas.polygon(((-5.0, 3.05), (5.0, 3.05), (4.8, 3.7), (-4.8, 3.7)), shade(paint, 1.15))
        canvas.rectangle(-5.0, 0.35, 10.0, 0.35, shade(paint, 0.55))
        for step in range(-5, 4):
            canvas.rectangle(step + 0.2, 1.45, 0.9, 1.1, GLASS)
        canvas.rectangle(4.15, 0.6, 0.75, 2.0, GLASS)
        for x in (-2.9, 2.8):
            canvas.ellipse((x, 0.48), (0.48, 0.48), TYRE)
            canvas.ellipse((x, 0.48), (0.22, 0.22), (150, 150, 152))
        return canvas.finish(rng, grain=0.03, light=0.06)
    canvas = Canvas(3.2, 5.0, 0.3, VEHICLE_PPM)
    for x in (-1.1, 0.75):
        canvas.rectangle(x, 0.0, 0.35, 0.6, TYRE)
    canvas.rectangle(-1.25, 0.3, 2.5, 2.7, paint)
    canvas.rectangle(-1.12, 1.3, 2.24, 1.2, GLASS)
    canvas.rectangle(-0.8, 2.6, 1.6, 0.28, (40, 45, 50))
    canvas.rectangle(-0.6, 2.66, 1.2, 0.14, (60, 150, 235))
    canvas.polygon(((-1.25, 3.0), (1.25, 3.0), (1.1, 4.4), (-1.1, 4.4)), shade(paint, 1.15))
    lamp: Colour = (235, 240, 245) if view == "front" else (40, 40, 200)
    for x in (-1.1, 0.75):
        canvas.rectangle(x, 0.6, 0.35, 0.2, lamp)
    return canvas.finish(rng, grain=0.03, light=0.06)
