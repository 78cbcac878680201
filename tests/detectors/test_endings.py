"""Whatever was told of as standing is told of as gone, however it ends; what another opinion named does not end so."""

import numpy as np
import pytest
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import VisionDetector, bank_views, views
from detectors.vision.camera import Camera
from detectors.vision.grid import Arena
from detectors.vision.proposals import Blob, Box
from detectors.vision.shelf import Shelf
from detectors.vision.tracks import Track, own
from schemas.detections import Phase
from tests.detectors.lights import last, watch
from tests.detectors.street import CAMERA, GRID, NATIVE, Street, Thing

KNOBS = VisionKnobs(dwell_s=20.0, other_after_s=300.0)
LEFT, RIGHT, BETWEEN = (40, 40, 20, 20), (74, 40, 20, 20), (60, 40, 14, 20)
STALL = 0


class Sure:
    """A classifier that calls everything other."""

    def log_posterior(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        assert features.ndim == 1
        return np.asarray(np.log([0.01, 0.01, 0.005, 0.005, 0.01, 0.96]))


def unnamed(knobs: VisionKnobs = KNOBS) -> VisionDetector:
    by = VisionDetector(knobs.model_copy(update={"crop_model": ""}), {})
    by._classifier = Sure()  # type: ignore[assignment]
    return by


def lives(by: VisionDetector, street: Street, end_s: float) -> dict[int, list[Phase]]:
    """The phases of each track, without repeats."""
    told: dict[int, list[Phase]] = {}
    for _, found in watch(by, street, 0, end_s):
        for track_id, phase in zip(found.track_id.tolist(), found.phase.tolist(), strict=True):
            phases = told.setdefault(track_id, [])
            if phases[-1:] != [Phase(phase)]:
                phases.append(Phase(phase))
    return told


def track(number: int, box: Box, phase: Phase = Phase.STANDING, named: int = -1) -> Track:
    return Track(number, box, float(box[2] * box[3]), 1, 1, phase=phase, named=named)


def camera(*tracks: Track) -> Camera:
    arena = Arena(GRID)
    found = Camera(arena, arena.take(), NATIVE)
    found.tracks = list(tracks)
    return found


def test_no_track_is_given_up_for_none() -> None:
    assert own([], Blob(BETWEEN, 280.0, ()), 0.0) == (None, [])
    alone = camera()
    alone.end([])
    assert alone.leaving == []


def test_of_two_standing_things_that_another_joins_the_second_is_told_gone() -> None:
    street = Street((Thing(LEFT, 200), Thing(RIGHT, 200, seed=2), Thing(BETWEEN, 320, seed=3)))
    told = lives(unnamed(), street, 700)
    first, second, *_ = told.values()
    assert (first[-1], second) == (Phase.STANDING, [Phase.MATURING, Phase.STANDING, Phase.GONE])


def test_those_that_another_opinion_named_both_stay_and_are_not_adopted_as_something_else() -> None:
    street = Street((Thing(LEFT, 200), Thing(RIGHT, 200, seed=2), Thing(BETWEEN, 320, seed=3)))
    by = unnamed()
    told: set[tuple[int, int]] = set()
    for t_s, found in watch(by, street, 0, 1000):
        if 300 < t_s < 310:
            assert found.phase.tolist() == [Phase.STANDING] * 2
            for track_id in found.track_id.tolist():
                by.hear_name(CAMERA, track_id, STALL)
        told |= set(zip(found.track_id.tolist(), found.phase.tolist(), strict=True))
    assert sum(phase == Phase.STANDING for _, phase in told) == 2
    assert all(phase != Phase.GONE for _, phase in told)
    assert [one.reason for one in by.drain()] == []


def test_what_is_not_known_or_does_not_stand_yet_hears_no_name() -> None:
    by = unnamed(VisionKnobs(dwell_s=900.0))
    by.hear_name(CAMERA, 1, STALL)
    found = last(watch(by, Street((Thing(LEFT, 200),)), 0, 300))
    assert found.phase.tolist() == [Phase.MATURING]
    by.hear_name(CAMERA, int(found.track_id[0]), STALL)
    by.hear_name(CAMERA, 7, STALL)
    assert [one.named for one in by._cameras[CAMERA].tracks] == [-1]


def test_a_standing_thing_in_the_place_of_one_that_sleeps_is_told_gone() -> None:
    by = camera(track(9, LEFT), track(10, RIGHT))
    by.dormant = [track(5, LEFT)]
    bank_views.put_to_sleep(by)
    assert [one.id for one in by.dormant] == [5, 10]
    assert [(one.id, one.phase) for one in by.leaving] == [(9, Phase.GONE)]


def test_of_more_standing_things_than_can_sleep_the_others_are_told_gone() -> None:
    by = camera(*(track(k, (k * 3, 10, 2, 2)) for k in range(bank_views.DORMANT + 2)))
    bank_views.put_to_sleep(by)
    assert [one.id for one in by.leaving] == [bank_views.DORMANT, bank_views.DORMANT + 1]


@pytest.mark.parametrize("trained", [False, True])
def test_what_left_before_a_turn_is_told_in_the_view_that_is_turned_to(*, trained: bool) -> None:
    by = camera()
    by.arena.state[by.slot]["trained"] = trained
    by.end([track(4, LEFT)])
    turned = views.turn(by, Shelf(), "gate")
    assert [one.id for one in turned.leaving] == [4]
