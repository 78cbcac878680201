"""Clocks of whole records, each with its reckoning beside it.

Worked is Monday to Thursday 08:30-12:00 and 14:00-18:00 (7.5 h), Friday 08:30-12:00. Sunday 20 September 2026 is worked
as a Friday, 1 to 7 October is the national holiday, Saturday 10 October is worked as a Thursday.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.clocks.projection import Clock, clocks_of, lamp
from alerts.clocks.stages import Step, stages_of
from alerts.clocks.worktime import WorkTime
from schemas.record import State, What
from schemas.rules import TimeLimit, WorkCalendar
from tests.alerts.clocks.made_city import ALWAYS, BERLIN, OFFICE_TIME, limit, limited, local, steps
from tests.alerts.makers import CELL

H = 3600.0
SENT = ("09-21 09:00", What.OPENED, State.DISPATCHED)  # a Monday
TAKEN = ("09-21 09:30", What.TAKEN, State.HANDLING)


def clocks(record: Iterable[Step], *limits: TimeLimit, code: str = "06010") -> tuple[Clock, ...]:
    return clocks_of(record, code, CELL, limited(*limits), OFFICE_TIME)


def only(record: Iterable[Step], *limits: TimeLimit) -> Clock:
    (clock,) = clocks(record, *limits)
    return clock


def times(clock: Clock) -> tuple[datetime | None, datetime | None, datetime | None]:
    return clock.started_at, clock.yellow_at, clock.due_at


def test_no_record_no_stage_and_no_limit_give_no_clocks() -> None:
    assert clocks([]) == ()
    assert (
        clocks(steps(("09-21 09:00", What.OPENED, State.GRACE), ("09-21 10:00", What.CORRECTED, State.CORRECTED))) == ()
    )
    assert clocks(steps(("09-21 09:00", What.OPENED, State.VERIFY)), limit()) == ()
    assert clocks([Step(local("09-21 09:00"), "opened", "")], limit()) == ()  # older than the record


# 1. 4 h from Monday 09:00: 3 h to noon, 1 h from 14:00; 80 % of it, 3.2 h: 3 h to noon, 12 min from 14:00.
# 2. 1 working day (7.5 h) from Monday 09:00: the same time on Tuesday; 80 %, 6 h: 3 to noon, 3 from 14:00.
# 3. 2 h by the clock: 80 % is 96 min.
# 4. 7 working days (52.5 h) from Monday: Mon 7, Tue-Thu 22.5 (29.5), Fri 3.5 (33), Mon-Wed 28-30 September 22.5 (55.5):
#    19.5 h of them: Mon 7.5, Tue 7.5, 4.5 on Wednesday: 3.5 to noon, then 1. 80 %, 42 h: 33, then 9: Mon 7.5, Tue 1.5.
@pytest.mark.parametrize(
    ("held", "yellow", "due"),
    [
        (limit(), "09-21 14:12", "09-21 15:00"),
        (limit(amount=1, unit="working_d"), "09-21 17:00", "09-22 09:00"),
        (limit(amount=2, unit="natural_h"), "09-21 10:36", "09-21 11:00"),
        (limit(amount=7, unit="working_d"), "09-29 10:00", "09-30 15:00"),
        (limit(amount=0), "09-21 09:00", "09-21 09:00"),
    ],
)
def test_a_running_clock_says_when_it_turns(held: TimeLimit, yellow: str, due: str) -> None:
    clock = only(steps(SENT, TAKEN), held)
    assert times(clock) == (local("09-21 09:00"), local(yellow), local(due))
    assert (clock.ended_at, clock.used_s, clock.met, clock.paused) == (None, None, None, False)


# 5. Friday 25 September 16:00, nobody works: 3.5 h on Monday morning, 0.5 h from 14:00.
# 6. Friday 18 September 11:00: 1 h; the make-up Sunday, worked as a Friday, 3 h of its 3.5 h: until 11:30.
# 7. Wednesday 30 September 17:00: 1 h; Thursday 8 October after the holiday week: 3 h from 08:30.
# 8. Friday 9 October 11:00: 1 h; Saturday 10 October, worked as a Thursday: 3 h from 08:30.
@pytest.mark.parametrize(
    ("sent", "due"),
    [
        ("09-25 16:00", "09-28 14:30"),
        ("09-18 11:00", "09-20 11:30"),
        ("09-30 17:00", "10-08 11:30"),
        ("10-09 11:00", "10-10 11:30"),
    ],
)
def test_four_hours_over_days_off_and_days_made_up(sent: str, due: str) -> None:
    assert only(steps((sent, What.OPENED, State.DISPATCHED)), limit()).due_at == local(due)


# 9. Monday 09:00 to 11:00: 2 h used. Suspended until Wednesday 10:00. 2 h are left: until 12:00. 80 % are 3.2 h, of
#    which 1.2 h are left: until 11:12.
def test_a_suspended_case_stands_still_and_goes_on_with_what_was_left() -> None:
    still = (SENT, ("09-21 11:00", What.SUSPENDED, State.SUSPENDED, {"reason": "road works"}))
    clock = only(steps(*still), limit())
    assert (clock.paused, clock.used_s, clock.ended_at, clock.met) == (True, 2 * H, None, None)
    assert times(clock) == (local("09-21 09:00"), None, None)
    assert lamp(clock, local("12-31 09:00")) == "green"
    clock = only(steps(*still, ("09-23 10:00", What.RESUMED, State.DISPATCHED)), limit())
    assert times(clock) == (local("09-21 09:00"), local("09-23 11:12"), local("09-23 12:00"))
    assert (clock.paused, clock.used_s) == (False, None)


# 10. Suspended at 14:30: 3.5 h of 4 are used, past 80 % (14:12): it stays yellow. At 16:00, 5 h are used: it stays red.
@pytest.mark.parametrize(("at", "shown"), [("09-21 14:30", "yellow"), ("09-21 16:00", "red")])
def test_a_case_that_was_late_when_it_was_suspended_stays_so(at: str, shown: str) -> None:
    clock = only(steps(SENT, (at, What.SUSPENDED, State.SUSPENDED)), limit())
    assert lamp(clock, local("09-24 09:00")) == shown
    assert (clock.due_at is None) == (shown == "yellow")


# 11. 1 h used when it was suspended at 10:00; a week later the thing is gone by itself: in time.
def test_a_case_that_ends_while_it_is_suspended_has_used_what_it_had_before() -> None:
    record = steps(SENT, ("09-21 10:00", What.SUSPENDED, State.SUSPENDED), ("09-29 10:00", What.GONE, State.GONE))
    clock = only(record, limit())
    assert (clock.met, clock.used_s, clock.ended_at, clock.paused) == (True, H, local("09-29 10:00"), False)
    assert (clock.due_at, lamp(clock, local("10-30 09:00"))) == (None, "green")


# 12. 4 h and 2 h more: 3 h to noon, 3 h from 14:00. 80 % of 6 h is 4.8 h: 1.8 h from 14:00.
# 13. Extended after it was late, at 17:00: the same, and it is not late any more at 16:30.
@pytest.mark.parametrize("at", ["09-21 10:00", "09-21 17:00"])
def test_an_extension_lengthens_the_limit_of_its_stage(at: str) -> None:
    more = (at, What.EXTENDED, State.HANDLING, {"stage": "handle", "working_h": 2, "reason": "rain"})
    clock = only(steps(SENT, TAKEN, more), limit())
    assert times(clock) == (local("09-21 09:00"), local("09-21 15:48"), local("09-21 17:00"))
    assert (clock.limit_s, clock.extensions) == (6 * H, 1)


# 14. Before the stage begins, without its name, for one of two limits, twice, of a limit by the clock, and not at all.
def test_extensions_go_where_they_say() -> None:
    early = ("09-21 08:40", What.EXTENDED, State.VERIFY, {"stage": "handle", "working_h": 1})
    record = steps(("09-21 08:30", What.OPENED, State.VERIFY), early, ("09-21 09:00", What.CONFIRMED, State.DISPATCHED))
    assert only(record, limit()).due_at == local("09-21 16:00")
    plain = ("09-21 10:00", What.EXTENDED, State.DISPATCHED, {"working_h": 1.5})
    assert only(steps(SENT, plain, plain), limit()).limit_s == 7 * H
    assert only(steps(SENT, plain), limit(unit="natural_h")).due_at == local("09-21 14:30")
    lead = ("09-21 10:00", What.EXTENDED, State.VERIFY, {"stage": "verify", "also": "file", "working_h": 2})
    waits = steps(("09-21 09:00", What.OPENED, State.VERIFY), lead)
    both = clocks(waits, limit("a", stage="verify"), limit("b", stage="file"))
    assert [(clock.stage, clock.limit_s) for clock in both] == [("verify", 6 * H), ("file", 6 * H)]
    named = ("09-21 10:00", What.EXTENDED, State.DISPATCHED, {"working_h": 1, "limit": "stop"})
    found = clocks(steps(SENT, named), limit("a", name="remove"), limit("b", name="stop"))
    assert [(clock.limit_name, clock.limit_s, clock.extensions) for clock in found] == [
        ("remove", 4 * H, 0),
        ("stop", 5 * H, 1),
    ]
    for hours in (None, True, "2"):
        odd = ("09-21 10:00", What.EXTENDED, State.DISPATCHED, {"stage": "handle", "working_h": hours})
        assert only(steps(SENT, odd), limit()).limit_s == 4 * H


# 15. Done at 14:30 (3.5 h used, due 15:00), at 15:00 sharp, a minute late; and on Saturday for a limit of Friday noon.
@pytest.mark.parametrize(
    ("sent", "done", "met", "used_h", "shown"),
    [
        ("09-21 09:00", "09-21 10:00", True, 1.0, "green"),
        ("09-21 09:00", "09-21 14:30", True, 3.5, "yellow"),
        ("09-21 09:00", "09-21 15:00", True, 4.0, "yellow"),
        ("09-21 09:00", "09-21 15:01", False, 4 + 1 / 60, "red"),
        ("09-24 17:30", "09-26 10:00", False, 4.0, "red"),  # Thursday 0.5 h, Friday 3.5 h: due at noon
    ],
)
def test_an_ended_clock_says_whether_its_limit_was_kept(
    sent: str, done: str, met: bool, used_h: float, shown: str
) -> None:
    record = steps(
        (sent, What.OPENED, State.DISPATCHED), (done, What.FINISHED, State.HANDLING), (done, What.DONE, State.DONE)
    )
    clock = only(record, limit())
    assert (clock.ended_at, clock.met) == (local(done), met)
    assert clock.used_s == pytest.approx(used_h * H)
    assert lamp(clock, local("12-31 00:00")) == shown


# 16. The whole way of one case, each stage limited; rework begins the second round with fresh time.
def test_a_case_that_comes_back_has_a_second_round_with_fresh_time() -> None:
    record = steps(
        ("09-21 08:30", What.OPENED, State.VERIFY),
        ("09-21 09:30", What.FILED, State.FILED),
        ("09-21 10:00", What.DISPATCHED, State.DISPATCHED),
        ("09-21 10:30", What.TAKEN, State.HANDLING),
        ("09-21 14:30", What.FINISHED, State.CHECKING),
        ("09-21 15:30", What.REWORK, State.DISPATCHED, {"reason": "still there"}),
        ("09-21 16:00", What.TAKEN, State.HANDLING),
        ("09-22 10:00", What.FINISHED, State.CHECKING),
    )
    amounts = {"verify": 1.0, "file": 1.0, "dispatch": 0.25, "handle": 4.0, "check": 2.0}
    limits = [limit(stage, stage=stage, amount=amount) for stage, amount in amounts.items()]
    found = {(clock.stage, clock.round): clock for clock in clocks(record, *limits)}
    told = {key: (clock.used_s, clock.met) for key, clock in found.items()}
    assert told == {
        ("verify", 1): (1.0 * H, True),
        ("file", 1): (1.0 * H, True),
        ("dispatch", 1): (0.5 * H, False),  # due 09:45
        ("handle", 1): (2.5 * H, True),  # 10:00-12:00, 14:00-14:30
        ("check", 1): (1.0 * H, True),
        ("handle", 2): (4.0 * H, True),  # 15:30-18:00, 08:30-10:00 the day after
        ("check", 2): (None, None),
    }
    assert found["check", 2].due_at == local("09-22 12:00")


# 17. Given back by the crew at 11:00 and taken again at 14:30: one clock from 09:00, due 15:00. Lost leases and other
#     crews change nothing either: the limit is the case's.
def test_giving_a_job_back_gives_nobody_fresh_time() -> None:
    record = steps(
        SENT,
        TAKEN,
        ("09-21 11:00", What.REJECTED, State.DISPATCHED),
        ("09-21 11:30", What.REASSIGNED, State.DISPATCHED),
        ("09-21 14:30", What.TAKEN, State.HANDLING),
        ("09-21 14:40", What.LEASE_EXPIRED, State.DISPATCHED),
    )
    assert times(only(record, limit())) == (local("09-21 09:00"), local("09-21 14:12"), local("09-21 15:00"))


# 18. Back to the dispatcher (回退) at 10:00 (1 h used), sent again at 11:00: 1 h to noon, 2 h from 14:00: due 16:00.
def test_a_stage_that_is_entered_again_in_its_round_goes_on() -> None:
    record = steps(
        SENT, ("09-21 10:00", What.REJECTED, State.FILED), ("09-21 11:00", What.DISPATCHED, State.DISPATCHED)
    )
    found = {clock.stage: clock for clock in clocks(record, limit(), limit("d", stage="dispatch"))}
    assert (found["handle"].due_at, found["handle"].ended_at) == (local("09-21 16:00"), None)
    assert (found["dispatch"].used_s, found["dispatch"].met) == (H, True)


# 19. Reclassed at 10:00 to a class with 2 h: due 11:00, counted from 09:00. To one with 24 h: Monday 7 h, Tuesday 7.5,
#     Wednesday 7.5, on Thursday 2 h: 10:30.
def test_a_reclassed_stage_is_measured_by_its_new_class_from_its_own_beginning() -> None:
    opened = ("09-21 09:00", What.OPENED, State.DISPATCHED, {"class": "06010"})
    short = limit("short", amount=2, classes=frozenset({"09005"}))
    long = limit("long", classes=frozenset({"06010"}))
    record = steps(opened, ("09-21 10:00", What.RECLASSED, State.DISPATCHED, {"from": "06010", "to": "09005"}))
    (clock,) = clocks(record, short, long, code="09005")
    assert (clock.limit_id, clock.started_at, clock.due_at) == ("short", local("09-21 09:00"), local("09-21 11:00"))
    record = steps(opened, ("09-21 10:00", What.RECLASSED, State.DISPATCHED, {"from": "06010", "to": "09006"}))
    (clock,) = clocks(record, short, long, code="09006")
    assert (clock.limit_id, clock.due_at) == ("class/09006", local("09-24 10:30"))


def test_a_stage_that_ended_before_its_case_was_reclassed_keeps_the_class_it_had() -> None:
    record = steps(
        ("09-21 09:00", What.OPENED, State.DISPATCHED),
        ("09-21 10:00", What.FINISHED, State.CHECKING),
        ("09-21 11:00", What.RECLASSED, State.CHECKING, {"from": "06010", "to": "09005"}),
    )
    assert [(span.stage, span.class_code) for span in stages_of(record, "09005")] == [
        ("handle", "06010"),
        ("check", "09005"),
    ]


# 20. Road cleaning, 2 h, only after 08:00, by the clock: told at 03:00 it is due at 10:00; told at 21:00, at 23:00.
# 21. Done at 07:00, before it began to count: nothing used, in time.
def test_a_clock_that_does_not_begin_before_eight() -> None:
    cleaning = limit(amount=2, unit="natural_h", starts_from_min=480)
    early, late = ("09-21 03:00", What.OPENED, State.DISPATCHED), ("09-21 21:00", What.OPENED, State.DISPATCHED)
    assert times(only(steps(early), cleaning)) == (local("09-21 08:00"), local("09-21 09:36"), local("09-21 10:00"))
    assert only(steps(late), cleaning).due_at == local("09-21 23:00")
    clock = only(steps(early, ("09-21 07:00", What.DONE, State.DONE)), cleaning)
    assert (clock.used_s, clock.met, clock.due_at) == (0.0, True, local("09-21 10:00"))
    paused = only(
        steps(early, ("09-21 04:00", What.SUSPENDED, State.SUSPENDED), ("09-21 09:00", What.RESUMED, State.DISPATCHED)),
        cleaning,
    )
    assert paused.due_at == local("09-21 11:00")


# 22. Berlin, by the clock all day: 4 h from 00:30 on 29 March pass at 05:30 on the wall (02:00-03:00 is left out), on
#     25 October at 03:30 (02:00-03:00 comes twice).
@pytest.mark.parametrize(("day", "due"), [("03-29", "05:30"), ("10-25", "03:30")])
def test_four_hours_over_a_night_in_which_clocks_are_turned(day: str, due: str) -> None:
    city = limited(limit(), limit("n", name="natural", unit="natural_h"), calendar=ALWAYS, timezone="Europe/Berlin")
    record = steps((f"{day} 00:30", What.OPENED, State.DISPATCHED), zone=BERLIN)
    found = clocks_of(record, "06010", CELL, city, WorkTime(ALWAYS, "Europe/Berlin"))
    assert [clock.due_at for clock in found] == [local(f"{day} {due}", BERLIN)] * 2


# 23. Opened with a day of grace, verified after it: nothing counts before.
def test_grace_is_no_stage() -> None:
    record = steps(
        ("09-21 09:00", What.OPENED, State.GRACE),
        ("09-22 09:00", What.OPENED, State.VERIFY),
        ("09-22 10:00", What.CONFIRMED, State.DISPATCHED),
    )
    verify, handle = clocks(record, limit("v", stage="verify"), limit())
    assert (verify.started_at, verify.used_s, handle.started_at) == (local("09-22 09:00"), H, local("09-22 10:00"))


# 24. Void, merged, corrected, gone, done: each ends what ran. Reopened, it runs again in round 2.
@pytest.mark.parametrize("end", [State.VOID, State.MERGED, State.CORRECTED, State.GONE, State.DONE])
def test_an_end_ends_every_clock_and_a_reopening_begins_the_next_round(end: State) -> None:
    ended = (SENT, ("09-21 10:00", What.VOID, end))
    assert only(steps(*ended), limit()).ended_at == local("09-21 10:00")
    again = ("09-21 11:00", What.REOPENED, State.DISPATCHED)
    first, second = clocks(steps(*ended, again), limit())
    assert (first.round, first.ended_at) == (1, local("09-21 10:00"))
    assert (second.round, second.started_at, second.ended_at) == (2, local("09-21 11:00"), None)


def test_a_record_whose_clock_went_back_has_no_time_that_passes_backwards() -> None:
    record = steps(SENT, ("09-21 08:00", What.FINISHED, State.CHECKING), ("09-21 09:30", What.DONE, State.DONE))
    handle, check = clocks(record, limit(), limit("c", stage="check"))
    assert (handle.used_s, handle.ended_at) == (0.0, local("09-21 09:00"))
    assert (check.started_at, check.used_s) == (local("09-21 09:00"), 0.5 * H)


def test_without_working_hours_only_limits_by_the_clock_run() -> None:
    city = limited(limit(), limit("n", name="n", unit="natural_h"), calendar=WorkCalendar())
    found = clocks_of(steps(SENT), "06010", CELL, city, WorkTime(WorkCalendar(), "Asia/Shanghai"))
    assert [clock.limit_id for clock in found] == ["n"]


def test_a_limit_that_is_never_used_up_stays_green_and_harms_no_other() -> None:
    endless, short = limit("a", name="a", amount=10_000, unit="working_d"), limit("b", name="b")
    found = clocks(steps(SENT), endless, short)
    assert [(clock.limit_id, clock.due_at) for clock in found] == [("a", None), ("b", local("09-21 15:00"))]
    assert lamp(found[0], local("12-31 09:00")) == "green"


def test_a_running_clock_is_green_then_yellow_from_its_moment_on_then_red_after_its_moment() -> None:
    clock = only(steps(SENT), limit())
    shown = [lamp(clock, local(at)) for at in ("09-21 14:11", "09-21 14:12", "09-21 15:00")]
    assert shown == ["green", "yellow", "yellow"]
    assert lamp(clock, local("09-21 15:00") + timedelta(microseconds=1)) == "red"


WALK = st.lists(
    st.tuples(st.integers(0, 20_000), st.sampled_from(list(What)), st.sampled_from(list(State))),
    min_size=1,
    max_size=12,
)


@given(WALK, st.integers(0, 40))
@settings(max_examples=80, deadline=None)
def test_any_record_gives_clocks_that_hold_together(walk: list[tuple[int, What, State]], hours: int) -> None:
    at, record = local("09-18 09:00"), []
    for gap_s, what, state in walk:
        at += timedelta(seconds=gap_s)
        record.append(Step(at, what, state, {"working_h": 1, "stage": "handle"} if what == What.EXTENDED else {}))
    limits = [limit(stage, stage=stage, amount=hours) for stage in ("verify", "file", "dispatch", "handle", "check")]
    found = clocks(record, *limits)
    assert len({(clock.stage, clock.round, clock.limit_id) for clock in found}) == len(found)
    for clock in found:
        assert (clock.used_s is None) == (clock.ended_at is None and not clock.paused)
        assert (clock.met is None) == (clock.ended_at is None)
        if clock.yellow_at is not None and clock.due_at is not None:
            assert clock.started_at <= clock.yellow_at <= clock.due_at
        if clock.ended_at is not None and clock.used_s is not None:
            assert clock.met is (clock.due_at is None or clock.ended_at <= clock.due_at)
            assert not clock.met or clock.used_s <= clock.limit_s + 1e-6
    live = [span for span in stages_of(record, "") if span.ended_at is None]
    ended = {State.GRACE, State.DONE, State.GONE, State.CORRECTED, State.VOID, State.MERGED}
    assert not live or record[-1].state not in ended
