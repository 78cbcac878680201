"""Views of a camera that is turned: each is learned once, keeps what stands in it, and is not mistaken for another."""

from collections.abc import Iterator, Sequence

import numpy as np

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from schemas.detections import Detections, Phase, SceneState
from schemas.feedback import Feedback, Fixture
from schemas.frame import FrameBatch
from schemas.place import CameraView, ImageZone
from tests.detectors.street import CAMERA, NATIVE, START_NS, Street, Thing, as_bytes, standing

PERIOD_S = 4.0
KNOBS = VisionKnobs(dwell_s=60.0)
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


def test_a_tour_of_eight_views_is_learned_once() -> None:
    by = VisionDetector(KNOBS, {})
    tour = [(Street(seed=k), f"view-{k}", 60.0) for k in range(8)]
    for _ in patrol(by, tour):
        pass
    again = list(patrol(by, [(street, name, 8.0) for street, name, _ in tour], from_s=480.0))
    assert {int(found.scene[0]) for found in again} == {SceneState.OK}
    assert by.bytes_per_camera() <= 400_000


def test_views_beyond_the_eighth_are_given_up_oldest_first_and_told_of() -> None:
    by = VisionDetector(KNOBS, {})
    first = list(patrol(by, [(EAST, "view-0", 160.0)]))[-1]
    assert standing(first) == 1
    found = list(patrol(by, [(Street(seed=k), f"view-{k}", 60.0) for k in range(1, 9)], from_s=160.0))
    gone = [row for step in found for row in step.track_id[step.phase == Phase.GONE].tolist()]
    assert gone == first.track_id.tolist()
    assert [adoption.reason for adoption in by.drain()] == ["forgotten"]
    back = list(patrol(by, [(Street(seed=8), "view-8", 8.0), (EAST, "view-0", 8.0)], from_s=640.0))
    states = [SceneState(int(step.scene[0])) for step in back]
    assert states == [SceneState.OK, SceneState.OK, SceneState.WARMING, SceneState.WARMING]


def test_what_stands_in_a_view_that_is_not_seen_for_a_day_is_told_to_be_gone_once() -> None:
    by, day_s = VisionDetector(KNOBS, {}), 86_400.0
    first = list(patrol(by, [(EAST, "east", 160.0), (WEST, "west", 60.0)]))[39]
    assert standing(first) == 1
    late = list(patrol(by, [(WEST, "west", 40.0)], from_s=160.0 + day_s))
    assert [row for step in late for row in step.track_id[step.phase == Phase.GONE].tolist()] == first.track_id.tolist()
    back = list(patrol(by, [(EAST, "east", 200.0)], from_s=400.0 + day_s))
    assert first.track_id[0] not in {row for step in back for row in step.track_id.tolist()}
    assert standing(back[-1]) == 1


def test_a_view_that_is_left_before_it_is_learned_keeps_what_a_person_said_of_it() -> None:
    by, later = VisionDetector(KNOBS, {}), Street((Thing(THING.box, 120.0),))
    for _ in patrol(by, [(later, "east", 8.0)]):
        pass
    by.apply(Feedback(1, CAMERA, "li", Fixture((240.0, 160.0, 96.0, 80.0)), "east"))
    for _ in patrol(by, [(WEST, "west", 60.0)], from_s=8.0):
        pass
    back = list(patrol(by, [(later, "east", 160.0)], from_s=68.0))
    assert SceneState(int(back[0].scene[0])) is SceneState.WARMING
    assert all(len(step) == 0 for step in back)
    assert [adoption.reason for adoption in by.drain()] == ["fixture"]


def test_a_view_that_is_taught_anew_with_the_picture_of_another_is_learned() -> None:
    by = VisionDetector(KNOBS, {})
    for _ in patrol(by, [(EAST, "east", 80.0), (WEST, "west", 80.0)]):
        pass
    taught = [SceneState(int(found.scene[0])) for found in patrol(by, [(EAST, "west", 320.0)], from_s=160.0)]
    assert set(taught[:20]) == {SceneState.PRESET}
    assert taught[-1] is SceneState.OK


def test_a_view_with_zones_of_its_own_has_an_hour_to_be_put_right() -> None:
    zones = (ImageZone("all", (), frozenset({"stall", "waste"}), "west"), ImageZone("more", (), frozenset({"waste"})))
    by = VisionDetector(KNOBS, {CAMERA: CameraView(CAMERA, zones)})
    for _ in patrol(by, [(EAST, "east", 80.0), (WEST, "west", 80.0)]):
        pass
    taught = list(patrol(by, [(EAST, "west", 320.0)], from_s=160.0))
    assert {int(found.scene[0]) for found in taught} == {SceneState.PRESET}
    later = list(patrol(by, [(EAST, "west", 100.0)], from_s=160.0 + KNOBS.dirty_s))
    assert SceneState(int(later[-1].scene[0])) is SceneState.OK


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
