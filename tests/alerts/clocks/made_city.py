"""A city with working hours, holidays and limits, and records to measure by them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.clocks.stages import Step
from alerts.clocks.worktime import WorkTime
from schemas.city import City
from schemas.hours import Hours
from schemas.record import State, What
from schemas.rules import CityRules, StaffMember, TimeLimit, WorkCalendar
from tests.alerts.makers import city

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NATIONAL_DAY = {date(2026, 10, day): "国庆节" for day in range(1, 8)}
FRIDAY = 4
# Monday to Thursday 08:30-12:00 and 14:00-18:00 (7.5 h), Friday 08:30-12:00 (3.5 h).
# Sunday 20 September is worked as a Friday, Saturday 10 October as a Thursday.
OFFICE = WorkCalendar(
    hours=(Hours(frozenset(range(5)), 510, 720), Hours(frozenset(range(4)), 840, 1080)),
    holidays=NATIONAL_DAY,
    makeup_days={date(2026, 9, 20): FRIDAY, date(2026, 10, 10): 3},
)
ALWAYS = WorkCalendar(hours=(Hours(frozenset(range(8)), 0, 1440),))
NIGHTS = WorkCalendar(hours=(Hours(frozenset(range(8)), 0, 360),))
OFFICE_TIME = WorkTime(OFFICE, "Asia/Shanghai")


def local(text: str, zone: ZoneInfo = SHANGHAI, fold: int = 0) -> datetime:
    """``09-25 16:00``, in 2026, on the city's clock; in UTC, because moments of two zones are never equal in a fold."""
    return datetime.fromisoformat(f"2026-{text.replace(' ', 'T')}").replace(tzinfo=zone, fold=fold).astimezone(UTC)


def limit(limit_id: str = "l-1", **changes: Any) -> TimeLimit:  # noqa: ANN401
    """Four working hours for handling."""
    return replace(TimeLimit(limit_id, "handle", 4.0, "working_h"), **changes)


def limited(*limits: TimeLimit, calendar: WorkCalendar = OFFICE, timezone: str = "Asia/Shanghai") -> City:
    """A city with these limits and the people who are told."""
    staff = {
        person.person_id: person
        for person in (
            StaffMember("p-lead", "王队", "duty_lead", "u-1"),
            StaffMember("p-chief", "赵值", "duty_lead"),
            StaffMember("p-super", "钱督", "supervisor"),
            StaffMember("p-aux", "协管", "auxiliary", "u-1"),
        )
    }
    return city(timezone=timezone, rules=CityRules(calendar=calendar, limits=limits, staff=staff))


def steps(
    *rows: tuple[str, What, State] | tuple[str, What, State, Mapping[str, Any]], zone: ZoneInfo = SHANGHAI
) -> Iterable[Step]:
    """Rows of a record: when (local), what, the state after it, and detail."""
    return [Step(local(row[0], zone), row[1], row[2], row[3] if len(row) == 4 else {}) for row in rows]
