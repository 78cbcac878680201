"""Permits against a table that was worked out by hand: days as worked, holidays, midnight, dates, clock changes."""

import csv
from datetime import date, datetime
from pathlib import Path

import pytest

from alerts.deciding.permits import market_at, permit_for
from schemas.city import City, Permit
from schemas.hours import Hours
from schemas.rules import HOLIDAY, CityRules, WorkCalendar
from tests.alerts.makers import ALL_WEEK, city, permit

TABLE = Path(__file__).parent / "fixtures" / "permits.csv"
MON_FRI, MONDAY, FRIDAY = frozenset(range(5)), frozenset({0}), frozenset({4})
SATURDAY, SUNDAY = frozenset({5}), frozenset({6})
CALENDAR = WorkCalendar(
    holidays={date(2026, 5, 1): "劳动节", date(2026, 5, 4): "劳动节"}, makeup_days={date(2026, 5, 9): 0}
)
SHANGHAI: dict[str, Permit] = {
    "daily": permit((ALL_WEEK, 11 * 60, 21 * 60)),
    "workdays": permit((MON_FRI, 7 * 60, 9 * 60)),
    "saturday": permit((SATURDAY, 9 * 60, 18 * 60)),
    "holiday": permit((frozenset({HOLIDAY}), 10 * 60, 22 * 60)),
    "night": permit((FRIDAY, 18 * 60, 25 * 60)),
    "eve": permit((frozenset({HOLIDAY}), 22 * 60, 26 * 60)),
    "monday": permit((MONDAY, 22 * 60, 26 * 60)),
    "long": permit((ALL_WEEK, 22 * 60, 30 * 60), valid_from=date(2026, 5, 31), valid_to=date(2026, 6, 2)),
    "may": permit((ALL_WEEK | {HOLIDAY}, 0, 1440), valid_from=date(2026, 5, 1), valid_to=date(2026, 5, 31)),
}
BERLIN: dict[str, Permit] = {
    "dawn": permit((SUNDAY, 90, 210)),
    "skipped": permit((SUNDAY, 120, 180)),
    "spring": permit((SATURDAY, 22 * 60, 28 * 60)),
}


def rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def town(name: str) -> City:
    if name in BERLIN:
        return city(BERLIN[name], timezone="Europe/Berlin")
    return city(SHANGHAI[name], rules=CityRules(calendar=CALENDAR))


def test_the_table_has_every_permit_and_enough_rows() -> None:
    assert len(rows()) >= 90
    assert {row["permit"] for row in rows()} == SHANGHAI.keys() | BERLIN.keys()


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['permit']}-{row['at']}")
def test_a_permit_holds_when_the_hand_says_so(row: dict[str, str]) -> None:
    found = permit_for(town(row["permit"]), "stall", datetime.fromisoformat(row["at"]), None, "cam-1", "left")
    assert ("yes" if found else "no") == row["allowed"], row["why"]


def test_no_hours_are_never() -> None:
    noon = datetime(2026, 5, 5, 12, tzinfo=None)  # noqa: DTZ001  # local by contract
    assert not CALENDAR.within((), noon, date.min, date.max)


def test_the_first_day_there_is_has_no_night_before_it() -> None:
    midnight = datetime.min  # noqa: DTZ901  # local by contract
    assert not CALENDAR.within((Hours(ALL_WEEK, 22 * 60, 30 * 60),), midnight, date.min, date.max)


@pytest.mark.parametrize(("day", "expected"), [("2026-05-05", True), ("2025-12-31", False), ("2027-01-01", False)])
def test_a_markets_ground_is_its_own_at_any_hour_of_its_dates(day: str, expected: bool) -> None:
    midnight = datetime.fromisoformat(f"{day}T00:30+08:00")
    assert (market_at(town("daily"), "stall", midnight, None, "cam-1", "left") is not None) is expected
    assert market_at(town("daily"), "waste", midnight, None, "cam-1", "left") is None
    assert market_at(town("daily"), "stall", midnight, None, "cam-1", "right") is None
