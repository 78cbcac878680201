"""Many points to their unit-grid cells at once: a uniform grid of buckets, most of which lie in one cell. Pure.

Exact: a point gets the first cell, in order of cell ids, that ``place.inside`` says holds it, so that a point on a
shared edge or corner belongs to exactly one. A bucket that no edge touches is answered by looking it up; in the others
the few cells that reach into it are tried edge by edge, with the very arithmetic of ``place.inside``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.city import City, GridCell
from schemas.hours import LonLat

NOWHERE = -1
BUCKETS_PER_CELL = 64  # finer ones leave fewer points to try, and cost memory: 4 bytes each
BUCKETS_MAX = 4_000_000
BLOCK = 32_768  # points looked up together: what belongs to them stays in the processor's cache
KEPT = 4  # grids of cities kept: the one in use, the one it is replaced by, and a test's

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Edges:
    """Edges, each from its lower to its upper end, in order of their cells.

    ``first`` has one entry more than there are cells: cell c has the edges first[c] … first[c + 1] - 1.
    """

    x0: Floats
    y0: Floats
    dx: Floats
    dy: Floats
    y1: Floats
    first: Ints


@dataclass(frozen=True, slots=True)
class _Frame:
    """The grid of buckets: its corner, bucket sizes in the units of the points, and how many there are."""

    west: float
    south: float
    width: float
    height: float
    columns: int
    rows: int
    reach: float  # an edge this near to a bucket touches it: more than what rounding can move a point


class CellGrid:
    """Cells of a city, ready for lookup. ``cell_ids`` are sorted; positions in it are what ``find`` returns."""

    def __init__(self, polygons: Mapping[str, Sequence[LonLat]]) -> None:
        self.cell_ids = tuple(sorted(polygons))
        rings = [np.asarray(polygons[cell_id], np.float64).reshape(-1, 2) for cell_id in self.cell_ids]
        rings = [ring if len(ring) >= 3 else ring[:0] for ring in rings]  # fewer corners contain nothing
        self._edges = _edges_of(rings, level=False)  # a level edge is crossed by no point's ray, but ends a cell
        self._frame = _frame_of(rings)
        touched = _touched(_edges_of(rings, level=True), self._frame)
        reached = _reached(rings, self._edges, self._frame, touched)
        self._answers, self._first, self._cells = _buckets(len(rings), touched, reached, self._frame)

    def __len__(self) -> int:
        """Number of cells."""
        return len(self.cell_ids)

    def find(self, points: Floats) -> NDArray[np.int32]:
        """Position in ``cell_ids`` of the cell of each of (N, 2) points, lon and lat; ``NOWHERE`` where none has it.

        No points give an empty array; NaN and infinite points are nowhere.
        """
        found = np.full(len(points), NOWHERE, np.int32)
        if len(self.cell_ids):
            for start in range(0, len(points), BLOCK):
                found[start : start + BLOCK] = self._block(points[start : start + BLOCK])
        return found

    def find_one(self, point: LonLat) -> str:
        """Id of the cell of one point; empty where none has it."""
        position = int(self.find(np.asarray([point], np.float64))[0])
        return "" if position == NOWHERE else self.cell_ids[position]

    def _block(self, points: Floats) -> NDArray[np.int32]:
        frame = self._frame
        x, y = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
        with np.errstate(over="ignore", invalid="ignore"):  # points may be anything, infinite too
            column, row = (x - frame.west) / frame.width, (y - frame.south) / frame.height
        # Comparisons with NaN are false: such points are outside.
        within = (column >= 0) & (column < frame.columns) & (row >= 0) & (row < frame.rows)
        if within.all():
            bucket = row.astype(np.int64) * frame.columns + column.astype(np.int64)
            found = self._answers[bucket]
        else:
            bucket = np.zeros(len(points), np.int64)
            bucket[within] = row[within].astype(np.int64) * frame.columns + column[within].astype(np.int64)
            found = np.where(within, self._answers[bucket], NOWHERE).astype(np.int32)
        open_ = np.flatnonzero(found < NOWHERE)
        if len(open_):
            found[open_] = self._try(x[open_], y[open_], -2 - found[open_].astype(np.int64))
        return found

    def _try(self, x: Floats, y: Floats, shared: Ints) -> NDArray[np.int32]:
        """The first cell that holds each point, of those that reach into its shared bucket."""
        found = np.full(len(x), NOWHERE, np.int32)
        place, last = self._first[shared], self._first[shared + 1]
        rest = np.arange(len(x))
        while len(rest):
            cell = self._cells[place]
            held = _holds(self._edges, cell, x[rest], y[rest])
            found[rest[held]] = cell[held]
            place += 1
            on = ~held & (place < last)
            rest, place, last = rest[on], place[on], last[on]
        return found


_kept: list[tuple[dict[str, GridCell], CellGrid]] = []


def grid_of(city: City) -> CellGrid:
    """The grid of a city's cells: made once for each set of cells, and kept as long as it is one of the last few."""
    for cells, grid in _kept:
        if cells is city.cells:
            return grid
    grid = CellGrid({cell_id: cell.polygon for cell_id, cell in city.cells.items()})
    _kept[:] = [(city.cells, grid), *_kept[: KEPT - 1]]  # one assignment: several threads may look at once
    return grid


def _edges_of(rings: Sequence[Floats], *, level: bool) -> _Edges:
    """Every edge; ``level``: those of one latitude too."""
    sizes = np.array([len(ring) for ring in rings], np.int64)
    if not sizes.sum():
        none = np.zeros(0)
        return _Edges(none, none, none, none, none, np.zeros(len(rings) + 1, np.int64))
    starts = np.concatenate(rings)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    turned = ~(starts[:, 1] < ends[:, 1])
    low, high = np.where(turned[:, None], ends, starts), np.where(turned[:, None], starts, ends)
    kept = (low[:, 1] != high[:, 1]) | level
    cell = np.repeat(np.arange(len(rings)), sizes)[kept]
    low, high = low[kept], high[kept]
    first = np.searchsorted(cell, np.arange(len(rings) + 1))
    span = high - low
    x0, y0, dx, dy, y1 = np.ascontiguousarray(np.column_stack([low, span, high[:, 1]]).T)
    return _Edges(x0, y0, dx, dy, y1, first.astype(np.int64))


def _holds(edges: _Edges, cell: NDArray[np.int64], x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Whether cell k holds point k, as ``place.inside`` says it."""
    first, count = edges.first[cell], edges.first[cell + 1] - edges.first[cell]
    within = np.zeros(len(x), bool)
    rest = np.flatnonzero(count)
    edge, left = first[rest], count[rest]
    x, y = x[rest], y[rest]
    while len(rest):
        y0 = edges.y0[edge]
        crosses = (y0 > y) != (edges.y1[edge] > y)
        with np.errstate(over="ignore"):  # an edge that is all but level, and a point that does not cross it
            within[rest] ^= crosses & (x < edges.dx[edge] * (y - y0) / edges.dy[edge] + edges.x0[edge])
        edge, left = edge + 1, left - 1
        on = left > 0
        if not on.all():
            rest, edge, left, x, y = rest[on], edge[on], left[on], x[on], y[on]
    return within


def _frame_of(rings: Sequence[Floats]) -> _Frame:
    """A frame a little larger than all cells together; one bucket where there is nothing."""
    corners = np.concatenate([*rings, np.zeros((0, 2))]) if rings else np.zeros((0, 2))
    if not len(corners):
        return _Frame(0.0, 0.0, 1.0, 1.0, 1, 1, 0.0)
    reach = 1e-12 * max(1.0, float(np.abs(corners).max()))
    west, south = (float(value) - 2 * reach for value in corners.min(axis=0))
    east, north = (float(value) + 2 * reach for value in corners.max(axis=0))
    wanted = min(BUCKETS_PER_CELL * len(rings), BUCKETS_MAX)
    side = max(((east - west) * (north - south) / wanted) ** 0.5, reach)
    columns = int(np.clip((east - west) / side, 1, BUCKETS_MAX**0.5))
    rows = int(np.clip((north - south) / side, 1, BUCKETS_MAX**0.5))
    # A hair more than the extent, so that the last bucket's end lies outside it.
    return _Frame(
        west, south, (east - west) / columns * (1 + 1e-9), (north - south) / rows * (1 + 1e-9), columns, rows, reach
    )


def _buckets(cells: int, touched: Ints, reached: Ints, frame: _Frame) -> tuple[NDArray[np.int32], Ints, Ints]:
    """What each bucket answers: a cell, nothing (-1), or -2 - k: the cells first[k] … first[k + 1] - 1 of a list."""
    answers = np.full(frame.columns * frame.rows, NOWHERE, np.int32)
    keys = np.concatenate([touched, reached])
    order = np.argsort(keys)  # by bucket, then by cell
    bucket, cell = np.divmod(keys[order], max(cells, 1))
    whole = (np.arange(len(keys)) >= len(touched))[order]
    names, starts, counts = np.unique(bucket, return_index=True, return_counts=True)
    pure = whole[starts]  # the first cell has it all: those behind it are never asked
    answers[names[pure]] = cell[starts[pure]]
    answers[names[~pure]] = -2 - np.arange(int((~pure).sum()), dtype=np.int32)
    first = np.concatenate([[0], np.cumsum(counts[~pure])]).astype(np.int64)
    return answers, first, cell[np.repeat(~pure, counts)]


def _touched(edges: _Edges, frame: _Frame) -> Ints:
    """Keys (bucket x cells + cell) of the buckets that an edge of a cell comes near to, sorted."""
    cells = len(edges.first) - 1
    owner = np.repeat(np.arange(cells), np.diff(edges.first))
    low_row = _index(edges.y0 - frame.reach, frame.south, frame.height, frame.rows)
    high_row = _index(edges.y1 + frame.reach, frame.south, frame.height, frame.rows)
    which, row = _spread(low_row, high_row)
    # The part of the edge that lies in the row's band, the reach included on both sides.
    below = frame.south + row * frame.height - 2 * frame.reach
    above = below + frame.height + 4 * frame.reach
    x0, y0, dx, dy, y1 = (column[which] for column in (edges.x0, edges.y0, edges.dx, edges.dy, edges.y1))
    level = dy == 0
    dy = np.where(level, 1.0, dy)
    x_below = x0 + dx * (np.clip(below, y0, y1) - y0) / dy
    x_above = x0 + dx * np.where(level, 1.0, (np.clip(above, y0, y1) - y0) / dy)
    left = _index(np.minimum(x_below, x_above) - 2 * frame.reach, frame.west, frame.width, frame.columns)
    right = _index(np.maximum(x_below, x_above) + 2 * frame.reach, frame.west, frame.width, frame.columns)
    part, column = _spread(left, right)
    bucket = row[part] * frame.columns + column
    keys: Ints = np.unique(bucket * max(cells, 1) + owner[which[part]])
    return keys


def _reached(rings: Sequence[Floats], edges: _Edges, frame: _Frame, touched: Ints) -> Ints:
    """Keys of the buckets that lie wholly in a cell: no edge of it comes near, and it holds their centre."""
    cells = len(rings)
    full = np.array([index for index, ring in enumerate(rings) if len(ring)], np.int64)
    if not len(full):
        return np.zeros(0, np.int64)
    low = np.array([rings[index].min(axis=0) for index in full])
    high = np.array([rings[index].max(axis=0) for index in full])
    which, row = _spread(
        _index(low[:, 1], frame.south, frame.height, frame.rows),
        _index(high[:, 1], frame.south, frame.height, frame.rows),
    )
    left = _index(low[:, 0], frame.west, frame.width, frame.columns)[which]
    right = _index(high[:, 0], frame.west, frame.width, frame.columns)[which]
    part, column = _spread(left, right)
    row, cell = row[part], full[which[part]]
    keys = (row * frame.columns + column) * cells + cell
    free = ~np.isin(keys, touched, assume_unique=True)
    keys, row, column, cell = keys[free], row[free], column[free], cell[free]
    x = np.asarray(frame.west + (column + 0.5) * frame.width, np.float64)
    y = np.asarray(frame.south + (row + 0.5) * frame.height, np.float64)
    held = np.concatenate(
        [
            _holds(edges, cell[start : start + BLOCK], x[start : start + BLOCK], y[start : start + BLOCK])
            for start in range(0, len(keys), BLOCK)
        ]
        or [np.zeros(0, bool)]
    )
    whole: Ints = keys[held]
    return whole


def _index(value: Floats, start: float, size: float, count: int) -> Ints:
    return np.clip(np.floor((value - start) / size), 0, count - 1).astype(np.int64)


def _spread(low: Ints, high: Ints) -> tuple[Ints, Ints]:
    """Every whole number from low[k] to high[k], both included: (k, number), one row each."""
    counts = high - low + 1
    which = np.repeat(np.arange(len(low)), counts)
    behind = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return which, low[which] + behind
