"""Points to cells, many at once: every point has exactly the cell that the slow and simple rule gives it."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from alerts.deciding import grid as rooms
from alerts.deciding.grid import NOWHERE, CellGrid, grid_of
from alerts.deciding.place import contains, inside
from schemas.city import GridCell
from schemas.hours import LonLat
from tests.alerts.makers import CELL, SQUARE, city

LATTICE = st.integers(0, 6).map(lambda step: 104.6 + step / 3000)  # thirds: not exact in binary
CORNERS = st.tuples(LATTICE, LATTICE)
HALVES = st.integers(-1, 13).map(lambda step: 104.6 + step / 6000)  # corners, middles of edges, and outside


def named(polygons: Sequence[Sequence[LonLat]]) -> dict[str, Sequence[LonLat]]:
    return {f"{index:015d}": polygon for index, polygon in enumerate(polygons)}


def slowly(polygons: Sequence[Sequence[LonLat]], points: NDArray[np.float64]) -> list[int]:
    """The first polygon that holds each point, tried one after the other."""
    found = np.full(len(points), NOWHERE)
    for index, polygon in reversed(list(enumerate(polygons))):
        found[inside(points, polygon)] = index
    return found.tolist()


def streets(side: int, seed: int = 0) -> list[list[LonLat]]:
    """A city of side x side cells, none of them square, that share their corners."""
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(104.6 + np.arange(side + 1) * 1e-3, 30.1 + np.arange(side + 1) * 9e-4)
    x, y = x + random.uniform(-2e-4, 2e-4, x.shape), y + random.uniform(-2e-4, 2e-4, y.shape)
    corner = [[(float(x[i, j]), float(y[i, j])) for j in range(side + 1)] for i in range(side + 1)]
    return [
        [corner[i][j], corner[i][j + 1], corner[i + 1][j + 1], corner[i + 1][j]]
        for i in range(side)
        for j in range(side)
    ]


def test_no_points_have_no_cells() -> None:
    assert CellGrid(named([SQUARE])).find(np.zeros((0, 2))).tolist() == []


@pytest.mark.parametrize("polygons", [[], [()], [((104.64, 30.12), (104.65, 30.13))], [((0, 1), (2, 1), (4, 1))]])
def test_without_cells_that_hold_anything_every_point_is_nowhere(polygons: list[tuple[LonLat, ...]]) -> None:
    found = CellGrid(named(polygons))
    assert found.find(np.array([[104.64, 30.12], [0.0, 0.0], [1.0, 1.0]])).tolist() == [NOWHERE] * 3
    assert found.find_one((104.64, 30.12)) == ""
    assert len(found) == len(polygons)


@pytest.mark.filterwarnings("error")
def test_points_that_are_none_or_far_out_are_nowhere() -> None:
    odd = [np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, 200.0]
    points = np.array([(x, y) for x in [*odd, 104.6405] for y in [*odd, 30.1205]])
    found = CellGrid(named([SQUARE])).find(points)
    assert found.tolist() == [NOWHERE] * (len(points) - 1) + [0]


@settings(max_examples=150)
@given(
    st.lists(st.lists(CORNERS, min_size=3, max_size=6), max_size=5), st.lists(st.tuples(HALVES, HALVES), max_size=20)
)
def test_any_polygons_give_the_first_that_holds_the_point(polygons: list[list[LonLat]], points: list[LonLat]) -> None:
    """Also such as overlap, cross themselves, repeat a corner or have no area: the answer is that of the slow rule."""
    array = np.asarray(points, np.float64).reshape(-1, 2)
    assert CellGrid(named(polygons)).find(array).tolist() == slowly(polygons, array)


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_in_a_city_every_point_of_an_edge_or_corner_has_exactly_one_cell(side: int, seed: int, random: object) -> None:
    polygons = streets(side, seed)
    pick = np.random.default_rng(seed)
    ends = np.array([(polygon[k], polygon[(k + 1) % 4]) for polygon in polygons for k in range(4)])
    along = pick.choice([0.0, 0.5, 1.0, 1 / 3, 0.123456], len(ends))[:, None]
    on_edges = ends[:, 0] + along * (ends[:, 1] - ends[:, 0])
    anywhere = pick.uniform((104.599, 30.099), (104.6 + side * 1e-3, 30.1 + side * 9e-4), (200, 2))
    points = np.concatenate([on_edges, ends[:, 0], anywhere])
    holders = np.array([inside(points, polygon) for polygon in polygons]).sum(axis=0)
    assert holders.max() <= 1
    assert CellGrid(named(polygons)).find(points).tolist() == slowly(polygons, points)


def test_every_inner_corner_of_a_city_has_a_cell() -> None:
    side = 8
    polygons = streets(side)
    inner = np.array([polygons[i * side + j][0] for i in range(1, side) for j in range(1, side)])
    assert (CellGrid(named(polygons)).find(inner) != NOWHERE).all()


def test_a_city_of_two_thousand_cells_agrees_with_an_index_of_shapely() -> None:
    polygons = streets(45)
    points = np.random.default_rng(1).uniform((104.59, 30.09), (104.655, 30.15), (60_000, 2))
    expected = np.full(len(points), NOWHERE)
    tree = shapely.STRtree([shapely.Polygon(polygon) for polygon in polygons])
    which, cell = tree.query(shapely.points(points), predicate="within")
    expected[which] = cell
    found = CellGrid(named(polygons)).find(points)
    assert (found == NOWHERE).any()
    assert found.tolist() == expected.tolist()


def test_a_far_cell_costs_speed_and_no_point_its_cell() -> None:
    """A cell drawn in another country leaves the others in one bucket."""
    polygons = [*streets(4), [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)]]
    points = np.random.default_rng(1).uniform((104.6, 30.1), (104.604, 30.104), (500, 2))
    assert CellGrid(named(polygons)).find(points).tolist() == slowly(polygons, points)


def test_an_overlapped_point_has_the_cell_of_the_lower_number() -> None:
    larger = ((104.639, 30.119), (104.642, 30.119), (104.642, 30.122), (104.639, 30.122))
    assert CellGrid({"2": SQUARE, "1": larger}).find_one((104.6405, 30.1205)) == "1"
    assert CellGrid({"1": SQUARE, "2": larger}).find_one((104.6405, 30.1205)) == "1"
    assert CellGrid({"1": SQUARE, "2": larger}).find_one((104.6395, 30.1195)) == "2"


@given(st.lists(CORNERS, max_size=6), st.tuples(HALVES, HALVES))
def test_one_point_is_judged_as_many_are(polygon: list[LonLat], point: LonLat) -> None:
    assert contains(polygon, point) == bool(inside(np.array([point]), polygon)[0])


def test_a_citys_grid_is_made_once_and_another_pack_has_its_own() -> None:
    one = city()
    assert grid_of(one) is grid_of(replace(one, version="v2"))
    other = city(cells={CELL: GridCell(CELL, "A", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)))})
    assert grid_of(other) is not grid_of(one)
    assert grid_of(other).find_one((0.9, 0.5)) == CELL
    for _ in range(rooms.KEPT + 1):
        grid_of(city())
    assert len(rooms._kept) == rooms.KEPT


def test_the_last_column_and_row_of_buckets_are_looked_up_too() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = CellGrid(named([SQUARE]))
        tip = np.nextafter(104.641, 0.0), np.nextafter(30.121, 0.0)
        assert found.find_one(tip) == found.cell_ids[0]
        assert found.find_one((104.640, 30.120)) == found.cell_ids[0]
        assert found.find_one((104.641, 30.121)) == ""
