"""Labelled cut-outs to paste into sequences: photographs, drawings of the simulated city, movers of the clips.

Sources and their terms: street waste, Roboflow project "-111-ehcfr" (CC BY 4.0 as its uploader declares; pictures from
the web, so used privately); crops of carts and tents from the web (no licence stated, private); the drawings are this
project's own. The weights made from them hold numbers only, and no picture can be got back from them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.simulate.goods import STALLS, stall
from curbwatch.simulate.people import rider, sitter, stander
from curbwatch.simulate.sprite import Canvas, Colour, Sprite, opaque_box, scaled, shade, vary
from curbwatch.simulate.traffic import car, truck
from curbwatch.simulate.waste import WASTES, waste
from curbwatch.tuning.train.clips import Clip
from ingest.decode import decode_full

Rng = np.random.Generator
Choose = Callable[[Sequence[Path]], list[Path]]


@dataclass(frozen=True, slots=True)
class CutOut:
    """A picture with its opacity, its class, and how wide it may be pasted.

    Attributes:
        picture: (h, w, 3) uint8 BGR.
        alpha: (h, w) float32 0..1; None: a photograph's rectangle, feathered when pasted.
        label: of CLASSES.
        width_px: least and greatest width on the grid, px.
    """

    picture: NDArray[np.uint8]
    alpha: NDArray[np.float32] | None
    label: str
    width_px: tuple[int, int]


def street_waste(folder: Path, choose: Choose = list) -> list[CutOut]:
    """Boxes of a split of the street-waste pictures: exposed waste is waste, a bin that does not overflow is other.

    ``choose`` takes some of the label files.
    """
    found = []
    for file in choose(sorted((folder / "labels").glob("*.txt"))):
        picture = cv2.imread(str(folder / "images" / f"{file.stem}.jpg"))
        if picture is None:
            continue
        height, width = picture.shape[:2]
        for line in file.read_text(encoding="utf-8").splitlines():
            kind, *place = line.split()
            label = {"0": "waste", "1": "other"}.get(kind)
            x0, y0, x1, y1 = _corners(place, (width, height))
            part = picture[y0:y1, x0:x1]
            if label is not None and min(part.shape[:2]) >= 24 and part.shape[0] < 2.5 * part.shape[1]:
                size = (10, 52) if label == "waste" else (6, 20)
                found.append(CutOut(np.asarray(part, np.uint8), None, label, size))
    return found


def web_stalls(folder: Path) -> list[CutOut]:
    """Crops of carts and tents."""
    pictures = [cv2.imread(str(file)) for file in sorted(folder.glob("*/*.jpg"))]
    return [CutOut(np.asarray(p, np.uint8), None, "stall", (18, 84)) for p in pictures if p is not None]


def drawings(rng: Rng, count: int) -> Iterator[CutOut]:
    """``count`` drawings of the simulated city, all classes in turn."""
    makers: tuple[tuple[str, tuple[int, int], Callable[[], Sprite]], ...] = (
        ("stall", (18, 84), lambda: stall(rng, STALLS[rng.integers(len(STALLS))])),
        ("waste", (8, 44), lambda: waste(rng, WASTES[rng.integers(len(WASTES))])),
        ("waste", (8, 22), lambda: waste(rng, "bag")),
        ("vehicle", (30, 120), lambda: car(rng, ("side", "front", "rear")[rng.integers(3)])),
        ("vehicle", (50, 150), lambda: truck(rng, ("side", "front", "rear")[rng.integers(3)])),
        ("bike", (16, 50), lambda: rider(rng, sideways=bool(rng.integers(2)), alone=True)),
        ("bike", (16, 50), lambda: rider(rng, sideways=bool(rng.integers(2)))),
        ("crowd", (8, 26), lambda: stander(rng, int(rng.integers(8)))),
        ("crowd", (8, 26), lambda: sitter(rng, int(rng.integers(8)))),
    )
    for index in range(count):
        label, size, make = makers[index % len(makers)]
        sprite = make()
        cut = scaled(sprite, sprite.ppm, flip=bool(rng.integers(2)), gain=float(rng.uniform(0.75, 1.15)))
        alpha = 1 - cut.through[..., 0].astype(np.float32) / 255
        x0, y0, x1, y1 = opaque_box(np.asarray(alpha * 255, np.uint8), 8)
        alpha = alpha[y0:y1, x0:x1]
        colour = cut.colour[y0:y1, x0:x1].astype(np.float32) / np.maximum(alpha[..., None], 1e-3)
        yield CutOut(np.clip(colour, 0, 255).astype(np.uint8), alpha.astype(np.float32), label, size)


def plain_things(rng: Rng, count: int) -> Iterator[CutOut]:
    """``count`` drawings of bags, cases, cartons and sacks that somebody put down: waste, in any colour."""
    for index in range(count):
        canvas = Canvas(1.6, 1.4, ppm=90)
        wide, high = float(rng.uniform(0.3, 1.0)), float(rng.uniform(0.25, 0.9))
        colour = _any_colour(rng)
        (_carton, _case, _soft, _soft, _sack)[index % 5](canvas, rng, (wide, high), colour)
        sprite = canvas.finish(rng, grain=float(rng.uniform(0.03, 0.12)), light=float(rng.uniform(0.05, 0.25)))
        cut = scaled(sprite, sprite.ppm, flip=bool(rng.integers(2)))
        alpha = 1 - cut.through[..., 0].astype(np.float32) / 255
        x0, y0, x1, y1 = opaque_box(np.asarray(alpha * 255, np.uint8), 8)
        alpha = alpha[y0:y1, x0:x1]
        picture = cut.colour[y0:y1, x0:x1].astype(np.float32) / np.maximum(alpha[..., None], 1e-3)
        yield CutOut(np.clip(picture, 0, 255).astype(np.uint8), alpha.astype(np.float32), "waste", (7, 32))


def _any_colour(rng: Rng) -> Colour:
    """Mostly dark or dull, as bags are; now and then bright."""
    value = float(rng.choice([rng.uniform(15, 70), rng.uniform(60, 150), rng.uniform(150, 240)], p=[0.5, 0.3, 0.2]))
    away = float(rng.choice([6.0, 25.0, 60.0], p=[0.4, 0.35, 0.25]))
    blue, green, red = (int(np.clip(value + rng.normal(0, away), 5, 250)) for _ in range(3))
    return blue, green, red


def _carton(canvas: Canvas, rng: Rng, size: tuple[float, float], colour: Colour) -> None:
    wide, high = size
    brown = (int(rng.uniform(70, 130)), int(rng.uniform(110, 170)), int(rng.uniform(150, 210)))
    body = brown if rng.random() < 0.6 else colour
    canvas.rectangle(-wide / 2, 0, wide, high, body)
    slant = float(rng.uniform(0.05, 0.3)) * wide
    deep = float(rng.uniform(0.1, 0.35)) * high
    top = ((-wide / 2, high), (-wide / 2 + slant, high + deep), (wide / 2 + slant, high + deep), (wide / 2, high))
    canvas.polygon(top, shade(body, float(rng.uniform(1.05, 1.3))))
    side = ((wide / 2, 0.0), (wide / 2 + slant, deep), (wide / 2 + slant, high + deep), (wide / 2, high))
    canvas.polygon(side, shade(body, float(rng.uniform(0.55, 0.85))))
    if rng.random() < 0.6:
        canvas.rectangle(-wide / 2, high * 0.45, wide, high * 0.08, shade(body, float(rng.uniform(0.8, 1.25))))


def _case(canvas: Canvas, rng: Rng, size: tuple[float, float], colour: Colour) -> None:
    wide, high = size[0] * 0.7, size[1]
    canvas.rectangle(-wide / 2, 0.04, wide, high, colour)
    for k in range(int(rng.integers(0, 4))):
        canvas.rectangle(-wide / 2 + wide * (k + 1) / 5, 0.06, wide * 0.04, high * 0.9, shade(colour, 0.75))
    canvas.ellipse((-wide * 0.4, 0.03), (0.04, 0.04), (25, 25, 25))
    canvas.ellipse((wide * 0.4, 0.03), (0.04, 0.04), (25, 25, 25))
    if rng.random() < 0.6:
        grip = float(rng.uniform(0.05, 0.35))
        canvas.line((-wide * 0.2, high), (-wide * 0.2, high + grip), 0.025, (60, 60, 60))
        canvas.line((wide * 0.2, high), (wide * 0.2, high + grip), 0.025, (60, 60, 60))
        canvas.line((-wide * 0.2, high + grip), (wide * 0.2, high + grip), 0.035, (50, 50, 50))


def _soft(canvas: Canvas, rng: Rng, size: tuple[float, float], colour: Colour) -> None:
    """A rucksack, a shopping bag, a bag of cloth: a lump with a lighter or darker part and straps."""
    wide, high = size
    points = []
    for k in range(16):
        angle = 2 * np.pi * k / 16
        lump = 1 + float(rng.normal(0, 0.06))
        across = np.sign(np.cos(angle)) * abs(np.cos(angle)) ** 0.6 * wide / 2 * lump
        up = high / 2 + np.sign(np.sin(angle)) * abs(np.sin(angle)) ** 0.6 * high / 2 * lump
        points.append((float(across), float(max(0.0, up))))
    canvas.polygon(points, colour)
    part = shade(colour, float(rng.choice([0.7, 1.3])))
    canvas.ellipse((float(rng.uniform(-0.1, 0.1)) * wide, high * 0.35), (wide * 0.28, high * 0.22), part)
    if rng.random() < 0.6:
        canvas.line((-wide * 0.2, high * 0.9), (0.0, high * 1.2), 0.03, shade(colour, 0.7))
        canvas.line((0.0, high * 1.2), (wide * 0.2, high * 0.9), 0.03, shade(colour, 0.7))


def _sack(canvas: Canvas, rng: Rng, size: tuple[float, float], colour: Colour) -> None:
    """One sack, or two or three that lean on each other."""
    wide, high = size
    for _ in range(int(rng.integers(1, 4))):
        x, body = float(rng.normal(0, wide * 0.3)), vary(rng, colour, 15)
        canvas.ellipse((x, high * 0.4), (wide * 0.35, high * 0.4), body, float(rng.uniform(-25, 25)))
        canvas.polygon(((x - 0.05, high * 0.75), (x - 0.1, high), (x + 0.1, high), (x + 0.05, high * 0.75)), body)
        canvas.ellipse((x - wide * 0.1, high * 0.5), (wide * 0.1, high * 0.1), shade(body, 1.25))


def patches(folder: Path, rng: Rng, count: int, choose: Choose = list) -> list[CutOut]:
    """``count`` pieces of streets that show no waste and no bin: whatever else may come to stand somewhere."""
    found: list[CutOut] = []
    files = choose(sorted((folder / "labels").glob("*.txt")))
    for index in rng.permutation(len(files)):
        if len(found) >= count:
            break
        picture = cv2.imread(str(folder / "images" / f"{files[index].stem}.jpg"))
        if picture is None:
            continue
        size = picture.shape[1], picture.shape[0]
        boxes = [_corners(line.split()[1:], size) for line in files[index].read_text(encoding="utf-8").splitlines()]
        for _ in range(3):
            w, h = int(rng.integers(60, 260)), int(rng.integers(60, 260))
            x, y = int(rng.integers(0, size[0] - w)), int(rng.integers(0, size[1] - h))
            clear = all(x + w < x0 or x > x1 or y + h < y0 or y > y1 for x0, y0, x1, y1 in boxes)
            if clear and picture[y : y + h, x : x + w].max() > 60:  # not the black border of an augmented picture
                found.append(CutOut(np.asarray(picture[y : y + h, x : x + w], np.uint8), None, "other", (8, 60)))
    return found


def veils(rng: Rng, count: int) -> Iterator[CutOut]:
    """``count`` soft spots of light, shade and glare: ``other``."""
    for _ in range(count):
        size = 64, int(rng.integers(24, 96))
        level = float(rng.choice([rng.uniform(0, 60), rng.uniform(200, 255)]))
        tint = np.clip(level + rng.normal(0, 12, 3), 0, 255)
        picture = np.broadcast_to(tint.astype(np.uint8), (size[1], size[0], 3)).copy()
        alpha = _feather(size[1], size[0], rng) * np.float32(rng.uniform(0.15, 0.75))
        yield CutOut(picture, alpha.astype(np.float32), "other", (8, 90))


def _corners(place: list[str], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A label's centre and size, 0..1, as the corners x0, y0, x1, y1 in px."""
    cx, cy, w, h = (float(value) for value in place)
    return (
        max(0, int((cx - w / 2) * size[0])),
        max(0, int((cy - h / 2) * size[1])),
        int((cx + w / 2) * size[0]),
        int((cy + h / 2) * size[1]),
    )


def movers(clip: Clip, label: str, rng: Rng, count: int) -> list[CutOut]:
    """What moves through a clip, cut out where it differs from the clip's median: vehicles or people."""
    chosen = rng.choice(len(clip.jpegs), min(len(clip.jpegs), 40), replace=False)
    pictures = [decode_full(clip.jpegs[k]) for k in chosen]
    middle = np.median(np.stack(pictures[:25]), axis=0).astype(np.uint8)
    found = []
    scale = 320 / clip.size[0]
    for picture in pictures:
        differs = np.asarray(cv2.absdiff(picture, middle)).max(axis=2) > 28
        mask = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in outlines:
            x, y, w, h = cv2.boundingRect(outline)
            whole = x > 0 and y > 0 and x + w < clip.size[0] - 1 and y + h < clip.size[1] - 1
            if not whole or w * scale < 8 or h * scale < 8 or cv2.contourArea(outline) < 0.45 * w * h:
                continue
            one = cv2.drawContours(np.zeros_like(mask), [outline], -1, (1,), cv2.FILLED)[y : y + h, x : x + w]
            alpha = cv2.blur(one.astype(np.float32), (3, 3))
            size = (max(6, round(w * scale * 0.7)), max(8, round(w * scale * 1.5)))
            found.append(CutOut(picture[y : y + h, x : x + w].copy(), np.asarray(alpha, np.float32), label, size))
    order = rng.permutation(len(found))[:count]
    return [found[k] for k in order]


def fit(cut: CutOut, width: int, rng: Rng) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Scale a cut-out to ``width`` px, vary its light, feather it: (h, w, 3) uint8 and (h, w) float32."""
    height = max(5, round(cut.picture.shape[0] * width / cut.picture.shape[1] * rng.uniform(0.85, 1.15)))
    small = cv2.resize(cut.picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    small = np.clip((small - 128) * rng.uniform(0.7, 1.1) + 128 * rng.uniform(0.7, 1.1), 0, 255)
    if rng.integers(2):
        small = small[:, ::-1]
    if cut.alpha is None:
        alpha = _feather(height, width, rng)
    else:
        alpha = np.asarray(cv2.resize(cut.alpha, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return small.astype(np.uint8), alpha


def _feather(height: int, width: int, rng: Rng) -> NDArray[np.float32]:
    soft = float(rng.uniform(0.04, 0.3))
    u = (np.arange(width) + 0.5) / width * 2 - 1
    v = (np.arange(height) + 0.5) / height * 2 - 1
    power = float(rng.choice([2.0, 4.0, 12.0]))  # an ellipse, a rounded box, nearly the box itself
    edge = (np.abs(u[None, :]) ** power + np.abs(v[:, None]) ** power) ** (1 / power)
    return np.clip((1 - edge) / soft, 0, 1).astype(np.float32)
