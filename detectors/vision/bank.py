"""What a camera's empty street looks like by day, at dusk, under lamps and in infra-red: a small bank of references.

A background that was lost (a restart, a lorry before the lens, the switch to infra-red) comes back from here, and what
stands before it then is something that came, not background. References follow slowly and only where nothing stands.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.vision import exposure
from detectors.vision.bank_codec import LEVELS, pack, unpack
from detectors.vision.grid import TILE_PX, Plane, chroma, luma
from detectors.vision.proposals import Box
from detectors.vision.snapshot import named
from detectors.vision.structure import close_agreement

BYTES_PER_PX = 0.95  # of the grid, all references together: 55 KB at 320 x 180
REFRESH_S = 600.0  # captured seconds between two updates at a dwell of 90 s; scales with it
TAKE = 6  # updates in a row in which a tile must show something else before the reference takes it over: an hour
COLOURLESS = 0.7  # levels: spread of both colours below which a picture is infra-red or grey; a dull street has 1.25
DAY_GREY, DUSK_GREY = 90.0, 50.0  # mean brightness (16..235) of a day and of a dusk at least
SAME_CORRELATION = 0.6  # between samples; an empty street in other light keeps above it (exposure.py)
SAME_SHARE = 0.3  # of the samples at most may differ where the correlation alone says that it is the same view
BARE_SHARE, BARE_CORRELATION = 0.15, 0.3  # of bare asphalt, whose few edges and contrasts are those of parked cars
SAME_VIEW = 0.12  # close agreement of edges; a turned camera has at most 0.03, a crossing full of cars 0.15 and more
SHARE_MAX = 0.5  # of the samples at most may differ from a reference that can serve
OTHER_SHARE = 0.35  # of the picture; where more differs, the reference shows another view or another sun
TILE_GREY = 8.0  # mean difference of a tile, brightness or doubled colour, that is no noise
QUIET_GREY = 10.0  # difference of every sample that is no news: the steps of the coarsest reference take 8
ROW = np.dtype([("mode", "u1"), ("level", "u1"), ("seen_ns", "i8"), ("size", "i8")])


class Mode(IntEnum):
    """The light that a picture was taken in, as far as its brightness and its colours tell."""

    DAY = 0
    DUSK = 1
    LAMP = 2
    INFRARED = 3


@dataclass(slots=True)
class Reference:
    """One mode's empty street.

    Attributes:
        mode: its light.
        seen_ns: capture time of the newest background that went in.
        level: how finely it is kept, an index of ``bank_codec.LEVELS``.
        body: the picture, packed.
        doubt: (ceil H/8, ceil W/8) uint8: updates in a row in which the tile showed something else.
        samples: (TH, TW) uint8 brightness samples, as ``exposure.sample_luma`` takes them.
    """

    mode: Mode
    seen_ns: int
    level: int
    body: bytes
    doubt: NDArray[np.uint8]
    samples: NDArray[np.uint8]


class Bank:
    """References of one camera, at most one for each mode; ``updated_ns`` is the last time that one was due."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.references: dict[Mode, Reference] = {}
        self.updated_ns = 0

    @property
    def nbytes(self) -> int:
        """Resident bytes."""
        kept = self.references.values()
        return sum(len(one.body) + one.doubt.nbytes + one.samples.nbytes for one in kept)

    def due(self, now_ns: int, refresh_s: float) -> bool:
        """Whether an update is due; notes the time where so.

        The first is due between half a period and a whole one after it was first asked, so that the cameras of a city
        that started together are not all due in one batch.
        """
        if self.updated_ns == 0:
            spread = (now_ns // 1_000_000 * 2_654_435_761 & 0xFFFFFFFF) / 2**33
            self.updated_ns = now_ns - int(spread * refresh_s * 1e9)
        if now_ns - self.updated_ns < refresh_s * 1e9:
            return False
        self.updated_ns = now_ns
        return True

    def update(self, background: Plane, standing: list[Box], now_ns: int) -> None:
        """Let the reference of the background's own mode follow it, apart from the boxes in which something stands.

        A tile that shows something else is taken over when it did so ``TAKE`` times in a row.
        """
        mode = mode_of(background, self.shape)
        known = self.references.get(mode)
        if known is not None and not known.doubt.any() and _quiet(background, known.samples, self.shape):
            known.seen_ns = now_ns
            return
        plane, doubt = background, np.zeros(_tiles(self.shape), np.uint8)
        if known is not None:
            plane = unpack(known.body, known.level, self.shape)
            align(plane, background, self.shape)
            differs = _differing_tiles(plane, background, self.shape)
            busy = _boxed_tiles(standing, self.shape)
            doubt = np.where(differs, known.doubt + 1, 0).astype(np.uint8)
            taken = (~differs | (doubt >= TAKE)) & ~busy
            doubt[taken], doubt[busy] = 0, known.doubt[busy]
            _copy_tiles(background, plane, taken, self.shape)
        self._keep(mode, plane, doubt, now_ns)

    def match(self, frame: Plane) -> Reference | None:
        """The reference that shows this frame's view in this frame's light, the most similar one; None: there is none.

        Infra-red never matches colours, nor the other way about: everything colourful would look new.
        """
        grey = colourless(frame, self.shape)
        seen = exposure.sample_luma(frame[None], self.shape)[0]
        best, most = None, -1.0
        for one in self.references.values():
            if (one.mode is Mode.INFRARED) != grey:
                continue
            share, alike = _similarity(seen, one.samples)
            if share > SHARE_MAX or alike <= most:
                continue
            clear = share <= SAME_SHARE and alike >= SAME_CORRELATION
            bare = share <= BARE_SHARE and alike >= BARE_CORRELATION
            edges = luma(frame, self.shape), luma(self.plane(one), self.shape)
            if clear or bare or close_agreement(*edges) >= SAME_VIEW:
                best, most = one, alike
        return best

    def plane(self, reference: Reference) -> Plane:
        """(1.5 H, W) uint8 I420 picture of a reference, in its own exposure."""
        return unpack(reference.body, reference.level, self.shape)

    def pack(self) -> dict[str, NDArray[np.generic]]:
        """As arrays, for a snapshot."""
        kept = list(self.references.values())
        rows = np.asarray([(one.mode, one.level, one.seen_ns, len(one.body)) for one in kept], ROW)
        doubts = np.asarray([one.doubt for one in kept], np.uint8).reshape(-1, *_tiles(self.shape))
        body = np.frombuffer(b"".join(one.body for one in kept), np.uint8)
        marks = np.asarray([self.updated_ns], np.int64)
        return {"bank": marks, "bank_rows": rows, "bank_doubts": doubts, "bank_bodies": body}

    @classmethod
    def unpack(cls, arrays: dict[str, NDArray[np.generic]], shape: tuple[int, int]) -> Self:
        """The reverse of ``pack``. Raises ValueError for anything else."""
        names = ("bank", "bank_rows", "bank_doubts", "bank_bodies")
        marks, rows, doubts, bodies = (named(arrays, name) for name in names)
        wanted = [np.dtype(np.int64), ROW, np.dtype(np.uint8), np.dtype(np.uint8)]
        if [part.dtype for part in (marks, rows, doubts, bodies)] != wanted or marks.shape != (1,):
            raise ValueError("snapshot: the bank is of another type")
        if rows.ndim != 1 or doubts.shape != (len(rows), *_tiles(shape)) or len(rows) > len(Mode):
            raise ValueError("snapshot: the bank is of another shape")
        bank, rest = cls(shape), bodies.tobytes()
        bank.updated_ns = int(marks[0])
        for row, doubt in zip(rows, doubts, strict=True):
            mode, level, seen_ns, size = (int(value) for value in row.item())
            if not (0 <= mode < len(Mode) and 0 <= level < len(LEVELS) and 0 < size <= len(rest)):
                raise ValueError("snapshot: a reference that cannot be")
            body, rest = rest[:size], rest[size:]
            bank.references[Mode(mode)] = bank._known(Mode(mode), level, seen_ns, body, doubt.copy())
        return bank

    def _keep(self, mode: Mode, plane: Plane, doubt: NDArray[np.uint8], now_ns: int) -> None:
        """Pack a picture as finely as there is room; others are made coarser first, the finest of them."""
        self.references[mode] = self._packed(mode, plane, doubt, now_ns, 0)
        room = BYTES_PER_PX * self.shape[0] * self.shape[1]
        while self.nbytes > room:
            fine = [one for one in self.references.values() if one.level + 1 < len(LEVELS)]
            others = [one for one in fine if one.mode is not mode] or fine
            if not others:
                return
            one = min(others, key=lambda other: (other.level, other.seen_ns))
            self.references[one.mode] = self._packed(one.mode, self.plane(one), one.doubt, one.seen_ns, one.level + 1)

    def _packed(self, mode: Mode, plane: Plane, doubt: NDArray[np.uint8], seen_ns: int, level: int) -> Reference:
        return self._known(mode, level, seen_ns, pack(plane, level, self.shape), doubt)

    def _known(self, mode: Mode, level: int, seen_ns: int, body: bytes, doubt: NDArray[np.uint8]) -> Reference:
        samples = exposure.sample_luma(unpack(body, level, self.shape)[None], self.shape)[0].copy()
        return Reference(mode, seen_ns, level, body, doubt, samples)


def mode_of(plane: Plane, shape: tuple[int, int]) -> Mode:
    """Which light a picture was taken in."""
    if colourless(plane, shape):
        return Mode.INFRARED
    bright = float(exposure.sample_luma(plane[None], shape).mean())
    return Mode.DAY if bright >= DAY_GREY else Mode.DUSK if bright >= DUSK_GREY else Mode.LAMP


def colourless(plane: Plane, shape: tuple[int, int]) -> bool:
    """Whether a picture has no colours, though it may have a tint."""
    colours = exposure.sample_chroma(plane[None], shape)[0].astype(np.float32).reshape(2, -1)
    middle = np.median(colours, axis=1, keepdims=True)
    return bool(np.abs(colours - middle).mean(axis=1).max() < COLOURLESS)


def align(plane: Plane, to: Plane, shape: tuple[int, int]) -> None:
    """Bring one picture to another one's exposure and tint, in place."""
    seen = exposure.compare(plane[None], to[None], np.zeros(1, np.int64), shape)
    exposure.normalise(plane, float(seen.gain[0]), seen.shift[0], shape)


def parted(
    reference: Plane, picture: Plane, grey: int, colour: int, shape: tuple[int, int]
) -> NDArray[np.uint8] | None:
    """(H, W) uint8, 255 where a picture shows something else than a reference of the same exposure.

    ``grey``, ``colour``: levels that a thing differs by at least. None where most differs: they are not comparable.
    """
    wide, narrow = (5, 5), (3, 3)
    apart = cv2.absdiff(cv2.blur(luma(picture, shape), wide), cv2.blur(luma(reference, shape), wide))
    mask = cv2.threshold(apart, 0.75 * grey, 255, cv2.THRESH_BINARY)[1]  # blurred: a small thing has lost a quarter
    for new, old in zip(chroma(picture, shape), chroma(reference, shape), strict=True):
        tinted = cv2.threshold(cv2.absdiff(cv2.blur(new, narrow), cv2.blur(old, narrow)), colour, 255, 0)[1]
        cv2.bitwise_or(mask, cv2.resize(tinted, shape[::-1], interpolation=cv2.INTER_NEAREST), dst=mask)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    if cv2.countNonZero(mask) > OTHER_SHARE * mask.size:
        return None
    return np.asarray(cv2.dilate(mask, np.ones((9, 9), np.uint8)), np.uint8)


def fill(target: Plane, source: Plane, mask: NDArray[np.uint8], shape: tuple[int, int]) -> None:
    """Copy a (H, W) region of one I420 picture into another, in place."""
    cv2.copyTo(luma(source, shape), mask, dst=luma(target, shape))
    half = np.ascontiguousarray(mask[::2, ::2])
    for new, old in zip(chroma(source, shape), chroma(target, shape), strict=True):
        cv2.copyTo(new, half, dst=old)


def _quiet(background: Plane, samples: NDArray[np.uint8], shape: tuple[int, int]) -> bool:
    """Whether a background still looks like its reference wherever it is sampled, so that it is not worth packing."""
    seen, known = exposure.sample_luma(background[None], shape)[0].astype(np.float32), samples.astype(np.float32)
    gain = float(np.median((known - exposure.BLACK) / np.maximum(seen - exposure.BLACK, 1)))
    return bool((np.abs((seen - 16) * gain + 16 - known) <= QUIET_GREY).all())


def _similarity(seen: NDArray[np.uint8], known: NDArray[np.uint8]) -> tuple[float, float]:
    """Share of samples that differ, 0..1, and the correlation, -1..1, of two sets; (1, -1): no gain explains it."""
    a, b = seen.astype(np.float32), known.astype(np.float32)
    gain = float(np.median((b - exposure.BLACK) / np.maximum(a - exposure.BLACK, 1)))
    if not exposure.GAIN_MIN <= gain <= exposure.GAIN_MAX:
        return 1.0, -1.0
    level = (a - 16) * gain + 16
    share = float((np.abs(level - b) > exposure.DISAGREE_GREY).mean())
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return share, float((a * b).sum()) / norm if norm > 1 else -1.0


def _tiles(shape: tuple[int, int]) -> tuple[int, int]:
    return -(-shape[0] // TILE_PX), -(-shape[1] // TILE_PX)


def _differing_tiles(reference: Plane, picture: Plane, shape: tuple[int, int]) -> NDArray[np.bool_]:
    rows, columns = _tiles(shape)
    size = columns, rows
    apart = cv2.resize(cv2.absdiff(luma(picture, shape), luma(reference, shape)), size, interpolation=cv2.INTER_AREA)
    worst = np.asarray(apart, np.float32)
    for new, old in zip(chroma(picture, shape), chroma(reference, shape), strict=True):
        tinted = cv2.resize(cv2.absdiff(new, old), size, interpolation=cv2.INTER_AREA)
        worst = np.maximum(worst, 2 * np.asarray(tinted, np.float32))
    return np.asarray(worst > TILE_GREY, np.bool_)


def _boxed_tiles(boxes: list[Box], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tiles that boxes touch, and those next to them."""
    mask = np.zeros(_tiles(shape), np.bool_)
    for x, y, w, h in boxes:
        mask[max(0, y // TILE_PX - 1) : (y + h) // TILE_PX + 2, max(0, x // TILE_PX - 1) : (x + w) // TILE_PX + 2] = (
            True
        )
    return mask


def _copy_tiles(source: Plane, target: Plane, tiles: NDArray[np.bool_], shape: tuple[int, int]) -> None:
    rows, columns = shape
    wide = np.kron(tiles.astype(np.uint8) * 255, np.ones((TILE_PX, TILE_PX), np.uint8))
    fill(target, source, np.ascontiguousarray(wide[:rows, :columns]), shape)
