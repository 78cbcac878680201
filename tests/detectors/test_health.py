"""A rendered street and everything that can befall its camera: each is told by its own name, and nothing opens."""

from collections.abc import Callable
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
from detectors.vision import VisionDetector, bank_views, structure
from detectors.vision.camera import Camera, begin
from detectors.vision.health import OK
from schemas.detections import SceneState
from schemas.frame import FrameBatch
from tests.detectors.street import CAMERA, START_NS, Street, Thing, standing
from tests.detectors.street import one as small

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
    by, quiet = VisionDetector(KNOBS, {}), Street((Thing((60, 40, 12, 12), 2400.0),), noise=0.5)
    for k in range(120):
        found = by.step(small(quiet, 30.0 * k))
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


def test_references_that_never_fit_are_not_taken_over_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_over(camera: Camera, frame: Picture, _: VisionKnobs) -> bool:
        begin(camera, frame)
        camera.arena.state["trained"][camera.slot] = True
        return True

    monkeypatch.setattr(bank_views, "take_over", take_over)
    by = VisionDetector(KNOBS, {})
    by.restore(CAMERA, learned())
    pictures = [view(LEARN), infrared(LEARN)]
    states = [SceneState(int(by.step(one(pictures[k % 2], k)).scene[0])) for k in range(LEARN + 1, LEARN + 6)]
    assert states == [SceneState.WARMING] * 3 + [SceneState.LIGHT, SceneState.OK]
