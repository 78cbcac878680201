"""Simulated pictures: the same of the same, and what the truth says is what is drawn."""

import json
from functools import cache
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curbwatch.simulate.actors import draw, things
from curbwatch.simulate.clips import clip
from curbwatch.simulate.plan import Plan, plan_view
from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import LABELS, Kind, Placement, find_place, place, random_script
from curbwatch.simulate.sprite import Image, Shop
from curbwatch.simulate.truth import happenings, recording, truth_of
from curbwatch.simulate.weather import WEATHERS, Weather, light
from curbwatch.tuning.recording import read_recording
from schemas.errors import UsageError

SIZE = (640, 360)
CHANGED_GREY = 40


@cache
def shop() -> Shop:
    return Shop(draw)


@cache
def plan(index: int) -> Plan:
    return plan_view(3, index, SIZE)


def put(index: int, kind: Kind, label: str, appear_s: float = 20.0, leave_s: float = 60.0) -> Placement:
    placed = place(plan(index), plan(index).rng(99), kind, (appear_s, leave_s), [], label=label)
    assert placed is not None
    return placed


@cache
def scene(kind: Kind, label: str) -> Camera:
    return Camera(plan(6), (put(6, kind, label),), "dull", "cam", shop())


def grey_change(camera: Camera, t: float) -> Image:
    shown, missing = camera.pixels(t), camera.pixels(t, without=frozenset({0}))
    return np.asarray(cv2.absdiff(shown, missing).max(axis=2) > CHANGED_GREY, np.uint8)


def test_an_empty_script_draws_an_empty_street() -> None:
    camera = Camera(plan(6), (), "dull", shop=shop())
    picture = camera.pixels(0.0)
    assert picture.shape == (360, 640, 3)
    assert picture.dtype == np.uint8
    assert truth_of(()).events == ()


@pytest.mark.parametrize("size", [(640, 480), (0, 0), (144, 81)])
def test_another_shape_of_picture_is_one_clean_error(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="16:9"):
        plan_view(1, 0, size)


def test_the_same_moment_is_the_same_bytes_in_any_order_and_of_any_camera() -> None:
    script = (put(6, "stall", "cart"),)
    one, other = (
        Camera(plan(6), script, "exposure", "cam", shop()),
        Camera(plan_view(3, 6, SIZE), script, "exposure", "cam"),
    )
    times = [30.0, 0.25, 1234.5, 21.0]
    forth = {t: one.jpeg(t) for t in times}
    back = {t: other.jpeg(t) for t in reversed(times)}
    assert forth == back
    assert len(set(forth.values())) == len(times)


def test_another_seed_is_another_street() -> None:
    other = Camera(plan_view(4, 6, SIZE), (), "dull", "cam", shop())
    assert other.jpeg(5.0) != Camera(plan(6), (), "dull", "cam", shop()).jpeg(5.0)


@pytest.mark.parametrize("label", LABELS["waste"])
def test_the_box_of_waste_is_where_the_waste_is(label: str) -> None:
    camera = scene("waste", label)
    (event,) = truth_of(happenings("cam", camera.plan, camera.script)).events
    x, y, width, height = event.bbox
    changed = grey_change(camera, 40.0)
    assert changed[y : y + height, x : x + width].mean() > 0.2
    ys, xs = np.nonzero(changed)
    slack = 6 + width // 4  # its shadow
    assert x - slack <= xs.min()
    assert xs.max() <= x + width + slack
    assert y - slack <= ys.min()
    assert ys.max() <= y + height + slack


@pytest.mark.parametrize("label", LABELS["stall"])
def test_the_box_of_a_stall_is_where_the_stall_is(label: str) -> None:
    camera = scene("stall", label)
    (event,) = truth_of(happenings("cam", camera.plan, camera.script)).events
    x, y, width, height = event.bbox
    changed = grey_change(camera, 22.0)
    assert changed[y : y + height, x : x + width].mean() > 0.25


@pytest.mark.parametrize(("t", "there"), [(5.0, False), (11.9, False), (40.0, True), (70.0, False)])
def test_a_thing_is_there_from_its_time_to_its_time(t: float, there: bool) -> None:
    camera = scene("waste", "heap")
    (event,) = truth_of(happenings("cam", camera.plan, camera.script)).events
    x, y, width, height = event.bbox
    assert (grey_change(camera, t)[y : y + height, x : x + width].mean() > 0.2) == there


@given(st.integers(0, 500), st.integers(0, 40))
@settings(max_examples=25)
def test_scripts_keep_to_the_pavements(seed: int, index: int) -> None:
    layout = plan_view(seed, index, SIZE)
    script = random_script(layout, 3600, per_hour=60, stay_s=(60, 300))
    for placed in script:
        area = layout.pavements[placed.zone]
        assert area.x0 <= placed.x_m <= area.x1
        assert area.z0 <= placed.z_m <= area.z1
        assert placed.label in LABELS[placed.kind]
        assert placed.leave_s - placed.appear_s <= 300
    assert script == random_script(plan_view(seed, index, SIZE), 3600, per_hour=60, stay_s=(60, 300))


def test_a_clip_without_kinds_puts_nothing_down() -> None:
    assert clip(5, kinds=()).truth == truth_of(())
    assert clip(5, kinds=()).camera.script == ()


def test_a_clip_of_no_seconds_has_no_frames() -> None:
    assert list(clip(5, seconds=0, size=SIZE).jpegs()) == []


def test_a_clip_has_the_kinds_it_was_asked_for() -> None:
    kinds = {placed.kind for seed in range(20) for placed in clip(seed, kinds=("waste", "bike")).camera.script}
    assert kinds == {"waste", "bike"}


def test_what_is_written_as_a_recording_is_read_as_one(tmp_path: Path) -> None:
    layout = plan(6)
    script = (
        put(6, "stall", "tarp", 3.0, 9.0),
        put(6, "waste", "bag", 5.0, 1e9),
        put(6, "bike", "scooter", 2.0, 4.0),
        put(6, "waste", "heap", 500.0, 600.0),
    )
    truth = truth_of(happenings("cam", layout, script))
    camera = Camera(layout, (), "dull", shop=shop())
    for k in range(6):
        (tmp_path / f"{k:04d}.jpg").write_bytes(camera.jpeg(k * 2.0))
    facts = recording(truth, layout, media="*.jpg", period_s=2.0, seconds=12.0)
    (tmp_path / "recording.json").write_text(json.dumps(facts))
    read = read_recording(tmp_path)
    assert (read.size, read.apart_s, read.own_time) == (SIZE, 2.0, True)
    assert [zone.name for zone in read.zones] == list(layout.zones())
    assert [(event.kind, event.label, event.first_frame, event.last_frame) for event in read.events] == [
        ("stall", "tarp", 2, 4),
        ("waste", "bag", 3, 5),
    ]
    assert [event.box for event in read.events] == [event.bbox for event in truth.events[:2]]
    assert [jpeg for _, jpeg in read.frames()] == [camera.jpeg(k * 2.0) for k in range(6)]


def test_a_recording_of_nothing_is_read_as_one(tmp_path: Path) -> None:
    facts = recording(truth_of(()), plan(6), media="*.jpg", period_s=1.0, seconds=0.0)
    (tmp_path / "recording.json").write_text(json.dumps(facts))
    read = read_recording(tmp_path)
    assert (read.events, list(read.frames())) == ((), [])


@given(st.sampled_from(WEATHERS), st.integers(0, 9), st.floats(-1e4, 1e6))
def test_light_stays_within_what_a_camera_shows(weather: str, seed: int, t: float) -> None:
    now = light(next(kind for kind in WEATHERS if kind == weather), (seed, 0), t)
    assert 0 <= now.sun <= 1
    assert 0.7 < now.gain < 1.4
    assert abs(now.warm) <= 0.03


def test_every_kind_has_its_labels() -> None:
    assert set(LABELS) == set(get_args(Kind))


HARD = sorted({*get_args(Weather)} - {*WEATHERS})


def fresh(weather: Weather) -> Camera:
    return Camera(plan_view(3, 4, (320, 180)), (), weather, "cam", shop())


sky = cache(fresh)


@pytest.mark.parametrize("weather", HARD)
def test_hard_weather_draws_the_same_moment_twice_alike(weather: Weather) -> None:
    assert sky(weather).jpeg(700.0) == fresh(weather).jpeg(700.0)


@pytest.mark.parametrize("weather", HARD)
def test_hard_weather_looks_unlike_a_dull_day(weather: Weather) -> None:
    dull, hard = (sky(kind).pixels(900.0).astype(int) for kind in ("dull", weather))
    assert np.abs(dull - hard).mean() > 3.0


def test_an_infrared_picture_has_no_colour_and_a_night_is_dark() -> None:
    infrared, night, day = (sky(kind).pixels(60.0) for kind in ("infrared", "night", "day"))
    assert (infrared == infrared[..., :1]).all()
    assert night.mean() < 0.5 * day.mean()


def test_the_edge_of_a_shade_creeps() -> None:
    camera = sky("shadow")
    early, soon, late = (camera.pixels(t).astype(int) for t in (0.0, 4.0, 900.0))
    assert (np.abs(early - soon).max(axis=2) > 60).mean() < 0.02
    assert (np.abs(early - late).max(axis=2) > 40).mean() > 0.05


def test_cars_have_their_lamps_on_at_night_and_parked_ones_have_not() -> None:
    parked = put(4, "car", "car", -60.0, 9000.0)
    found = things(plan(4), (parked,), 100.0)
    assert {thing.lit for thing in found if thing.x_m == parked.x_m} == {False}
    passing = [thing for t in range(0, 400, 7) for thing in things(plan(4), (), float(t)) if thing.name[:3] == "car"]
    assert {thing.lit for thing in passing} == {True}


def test_what_stood_there_before_the_first_frame_is_no_event() -> None:
    script = (put(6, "waste", "boxes", -60.0, 100.0), put(6, "stall", "cart", -60.0, 9000.0))
    facts = recording(truth_of(happenings("c", plan(6), script)), plan(6), media="*.jpg", period_s=2.0, seconds=200.0)
    assert facts["events"] == []
    assert facts["standing_objects"][0]["gone_by_frame"] == 50
    assert "gone_by_frame" not in facts["standing_stalls"][0]


def test_things_can_be_asked_for_far_away() -> None:
    spot = find_place(plan(4), plan(4).rng(98), "waste", [], px_m=(30.0, 45.0))
    assert spot is not None
    assert 30.0 * plan(4).unit <= plan(4).lens.scale(spot[1]) <= 45.0 * plan(4).unit
