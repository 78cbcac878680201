"""The suite ``composite``: street waste and food carts of photographs put into every real clip and slow feed.

Real recordings of dumped waste and of stalls that come and go are not at hand, so these stand in for them; every figure
made with them is called a composite. The waste comes from pictures that no weight was trained on (the tune split); the
carts are those of three real street cameras. Pieces of the same photographs that show no waste, and bins, are put down
too and must raise no alert. Pictures are built when asked, in a folder of the caller's, and are never kept: most of
them may not be shown.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from curbwatch.tuning.pasting import (
    Field,
    Image,
    Pasted,
    Piece,
    Place,
    Sides,
    cut_out,
    frames_with,
    jpeg_quality,
    put,
    read_photograph,
)
from curbwatch.tuning.recording import Recording, read_recording
from ingest.decode import grid_shape
from schemas.errors import UsageError
from schemas.place import ImageZone
from schemas.units import utc

PARKING = "seq-intel-parking"
PHOTOGRAPHS, SPLIT, CARTS = "waste-street-cn", "tune", "stall-street-nyc"
WASTE, BIN = "0", "1"  # labels of exposed waste and of a bin that does not overflow
PERIOD_S = 4.0  # frames of clips count this far apart
LEAST_SOURCE_PX = 28  # a box of fewer shows too little to be enlarged
QUIET = {True: 0.02, False: 0.12}  # share of time in which a place may be busy, in clips and in slow feeds
TRIES = 400
LEAST_PX = 8  # on the grid: what has no room at its width is put down at half of it, down to this
SEED, FULL_SEED = 71, 72
FULL_TIMES = 4  # as many in the full suite
WIDTHS_PX = {"waste": (10, 24, 14, 40, 20, 12, 32, 56, 16, 28), "stall": (20, 32, 26, 44, 36, 16), "": (16, 30, 22, 44)}
PATTERNS = (("waste", "stall", ""), ("waste", "waste", ""), ("stall", "waste", "waste"), ("waste", "", "stall"))


@dataclass(frozen=True, slots=True)
class Base:
    """A recording into which things are put.

    Attributes:
        folder: below the data folder; a star stands for each sub-folder.
        name: of the condition ``composite-NAME``.
        times: how many composites are made of it.
        frames: how many frames of it each has at most; they begin at different ones.
        things: how many are put down in each.
        clip: whether frames follow one another closely; slow feeds keep their own stamps.
    """

    folder: str
    name: str
    times: int
    frames: int
    things: int
    clip: bool = True


BASES = (
    Base(PARKING, "parking", 6, 377, 3),
    Base("seq-cdnet-highway", "highway", 4, 280, 3),
    Base("seq-motorway-cctv", "motorway", 4, 280, 3),
    Base("seq-ucsd-ped2/*", "crowd", 3, 180, 3),
    Base("seq-slow-nyc-avenue/east-1min", "avenue", 4, 120, 3, clip=False),
    Base("seq-slow-nyc-avenue/west-1min", "avenue", 3, 120, 3, clip=False),
    Base("seq-nyc-2017/*", "cameras", 1, 20, 2, clip=False),
    Base("seq-slow-sg-4713", "fork", 1, 30, 3, clip=False),
)
SKIPPED = frozenset({"956"})  # a dead camera


@dataclass(frozen=True, slots=True)
class Composite:
    """One composite to be built: its name, what it is made of, its first frame there, how many, and its number."""

    name: str
    folder: Path
    base: Base
    start: int
    frames: int
    number: int
    seed: int


def composites(data: Path, *, full: bool = False) -> list[Composite]:
    """What the suite is made of, the same each time. Raises UsageError where the data folder has no part of it."""
    for needed in (PHOTOGRAPHS, CARTS):
        if not (data / needed).is_dir():
            raise UsageError(f"{data}: holds no {needed}; name the data folder with --data or as PATH")
    found: list[Composite] = []
    for base in BASES:
        for folder in sorted(data.glob(base.folder)):
            if folder.name in SKIPPED or not (folder / "recording.json").exists():
                continue
            times = base.times * (FULL_TIMES if full else 1)
            length = read_recording(folder).count()
            frames = min(base.frames, length)
            for turn in range(times):
                start = round((length - frames) * turn / max(1, times - 1))
                name = f"composite-{base.name}-{len(found):03d}"
                found.append(Composite(name, folder, base, start, frames, len(found), FULL_SEED if full else SEED))
    if not found:
        raise UsageError(f"{data}: holds none of the recordings that composites are made of")
    return found


class Maker:
    """Builds composites; remembers the photographs and the recording that it used last."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._pictures = lru_cache(maxsize=1)(_pictures)
        self._sources = {kind: _sources(data, kind) for kind in ("waste", "stall", "")}

    def make(self, one: Composite, folder: Path, tick: Callable[[], None] = lambda: None) -> Recording:
        """Build one composite as recording/1 in ``folder``, which is made; ``tick`` is called for each frame."""
        recording = read_recording(one.folder)
        jpegs = self._pictures(one.folder)[one.start : one.start + one.frames]
        place = Place.of(jpegs, clip=one.base.clip)
        rng = np.random.default_rng([one.seed, one.number])
        pasted: list[Pasted] = []
        pattern = PATTERNS[one.number % len(PATTERNS)]
        for k in range(one.base.things):
            thing = self._thing(pattern[k], one, k, rng)
            share = recording.size[0] / grid_shape(*recording.size)[1]
            widths = WIDTHS_PX[pattern[k]]
            wanted, least = (side * share for side in (widths[(one.number + 5 * k) % len(widths)], LEAST_PX))
            for width in (round(wanted), round(max(least, wanted / 2))):
                spot = find_spot(place, recording.zones, thing, width, pasted, rng)
                if spot is not None:
                    pasted.append(put(thing, place.empty, spot, width, _span(len(jpegs), rng)))
                    break
        return write(recording, one, place, pasted, folder, tick)

    def _thing(self, kind: str, one: Composite, k: int, rng: np.random.Generator) -> Piece:
        sources = self._sources[kind]
        file, box = sources[(one.number * 7 + k * 31 + one.seed) % len(sources)]
        photograph = read_photograph(file)
        if box is None:  # any part of the photograph without waste
            return _patch(file, photograph, rng)
        return cut_out(photograph, box, kind, f"composite {file.stem.partition('_jpg')[0]}", outline=kind != "stall")


def write(
    recording: Recording,
    one: Composite,
    place: Place,
    pasted: Sequence[Pasted],
    folder: Path,
    tick: Callable[[], None] = lambda: None,
) -> Recording:
    """Write frames and truth of a composite as recording/1 in ``folder``."""
    frames = folder / "frames"
    frames.mkdir(parents=True)
    quality = jpeg_quality(next((jpeg for jpeg in place.jpegs if jpeg.startswith(b"\xff\xd8")), b""))
    for index, jpeg in enumerate(frames_with(place, pasted, quality)):
        (frames / f"{index:06d}.jpg").write_bytes(jpeg)
        tick()
    own = recording.own_time
    facts: dict[str, Any] = {
        "format": "recording/1",
        "media": "frames/*.jpg",
        "fps": 1 / (recording.apart_s if own else PERIOD_S),
        "period_s": recording.apart_s if own else PERIOD_S,
        "frame_size": list(recording.size),
        "condition": f"composite-{one.base.name}",
        "zones": [{"name": zone.name, "polygon": [list(p) for p in zone.polygon]} for zone in recording.zones],
        "events": [_event(thing) for thing in pasted if thing.kind],
        "distractors": [
            {"label": "no waste", "first_frame": thing.first, "last_frame": thing.last, "bbox": list(thing.box)}
            for thing in pasted
            if not thing.kind
        ],
        "standing_objects": [{"bbox": list(box)} for box in recording.standing],
    }
    if recording.times_ns:
        times = recording.times_ns[one.start : one.start + one.frames]
        facts["stamps"] = [utc(time_ns).isoformat() for time_ns in times]
    (folder / "recording.json").write_text(json.dumps(facts), encoding="utf-8")
    return read_recording(folder)


def find_spot(
    place: Place,
    zones: Sequence[ImageZone],
    thing: Piece,
    width_px: int,
    taken: Sequence[Pasted],
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Upper left corner of a quiet place in the lower part of the picture, inside a zone where some are drawn.

    None where nothing suits.
    """
    rows, columns = place.empty.shape[:2]
    high = max(4, round(thing.picture.shape[0] * width_px / thing.picture.shape[1]))
    if width_px + 4 >= columns or high + 4 >= rows * 0.6:
        return None
    inside = _inside(zones, rows, columns)
    for _ in range(TRIES):
        x = int(rng.integers(2, columns - width_px - 2))
        foot = int(rng.integers(max(high + 2, round(rows * 0.48)), rows - 2))
        y = foot - high
        area = np.s_[y:foot, x : x + width_px]
        ground = inside[max(0, foot - 4) : foot, x : x + width_px]
        if ground.mean() < 0.95 or place.busy[area].mean() > QUIET[place.clip]:
            continue
        if place.empty[area].max() < 24:  # black border, or night without a lamp
            continue
        if all(_apart((x, y, width_px, high), other.box) for other in taken):
            return x, y
    return None


def waste_boxes(data: Path, picture: str) -> list[tuple[float, float, float, float]]:
    """Boxes of exposed waste of one photograph of the tune split, as centre and size, 0..1; in the file's order.

    Raises UsageError where the picture is unknown.
    """
    labels = data / PHOTOGRAPHS / SPLIT / "labels" / f"{picture}.txt"
    return [box for kind, box in _labels(labels) if kind == WASTE]


def waste_composite(
    data: Path,
    picture: str,
    box_index: int,
    width_px: int,
    corner: tuple[int, int],
    first_frame: int,
    folder: Path,
) -> Recording:
    """Write the parking clip with waste lying in it from ``first_frame`` to the end, as recording/1 in ``folder``.

    ``picture`` and ``box_index`` name a box of exposed waste of the tune split, ``width_px`` and ``corner`` how wide it
    becomes and where its upper left corner goes, native px. Raises UsageError where the data, the picture or the box is
    missing, or where it does not fit.
    """
    boxes = waste_boxes(data, picture)
    if not 0 <= box_index < len(boxes):
        raise UsageError(f"{picture}: has {len(boxes)} boxes of exposed waste, none with number {box_index}")
    photograph = read_photograph(data / PHOTOGRAPHS / SPLIT / "images" / f"{picture}.jpg")
    piece = cut_out(photograph, _sides(boxes[box_index], photograph.shape), "waste", f"composite {picture}")
    jpegs = _pictures(data / PARKING)
    place = Place.of(jpegs, clip=True)
    base = Base(PARKING, "parking", 1, len(jpegs), 1)
    one = Composite(folder.name, data / PARKING, base, 0, len(jpegs), 0, SEED)
    pasted = put(piece, place.empty, corner, width_px, (first_frame, len(jpegs) - 1))
    return write(read_recording(data / PARKING), one, place, [pasted], folder)


def _pictures(folder: Path) -> list[bytes]:
    recording = read_recording(folder)
    return list(recording.jpegs())[: len(recording.times_ns) or None]


def _span(frames: int, rng: np.random.Generator) -> tuple[int, int]:
    """When a thing is there: it comes in the first half and leaves near the end; every third stays."""
    first = round(frames * float(rng.uniform(0.22, 0.4)))
    last = round(frames * float(rng.uniform(0.78, 0.95)))
    return first, frames - 1 if rng.random() < 1 / 3 else min(last, frames - 1)


def _sources(data: Path, kind: str) -> list[tuple[Path, Sides | None]]:
    """Photographs with a box each, in an order that is the same each time; without a box for a piece of street."""
    folder = data / CARTS if kind == "stall" else data / PHOTOGRAPHS / SPLIT
    found: list[tuple[Path, Sides | None]] = []
    for labels in sorted((folder / "labels").glob("*.txt")):
        image = folder / "images" / f"{labels.stem}.jpg"
        wanted = {"stall": "0", "waste": WASTE, "": BIN}[kind]
        boxes = [box for name, box in _labels(labels) if name == wanted]
        if not image.exists():
            continue
        shape = read_photograph(image).shape if boxes else (0, 0, 3)
        sides = [_sides(box, shape) for box in boxes]
        least = LEAST_SOURCE_PX if kind != "stall" else 16
        found += [(image, one) for one in sides if min(one[2:]) >= least and one[3] <= 1.5 * one[2]]
        if not kind and len(found) % 3 == 0:
            found.append((image, None))
    if not found:
        raise UsageError(f"{folder}: holds no picture with a box that can be pasted")
    order = np.random.default_rng(SEED).permutation(len(found))
    return [found[k] for k in order]


def _labels(file: Path) -> list[tuple[str, tuple[float, float, float, float]]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise UsageError(f"{file}: no such picture; name one of {file.parent} without .txt") from None
    found = []
    for line in lines:
        kind, *place = line.split() or [""]
        if len(place) == 4:
            cx, cy, w, h = (float(value) for value in place)
            found.append((kind, (cx, cy, w, h)))
    return found


def _sides(box: tuple[float, float, float, float], shape: Sequence[int]) -> Sides:
    """A label's centre and size, 0..1, as x, y, w, h px within the picture."""
    cx, cy, w, h = box
    left, top = max(0, round((cx - w / 2) * shape[1])), max(0, round((cy - h / 2) * shape[0]))
    return left, top, round((cx + w / 2) * shape[1]) - left, round((cy + h / 2) * shape[0]) - top


def _patch(file: Path, photograph: Image, rng: np.random.Generator) -> Piece:
    """A part of a photograph that touches no box; the whole lower left where all do."""
    rows, columns = photograph.shape[:2]
    boxes = [_sides(box, photograph.shape) for _, box in _labels(file.parents[1] / "labels" / f"{file.stem}.txt")]
    side = (0, rows // 2, columns // 4, rows // 4)
    for _ in range(TRIES):
        w, h = (int(value) for value in rng.integers(min(rows, columns) // 8, min(rows, columns) // 3, 2))
        x, y = int(rng.integers(0, columns - w)), int(rng.integers(0, rows - h))
        if all(_apart((x, y, w, h), other, 0) for other in boxes) and h <= 1.5 * w:
            side = (x, y, w, h)
            break
    return cut_out(photograph, side, "", f"piece of {file.stem}", outline=False)


def _inside(zones: Sequence[ImageZone], rows: int, columns: int) -> Field:
    drawn = [zone.polygon for zone in zones if zone.polygon]
    if not drawn:
        return np.ones((rows, columns), np.float32)
    mask = np.zeros((rows, columns), np.uint8)
    for polygon in drawn:
        cv2.fillPoly(mask, [np.asarray(polygon, np.int32)], 1)
    return mask.astype(np.float32)


def _apart(box: Sides, other: Sides, margin: int = 6) -> bool:
    """Whether two boxes keep a distance of ``margin`` px."""
    x, y, w, h = box
    ox, oy, ow, oh = other
    return x > ox + ow + margin or ox > x + w + margin or y > oy + oh + margin or oy > y + h + margin


def _event(thing: Pasted) -> dict[str, Any]:
    return {
        "kind": thing.kind,
        "label": thing.label,
        "appear_frame": thing.first,
        "drop_frame": thing.first,
        "unattended_frame": thing.first if thing.kind == "waste" else None,
        "last_frame": thing.last,
        "bbox": list(thing.box),
    }
