"""The simulated city: the pack's devices, a script with its truth, and everything published live."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec
import pytest

from alerts.deciding.place import zone_share
from config.pack import Pack, load_pack
from config.vision import VisionKnobs
from curbwatch.demo.report import DUE_DWELLS
from curbwatch.demo.setting import DWELL_S, GONE_S
from curbwatch.device import Client
from curbwatch.parts import Servers
from curbwatch.simulate.city import City, random_city
from curbwatch.simulate.demo import SCRIPT, demo_city
from curbwatch.simulate.painter import Painter
from curbwatch.simulate.script import EVENTS, Kind, place
from curbwatch.simulate.truth import Happening
from ingest.jpeg import inspect
from ingest.topics import TopicScheme
from schemas.errors import CurbwatchError
from schemas.units import ns_of
from tests.curbwatch.stub_intake import broker_of, stub_intake
from tests.schemas.test_wire import accepts

WEDNESDAY_NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)  # 12:00 in Ziyang: no permit of the pack is open
SATURDAY_NOON = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)  # the weekend permit of the square is


@cache
def pack() -> Pack:
    return load_pack(Path("yanjiang"))


@cache
def demo(start: datetime = WEDNESDAY_NOON) -> City:
    return demo_city(pack(), 7, start=start)


def small_pack() -> Pack:
    """The square and the collection point, and one vehicle of each kind."""
    cameras = {name: pack().cameras[name] for name in ("yj-cam-07", "yj-cam-08")}
    vehicles = {name: pack().vehicles[name] for name in ("yj-car-01", "yj-san-01", "yj-muck-03")}
    return replace(pack(), cameras=cameras, vehicles=vehicles)


def outside(city: City, found: tuple[Happening, ...]) -> list[Happening]:
    """What does not stand in a zone of its camera that looks for it."""
    return [
        item
        for item in found
        if not any(
            zone.name == item.zone
            and zone_share(item.bbox, zone.polygon) >= 0.9
            and (item.kind not in EVENTS or item.kind in zone.families)
            for zone in city.pack.cameras[item.camera_id].view.zones
        )
    ]


def test_an_empty_pack_is_an_empty_city() -> None:
    city = demo_city(replace(pack(), cameras={}, vehicles={}), 7)
    assert (city.devices, city.views, city.truth.events, city.truth.distractors) == ((), {}, (), ())


def test_the_city_has_the_packs_devices_in_its_order() -> None:
    names = [("camera", name) for name in pack().cameras] + [("vehicle", name) for name in pack().vehicles]
    assert list(demo().devices) == names
    assert [view.index for view in demo().views.values()] == list(range(8))


@pytest.mark.parametrize("seed", [1, 2, 7])
@pytest.mark.parametrize("make", [lambda seed: demo_city(pack(), seed), lambda seed: random_city(pack(), seed, 900.0)])
def test_nothing_is_put_outside_the_zones(make: Callable[[int], City], seed: int) -> None:
    city = make(seed)
    assert city.truth.events
    assert outside(city, (*city.truth.events, *city.truth.distractors)) == []


def test_what_no_zone_looks_for_is_not_put_down() -> None:
    """The zone at the bins looks for waste only."""
    site = demo().sites["yj-cam-07"]
    kinds: tuple[Kind, ...] = ("stall", "waste", "group")
    placed = [place(site.plan, site.plan.rng(1), kind, (20.0, 60.0), []) for kind in kinds]
    script = tuple(thing for thing in placed if thing is not None)
    assert len(script) == 3
    city = City(small_pack(), 7, {"yj-cam-07": script})
    kept = [thing.kind for thing in city.views["yj-cam-07"].script]
    assert "stall" not in kept
    assert "waste" in kept
    assert len(kept) == len(city.truth.events) + len(city.truth.distractors)


def test_the_same_seed_and_start_is_the_same_city() -> None:
    again = demo_city(pack(), 7, start=WEDNESDAY_NOON)
    assert (again.views, again.truth) == (demo().views, demo().truth)
    assert demo_city(pack(), 8, start=WEDNESDAY_NOON).views != demo().views


def test_the_demo_shows_a_job_before_second_45_and_leaves_time_to_learn() -> None:
    knobs = VisionKnobs(dwell_s=DWELL_S)
    learned_s = max(knobs.learn_s, demo().frame_period_s * knobs.sightings_min)
    events = [event for event in demo().truth.events if not event.permitted]
    assert min(event.appear_s for event in events) >= learned_s
    passes_s = knobs.propose_s + 2 * demo().frame_period_s
    assert sum(event.appear_s + DWELL_S + passes_s < 45 for event in events) >= 2
    assert 4 <= len({event.camera_id for event in events}) <= 6
    assert {event.kind for event in events} == {"stall", "waste"}
    assert {other.kind for other in demo().truth.distractors} == {"car", "bike", "group"}


def test_a_stall_and_a_heap_go_in_time_for_their_cases_to_close_within_a_minute() -> None:
    gone = [event for event in demo().truth.events if event.leave_s < 60 - GONE_S - 2 * demo().frame_period_s]
    assert {event.kind for event in gone} >= {"stall", "waste"}
    for event in gone:
        assert event.appear_s + DUE_DWELLS * DWELL_S <= event.leave_s


def test_a_stall_is_permitted_where_and_when_the_pack_says_so() -> None:
    permitted = [event for event in demo(SATURDAY_NOON).truth.events if event.permitted]
    assert [(event.camera_id, event.kind, event.zone) for event in permitted] == [("yj-cam-08", "stall", "square")]
    assert [event for event in demo().truth.events if event.permitted] == []
    assert (
        len(demo(SATURDAY_NOON).truth.events) == len(demo().truth.events) + 1 == sum(s.kind in EVENTS for s in SCRIPT)
    )


async def test_the_painter_draws_what_the_camera_draws() -> None:
    view = demo_city(small_pack(), 7).views["yj-cam-08"]
    async with Painter({"one": view}) as painter:
        jpegs = [await painter.jpeg("one", t) for t in (12.5, 3.0, 12.5)]
        camera = view.camera()
        assert jpegs == [camera.jpeg(t) for t in (12.5, 3.0, 12.5)]
        assert painter._child is not None
        child = painter._child
    assert child.returncode is not None


async def test_a_cancelled_request_leaves_nothing_to_the_next_one() -> None:
    view = demo_city(small_pack(), 7).views["yj-cam-08"]
    async with Painter({"one": view}) as painter:
        asked = asyncio.Event()

        def clock() -> float:
            asked.set()
            return 1.0

        first = asyncio.create_task(painter.live("one", clock))
        await asked.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert first.cancelled()
        jpeg = await painter.jpeg("one", 2.0)
        assert jpeg == await painter.jpeg("one", 2.0)
        assert jpeg != await painter.jpeg("one", 1.0)


async def test_a_painter_that_died_is_one_clean_error() -> None:
    async with Painter(demo_city(small_pack(), 7).views) as painter:
        assert painter._child is not None
        painter._child.kill()
        await painter._child.wait()
        with pytest.raises(CurbwatchError, match="the simulated cameras' process died"):
            await painter.jpeg("yj-cam-08", 0.0)


async def test_a_painter_whose_reader_left_ends_without_a_word() -> None:
    views = list(demo_city(small_pack(), 7).views.values())[:1]
    words = sys.executable, "-m", "curbwatch.simulate.painter"
    read, write = os.pipe()
    child = await asyncio.create_subprocess_exec(*words, stdin=-1, stdout=write, stderr=-1)
    os.close(write)
    os.close(read)
    _, said = await child.communicate(msgspec.json.encode(views) + b"\n0 1.0\n")
    assert (child.returncode, said) == (0, b"")


async def test_the_painter_does_not_outlive_a_killed_parent() -> None:
    program = """
import asyncio, sys
from curbwatch.simulate.painter import Painter
async def main():
    async with Painter({}) as painter:
        print(painter._child.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=-1)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    ended = os.pidfd_open(pid)
    try:
        gone = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(ended, gone.set_result, None)
        parent.send_signal(signal.SIGKILL)
        await asyncio.wait_for(gone, 20)
    finally:
        asyncio.get_running_loop().remove_reader(ended)
        os.close(ended)
        await parent.wait()


@pytest.mark.servers
async def test_the_city_is_published_live(servers: Servers) -> None:
    scheme = TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")
    city = demo_city(small_pack(), 7)
    before_ns = time.time_ns()
    async with (
        stub_intake(servers, scheme) as stub,
        Painter(city.views) as painter,
        Client(broker_of(servers), scheme, city.devices) as client,
    ):
        await painter.warm()
        sent = await city.run(client, painter, seconds=2.5, boot="b1")
        await client.flush()
        await stub.until(lambda: len(stub.frames) == sent["frames"] and len(stub.positions) == sent["positions"])
    after_ns = time.time_ns()
    # on a busy machine a turn may be left out, but nothing comes twice
    assert 2 <= sent["frames"] <= 3
    assert 4 <= sent["positions"] <= 7
    assert {device_id for device_id, _, _ in stub.frames} == set(city.sites)
    for device_id, payload, properties in stub.frames:
        ts_ns = ns_of(datetime.fromisoformat(properties["ts"]))
        assert before_ns < ts_ns < after_ns
        assert properties["boot"] == "b1"
        header = inspect(payload, max_bytes=2_000_000, max_pixels=8_300_000)
        assert (header.width, header.height) == (city.sites[device_id].pack.width, city.sites[device_id].pack.height)
    for device_id, items in stub.positions:
        assert len(items) == 1
        assert accepts("position", json.loads(json.dumps(items[0])))
        assert before_ns < ns_of(datetime.fromisoformat(items[0]["ts"])) < after_ns
        assert items[0]["crs"] == city.vehicles[device_id].pack.crs
    for device_id in city.vehicles:
        seqs = [items[0]["seq"] for name, items in stub.positions if name == device_id]
        assert seqs == list(range(len(seqs)))


@pytest.mark.servers
async def test_the_city_stops_when_told(servers: Servers) -> None:
    scheme = TopicScheme("city/v1", f"t{uuid.uuid4().hex[:8]}")
    city = City(replace(small_pack(), cameras={}), 7, {})
    stop = asyncio.Event()
    async with (
        stub_intake(servers, scheme) as stub,
        Painter(city.views) as painter,
        Client(broker_of(servers), scheme, city.devices) as client,
    ):
        running = asyncio.create_task(city.run(client, painter, stop=stop))
        await stub.until(lambda: len(stub.positions) >= 3)
        stop.set()
        sent = await running
    assert sent["positions"] >= 3
