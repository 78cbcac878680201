"""A rendered street and everything that can befall its camera: each is told by its own name, and nothing opens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from config.vision import VisionKnobs
from curbwatch.simulate.clips import clip
from detectors.vision import VisionDetector, structure
from detectors.vision.health import OK
from schemas.detections import Detections, SceneState
from schemas.frame import FrameBatch
from schemas.place import CameraView, ImageZone
from tests.detectors.street import CAMERA, NATIVE, START_NS, Street, Thing, as_bytes, standing

Picture = NDArray[np.uint8]
Fault = Callable[[int], Picture]

PERIOD_S = 4.0
LEARN = 14  # frames
SIZE, MARGIN = (400, 225), (40, 22)  # drawn larger than shown, so that the camera can be turned
KNOBS = VisionKnobs(dwell_s=60.0)
RNG_SEED = 7


@cache
def drawn(seed: int) -> tuple[Picture, ...]:
    """Frames of a street in which nothing is put down, rendered once."""
    frames = clip(seed, seconds=PERIOD_S * (LEARN + 10), period_s=PERIOD_S, kinds=(), weather="day", size=SIZE)
    return tuple(picture for _, picture in frames.pixels())


def view(k: int, across: int = 0, down: int = 0, seed: int = 701) -> Picture:
    """(180, 320, 3) frame ``k``, the camera turned by so many px, as it comes out of a JPEG."""
    y, x = MARGIN[1] + down, MARGIN[0] + across
    return jpeg(drawn(seed)[k % (LEARN + 10)][y : y + 180, x : x + 320])


def jpeg(picture: Picture, quality: int = 85) -> Picture:
    coded = cv2.imencode(".jpg", np.ascontiguousarray(picture), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def one(picture: Picture, k: int, *, preset: str = "", size: tuple[int, int] = (1280, 720)) -> FrameBatch:
    return FrameBatch(
        (CAMERA,),
        np.asarray([START_NS + round(k * PERIOD_S * 1e9)], np.int64),
        picture[None],
        np.asarray([size], np.int32),
        np.asarray([hash(picture.tobytes()) & 0xFFFFFFFF], np.uint32),
        (preset,),
    )


@cache
def learned() -> bytes:
    by = VisionDetector(KNOBS, {})
    for k in range(LEARN):
        by.step(one(view(k), k))
    return by.snapshot(CAMERA)


def after(fault: Fault, frames: int = 10) -> list[SceneState]:
    """States of the frames that follow when the fault befalls a camera that knows its street."""
    by = VisionDetector(KNOBS, {})
    by.restore(CAMERA, learned())
    found = [by.step(one(fault(k), k)) for k in range(LEARN, LEARN + frames)]
    assert all(len(step) == 0 for step in found)
    return [SceneState(int(step.scene[0])) for step in found]


def clock(picture: Picture, k: int) -> Picture:
    out = picture.copy()
    cv2.rectangle(out, (4, 3), (120, 16), (0, 0, 0), cv2.FILLED)
    cv2.putText(out, f"07:{k % 60:02d}:{k * 7 % 60:02d}", (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
    return out


def plain(*colour: int) -> Picture:
    return np.full((180, 320, 3), colour, np.uint8)


def green_below(k: int) -> Picture:
    out = view(k)
    out[70:] = (0, 135, 0)
    return out


def snow(k: int) -> Picture:
    return np.random.default_rng(k).integers(0, 256, (180, 320, 1)).astype(np.uint8).repeat(3, axis=2)


def no_video(_: int) -> Picture:
    out = plain(18, 18, 18)
    cv2.putText(out, "No Video", (110, 95), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (220, 220, 220), 1, cv2.LINE_AA)
    return jpeg(out)


def bars(_: int) -> Picture:
    colours = np.asarray([(255, 255, 255), (0, 255, 255), (255, 255, 0), (0, 255, 0), (255, 0, 255), (0, 0, 255)])
    return jpeg(colours[np.arange(320) * 6 // 320][None].repeat(180, axis=0).astype(np.uint8))


def out_of_focus(k: int) -> Picture:
    return np.asarray(cv2.GaussianBlur(view(k), (0, 0), 2.5), np.uint8)


def drops(k: int) -> Picture:
    picture, rng = view(k), np.random.default_rng(RNG_SEED)
    mask = np.zeros((180, 320), np.uint8)
    for _ in range(16):
        centre = int(rng.integers(20, 300)), int(rng.integers(60, 165))
        cv2.circle(mask, centre, int(rng.integers(14, 30)), 255, cv2.FILLED)
    share = np.asarray(cv2.GaussianBlur(mask, (0, 0), 3), np.float32)[..., None] / 255
    return np.asarray(picture * (1 - share) + cv2.GaussianBlur(picture, (0, 0), 8) * share, np.uint8)


def sprayed(k: int) -> Picture:
    rng = np.random.default_rng(k)
    blots = cv2.resize(np.random.default_rng(RNG_SEED).normal(60, 12, (6, 10)), (320, 180))
    return np.clip(np.asarray(blots)[..., None] + rng.normal(0, 2, (180, 320, 3)), 0, 255).astype(np.uint8)


def infrared(k: int) -> Picture:
    grey = np.asarray(cv2.cvtColor(view(k), cv2.COLOR_BGR2GRAY), np.float32)
    return jpeg(np.clip((grey - 110) * 0.8 + 120, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2))


FAULTS: tuple[tuple[str, Fault, set[SceneState]], ...] = (
    ("black but for its caption", lambda k: clock(plain(0, 0, 0), k), {SceneState.BLACK}),
    ("white", lambda _: plain(252, 252, 252), {SceneState.WHITE}),
    ("green", lambda _: plain(0, 135, 0), {SceneState.FLAT}),
    ("green below", green_below, {SceneState.FLAT}),
    ("snow", snow, {SceneState.NOISE}),
    ("no video", no_video, {SceneState.CARD}),
    ("colour bars", bars, {SceneState.CARD}),
    ("too dark", lambda k: (view(k) * 0.12).astype(np.uint8), {SceneState.DARK, SceneState.BLACK}),
    ("out of focus", out_of_focus, {SceneState.BLURRED}),
    ("rain drops", drops, {SceneState.BLURRED}),
    ("sprayed", sprayed, {SceneState.COVERED}),
    ("turned a little", lambda k: view(k, 5, 2), {SceneState.MOVED}),
    ("turned", lambda k: view(k, 36, 10), {SceneState.MOVED}),
    ("another street", lambda k: view(k, seed=706), {SceneState.MOVED}),
    ("infra-red", infrared, {SceneState.LIGHT}),
)


@pytest.mark.parametrize(("fault", "names"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_each_fault_has_its_name_and_opens_nothing(fault: Fault, names: set[SceneState]) -> None:
    states = after(fault)
    told = [state for state in states if state not in {SceneState.OK, SceneState.WARMING}]
    assert told
    assert set(told) <= names


def test_a_healthy_street_is_well_also_in_another_exposure() -> None:
    assert set(after(view)) == {SceneState.OK}
    assert set(after(lambda k: np.clip(view(k) * 1.3, 0, 255).astype(np.uint8))) == {SceneState.OK}
    assert set(after(lambda k: (view(k) * 0.75).astype(np.uint8))) == {SceneState.OK}


def test_a_picture_that_stands_still_but_for_its_clock_is_frozen() -> None:
    states = after(lambda k: jpeg(clock(view(3), k)))
    assert states[3:] == [SceneState.FROZEN] * 7


def test_a_clock_in_the_middle_of_a_picture_that_stands_still_does_not_hide_the_street() -> None:
    def shown(k: int) -> Picture:
        picture = view(3)
        picture[90:94, 4 * k % 300 : 4 * k % 300 + 3] ^= 40
        return picture

    assert set(after(shown)) == {SceneState.OK}


def test_a_picture_that_is_coded_anew_each_time_is_told_of_and_used() -> None:
    by, picture = VisionDetector(KNOBS, {}), view(3)
    told = []
    for k in range(30):
        picture = jpeg(picture, 85)
        faint = picture.copy()
        faint[28:152:8, 4::8] ^= 2 * (k % 2)  # what another encoder would make of it
        at_ns = np.asarray([START_NS + k * 60 * 10**9], np.int64)
        state = int(by.step(replace(one(faint, 0), captured_ns=at_ns)).scene[0])
        assert state in {SceneState.OK, SceneState.WARMING}
        told.append(by.readings.get(CAMERA, OK).state)
    assert told[-1] == SceneState.FROZEN
    assert SceneState.FROZEN not in told[:15]


def test_what_is_put_down_in_a_street_that_was_still_for_long_is_seen() -> None:
    by, quiet = VisionDetector(KNOBS, {}), replace(EAST, noise=0.5, things=(Thing((60, 40, 12, 12), 2400.0),))
    for k in range(120):
        found = by.step(at(quiet, 30.0 * k, ""))
        if k == 79:
            assert by.readings[CAMERA].state is SceneState.FROZEN
    assert standing(found) == 1


def test_a_late_frame_changes_nothing_of_what_was_the_matter() -> None:
    by = VisionDetector(KNOBS, {})
    by.restore(CAMERA, learned())
    for k, picture in enumerate((no_video(0), no_video(0), view(0), no_video(0))):
        late = 10 if k == 2 else 0
        state = by.step(one(picture, LEARN + k - late)).scene[0]
        assert state == (SceneState.LATE if late else SceneState.CARD)


def test_a_card_that_is_sent_again_byte_for_byte_stays_a_card() -> None:
    assert set(after(no_video)) == {SceneState.CARD}


def test_from_pictures_of_no_street_nothing_is_learned() -> None:
    by = VisionDetector(KNOBS, {})
    for k in range(20):
        assert by.step(one(no_video(k), k)).scene.tolist() == [SceneState.CARD]
    assert by.step(one(view(20), 20)).scene.tolist() == [SceneState.WARMING]


def test_how_far_it_was_turned_is_in_the_note() -> None:
    by = VisionDetector(KNOBS, {})
    by.restore(CAMERA, learned())
    by.step(one(view(LEARN, 6, 4), LEARN))
    reading = by.readings[CAMERA]
    assert (reading.state, reading.note) == (SceneState.MOVED, "the picture lies 6 px left and 4 px up")


@given(arrays(np.uint8, (30, 40, 3)), st.sampled_from([0, 40, 200, 255]))
@settings(max_examples=40, deadline=None)
def test_no_picture_whatever_is_an_error(pixels: Picture, level: int) -> None:
    by = VisionDetector(KNOBS, {})
    for k, picture in enumerate([pixels, np.full_like(pixels, level), pixels[::-1].copy(), pixels]):
        assert len(by.step(one(picture, k, size=(40, 30)))) == 0


@given(st.integers(1, 30), st.floats(0.3, 2.0))
@settings(max_examples=30, deadline=None)
def test_light_does_not_change_the_agreement_of_a_view_with_itself(seed: int, gain: float) -> None:
    rng = np.random.default_rng(seed)
    coarse = np.asarray(cv2.resize(rng.uniform(60, 110, (18, 32)), (320, 180), interpolation=cv2.INTER_NEAREST))
    picture = np.concatenate([coarse, np.full((90, 320), 128.0)])[None]
    lit = (picture * gain).astype(np.uint8)
    seen, known = (structure.slopes(p.astype(np.uint8), (180, 320)) for p in (lit, picture))
    assert structure.agreement(seen, known)[0] > 0.9


# Views and presets, on the small made-up street.
THING = Thing((60, 40, 24, 20), start_s=40.0)
EAST, WEST = Street((THING,), seed=0), Street(seed=3)


def at(street: Street, t_s: float, preset: str) -> FrameBatch:
    picture = street.at(t_s)
    return FrameBatch(
        (CAMERA,),
        np.asarray([START_NS + round(t_s * 1e9)], np.int64),
        picture[None],
        np.asarray([NATIVE], np.int32),
        np.asarray([hash(picture.tobytes()) & 0xFFFFFFFF], np.uint32),
        (preset,),
    )


def patrol(
    by: VisionDetector, turns: Sequence[tuple[Street, str, float]], *, from_s: float = 0.0
) -> Iterator[Detections]:
    """Steps of a camera that shows each view for so many seconds."""
    t_s = from_s
    for street, preset, lasts_s in turns:
        for _ in range(round(lasts_s / PERIOD_S)):
            yield by.step(at(street, t_s, preset))
            t_s += PERIOD_S


def test_a_preset_that_was_seen_before_is_not_learned_again_and_what_stands_there_is_the_same_thing() -> None:
    by = VisionDetector(KNOBS, {})
    first = list(patrol(by, [(EAST, "east", 160.0)]))[-1]
    assert standing(first) == 1
    away = list(patrol(by, [(WEST, "west", 120.0)], from_s=160.0))
    assert all(len(found) == 0 for found in away)
    back = list(patrol(by, [(EAST, "east", 40.0)], from_s=280.0))
    assert {int(found.scene[0]) for found in back} == {SceneState.OK}
    assert standing(back[-1]) == 1
    assert back[-1].track_id.tolist() == first.track_id.tolist()
    again = list(patrol(by, [(WEST, "west", 40.0)], from_s=320.0))
    assert {int(found.scene[0]) for found in again} == {SceneState.OK}


def test_a_restart_forgets_no_preset() -> None:
    turns = [(EAST, "east", 160.0), (WEST, "west", 120.0), (EAST, "east", 80.0)]
    whole = [as_bytes(found) for found in patrol(VisionDetector(KNOBS, {}), turns)]
    before, later = VisionDetector(KNOBS, {}), VisionDetector(KNOBS, {})
    parts = [as_bytes(found) for found in patrol(before, turns[:2])]
    later.restore(CAMERA, before.snapshot(CAMERA))
    parts += [as_bytes(found) for found in patrol(later, turns[2:], from_s=280.0)]
    assert parts == whole


def test_views_beyond_the_fourth_are_given_up_oldest_first() -> None:
    by = VisionDetector(KNOBS, {})
    turns = [(Street(seed=k), f"view-{k}", 60.0) for k in range(6)]
    for _ in patrol(by, turns):
        pass
    back = list(patrol(by, [(Street(seed=3), "view-3", 8.0), (Street(seed=0), "view-0", 8.0)], from_s=360.0))
    states = [SceneState(int(found.scene[0])) for found in back]
    assert states == [SceneState.OK, SceneState.OK, SceneState.WARMING, SceneState.WARMING]
    assert by.bytes_per_camera() <= 400_000


def test_zones_count_in_their_own_view_and_a_view_without_zones_is_said_to_be_none() -> None:
    families = frozenset({"stall", "waste"})
    zones = (ImageZone("all", ((0, 0), (640, 0), (640, 384), (0, 384)), families, "east"),)
    by = VisionDetector(KNOBS, {CAMERA: CameraView(CAMERA, zones)})
    assert standing(list(patrol(by, [(EAST, "east", 160.0)]))[-1]) == 1
    away = list(patrol(by, [(WEST, "west", 20.0)], from_s=160.0))
    assert {int(found.scene[0]) for found in away} == {SceneState.PRESET}
    assert by.readings[CAMERA].note == "no zone is drawn in view 'west'"


def test_a_camera_that_calls_one_view_by_the_name_of_another_is_found_out() -> None:
    by = VisionDetector(KNOBS, {})
    for _ in patrol(by, [(EAST, "east", 80.0), (WEST, "west", 80.0)]):
        pass
    wrong = list(patrol(by, [(EAST, "west", 20.0)], from_s=160.0))
    assert {int(found.scene[0]) for found in wrong} == {SceneState.PRESET}
    assert by.readings[CAMERA].note == "named west, looks like east"


def test_a_camera_that_names_no_view_and_is_turned_back_goes_on_with_what_it_knew() -> None:
    by = VisionDetector(KNOBS, {})
    first = list(patrol(by, [(EAST, "", 160.0)]))[-1]
    for _ in patrol(by, [(WEST, "", 240.0)], from_s=160.0):
        pass
    back = list(patrol(by, [(EAST, "", 40.0)], from_s=400.0))
    assert [SceneState(int(found.scene[0])) for found in back[2:]] == [SceneState.OK] * 8
    assert back[-1].track_id.tolist() == first.track_id.tolist()
    assert [adoption.reason for adoption in by.drain()] == ["relearned", "recalled"]
