"""Hours of the week, and a place on the ground: what rules are written in."""

from dataclasses import dataclass

DAY_MIN = 1440
LonLat = tuple[float, float]  # degrees WGS-84, longitude first


@dataclass(frozen=True, slots=True)
class Hours:
    """Open on weekdays from ``start_min`` (0..1439) to ``end_min`` (1..1800, exclusive), minutes after local midnight.

    ``weekdays``: 0 Monday … 6 Sunday, 7 a public holiday. A night belongs to the day on which it starts: 18:00 to 25:00
    on Fridays is open until 01:00 of whatever day follows.
    """

    weekdays: frozenset[int]
    start_min: int
    end_min: int
