"""What rates would hide: direct alerts, forgotten suspensions, things that left, jobs nobody took."""

from dataclasses import replace
from datetime import date

import pytest

from alerts.kpi.facts import Told, fact_of, known_by, untaken_of
from alerts.kpi.period import Period
from tests.alerts.kpi.may import MAY, case_of, fact, moment, steps_of

H = 3600
JUNE = Period(date(2026, 6, 1), date(2026, 6, 30), "Asia/Shanghai")


@pytest.mark.parametrize(
    ("what", "state", "role", "judged", "confirmed"),
    [
        ("finished", "checking", "crew", 1, 1),
        ("finished", "checking", "auxiliary", 1, 1),
        ("rework", "dispatched", "inspector", 1, 1),
        ("done", "done", "inspector", 1, 1),
        ("self_handled", "done", "officer", 1, 1),
        ("done", "done", "system", 0, 0),  # the camera's own word for itself
        ("taken", "handling", "crew", 0, 0),  # nobody has been there yet
        ("gone", "gone", "system", 0, 0),
    ],
)
def test_who_met_what_was_sent_out_by_itself_says_that_it_is_real(
    what: str, state: str, role: str, judged: int, confirmed: int
) -> None:
    found = fact("direct", steps=[*steps_of("direct")[:1], Told(moment("5-22 10:00"), what, state, {}, role)])
    assert found is not None
    assert (found.counts.get("judged", 0), found.counts.get("confirmed", 0)) == (judged, confirmed)
    assert found.posts.get("verify", "") == (role if judged else "")


def test_a_direct_case_is_judged_in_the_period_in_which_somebody_met_it() -> None:
    steps = [steps_of("direct")[0], Told(moment("6-01 08:00"), "finished", "checking", {}, "crew")]
    (before, after) = (fact("direct", period, steps) for period in (MAY, JUNE))
    assert before is not None
    assert after is not None
    assert (before.counts.get("judged", 0), after.counts["judged"], after.counts["confirmed"]) == (0, 1, 1)


def test_a_camera_that_closed_a_case_before_anybody_came_judged_nothing() -> None:
    steps = [
        steps_of("direct")[0],
        Told(moment("5-22 09:00"), "done", "done", {}, "system"),
        Told(moment("5-22 10:00"), "reopened", "dispatched", {}, "system"),
        Told(moment("5-22 11:00"), "finished", "checking", {}, "crew"),
    ]
    before, after = fact("direct", steps=steps[:3]), fact("direct", steps=steps)
    assert before is not None
    assert after is not None
    assert ("judged" in before.counts, after.counts.get("judged"), after.counts.get("confirmed")) == (False, 1, 1)


def test_a_direct_case_that_was_met_and_is_voided_later_was_judged_by_the_last_word() -> None:
    later = Told(moment("5-23 08:00"), "void", "void", {"reason": "false_alarm"}, "inspector")
    found = fact("direct", steps=[*steps_of("direct"), later])
    assert found is not None
    assert (found.counts["judged"], found.counts.get("confirmed", 0)) == (1, 0)


@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        (("5-08 08:20", "filed", "filed", "duty_lead"), {"to_dispatch"}),
        (("5-08 08:30", "confirmed", "dispatched", "dispatcher"), {"to_handle"}),
        (("5-08 08:40", "taken", "handling", "crew"), {"to_handle"}),
    ],
)
def test_a_suspension_past_its_end_counts_where_the_case_stands(
    stands: tuple[str, str, str, str], expected: set[str]
) -> None:
    """In June, in which nobody touched it."""
    steps = steps_of("lapsed")
    at, what, state, role = stands
    steps[1] = Told(moment(at), what, state, {}, role)
    found = fact("lapsed", JUNE, steps)
    assert found is not None
    assert set(found.counts) == expected


def test_one_that_waits_for_its_check_is_to_be_closed_once_its_suspension_is_past() -> None:
    steps = steps_of("lapsed")
    steps.insert(2, Told(moment("5-08 09:00"), "finished", "checking", {}, "crew"))
    found = fact("lapsed", JUNE, steps)
    assert found is not None
    assert dict(found.counts) == {"to_close": 1}


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"until": ""},
        {"until": 7},
        {"until": "soon"},
        {"until": "2026-05-18T10:00:00"},  # whose time, it does not say
        {"until": "2026-06-01T00:00:00+08:00"},  # not past yet
    ],
)
def test_a_suspension_without_an_end_that_is_past_leaves_nothing_to_do(detail: dict[str, object]) -> None:
    steps = steps_of("lapsed")
    steps[2] = replace(steps[2], detail=detail)
    found = fact("lapsed", steps=steps)
    assert found is not None
    assert not {"to_handle", "to_close"} & set(found.counts)


def test_a_case_suspended_again_has_its_last_end() -> None:
    steps = steps_of("lapsed")
    steps += [
        Told(moment("5-19 08:00"), "resumed", "dispatched", {}, "dispatcher"),
        Told(moment("5-19 09:00"), "suspended", "suspended", {"until": "2026-08-01T00:00:00+08:00"}, "dispatcher"),
    ]
    found = fact("lapsed", steps=steps)
    assert found is not None
    assert "to_handle" not in found.counts


def test_no_limit_is_missing_where_nobody_was_sent() -> None:
    """What an officer deals with on the spot has no time; where a unit had it before, that is its time."""
    steps = known_by(steps_of("on_the_spot"), MAY.end)
    found = fact_of(case_of("on_the_spot"), steps, (), MAY.begin, MAY.end)
    assert found is not None
    assert not {"handled_unlimited", "handled_dispatched", "handling_s"} & set(found.counts)
    sent = [steps[0], Told(moment("5-16 08:30"), "confirmed", "dispatched", {}, "dispatcher"), steps[1]]
    found = fact_of(case_of("on_the_spot"), sent, (), MAY.begin, MAY.end)
    assert found is not None
    assert found.counts["handled_unlimited"] == found.counts["handled_dispatched"] == found.counts["self_handled"] == 1
    assert found.counts["handling_s"] == H // 2


def test_what_left_in_time_or_without_a_limit_let_nobody_off() -> None:
    steps = [steps_of("let_go")[0], replace(steps_of("let_go")[1], at=moment("5-25 07:00"))]
    found = fact("let_go", steps=steps)
    assert found is not None
    assert (found.counts["gone"], found.counts.get("gone_overdue", 0)) == (1, 0)
    unlimited = fact_of(case_of("let_go"), known_by(steps_of("let_go"), MAY.end), (), MAY.begin, MAY.end)
    assert unlimited is not None
    assert (unlimited.counts["gone"], unlimited.counts.get("gone_overdue", 0)) == (1, 0)


def lying(steps: list[Told], period: Period = MAY) -> list[tuple[str, dict[str, int]]]:
    """Units that let the job of a case lie, with what that counts for."""
    known = known_by(steps, period.end)
    return [(one.unit_id, dict(one.counts)) for one in untaken_of(case_of("untaken"), known, period.begin, period.end)]


def test_a_job_that_nobody_took_is_put_down_to_the_unit_that_let_it_lie() -> None:
    found = fact("untaken")
    assert found is not None
    assert found.unit_id == "u-2"
    assert lying(steps_of("untaken")) == [("u-1", {"let_lie": 1})]
    assert lying(steps_of("untaken"), JUNE) == []
    assert lying([]) == []
    for name in ("plain", "gone"):  # moved by a person: nobody let it lie
        assert lying(steps_of(name)) == []


def test_each_unit_that_let_it_lie_counts_once_whatever_became_of_it() -> None:
    opened, told, moved, *_ = steps_of("untaken")
    again = [
        replace(told, at=moment("5-25 10:00"), detail={**told.detail, "unit": "u-2"}),  # and there was no third
        replace(told, at=moment("5-25 11:00"), detail={**told.detail, "unit": "u-2"}),
    ]
    gone = Told(moment("5-25 12:00"), "gone", "gone", {}, "system")
    both = [("u-1", {"let_lie": 1}), ("u-2", {"let_lie": 1})]
    assert lying([opened, told, moved, *again, gone]) == both
    assert lying([opened, moved, *again[:1]]) == both  # escalated because its limit was over
    for what, state in (("void", "void"), ("merged", "merged")):
        assert lying([opened, told, moved, replace(gone, what=what, state=state)]) == []


@pytest.mark.parametrize(
    ("role", "detail"),
    [
        ("dispatcher", {"from": "u-1", "to": "u-2", "reason": "escalated"}),
        ("system", {"from": "u-1", "to": "u-2", "reason": "unit_gone"}),
        ("system", {"from": "", "to": "u-2", "reason": "escalated"}),
    ],
)
def test_a_move_for_another_reason_is_nobodys_idleness(role: str, detail: dict[str, str]) -> None:
    opened, _, moved, *_ = steps_of("untaken")
    assert lying([opened, replace(moved, role=role, detail=detail)]) == []
