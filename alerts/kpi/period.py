"""A span of local days, and when it is over. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from schemas.errors import SaidError

DAYS_MAX = 400
SETTLE = timedelta(minutes=10)  # after its end: a step that was begun before it is in the record by then


@dataclass(frozen=True, slots=True)
class Period:
    """From ``first`` to ``last``, both whole local days of ``zone``, an IANA name."""

    first: date
    last: date
    zone: str

    def __post_init__(self) -> None:
        """Raise UsageError for one that ends before it starts, or is longer than ``DAYS_MAX`` days."""
        if self.first > self.last:
            raise SaidError(
                f"a period from {self.first} to {self.last} ends before it starts",
                f"考核期 {self.first} 至 {self.last}:结束早于开始",
            )
        if (self.last - self.first).days >= DAYS_MAX:
            raise SaidError(
                f"a period from {self.first} to {self.last} has more than {DAYS_MAX} days",
                f"考核期 {self.first} 至 {self.last}:超过 {DAYS_MAX} 天",
            )

    @property
    def begin(self) -> datetime:
        """Its first moment, UTC."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment after it, UTC."""
        return _midnight(self.last + timedelta(days=1), self.zone)

    def over(self, now: datetime) -> bool:
        """Whether nothing of it can change any more at an aware moment."""
        return now >= self.end + SETTLE


def month_before(day: date, zone: str) -> Period:
    """The calendar month before the one of a local day."""
    last = day.replace(day=1) - timedelta(days=1)
    return Period(last.replace(day=1), last, zone)


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(0), ZoneInfo(zone)).astimezone(UTC)
