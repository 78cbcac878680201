"""A permit's weekly hours: their order, and clock times a time zone leaves out."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from config.pack_rows import WEEKDAYS, HoursRow, minutes_of
from schemas.rules import HOLIDAY

HORIZON_DAYS = 800  # how far ahead of valid_from clock changes are looked for: two of each kind


def order_fault(hours: HoursRow) -> str:
    """Say what is wrong with start and end; empty: nothing. Over midnight is written as two entries."""
    start, end = minutes_of(hours.start), minutes_of(hours.end)
    if start == end:
        return "starts when it ends: all day is 00:00 to 24:00"
    if start > end:
        return (
            f"ends before it starts: write two entries, {hours.start} to 24:00 and, the day after, 00:00 to {hours.end}"
        )
    return ""


@lru_cache(maxsize=256)
def clock_gaps(zone: ZoneInfo, first: date, last: date) -> tuple[tuple[date, int, int], ...]:
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


def gap_fault(hours: HoursRow, gaps: tuple[tuple[date, int, int], ...]) -> str:
    """Say which end of the hours falls into a gap; empty: none does."""
    days = {WEEKDAYS.index(day) for day in hours.days}
    for day, start, end in gaps:
        if day.weekday() in days or HOLIDAY in days:  # a public holiday may fall on any weekday
            for text in (hours.start, hours.end):
                if start < minutes_of(text) < end or (text == hours.start and start == minutes_of(text)):
                    return f"{text} does not exist on {day}, when the clocks go forward: choose a time outside the gap"
    return ""


def _offset(zone: ZoneInfo, day: date, hour: int) -> timedelta:
    moment = datetime.combine(day, time(0), zone) + timedelta(hours=hour)
    return moment.utcoffset() or timedelta(0)


def _exists(zone: ZoneInfo, day: date, minute: int) -> bool:
    moment = datetime.combine(day, time(minute // 60, minute % 60), zone)
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment.replace(tzinfo=None)
