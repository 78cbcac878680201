"""Points to unit-grid cells, beside an index of shapely in the same run: one, the other, and again.

The baseline is what one would write: an STRtree over the cells, asked for those whose rectangle holds a point, and of
these ``contains_xy`` on prepared polygons. Its points are made beforehand, which is not counted. Both answer the same
points; none of them lies on an edge, so they must agree. Times are of the processor: a busy neighbour changes little.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from alerts.deciding.grid import NOWHERE, CellGrid
from schemas.hours import LonLat

CELL_DEG = (1.04e-3, 9e-4)  # about 100 m each way at the latitude of the example
WARP = 0.2  # of a cell's side that a corner may stand off its lattice: real cells follow streets
FAR_SHARE = 0.05  # of the points lie anywhere on earth
SEED = 5


def bench_grid(points: int, rounds: int, cells: tuple[int, ...] = (2_000, 10_000)) -> dict[str, Any]:
    """Look ``points`` up in cities of so many cells, ``rounds`` times each way; medians are compared."""
    cities = [_city(count, points, rounds) for count in cells]
    return {
        "points": points,
        "rounds": rounds,
        "cities": cities,
        "points_per_s": min(city["points_per_s"] for city in cities),
        "strtree_points_per_s": max(city["strtree_points_per_s"] for city in cities),
        "ratio": min(city["ratio"] for city in cities),
        "differing": sum(city["differing"] for city in cities),
    }


def streets(count: int, seed: int = SEED) -> dict[str, tuple[LonLat, ...]]:
    """A city of at least ``count`` four-cornered cells that share their corners."""
    side = int(np.ceil(count**0.5))
    random = np.random.default_rng(seed)
    lattice = np.stack(np.meshgrid(np.arange(side + 1), np.arange(side + 1)), axis=-1) * np.array(CELL_DEG)
    corners = lattice + random.uniform(-WARP, WARP, lattice.shape) * np.array(CELL_DEG) + np.array((104.6, 30.1))
    around = ((0, 0), (0, 1), (1, 1), (1, 0))
    return {
        f"512002{row * side + column:09d}": tuple(
            (float(corners[row + down, column + right, 0]), float(corners[row + down, column + right, 1]))
            for down, right in around
        )
        for row in range(side)
        for column in range(side)
    }


def _city(count: int, points: int, rounds: int) -> dict[str, Any]:
    cells = streets(count)
    where = _points(cells, points)
    started_s = time.process_time()
    ours = CellGrid(cells)
    built_s = time.process_time() - started_s
    started_s = time.process_time()
    theirs = _Tree(cells)
    tree_built_s = time.process_time() - started_s
    theirs.prepare(where)
    ways: tuple[Callable[[], NDArray[np.int32]], ...] = (lambda: ours.find(where), theirs.find)
    spent_s: tuple[list[float], list[float]] = ([], [])
    found = [way() for way in ways]
    for _ in range(rounds):
        for way, spent in zip(ways, spent_s, strict=True):
            started_s = time.process_time()
            way()
            spent.append(time.process_time() - started_s)
    ours_s, theirs_s = (median(spent) for spent in spent_s)
    return {
        "cells": len(cells),
        "points_per_s": round(points / ours_s),
        "strtree_points_per_s": round(points / theirs_s),
        "ratio": round(theirs_s / ours_s, 1),
        "build_s": round(built_s, 3),
        "strtree_build_s": round(tree_built_s, 3),
        "nowhere": int((found[0] == NOWHERE).sum()),
        "differing": int((found[0] != found[1]).sum()),
    }


def _points(cells: dict[str, tuple[LonLat, ...]], count: int) -> NDArray[np.float64]:
    """Points all over the city, a few of them far out, in no order."""
    random = np.random.default_rng(SEED)
    corners = np.concatenate([np.asarray(polygon) for polygon in cells.values()])
    points = random.uniform(corners.min(axis=0), corners.max(axis=0), (count, 2))
    far = random.random(count) < FAR_SHARE
    points[far] = random.uniform((-180, -90), (180, 90), (int(far.sum()), 2))
    return points


class _Tree:
    """The baseline: an STRtree of shapely over the cells."""

    def __init__(self, cells: dict[str, tuple[LonLat, ...]]) -> None:
        self._polygons = np.array([shapely.Polygon(cells[cell_id]) for cell_id in sorted(cells)])
        shapely.prepare(self._polygons)
        self._tree = shapely.STRtree(self._polygons)

    def prepare(self, where: NDArray[np.float64]) -> None:
        self._where, self._points = where, shapely.points(where)

    def find(self) -> NDArray[np.int32]:
        found = np.full(len(self._where), NOWHERE, np.int32)
        point, cell = self._tree.query(self._points)
        held = shapely.contains_xy(self._polygons[cell], self._where[point, 0], self._where[point, 1])
        found[point[held]] = cell[held]
        return found
