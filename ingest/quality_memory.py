"""What the quality flags remember: a track of each device, and the last positions of all of them. Bounded."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from ingest.quality_steps import Track

TRACK = np.dtype([(column.name, np.float64 if column.type is float else np.int64) for column in fields(Track)])
Tracks = NDArray[np.void]  # (N,) of TRACK
Words = NDArray[np.uint64]

RECENT = 2**17  # positions remembered: two minutes of a thousand a second
SHIFT = np.uint64(64 - 17)
# Odd constants of the golden ratio and of splitmix64: each input bit reaches the upper bits.
K1, K2, K3 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
HALF = np.uint64(32)


def mixed(words: Words, more: NDArray[np.int64] | Words) -> Words:
    """Hash of pairs of 64-bit words, (N,) each."""
    made = (words ^ more.view(np.uint64)) * K1
    return (made ^ (made >> HALF)) * K2


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of (N,) positions.

    Attributes:
        known: a position of the same device and time was there before.
        same: and it was this one.
        elsewhere: and it was at another place.
        flags: those of the position that was there.
    """

    known: NDArray[np.bool_]
    same: NDArray[np.bool_]
    elsewhere: NDArray[np.bool_]
    flags: NDArray[np.int64]


class Recent:
    """The last positions of all devices, by device and time; one that comes to another's place takes it."""

    def __init__(self) -> None:
        # Key, identity, place, flags. Written once, so that the memory is taken at the start and does not seem to leak.
        self._rows = np.full((4, RECENT), 0, np.uint64)

    def look(self, key: Words, identity: Words, place: Words) -> Looked:
        """What is known of these positions: hashes of device and time, of the whole identity, and of the place."""
        keys, identities, places, flags = self._rows[:, key >> SHIFT]
        known = keys == key
        return Looked(known, known & (identities == identity), known & (places != place), flags.astype(np.int64))

    def note(self, key: Words, identity: Words, place: Words, flags: NDArray[np.int64]) -> None:
        """Remember positions that were not known by device and time."""
        self._rows[:, key >> SHIFT] = key, identity, place, flags.view(np.uint64)


@dataclass(slots=True)
class Devices:
    """Tracks of at most ``limit`` devices; of more, those not heard for longest are forgotten."""

    limit: int
    _at: dict[str, int] = field(default_factory=dict)
    _tracks: Tracks = field(default_factory=lambda: np.zeros(64, TRACK))
    _turns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(64, np.int64))
    _turn: int = 0

    def __len__(self) -> int:
        """Number of devices remembered."""
        return len(self._at)

    def __contains__(self, device_id: str) -> bool:
        """Whether a device is remembered."""
        return device_id in self._at

    def of(self, devices: Sequence[str]) -> Tracks:
        """Copies of the (N,) tracks of these devices; zeros for unknown ones."""
        at = self._at
        slots = np.array(list(map(at.get, devices, repeat(-1))), np.int64)
        tracks = self._tracks[slots]
        tracks[slots < 0] = np.zeros((), TRACK)
        return tracks

    def put(self, devices: Sequence[str], tracks: Tracks) -> None:
        """Take over (N,) tracks of N different devices, heard just now."""
        self._turn += 1
        if len(devices) > self.limit:
            devices, tracks = devices[-self.limit :], tracks[-self.limit :]
        at = self._at
        slots = list(map(at.get, devices, repeat(-1)))
        if -1 in slots:
            slots = self._enter(devices, slots)
        where = np.array(slots, np.int64)
        self._tracks[where] = tracks
        self._turns[where] = self._turn

    def _enter(self, devices: Sequence[str], slots: list[int]) -> list[int]:
        """Make room for those that are not known; the slots of all."""
        at = self._at
        over = len(at) + slots.count(-1) - self.limit
        if over > 0:
            self._forget(over, set(slots))
            at = self._at
        for name in devices:
            at.setdefault(name, len(at))
        if len(at) > len(self._turns):
            room = max(len(at), 2 * len(self._turns))
            self._tracks, self._turns = np.resize(self._tracks, room), np.resize(self._turns, room)
        return list(map(at.__getitem__, devices))

    def _forget(self, count: int, kept: set[int]) -> None:
        """Forget at least ``count`` devices not heard for longest, a tenth of all at once; the others move up."""
        order = np.argsort(self._turns[: len(self._at)], kind="stable")
        free = [slot for slot in order.tolist() if slot not in kept]
        gone = set(free[: max(count, self.limit // 10)])
        stay = [(name, slot) for name, slot in self._at.items() if slot not in gone]
        slots = [slot for _, slot in stay]
        self._tracks[: len(slots)] = self._tracks[slots]
        self._turns[: len(slots)] = self._turns[slots]
        self._at = {name: index for index, (name, _) in enumerate(stay)}
