"""Cases counted by hand, and that nothing which happens after a period changes what it was."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.clocks.projection import Clock
from alerts.kpi.facts import Told, clocks_at, fact_of, known_by
from alerts.kpi.period import Period
from schemas.kpi import COUNTS
from schemas.record import State, What
from tests.alerts.kpi.may import CASES, LIMITED, MAY, all_facts, case_of, clocks_by, counts, fact, moment, steps_of

H = 3600
# What a lead that a person confirmed in time counts for, up to its dispatch.
TAKEN_IN = {
    **dict.fromkeys(("reported", "reported_filed", "verified", "verified_on_time"), 1),
    **dict.fromkeys(("filed", "filed_on_time", "filed_right", "judged", "confirmed"), 1),
}
SENT = dict.fromkeys(("to_dispatch", "dispatched", "dispatched_on_time", "dispatched_right"), 1)
DEALT_WITH = dict.fromkeys(("to_handle", "handled", "handled_on_time", "handled_dispatched"), 1)
# What was sent out by itself, until somebody says what it is.
BY_ITSELF = dict.fromkeys(("reported", "reported_filed", "filed", "filed_on_time", "filed_right"), 1)
REAL = dict.fromkeys(("judged", "confirmed"), 1)
CHECKED = dict.fromkeys(("checked", "checked_on_time"), 1)
CLOSED = dict.fromkeys(("to_close", "closed", "closed_on_time"), 1)
BY_HAND: dict[str, dict[str, int]] = {
    "plain": TAKEN_IN | SENT | DEALT_WITH | CHECKED | CLOSED | {"handling_s": 11 * H},
    "late": (TAKEN_IN | SENT | DEALT_WITH | CHECKED | CLOSED | {"handling_s": 48 * H})
    | {"verified_on_time": 0, "filed_on_time": 0, "handled_on_time": 0, "closed_on_time": 0},
    "rework": TAKEN_IN | SENT | DEALT_WITH | CHECKED | CLOSED | {"handling_s": 17 * H // 2, "reworked": 1},
    "suspended": TAKEN_IN | SENT,
    "resumed": TAKEN_IN | SENT | DEALT_WITH | CHECKED | CLOSED | {"handling_s": 23 * H},
    "extended": TAKEN_IN | SENT | DEALT_WITH | CHECKED | CLOSED | {"handling_s": 46 * H, "extended": 1},
    "void": {"reported": 1, "verified": 1, "verified_on_time": 1, "voided": 1, "judged": 1},
    "duplicate": TAKEN_IN | SENT | {"voided": 1, "filed_right": 0},
    "corrected": {},
    "merged": {},
    "on_the_spot": TAKEN_IN | DEALT_WITH | CLOSED | {"self_handled": 1, "handled_dispatched": 0},
    "overdue": TAKEN_IN | SENT | {"to_handle": 1, "overdue_waiting": 1},
    "in_time": TAKEN_IN | SENT | {"to_handle": 1},
    "carried": (DEALT_WITH | CHECKED | CLOSED | {"handling_s": 47 * H}) | {"handled_on_time": 0, "closed_on_time": 0},
    "gone": BY_ITSELF | SENT | {"dispatched_right": 0, "gone": 1},
    "waiting": TAKEN_IN | {"to_dispatch": 1},
    "reopened": DEALT_WITH | CHECKED | CLOSED | {"handling_s": 7 * H, "reworked": 1},
    "direct": BY_ITSELF | SENT | DEALT_WITH | CHECKED | CLOSED | REAL | {"handling_s": 6 * H},
    "direct_false": BY_ITSELF | SENT | {"filed_right": 0, "voided": 1, "judged": 1},
    "let_go": BY_ITSELF | SENT | {"gone": 1, "gone_overdue": 1},
    "untaken": BY_ITSELF | SENT | DEALT_WITH | CHECKED | CLOSED | REAL | {"handling_s": 4 * H},
    "lapsed": TAKEN_IN | SENT | {"to_handle": 1},
}


def test_no_steps_count_for_nothing() -> None:
    assert fact_of(case_of("plain"), [], [], MAY.begin, MAY.end) is None


def test_every_case_is_counted_by_hand() -> None:
    assert BY_HAND.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_case_counts_for_what_the_hand_says(name: str) -> None:
    assert counts(name) == {count: number for count, number in BY_HAND[name].items() if number}


def test_the_next_month_begins_where_this_one_ends() -> None:
    """What was overdue in May is dealt with in June, late; what was done in May is not counted again."""
    june = Period(date(2026, 6, 1), date(2026, 6, 30), "Asia/Shanghai")
    assert counts("overdue", june) == {
        "to_handle": 1,
        "handled": 1,
        "handled_dispatched": 1,
        "handling_s": 120 * H,
        "checked": 1,
        "checked_on_time": 1,
        "to_close": 1,
        "closed": 1,
    }
    assert counts("in_time", june) == {"to_handle": 1, "overdue_waiting": 1}
    assert counts("waiting", june) == {"to_dispatch": 1}
    for name in ("plain", "late", "void", "gone", "reopened", "let_go", "direct"):
        assert counts(name, june) == {}
    for name in ("suspended", "lapsed"):  # both are past their end by then
        assert counts(name, june) == {"to_handle": 1}


def test_who_did_what_is_known_by_role() -> None:
    found = fact("late")
    assert found is not None
    assert found.posts == {
        "verify": "duty_lead",
        "file": "duty_lead",
        "dispatch": "dispatcher",
        "handle": "crew",
        "check": "inspector",
    }


def test_the_unit_is_the_one_that_had_the_job_last() -> None:
    units = {name: found.unit_id for name in ("plain", "late", "gone") if (found := fact(name)) is not None}
    assert units == {"plain": "u-1", "late": "u-2", "gone": "u-2"}


def test_what_ended_done_or_void_in_the_period_is_what_a_sample_is_drawn_from() -> None:
    drawn = {found.key for found in all_facts().cases if found.closed}
    assert drawn == {
        *("plain", "late", "rework", "resumed", "extended", "void", "duplicate", "on_the_spot", "carried", "reopened"),
        *("direct", "direct_false", "untaken"),
    }


def test_a_class_that_is_given_later_is_not_the_class_of_now() -> None:
    later = [*steps_of("plain"), Told(moment("6-05 08:00"), "reclassed", "done", {"from": "09006", "to": "09005"})]
    found = fact("plain", steps=later)
    assert found is not None
    assert found.class_code == "09006"


def test_a_class_that_a_person_corrects_was_not_filed_right() -> None:
    steps = steps_of("plain")
    steps.insert(2, Told(moment("5-04 09:30"), "reclassed", "dispatched", {"from": "09006", "to": "09005"}, "officer"))
    found = fact("plain", steps=steps)
    assert found is not None
    assert (found.counts["filed"], found.counts.get("filed_right", 0), found.class_code) == (1, 0, "09005")


def test_a_surer_look_of_a_camera_is_no_mistake_of_whoever_filed() -> None:
    steps = steps_of("plain")
    steps.insert(2, Told(moment("5-04 09:30"), "reclassed", "dispatched", {"from": "09006", "to": "09005"}, "system"))
    found = fact("plain", steps=steps)
    assert found is not None
    assert found.counts["filed_right"] == 1


def test_an_escalation_by_the_clock_is_no_mistake_of_whoever_dispatched() -> None:
    steps = steps_of("plain")
    steps.insert(2, Told(moment("5-04 09:30"), "reassigned", "dispatched", {"from": "u-1", "to": "u-2"}, "system"))
    found = fact("plain", steps=steps)
    assert found is not None
    assert (found.counts["dispatched_right"], found.unit_id) == (1, "u-2")


def test_what_no_camera_told_of_says_nothing_of_cameras() -> None:
    steps = known_by(steps_of("plain"), MAY.end)
    found = fact_of(replace(case_of("plain"), source="complaint"), steps, (), MAY.begin, MAY.end)
    assert found is not None
    assert (found.counts["filed"], found.counts.get("judged", 0)) == (1, 0)


@pytest.mark.parametrize(("stage", "expected"), [("handle", 1), ("", 1), ("check", 0), ("dispatch", 0)])
def test_more_time_for_another_stage_is_none_for_handling(stage: str, expected: int) -> None:
    steps = steps_of("extended")
    steps[2] = replace(steps[2], detail={"stage": stage, "working_h": 24})
    found = fact("extended", steps=steps)
    assert found is not None
    assert found.counts.get("extended", 0) == expected


def test_steps_from_before_the_record_count_for_nothing() -> None:
    old = [Told(step.at, step.what, "", step.detail, step.role) for step in steps_of("plain")]
    assert fact("plain", steps=old) is None


def test_clocks_that_had_ended_count_as_they_were_judged() -> None:
    """A later pack gives an hour to deal with a case; what was on time by the pack of its day stays on time."""
    steps = known_by(steps_of("plain"), MAY.end)
    strict = [_missed(clock) for clock in clocks_by(list(steps))]
    kept = clocks_at(steps, "09006", clocks_by(list(steps)), strict)
    assert all(clock.met for clock in kept)
    assert not any(clock.met for clock in clocks_at(steps, "09006", [], strict))


def _missed(clock: Clock) -> Clock:
    return Clock(**{name: getattr(clock, name) for name in Clock.__slots__} | {"met": False})


LATER = st.lists(
    st.tuples(
        st.integers(0, 40 * 24).map(lambda hours: moment("6-01 00:00") + timedelta(hours=hours)),
        st.sampled_from([str(what) for what in What]),
        st.sampled_from([str(state) for state in State]),
        st.sampled_from(["system", "crew", "dispatcher"]),
        st.sampled_from(
            [{}, {"stage": "handle", "working_h": 99}, {"from": "09006", "to": "09005"}, {"unit": "u-9"}, {"to": "u-9"}]
        ),
    ),
    max_size=5,
)


@settings(max_examples=60)
@given(st.sampled_from(sorted(CASES)), LATER)
def test_nothing_that_happens_later_changes_a_closed_period(name: str, later: list[tuple]) -> None:  # type: ignore[type-arg]
    more = [Told(at, what, state, detail, role) for at, what, state, role, detail in sorted(later, key=lambda x: x[0])]
    assert fact(name, steps=[*known_by(steps_of(name), MAY.end), *more]) == fact(name)


PLAY = st.lists(
    st.tuples(
        st.integers(0, 60 * 24),
        st.sampled_from([str(what) for what in What]),
        st.sampled_from([str(state) for state in State]),
        st.sampled_from(["system", "crew", "dispatcher", "inspector"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=300)
@given(PLAY)
def test_whatever_is_written_no_part_is_more_than_its_whole(play: list[tuple[int, str, str, str]]) -> None:
    steps = [
        Told(moment("4-20 00:00") + timedelta(hours=hours), what, state, {}, role)
        for hours, what, state, role in sorted(play, key=lambda row: row[0])
    ]
    found = fact("plain", steps=steps)
    if found is None:
        return
    count = {name: found.counts.get(name, 0) for name in COUNTS}
    for part, whole in (
        ("reported_filed", "reported"),
        ("verified_on_time", "verified"),
        ("filed_on_time", "filed"),
        ("filed_right", "filed"),
        ("dispatched", "to_dispatch"),
        ("dispatched_on_time", "dispatched"),
        ("dispatched_right", "dispatched"),
        ("handled", "to_handle"),
        ("handled_on_time", "handled"),
        ("handled_dispatched", "handled"),
        ("handled_unlimited", "handled_dispatched"),
        ("gone_overdue", "gone"),
        ("self_handled", "handled"),
        ("overdue_waiting", "to_handle"),
        ("extended", "to_handle"),
        ("reworked", "to_close"),
        ("closed", "to_close"),
        ("closed_on_time", "closed"),
        ("checked_on_time", "checked"),
        ("confirmed", "judged"),
    ):
        assert count[part] <= count[whole] <= 1, part
    assert count["handled"] + count["overdue_waiting"] <= 1
    assert LIMITED.version in found.packs
