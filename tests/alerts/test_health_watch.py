"""Health events: few, each once, and none for what passes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.health.watch import AGAIN_S, HealthWatch, begun
from schemas.detections import Detections, SceneState
from schemas.frame import FrameBatch
from schemas.health import HealthEvent, HealthKind, Reading

S = 10**9
START_NS = 1_700_000_000 * S
OK, MOVED, COVERED, LATE = SceneState.OK, SceneState.MOVED, SceneState.COVERED, SceneState.LATE


def batch(t_s: float, size: tuple[int, int] = (640, 384)) -> FrameBatch:
    return FrameBatch(
        ("cam-1",),
        np.asarray([START_NS + round(t_s * S)], np.int64),
        np.zeros((1, 2, 2, 3), np.uint8),
        np.asarray([size], np.int32),
        np.zeros(1, np.uint32),
    )


def detections(state: SceneState) -> Detections:
    empty = Detections.empty(1)
    empty.scene[0] = state
    return empty


def play(
    states: Sequence[SceneState], *, period_s: float = 6.0, from_s: float = 0.0, by: HealthWatch | None = None
) -> list[HealthEvent]:
    by = HealthWatch() if by is None else by
    told: list[HealthEvent] = []
    for k, state in enumerate(states):
        told += by.see(batch(from_s + k * period_s), detections(state), {"cam-1": Reading(state, 0.25, "note")})
    return told


def seconds(ns: int | None) -> float | None:
    return None if ns is None else (ns - START_NS) / S


def test_no_frames_bring_no_events() -> None:
    empty = FrameBatch(
        (), np.zeros(0, np.int64), np.zeros((0, 2, 2, 3), np.uint8), np.zeros((0, 2), np.int32), np.zeros(0, np.uint32)
    )
    assert HealthWatch().see(empty, Detections.empty(), {}) == []


def test_a_picture_that_stands_still_is_told_of_while_its_frames_are_used() -> None:
    by, told = HealthWatch(), []
    for k in range(4):
        told += by.see(batch(6.0 * k), detections(OK), {"cam-1": Reading(SceneState.FROZEN, 20.0)})
    assert [event.kind for event in told] == [HealthKind.FROZEN]


def test_a_forgotten_camera_is_a_new_one() -> None:
    by = HealthWatch()
    assert play([OK, MOVED, MOVED, MOVED], by=by)
    by.forget("cam-1")
    by.forget("nobody")
    assert not by.known("cam-1")
    assert play([OK], from_s=60.0, by=by) == []


def test_a_healthy_camera_brings_no_events() -> None:
    assert play([OK, SceneState.WARMING, LATE] * 20) == []


def test_what_lasts_begins_with_its_first_frame_and_ends_with_the_first_good_one() -> None:
    first, last = play([OK, MOVED, MOVED, MOVED, MOVED, OK, OK, OK, OK])
    assert (first.kind, seconds(first.since_ns), first.until_ns) == (HealthKind.MOVED, 6.0, None)
    assert (first.value, first.note, begun(first)) == (0.25, "note", True)
    assert (seconds(last.since_ns), seconds(last.until_ns), begun(last)) == (6.0, 30.0, False)


@pytest.mark.parametrize("states", [[MOVED], [MOVED, OK, MOVED, OK], [OK, MOVED, MOVED, OK]])
def test_what_passes_is_no_event(states: list[SceneState]) -> None:
    assert play(states, period_s=5.0) == []


def test_a_camera_with_a_frame_in_half_an_hour_needs_two_frames() -> None:
    (event,) = play([OK, MOVED, MOVED], period_s=1800.0)
    assert seconds(event.since_ns) == 1800.0


def test_a_picture_sent_twice_is_no_frozen_camera_and_one_sent_again_and_again_is() -> None:
    frozen = SceneState.FROZEN
    assert play([OK, frozen, frozen, OK] * 4) == []
    (event,) = play([OK, frozen, frozen, frozen])
    assert event.kind is HealthKind.FROZEN


def test_late_frames_neither_end_nor_begin_anything() -> None:
    told = play([MOVED, LATE, MOVED, LATE, MOVED, LATE, LATE, LATE, LATE])
    assert [event.until_ns for event in told] == [None]


def test_what_comes_and_goes_is_one_event_in_ten_minutes() -> None:
    told = play(([MOVED] * 4 + [OK] * 4) * 10)
    rows = {(event.kind, event.since_ns) for event in told}
    assert len(rows) == 1
    assert max(event.times for event in told) == 10
    assert sum(map(begun, told)) == 1


def test_one_thing_that_turns_into_another_ends_the_first() -> None:
    told = play([MOVED] * 4 + [COVERED] * 4)
    assert [(event.kind, seconds(event.until_ns)) for event in told] == [
        (HealthKind.MOVED, None),
        (HealthKind.MOVED, 24.0),
        (HealthKind.COVERED, None),
    ]


def test_now_one_and_now_another_is_an_event_too() -> None:
    told = play([MOVED, COVERED, MOVED, COVERED, MOVED])
    assert [event.kind for event in told] == [HealthKind.COVERED]


def test_another_size_is_an_event_that_ends_at_once() -> None:
    by = HealthWatch()
    told = []
    for k, size in enumerate([(640, 384), (640, 384), (1280, 720), (640, 384)]):
        told += by.see(batch(6.0 * k, size), detections(OK), {})
    assert [(event.kind, event.times, begun(event)) for event in told] == [
        (HealthKind.RESOLUTION, 1, True),
        (HealthKind.RESOLUTION, 2, False),
    ]
    assert told[0].note == "640x384 px before, now 1280x720"
    assert told[0].until_ns == told[0].since_ns


def test_progressive_pictures_are_an_event_beside_whatever_else_is_wrong() -> None:
    by = HealthWatch()
    told = []
    for k in range(4):
        told += by.see(batch(6.0 * k), detections(MOVED), {})
        told += by.coding("cam-1", START_NS + 6 * k * S, progressive=True)
    assert [event.kind for event in told] == [HealthKind.MOVED, HealthKind.PROGRESSIVE]


def test_a_restart_goes_on_with_the_event_that_lasts() -> None:
    before, after = HealthWatch(), HealthWatch()
    (event,) = play([OK, MOVED, MOVED, MOVED], by=before)
    event = before.illustrate(event, "ab" * 32)
    after.resume("cam-1", [event])
    assert after.known("cam-1")
    (ended,) = play([MOVED, OK, OK, OK], from_s=60.0, by=after)
    assert (ended.since_ns, ended.sha256, seconds(ended.until_ns)) == (event.since_ns, "ab" * 32, 66.0)


@given(st.lists(st.sampled_from([OK, MOVED, COVERED, SceneState.BLACK, LATE]), max_size=200), st.floats(0.5, 700))
@settings(max_examples=60, deadline=None)
def test_no_kind_begins_twice_in_ten_minutes_and_at_most_one_lasts(states: list[SceneState], period_s: float) -> None:
    rows: dict[tuple[HealthKind, int], HealthEvent] = {}
    for event in play(states, period_s=period_s):
        rows[event.kind, event.since_ns] = event
    assert sum(event.until_ns is None for event in rows.values()) <= 1
    for kind in HealthKind:
        since = sorted(since_ns for known, since_ns in rows if known is kind)
        assert all(later - earlier >= AGAIN_S * S for earlier, later in pairwise(since))
    assert all(event.until_ns is None or event.until_ns >= event.since_ns for event in rows.values())
