"""The ground beneath a zone of a picture: what a camera sees there, and nothing where it sees none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point, Polygon

from config.ground import LEAST_PX_PER_M, ground_point, zone_ground
from tests.alerts.makers import CALIBRATION

SIZE = (1280, 720)
CUT = CALIBRATION.horizon_row + LEAST_PX_PER_M / CALIBRATION.px_per_m_slope


@pytest.mark.parametrize(
    "zone",
    [
        ((0, 0), (1280, 0), (1280, CALIBRATION.horizon_row)),
        ((0, CUT), (1280, CUT), (640, 0)),  # touches with an edge
        ((0, 100), (640, CUT), (1280, 100)),  # with a corner
    ],
)
def test_a_zone_of_the_sky_covers_no_ground(zone: tuple[tuple[float, float], ...]) -> None:
    assert zone_ground(CALIBRATION, zone, SIZE) == ()


def test_a_zone_up_to_the_sky_covers_what_is_near() -> None:
    whole = zone_ground(CALIBRATION, ((0, 0), (1280, 0), (1280, 720), (0, 720)), SIZE)
    near = zone_ground(CALIBRATION, ((0, CUT), (1280, CUT), (1280, 720), (0, 720)), SIZE)
    assert Polygon(whole).symmetric_difference(Polygon(near)).area < 1e-15
    assert len(whole) == 4


@given(st.floats(0, 1280), st.floats(250, 720))
def test_what_stands_in_a_zone_stands_on_its_ground(x: float, y: float) -> None:
    zone = ((100, 300), (900, 280), (1200, 700), (50, 650))
    point = ground_point(CALIBRATION, (x, y, 0.0, 0.0), SIZE)
    assert point is not None
    edge = Polygon(zone).exterior.distance(Point(x, y))
    if edge > 0.01:
        assert Polygon(zone_ground(CALIBRATION, zone, SIZE)).contains(Point(point)) is Polygon(zone).contains(
            Point(x, y)
        )
