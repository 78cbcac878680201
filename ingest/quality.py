"""Quality flags of positions: batches are judged against what was stored before. Pure, vectorised.

Nothing is dropped and nothing repaired: a doubtful position is stored with bits of ``schemas.flags``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.quality import QualityKnobs
from ingest.offset import Offsets
from ingest.quality_memory import K3, TRACK, Devices, Looked, Recent, Tracks, Words, mixed
from ingest.quality_steps import NOWHERE, Fix, Track, step
from schemas import flags as f
from schemas.city import CityBox
from schemas.position import PositionRows
from schemas.units import M_PER_DEG

Ints = NDArray[np.int64]
Degrees = NDArray[np.float64]
Mask = NDArray[np.bool_]
UNTRUSTED = NOWHERE | f.JUMP | f.CONFLICT
Known = tuple[int, int, int]  # of a position: hashes of who and when, and of where; and the third thing named


@dataclass(frozen=True, slots=True)
class LastFix:
    """A device's newest stored position: where a new process goes on from."""

    device_id: str
    ts_ns: int
    lon: float
    lat: float
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A position that carries alarms."""

    device_id: str
    alarms: tuple[str, ...]
    ts_ns: int


@dataclass(frozen=True, slots=True)
class _Columns:
    """(N,) columns of a batch, in order of arrival; ``group`` is an index into ``devices``, each named once."""

    devices: list[str]
    group: Ints
    ts: Ints
    lon: Degrees
    lat: Degrees
    boot: Ints
    key: Words
    identity: Words
    place: Words


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged batch: what it holds, and what will be remembered once it is stored.

    Attributes:
        counts: how many positions have each flag, by its name; flags that none has are left out.
        alarms: positions that carry alarms, in order of arrival.
    """

    counts: dict[str, int] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    columns: _Columns | None = None
    tracks: Tracks = field(default_factory=lambda: np.zeros(0, TRACK))
    flags: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    fresh: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))


class Quality:
    """Judges batches in the order in which they are stored. Used from one thread.

    ``box`` None: nothing is outside. A first position of a device has nothing it could be measured by.
    """

    def __init__(self, knobs: QualityKnobs, box: CityBox | None) -> None:
        self._knobs = knobs
        self._box = box
        self._devices = Devices(knobs.devices_max)
        self._recent = Recent()
        self._offsets = Offsets(knobs.offset_cells, knobs.devices_max)

    def __len__(self) -> int:
        """Number of devices remembered."""
        return len(self._devices)

    def adopt(self, box: CityBox | None) -> None:
        """Measure against another city from the next batch on. From any thread."""
        self._box = box

    def seed(self, fixes: Iterable[LastFix]) -> None:
        """Take over where devices were last, of those that are not known yet."""
        new = {fix.device_id: fix for fix in fixes if fix.device_id not in self._devices}
        tracks = np.zeros(len(new), TRACK)
        for index, fix in enumerate(new.values()):
            boot = hash(fix.boot)
            tracks[index] = Track(fix.ts_ns, fix.lon, fix.lat, still_ns=fix.ts_ns, top_ns=fix.ts_ns, boot=boot).row()
        self._devices.put(list(new), tracks)

    def judge(self, rows: PositionRows) -> Judged:
        """Add bits to ``rows.flags``; changes nothing else, so that a batch which is not stored leaves no trace.

        A position that was judged before gets the flags it got then. An empty batch gives an empty result.
        """
        if not len(rows):
            return Judged()
        batch = _columns(rows)
        flags = np.array(rows.flags, np.int64)
        flags |= self._alone(batch, flags, np.array(rows.received_ns, np.int64))
        tracks, fresh = self._in_turn(batch, rows, flags)
        if found := self._offsets.found:
            flags[np.array([name in found for name in rows.device_id], np.bool_)] |= f.OFFSET
        rows.flags[:] = flags.tolist()
        alarms: list[Alarm] = []
        if any(rows.alarms):
            alarms = [Alarm(rows.device_id[at], told, rows.ts_ns[at]) for at, told in enumerate(rows.alarms) if told]
        return Judged(_counts(flags), alarms, batch, tracks, flags, fresh)

    def accept(self, judged: Judged) -> None:
        """Remember a batch: it is stored. Batches are accepted in the order in which they were judged."""
        if judged.columns is None:
            return
        batch, fresh = judged.columns, judged.fresh
        self._devices.put(batch.devices, judged.tracks)
        self._recent.note(batch.key[fresh], batch.identity[fresh], batch.place[fresh], judged.flags[fresh])
        self._offsets.learn(batch.devices, batch.group, batch.lon, batch.lat, judged.flags & UNTRUSTED == 0)

    def _alone(self, batch: _Columns, flags: Ints, received: Ints) -> Ints:
        """Bits that a position earns by itself."""
        ahead = batch.ts - received > round(self._knobs.ahead_s * 1e9)
        found = np.where(ahead, f.AHEAD, 0)
        if self._box is not None:
            lon, lat = batch.lon, batch.lat
            outside = ~_within(self._box, lon, lat) & (flags & f.NULL_ISLAND == 0)
            if outside.any():
                swapped = outside & _within(self._box, lat, lon)
                found |= np.where(swapped, f.SWAPPED, np.where(outside, f.OUTSIDE, 0))
        return found

    def _in_turn(self, batch: _Columns, rows: PositionRows, flags: Ints) -> tuple[Tracks, Mask]:
        """Add bits that a position earns by those before it; the tracks behind the batch, and which rows are new.

        Devices of which nothing is unusual, nearly all of them, are done in columns; the others step by step.
        """
        tracks = self._devices.of(batch.devices)
        known = self._recent.look(batch.key, batch.identity, batch.place)
        turn = _Turn(batch, tracks)
        order = turn.order
        unusual = turn.unusual(self._knobs) | (known.known | (flags & (NOWHERE | f.NO_TIME) != 0))[order]
        still = np.flatnonzero(turn.there)
        at = order[still].tolist()
        parked = np.zeros(len(order), np.bool_)
        if at:
            moving_mps, speeds = self._knobs.moving_kmh / 3.6, rows.speed_mps
            parked[still] = [rows.ignition[index] is False for index in at]
            unusual[still] |= np.array([(speeds[index] or 0.0) >= moving_mps for index in at])
        by_device = np.logical_or.reduceat(unusual, turn.starts)
        after, frozen = turn.usual(parked, round(self._knobs.frozen_s * 1e9))
        if frozen.any():
            flags[order[frozen & ~by_device[batch.group[order]]]] |= f.FROZEN
        fresh = np.ones(len(flags), np.bool_)
        if by_device.any():
            some = order[by_device[batch.group[order]]]
            self._stepwise(_Steps(batch, known, rows, some), after, tracks, flags, fresh)
        return after, fresh

    def _stepwise(self, steps: "_Steps", after: Tracks, tracks: Tracks, flags: Ints, fresh: Mask) -> None:
        """Judge devices row by row: writes their tracks into ``after``, their rows' bits into ``flags``, ``fresh``."""
        device, track = -1, Track()
        met: dict[int, tuple[int, int, int]] = {}  # by key: identity, place, flags
        for at, group, fix, (key, identity, place), found in steps.rows(flags, self._knobs.moving_kmh / 3.6):
            if group != device:
                if device >= 0:
                    after[device] = track.row()
                device, track = group, Track(*tracks[group].item())
            if fix.flags & f.NO_TIME:
                fresh[at] = False
                continue
            before = found or met.get(key)
            if before is not None:
                fresh[at] = False
                if before[0] == identity:
                    flags[at] = fix.flags | before[2]
                    continue
                if before[1] != place:
                    fix.flags |= f.CONFLICT
            flags[at] = fix.flags | step(track, fix, self._knobs)
            if before is None:
                met[key] = identity, place, int(flags[at])
        after[device] = track.row()


@dataclass(frozen=True, slots=True)
class _Steps:
    """Rows ``some`` of a batch, device by device, for the steps."""

    batch: _Columns
    known: Looked
    source: PositionRows
    some: Ints

    def rows(self, flags: Ints, moving_mps: float) -> Iterator[tuple[int, int, Fix, Known, Known | None]]:
        """Of each row: its index, its device's, its fix, its key, identity and place, and who was there before."""
        batch, known, some = self.batch, self.known, self.some
        identity = np.where(known.same, batch.identity, ~batch.identity)[some].tolist()
        place = np.where(known.elsewhere, ~batch.place, batch.place)[some].tolist()
        there = (known.known[some].tolist(), identity, place, known.flags[some].tolist())
        keys = (batch.key, batch.identity, batch.place)
        key = zip(*(column[some].tolist() for column in keys), strict=True)
        told = (
            some,
            batch.group[some],
            batch.ts[some],
            batch.lon[some],
            batch.lat[some],
            batch.boot[some],
            flags[some],
        )
        columns = zip(*(column.tolist() for column in told), strict=True)
        speeds, ignitions = self.source.speed_mps, self.source.ignition
        for (at, group, ts, lon, lat, boot, bits), own, (found, *before) in zip(
            columns, key, zip(*there, strict=True), strict=True
        ):
            moving = (speeds[at] or 0.0) >= moving_mps
            fix = Fix(ts, lon, lat, boot, bits, ignitions[at] is False, moving)
            yield at, group, fix, own, (before[0], before[1], before[2]) if found else None


class _Turn:
    """A batch by device: (N,) columns in ``order``, each row beside the one before it, the first beside its track."""

    def __init__(self, batch: _Columns, tracks: Tracks) -> None:
        self.order: Ints = np.argsort(batch.group, kind="stable")
        group = batch.group[self.order]
        first = np.ones(len(group), np.bool_)
        first[1:] = group[1:] != group[:-1]
        self.starts: Ints = np.flatnonzero(first)
        self._ends: Ints = np.append(self.starts[1:], len(group)) - 1
        self._first = first
        self._tracks = tracks
        self._ts, self._lon, self._lat = batch.ts[self.order], batch.lon[self.order], batch.lat[self.order]
        self._boot = batch.boot[self.order]
        self._ts_before = self._shifted(self._ts, tracks["ts_ns"])
        self._lon_before = self._shifted(self._lon, tracks["lon"])
        self._lat_before = self._shifted(self._lat, tracks["lat"])
        self.there: Mask = (self._ts_before > 0) & (self._lon == self._lon_before) & (self._lat == self._lat_before)

    def of(self, device: int) -> Ints:
        """Rows of one device, in order of arrival."""
        return self.order[self.starts[device] : self._ends[device] + 1]

    def unusual(self, knobs: QualityKnobs) -> Mask:
        """Rows whose device must be looked at step by step: out of order, too far away, of another boot."""
        top, boot = self._shifted(self._ts, self._tracks["top_ns"]), self._shifted(self._boot, self._tracks["boot"])
        narrow = np.maximum(0.01, np.cos(np.radians(self._lat_before)))
        aside = np.abs(self._lon - self._lon_before)
        away_m = M_PER_DEG * np.hypot(np.minimum(aside, 360.0 - aside) * narrow, self._lat - self._lat_before)
        # A hair more than in the steps, which decide.
        far = away_m - knobs.jump_noise_m > knobs.jump_kmh / 3.6 * (self._ts - self._ts_before) / 1e9 - 1e-6
        found: Mask = (self._ts <= top) | (far & (self._ts_before > 0)) | ((boot != 0) & (self._boot != boot))
        return found

    def usual(self, parked: Mask, frozen_ns: int) -> tuple[Tracks, Mask]:
        """(devices,) tracks behind the batch and (N,) frozen rows, where nothing is unusual."""
        moved = ~self.there | parked
        since = np.where(moved, self._ts, self._shifted(np.zeros_like(self._ts), self._tracks["still_ns"]))
        number = np.arange(len(since))
        since = since[np.maximum.accumulate(np.where(moved | self._first, number, 0))]
        after, ends = self._tracks.copy(), self._ends
        after["ts_ns"] = after["top_ns"] = self._ts[ends]
        after["lon"], after["lat"], after["still_ns"] = self._lon[ends], self._lat[ends], since[ends]
        after["boot"] = self._boot[ends]
        after["driven_ns"] = after["far_count"] = 0
        return after, self._ts - since >= frozen_ns

    def _shifted(self, column: NDArray[Any], tracks: NDArray[Any]) -> NDArray[Any]:
        """The column one row later within each device; before the first row stands what the track says."""
        before = np.empty_like(column)
        before[1:] = column[:-1]
        before[self.starts] = tracks
        return before


def _columns(rows: PositionRows) -> _Columns:
    devices = list(dict.fromkeys(rows.device_id))
    numbers = dict(zip(devices, range(len(devices)), strict=True))
    group = np.array(list(map(numbers.__getitem__, rows.device_id)), np.int64)
    ts, boot = np.array(rows.ts_ns, np.int64), np.array(list(map(hash, rows.boot)), np.int64)
    lon, lat = np.array(rows.lon, np.float64), np.array(rows.lat, np.float64)
    names = np.array(list(map(hash, devices)), np.int64)
    key = mixed(names.view(np.uint64)[group] * K3, ts)
    identity = mixed(mixed(key, boot), np.array(rows.seq, np.int64))
    identity = mixed(identity, np.array(rows.item_hash, np.int64))
    place = mixed(lon.view(np.uint64) * K3, lat.view(np.uint64))
    return _Columns(devices, group, ts, lon, lat, boot, key, identity, place)


def _within(box: CityBox, lon: Degrees, lat: Degrees) -> Mask:
    return (lon >= box.west) & (lon <= box.east) & (lat >= box.south) & (lat <= box.north)


def _counts(flags: Ints) -> dict[str, int]:
    """How many of (N,) flags have each bit, by its name."""
    found = int(np.bitwise_or.reduce(flags))
    return {name: int(np.count_nonzero(flags & bit)) for bit, name in f.NAMES.items() if found & bit}
