"""What is near a look: incidents by where their own thing stands, and places. Within one transaction, and no change.

A place is the point of whatever stood there first, and may lie ``merge_m`` from what stands there now. So whether two
looks are one thing is asked of the incidents themselves, never of the places that a street is full of after some years.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.deciding.place import distance_m
from alerts.incidents.sites import ONE, OWN_SITE, Reach, Rules, box_overlap
from alerts.record.steps import OPEN_STATES
from alerts.store import Connection
from schemas.alarms import SOS
from schemas.incident import Box
from schemas.units import M_PER_DEG

Row = dict[str, Any]
NEWEST = "and lon is null order by site_id desc limit 1000"  # places of such a camera whose boxes are measured
# Coarsely: what remains is measured. A calibrated look is compared with points, another one with boxes of its camera,
# also where the point is known from whoever told of it.
POINTS = "lon between %(west)s and %(east)s and lat between %(south)s and %(north)s"
BOXES = "camera_id = %(camera)s"
# Places near by, and where something stood that a person said is what stands elsewhere.
PLACES = """
(select {own} as own, lon, lat, camera_id, box_px, true as is_place,
    same_as is not null or exists (select from site o where o.same_as = site.site_id) as joined
    from site where {near} {uncalibrated})
union all
select s.own, i.lon, i.lat, i.camera_id, i.box_px, false, true
from (select * from incident where merged_into is not null and family <> %(sos)s and {near}) i
join (select site_id, {own} as own from site) s using (site_id)
"""
OPEN = """
select incident_id, lon, lat, camera_id, box_px from incident
where family = %(family)s and state = any(%(open)s) and {near}
"""
OPEN_AT = f"""
select incident_id from incident where family = %(family)s and state = any(%(open)s)
    and site_id in (select o.site_id from site o where {ONE})
"""  # noqa: S608
ENDED = """
select * from incident
where family = %(family)s and state in ('gone', 'corrected', 'done')
    and greatest(left_at, last_seen_at, reopened_at, closed_at) >= %(since)s and {near}
"""
ENDED_AT = f"""
select * from incident
where family = %(family)s and state in ('gone', 'corrected', 'done')
    and greatest(left_at, last_seen_at, reopened_at, closed_at) >= %(since)s
    and site_id in (select o.site_id from site o where {ONE})
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something stands: lon and lat where its camera is calibrated, else the camera and a box in it, px.

    Without any of them nothing is near it.
    """

    point: tuple[float, float] | None
    camera_id: str = ""
    box_px: Box | None = None

    @property
    def nowhere(self) -> bool:
        """Whether nobody knows where it stands: it has no point, and no box in a camera."""
        return self.point is None and (not self.camera_id or self.box_px is None)

    @property
    def where(self) -> str:
        """Condition on ``lon``, ``lat`` and ``camera_id``, with the parameters of ``values``."""
        return BOXES if self.point is None else POINTS

    def values(self, reach: Reach) -> Row:
        """Parameters of ``where``."""
        if self.point is None:
            return {"camera": self.camera_id}
        lon, lat = self.point
        reach_deg = 2 * reach.merge_m / M_PER_DEG  # surely holds the circle at any latitude below 60 degrees
        return {
            "west": lon - reach_deg,
            "east": lon + reach_deg,
            "south": lat - reach_deg,
            "north": lat + reach_deg,
        }

    def away(self, row: Mapping[str, Any], reach: Reach) -> float | None:
        """How far a row is, 0 (the same) to 1 (just one thing with it); None: too far, or not to be compared."""
        if self.point is not None:
            if row["lon"] is None:
                return None
            distance = distance_m(self.point, (row["lon"], row["lat"]))
            return distance / reach.merge_m if distance <= reach.merge_m else None
        if row["camera_id"] != self.camera_id or self.box_px is None:
            return None
        overlap = box_overlap(self.box_px, tuple(row["box_px"]))
        return 1.0 - overlap if overlap >= reach.merge_iou else None


@dataclass(frozen=True, slots=True)
class Places:
    """Places near a spot.

    Attributes:
        nearest: ids of places, each of the one it leads to, nearest first.
        joined: of those that a person said are one with others, also by what stood there: how far each is, 0 to 1.
    """

    nearest: tuple[int, ...]
    joined: Mapping[int, float]


def spot_of(row: Mapping[str, Any]) -> Spot:
    """Where the thing of an incident's row stands."""
    point = None if row["lon"] is None else (row["lon"], row["lat"])
    return Spot(point, row["camera_id"], tuple(row["box_px"]))


def places(conn: Connection, spot: Spot, reach: Reach) -> Places:
    """The places near a spot."""
    if spot.nowhere:
        return Places((), {})
    query = PLACES.format(own=OWN_SITE, near=spot.where, uncalibrated=NEWEST if spot.point is None else "")
    rows = conn.execute(query, spot.values(reach) | {"sos": SOS}).fetchall()
    found = _measured(rows, spot, reach)
    nearest = dict.fromkeys(int(row["own"]) for _away, row in found if row["is_place"])
    joined = dict[int, float]()
    for away, row in found:
        if row["joined"]:
            joined.setdefault(int(row["own"]), away)
    return Places(tuple(nearest), joined)


def open_ones(conn: Connection, family: str, spot: Spot, reach: Reach, joined: Mapping[int, float]) -> list[uuid.UUID]:
    """Open incidents of a family whose thing may be what stands at a spot, nearest first."""
    if spot.nowhere:
        return []
    asked = spot.values(reach) | {"family": family, "open": list(OPEN_STATES)}
    rows = conn.execute(OPEN.format(near=spot.where), asked).fetchall()
    found = [(away, row["incident_id"]) for away, row in _measured(rows, spot, reach)]
    for site_id, away in joined.items():
        found.extend((away, incident_id) for incident_id in open_at(conn, family, site_id))
    return list(dict.fromkeys(incident_id for _away, incident_id in sorted(found)))


def open_at(conn: Connection, family: str, site_id: int) -> list[uuid.UUID]:
    """Open incidents of a family at a place, or at one that is one with it; all that can be asked of a vehicle's."""
    asked = {"family": family, "open": list(OPEN_STATES), "site": site_id}
    return [row["incident_id"] for row in conn.execute(OPEN_AT, asked).fetchall()]


def ended_ones(
    conn: Connection, family: str, spot: Spot, reach: Reach, joined: Iterable[int], since: datetime
) -> list[Row]:
    """Incidents of a family that ended at a spot and were seen, or ended, ``since`` or later."""
    if spot.nowhere:
        return []
    asked = {"family": family, "since": since}
    rows = conn.execute(ENDED.format(near=spot.where), spot.values(reach) | asked).fetchall()
    found = {row["incident_id"]: row for _away, row in _measured(rows, spot, reach)}
    for site_id in joined:
        there = conn.execute(ENDED_AT, asked | {"site": site_id}).fetchall()
        found |= {row["incident_id"]: row for row in there}
    return list(found.values())


def told_of(rows: Iterable[Row], spot: Spot, cell_id: str, rules: Rules) -> Row | None:
    """Of incidents the nearest that a report tells of, or that is a report of what a camera sees; None: all too far.

    Of those equally far the first.
    """
    found = [(away_m, row) for row in rows if (away_m := _told_m(row, spot, cell_id, rules)) is not None]
    return min(found, key=lambda pair: pair[0], default=(0.0, None))[1]


def _told_m(row: Row, spot: Spot, cell_id: str, rules: Rules) -> float | None:
    """How far an incident is from what is told or seen, m; None: too far.

    A box in the same camera that overlaps is 0. Where either has no point their cell has to do: that is as far as may
    be, so that whatever can be measured goes before it.
    """
    if spot.point is not None and row["lon"] is not None:
        away_m = distance_m(spot.point, (row["lon"], row["lat"]))
        return away_m if away_m <= rules.knobs.attach_m else None
    if spot.camera_id and spot.camera_id == row["camera_id"] and spot.box_px is not None and any(row["box_px"]):
        return 0.0 if box_overlap(spot.box_px, tuple(row["box_px"])) >= rules.merge_iou else None
    return rules.knobs.attach_m if cell_id and cell_id == row["cell_id"] else None


def _measured(rows: Iterable[Row], spot: Spot, reach: Reach) -> list[tuple[float, Row]]:
    """The rows near a spot, nearest first, each with how far it is."""
    found = [(away, row) for row in rows if (away := spot.away(row, reach)) is not None]
    return sorted(found, key=lambda pair: pair[0])
