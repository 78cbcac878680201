"""Twenty-two cases of May 2026 in Shanghai, written down step by step, so that a person can count them.

Limits by the clock: verify and file 2 h, dispatch 1 h, handle 24 h, check 12 h.
"""

from datetime import UTC, date, datetime
from typing import Any

import msgspec

from alerts.clocks.projection import Clock, clocks_of
from alerts.clocks.worktime import WorkTime
from alerts.kpi.facts import Case, Told, clocks_at, fact_of, known_by, untaken_of
from alerts.kpi.period import Period
from alerts.kpi.report import Facts, in_order
from schemas.city import City
from schemas.kpi import Fact
from schemas.rules import CityRules, Stage, TimeLimit
from tests.alerts.makers import CELL, city

MAY = Period(date(2026, 5, 1), date(2026, 5, 31), "Asia/Shanghai")
HOURS: tuple[tuple[Stage, float], ...] = (("verify", 2), ("file", 2), ("dispatch", 1), ("handle", 24), ("check", 12))
LIMITED = city(rules=CityRules(limits=tuple(TimeLimit(f"l-{stage}", stage, h, "natural_h") for stage, h in HOURS)))
Row = tuple[Any, ...]  # local time, what, state after it, role, detail

# Each: opened, and what became of it. Times are local, "5-04 08:00".
CASES: dict[str, tuple[Row, ...]] = {
    # Confirmed after 1 h, dealt with 11 h later, checked after 1 h.
    "plain": (
        ("5-04 08:00", "opened", "verify", "system"),
        ("5-04 09:00", "confirmed", "dispatched", "dispatcher"),
        ("5-04 10:00", "taken", "handling", "crew"),
        ("5-04 20:00", "finished", "checking", "crew"),
        ("5-04 21:00", "done", "done", "inspector"),
    ),
    # Filed after 3 h (late), dispatched after 30 min, dealt with after 48 h (late).
    "late": (
        ("5-05 08:00", "opened", "verify", "system"),
        ("5-05 11:00", "filed", "filed", "duty_lead"),
        ("5-05 11:30", "dispatched", "dispatched", "dispatcher", {"unit": "u-2"}),
        ("5-07 11:30", "finished", "checking", "crew"),
        ("5-07 12:00", "done", "done", "inspector"),
    ),
    # Sent back once: 3.5 h and 5 h.
    "rework": (
        ("5-06 08:00", "opened", "verify", "system"),
        ("5-06 08:30", "confirmed", "dispatched", "dispatcher"),
        ("5-06 12:00", "finished", "checking", "crew"),
        ("5-06 13:00", "rework", "dispatched", "inspector"),
        ("5-06 18:00", "finished", "checking", "crew"),
        ("5-06 19:00", "done", "done", "inspector"),
    ),
    # Suspended until June, and still so at the end of the month.
    "suspended": (
        ("5-10 08:00", "opened", "verify", "system"),
        ("5-10 08:30", "confirmed", "dispatched", "dispatcher"),
        ("5-10 10:00", "suspended", "suspended", "dispatcher", {"until": "2026-06-09T10:00:00+08:00"}),
    ),
    # Suspended for three days: 3 h and 20 h count, 23 h of 24.
    "resumed": (
        ("5-11 08:00", "opened", "verify", "system"),
        ("5-11 09:00", "confirmed", "dispatched", "dispatcher"),
        ("5-11 12:00", "suspended", "suspended", "dispatcher"),
        ("5-14 12:00", "resumed", "dispatched", "dispatcher"),
        ("5-15 08:00", "finished", "checking", "crew"),
        ("5-15 09:00", "done", "done", "inspector"),
    ),
    # Given 24 h more: 46 h of 48.
    "extended": (
        ("5-12 08:00", "opened", "verify", "system"),
        ("5-12 08:10", "confirmed", "dispatched", "dispatcher"),
        ("5-13 08:00", "extended", "dispatched", "supervisor", {"stage": "handle", "working_h": 24}),
        ("5-14 06:10", "finished", "checking", "crew"),
        ("5-14 07:00", "done", "done", "inspector"),
    ),
    # Nothing was there.
    "void": (
        ("5-13 08:00", "opened", "verify", "system"),
        ("5-13 09:00", "void", "void", "dispatcher", {"reason": "false_alarm"}),
    ),
    # Filed and dispatched, then found to be told of already: a thing was there.
    "duplicate": (
        ("5-14 08:00", "opened", "verify", "system"),
        ("5-14 09:00", "filed", "filed", "duty_lead"),
        ("5-14 09:20", "dispatched", "dispatched", "dispatcher"),
        ("5-14 11:00", "void", "void", "dispatcher", {"reason": "duplicate"}),
    ),
    # Put right by its party within its grace: never a case.
    "corrected": (
        ("5-15 08:00", "opened", "grace", "system"),
        ("5-15 09:00", "corrected", "corrected", "system"),
    ),
    # The same thing as another case.
    "merged": (
        ("5-15 08:00", "opened", "verify", "system"),
        ("5-15 08:30", "merged", "merged", "dispatcher"),
    ),
    # An officer who came by dealt with it.
    "on_the_spot": (
        ("5-16 08:00", "opened", "verify", "system"),
        ("5-16 09:00", "self_handled", "done", "officer"),
    ),
    # Due on 29 May 09:00; dealt with in June.
    "overdue": (
        ("5-28 08:00", "opened", "verify", "system"),
        ("5-28 09:00", "confirmed", "dispatched", "dispatcher"),
        ("5-28 10:00", "taken", "handling", "crew"),
        ("6-02 09:00", "finished", "checking", "crew"),
        ("6-02 10:00", "done", "done", "inspector"),
    ),
    # Due on 1 June 21:00: not late yet.
    "in_time": (
        ("5-31 20:00", "opened", "verify", "system"),
        ("5-31 21:00", "confirmed", "dispatched", "dispatcher"),
    ),
    # From April: dealt with on 1 May after 47 h (late).
    "carried": (
        ("4-29 08:00", "opened", "verify", "system"),
        ("4-29 09:00", "confirmed", "dispatched", "dispatcher"),
        ("5-01 08:00", "finished", "checking", "crew"),
        ("5-01 10:00", "done", "done", "inspector"),
    ),
    # Sent out by itself, moved to another unit by a person, gone before anybody came.
    "gone": (
        ("5-20 08:00", "opened", "dispatched", "system"),
        ("5-20 09:00", "reassigned", "dispatched", "dispatcher", {"from": "u-1", "to": "u-2"}),
        ("5-20 10:00", "gone", "gone", "system"),
    ),
    # Filed, and not with a unit when the month ended.
    "waiting": (
        ("5-31 08:00", "opened", "verify", "system"),
        ("5-31 08:30", "filed", "filed", "duty_lead"),
    ),
    # Done in April after 3 h; the caller was not satisfied: 4 h more in May.
    "reopened": (
        ("4-20 08:00", "opened", "verify", "system"),
        ("4-20 09:00", "confirmed", "dispatched", "dispatcher"),
        ("4-20 12:00", "finished", "checking", "crew"),
        ("4-20 13:00", "done", "done", "inspector"),
        ("5-21 08:00", "reopened", "dispatched", "intake"),
        ("5-21 12:00", "finished", "checking", "crew"),
        ("5-21 13:00", "done", "done", "inspector"),
    ),
    # Sent out by itself; a crew met it and dealt with it after 6 h.
    "direct": (
        ("5-22 08:00", "opened", "dispatched", "system"),
        ("5-22 09:00", "taken", "handling", "crew"),
        ("5-22 14:00", "finished", "checking", "crew"),
        ("5-22 15:00", "done", "done", "inspector"),
    ),
    # Sent out by itself, and nothing was there.
    "direct_false": (
        ("5-23 08:00", "opened", "dispatched", "system"),
        ("5-23 09:00", "void", "void", "dispatcher", {"reason": "false_alarm"}),
    ),
    # Nobody took it in 24 h; it left after 30.
    "let_go": (
        ("5-24 08:00", "opened", "dispatched", "system"),
        ("5-25 14:00", "gone", "gone", "system"),
    ),
    # u-1 did not take it: the clock gave it to u-2, who dealt with it 4 h after its beginning.
    "untaken": (
        ("5-25 08:00", "opened", "dispatched", "system"),
        ("5-25 09:00", "escalated", "dispatched", "system", {"limit": "take", "why": "untaken", "unit": "u-1"}),
        ("5-25 09:01", "reassigned", "dispatched", "system", {"from": "u-1", "to": "u-2", "reason": "escalated"}),
        ("5-25 12:00", "finished", "checking", "crew"),
        ("5-25 13:00", "done", "done", "system"),
    ),
    # Suspended for ten days, and forgotten.
    "lapsed": (
        ("5-08 08:00", "opened", "verify", "system"),
        ("5-08 08:30", "confirmed", "dispatched", "dispatcher"),
        ("5-08 10:00", "suspended", "suspended", "dispatcher", {"until": "2026-05-18T10:00:00+08:00"}),
    ),
}


def moment(local: str) -> datetime:
    """``5-04 08:00`` in Shanghai in 2026, UTC."""
    day, clock = local.split()
    month, number = day.split("-")
    return datetime.fromisoformat(f"2026-{int(month):02d}-{int(number):02d}T{clock}+08:00").astimezone(UTC)


def steps_of(name: str) -> list[Told]:
    """One case's record."""
    return [Told(moment(row[0]), row[1], row[2], row[4] if len(row) > 4 else {}, role=row[3]) for row in CASES[name]]


def case_of(name: str) -> Case:
    return Case(name, "09006", CELL, "cam-1", "u-1", "camera", "v1")


def clocks_by(steps: list[Told], found: City = LIMITED) -> tuple[Clock, ...]:
    return clocks_of(steps, "09006", CELL, found, WorkTime(found.rules.calendar, found.timezone))


def fact(name: str, period: Period = MAY, steps: list[Told] | None = None) -> Fact | None:
    """What a case counts for, as the store works it out: clocks of its whole record are kept, others worked out."""
    whole = steps_of(name) if steps is None else steps
    known = list(known_by(whole, period.end))
    held = clocks_at(known, "09006", clocks_by(whole), clocks_by(known))
    return fact_of(case_of(name), known, held, period.begin, period.end)


def counts(name: str, period: Period = MAY) -> dict[str, int]:
    found = fact(name, period)
    return {} if found is None else dict(found.counts)


def all_facts(period: Period = MAY) -> Facts:
    found = [one for name in CASES if (one := fact(name, period)) is not None]
    cameras = [
        Fact(
            "cam-1", "", "", "", "cam-1", "", {}, {"up_s": 2_592_000, "known_s": 2_635_200, "down_s": 43_200, "gaps": 3}
        )
    ]
    untaken = [
        one
        for name in CASES
        for one in untaken_of(case_of(name), known_by(steps_of(name), period.end), period.begin, period.end)
    ]
    return Facts(in_order(found), in_order(cameras), in_order(untaken))


def elsewhere(name: str, **changes: Any) -> Fact:  # noqa: ANN401
    found = fact(name)
    assert found is not None
    return msgspec.structs.replace(found, **changes)
