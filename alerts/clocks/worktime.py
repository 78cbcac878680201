"""Working time on a city's own clock: how much lies between two moments, and when an amount of it is used up. Pure."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Protocol
from zoneinfo import ZoneInfo

from schemas.errors import ConfigError, Fault
from schemas.hours import Hours
from schemas.rules import AmountUnit, Duty, WorkCalendar
from schemas.units import EPOCH

US_PER_S = 1_000_000
HORIZON_YEARS = 12  # an amount of working time that is not used up so many years later never will be
DAY_MIN = 24 * 60
MICROSECOND = timedelta(microseconds=1)


class Measure(Protocol):
    """A kind of time. Moments are aware; amounts are seconds of this kind, to the microsecond."""

    def add(self, start: datetime, amount_s: float) -> datetime:
        """The first moment at which ``amount_s`` (0 or more) has passed since ``start``, in UTC; 0 gives ``start``."""

    def between(self, start: datetime, end: datetime) -> float:
        """How much lies between two moments, s; 0 where ``end`` is not after ``start``."""


class NaturalTime:
    """Time as it passes, night and holiday alike, however clocks are turned."""

    def add(self, start: datetime, amount_s: float) -> datetime:
        """The moment ``amount_s`` after ``start``, in UTC."""
        return start.astimezone(UTC) + timedelta(microseconds=round(amount_s * US_PER_S))

    def between(self, start: datetime, end: datetime) -> float:
        """Seconds from ``start`` to ``end``, 0 where there are none."""
        return max((end - start).total_seconds(), 0.0)


class WorkTime:
    """Time in the working hours of a calendar: what really passes in them, an hour that clocks repeat counted twice.

    A make-up day has the hours of the weekday it stands for, a public holiday those of the eighth (usually none).
    A year of which the calendar lists no holiday has its plain weekdays: ``lists`` says so. Working spans are reckoned
    once a year asked for; an answer then takes a search in them.
    """

    def __init__(self, calendar: WorkCalendar, timezone: str) -> None:
        self._calendar = calendar
        self._zone = ZoneInfo(timezone)
        self._listed = {day.year for day in (*calendar.holidays, *calendar.makeup_days)}
        self._table = _Table(0, -1, (), (), (0,))

    @property
    def works(self) -> bool:
        """Whether any weekday is worked; hours on public holidays alone are no working time to count limits in."""
        return self.day_s > 0

    @cached_property
    def day_s(self) -> int:
        """Working seconds of one working day: of the weekdays that are worked, the length most of them have.

        Of two lengths that are equally common the longer one counts: a half day is no full one. 0: nothing is worked.
        """
        lengths = [length for kind in range(7) if (length := self._length(kind))]
        if not lengths:
            return 0
        common = Counter(lengths)
        return 60 * max(common, key=lambda length: (common[length], length))

    def lists(self, year: int) -> bool:
        """Whether the calendar has a holiday or make-up day in this year; if not, it has plain weekdays."""
        return year in self._listed

    def add(self, start: datetime, amount_s: float) -> datetime:
        """The first moment at which ``amount_s`` of working time has passed since ``start``, in UTC; 0 gives ``start``.

        At the end of a working day that moment is its end, not the next morning. Raises ConfigError where the calendar
        has no working hours, or never so many again.
        """
        amount_us = round(amount_s * US_PER_S)
        if amount_us <= 0:
            return start.astimezone(UTC)
        start_us = _us(start)
        year = start.year
        for ahead in range(1, HORIZON_YEARS + 1):
            table = self._covering(year - 1, year + ahead)
            goal_us = table.worked(start_us) + amount_us
            if goal_us <= table.sums[-1]:
                span = bisect_left(table.sums, goal_us) - 1
                return EPOCH + timedelta(microseconds=table.starts[span] + goal_us - table.sums[span])
            if not self._calendar.hours:
                break
        message = "working time cannot be counted: there are no working hours (so far ahead); give the calendar hours"
        raise ConfigError((Fault("calendar.toml", "hours", str(len(self._calendar.hours)), message),))

    def between(self, start: datetime, end: datetime) -> float:
        """Working seconds from ``start`` to ``end``, 0 where there are none."""
        if end <= start:
            return 0.0
        table = self._covering(start.year - 1, end.year + 1)
        return (table.worked(_us(end)) - table.worked(_us(start))) / US_PER_S

    def at_minute(self, day: date, minute: int) -> datetime:
        """The moment of a minute (0..1440) after midnight of a local day, in UTC.

        A time that comes twice is its first; one that the clocks leave out is the moment at which they are turned.
        """
        return EPOCH + timedelta(microseconds=self._moment_us(day, minute))

    def day_of(self, when: datetime) -> date:
        """The local day of a moment."""
        return when.astimezone(self._zone).date()

    def minute_of(self, when: datetime) -> int:
        """Minutes that the local clock shows since midnight."""
        local = when.astimezone(self._zone)
        return local.hour * 60 + local.minute

    def _covering(self, first_year: int, last_year: int) -> "_Table":
        """The spans of at least these years; years once reckoned are kept."""
        table = self._table
        if table.first_year <= first_year and last_year <= table.last_year:
            return table
        if table.last_year >= table.first_year:
            first_year, last_year = min(first_year, table.first_year), max(last_year, table.last_year)
        first, last = date(max(first_year, 1), 1, 1), date(min(last_year, 9998), 12, 31)
        spans: list[tuple[int, int]] = []
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            for start, end in _merged(self._hours_of(day), self._calendar.day_kind(day)):
                start_us, end_us = self._moment_us(day, start), self._moment_us(day, end)
                if spans and start_us < spans[-1][1]:  # the night before goes on
                    spans[-1] = (spans[-1][0], max(spans[-1][1], end_us))
                elif end_us > start_us:
                    spans.append((start_us, end_us))
        sums = [0]
        for start_us, end_us in spans:
            sums.append(sums[-1] + end_us - start_us)
        starts, ends = tuple(start for start, _ in spans), tuple(end for _, end in spans)
        # One assignment: another thread sees the old table or the new one.
        self._table = table = _Table(first_year, last_year, starts, ends, tuple(sums))
        return table

    def _length(self, kind: int) -> int:
        return sum(end - start for start, end in _merged(self._calendar.hours, kind))

    def _hours_of(self, _day: date) -> Iterable[Hours]:
        """The weekly hours that hold on a day."""
        return self._calendar.hours

    def _moment_us(self, day: date, minute: int) -> int:
        plain = datetime.combine(day, time(0)) + timedelta(minutes=minute)
        moment = plain.replace(tzinfo=self._zone)
        before, after = moment.utcoffset(), moment.replace(fold=1).utcoffset()
        if before is not None and after is not None and after > before:  # it does not exist
            return _turn_us(self._zone, plain, before, after)
        return _us(moment)


class DutyTime(WorkTime):
    """Time in which a unit is on duty, by its rosters (one at least), a night counted to the day on which it starts."""

    def __init__(self, duties: Sequence[Duty], calendar: WorkCalendar, timezone: str) -> None:
        every = tuple(span for duty in duties for span in duty.hours)
        super().__init__(replace(calendar, hours=every), timezone)
        self._duties = tuple(duties)

    def _hours_of(self, day: date) -> Iterable[Hours]:
        return (span for duty in self._duties if duty.valid_from <= day <= duty.valid_to for span in duty.hours)


class _Table:
    """Working spans in order (µs since 1970) and their running sums: ``sums[k]`` of those before span ``k``."""

    __slots__ = ("ends", "first_year", "last_year", "starts", "sums")

    def __init__(
        self, first_year: int, last_year: int, starts: tuple[int, ...], ends: tuple[int, ...], sums: tuple[int, ...]
    ) -> None:
        self.first_year, self.last_year = first_year, last_year
        self.starts, self.ends, self.sums = starts, ends, sums

    def worked(self, at_us: int) -> int:
        """Working µs from the beginning of the table to a moment."""
        span = bisect_right(self.starts, at_us) - 1
        if span < 0:
            return 0
        return self.sums[span] + min(at_us, self.ends[span]) - self.starts[span]


def _merged(hours: Iterable[Hours], kind: int) -> list[tuple[int, int]]:
    """Minutes of a kind of day, in order, what touches or overlaps in one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted((span.start_min, span.end_min) for span in hours if kind in span.weekdays):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def amount_s(work: WorkTime, amount: float, unit: AmountUnit) -> float:
    """A limit's amount in seconds of its own measure: a working day counts as ``work.day_s``."""
    return amount * (work.day_s if unit == "working_d" else 3600)


def measure_of(work: WorkTime, unit: AmountUnit) -> Measure:
    """The kind of time a limit is counted in."""
    return NaturalTime() if unit == "natural_h" else work


def _us(when: datetime) -> int:
    return (when - EPOCH) // MICROSECOND


def _turn_us(zone: ZoneInfo, plain: datetime, before: timedelta, after: timedelta) -> int:
    """The moment (µs since 1970) at which the clocks skip a local time: searched between its two readings."""
    low = _us((plain - after).replace(tzinfo=UTC)) // US_PER_S  # still the old offset
    high = _us((plain - before).replace(tzinfo=UTC)) // US_PER_S  # the new one
    while high - low > 1:
        middle = (low + high) // 2
        if (EPOCH + timedelta(seconds=middle)).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high * US_PER_S
