"""Where vehicles are, where one was, and which passed a place: read from positions and the devices' health."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.deciding.place import distance_m
from alerts.store import AlertDatabase
from schemas.units import M_PER_DEG, cos_deg

POINTS_MAX = 100_000  # of one track: more than a day at one a second
# The newest position of each vehicle stands in its health: 90 days of positions need not be looked through.
FLEET = """
select h.device_id, d.name, d.unit_id, h.state, h.last_captured_at as at, h.lon, h.lat
from device_health h join device d using (device_id)
where h.kind = 'vehicle' and h.lon is not null
"""
ALL = FLEET + " order by h.device_id"
NEAR = (
    FLEET
    + " and h.lon between %(west)s and %(east)s and h.lat between %(south)s and %(north)s"
    + " and h.last_captured_at >= %(since)s order by h.device_id"
)
TRACK = """
select ts as at, lon, lat, speed_mps, heading_deg, ignition, lift, cover, flags from position
where device_id = %(device)s and ts >= %(begin)s and ts < %(end)s order by ts, boot, seq, item_hash limit %(limit)s
"""
PASSED = """
select device_id, ts as at, lon, lat from position
where ts >= %(begin)s and ts < %(end)s
and lon between %(west)s and %(east)s and lat between %(south)s and %(north)s order by device_id, ts
"""


@dataclass(frozen=True, slots=True)
class Where:
    """A vehicle's newest position: ``at`` by its own clock, degrees WGS-84. ``distance_m``: from a place asked for."""

    device_id: str
    name: str
    unit_id: str
    state: str
    at: datetime
    lon: float
    lat: float
    distance_m: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One position of a track; what the vehicle did not say is None. ``flags``: bits of schemas/flags.py."""

    at: datetime
    lon: float
    lat: float
    speed_mps: float | None
    heading_deg: float | None
    ignition: bool | None
    lift: bool | None
    cover: bool | None
    flags: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A vehicle that was near a place: first and last position there, how many, and the nearest, m."""

    device_id: str
    first_at: datetime
    last_at: datetime
    positions: int
    nearest_m: float


def fleet(database: AlertDatabase) -> list[Where]:
    """The newest position of every vehicle that ever sent one, by id. Raises SinkError."""
    with database.transaction() as conn:
        return [Where(**row) for row in conn.execute(ALL).fetchall()]


def near(database: AlertDatabase, place: tuple[float, float], radius_m: float, since: datetime) -> list[Where]:
    """Vehicles whose newest position, not older than ``since``, is within ``radius_m`` of a place; nearest first."""
    with database.transaction() as conn:
        rows = conn.execute(NEAR, _box(place, radius_m) | {"since": since}).fetchall()
    found = [Where(**row, distance_m=distance_m(place, (row["lon"], row["lat"]))) for row in rows]
    return sorted((one for one in found if (one.distance_m or 0.0) <= radius_m), key=lambda one: one.distance_m or 0.0)


def track(
    database: AlertDatabase, device_id: str, begin: datetime, end: datetime, limit: int = POINTS_MAX
) -> list[Point]:
    """Positions of a vehicle in a span of its own time, oldest first, ``limit`` at most. Raises SinkError."""
    with database.transaction() as conn:
        values = {"device": device_id, "begin": begin, "end": end, "limit": limit}
        return [Point(**row) for row in conn.execute(TRACK, values).fetchall()]


def passed(
    database: AlertDatabase, place: tuple[float, float], radius_m: float, begin: datetime, end: datetime
) -> list[Passage]:
    """Vehicles within ``radius_m`` of a place in a span, in the order in which they came. Raises SinkError."""
    with database.transaction() as conn:
        rows = conn.execute(PASSED, _box(place, radius_m) | {"begin": begin, "end": end}).fetchall()
    return passages(rows, place, radius_m)


def passages(rows: list[dict[str, Any]], place: tuple[float, float], radius_m: float) -> list[Passage]:
    """Positions, in order of time, as passages of a place, in the order in which the vehicles came. Pure."""
    found: dict[str, Passage] = {}
    for row in rows:
        away_m = distance_m(place, (row["lon"], row["lat"]))
        if away_m > radius_m:
            continue
        device_id, before = row["device_id"], found.get(row["device_id"])
        found[device_id] = Passage(
            device_id,
            row["at"] if before is None else before.first_at,
            row["at"],
            1 if before is None else before.positions + 1,
            away_m if before is None else min(away_m, before.nearest_m),
        )
    return sorted(found.values(), key=lambda one: (one.first_at, one.device_id))


def _box(place: tuple[float, float], radius_m: float) -> dict[str, float]:
    """A box that surely holds the circle."""
    lon, lat = place
    up = 1.01 * radius_m / M_PER_DEG
    aside = up / cos_deg(abs(lat) + up)
    return {"west": lon - aside, "east": lon + aside, "south": lat - up, "north": lat + up}
