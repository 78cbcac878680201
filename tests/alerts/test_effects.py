"""What another look means: a machine overrules no person, and no thing that stands is forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.effects import Effect, Past, effect_of
from config.incidents import IncidentKnobs
from schemas.record import OPEN, State

KNOBS = IncidentKnobs(reopen_s=1800, recheck_s=300)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECONDS = st.integers(-100_000, 100_000)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def past(state: State, **changes: object) -> Past:
    whole: dict[str, object] = {"check": "none", "finished_at": None, "ended_at": NOON, "seen_leaving": True}
    return Past(state, **(whole | changes))  # type: ignore[arg-type]


def effect(one: Past, appeared_s: float, captured_s: float) -> Effect:
    return effect_of(one, at(appeared_s), at(captured_s), KNOBS)


@pytest.mark.parametrize("state", sorted(OPEN))
@given(SECONDS)
def test_what_is_open_goes_on_whatever_is_seen(state: State, captured_s: int) -> None:
    open_ = past(state, ended_at=None, seen_leaving=False)
    assert effect(open_, captured_s - 90, captured_s) is Effect.REFRESH


@pytest.mark.parametrize(
    ("check", "captured_s", "expected"),
    [
        ("camera", 299, Effect.REFRESH),  # the crew is still sweeping
        ("camera", 300, Effect.REWORK),
        ("person", 9999, Effect.REFRESH),  # a person looks
        ("none", 9999, Effect.REFRESH),
    ],
)
def test_what_stands_after_a_crew_s_word_is_rework_where_the_camera_checks(
    check: str, captured_s: int, expected: Effect
) -> None:
    one = past(State.CHECKING, check=check, finished_at=NOON, ended_at=None, seen_leaving=False)
    assert effect(one, -90, captured_s) is expected


@pytest.mark.parametrize(("came_s", "expected"), [(299, Effect.REFRESH), (300, Effect.REWORK), (9999, Effect.REWORK)])
def test_no_camera_whose_clock_is_ahead_calls_a_crew_back_before_the_time(came_s: int, expected: Effect) -> None:
    one = past(State.CHECKING, check="camera", finished_at=NOON, ended_at=None, seen_leaving=False)
    assert effect_of(one, at(-90), at(700), KNOBS, at(came_s)) is expected


@pytest.mark.parametrize("state", [State.GONE, State.CORRECTED, State.DONE])
@pytest.mark.parametrize(
    ("appeared_s", "captured_s", "expected"),
    [
        (-90, 0, Effect.NOTE),  # late word of when it still stood
        (-90, 1, Effect.REOPEN),  # one camera took for gone what another still sees
        (-90, 86_400, Effect.REOPEN),
        (1, 91, Effect.REOPEN),
        (1800, 1890, Effect.REOPEN),
        (1801, 1891, Effect.NEW),
    ],
)
def test_what_a_camera_saw_leave_is_back_for_half_an_hour(
    state: State, appeared_s: int, captured_s: int, expected: Effect
) -> None:
    assert effect(past(state), appeared_s, captured_s) is expected


def test_a_crew_s_word_is_not_overruled_by_the_same_thing_but_by_one_that_comes_after() -> None:
    done = past(State.DONE, seen_leaving=False)
    assert effect(done, -90, 5000) is Effect.NOTE
    assert effect(done, 60, 150) is Effect.REOPEN
    assert effect(done, 1860, 1950) is Effect.NEW


@pytest.mark.parametrize("state", [State.VOID, State.MERGED])
@given(SECONDS, st.integers(0, 10_000))
def test_what_a_person_ended_no_machine_opens(state: State, appeared_s: int, dwell_s: int) -> None:
    assert effect(past(state), appeared_s, appeared_s + dwell_s) is Effect.NOTE


@given(st.sampled_from(sorted(set(State) - OPEN)), st.booleans(), SECONDS, st.integers(0, 10_000))
def test_no_look_at_an_ended_one_refreshes_it_or_makes_rework(
    state: State, seen: bool, appeared_s: int, dwell_s: int
) -> None:
    found = effect(past(state, seen_leaving=seen), appeared_s, appeared_s + dwell_s)
    assert found in {Effect.NOTE, Effect.REOPEN, Effect.NEW}
