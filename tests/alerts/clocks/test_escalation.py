"""What is told to whom."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.clocks.escalation import Key, chief, in_hand, lead, stuck_stages, turns
from alerts.clocks.projection import Clock
from schemas.record import State
from schemas.rules import CityRules, Stage
from tests.alerts.clocks.made_city import limited, local

DUE = local("09-21 15:00")
CLOCK = Clock(
    stage="handle",
    round=1,
    limit_id="l-1",
    limit_name="",
    started_at=local("09-21 11:00"),
    yellow_at=local("09-21 14:12"),
    due_at=DUE,
    ended_at=None,
    limit_s=4 * 3600.0,
    used_s=None,
    paused=False,
    extensions=0,
    met=None,
    rule_version="v1",
)
CITY = limited()


def told(clock: Clock, at: str, *before: Key) -> list[str]:
    return [turn.kind for turn in turns([clock], before, local(at), lambda due_at: due_at + timedelta(hours=4))]


def test_no_clock_and_a_green_one_tell_nothing() -> None:
    assert turns([], [], DUE, lambda due_at: due_at) == []
    assert told(CLOCK, "09-21 14:11") == []


def test_a_clock_tells_each_thing_once_at_its_moment() -> None:
    yellow, red, late = (("handle", 1, "l-1", kind, 0) for kind in ("yellow", "red", "escalated"))
    assert told(CLOCK, "09-21 14:12") == told(CLOCK, "09-21 15:00") == ["yellow"]
    assert told(CLOCK, "09-21 14:30", ("handle", 1, "l-1", "yellow", 0)) == []
    assert told(CLOCK, "09-21 15:01") == ["red"]
    assert told(CLOCK, "09-21 18:59", ("handle", 1, "l-1", "red", 0)) == []
    assert told(CLOCK, "09-21 19:00", ("handle", 1, "l-1", "red", 0)) == ["escalated"]
    assert told(CLOCK, "09-21 19:00") == ["red", "escalated"]
    assert told(CLOCK, "09-29 19:00", yellow, red, late) == []  # type: ignore[arg-type]
    assert told(CLOCK, "09-21 15:01", ("handle", 2, "l-1", "red", 0), ("handle", 1, "l-2", "red", 0)) == ["red"]


def test_a_limit_that_was_extended_and_runs_out_again_is_told_again() -> None:
    again = replace(CLOCK, extensions=1)
    assert told(again, "09-21 15:01", ("handle", 1, "l-1", "red", 0)) == ["red"]
    assert told(again, "09-21 15:01", ("handle", 1, "l-1", "red", 1)) == []


def test_what_stands_still_or_has_ended_tells_nothing() -> None:
    assert told(replace(CLOCK, paused=True), "09-22 15:00") == []
    assert told(replace(CLOCK, ended_at=DUE, met=True), "09-22 15:00") == []
    assert told(replace(CLOCK, yellow_at=None, due_at=None), "09-22 15:00") == []


@pytest.mark.parametrize(
    ("stage", "state", "kind"),
    [
        ("verify", State.VERIFY, "undecided"),
        ("file", State.VERIFY, "undecided"),
        ("dispatch", State.FILED, "unhandled"),
        ("handle", State.DISPATCHED, "unhandled"),
        ("handle", State.HANDLING, "unclosed"),
        ("check", State.CHECKING, "unclosed"),
    ],
)
def test_a_case_over_its_limit_is_on_the_list_that_says_what_is_missing(stage: Stage, state: State, kind: str) -> None:
    clock = replace(CLOCK, stage=stage)
    assert stuck_stages([clock], state, DUE) == {}
    found = stuck_stages([clock], state, DUE + timedelta(seconds=1))
    assert found == {(stage, 1): (kind, clock)}
    assert stuck_stages([replace(clock, paused=True)], state, DUE + timedelta(days=1)) == {}


def test_a_stage_with_several_limits_is_listed_by_the_one_that_ran_out_first() -> None:
    later, first = replace(CLOCK, limit_id="b", due_at=DUE + timedelta(hours=1)), replace(CLOCK, limit_id="c")
    found = stuck_stages([later, first, replace(CLOCK, limit_id="a")], State.HANDLING, DUE + timedelta(hours=2))
    assert [clock.limit_id for _, clock in found.values()] == ["c"]


def test_a_unit_is_told_by_its_own_lead_and_one_without_by_the_bureaus() -> None:
    assert lead(CITY, "handle", "u-1").people == ("p-lead",)
    assert lead(CITY, "handle", "u-2").people == ("p-chief",)
    assert lead(CITY, "verify", "u-1").people == lead(CITY, "check", "u-1").people == ("p-chief",)
    assert chief(CITY).people == ("p-super",)
    assert (in_hand(CITY, "handle", "u-1").role, in_hand(CITY, "handle", "u-1").people) == ("officer", ())
    assert in_hand(CITY, "file", "u-1").people == ("p-chief",)


def test_a_pack_without_staff_names_the_role_alone() -> None:
    nobody = replace(CITY, rules=CityRules())
    assert (lead(nobody, "handle", "u-1").role, lead(nobody, "handle", "u-1").people) == ("duty_lead", ())
    assert chief(nobody).people == ()
