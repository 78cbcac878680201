"""From a box to a place: one cell for every point, the ground where a pinhole camera says it is."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.deciding.place import cell_of, contains, distance_m, inside, zone_share
from config.ground import ground_point
from schemas.place import Calibration
from schemas.units import M_PER_DEG
from tests.alerts.makers import CALIBRATION, CELL, SQUARE, city, view

INNER = st.floats(0.2, 0.8)


def test_no_points_and_no_polygon() -> None:
    assert inside(np.zeros((0, 2)), SQUARE).tolist() == []
    assert not contains((), (0.0, 0.0))
    assert not contains(((0.0, 0.0), (1.0, 1.0)), (0.5, 0.5))


@given(INNER, INNER, st.integers(0, 3), st.floats(0, 1), st.booleans())
def test_a_point_on_a_shared_edge_belongs_to_exactly_one_cell(
    x: float, y: float, edge: int, along: float, turned: bool
) -> None:
    """Four cells around one inner corner (x, y), drawn clockwise or not; the point lies on one of their edges."""
    scale = 1 / 3  # edges whose crossings are not exact in binary
    corner = (x * scale, y * scale)
    ends = [(0.5 * scale, 0.0), (scale, 0.45 * scale), (0.55 * scale, scale), (0.0, 0.5 * scale)]
    corners = [(0.0, 0.0), (scale, 0.0), (scale, scale), (0.0, scale)]
    cells = [
        (corners[0], ends[0], corner, ends[3]),
        (ends[0], corners[1], ends[1], corner),
        (corner, ends[1], corners[2], ends[2]),
        (ends[3], corner, ends[2], corners[3]),
    ]
    if turned:
        cells[1], cells[3] = cells[1][::-1], cells[3][::-1]
    end = ends[edge]
    point = (corner[0] + along * (end[0] - corner[0]), corner[1] + along * (end[1] - corner[1]))
    assume(0 < point[0] < scale and 0 < point[1] < scale)
    assert sum(contains(cell, point) for cell in cells) == 1


@given(st.floats(-1, 2), st.floats(-1, 2))
def test_a_triangle_holds_what_is_under_its_slope(x: float, y: float) -> None:
    assume(min(abs(x), abs(y), abs(x + y - 1)) > 1e-9)
    assert contains(((0, 0), (1, 0), (0, 1)), (x, y)) == (x > 0 and y > 0 and x + y < 1)


def pinhole(
    calibration: Calibration, width: float, height: float, forward_m: float, right_m: float
) -> tuple[float, float]:
    """Pixel of a ground point seen by a level pinhole camera, forward of the point at the picture's bottom centre."""
    focal = width
    nearest_m = focal * calibration.height_m / (height - calibration.horizon_row)
    away_m = nearest_m + forward_m
    column = width / 2 + focal * right_m / away_m
    return column, calibration.horizon_row + focal * calibration.height_m / away_m


@given(st.floats(0, 80), st.floats(-15, 15), st.floats(0, 359.9), st.floats(3, 12), st.floats(0, 300))
def test_a_pinhole_camera_finds_its_ground_point_again(
    forward_m: float, right_m: float, bearing_deg: float, height_m: float, horizon_row: float
) -> None:
    width, height = 1280, 720
    # A level camera whose focal length is its width shows a metre at v rows below the horizon as v / height_m px.
    calibration = Calibration(horizon_row, 1 / height_m, 104.64, 30.12, bearing_deg, height_m)
    column, row = pinhole(calibration, width, height, forward_m, right_m)
    found = ground_point(calibration, (column - 20, row - 60, 40, 60), (width, height))
    assert found is not None
    bearing = math.radians(bearing_deg)
    north_m = forward_m * math.cos(bearing) - right_m * math.sin(bearing)
    east_m = forward_m * math.sin(bearing) + right_m * math.cos(bearing)
    wanted = (104.64 + east_m / (M_PER_DEG * math.cos(math.radians(30.12))), 30.12 + north_m / M_PER_DEG)
    assert distance_m(found, wanted) < 0.01


@pytest.mark.parametrize("bottom", [0.0, 149.0, 150.0, 151.0])
def test_a_foot_at_or_above_the_horizon_has_no_ground(bottom: float) -> None:
    assert ground_point(CALIBRATION, (600, bottom - 10, 50, 10), (1280, 720)) is None


def test_a_box_that_leaves_the_picture_stands_at_its_edge() -> None:
    cut = ground_point(CALIBRATION, (600, 600, 80, 400), (1280, 720))
    whole = ground_point(CALIBRATION, (600, 600, 80, 120), (1280, 720))
    assert cut == whole == pytest.approx((CALIBRATION.lon, CALIBRATION.lat), abs=1e-9)


def test_distance_is_in_metres() -> None:
    assert distance_m((104.64, 30.12), (104.64, 30.121)) == pytest.approx(111.3, abs=0.1)
    assert distance_m((104.64, 30.12), (104.641, 30.12)) == pytest.approx(96.3, abs=0.1)


def test_the_foot_counts_and_not_the_umbrella() -> None:
    pavement = ((0, 500), (640, 500), (640, 720), (0, 720))
    assert zone_share((100, 100, 200, 410), pavement) > 0.2
    assert zone_share((100, 100, 200, 600), pavement) == 1.0
    assert zone_share((100, 100, 200, 300), pavement) == 0.0
    assert zone_share((100, 100, 200, 300), ()) == 1.0


def test_a_cell_is_found_by_the_ground_else_by_the_camera() -> None:
    found = city()
    assert cell_of(found, view(cell_id="512002001001009"), (104.6405, 30.1205)) == CELL
    assert cell_of(found, view(cell_id="512002001001009"), (104.7, 30.1205)) == "512002001001009"
    assert cell_of(found, view(), None) == CELL
