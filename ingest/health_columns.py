"""What is known of each device, as columns: batches of positions are folded in without a loop over rows."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from schemas.position import PositionRows

LATEST = 32  # messages of a device whose lag is remembered
SLOT_S, SLOTS = 10, 6  # a minute, for the rate
KEYS_MAX = 100_000  # (device, boot) pairs remembered; beyond it only the newest boot of each device
HOLES_MAX = 64  # gaps of one boot that may still be filled
AFRESH = 1_000_000  # a counter that is so far ahead, or 1 000 behind, was set anew: what lies between is no gap
BEHIND = 1_000
UNSEEN = -2

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Run:
    """Seqs of one boot: everything up to ``top`` came, or was before our time, but the ``holes`` (first, last)."""

    top: int
    holes: list[tuple[int, int]] = field(default_factory=list)

    def take(self, seq: int, *, known: bool) -> tuple[int, bool]:
        """Add a seq: by how many there are more gaps now, and whether it had come before.

        ``known`` says that some rows of its batch are in the database already: then one that comes again is no new
        beginning.
        """
        if seq > self.top:
            missing = seq - self.top - 1
            if missing > AFRESH:
                self.holes.clear()
                missing = 0
            elif missing:
                self.holes.append((self.top + 1, seq - 1))
                del self.holes[:-HOLES_MAX]
            self.top = seq
            return missing, False
        for at, (first, last) in enumerate(self.holes):
            if first <= seq <= last:
                parts = ((first, seq - 1), (seq + 1, last))
                self.holes[at : at + 1] = [part for part in parts if part[0] <= part[1]]
                return -1, False
        if not known and self.top - seq > BEHIND:
            self.top = seq
            self.holes.clear()
            return 0, False
        return 0, True


@dataclass(slots=True)
class Began:
    """A boot of a device that was not known before; ``captured_ns`` is its first position's."""

    device: int
    captured_ns: int


class DeviceColumns:
    """One row of every array per device, in order of first sight. Times in ns, lags in ms; 0 and NaN: not known.

    Used under one lock.
    """

    INTS = ("messages", "shed", "rejected", "duplicates", "gaps", "given_up", "boots", "seen_ns", "captured_ns", "lags")
    FLOATS = ("lon", "lat")

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.ids: list[str] = []
        self.last_boot: list[str | None] = []
        self.changed = np.zeros(0, dtype=bool)
        self.lag_ms: Floats = np.full((0, LATEST), np.nan)
        self.slots: Ints = np.zeros((0, SLOTS), dtype=np.int64)
        self._slot = 0
        self.of: dict[str, Ints] = {name: np.zeros(0, dtype=np.int64) for name in self.INTS}
        self.at: dict[str, Floats] = {name: np.full(0, np.nan) for name in self.FLOATS}
        self._keys: dict[tuple[str, str], int] = {}
        self._key_device: Ints = np.zeros(0, dtype=np.int64)
        self._key_top: Ints = np.zeros(0, dtype=np.int64)
        self._runs: dict[int, Run] = {}
        self._forgotten: set[int] = set()  # devices some of whose boots are remembered no more

    def row(self, device_id: str) -> int:
        """Return the row of a device, a new one where it has none."""
        at = self.index.get(device_id)
        if at is None:
            at = self.index[device_id] = len(self.ids)
            self.ids.append(device_id)
            self.last_boot.append(None)
            if at >= len(self.changed):
                self._grow(max(64, 2 * at))
        return at

    def turn(self, now_s: float) -> None:
        """Begin a new slot of the rate where it is time; ``now_s`` is monotonic."""
        slot = int(now_s // SLOT_S)
        for passed in range(max(self._slot + 1, slot - SLOTS + 1), slot + 1):
            column = self.slots[:, passed % SLOTS]
            self.changed |= column > 0
            column[:] = 0
        self._slot = max(self._slot, slot)

    def add(self, at: int, received_ns: int, captured_ns: int, name: str = "") -> None:
        """Count one message of a device; ``captured_ns`` 0: not known. ``name``: also count it there."""
        self.of["messages"][at] += 1
        self.slots[at, self._slot % SLOTS] += 1
        if name:
            self.of[name][at] += 1
        if captured_ns:
            self.of["captured_ns"][at] = max(self.of["captured_ns"][at], captured_ns)
            if captured_ns != received_ns:
                self.lag_ms[at, self.of["lags"][at] % LATEST] = (received_ns - captured_ns) / 1e6
                self.of["lags"][at] += 1
        self.see(at, received_ns)

    def touch(self, device_id: str) -> None:
        """Note that there is news of a device."""
        at = self.row(device_id)
        self.changed[at] = True

    def see(self, at: int, received_ns: int) -> None:
        """Note that a device was heard."""
        self.of["seen_ns"][at] = max(self.of["seen_ns"][at], received_ns)
        self.changed[at] = True

    def fold(self, rows: PositionRows, known: int) -> tuple[Ints, list[Began]]:
        """Add stored positions, ``known`` of which the database had before. Returns their devices and new boots.

        No rows change nothing.
        """
        if not len(rows):
            return np.zeros(0, dtype=np.int64), []
        keys, began = self._keys_of(rows)
        device = self._key_device[keys]
        seq, ts_ns, received_ns = (
            np.fromiter(column, np.int64, len(rows)) for column in (rows.seq, rows.ts_ns, rows.received_ns)
        )
        if known:
            self._repeated(rows, keys, ts_ns, known)
        order = np.argsort(device, kind="stable")
        device, keys, seq, ts_ns, received_ns = (part[order] for part in (device, keys, seq, ts_ns, received_ns))
        starts = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
        counts = np.diff(np.r_[starts, len(device)])
        devices = device[starts]
        self.of["messages"][devices] += counts
        self.slots[devices, self._slot % SLOTS] += counts
        self.of["seen_ns"][devices] = np.maximum(self.of["seen_ns"][devices], np.maximum.reduceat(received_ns, starts))
        self._place(rows, order, device, ts_ns, starts)
        self._lag(device, (received_ns - ts_ns) / 1e6, np.arange(len(device)) - np.repeat(starts, counts))
        if not known:
            self._regular(keys, seq)
        self.changed[devices] = True
        return devices, began

    def _place(self, rows: PositionRows, order: Ints, device: Ints, ts_ns: Ints, starts: Ints) -> None:
        """Where each device was at its newest time."""
        devices = device[starts]
        newest = np.maximum(np.maximum.reduceat(ts_ns, starts), self.of["captured_ns"][devices])
        self.of["captured_ns"][devices] = newest
        here = np.flatnonzero(ts_ns == self.of["captured_ns"][device])
        # One of each device, so that not every row has to become an array's.
        last = here[np.r_[device[here][1:] != device[here][:-1], True]] if len(here) else here
        at = order[last].tolist()
        self.at["lon"][device[last]] = [rows.lon[index] for index in at]
        self.at["lat"][device[last]] = [rows.lat[index] for index in at]

    def _lag(self, device: Ints, lag_ms: Floats, rank: Ints) -> None:
        """Remember the latest lags; the receive time of a position without a time of its own is none."""
        if not lag_ms.all():
            timed = lag_ms != 0
            device, lag_ms = device[timed], lag_ms[timed]
            starts = np.flatnonzero(np.r_[True, device[1:] != device[:-1]]) if len(device) else device
            rank = np.arange(len(device)) - np.repeat(starts, np.diff(np.r_[starts, len(device)]))
        lags = self.of["lags"]
        self.lag_ms[device, (lags[device] + rank) % LATEST] = lag_ms
        np.add.at(lags, device, 1)

    def _regular(self, keys: Ints, seq: Ints) -> None:
        """Move the tops of boots that count on by one; look closer at the others."""
        with_seq = seq >= 0
        if not with_seq.all():
            keys, seq = keys[with_seq], seq[with_seq]
        if not len(keys):
            return
        before = np.r_[UNSEEN, seq[:-1]]
        first = np.r_[True, keys[1:] != keys[:-1]]
        before[first] = self._key_top[keys[first]]
        odd = (seq - before != 1) & (before != UNSEEN)
        segments = keys[first]
        if len(segments) > 1 and (self._key_top[segments] == UNSEEN).any():
            # Boots that take turns: the second part of one counts on from its first, which is not in the tops yet.
            found, times = np.unique(segments, return_counts=True)
            odd |= np.isin(keys, found[times > 1])
        if odd.any():
            strange = np.isin(keys, keys[odd])
            self._irregular(keys[strange], seq[strange])
            keys, seq = keys[~strange], seq[~strange]
        self._key_top[keys] = seq

    def _irregular(self, keys: Ints, seq: Ints) -> None:
        for key, number in zip(keys.tolist(), seq.tolist(), strict=True):
            self._take(key, number, known=False)

    def _take(self, key: int, seq: int, *, known: bool) -> bool:
        """Add one seq to its boot, whatever it is; whether it had come before."""
        top = int(self._key_top[key])
        if top == UNSEEN:
            self._key_top[key] = seq
            return False
        run = self._runs.get(key) or Run(top)
        run.top = top
        missing, repeated = run.take(seq, known=known)
        self._key_top[key] = run.top
        self.of["gaps"][self._key_device[key]] += missing
        if run.holes:
            self._runs[key] = run
        else:
            self._runs.pop(key, None)
        return repeated

    def _repeated(self, rows: PositionRows, keys: Ints, ts_ns: Ints, known: int) -> None:
        """Find whose rows the database had: by their seq, and without one by a time that is not new."""
        by_seq, by_time = [], []
        newest = self.of["captured_ns"].copy()
        for key, seq, ts in zip(keys.tolist(), rows.seq, ts_ns.tolist(), strict=True):
            device = int(self._key_device[key])
            if seq >= 0:
                if self._take(key, seq, known=True):
                    by_seq.append(device)
            elif ts <= newest[device]:
                by_time.append(device)
            newest[device] = max(newest[device], ts)
        found = (by_seq + by_time)[:known]
        if len(found) < known and len(set(rows.device_id)) == 1:
            found = [int(self._key_device[keys[0]])] * known
        for device in found:
            self.of["duplicates"][device] += 1

    def _keys_of(self, rows: PositionRows) -> tuple[Ints, list[Began]]:
        """The (device, boot) of each row, and those that are new."""
        known, began = self._keys, []
        try:
            keys = [known[pair] for pair in zip(rows.device_id, rows.boot, strict=True)]
        except KeyError:
            if len(known) > KEYS_MAX:
                self._forget()
                known = self._keys
            for pair, ts_ns in zip(zip(rows.device_id, rows.boot, strict=True), rows.ts_ns, strict=True):
                if pair not in known and self._new(pair, ts_ns):
                    began.append(Began(self.index[pair[0]], ts_ns))
            keys = [known[pair] for pair in zip(rows.device_id, rows.boot, strict=True)]
        return np.fromiter(keys, np.int64, len(keys)), began

    def _new(self, pair: tuple[str, str], ts_ns: int) -> bool:
        """Make a boot's key; whether the device began anew by it, and was not only heard for the first time.

        Where boots were forgotten, one that brings what is older than the newest may be one of them, and is no start.
        """
        device, key = self.row(pair[0]), len(self._keys)
        self._keys[pair] = key
        if key >= len(self._key_top):
            more = max(64, 2 * key) - len(self._key_top)
            self._key_device = np.r_[self._key_device, np.zeros(more, dtype=np.int64)]
            self._key_top = np.r_[self._key_top, np.zeros(more, dtype=np.int64)]
        self._key_device[key], self._key_top[key] = device, UNSEEN
        before = self.last_boot[device]
        if before == pair[1] or (device in self._forgotten and ts_ns <= self.of["captured_ns"][device]):
            return False
        self.last_boot[device] = pair[1]
        self.of["boots"][device] += bool(pair[1])
        return before is not None

    def _forget(self) -> None:
        """Remember the newest boot of each device only."""
        kept = [(pair, key) for pair, key in self._keys.items() if self.last_boot[self.index[pair[0]]] == pair[1]]
        self._forgotten.update(self.index[pair[0]] for pair in self._keys.keys() - {pair for pair, _ in kept})
        old = [key for _, key in kept]
        self._keys = {pair: at for at, (pair, _) in enumerate(kept)}
        self._key_device, self._key_top = self._key_device[old].copy(), self._key_top[old].copy()
        self._runs = {at: self._runs[key] for at, key in enumerate(old) if key in self._runs}

    def _grow(self, size: int) -> None:
        more = size - len(self.changed)
        self.changed = np.r_[self.changed, np.zeros(more, dtype=bool)]
        self.lag_ms = np.vstack([self.lag_ms, np.full((more, LATEST), np.nan)])
        self.slots = np.vstack([self.slots, np.zeros((more, SLOTS), dtype=np.int64)])
        self.of = {name: np.r_[column, np.zeros(more, dtype=np.int64)] for name, column in self.of.items()}
        self.at = {name: np.r_[column, np.full(more, np.nan)] for name, column in self.at.items()}
