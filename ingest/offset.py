"""Devices that drive beside the streets of the others, by just what a wrong coordinate system makes. Pure."""

from dataclasses import dataclass, field
from math import hypot

import numpy as np
from numpy.typing import NDArray

from ingest.crs import to_wgs84, wgs84_to_gcj02
from ingest.quality_memory import K3, Words, mixed
from schemas.units import M_PER_DEG, cos_deg

Degrees = NDArray[np.float64]
Ints = NDArray[np.int64]

CELL_M = 20.0  # a street and its noise
CELLS = 2**20  # remembered: 400 km2 of nothing but streets
SHIFT = np.uint64(64 - 20)
SHARED = np.uint64(1)  # driven by more than one device
APART_M = 100.0  # between two cells that count
EVERY, ROWS_MAX = 32, 128  # one batch of so many is looked at, and so much of it: undoing GCJ-02 is dear
# Measured on real tracks (docs/quality.md): share of cells that others know when shifted, how many times more than when
# not, and how often in a row.
HITS_MIN, OVER, IN_A_ROW = 0.3, 2.0, 2


@dataclass(slots=True)
class _Tally:
    """Cells a device drove through: all, and those others know, as stored and as they would be if it sent the other."""

    cells: int = 0
    plain: int = 0
    sends_gcj02: int = 0
    sends_wgs84: int = 0
    lon: float = 0.0
    lat: float = 0.0
    beside: int = 0  # how often in a row it was found beside itself

    @property
    def best(self) -> int:
        """Hits of the better explanation."""
        return max(self.sends_gcj02, self.sends_wgs84)

    @property
    def right(self) -> bool:
        """Whether it is where others are, as far as is known."""
        return self.plain + 2 >= self.best

    def halve(self) -> None:
        """Let what is newer weigh more."""
        self.cells, self.plain = self.cells // 2, self.plain // 2
        self.sends_gcj02, self.sends_wgs84 = self.sends_gcj02 // 2, self.sends_wgs84 // 2


UNKNOWN = _Tally()


@dataclass(slots=True)
class Offsets:
    """Learns the streets from all devices, and holds each device against those that others drive.

    ``cells_min`` is how many cells a device must drive through before it is judged, ``limit`` how many devices are
    remembered. ``found`` are the devices beside themselves now.
    """

    cells_min: int
    limit: int
    found: set[str] = field(default_factory=set)
    _tallies: dict[str, _Tally] = field(default_factory=dict)
    # Key, owner. Written once, so that the memory is taken at the start and does not seem to leak.
    _streets: NDArray[np.uint64] = field(default_factory=lambda: np.full((2, CELLS), 0, np.uint64))
    _turn: int = 0

    def learn(self, devices: list[str], group: Ints, lon: Degrees, lat: Degrees, trusted: NDArray[np.bool_]) -> None:
        """Take (N,) stored positions of ``devices[group]``; looks at the ``trusted`` ones of one batch of many."""
        self._turn += 1
        if self._turn % EVERY or not trusted.any():
            return
        group, lon, lat = group[trusted], lon[trusted], lat[trusted]
        cell = _cells(lon, lat)
        _, at = np.unique(mixed(cell, group), return_index=True)
        at.sort()
        at = at[:: -(-len(at) // ROWS_MAX)]
        group, lon, lat, cell = group[at], lon[at], lat[at], cell[at]
        owner = np.array([hash(name) for name in devices], np.int64).view(np.uint64)[group] | np.uint64(2)
        plain = self._known(cell, owner)
        gcj02 = self._known(_cells(*to_wgs84(lon, lat, "gcj02")), owner)
        wgs84 = self._known(_cells(*wgs84_to_gcj02(lon, lat)), owner)
        where = zip(lon.tolist(), lat.tolist(), strict=True)
        hits = zip(plain.tolist(), gcj02.tolist(), wgs84.tolist(), strict=True)
        for number, there, hit in zip(group.tolist(), where, hits, strict=True):
            self._count(devices[number], there, hit)
        # A device that may be beside the streets teaches none, or the next one with its fault would be right with it.
        right = np.array([self._tallies.get(name, UNKNOWN).right for name in devices], np.bool_)[group]
        self._drive(cell[right], owner[right])

    def _known(self, cell: Words, owner: Words) -> NDArray[np.bool_]:
        """Which cells others drive through."""
        keys, owners = self._streets[:, cell >> SHIFT]
        known: NDArray[np.bool_] = (keys == cell) & (owners != owner)
        return known

    def _drive(self, cell: Words, owner: Words) -> None:
        at = cell >> SHIFT
        keys, owners = self._streets[:, at]
        shared = (keys == cell) & (owners != owner)
        self._streets[:, at] = cell, np.where(shared, SHARED, owner)

    def _count(self, device: str, there: tuple[float, float], hit: tuple[bool, bool, bool]) -> None:
        tally = self._tallies.pop(device, None) or _Tally()
        self._tallies[device] = tally  # the newest last
        if len(self._tallies) > self.limit:
            gone = next(iter(self._tallies))
            del self._tallies[gone]
            self.found.discard(gone)
        lon, lat = there
        if hypot((lon - tally.lon) * cos_deg(lat), lat - tally.lat) * M_PER_DEG < APART_M:
            return  # what stands, and its noise, says nothing
        tally.lon, tally.lat = there
        tally.cells += 1
        tally.plain += hit[0]
        tally.sends_gcj02 += hit[1]
        tally.sends_wgs84 += hit[2]
        if tally.cells >= self.cells_min:
            self._decide(device, tally)
            tally.halve()

    def _decide(self, device: str, tally: _Tally) -> None:
        best = tally.best
        beside = best >= HITS_MIN * tally.cells and best > OVER * tally.plain
        tally.beside = tally.beside + 1 if beside else 0
        if tally.beside >= IN_A_ROW:
            self.found.add(device)
        elif tally.plain >= best:
            self.found.discard(device)


def _cells(lon: Degrees, lat: Degrees) -> Words:
    """Hashes of the (N,) cells that points lie in."""
    narrow = np.cos(np.radians(np.round(lat)))  # one width for a degree of latitude, else columns would not line up
    east = np.floor(lon * narrow * (M_PER_DEG / CELL_M)).astype(np.int64)
    north = np.floor(lat * (M_PER_DEG / CELL_M)).astype(np.int64)
    return mixed(east.view(np.uint64) * K3, north)
