"""Polygons are taken as drawn or refused with a reason; nothing in between, and no crash."""

import math

from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon

from config.polygon import ground_faults, image_faults, open_ring

NUMBER = st.one_of(st.floats(), st.integers(-(10**9), 10**9).map(float), st.sampled_from([0.0, 1.0, 640.0, 1280.0]))
POINTS = st.lists(st.tuples(NUMBER, NUMBER), max_size=8)


def test_no_corners_are_no_polygon() -> None:
    assert image_faults([], 640, 480) == ["has 0 corners, a polygon has at least 3"]
    assert ground_faults([]) == ["has 0 corners, a polygon has at least 3"]
    assert open_ring([]) == ()


def test_a_ring_is_opened_once() -> None:
    assert open_ring([(0, 0), (1, 0), (1, 1), (0, 0)]) == ((0, 0), (1, 0), (1, 1))
    assert open_ring([(0, 0), (1, 0), (1, 1)]) == ((0, 0), (1, 0), (1, 1))


@given(POINTS)
def test_what_is_accepted_is_a_simple_polygon_of_the_picture(points: list[tuple[float, float]]) -> None:
    if not image_faults(points, 1280, 720):
        polygon = Polygon(points)
        assert polygon.is_valid
        assert polygon.area > 0
        assert all(0 <= x <= 1280 and 0 <= y <= 720 for x, y in points)


@given(POINTS)
def test_what_is_accepted_on_the_ground_is_a_simple_polygon_in_degrees(points: list[tuple[float, float]]) -> None:
    if not ground_faults(points):
        assert Polygon(points).is_valid
        assert all(abs(lon) <= 180 and abs(lat) <= 90 for lon, lat in points)


@given(
    st.integers(3, 12),
    st.floats(20, 300),
    st.floats(0, 2 * math.pi),
    st.tuples(st.floats(300, 980), st.floats(300, 420)),
)
def test_a_convex_polygon_inside_the_picture_is_accepted(
    corners: int, radius: float, turn: float, centre: tuple[float, float]
) -> None:
    x, y = centre
    angles = [turn + 2 * math.pi * number / corners for number in range(corners)]
    points = [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
    assert image_faults(points, 1280, 720) == []
    swapped = image_faults([points[1], points[0], *points[2:]], 1280, 720)
    assert corners == 3 or "crosses itself" in swapped[0]
