"""Weekly hours: their order, when two of them hold together, and clock times a time zone leaves out. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import product
from typing import Protocol
from zoneinfo import ZoneInfo

from config.pack_rows import LAST_END, WEEKDAYS, HoursRow, minutes_of
from schemas.hours import DAY_MIN
from schemas.rules import HOLIDAY, NEXT_DAY, WorkCalendar

HORIZON_DAYS = 800  # how far ahead of valid_from clock changes are looked for: two of each kind
# Rules without a first date are looked at for clock changes from here on: zones change theirs every year.
UNDATED = date(2026, 1, 1)
# So many days that two rules share are looked at, and those around every holiday and make-up day.
SHARED_DAYS = 400
FIRST_DAY, LAST_DAY = date(1, 3, 1), date(9990, 12, 31)
Gap = tuple[date, int, int]  # day, first minute that does not exist, first one that does again


class Dated(Protocol):
    """A row that holds from one date to another, both inclusive."""

    @property
    def valid_from(self) -> date:
        """First day."""

    @property
    def valid_to(self) -> date:
        """Last day."""


class Timed(Dated, Protocol):
    """One that has weekly hours too."""

    @property
    def hours(self) -> Sequence[HoursRow]:
        """Weekly hours."""


def order_fault(hours: HoursRow) -> str:
    """Say what is wrong with start and end; empty: nothing. What runs over midnight ends after 24:00."""
    start, end = minutes_of(hours.start), minutes_of(hours.end)
    if start == end:
        return "starts when it ends: all day is 00:00 to 24:00"
    if end - start > DAY_MIN:
        return "is longer than a day: all day is 00:00 to 24:00"
    if start > end:
        night = f"{hours.start} to {clock(end + DAY_MIN)}"
        if end + DAY_MIN > minutes_of(LAST_END):
            night = f"{hours.start} to {LAST_END} and, on the days after, 06:00 to {hours.end}"
        return f"ends before it starts: hours over midnight belong to the day on which they start, write {night}"
    return ""


@lru_cache(maxsize=256)
def clock_gaps(zone: ZoneInfo, first: date, last: date) -> tuple[Gap, ...]:
    """Minutes of local days that do not exist (spring change): (day, from, to), ``to`` exclusive.

    ``first`` and ``last`` are inclusive; at most HORIZON_DAYS are looked at. Zones without changes give none.
    """
    gaps = []
    for offset_days in range(min((last - first).days + 1, HORIZON_DAYS)):
        day = first + timedelta(days=offset_days)
        if _offset(zone, day, 24) > _offset(zone, day, 0):
            missing = [minute for minute in range(0, 1440, 5) if not _exists(zone, day, minute)]
            if missing:
                gaps.append((day, missing[0], missing[-1] + 5))
    return tuple(gaps)


def gap_fault(hours: HoursRow, gaps: Iterable[Gap], first: date, last: date) -> str:
    """Say which end of hours that start on days from ``first`` to ``last`` falls into a gap; empty: none does."""
    days = {WEEKDAYS.index(day) for day in hours.days}
    for gap in gaps:
        for text in (hours.start, hours.end):
            passed, minute = divmod(minutes_of(text), DAY_MIN)
            started = gap[0] - timedelta(days=passed)
            # A public holiday may fall on any weekday.
            meant = first <= started <= last and (started.weekday() in days or HOLIDAY in days)
            if meant and in_gap(minute, gap, may_touch=text == hours.end):
                return f"{text} {missing(gap)}"
    return ""


def in_gap(minute: int, gap: Gap, *, may_touch: bool = False) -> bool:
    """Whether a minute of a gap's day does not exist; what ends as the gap begins may touch it."""
    _, start, end = gap
    return start < minute < end or (minute == start and not may_touch)


def missing(gap: Gap) -> str:
    """What is said of a time that a gap swallows."""
    return f"does not exist on {gap[0]}, when the clocks go forward: choose a time outside the gap"


def clock(minute: int) -> str:
    """Minutes after a day began as ``HH:MM``, 1500 as 25:00."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def same_time(one: Timed, other: Timed, calendar: WorkCalendar) -> str:
    """The first day and hours at which both hold; empty: there are none. Of two that hold together they are told.

    A night of one may meet the morning of the other, so each day is held against the day before and after it too.
    """
    asked: set[tuple[int, int, int]] = set()
    for day in _days(one, other, calendar):
        for later in (-1, 0, 1):
            that = day + timedelta(days=later)
            if not other.valid_from <= that <= other.valid_to:
                continue
            kinds = (calendar.day_kind(day), calendar.day_kind(that), later)
            if kinds in asked:
                continue
            asked.add(kinds)
            for a, b in product(_on(one, kinds[0]), _on(other, kinds[1])):
                start, end = max(a[0], b[0] + later * DAY_MIN), min(a[1], b[1] + later * DAY_MIN)
                if start < end:
                    passed = start // DAY_MIN
                    hours = f"{clock(start - passed * DAY_MIN)} to {clock(end - passed * DAY_MIN)}"
                    return f"{day + timedelta(days=passed)} {hours}"
    return ""


def _on(rule: Timed, kind: int) -> list[tuple[int, int]]:
    """Start and end of the hours that a kind of day has."""
    return [(minutes_of(row.start), minutes_of(row.end)) for row in rule.hours if WEEKDAYS[kind] in row.days]


def _days(one: Timed, other: Timed, calendar: WorkCalendar) -> Iterator[date]:
    """Days of ``one`` that can meet one of ``other``, in order: enough that each pair of kinds is among them."""
    undated = one.valid_from == other.valid_from == date.min
    first = max(one.valid_from, _near(other.valid_from) - NEXT_DAY, UNDATED if undated else date.min)
    last = min(one.valid_to, _near(other.valid_to) + NEXT_DAY)
    plain = [_near(first) + timedelta(days=offset) for offset in range(min((last - first).days + 1, SHARED_DAYS))]
    yield from plain
    special = [_near(day) for day in (*calendar.holidays, *calendar.makeup_days)]
    around = {day + timedelta(days=by) for day in special for by in (-1, 0, 1)}
    yield from sorted(day for day in around if plain and plain[-1] < day <= last)


def _near(day: date) -> date:
    """A day that has others before and after it: itself, or the nearest of such."""
    return min(max(day, FIRST_DAY), LAST_DAY)


def _offset(zone: ZoneInfo, day: date, hour: int) -> timedelta:
    moment = datetime.combine(day, time(0), zone) + timedelta(hours=hour)
    return moment.utcoffset() or timedelta(0)


def _exists(zone: ZoneInfo, day: date, minute: int) -> bool:
    moment = datetime.combine(day, time(minute // 60, minute % 60), zone)
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment.replace(tzinfo=None)
