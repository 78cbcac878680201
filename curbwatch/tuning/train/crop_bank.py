"""What the crop classifier learns from: windows of photographs, cut-outs to paste, frames of clips to paste them into.

Sources and their terms are those of ``cutouts.py``; pictures stay in memory or in a private file, never in the project.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.recording import Box, find_recordings
from curbwatch.tuning.train.clips import Clip, read_clip
from curbwatch.tuning.train.collect import ANY_OTHER
from curbwatch.tuning.train.cutouts import CutOut, Rng, drawings, movers, plain_things, veils, web_stalls
from curbwatch.tuning.train.gather import CLIP_SCALE_S, MOVERS, SKIPPED, in_first_half
from curbwatch.tuning.train.left import left_things
from detectors.vision.crops import KINDS, window
from ingest.decode import decode_full
from schemas.detections import CLASSES
from schemas.errors import FrameError

WINDOW_PX = 128  # side of a kept window of a photograph
SURROUNDINGS = 0.6  # of the box's longer side, on each side of it: a window can be moved and scaled within
SPRITE_PX = 96  # longer side of a kept cut-out
FRAMES = 12  # kept of each clip
FRAME_PX = 1024  # width at most of a kept frame
EMPTY = 5  # windows without a box taken of each photograph
PHOTOGRAPH_KINDS = {"0": "waste", "1": "bin", "2": "overflow"}


@dataclass(frozen=True, slots=True)
class Window:
    """A box with its surroundings, (WINDOW_PX, WINDOW_PX, 3) BGR, of its ``kind`` (index of KINDS; ANY_OTHER).

    ``sides``: width and height of the box as shares of the longer one.
    """

    picture: NDArray[np.uint8]
    kind: int
    sides: tuple[float, float]
    second: bool


@dataclass(frozen=True, slots=True)
class Sprite:
    """A cut-out at most SPRITE_PX long: (h, w, 3) and (h, w) float32; ``outline``: its alpha follows the thing."""

    picture: NDArray[np.uint8]
    alpha: NDArray[np.float32]
    kind: int
    outline: bool
    second: bool


@dataclass(frozen=True, slots=True)
class Bank:
    """Everything, of both halves; ``frames`` with the half of each clip, ``carts``: real stalls as cameras see them."""

    windows: list[Window]
    sprites: list[Sprite]
    frames: list[tuple[NDArray[np.uint8], bool]]
    carts: list[Window]


def read_bank(data: Path, seed: int = 3) -> Bank:
    """Read everything. Raises UsageError where a recording of the data cannot be read."""
    rng = np.random.default_rng(seed)
    found = Bank([], [], [], [])
    files = sorted((data / "waste-street-cn" / "train" / "labels").glob("*.txt"))
    for index, file in enumerate(files):
        second = index // 4 % 2 == 1
        for kept, sprite in boxes_of(file):
            found.windows.append(Window(kept.picture, kept.kind, kept.sides, second))
            if sprite is not None:
                found.sprites.append(Sprite(sprite.picture, sprite.alpha, sprite.kind, sprite.outline, second))
        found.windows.extend(Window(w.picture, w.kind, w.sides, second) for w in empty_windows(file, rng, EMPTY))
    for index, cut in enumerate(web_stalls(data / "stall-crops-web")):
        found.sprites.append(_sprite(cut, index // 4 % 2 == 1))
    for index, cut in enumerate(
        (*drawings(rng, 700), *plain_things(rng, 400), *left_things(rng, 400), *veils(rng, 120))
    ):
        found.sprites.append(_sprite(cut, index % 2 == 1))
    recordings = [one for one in find_recordings(data) if one.name not in SKIPPED]
    for index, one in enumerate(recordings):
        second = not in_first_half(one.name, index)
        clip = read_clip(one.folder, time_scale_s=CLIP_SCALE_S, most=1000)
        found.frames.extend((frame, second) for frame in _frames(clip))
        if clip.name in MOVERS:
            found.sprites.extend(_sprite(cut, second) for cut in movers(clip, MOVERS[clip.name], rng, 60))
        if clip.name.startswith("seq-nyc-2017"):
            found.carts.extend(Window(w.picture, w.kind, w.sides, second) for w in _standing(clip))
    return found


def boxes_of(labels: Path) -> Iterator[tuple[Window, Sprite | None]]:
    """Each box of a photograph with its surroundings, and as a cut-out where it is large enough."""
    picture = cv2.imread(str(labels.parent.parent / "images" / f"{labels.stem}.jpg"))
    if picture is None:
        return
    pixels = np.asarray(picture, np.uint8)
    for kind, box in _labelled(labels, pixels):
        w, h = box[2:]
        if min(w, h) < 10 or kind not in PHOTOGRAPH_KINDS:
            continue
        number = KINDS.index(PHOTOGRAPH_KINDS[kind])
        kept = _window(pixels, box, number)
        sprite = None
        if min(w, h) >= 24 and kind != "2":
            part, alpha = _outlined(kept.picture, kept.sides)
            sprite = Sprite(part, alpha, number, outline=True, second=False)
        yield kept, sprite


def empty_windows(labels: Path, rng: Rng, count: int) -> list[Window]:
    """At most ``count`` windows of a photograph whose middle shows none of its boxes."""
    picture = cv2.imread(str(labels.parent.parent / "images" / f"{labels.stem}.jpg"))
    if picture is None:
        return []
    pixels = np.asarray(picture, np.uint8)
    boxes = [box for _, box in _labelled(labels, pixels)]
    found = []
    for _ in range(count * 3):
        w, h = (int(np.exp(rng.uniform(np.log(28), np.log(260)))) for _ in range(2))
        h = int(np.clip(h, w / 2, w * 2))
        if w >= pixels.shape[1] or h >= pixels.shape[0]:
            continue
        x, y = int(rng.integers(0, pixels.shape[1] - w)), int(rng.integers(0, pixels.shape[0] - h))
        clear = all(x + w < bx or x > bx + bw or y + h < by or y > by + bh for bx, by, bw, bh in boxes)
        # Not the black border of a sheared picture.
        if clear and (pixels[y : y + h, x : x + w].max(axis=2) < 6).mean() < 0.05:
            found.append(_window(pixels, (x, y, w, h), ANY_OTHER))
        if len(found) == count:
            break
    return found


def _labelled(labels: Path, picture: NDArray[np.uint8]) -> list[tuple[str, Box]]:
    height, width = picture.shape[:2]
    found = []
    for line in labels.read_text(encoding="utf-8").splitlines():
        kind, *place = line.split()
        cx, cy, w, h = (float(value) for value in place)
        box = (round((cx - w / 2) * width), round((cy - h / 2) * height), round(w * width), round(h * height))
        found.append((kind, box))
    return found


def _window(picture: NDArray[np.uint8], box: Box, kind: int) -> Window:
    whole = (0, 0, picture.shape[1], picture.shape[0])
    longer = max(box[2:])
    part = window(picture, whole, (float(box[0]), float(box[1]), float(box[2]), float(box[3])), WINDOW_PX, SURROUNDINGS)
    return Window(part, kind, (box[2] / longer, box[3] / longer), second=False)


def _outlined(picture: NDArray[np.uint8], sides: tuple[float, float]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut the thing out of its window along its outline, as GrabCut finds it from the box; else its whole box."""
    longer = WINDOW_PX / (1 + 2 * SURROUNDINGS)
    w, h = max(4, round(sides[0] * longer)), max(4, round(sides[1] * longer))
    x, y = (WINDOW_PX - w) // 2, (WINDOW_PX - h) // 2
    mask = np.zeros((WINDOW_PX, WINDOW_PX), np.uint8)
    models = np.zeros((1, 65), np.float64), np.zeros((1, 65), np.float64)
    cv2.setRNGSeed(1)
    cv2.grabCut(picture, mask, (x, y, w, h), *models, 2, cv2.GC_INIT_WITH_RECT)
    inside = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    if inside.sum() < 0.3 * w * h:
        inside[y : y + h, x : x + w] = 1.0
    alpha = cv2.GaussianBlur(inside, (3, 3), 0)
    rows, columns = slice(y, y + h), slice(x, x + w)
    return picture[rows, columns].copy(), np.asarray(alpha[rows, columns], np.float32)


def _sprite(cut: CutOut, second: bool) -> Sprite:
    scale = min(1.0, SPRITE_PX / max(cut.picture.shape[:2]))
    size = max(2, round(cut.picture.shape[1] * scale)), max(2, round(cut.picture.shape[0] * scale))
    picture = np.asarray(cv2.resize(cut.picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    alpha = np.ones(size[::-1], np.float32)
    if cut.alpha is not None:
        alpha = np.asarray(cv2.resize(cut.alpha, size, interpolation=cv2.INTER_AREA), np.float32)
    return Sprite(picture, alpha, CLASSES.index(cut.label), cut.alpha is not None, second)


def _frames(clip: Clip) -> list[NDArray[np.uint8]]:
    found = []
    for index in np.linspace(0, len(clip.jpegs) - 1, FRAMES, dtype=int):
        try:
            frame = decode_full(clip.jpegs[index])
        except FrameError:
            continue
        if frame.shape[1] > FRAME_PX:
            size = FRAME_PX, round(frame.shape[0] * FRAME_PX / frame.shape[1])
            frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        found.append(frame)
    return found


def _standing(clip: Clip) -> list[Window]:
    """The carts that stand there, in every picture."""
    pictures: Sequence[NDArray[np.uint8]] = [decode_full(jpeg) for jpeg in clip.jpegs]
    return [_window(picture, box, CLASSES.index("stall")) for picture in pictures for box in clip.standing]
