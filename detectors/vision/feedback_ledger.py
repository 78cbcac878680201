"""Every region that entered a camera's background: its number, its reason, and the pixels that were there before.

Bounded: ``KEPT`` regions with their pixels, ``BYTES_PER_PX`` of the grid; the oldest are given up first, those of
fixtures last, and those of fixtures whose time ends never: without its pixels none could end.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detectors.vision.bank_codec import squeeze, stretch
from detectors.vision.exposure import BLACK, GAIN_MAX, GAIN_MIN
from detectors.vision.grid import Plane, chroma, luma
from detectors.vision.proposals import Box
from detectors.vision.snapshot import named
from detectors.vision.tracks import TRACK
from schemas.feedback import REASONS

KEPT = 32  # regions whose pixels are kept
BYTES_PER_PX = 0.3  # of the grid, all of them together: 17 KB at 320 x 180
STEP = 2  # grey levels per step in which they are kept
FIXED_SHARE = 0.7  # of a box that lies in a fixture's
HOLE_SHARE = 0.5  # of a fixture's box: what covers so much is the fixture, or the hole of the whole of it
APPLIED = 64  # orders remembered as applied: what comes again was not yet written down as done, which takes seconds
FIXTURES = 32  # at most; one more and the oldest is given up
KEPT_ROW = np.dtype(
    [
        ("adoption_id", "i8"),
        ("reason", "u1"),
        ("captured_ns", "i8"),
        ("part", "i4", 4),
        ("box", "i4", 4),
        ("tracked", "?"),
        ("track", TRACK),
        ("size", "i8"),
    ]
)
FIXTURE_ROW = np.dtype([("box", "i4", 4), ("until_ns", "i8"), ("adoption_id", "i8")])
ROW_BYTES = KEPT_ROW.itemsize


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the grid: even origin, (h, w) mask of even sides, 255 on what is meant."""

    x: int
    y: int
    mask: NDArray[np.uint8]

    @property
    def slices(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Rows and columns of the part, on the brightness and on the colour planes."""
        h, w = self.mask.shape
        whole = slice(self.y, self.y + h), slice(self.x, self.x + w)
        return whole, (slice(self.y // 2, (self.y + h) // 2), slice(self.x // 2, (self.x + w) // 2))


@dataclass(frozen=True, slots=True)
class Why:
    """The reason of an adoption, when, the thing's box, and what is known of the thing: a (1,) TRACK row, or None."""

    reason: str
    captured_ns: int
    box: Box
    track: NDArray[np.void] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """One adoption; ``part`` is x, y, w, h of the kept pixels in grid px; an empty body: they were not kept."""

    adoption_id: int
    why: Why
    part: Box
    body: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """A fixture: its box in grid px, until when (captured ns; 0: for ever), and the adoption that made it; 0: none."""

    box: Box
    until_ns: int
    adoption_id: int


@dataclass(slots=True)
class Ledger:
    """What entered one camera's background.

    Attributes:
        next_id: number of the next adoption.
        applied: numbers of the newest orders that were applied, in their order.
        kept: adoptions with their pixels, oldest first.
        fixtures: legitimate objects, oldest first.
        news: adoptions that nobody has fetched yet; not part of a snapshot.
    """

    next_id: int = 1
    applied: list[int] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    fixtures: list[Standing] = field(default_factory=list)
    news: list[Kept] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Resident bytes."""
        return sum(len(one.body) + ROW_BYTES for one in self.kept) + FIXTURE_ROW.itemsize * len(self.fixtures)

    def note(self, why: Why) -> None:
        """Write down an adoption of the whole picture, which cannot be undone."""
        self._number(Kept(self._next(why), why, why.box, b""))

    def adopt(self, background: Plane, candidate: Plane, region: Region, why: Why, shape: tuple[int, int]) -> int:
        """Copy a region of the candidate into the background, in place, and keep what it replaces. Returns its number.

        Structure enters the background only here.
        """
        whole, half = region.slices
        h, w = region.mask.shape
        old = [luma(background, shape)[whole], *(plane[half] for plane in chroma(background, shape))]
        new = [luma(candidate, shape)[whole], *(plane[half] for plane in chroma(candidate, shape))]
        body = _body(background, region, shape)
        one = Kept(self._next(why), why, (region.x, region.y, w, h), body)
        room = int(BYTES_PER_PX * shape[0] * shape[1])
        if len(body) + ROW_BYTES > room // 2:  # it would push out too much else
            one = Kept(one.adoption_id, why, one.part, b"")
        else:
            self.kept.append(one)
            self._shrink(room)
        self._number(one)
        small = region.mask[::2, ::2] > 0
        for index, (was, becomes) in enumerate(zip(old, new, strict=True)):
            np.copyto(was, becomes, where=small if index else region.mask > 0)
        return one.adoption_id

    def find(self, adoption_id: int) -> Kept | None:
        """An adoption whose pixels are still kept."""
        return next((one for one in self.kept if one.adoption_id == adoption_id), None)

    def can_end(self, background: Plane, region: Region, shape: tuple[int, int]) -> bool:
        """Whether the pixels under a fixture can be kept until its time is over, beside those of the others like it."""
        ending = {fixture.adoption_id for fixture in self.fixtures if fixture.until_ns}
        held = sum(len(one.body) + ROW_BYTES for one in self.kept if one.adoption_id in ending)
        room = int(BYTES_PER_PX * shape[0] * shape[1])
        return held + len(_body(background, region, shape)) + ROW_BYTES <= room // 2 and len(ending) < FIXTURES // 2

    def put_back(self, background: Plane, one: Kept, shape: tuple[int, int]) -> Region:
        """Restore the pixels an adoption replaced, in place, at the background's present exposure; drops the adoption.

        Returns the region that changed.
        """
        parts = stretch(one.body, _shapes(one.part), 1)
        region = Region(*one.part[:2], np.asarray(parts[0] * np.uint8(255), np.uint8))
        whole, half = region.slices
        inside, small = region.mask > 0, region.mask[::2, ::2] > 0
        now = [luma(background, shape)[whole], *(plane[half] for plane in chroma(background, shape))]
        for index, (old, present) in enumerate(zip(parts[1:], now, strict=True)):
            where = small if index else inside
            then = old.astype(np.float32) * STEP + STEP // 2
            moved = _levelled(then, present, ~where, by_ratio=index == 0)
            np.copyto(present, moved, where=where)
        self.kept.remove(one)
        return region

    def note_order(self, *numbers: int) -> None:
        """Note that orders were applied; each counts once."""
        self.applied = sorted({*self.applied, *numbers})[-APPLIED:]

    def add_fixture(self, fixture: Standing) -> None:
        """Enter a fixture; one of the same box is replaced."""
        others = [one for one in self.fixtures if one.box != fixture.box]
        self.fixtures = [*others[1 - FIXTURES :], fixture]

    def settle(self, fixture: Standing, adoption_id: int) -> None:
        """Note by which adoption a fixture came into the background; it keeps its place."""
        settled = replace(fixture, adoption_id=adoption_id)
        self.fixtures = [settled if one is fixture else one for one in self.fixtures]

    def fixture_of(self, box: Box) -> Standing | None:
        """The fixture that something in this box is a part of, or the hole of; None: of none."""
        x, y, w, h = box
        for fixture in self.fixtures:
            left, top, wide, high = fixture.box
            across, down = min(x + w, left + wide) - max(x, left), min(y + h, top + high) - max(y, top)
            if max(0, across) * max(0, down) >= FIXED_SHARE * w * h:
                return fixture
        return None

    def pack(self) -> dict[str, NDArray[np.generic]]:
        """As arrays, for a snapshot."""
        rows = np.zeros(len(self.kept), KEPT_ROW)
        for row, one in zip(rows, self.kept, strict=True):
            row["adoption_id"], row["reason"] = one.adoption_id, REASONS.index(one.why.reason)
            row["captured_ns"], row["part"], row["box"] = one.why.captured_ns, one.part, one.why.box
            row["size"], row["tracked"] = len(one.body), one.why.track is not None
            if one.why.track is not None:
                row["track"] = one.why.track[0]
        fixtures = np.zeros(len(self.fixtures), FIXTURE_ROW)
        for row, fixture in zip(fixtures, self.fixtures, strict=True):
            row["box"], row["until_ns"], row["adoption_id"] = fixture.box, fixture.until_ns, fixture.adoption_id
        body = np.frombuffer(b"".join(one.body for one in self.kept), np.uint8)
        marks = np.asarray([self.next_id, *self.applied], np.int64)
        return {"ledger": marks, "kept": rows, "kept_pixels": body, "fixtures": fixtures}

    def _next(self, why: Why) -> int:
        # Milliseconds of captured time, as of tracks: later than any number given before, also where a state was lost.
        number = max(self.next_id, why.captured_ns // 1_000_000)
        self.next_id = number + 1
        return number

    def _number(self, one: Kept) -> None:
        self.news.append(one)
        del self.news[:-KEPT]

    def _shrink(self, room: int) -> None:
        while len(self.kept) > KEPT or self.nbytes > room:
            old = list(enumerate(self.kept[:-1]))
            ending = {fixture.adoption_id for fixture in self.fixtures if fixture.until_ns}
            plain = (k for k, one in old if one.why.reason != "fixture")
            standing = (k for k, one in old if one.adoption_id not in ending)
            del self.kept[next(plain, next(standing, 0))]


def covered(box: Box, fixture: Box) -> float:
    """Share of a fixture's box that another box covers, 0..1."""
    across = min(box[0] + box[2], fixture[0] + fixture[2]) - max(box[0], fixture[0])
    down = min(box[1] + box[3], fixture[1] + fixture[3]) - max(box[1], fixture[1])
    return max(0, across) * max(0, down) / max(1, fixture[2] * fixture[3])


def unpack_ledger(arrays: dict[str, NDArray[np.generic]], shape: tuple[int, int]) -> Ledger:
    """The reverse of ``Ledger.pack``. Raises ValueError for anything else."""
    names = ("ledger", "kept", "kept_pixels", "fixtures")
    marks, rows, body, fixtures = (named(arrays, name) for name in names)
    wanted = (np.dtype(np.int64), KEPT_ROW, np.dtype(np.uint8), FIXTURE_ROW)
    given = [part.dtype for part in (marks, rows, body, fixtures)]
    if given != list(wanted) or marks.size == 0 or max(marks.ndim, rows.ndim, body.ndim, fixtures.ndim) > 1:
        raise ValueError("snapshot: the ledger is of another type")
    ledger = Ledger(int(marks[0]), [int(number) for number in marks[1:][-APPLIED:] if number > 0])
    rest, tracks = body.tobytes(), np.asarray(rows["track"], TRACK)
    for index, row in enumerate(rows):
        part, size = _box(row["part"]), int(row["size"])
        if not 0 <= int(row["reason"]) < len(REASONS) or not _inside(part, shape) or not 0 < size <= len(rest):
            raise ValueError("snapshot: an adoption that cannot be")
        track = tracks[index : index + 1].copy() if row["tracked"] else None
        why = Why(REASONS[int(row["reason"])], int(row["captured_ns"]), _box(row["box"]), track)
        one = Kept(int(row["adoption_id"]), why, part, rest[:size])
        stretch(one.body, _shapes(part), 1)
        ledger.kept.append(one)
        rest = rest[size:]
    for row in fixtures:
        ledger.fixtures.append(Standing(_box(row["box"]), int(row["until_ns"]), int(row["adoption_id"])))
    return ledger


def _body(background: Plane, region: Region, shape: tuple[int, int]) -> bytes:
    """A region's mask and the background's pixels in it, packed."""
    whole, half = region.slices
    old = [luma(background, shape)[whole], *(plane[half] for plane in chroma(background, shape))]
    return squeeze([region.mask // np.uint8(255), *(part // np.uint8(STEP) for part in old)], 1)


def _box(row: NDArray[np.int32]) -> Box:
    x, y, w, h = (int(side) for side in row)
    return x, y, w, h


def _shapes(part: Box) -> list[tuple[int, int]]:
    """Of what is kept of a part: mask, brightness, both colours."""
    _, _, w, h = part
    return [(h, w), (h, w), (h // 2, w // 2), (h // 2, w // 2)]


def _inside(part: Box, shape: tuple[int, int]) -> bool:
    x, y, w, h = part
    even = not any(side % 2 for side in part)
    return even and min(x, y) >= 0 and min(w, h) > 0 and x + w <= shape[1] and y + h <= shape[0]


def _levelled(
    then: NDArray[np.float32], now: NDArray[np.uint8], around: NDArray[np.bool_], *, by_ratio: bool
) -> NDArray[np.uint8]:
    """Bring kept pixels to the present exposure, as far as the pixels around them tell how it has moved."""
    if np.count_nonzero(around) >= 8:
        old, new = then[around], now[around].astype(np.float32)
        if by_ratio:
            gain = float(np.median((new - BLACK) / np.maximum(old - BLACK, 1)))
            then = (then - 16) * min(max(gain, GAIN_MIN), GAIN_MAX) + 16
        else:
            then = then + float(np.median(new - old))
    return np.asarray(np.clip(np.rint(then), 0, 255), np.uint8)
