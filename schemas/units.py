"""Time at the edges: integer nanoseconds inside, aware datetimes outside. And what a degree is on the ground."""

from datetime import UTC, datetime, timedelta
from math import cos, radians

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
M_PER_DEG = 111_320.0  # metres per degree of latitude; of longitude times cos(lat). Good to 0.5 % within a city


def utc(ns: int) -> datetime:
    """Aware UTC datetime of ns since 1970, to the microsecond. Raises OverflowError beyond year 9999."""
    return EPOCH + timedelta(microseconds=ns // 1000)


def ns_of(when: datetime) -> int:
    """Return ns since 1970 UTC of an aware datetime."""
    since = when - EPOCH
    # Twice as fast as dividing by a microsecond, and done for every position.
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def cos_deg(lat_deg: float) -> float:
    """Cosine of degrees, never so small that dividing by it goes wrong: there are no streets at the poles."""
    return max(0.01, cos(radians(lat_deg)))
