"""Where vehicles are, were, and which passed a place."""

from datetime import timedelta
from math import cos, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.place import distance_m
from alerts.incidents.vehicle_tracks import _box, fleet, near, passages, passed, track
from alerts.store import AlertDatabase
from tests.alerts.keeping.world import NOW, World

PLACE = (104.645, 30.125)
M = 1 / 111_320.0  # degrees of latitude
MIN = timedelta(minutes=1)


def row(device_id: str, minute: int, north_m: float) -> dict[str, object]:
    return {"device_id": device_id, "at": NOW + minute * MIN, "lon": PLACE[0], "lat": PLACE[1] + north_m * M}


def test_nobody_passes_where_nothing_is() -> None:
    assert passages([], PLACE, 100.0) == []
    assert passages([row("car", 0, 101.0)], PLACE, 100.0) == []


def test_passages_come_in_the_order_in_which_vehicles_came() -> None:
    rows = [row("a", 5, 50), row("a", 6, 20), row("a", 7, 500), row("b", 1, 90), row("b", 9, 99)]
    told = [(one.device_id, one.positions, round(one.nearest_m)) for one in passages(rows, PLACE, 100.0)]
    assert told == [("b", 2, 90), ("a", 2, 20)]


@pytest.mark.servers
def test_an_empty_city_has_no_vehicle_anywhere(database: AlertDatabase) -> None:
    assert fleet(database) == []
    assert near(database, PLACE, 1000.0, NOW) == []
    assert track(database, "car", NOW, NOW + MIN) == []
    assert passed(database, PLACE, 1000.0, NOW, NOW + MIN) == []


@pytest.mark.servers
def test_where_vehicles_are_and_were(database: AlertDatabase, tmp_path_factory: pytest.TempPathFactory) -> None:
    world = World(database, tmp_path_factory.mktemp("e"))
    world.rows("truncate position")
    for name, north_m, minute in (("near", 50, 5), ("far", 5000, 5), ("old", 10, -60)):
        world.device(name, "vehicle")
        at, lat = NOW + minute * MIN, PLACE[1] + north_m * M
        world.rows(
            "insert into device_health (device_id, kind, state, last_captured_at, lon, lat)"
            " values (%s, 'vehicle', 'online', %s, %s, %s)",
            (name, at, PLACE[0], lat),
        )
        world.rows(
            "insert into position (device_id, ts, received_at, lon, lat, raw_lon, raw_lat, crs, speed_mps)"
            " values (%s, %s, %s, %s, %s, 0, 0, 'wgs84', 3)",
            (name, at, at, PLACE[0], lat),
        )
    assert [one.device_id for one in fleet(database)] == ["far", "near", "old"]
    (found,) = near(database, PLACE, 100.0, NOW)
    assert (found.device_id, round(found.distance_m or 0)) == ("near", 50)
    assert [one.at for one in track(database, "near", NOW, NOW + 6 * MIN)] == [NOW + 5 * MIN]
    assert track(database, "near", NOW, NOW + 5 * MIN) == []  # the end is not within
    there = passed(database, PLACE, 100.0, NOW - 90 * MIN, NOW + 6 * MIN)
    assert [one.device_id for one in there] == ["old", "near"]


@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(1, 50_000), st.floats(0, 6.28), st.floats(0, 1))
def test_the_box_that_is_read_holds_the_whole_circle(
    lon: float, lat: float, radius_m: float, towards: float, share: float
) -> None:
    away = share * radius_m * M
    point = (lon + away * cos(towards) / cos(lat * 3.14159265 / 180), lat + away * sin(towards))
    if distance_m((lon, lat), point) <= radius_m:
        box = _box((lon, lat), radius_m)
        assert box["west"] <= point[0] <= box["east"]
        assert box["south"] <= point[1] <= box["north"]
