"""Simulated vehicles drive as vehicles do, and their terminals say what terminals say."""

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.place import distance_m
from config.pack import Pack, load_pack
from curbwatch.simulate.streets import Streets, bearing_deg, lay_streets, moved, off_m, round_trip
from curbwatch.simulate.vehicles import ERROR_MAX_M, Vehicle, fleet
from ingest.crs import to_wgs84
from schemas.city import GridCell
from schemas.errors import UsageError
from tests.schemas.test_wire import accepts

SEEDS = st.integers(0, 50)
MOMENTS = st.floats(-1e4, 1e6)
STAMP = "2026-05-04T07:30:00+08:00"
LIMIT_KMH = 33.0
NEAR = 1e-6


@cache
def pack() -> Pack:
    return load_pack(Path("yanjiang"))


@cache
def streets() -> Streets:
    return lay_streets(pack().city.cells.values())


@cache
def vehicles(seed: int) -> tuple[Vehicle, ...]:
    return tuple(fleet(pack(), seed).values())


VEHICLES = st.tuples(SEEDS, st.integers(0, 11)).map(lambda pick: vehicles(pick[0])[pick[1]])


def test_a_pack_without_vehicles_has_no_fleet() -> None:
    assert fleet(replace(pack(), vehicles={}), 1) == {}


def test_a_pack_without_cells_has_no_streets() -> None:
    with pytest.raises(UsageError, match="no cells"):
        lay_streets([])


def test_every_vehicle_of_the_pack_drives() -> None:
    assert [vehicle.pack.device_id for vehicle in vehicles(1)] == list(pack().vehicles)
    assert {vehicle.period_s for vehicle in vehicles(1)} == {1.0, 2.0, 3.0}


def test_streets_are_the_borders_of_cells_in_both_directions() -> None:
    square = ((0.0, 0.0), (0.001, 0.0), (0.001, 0.001), (0.0, 0.001), (0.0, 0.0))
    beside = tuple((lon + 0.001, lat) for lon, lat in square)
    alone = tuple((lon + 0.1, lat) for lon, lat in square)
    found = lay_streets(GridCell(str(k), "", shape) for k, shape in enumerate((square, alone, beside)))
    assert len(found.nodes) == 6
    assert len(found.edges) == 7
    assert all((here, length) in found.ways[there] for here, ways in enumerate(found.ways) for there, length in ways)


@given(st.data())
def test_no_way_is_shorter_than_the_shortest(data: st.DataObject) -> None:
    count = len(streets().nodes)
    start, end = (data.draw(st.integers(0, count - 1)) for _ in range(2))
    way = streets().shortest(start, end)
    assert (way[0], way[-1]) == (start, end)
    length_m = sum(dict(streets().ways[here])[there] for here, there in pairwise(way))
    best = np.full(count, np.inf)
    best[start] = 0.0
    for _ in range(count):  # Bellman and Ford: slow, and obviously right
        for here, ways in enumerate(streets().ways):
            for there, step in ways:
                best[there] = min(best[there], best[here] + step)
    assert length_m == pytest.approx(best[end])


@given(SEEDS)
def test_a_round_trip_follows_streets_and_ends_where_it_starts(seed: int) -> None:
    route = round_trip(streets(), np.random.default_rng(seed))
    edges = {frozenset(edge) for edge in streets().edges}
    assert all(frozenset(step) in edges for step in pairwise(route.points))
    assert route.points[0] == route.points[-1]
    assert len(route.stops) == 7
    assert route.stops[-1] == len(route.points) - 1
    assert list(route.at_m) == sorted(route.at_m)


@given(VEHICLES, MOMENTS)
def test_a_moment_can_be_asked_for_in_any_order(vehicle: Vehicle, t: float) -> None:
    said = vehicle.position(t, ts=STAMP, boot="b", seq=1)
    vehicle.at(t + 77)
    vehicle.at(t - 5)
    again = Vehicle(vehicle.pack, streets(), vehicle._seed[0])
    assert again.position(t, ts=STAMP, boot="b", seq=1) == said


@given(VEHICLES, MOMENTS)
def test_vehicles_stay_on_streets_but_for_the_receivers_error(vehicle: Vehicle, t: float) -> None:
    fix = vehicle.at(t)
    assert min(off_m(fix.where, edge) for edge in streets().edges) < 0.01
    assert distance_m(fix.where, fix.seen) <= ERROR_MAX_M + NEAR


@given(VEHICLES, MOMENTS, st.floats(0.05, 3.0))
def test_nobody_is_faster_than_the_street_and_nobody_jumps(vehicle: Vehicle, t: float, step_s: float) -> None:
    one, other = vehicle.at(t), vehicle.at(t + step_s)
    assert 0 <= one.speed_mps <= LIMIT_KMH / 3.6
    assert distance_m(one.where, other.where) <= LIMIT_KMH / 3.6 * step_s + 0.01
    assert abs(one.speed_mps - other.speed_mps) <= 1.3 * step_s + 0.01


@given(VEHICLES, MOMENTS)
def test_speed_and_heading_are_those_of_the_motion(vehicle: Vehicle, t: float) -> None:
    before, here, after = (vehicle.at(t + shift_s) for shift_s in (-0.1, 0.0, 0.1))
    if not before.heading_deg == here.heading_deg == after.heading_deg or here.speed_mps < 1:
        return  # at a bend, or standing
    moved_m = distance_m(before.where, after.where)
    assert moved_m / 0.2 == pytest.approx(here.speed_mps, abs=0.2)
    turn = (bearing_deg(before.where, after.where) - here.heading_deg + 180) % 360 - 180
    assert abs(turn) < 3


@given(VEHICLES, MOMENTS)
def test_trucks_are_covered_on_the_way_and_tip_where_they_stop(vehicle: Vehicle, t: float) -> None:
    fix = vehicle.at(t)
    if vehicle.pack.kind != "muck":
        assert (fix.lift, fix.cover, fix.load) == (None, None, None)
        return
    assert fix.load is not None
    assert 0 <= fix.load <= 1
    assert not (fix.lift and fix.speed_mps > 0)
    assert not (fix.lift and fix.cover)
    if fix.speed_mps > 0:
        assert fix.load in {0.0, 1.0}
        assert fix.cover == (fix.load > 0 and not vehicle._careless)


def test_a_truck_loads_and_tips_on_its_round() -> None:
    truck = next(vehicle for vehicle in vehicles(1) if vehicle.pack.kind == "muck")
    fixes = [truck.at(t) for t in np.arange(0, truck.drive.lap_s, 5.0)]
    assert {fix.lift for fix in fixes} == {False, True}
    assert {fix.load for fix in fixes} > {0.0, 1.0}


@given(VEHICLES, MOMENTS, st.integers(0, 2**40))
def test_a_terminal_says_what_the_wire_allows(vehicle: Vehicle, t: float, seq: int) -> None:
    said = vehicle.position(t, ts=STAMP, boot="b-1", seq=seq)
    assert accepts("position", json.loads(json.dumps(said)))
    assert (said["seq"], said["boot"], said["ts"]) == (seq, "b-1", STAMP)
    assert ("lift" in said) == (vehicle.pack.kind == "muck")


@given(SEEDS, MOMENTS)
def test_a_gcj02_terminal_sends_gcj02(seed: int, t: float) -> None:
    vehicle = next(vehicle for vehicle in vehicles(seed) if vehicle.pack.crs == "gcj02")
    said = vehicle.position(t, ts=STAMP, boot="b", seq=0)
    assert said["crs"] == "gcj02"
    sent = said["lon"], said["lat"]
    assert distance_m(sent, vehicle.at(t).where) > 300  # GCJ-02 is 392 m off here
    lon, lat = to_wgs84(np.array([sent[0]]), np.array([sent[1]]), "gcj02")
    assert distance_m((float(lon[0]), float(lat[0])), vehicle.at(t).where) < ERROR_MAX_M + 0.05


def test_a_system_that_cannot_be_spoken_is_one_clean_error() -> None:
    vehicle = replace(next(iter(pack().vehicles.values())), crs="bd09")
    with pytest.raises(UsageError, match=r"yj-car-01: a simulated terminal speaks .* not bd09"):
        Vehicle(vehicle, streets(), 1)


@given(st.floats(-180, 180), st.floats(-60, 60), st.floats(-50, 50), st.floats(-50, 50))
def test_moving_goes_as_far_as_said(lon: float, lat: float, east_m: float, north_m: float) -> None:
    there = moved((lon, lat), east_m, north_m)
    assert distance_m((lon, lat), there) == pytest.approx(np.hypot(east_m, north_m), rel=1e-3, abs=1e-3)
