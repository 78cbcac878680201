"""Coordinates of every Chinese kind land on the street they were taken on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.crs import LAT_RANGE, LON_RANGE, Degrees, gcj02_to_bd09, to_wgs84, wgs84_to_gcj02
from schemas.device import Crs

ZIYANG = (104.65, 30.12)
MM_DEG = 0.001 / 111_320  # a millimetre of latitude
SHIFTED: tuple[Crs, ...] = ("gcj02", "bd09")


def at(*values: float) -> Degrees:
    return np.array(values, np.float64)


def metres(lon: Degrees, lat: Degrees, lon_2: Degrees, lat_2: Degrees) -> Degrees:
    """Distance on the sphere, exact enough for a kilometre."""
    east = (lon_2 - lon) * np.cos(np.radians(lat))
    return np.asarray(np.hypot(east, lat_2 - lat) * np.pi / 180 * 6_371_000, np.float64)


def shifted(lon: Degrees, lat: Degrees, crs: Crs) -> tuple[Degrees, Degrees]:
    lon, lat = wgs84_to_gcj02(lon, lat)
    return gcj02_to_bd09(lon, lat) if crs == "bd09" else (lon, lat)


@pytest.mark.parametrize("crs", ["wgs84", "cgcs2000", "gcj02", "bd09", "from_message"])
def test_no_points_are_no_points(crs: Crs) -> None:
    lon, lat = to_wgs84(at(), at(), crs)
    assert lon.shape == lat.shape == (0,)


def test_gcj02_taken_for_wgs84_is_392_metres_off_at_ziyang() -> None:
    lon, lat = to_wgs84(at(ZIYANG[0]), at(ZIYANG[1]), "gcj02")
    assert metres(lon, lat, *map(at, ZIYANG))[0] == pytest.approx(392, abs=3)


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [
        # Worked examples of the public implementations coordtransform and eviltransform.
        ((116.404, 39.915), (116.41024449916938, 39.91640428150164)),
        ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
        ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ],
)
def test_published_examples_come_out(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    lon, lat = wgs84_to_gcj02(at(wgs84[0]), at(wgs84[1]))
    assert (lon[0], lat[0]) == pytest.approx(gcj02, abs=1e-7)
    lon, lat = to_wgs84(at(gcj02[0]), at(gcj02[1]), "gcj02")
    assert (lon[0], lat[0]) == pytest.approx(wgs84, abs=1e-7)


def test_a_published_example_of_bd09_comes_out() -> None:
    lon, lat = gcj02_to_bd09(at(116.404), at(39.915))
    assert (lon[0], lat[0]) == pytest.approx((116.41036949371029, 39.92133699351021), abs=1e-9)


@pytest.mark.parametrize("crs", SHIFTED)
def test_there_and_back_over_all_of_china_is_less_than_a_millimetre(crs: Crs) -> None:
    grid = np.meshgrid(np.linspace(73.8, 134.9, 200), np.linspace(4.0, 53.4, 200))
    lon, lat = (axis.ravel() for axis in grid)
    found_lon, found_lat = to_wgs84(*shifted(lon, lat, crs), crs)
    assert metres(lon, lat, found_lon, found_lat).max() < 0.001


@given(st.sampled_from(SHIFTED), st.floats(73.8, 134.9), st.floats(4.0, 53.4))
def test_there_and_back_from_any_point(crs: Crs, lon: float, lat: float) -> None:
    found_lon, found_lat = to_wgs84(*shifted(at(lon), at(lat), crs), crs)
    assert metres(at(lon), at(lat), found_lon, found_lat)[0] < 0.001


@given(st.sampled_from(SHIFTED), st.floats(-180, 180), st.floats(-90, 90))
def test_a_point_moves_less_than_two_kilometres_and_not_at_all_outside_china(crs: Crs, lon: float, lat: float) -> None:
    found_lon, found_lat = to_wgs84(at(lon), at(lat), crs)
    inside = LON_RANGE[0] <= lon <= LON_RANGE[1] and LAT_RANGE[0] <= lat <= LAT_RANGE[1]
    if inside:
        assert metres(at(lon), at(lat), found_lon, found_lat)[0] < 2500
    else:
        assert (found_lon[0], found_lat[0]) == (lon, lat)


@pytest.mark.parametrize("crs", ["wgs84", "cgcs2000"])
def test_what_needs_no_conversion_is_not_touched(crs: Crs) -> None:
    lon, lat = to_wgs84(at(ZIYANG[0]), at(ZIYANG[1]), crs)
    assert (lon[0], lat[0]) == ZIYANG


def test_points_are_converted_each_by_itself() -> None:
    lon, lat = at(ZIYANG[0], 2.35, 116.4), at(ZIYANG[1], 48.85, 39.9)
    together = np.stack(to_wgs84(lon, lat, "bd09"))
    alone = np.stack([np.concatenate(to_wgs84(lon[i : i + 1], lat[i : i + 1], "bd09")) for i in range(3)], axis=1)
    assert np.abs(together - alone).max() < MM_DEG
