"""Drawings of people: walking, standing, sitting, on a scooter."""

import math

from curbwatch.simulate.sprite import Canvas, Colour, Rng, Sprite, shade, vary

PHASES = 8  # pictures of one double step
SKIN: tuple[Colour, ...] = ((128, 160, 205), (110, 145, 195), (96, 128, 178))
HAIR: tuple[Colour, ...] = ((25, 25, 28), (38, 34, 36), (20, 30, 45), (120, 120, 122))
TOPS: tuple[Colour, ...] = (
    (60, 60, 170),
    (150, 90, 50),
    (200, 200, 205),
    (60, 60, 62),
    (90, 130, 70),
    (70, 150, 210),
    (140, 120, 190),
    (110, 80, 60),
    (40, 110, 190),
    (185, 170, 120),
)
TROUSERS: tuple[Colour, ...] = ((85, 62, 48), (45, 45, 48), (110, 95, 85), (60, 75, 95), (140, 140, 138))


class Look:
    """What one person wears and how tall they are, drawn from ``rng``."""

    def __init__(self, rng: Rng, *, worker: bool = False) -> None:
        self.height_m = float(rng.uniform(1.5, 1.8))
        self.skin = SKIN[rng.integers(len(SKIN))]
        self.hair = HAIR[rng.integers(len(HAIR))]
        self.top = vary(rng, TOPS[rng.integers(len(TOPS))])
        self.trousers = vary(rng, TROUSERS[rng.integers(len(TROUSERS))])
        self.apron = bool(worker and rng.random() < 0.7)
        self.hat = bool(rng.random() < (0.6 if worker else 0.12))
        self.coat = bool(rng.random() < 0.25)
        self.bag = int(rng.integers(0, 4))  # 1: in the hand, 2: on the back


def walker(rng: Rng, phase: int, view: str) -> Sprite:
    """Draw a walking person, ``phase`` 0..PHASES-1; ``view`` is side (walking right), front or rear."""
    look = Look(rng)
    if view == "rear":
        look.skin = look.hair
    return _upright(rng, look, 2 * math.pi * phase / PHASES, sideways=view == "side", stride=1.0)


def stander(rng: Rng, pose: int, *, worker: bool = False) -> Sprite:
    """Draw a standing person; ``pose`` 0..PHASES-1 shifts weight and arms a little."""
    return _upright(rng, Look(rng, worker=worker), 0.8 * math.sin(pose * 1.3), sideways=pose % 2 == 1, stride=0.25)


def _upright(rng: Rng, look: Look, angle: float, *, sideways: bool, stride: float) -> Sprite:
    h = look.height_m
    canvas = Canvas(1.1, 2.0, 0.12)
    swing = math.sin(angle) * stride
    reach = (0.17 if sideways else 0.03) * h * swing
    lift = 0.03 * h * stride * max(0.0, math.cos(angle))
    hips = 0.055 * h if not sideways else 0.012 * h
    _leg(canvas, look, (-hips, -reach - hips), lift, 0.72)
    _arm(canvas, look, -1, reach * 0.8, sideways, 0.72)
    if look.bag == 2:
        back = -0.13 * h if sideways else 0.0
        canvas.ellipse((back, 0.68 * h), (0.085 * h, 0.12 * h), shade(look.trousers, 1.2))
    _leg(canvas, look, (hips, reach + hips), 0.03 * h * stride - lift, 1.0)
    _torso(canvas, look, sideways)
    _arm(canvas, look, 1, -reach * 0.8, sideways, 0.92)
    if look.bag == 1:
        side = (0.0 if sideways else 0.15 * h) - reach * 0.8
        canvas.rectangle(side - 0.09, 0.28 * h, 0.2, 0.22, vary(rng, (70, 90, 170), 40))
    _head(canvas, look, (0.02 if sideways else 0.0, 0.925 * h))
    return canvas.finish(rng, grain=0.05, light=0.18)


def _leg(canvas: Canvas, look: Look, ends: tuple[float, float], lift: float, tone: float) -> None:
    h, (hip, foot) = look.height_m, ends
    colour = shade(look.trousers, tone)
    knee = ((hip + foot) / 2 + 0.012 * h, 0.27 * h + lift * 0.6)
    canvas.line((hip, 0.5 * h), knee, 0.085 * h, colour)
    canvas.line(knee, (foot, 0.05 * h + lift), 0.07 * h, colour)
    canvas.ellipse((foot + 0.015 * h, 0.025 * h + lift), (0.06 * h, 0.028 * h), (35, 35, 40))


def _torso(canvas: Canvas, look: Look, sideways: bool) -> None:
    h = look.height_m
    wide = (0.085 if sideways else 0.125) * h
    hem = 0.36 * h if look.coat else 0.46 * h
    outline = ((-wide, 0.8 * h), (wide, 0.8 * h), (wide * 0.95, hem), (-wide * 0.95, hem))
    canvas.polygon(outline, look.top)
    canvas.ellipse((0, 0.8 * h), (wide, 0.035 * h), look.top)
    if look.apron:
        canvas.polygon(
            ((-wide * 0.7, 0.72 * h), (wide * 0.7, 0.72 * h), (wide * 0.8, 0.36 * h), (-wide * 0.8, 0.36 * h)),
            (150, 110, 70),
        )


def _arm(canvas: Canvas, look: Look, side: int, swing: float, sideways: bool, tone: float) -> None:
    h = look.height_m
    shoulder = (0.0 if sideways else side * 0.135 * h, 0.78 * h)
    hand = (shoulder[0] * 1.08 + swing, 0.47 * h)
    elbow = ((shoulder[0] + hand[0]) / 2 - 0.01 * h, 0.62 * h)
    canvas.line(shoulder, elbow, 0.06 * h, shade(look.top, tone))
    canvas.line(elbow, hand, 0.048 * h, shade(look.top, tone))
    canvas.ellipse(hand, (0.025 * h, 0.03 * h), look.skin)


def _head(canvas: Canvas, look: Look, centre: tuple[float, float]) -> None:
    (x, y), h = centre, look.height_m
    canvas.line((x, y - 0.1 * h), (x, y - 0.04 * h), 0.055 * h, shade(look.skin, 0.85))
    canvas.ellipse((x, y), (0.05 * h, 0.066 * h), look.skin)
    canvas.ellipse((x - 0.008, y + 0.024 * h), (0.054 * h, 0.05 * h), look.hair)
    if look.hat:
        canvas.ellipse((x, y + 0.035 * h), (0.13 * h, 0.03 * h), (120, 185, 215))
        canvas.ellipse((x, y + 0.06 * h), (0.06 * h, 0.035 * h), (105, 170, 205))


def sitter(rng: Rng, pose: int) -> Sprite:
    """Draw a person on a low stool; ``pose`` 0..PHASES-1 moves the arms."""
    look = Look(rng, worker=True)
    h = look.height_m
    canvas = Canvas(1.1, 1.5, 0.12)
    canvas.rectangle(-0.17, 0.0, 0.34, 0.3, (60, 60, 150))
    reach = 0.05 * math.sin(pose * 1.1)
    for side in (-1, 1):
        knee = (side * 0.13, 0.42)
        canvas.line((side * 0.08, 0.36), knee, 0.15, look.trousers)
        canvas.line(knee, (side * 0.13, 0.06), 0.12, shade(look.trousers, 0.85))
        canvas.ellipse((side * 0.14, 0.04), (0.1, 0.05), (35, 35, 40))
    canvas.polygon(((-0.2, 0.9), (0.2, 0.9), (0.18, 0.36), (-0.18, 0.36)), look.top)
    for side in (-1, 1):
        elbow = (side * 0.25, 0.62)
        canvas.line((side * 0.2, 0.86), elbow, 0.1, shade(look.top, 0.9))
        canvas.line(elbow, (side * 0.08 + reach, 0.48), 0.085, shade(look.top, 0.9))
    _head(canvas, look, (0.0, 0.9 + 0.09 * h))
    return canvas.finish(rng, grain=0.05, light=0.18)


def rider(rng: Rng, *, sideways: bool, alone: bool = False) -> Sprite:
    """Draw an electric scooter, ridden to the right or towards the camera; ``alone``: parked without a rider."""
    look = Look(rng)
    paint = vary(rng, ((60, 60, 190), (180, 140, 60), (205, 205, 205), (60, 60, 64))[rng.integers(4)])
    canvas = Canvas(2.2, 1.9, 0.15)
    if sideways:
        _scooter_side(canvas, paint)
    else:
        _scooter_front(canvas, paint)
    if not alone:
        x = -0.12 if sideways else 0.0
        wide = 0.16 if sideways else 0.22
        canvas.polygon(((x - wide, 1.32), (x + wide, 1.32), (x + wide, 0.78), (x - wide, 0.78)), look.top)
        reach = (0.45, 1.02) if sideways else (0.28, 1.02)
        canvas.line((x + 0.06, 1.26), reach, 0.1, shade(look.top, 0.9))
        if sideways:
            canvas.line((x, 0.8), (0.25, 0.72), 0.16, look.trousers)
            canvas.line((0.25, 0.72), (0.22, 0.36), 0.13, look.trousers)
        else:
            canvas.line((-0.06, 1.26), (-0.28, 1.02), 0.1, shade(look.top, 0.9))
            canvas.line((-0.16, 0.78), (-0.2, 0.36), 0.14, look.trousers)
            canvas.line((0.16, 0.78), (0.2, 0.36), 0.14, look.trousers)
        _head(canvas, look, (x + 0.03, 1.48))
        if rng.random() < 0.6:
            canvas.ellipse((x + 0.03, 1.54), (0.13, 0.11), vary(rng, (70, 200, 235), 40))
    return canvas.finish(rng, grain=0.05, light=0.15)


def _scooter_side(canvas: Canvas, paint: Colour) -> None:
    for x in (-0.6, 0.62):
        canvas.ellipse((x, 0.23), (0.23, 0.23), (32, 32, 34))
        canvas.ellipse((x, 0.23), (0.11, 0.11), (130, 130, 132))
    canvas.polygon(((-0.85, 0.5), (-0.75, 0.74), (-0.05, 0.74), (0.0, 0.3), (-0.5, 0.3)), paint)
    canvas.polygon(((0.0, 0.38), (0.45, 0.38), (0.45, 0.28), (-0.1, 0.28)), shade(paint, 0.7))
    canvas.polygon(((0.42, 0.3), (0.58, 0.3), (0.5, 0.95), (0.38, 0.95)), paint)
    canvas.polygon(((-0.8, 0.74), (0.0, 0.74), (-0.02, 0.82), (-0.78, 0.84)), (40, 40, 44))
    canvas.line((0.44, 0.95), (0.36, 1.05), 0.06, (40, 40, 44))
    canvas.rectangle(-1.0, 0.74, 0.26, 0.24, shade(paint, 0.5))


def _scooter_front(canvas: Canvas, paint: Colour) -> None:
    canvas.ellipse((0, 0.24), (0.08, 0.24), (32, 32, 34))
    canvas.polygon(((-0.22, 0.32), (0.22, 0.32), (0.17, 0.92), (-0.17, 0.92)), paint)
    canvas.ellipse((0, 0.78), (0.1, 0.07), (225, 235, 240))
    canvas.line((-0.33, 1.0), (0.33, 1.0), 0.06, (40, 40, 44))
    canvas.line((-0.3, 1.02), (-0.36, 1.2), 0.03, (40, 40, 44))
    canvas.line((0.3, 1.02), (0.36, 1.2), 0.03, (40, 40, 44))
