"""Allowed here and now: the same stall is an alert at 10:59 and none at 11:00."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.permits import permit_for
from schemas.city import City
from schemas.rules import HOLIDAY, CityRules, WorkCalendar
from tests.alerts.makers import ALL_WEEK, SQUARE, city, permit

DAYS = st.dates(date(2025, 12, 28), date(2027, 1, 4))
FRIDAY = frozenset({4})
NIGHT = permit((FRIDAY, 18 * 60, 25 * 60))


def allowed(found: City, when: datetime, zone: str = "left", family: str = "stall") -> bool:
    return permit_for(found, family, when, None, "cam-1", zone) is not None


def test_no_permits_allow_nothing() -> None:
    assert not allowed(city(), datetime(2026, 5, 4, tzinfo=UTC))


def test_a_permit_for_some_classes_allows_no_others() -> None:
    when = datetime(2026, 5, 4, tzinfo=UTC)
    found = city(permit((ALL_WEEK, 0, 1440), classes=frozenset({"09006"})))
    asked = [permit_for(found, "stall", when, None, "cam-1", "left", code=code) for code in ("09006", "09005", "")]
    assert [one is not None for one in asked] == [True, False, False]


@pytest.mark.parametrize(
    ("local", "expected"),
    [("10:59:59", False), ("11:00:00", True), ("20:59:59", True), ("21:00:00", False)],
)
def test_hours_begin_inclusive_and_end_exclusive(local: str, expected: bool) -> None:
    when = datetime.fromisoformat(f"2026-05-04T{local}+08:00")
    assert allowed(city(permit((ALL_WEEK, 11 * 60, 21 * 60))), when) is expected


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-05-08T17:59", False),
        ("2026-05-08T18:00", True),
        ("2026-05-08T23:59", True),
        ("2026-05-09T00:00", True),
        ("2026-05-09T00:59", True),
        ("2026-05-09T01:00", False),
        ("2026-05-09T18:00", False),
        ("2026-05-08T00:30", False),
    ],
)
def test_a_night_market_runs_over_midnight(local: str, expected: bool) -> None:
    assert allowed(city(NIGHT), datetime.fromisoformat(local + "+08:00")) is expected


def test_hours_are_read_on_the_citys_own_clock() -> None:
    when = datetime(2026, 7, 6, 3, 0, tzinfo=UTC)  # 11:00 in Shanghai, 05:00 in Madrid
    morning = permit((ALL_WEEK, 11 * 60, 12 * 60))
    assert allowed(city(morning), when)
    assert not allowed(city(morning, timezone="Europe/Madrid"), when)
    assert allowed(city(morning, timezone="Europe/Madrid"), when + timedelta(hours=6))


def test_the_hour_that_winter_repeats_is_allowed_twice() -> None:
    madrid = city(permit((ALL_WEEK, 150, 151)), timezone="Europe/Madrid")  # 02:30, on 2026-10-25 twice
    assert allowed(madrid, datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
    assert allowed(madrid, datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    assert not allowed(madrid, datetime(2026, 10, 25, 2, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-04-30", False), ("2026-05-01", True), ("2026-05-31", True), ("2026-06-01", False)]
)
def test_an_expired_permit_stops_allowing(day: str, expected: bool) -> None:
    may = permit((ALL_WEEK, 0, 1440), valid_from=date(2026, 5, 1), valid_to=date(2026, 5, 31))
    assert allowed(city(may), datetime.fromisoformat(f"{day}T12:00+08:00")) is expected


def test_another_family_zone_or_camera_is_not_allowed() -> None:
    found, when = city(permit((ALL_WEEK, 0, 1440))), datetime(2026, 5, 4, tzinfo=UTC)
    assert allowed(found, when)
    assert not allowed(found, when, family="waste")
    assert not allowed(found, when, zone="right")
    assert permit_for(found, "stall", when, None, "cam-2", "left") is None


def test_a_calibrated_camera_asks_the_ground() -> None:
    when = datetime(2026, 5, 4, tzinfo=UTC)
    ground = city(permit((ALL_WEEK, 0, 1440), polygon=SQUARE, camera_zones=frozenset()))
    assert permit_for(ground, "stall", when, (104.6405, 30.1205), "cam-9", "any") is not None
    assert permit_for(ground, "stall", when, (104.6415, 30.1205), "cam-9", "any") is None
    assert permit_for(ground, "stall", when, None, "cam-9", "any") is None


@given(
    st.integers(0, 369 * 1440).map(lambda minute: datetime(2025, 12, 30, tzinfo=UTC) + timedelta(minutes=minute)),
    st.lists(st.tuples(st.frozensets(st.integers(0, 7)), st.integers(0, 1439), st.integers(1, 1800)), max_size=4),
    st.sampled_from(["Asia/Shanghai", "Europe/Madrid", "America/St_Johns", "UTC"]),
    st.dictionaries(DAYS, st.integers(0, 7), max_size=40),
)
def test_a_permit_allows_exactly_the_minutes_it_lists(
    when: datetime, hours: list[tuple[frozenset[int], int, int]], timezone: str, special: dict[date, int]
) -> None:
    """Each day of the permit opens its own minutes, by its own kind; a clock counts on over midnight."""
    local = when.astimezone(ZoneInfo(timezone))
    holidays = {day: "a holiday" for day, kind in special.items() if kind == HOLIDAY}
    makeups = {day: kind for day, kind in special.items() if kind != HOLIDAY}
    expected = False
    for passed in (0, 1):
        day, minute = local.date() - timedelta(days=passed), local.hour * 60 + local.minute + passed * 1440
        kind = special.get(day, day.weekday())
        opens = any(kind in days and start <= minute < end for days, start, end in hours)
        expected |= opens and day.year == 2026
    rules = CityRules(calendar=WorkCalendar(holidays=holidays, makeup_days=makeups))
    assert allowed(city(permit(*hours), timezone=timezone, rules=rules), when) is expected
