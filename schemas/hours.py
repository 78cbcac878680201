"""Hours of the week, and a place on the ground: what rules are written in."""

from dataclasses import dataclass

LonLat = tuple[float, float]  # degrees WGS-84, longitude first


@dataclass(frozen=True, slots=True)
class Hours:
    """Open from ``start_min`` to ``end_min`` (minutes after local midnight, end exclusive, 0..1440) on weekdays.

    ``weekdays``: 0 Monday … 6 Sunday, 7 a public holiday. Over midnight is written as two entries.
    """

    weekdays: frozenset[int]
    start_min: int
    end_min: int
