from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from schemas.detections import Detections, Phase, SceneState
from schemas.frame import FrameBatch
from schemas.place import CameraView, ImageZone
from tests.detectors.street import (
    CAMERA,
    GRID,
    NATIVE,
    START_NS,
    Street,
    Thing,
    as_bytes,
    batch,
    one,
    standing,
)

THING = Thing((60, 40, 24, 20), start_s=80.0)
KNOBS = VisionKnobs()


def detector(knobs: VisionKnobs = KNOBS, *zones: ImageZone) -> VisionDetector:
    return VisionDetector(knobs, {CAMERA: CameraView(CAMERA, zones)})


def play(
    street: Street, until_s: float, *, period_s: float = 4.0, by: VisionDetector | None = None, from_s: float = 0.0
) -> Iterator[tuple[float, Detections]]:
    by = detector() if by is None else by
    for k in range(int((until_s - from_s) / period_s)):
        t_s = from_s + k * period_s
        yield t_s, by.step(one(street, t_s))


def first_standing(street: Street, until_s: float, *, period_s: float, knobs: VisionKnobs = KNOBS) -> float | None:
    for t_s, found in play(street, until_s, period_s=period_s, by=detector(knobs)):
        if standing(found):
            return t_s
    return None


def test_an_empty_batch_brings_no_rows() -> None:
    found = detector().step(batch([]))
    assert (len(found), len(found.scene)) == (0, 0)


def test_a_street_on_which_nothing_happens_brings_no_rows() -> None:
    assert all(len(found) == 0 for _, found in play(Street(), 300))


def test_a_thing_is_reported_after_its_dwell_and_not_before() -> None:
    found_s = first_standing(Street((THING,)), 300, period_s=4.0)
    assert found_s is not None
    assert THING.start_s + KNOBS.dwell_s <= found_s <= THING.start_s + KNOBS.dwell_s + 12


def test_its_box_time_and_dwell_are_right() -> None:
    *_, (t_s, found) = play(Street((THING,)), 240)
    assert found.phase.tolist() == [Phase.STANDING]
    scale = NATIVE[0] / GRID[1]
    assert np.abs(found.box_px[0] / scale - np.asarray(THING.box)).max() <= 2
    appeared_s = (int(found.appeared_ns[0]) - START_NS) / 1e9
    assert abs(appeared_s - THING.start_s) <= 8
    assert found.dwell_s[0] == pytest.approx(t_s - appeared_s)


def test_what_stays_shorter_than_the_dwell_is_not_reported() -> None:
    short = Thing(THING.box, 80.0, 80.0 + KNOBS.dwell_s - 10)
    assert all(standing(found) == 0 for _, found in play(Street((short,)), 360))


def test_a_thing_is_one_track_from_its_coming_to_its_going_and_goes_once() -> None:
    leaving = Thing(THING.box, 80.0, 240.0)
    rows = [
        (t_s, int(track), int(phase))
        for t_s, found in play(Street((leaving,)), 480)
        for track, phase in zip(found.track_id, found.phase, strict=True)
    ]
    assert len({track for _, track, _ in rows}) == 1
    gone = [t_s for t_s, _, phase in rows if phase == Phase.GONE]
    assert len(gone) == 1
    assert 240.0 + KNOBS.gone_s - 4 <= gone[0] <= 240.0 + KNOBS.gone_s + 12
    assert rows[-1][0] == gone[0]


@pytest.mark.parametrize("period_s", [1.0, 15.0])
def test_the_cadence_does_not_change_what_is_found(period_s: float) -> None:
    found_s = first_standing(Street((THING,)), 300, period_s=period_s)
    assert found_s is not None
    assert THING.start_s + KNOBS.dwell_s <= found_s <= THING.start_s + KNOBS.dwell_s + 2 * max(period_s, 8.0)


def test_a_short_dwell_scales_every_other_time() -> None:
    found_s = first_standing(Street((Thing(THING.box, 30.0),)), 120, period_s=1.0, knobs=VisionKnobs(dwell_s=20.0))
    assert found_s is not None
    assert 50.0 <= found_s <= 56.0


def test_something_that_was_there_from_the_start_and_leaves_raises_nothing() -> None:
    old = Thing(THING.box, -1.0, 120.0)
    by = detector()
    assert all(standing(found) == 0 for _, found in play(Street((old,)), 400, by=by))
    assert [adoption.reason for adoption in by.adoptions] == ["ghost"]


def test_another_exposure_raises_nothing() -> None:
    assert all(len(found) == 0 for _, found in play(Street(gain=1.35, gain_s=100), 400))


def test_a_shadow_that_stays_raises_nothing() -> None:
    assert all(standing(found) == 0 for _, found in play(Street(shade=(40, 30, 50, 30), shade_s=100), 400))


def test_a_thing_put_down_as_the_light_around_it_changes_is_still_found() -> None:
    cloud = (20, 10, 110, 76)
    *_, (_, found) = play(Street((Thing((70, 40, 14, 12), 104.0),), shade=cloud, shade_s=100), 400)
    assert standing(found) == 1
    assert found.box_px[0, 2] < 100  # the thing, not the shade


def test_a_thing_stays_found_through_another_exposure() -> None:
    *_, (_, found) = play(Street((THING,), gain=0.75, gain_s=240), 400)
    assert standing(found) == 1


def test_outside_the_zones_nothing_is_looked_for() -> None:
    left = ImageZone("left", ((0, 0), (200, 0), (200, 384), (0, 384)))
    assert all(len(found) == 0 for _, found in play(Street((THING,)), 300, by=detector(KNOBS, left)))
    right = ImageZone("right", ((200, 0), (640, 0), (640, 384), (200, 384)))
    *_, (_, found) = play(Street((THING,)), 300, by=detector(KNOBS, right))
    assert standing(found) == 1


def test_the_same_frames_give_the_same_bytes() -> None:
    street = Street((THING,), gain=1.1, gain_s=150)
    runs = [b"".join(as_bytes(found) for _, found in play(street, 260)) for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("cut_s", [12.0, 120.0, 200.0])
def test_a_restored_camera_goes_on_as_if_nothing_had_happened(cut_s: float) -> None:
    street = Street((Thing(THING.box, 80.0, 240.0), Thing((20, 60, 16, 14), 100.0, seed=5)))
    whole = [as_bytes(found) for _, found in play(street, 320)]
    before, after = detector(), detector()
    parts = [as_bytes(found) for _, found in play(street, cut_s, by=before)]
    after.restore(CAMERA, before.snapshot(CAMERA))
    parts += [as_bytes(found) for _, found in play(street, 320, by=after, from_s=cut_s)]
    assert parts == whole
    assert detector().snapshot("nobody") == b""


def test_frames_out_of_order_are_left_out() -> None:
    street = Street((THING,))
    by = detector()
    for _, _ in play(street, 100, by=by):
        pass
    late = by.step(one(street, 50.0))
    assert late.scene.tolist() == [SceneState.LATE]
    assert len(late) == 0
    straight = list(play(street, 240, by=detector()))
    follows = list(play(street, 240, by=by, from_s=100.0))
    assert [as_bytes(found) for _, found in straight[25:]] == [as_bytes(found) for _, found in follows]


def test_a_frozen_camera_is_said_to_be_frozen_and_ages_nothing() -> None:
    by = detector()
    frame = one(Street(), 0.0)
    by.step(frame)
    again = FrameBatch(frame.camera_ids, frame.captured_ns + 10**9, frame.pixels, frame.native_px, frame.crc32)
    assert by.step(again).scene.tolist() == [SceneState.FROZEN]


def test_a_camera_that_was_moved_is_said_to_be_and_learns_its_new_street() -> None:
    by = detector()
    for _ in play(Street(seed=0), 100, by=by):
        pass
    other = Street((Thing(THING.box, 420.0),), seed=3)
    scenes = [int(found.scene[0]) for _, found in play(other, 420, by=by, from_s=100.0)]
    assert scenes[0] in {SceneState.MOVED, SceneState.CHANGED}
    assert scenes[-1] == SceneState.OK
    assert SceneState.WARMING in scenes
    assert [adoption.reason for adoption in by.adoptions] == ["relearned"]
    *_, (_, found) = play(other, 560, by=by, from_s=420.0)
    assert standing(found) == 1


def test_a_lorry_before_the_lens_for_a_while_is_no_new_street() -> None:
    by = detector()
    for _ in play(Street((THING,)), 240, by=by):
        pass
    assert by.step(one(Street(seed=9), 240.0)).scene.tolist() == [SceneState.MOVED]
    (_, found), *_ = play(Street((THING,)), 252, by=by, from_s=244.0)
    assert standing(found) == 1


def test_a_batch_of_several_cameras_equals_each_alone() -> None:
    streets = {f"cam-{k}": Street((Thing(THING.box, 60.0 + 20 * k, seed=k),), seed=k) for k in range(3)}
    together = VisionDetector(KNOBS, {})
    alone = {name: VisionDetector(KNOBS, {}) for name in streets}
    for k in range(60):
        t_s = 4.0 * k
        found = together.step(batch([(name, t_s, street.at(t_s)) for name, street in streets.items()]))
        for index, (name, street) in enumerate(streets.items()):
            own = alone[name].step(batch([(name, t_s, street.at(t_s))]))
            rows = found.where(found.frame == index)
            assert rows.posterior.tobytes() == own.posterior.tobytes()
            assert rows.box_px.tobytes() == own.box_px.tobytes()
            assert found.scene[index] == own.scene[0]


def test_rows_of_the_posterior_sum_to_one() -> None:
    *_, (_, found) = play(Street((THING, Thing((20, 60, 16, 14), 80.0, seed=5))), 240)
    assert len(found) == 2
    assert found.posterior.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_forgotten_camera_learns_anew() -> None:
    by = detector()
    for _ in play(Street(), 100, by=by):
        pass
    by.forget(CAMERA)
    by.forget("nobody")
    assert by.step(one(Street(), 100.0)).scene.tolist() == [SceneState.WARMING]


def test_another_size_of_picture_is_learned_anew() -> None:
    by = detector()
    for _ in play(Street(), 100, by=by):
        pass
    told = []
    for k in range(3):
        frame = one(Street(), 104.0 + 4 * k)
        bigger = FrameBatch(frame.camera_ids, frame.captured_ns, frame.pixels, frame.native_px * 2, frame.crc32)
        told += by.step(bigger).scene.tolist()
    assert told == [SceneState.CHANGED, SceneState.CHANGED, SceneState.WARMING]


def test_a_camera_needs_at_most_400_kb() -> None:
    by = VisionDetector(KNOBS, {CAMERA: CameraView(CAMERA, (ImageZone("z", ((0, 0), (1280, 0), (1280, 720))),))})
    frame = FrameBatch(
        (CAMERA,),
        np.asarray([START_NS], np.int64),
        np.zeros((1, 180, 320, 3), np.uint8),
        np.asarray([(1280, 720)], np.int32),
        np.asarray([1], np.uint32),
    )
    assert by.bytes_per_camera() == 0
    by.step(frame)
    assert 0 < by.bytes_per_camera() <= 400_000


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_what_is_no_snapshot_is_refused(garbage: bytes) -> None:
    by = detector()
    with pytest.raises(ValueError, match="snapshot"):
        by.restore(CAMERA, garbage)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_snapshot_is_refused_and_leaves_the_camera_as_it_was(data: st.DataObject) -> None:
    by = detector()
    by.step(one(Street(), 0.0))
    state = by.snapshot(CAMERA)
    at = data.draw(st.integers(0, len(state) - 1))
    flip = data.draw(st.integers(1, 255))
    damaged = state[:at] + bytes([state[at] ^ flip]) + state[at + 1 :]
    with pytest.raises(ValueError, match="snapshot"):
        by.restore(CAMERA, damaged)
    assert by.snapshot(CAMERA) == state
