"""References of the empty street: what was lost comes back, and what came meanwhile is a thing, not background."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from detectors.vision import camera as single
from detectors.vision.bank import BYTES_PER_PX, TAKE, Bank, Mode, align, mode_of
from detectors.vision.bank_codec import LEVELS, pack, unpack
from detectors.vision.feedback_ledger import Region, Why
from detectors.vision.grid import to_i420
from schemas.detections import Phase, SceneState
from schemas.frame import FrameBatch
from schemas.place import CameraView, ImageZone
from tests.detectors.lights import day, infrared, last, watch
from tests.detectors.street import CAMERA, GRID, START_NS, Pixels, Street, Thing, as_bytes, standing

KNOBS = VisionKnobs(dwell_s=20.0)  # a reference is renewed every 133 s
THING = Thing((60, 40, 24, 20), start_s=80.0)
LEARNED_S = 320.0


def detector() -> VisionDetector:
    return VisionDetector(KNOBS, {})


def plane(picture: Pixels) -> NDArray[np.uint8]:
    out = np.empty((1, GRID[0] * 3 // 2, GRID[1]), np.uint8)
    to_i420([picture], out)
    return np.asarray(out[0], np.uint8)


def test_an_empty_bank_knows_no_picture_and_needs_no_bytes() -> None:
    bank = Bank(GRID)
    assert bank.match(plane(day(Street(), 0.0))) is None
    assert bank.nbytes == 0


@given(st.integers(0, len(LEVELS) - 1), st.integers(0, 99), st.sampled_from([(96, 160), (90, 130), (2, 2)]))
@settings(max_examples=30, deadline=None)
def test_packing_a_packed_picture_again_loses_nothing_more(level: int, seed: int, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (shape[0] * 3 // 2, shape[1]), np.uint8)
    once = unpack(pack(picture, level, shape), level, shape)
    again = unpack(pack(once, level, shape), level, shape)
    assert np.array_equal(once, again)
    reduction, step = LEVELS[level]
    if reduction == 1:
        assert np.abs(once.astype(int) - picture).max() <= step // 2


def test_bytes_of_another_size_are_no_reference() -> None:
    body = pack(plane(day(Street(), 0.0)), 0, GRID)
    with pytest.raises(ValueError, match="another size"):
        unpack(body, 0, (GRID[0] + 2, GRID[1]))
    with pytest.raises(ValueError, match="snapshot"):
        unpack(b"junk", 0, GRID)


def test_four_references_of_pure_noise_stay_within_their_bytes() -> None:
    bank = Bank((180, 320))
    rng = np.random.default_rng(0)
    for mode, (low, high) in enumerate([(0, 256), (0, 120), (0, 60)], start=1):
        bank.update(rng.integers(low, high, (270, 320)).astype(np.uint8), [], mode)
    grey = rng.integers(0, 256, (270, 320)).astype(np.uint8)
    grey[180:] = 128
    bank.update(grey, [], 9)
    assert set(bank.references) == set(Mode)
    assert bank.nbytes <= BYTES_PER_PX * 180 * 320


def test_room_is_shared_so_that_no_light_is_kept_much_coarser_than_another() -> None:
    bank = Bank((180, 320))
    street = cv2.resize(day(Street(), 0.0), (320, 180))
    for number, gain in enumerate((1.0, 0.5, 0.2), start=1):
        out = np.empty((1, 270, 320), np.uint8)
        to_i420([(street * gain).astype(np.uint8)], out)
        bank.update(out[0], [], number)
    levels = [one.level for one in bank.references.values()]
    assert bank.nbytes <= BYTES_PER_PX * 180 * 320
    assert levels[-1] == 0  # the light in use is kept finest
    assert max(levels) <= 2


def test_cameras_that_start_together_are_not_all_due_at_once() -> None:
    first_s = []
    for camera in range(20):
        bank, start_ns = Bank(GRID), START_NS + camera * 1_000_000
        first_s.append(next(k for k in range(700) if bank.due(start_ns + k * 10**9, 600.0)))
    assert min(first_s) >= 300
    assert max(first_s) <= 600
    assert len(set(first_s)) > 15


def test_a_background_that_looks_like_its_reference_is_not_packed_again() -> None:
    bank = Bank(GRID)
    bank.update(plane(day(Street(), 0.0)), [], 1)
    (before,) = bank.references.values()
    bank.update(plane(day(Street(), 4.0)), [], 2)
    (after,) = bank.references.values()
    assert (after.body, after.seen_ns) == (before.body, 2)


def test_a_camera_with_a_full_bank_and_a_full_ledger_stays_below_400_kb() -> None:
    whole = (ImageZone("z", ((0, 0), (1280, 0), (1280, 720), (0, 720))),)
    by = VisionDetector(KNOBS, {CAMERA: CameraView(CAMERA, whole)})
    picture = np.random.default_rng(1).integers(0, 256, (1, 180, 320, 3), np.uint8)
    native = np.asarray([(1280, 720)], np.int32)
    by.step(FrameBatch((CAMERA,), np.asarray([1], np.int64), picture, native, np.asarray([1], np.uint32)))
    camera = by._cameras[CAMERA]
    rng = np.random.default_rng(0)
    for mode, (low, high) in enumerate([(0, 256), (0, 120), (0, 60)], start=1):
        camera.bank.update(rng.integers(low, high, (270, 320)).astype(np.uint8), [], mode)
    background, candidate, _ = camera.planes()
    for _ in range(80):
        region = Region(0, 0, np.full((20, 20), 255, np.uint8))
        camera.ledger.adopt(background, candidate, region, Why("light", 1, (0, 0, 20, 20)), (180, 320))
    assert 350_000 < by.bytes_per_camera() <= 400_000


def test_the_light_of_a_picture_is_told_by_its_brightness_and_its_colours() -> None:
    street = day(Street(), 0.0)
    told = [mode_of(plane((street * gain).astype(np.uint8)), GRID) for gain in (1.0, 0.5, 0.2)]
    assert told == [Mode.DAY, Mode.DUSK, Mode.LAMP]
    assert mode_of(plane(infrared(Street(), 0.0)), GRID) is Mode.INFRARED


def test_the_reference_of_another_street_or_another_light_does_not_match() -> None:
    bank = Bank(GRID)
    bank.update(plane(day(Street(), 0.0)), [], 1)
    assert bank.match(plane(day(Street(), 4.0))) is not None
    assert bank.match(plane(day(Street(seed=3), 0.0))) is None
    assert bank.match(plane(infrared(Street(), 0.0))) is None
    grey = day(Street(), 0.0).mean(axis=2).astype(np.uint8)[..., None].repeat(3, axis=2)
    assert bank.match(plane(grey)) is None  # the same structure, but all that had a colour would look new


def test_bare_asphalt_is_known_again_though_other_cars_are_parked_on_it() -> None:
    def asphalt(*cars: int) -> Pixels:
        picture = np.tile(np.linspace(70, 120, GRID[1], dtype=np.float32), (GRID[0], 1))[..., None].repeat(3, axis=2)
        picture[:, :, 0] += np.linspace(0, 40, GRID[0])[:, None]
        for x in cars:
            picture[40:56, x : x + 24] = (200, 60, 60)
        return np.asarray(picture, np.uint8)

    bank = Bank(GRID)
    bank.update(plane(asphalt(10, 60)), [], 1)
    assert bank.match(plane(asphalt(100, 132))) is not None
    assert bank.match(plane(asphalt()[:, ::-1])) is None


def shown(bank: Bank, street: Street) -> float:
    """Mean difference of the reference from the bare street, in the box of THING."""
    (known,) = bank.references.values()
    picture, empty = bank.plane(known), plane(day(street, 0.0))
    align(picture, empty, GRID)
    x, y, w, h = THING.box
    return float(np.abs(picture[y : y + h, x : x + w].astype(int) - empty[y : y + h, x : x + w]).mean())


def test_a_reference_takes_over_what_stays_and_not_what_passes() -> None:
    bank = Bank(GRID)
    empty, with_thing = plane(day(Street(), 0.0)), plane(day(Street((Thing(THING.box, -1.0),)), 0.0))
    bank.update(empty, [], 1)
    for k in range(TAKE - 1):
        bank.update(with_thing, [], 2 + k)
    assert shown(bank, Street()) < 6
    bank.update(empty, [], 20)
    for k in range(TAKE - 1):
        bank.update(with_thing, [], 30 + k)
    assert shown(bank, Street()) < 6  # it began to count anew
    bank.update(with_thing, [], 40)
    assert shown(bank, Street()) > 25


def test_where_something_stands_a_reference_never_changes() -> None:
    bank = Bank(GRID)
    bank.update(plane(day(Street(), 0.0)), [], 1)
    for k in range(2 * TAKE):
        bank.update(plane(day(Street((Thing(THING.box, -1.0),)), 0.0)), [THING.box], 2 + k)
    assert shown(bank, Street()) < 6


def test_a_thing_that_stood_before_another_view_was_learned_is_the_same_track_after_it() -> None:
    by, street = detector(), Street((THING,))
    before = last(watch(by, street, 0.0, LEARNED_S))
    assert standing(before) == 1
    hidden = [found for _, found in watch(by, Street(seed=9), LEARNED_S, LEARNED_S + 240)]
    assert hidden[-1].scene.tolist() == [SceneState.OK]  # the other view is learned
    rows = [
        (int(track), int(phase))
        for _, found in watch(by, street, LEARNED_S + 240, LEARNED_S + 360)
        for track, phase in zip(found.track_id, found.phase, strict=True)
    ]
    assert set(rows) == {(int(before.track_id[0]), int(Phase.STANDING))}


def test_what_was_taken_away_while_another_view_was_learned_is_said_to_be_gone_and_not_seen_again() -> None:
    by = detector()
    assert standing(last(watch(by, Street((THING,)), 0.0, LEARNED_S))) == 1
    for _ in watch(by, Street(seed=9), LEARNED_S, LEARNED_S + 240):
        pass
    rows = [int(phase) for _, found in watch(by, Street(), LEARNED_S + 240, LEARNED_S + 360) for phase in found.phase]
    assert rows == [Phase.GONE]


def test_what_was_put_down_while_a_hoarding_hid_the_street_is_found_when_it_is_free() -> None:
    by = detector()
    assert len(last(watch(by, Street(), 0.0, LEARNED_S))) == 0
    for _ in watch(by, Street(seed=9), LEARNED_S, LEARNED_S + 200):
        pass
    came = Street((Thing(THING.box, LEARNED_S + 50),))
    found = last(watch(by, came, LEARNED_S + 200, LEARNED_S + 280))
    assert standing(found) == 1
    assert [adoption.reason for adoption in by.adoptions][-1] == "recalled"


def test_what_came_before_a_view_was_learned_anew_is_a_candidate_and_not_background() -> None:
    by = detector()
    for _ in watch(by, Street(), 0.0, LEARNED_S):
        pass
    single.begin(by._cameras[CAMERA], plane(day(Street((Thing(THING.box, 0.0),)), LEARNED_S)))  # nobody knows why
    came = Street((Thing(THING.box, 0.0),))
    assert standing(last(watch(by, came, LEARNED_S, LEARNED_S + 100))) == 1
    assert [adoption.reason for adoption in by.adoptions] == ["recalled"]


def test_without_a_reference_what_stands_when_a_view_is_learned_is_background() -> None:
    by = detector()
    came = Street((Thing(THING.box, 0.0),))
    assert all(len(found) == 0 for _, found in watch(by, came, 0.0, LEARNED_S))


def test_day_and_infrared_come_back_at_once_and_with_them_what_stands() -> None:
    by, street = detector(), Street((THING,))
    first_day = last(watch(by, street, 0.0, 320.0))
    night = [found for _, found in watch(by, street, 320.0, 800.0, light=infrared)]
    assert night[-1].scene.tolist() == [SceneState.OK]
    second_day = [found for _, found in watch(by, street, 800.0, 1000.0)]
    assert SceneState.CHANGED not in [int(found.scene[0]) for found in second_day]
    assert [int(found.scene[0]) for found in second_day].count(SceneState.WARMING) == 1
    assert second_day[-1].track_id.tolist() == first_day.track_id.tolist()
    second_night = [found for _, found in watch(by, street, 1000.0, 1100.0, light=infrared)]
    assert SceneState.CHANGED not in [int(found.scene[0]) for found in second_night]


def test_what_comes_at_night_is_one_thing_through_the_switch_to_the_day() -> None:
    by = detector()
    for _ in watch(by, Street(), 0.0, 320.0):
        pass
    bag = Street((Thing(THING.box, 700.0),))
    night = last(watch(by, bag, 320.0, 800.0, light=infrared))
    assert standing(night) == 1
    morning = [found for _, found in watch(by, bag, 800.0, 960.0)]
    told = {int(track) for found in morning for track in found.track_id}
    assert told == {int(night.track_id[0])}
    assert standing(morning[-1]) == 1


@given(st.integers(1, 115))
@settings(max_examples=2, deadline=None)
def test_a_restart_in_the_midst_of_switching_lights_changes_nothing(cut: int) -> None:
    street = Street((THING,))
    lights = [(0.0, 320.0, day), (320.0, 640.0, infrared), (640.0, 800.0, day), (800.0, 920.0, infrared)]
    frames = [(t_s, light) for start, end, light in lights for t_s in np.arange(start, end, 8.0)]
    whole, by = detector(), detector()
    for index, (t_s, light) in enumerate(frames):
        if index == cut:
            state = by.snapshot(CAMERA)
            by = detector()
            by.restore(CAMERA, state)
            assert by.snapshot(CAMERA) == state
        (_, one), (_, other) = (next(watch(who, street, t_s, t_s + 8, light=light)) for who in (whole, by))
        assert as_bytes(one) == as_bytes(other)
