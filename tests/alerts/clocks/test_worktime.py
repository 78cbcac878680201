"""Working time, reckoned by hand and by properties."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.clocks.worktime import DutyTime, NaturalTime, WorkTime, amount_s, measure_of
from schemas.errors import ConfigError
from schemas.hours import Hours
from schemas.rules import HOLIDAY, Duty, WorkCalendar
from tests.alerts.clocks.made_city import ALWAYS, BERLIN, NIGHTS, OFFICE, OFFICE_TIME, local

H = 3600.0
NIGHT_BERLIN = WorkTime(NIGHTS, "Europe/Berlin")
ALWAYS_BERLIN = WorkTime(ALWAYS, "Europe/Berlin")


def test_without_working_hours_nothing_is_worked_and_an_amount_is_refused_with_its_remedy() -> None:
    work = WorkTime(WorkCalendar(), "Asia/Shanghai")
    assert (work.works, work.day_s, work.between(local("09-21 00:00"), local("09-28 00:00"))) == (False, 0, 0.0)
    assert work.add(local("09-21 09:00"), 0.0) == local("09-21 09:00")
    with pytest.raises(ConfigError, match=r"calendar.toml: hours = 0: .*give the calendar hours"):
        work.add(local("09-21 09:00"), 1.0)
    assert measure_of(work, "natural_h").add(local("09-21 23:00"), 2 * H) == local("09-22 01:00")


def test_hours_on_holidays_alone_end_with_the_last_holiday() -> None:
    work = WorkTime(WorkCalendar((Hours(frozenset({7}), 0, 60),), {date(2026, 10, 1): "国庆节"}), "Asia/Shanghai")
    assert work.add(local("09-01 00:00"), H) == local("10-01 01:00")
    assert not work.works
    with pytest.raises(ConfigError, match="so far ahead"):
        work.add(local("09-01 00:00"), H + 1)


def test_duty_time_is_that_of_the_rosters_nights_and_their_last_day_included() -> None:
    week = frozenset(range(HOLIDAY + 1))
    day = Duty("u-1", (Hours(week, 480, 1320),), valid_to=date(2026, 9, 21))
    night = Duty("u-1", (Hours(week, 1320, 1800),), valid_from=date(2026, 9, 21), valid_to=date(2026, 9, 22))
    duty = DutyTime((day, night), OFFICE, "Asia/Shanghai")
    assert duty.add(local("09-20 21:55"), 0.5 * H) == local("09-21 08:25"), "nobody was there at night"
    assert duty.add(local("09-21 21:55"), 0.5 * H) == local("09-21 22:25")
    assert duty.add(local("09-22 07:00"), H) == local("09-22 23:00"), "the day's roster has ended"
    assert duty.add(local("09-23 05:00"), H) == local("09-23 06:00"), "the last night ends in the morning"
    with pytest.raises(ConfigError):
        duty.add(local("09-23 05:30"), H)


# Monday to Thursday 7.5 h in two spans, Friday 3.5 h; 20 September (Sunday) is worked as a Friday, 1 to 7 October is
# the national holiday, 10 October (Saturday) is worked as a Thursday.
@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("09-21 09:00", 0.0, "09-21 09:00"),  # nothing takes no time, also
        ("09-19 09:00", 0.0, "09-19 09:00"),  # where nothing is worked (Saturday)
        ("09-21 09:00", 2.0, "09-21 11:00"),
        ("09-21 09:00", 3.0, "09-21 12:00"),  # the morning's end, not 14:00
        ("09-21 09:00", 4.0, "09-21 15:00"),  # 3 h to noon, 1 h from 14:00
        ("09-21 07:00", 1.0, "09-21 09:30"),  # before the doors open
        ("09-21 12:30", 1.0, "09-21 15:00"),  # over lunch
        ("09-21 20:00", 1.0, "09-22 09:30"),  # after they closed
        ("09-21 09:00", 7.0, "09-21 18:00"),  # 3 + 4: the day's end, not the next morning
        ("09-21 09:00", 7.5, "09-22 09:00"),  # one working day: the same time a day later
        ("09-25 11:00", 2.0, "09-28 09:30"),  # Friday: 1 h to noon, the afternoon is free; 1 h on Monday
        ("09-25 16:00", 4.0, "09-28 14:30"),  # Friday evening: 3.5 h Monday morning, 0.5 h from 14:00
        ("09-19 10:00", 4.0, "09-21 09:00"),  # Saturday; Sunday 20 is a make-up Friday: 3.5 h; 0.5 h on Monday
        ("09-30 17:00", 2.0, "10-08 09:30"),  # 1 h before the holiday week, 1 h on Thursday 8
        ("10-09 11:00", 8.0, "10-10 17:30"),  # Friday 9: 1 h; make-up Saturday 10: 3.5 h to noon, 3.5 h from 14:00
        ("10-10 17:00", 2.0, "10-12 09:30"),  # make-up Saturday 1 h, Monday 1 h
    ],
)
def test_an_amount_of_working_time_is_used_up_when_reckoned_by_hand(start: str, hours: float, end: str) -> None:
    assert OFFICE_TIME.add(local(start), hours * H) == local(end)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("09-21 09:00", "09-21 09:00", 0.0),
        ("09-21 12:00", "09-21 09:00", 0.0),  # the wrong way round
        ("09-21 09:00", "09-21 15:00", 4.0),
        ("09-21 12:10", "09-21 13:50", 0.0),  # lunch
        ("09-21 00:00", "09-28 00:00", 4 * 7.5 + 3.5),  # a week
        ("09-18 00:00", "09-21 00:00", 3.5 + 3.5),  # a Friday and a make-up Friday
        ("10-01 00:00", "10-08 00:00", 0.0),  # the holiday week
        ("09-28 00:00", "10-12 00:00", 3 * 7.5 + 7.5 + 3.5 + 7.5),  # Mon-Wed, Thu 8, Fri 9, make-up Sat 10
    ],
)
def test_working_time_between_two_moments_is_as_reckoned_by_hand(start: str, end: str, hours: float) -> None:
    assert OFFICE_TIME.between(local(start), local(end)) == hours * H


def test_a_working_day_is_the_length_that_most_worked_weekdays_have() -> None:
    assert OFFICE_TIME.day_s == 7.5 * H
    assert WorkTime(ALWAYS, "Asia/Shanghai").day_s == 24 * H
    tied = WorkCalendar((Hours(frozenset({0, 1}), 0, 480), Hours(frozenset({2, 3}), 0, 240)))
    assert WorkTime(tied, "Asia/Shanghai").day_s == 8 * H
    overlapping = WorkCalendar((Hours(frozenset({0}), 0, 480), Hours(frozenset({0}), 240, 600)))
    assert WorkTime(overlapping, "Asia/Shanghai").day_s == 10 * H
    assert WorkTime(WorkCalendar((Hours(frozenset({7}), 0, 60),)), "Asia/Shanghai").day_s == 0


def test_an_amount_is_in_the_limits_own_measure() -> None:
    assert amount_s(OFFICE_TIME, 2, "working_d") == 15 * H
    assert amount_s(OFFICE_TIME, 2, "working_h") == amount_s(OFFICE_TIME, 2, "natural_h") == 2 * H
    assert isinstance(measure_of(OFFICE_TIME, "natural_h"), NaturalTime)
    assert measure_of(OFFICE_TIME, "working_d") is measure_of(OFFICE_TIME, "working_h")


def test_a_year_without_holidays_has_plain_weekdays_and_says_so() -> None:
    assert (OFFICE_TIME.lists(2026), OFFICE_TIME.lists(2027)) == (True, False)
    first = datetime(2027, 10, 1, 9, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Friday
    assert OFFICE_TIME.between(first, first + timedelta(hours=10)) == 3 * H


# Berlin: on 29 March 02:00 becomes 03:00, on 25 October 03:00 becomes 02:00; worked is from 00:00 to 06:00.
@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("03-28 00:00", "03-29 00:00", 6.0),
        ("03-29 00:00", "03-30 00:00", 5.0),
        ("10-25 00:00", "10-26 00:00", 7.0),
        ("03-29 01:30", "03-29 03:30", 1.0),
    ],
)
def test_a_night_of_clock_changes_is_as_long_as_it_really_was(start: str, end: str, hours: float) -> None:
    assert NIGHT_BERLIN.between(local(start, BERLIN), local(end, BERLIN)) == hours * H


def test_an_amount_over_a_clock_change_is_used_up_by_what_really_passed() -> None:
    assert NIGHT_BERLIN.add(local("03-29 01:00", BERLIN), 2 * H) == local("03-29 04:00", BERLIN)
    assert NIGHT_BERLIN.add(local("10-25 01:00", BERLIN), 2 * H) == local("10-25 02:00", BERLIN, fold=1)
    assert ALWAYS_BERLIN.add(local("10-24 12:00", BERLIN), 24 * H) == local("10-25 11:00", BERLIN)
    assert NaturalTime().add(local("03-28 12:00", BERLIN), 24 * H) == local("03-29 13:00", BERLIN)


def test_hours_that_begin_or_end_in_the_hour_left_out_begin_or_end_when_clocks_are_turned() -> None:
    inside = WorkTime(WorkCalendar((Hours(frozenset(range(7)), 150, 240),)), "Europe/Berlin")  # 02:30 to 04:00
    assert inside.between(local("03-29 00:00", BERLIN), local("03-30 00:00", BERLIN)) == H  # from 03:00 summer time
    assert inside.at_minute(date(2026, 3, 29), 150) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    gone = WorkTime(WorkCalendar((Hours(frozenset(range(7)), 120, 180),)), "Europe/Berlin")
    assert gone.between(local("03-29 00:00", BERLIN), local("03-30 00:00", BERLIN)) == 0.0


ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe")
MOMENTS = st.integers(0, 400 * 86_400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
AMOUNTS = st.integers(0, 60 * 3_600_000).map(lambda ms: ms / 1000)


@st.composite
def calendars(draw: st.DrawFn) -> WorkTime:
    spans = draw(
        st.lists(
            st.tuples(st.sets(st.integers(0, 7), min_size=1), st.integers(0, 1439), st.integers(1, 1800)),
            min_size=1,
            max_size=4,
        )
    )
    hours = [Hours(frozenset(days), min(a, b), max(a, b)) for days, a, b in spans if a != b]
    hours.append(Hours(frozenset({0}), 600, 1000))  # something is worked in every week
    days = st.integers(0, 400).map(lambda n: date(2026, 1, 1) + timedelta(days=n))
    holidays = dict.fromkeys(draw(st.sets(days, max_size=8)), "holiday")
    makeups = draw(st.dictionaries(days, st.integers(0, 6), max_size=4))
    return WorkTime(WorkCalendar(tuple(hours), holidays, makeups), draw(st.sampled_from(ZONES)))


@given(calendars(), MOMENTS, AMOUNTS, AMOUNTS)
@settings(max_examples=60, deadline=None)
def test_amounts_add_up_and_come_back_and_never_go_backwards(
    work: WorkTime, start: datetime, one_s: float, two_s: float
) -> None:
    end = work.add(start, one_s)
    assert end >= start
    assert work.between(start, end) == pytest.approx(one_s, abs=1e-6)
    both = work.add(start, round(one_s + two_s, 3))
    assert work.add(end, two_s) == both >= end
    later = min(start + timedelta(minutes=37), both)
    assert work.add(start + timedelta(minutes=37), one_s) >= end
    assert work.between(start, both) == pytest.approx(work.between(start, later) + work.between(later, both), abs=1e-6)


@given(MOMENTS, MOMENTS)
@settings(max_examples=60, deadline=None)
def test_a_calendar_that_always_works_agrees_with_the_clock(start: datetime, end: datetime) -> None:
    natural: Any = NaturalTime()
    assert ALWAYS_BERLIN.between(start, end) == natural.between(start, end)


@given(calendars(), MOMENTS)
@settings(max_examples=20, deadline=None)
def test_the_table_of_spans_works_when_the_calendar_says_that_it_is_open(work: WorkTime, start: datetime) -> None:
    """Two ways to read the same hours: nights, holidays and clock changes included."""
    zone, calendar = work._zone, work._calendar
    start = start.replace(second=0, microsecond=0)
    for minute in range(0, 3 * 1440, 11):
        seen = start + timedelta(minutes=minute)
        opened = calendar.within(calendar.hours, seen.astimezone(zone).replace(tzinfo=None), date.min, date.max)
        assert (work.between(seen, seen + timedelta(minutes=1)) > 0) is opened, seen


@given(MOMENTS)
@settings(max_examples=15, deadline=None)
def test_minutes_counted_one_by_one_agree_with_spans(start: datetime) -> None:
    """The slow way: walk 3 days by the minute and ask the wall clock and the calendar's day of each."""
    start = start.replace(second=0, microsecond=0)
    open_min = {
        (day, minute)
        for hours in OFFICE.hours
        for day in hours.weekdays
        for minute in range(hours.start_min, hours.end_min)
    }
    worked = 0
    for minute in range(3 * 1440):
        seen = (start + timedelta(minutes=minute)).astimezone(ZoneInfo("Asia/Shanghai"))
        worked += (OFFICE.day_kind(seen.date()), seen.hour * 60 + seen.minute) in open_min
    assert OFFICE_TIME.between(start, start + timedelta(days=3)) == worked * 60
