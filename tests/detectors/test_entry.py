"""One odd frame, or a clock that is set right, throws nothing away that a camera knows."""

from dataclasses import replace

import numpy as np
import pytest

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from detectors.vision.entry import SIZE_FRAMES
from schemas.detections import Detections, Phase, SceneState
from schemas.feedback import Feedback, Fixture
from schemas.frame import FrameBatch
from tests.detectors.lights import last, watch
from tests.detectors.street import CAMERA, START_NS, Street, Thing, batch, standing

STREET = Street((Thing((60, 40, 24, 20), 60.0),))
FIXTURE = Fixture((8.0, 8.0, 80.0, 80.0))


@pytest.fixture
def by() -> VisionDetector:
    """A detector that knows a street, a fixture, and a thing that stands."""
    found = VisionDetector(VisionKnobs(dwell_s=20.0), {})
    last(watch(found, STREET, 0.0, 40.0))
    found.apply(Feedback(1, CAMERA, "li", FIXTURE))
    assert standing(last(watch(found, STREET, 40.0, 160.0))) == 1
    return found


def small(t_s: float) -> FrameBatch:
    """The street in half the size, as a second stream of the same camera has it."""
    pixels = np.ascontiguousarray(STREET.at(t_s)[::2, ::2])
    return FrameBatch(
        (CAMERA,),
        np.asarray([START_NS + round(t_s * 1e9)], np.int64),
        pixels[None],
        np.asarray([(320, 192)], np.int32),
        np.asarray([int(t_s) + 1], np.uint32),
    )


def fixtures(of: VisionDetector) -> int:
    return len(of._cameras[CAMERA].ledger.fixtures)


def scenes(found: Detections) -> list[SceneState]:
    return [SceneState(int(state)) for state in found.scene]


def test_a_late_frame_of_another_size_changes_nothing(by: VisionDetector) -> None:
    state = by.snapshot(CAMERA)
    assert scenes(by.step(small(60.0))) == [SceneState.LATE]
    assert by.snapshot(CAMERA) == state


def test_two_sizes_that_take_turns_leave_the_street_known(by: VisionDetector) -> None:
    found = []
    for k in range(20):
        found.append(by.step(small(160.0 + 8 * k)))
        told = last(watch(by, STREET, 164.0 + 8 * k, 172.0 + 8 * k))
        assert standing(told) == 1
    assert {state for one in found for state in scenes(one)} == {SceneState.CHANGED}


def test_a_camera_that_keeps_another_size_is_learned_anew_and_what_stood_is_told_gone(by: VisionDetector) -> None:
    found = [by.step(small(160.0 + 8 * k)) for k in range(30)]
    states = [scenes(one)[0] for one in found]
    assert states[: SIZE_FRAMES + 1] == [SceneState.CHANGED] * (SIZE_FRAMES - 1) + [SceneState.WARMING] * 2
    assert states[-1] == SceneState.OK
    assert [int(phase) for one in found for phase in one.phase] == [Phase.GONE]
    assert fixtures(by) == 1


def test_frames_beside_one_that_is_refused_are_looked_at(by: VisionDetector) -> None:
    alone, first = VisionDetector(VisionKnobs(dwell_s=20.0), {}), Street(seed=3)
    for k in range(10):
        alone.step(batch([("other", 8.0 * k, first.at(8.0 * k))]))
        by.step(batch([("other", 8.0 * k, first.at(8.0 * k))]))
    other = FrameBatch(
        (CAMERA, "other"),
        np.asarray([START_NS + 200 * 10**9] * 2, np.int64),
        np.stack([first.at(200.0)] * 2),
        np.asarray([(1280, 768), (640, 384)], np.int32),
        np.asarray([5, 6], np.uint32),
        ("", ""),
    )
    assert scenes(by.step(other)) == [SceneState.CHANGED, SceneState.OK]


def test_a_clock_that_is_set_right_loses_nothing(by: VisionDetector) -> None:
    by.restart(CAMERA, START_NS + 120 * 10**9)
    before = last(watch(by, STREET, 120.0, 128.0))
    assert standing(before) == 1
    assert fixtures(by) == 1
    gone = [found for _, found in watch(by, Street(), 128.0, 300.0) if Phase.GONE in found.phase]
    assert [found.track_id.tolist() for found in gone] == [before.track_id.tolist()]


def test_what_was_about_to_stand_when_the_clock_was_set_right_stands_at_its_time() -> None:
    by = VisionDetector(VisionKnobs(dwell_s=100.0), {})
    assert last(watch(by, STREET, 0.0, 160.0)).phase.tolist() == [Phase.MATURING]
    by.restart(CAMERA, START_NS + 112 * 10**9)
    found = last(watch(by, Street((Thing((60, 40, 24, 20), -1.0),)), 112.0, 152.0))
    assert found.phase.tolist() == [Phase.STANDING]


def test_a_clock_set_far_back_has_the_street_learned_anew_and_what_stood_told_gone(
    by: VisionDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detectors.vision.entry.BACK_MOST_S", 60.0)
    by.restart(CAMERA, START_NS + 32 * 10**9)
    steps = list(watch(by, Street((Thing((60, 40, 24, 20), -1.0),)), 32.0, 200.0))
    assert scenes(steps[0][1]) == [SceneState.WARMING]
    assert [int(phase) for _, found in steps for phase in found.phase] == [Phase.GONE]
    assert fixtures(by) == 1
    VisionDetector(VisionKnobs(), {}).restart("nobody", 0)


def test_views_that_are_not_shown_are_counted_beside_and_what_stood_there_is_told_gone_with_them() -> None:
    by, gate = VisionDetector(VisionKnobs(dwell_s=20.0), {}), Street((Thing((60, 40, 24, 20), 60.0),))
    assert by.kept_bytes_per_camera() == 0

    def step(t_s: float, street: Street, name: str) -> Detections:
        return by.step(replace(batch([(CAMERA, t_s, street.at(t_s))]), presets=(name,)))

    assert standing([step(8.0 * k, gate, "gate") for k in range(20)][-1]) == 1
    resident = by.bytes_per_camera()
    for k in range(20, 30):
        step(8.0 * k, Street(seed=2), "road")
    assert by.bytes_per_camera() <= resident
    assert 0 < by.kept_bytes_per_camera() <= 480_000
    found = [by.step(small(240.0 + 8 * k)) for k in range(30)]
    assert [int(phase) for one in found for phase in one.phase] == [Phase.GONE]
