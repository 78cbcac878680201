"""Puts pieces of photographs into recordings so that they look as if they stood there: every result is a composite.

A piece keeps its contrast to what surrounded it: its colours move as the place's colours differ from those around the
piece in its photograph. It throws a soft contact shadow, it follows the light of later frames, and who passes before
it in a clip hides it. Whole pictures are encoded again at the quality of their neighbours, pasted or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ingest.decode import decode_full
from schemas.errors import FrameError, UsageError

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Sides = tuple[int, int, int, int]  # x, y, w, h px

MATTE_PX = 128  # longer side at which an outline is looked for
MATTE_SHARE = (0.22, 0.97)  # of the box; less or more is no outline
FEATHER = 0.15  # of the half width: how far the edge of a piece without an outline fades
AROUND = 0.5  # of the box's sides: what is looked at around it
GAIN = (0.45, 1.9)  # of a colour channel at most
SHADOW = 0.34  # of the light that the foot of a thing takes away
BEFORE_GREY = 40  # a mover differs so much from the empty place
SAMPLES = 48  # frames of which the empty place is made
BUSY_GREY = 26  # a place is busy where it differs so much from the empty one
STANDARD_LUMA_SUM = 3686  # of the quantisation table in ITU-T T.81, K.1


@dataclass(frozen=True, slots=True)
class Piece:
    """A thing cut out of a photograph.

    Attributes:
        picture: (h, w, 3) uint8 BGR.
        alpha: (h, w) float32 0..1.
        around_bgr: (3,) float32, mean colour of what surrounded it.
        kind: ``stall``, ``waste``, or empty for what must raise no alert.
        label: where it comes from.
    """

    picture: Image
    alpha: Field
    around_bgr: Field
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Pasted:
    """A piece in a recording from frame ``first`` to ``last``, both included.

    Attributes:
        colour: (h, w, 3) float32 BGR, in the colours of the place.
        alpha: (h, w) float32 0..1.
        x, y: upper left corner, native px.
        kind, label: of the piece.
    """

    colour: Field
    alpha: Field
    x: int
    y: int
    first: int
    last: int
    kind: str
    label: str

    @property
    def box(self) -> Sides:
        """x, y, w, h native px of what is seen of it."""
        rows, columns = np.flatnonzero((self.alpha > 0.4).any(1)), np.flatnonzero((self.alpha > 0.4).any(0))
        if not len(rows):
            return self.x, self.y, self.alpha.shape[1], self.alpha.shape[0]
        left, top = int(columns[0]), int(rows[0])
        return self.x + left, self.y + top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


@dataclass(frozen=True, slots=True)
class Place:
    """The frames into which things are put, as they travel, and what they show without anybody.

    Attributes:
        jpegs: one per frame; what is no usable JPEG stays as it is.
        empty: (H, W, 3) uint8 BGR, the median of some frames.
        busy: (H, W) float32 0..1, share of time in which something passes or moves.
        level: mean brightness of the empty picture.
        clip: whether frames follow one another so closely that who passes can be told from a change of light.
    """

    jpegs: tuple[bytes, ...]
    empty: Image
    busy: Field
    level: float
    clip: bool

    @classmethod
    def of(cls, jpegs: Sequence[bytes], *, clip: bool) -> "Place":
        """Look at some of the frames. Raises UsageError where none can be decoded."""
        pictures = [found for jpeg in _some(jpegs) if (found := _decoded(jpeg)) is not None]
        pictures = [one for one in pictures if one.shape == pictures[0].shape]
        if not pictures:
            raise UsageError("there is no picture into which something could be pasted")
        stack = np.stack(pictures)
        empty = np.median(stack, axis=0).astype(np.uint8)
        level = max(1.0, float(empty.mean()))
        moving = np.zeros(empty.shape[:2], np.float32)
        for picture in pictures:
            evened = cv2.convertScaleAbs(picture, alpha=level / max(1.0, float(picture.mean())))
            differs = np.asarray(cv2.absdiff(np.asarray(evened, np.uint8), empty)).max(axis=2) > BUSY_GREY
            moving += differs.astype(np.float32)
        busy = np.asarray(cv2.blur(moving / len(pictures), (9, 9)), np.float32)
        return cls(tuple(jpegs), empty, busy, level, clip)


def cut_out(photograph: Image, box: Sides, kind: str, label: str, *, outline: bool = True) -> Piece:
    """Cut a box out of a photograph, along the outline of what it shows where one is found.

    Raises UsageError where less than 4 px of the box lie in the picture.
    """
    x, y, w, h = box
    rows, columns = photograph.shape[:2]
    left, top = max(0, x), max(0, y)
    part = photograph[top : min(rows, y + h), left : min(columns, x + w)]
    if min(part.shape[:2]) < 4:
        raise UsageError(f"{label}: the box of {part.shape[1]}x{part.shape[0]} px is too small to paste")
    sides = (left, top, part.shape[1], part.shape[0])
    matte = _outline(photograph, sides) if outline else None
    if matte is None:
        return Piece(part.copy(), feather(part.shape[0], part.shape[1]), around(photograph, sides), kind, label)
    seen = matte > 0.4
    down, across = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    where = np.s_[int(down[0]) : int(down[-1]) + 1, int(across[0]) : int(across[-1]) + 1]
    return Piece(part[where].copy(), matte[where], around(photograph, sides), kind, label)


def around(picture: Image, box: Sides) -> Field:
    """(3,) float32 mean BGR of what surrounds a box; of the whole picture where nothing does."""
    x, y, w, h = box
    rows, columns = picture.shape[:2]
    mx, my = max(3, round(w * AROUND)), max(3, round(h * AROUND))
    top, left = max(0, y - my), max(0, x - mx)
    part = picture[top : min(rows, y + h + my), left : min(columns, x + w + mx)].astype(np.float32)
    ring = np.ones(part.shape[:2], bool)
    ring[max(0, y - top) : y - top + h, max(0, x - left) : x - left + w] = False
    return np.asarray(part[ring].mean(axis=0) if ring.any() else part.mean(axis=(0, 1)), np.float32)


def feather(height: int, width: int) -> Field:
    """(height, width) opacity: 1 inside, fading linearly to the box's edge."""
    across = 1 - np.abs((np.arange(width) + 0.5) / width * 2 - 1)
    down = 1 - np.abs((np.arange(height) + 0.5) / height * 2 - 1)
    return np.asarray(np.clip(np.minimum.outer(down, across) / FEATHER, 0, 1), np.float32)


def put(piece: Piece, empty: Image, corner: tuple[int, int], width_px: int, frames: tuple[int, int]) -> Pasted:
    """Scale a piece to ``width_px`` and give it the colours of the place at ``corner``, native px.

    Raises UsageError where it does not lie within the picture.
    """
    height = max(4, round(piece.picture.shape[0] * width_px / piece.picture.shape[1]))
    x, y = corner
    if min(x, y) < 0 or width_px < 4 or x + width_px > empty.shape[1] or y + height > empty.shape[0]:
        size = (empty.shape[1], empty.shape[0])
        raise UsageError(f"{piece.label}: {width_px}x{height} px at {x},{y} is not within {size}")
    small = np.asarray(cv2.resize(piece.picture, (width_px, height), interpolation=cv2.INTER_AREA), np.float32)
    alpha = np.asarray(cv2.resize(piece.alpha, (width_px, height), interpolation=cv2.INTER_AREA), np.float32)
    here = around(empty, (x, y, width_px, height))
    each = np.clip(here / np.maximum(piece.around_bgr, 8.0), *GAIN)
    level = float(each.mean())
    # brightness follows the place, its tint only in part: paint stays paint
    colour = np.clip(small * level**0.85 * (each / level) ** 0.4, 0, 255)
    if float(np.ptp(here)) < 2.0 and _colourless(empty):
        colour = np.repeat(colour.mean(axis=2, keepdims=True), 3, axis=2)
    soft = np.asarray(cv2.GaussianBlur(colour, (0, 0), 0.45), np.float32)
    return Pasted(soft, alpha, x, y, *frames, piece.kind, piece.label)


def frames_with(place: Place, pasted: Sequence[Pasted], quality: int) -> Iterator[bytes]:
    """Each frame with what is in it at that time; all are encoded again, but what cannot be decoded stays."""
    for index, jpeg in enumerate(place.jpegs):
        picture = _decoded(jpeg)
        if picture is None or picture.shape != place.empty.shape:
            yield jpeg
            continue
        light = float(np.clip(picture.mean() / place.level, 0.25, 2.2))
        for one in pasted:
            if one.first <= index <= one.last:
                lay(picture, one, place, light)
        yield cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def lay(picture: Image, one: Pasted, place: Place, light: float = 1.0) -> None:
    """Lay a piece and its contact shadow over a picture in place; ``light``: of this frame, 1 as in the empty one."""
    _shadow(picture, one)
    high, wide = one.alpha.shape
    where = np.s_[one.y : one.y + high, one.x : one.x + wide]
    part, alpha = picture[where].astype(np.float32), one.alpha
    if place.clip:
        differs = np.abs(part - place.empty[where].astype(np.float32) * light).max(axis=2)
        before = cv2.morphologyEx((differs > BEFORE_GREY).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        alpha = alpha * (1 - np.asarray(cv2.blur(before.astype(np.float32), (3, 3)), np.float32))
    mixed = alpha[..., None] * one.colour * light + (1 - alpha[..., None]) * part
    picture[where] = np.clip(mixed, 0, 255).astype(np.uint8)


def jpeg_quality(jpeg: bytes) -> int:
    """The quality, 30 to 95, at which an encoder of the usual kind would have made this picture; 85 where unclear."""
    start = jpeg.find(b"\xff\xdb")
    if start < 0 or len(jpeg) < start + 69 or jpeg[start + 4] != 0:  # an 8-bit table with number 0 comes first
        return 85
    percent = 100 * sum(jpeg[start + 5 : start + 69]) / STANDARD_LUMA_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return int(min(95, max(30, round(quality))))


def read_photograph(file: Path) -> Image:
    """A photograph. Raises UsageError where it cannot be read."""
    try:
        return decode_full(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from None
    except FrameError as error:
        raise UsageError(f"{file}: is no usable picture: {error}") from None


def _shadow(picture: Image, one: Pasted) -> None:
    x, y, w, h = one.box
    deep = max(3, round(0.22 * min(w, h)))
    top, left = max(0, y + h - deep), max(0, x - deep)
    part = picture[top : y + h + deep, left : x + w + deep]
    if min(part.shape[:2]) < 2:
        return
    middle = (x + w / 2 - left, y + h - deep * 0.35 - top)
    yy, xx = np.ogrid[: part.shape[0], : part.shape[1]]
    far = np.hypot((xx - middle[0]) / (w / 2 + deep * 0.6), (yy - middle[1]) / deep)
    dark = 1 - SHADOW * np.clip(1.4 * (1 - far), 0, 1)
    part[:] = (part * dark[..., None]).astype(np.uint8)


def _outline(photograph: Image, box: Sides) -> Field | None:
    """(h, w) opacity of the thing in a box by GrabCut; None where no outline is found."""
    x, y, w, h = box
    rows, columns = photograph.shape[:2]
    mx, my = round(w * 0.25) + 2, round(h * 0.25) + 2
    left, top = max(0, x - mx), max(0, y - my)
    part = photograph[top : min(rows, y + h + my), left : min(columns, x + w + mx)]
    share = min(1.0, MATTE_PX / max(part.shape[:2]))
    size = (max(8, round(part.shape[1] * share)), max(8, round(part.shape[0] * share)))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    inner = [round(side * share) for side in (x - left, y - top, w, h)]
    if inner[0] <= 0 and inner[1] <= 0 and inner[2] >= size[0] and inner[3] >= size[1]:
        return None
    mask = np.zeros(small.shape[:2], np.uint8)
    cv2.setRNGSeed(1)  # the same outline each time
    try:
        cv2.grabCut(
            small,
            mask,
            (inner[0], inner[1], inner[2], inner[3]),
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            3,
            cv2.GC_INIT_WITH_RECT,
        )
    except cv2.error:
        return None
    thing = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    opened = cv2.morphologyEx(thing, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    whole = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)), np.uint8)
    own = whole[inner[1] : inner[1] + inner[3], inner[0] : inner[0] + inner[2]]
    if own.size == 0 or not MATTE_SHARE[0] <= float(own.mean()) <= MATTE_SHARE[1]:
        return None
    soft = np.asarray(cv2.GaussianBlur(own.astype(np.float32), (0, 0), 1.0), np.float32)
    return np.asarray(cv2.resize(soft, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)


def _some(jpegs: Sequence[bytes]) -> list[bytes]:
    if not jpegs:
        return []
    chosen = np.unique(np.linspace(0, len(jpegs) - 1, min(SAMPLES, len(jpegs)), dtype=int))
    return [jpegs[k] for k in chosen]


def _decoded(jpeg: bytes) -> Image | None:
    if not jpeg.startswith(b"\xff\xd8"):
        return None  # a PNG picture stays one, so that it is rejected as it is live
    try:
        return decode_full(jpeg)
    except FrameError:
        return None


def _colourless(picture: Image) -> bool:
    return float(np.ptp(picture.astype(np.int16), axis=2).mean()) < 3.0
