"""Places: what counts as one, who waits for whom when one is made, and where it is to be quiet for a while."""

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.deciding.place import distance_m
from alerts.incidents.case_numbers import Numbering
from alerts.store import Connection
from config.incidents import IncidentKnobs
from schemas.incident import Box, Sighting
from schemas.units import M_PER_DEG, cos_deg, utc

TILE_DEG = 0.001  # about 100 m: makers of sites wait for each other within a tile, not within the city
OWN_SITE = "coalesce(same_as, site_id)"  # a place that turned out to be another one leads there
OWN_OF = "select coalesce(t.same_as, t.site_id) from site t where t.site_id = %(site)s"
ONE = f"coalesce(o.same_as, o.site_id) = ({OWN_OF})"  # the places that are one with a site
KEEP_LONGEST = """
on conflict (site_id, family, urgent) do update set until = excluded.until, by = excluded.by, reason = excluded.reason
where site_quiet.until <= excluded.until
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """What makes two looks one thing: metres on the ground, overlap in one camera, and times.

    ``numbering``: how the city numbers its cases.
    """

    merge_m: float
    merge_iou: float
    knobs: IncidentKnobs
    numbering: Callable[[], Numbering] = Numbering

    @property
    def reach_m(self) -> float:
        """Farthest distance at which two reports may become one incident, m."""
        return max(self.merge_m, self.knobs.attach_m)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Since when nobody wants to hear of a place: until when, who said so, and why. ``family`` empty: of nothing."""

    until: datetime
    by: str
    reason: str
    family: str = ""
    urgent: bool = False


def box_overlap(one: Box, other: Box) -> float:
    """Intersection over the smaller area, 0..1; 0 where a box has no area."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller > 0 else 0.0


def lock_keys(camera_id: str, cell_id: str, point: tuple[float, float] | None, reach_m: float) -> list[str]:
    """Name what a maker at this place must hold: of any two that may be one, a key is the same.

    A calibrated one names the tiles within ``reach_m`` of its point, sorted, so that two makers never wait for each
    other crosswise; one without a point, which only merges with its own camera's, names the camera, and where there is
    no camera either the cell.
    """
    if point is None:
        return [f"camera/{camera_id}" if camera_id else f"cell/{cell_id}"]
    lon, lat = point
    reach_deg = reach_m / M_PER_DEG
    columns = _tiles(lon, reach_deg / cos_deg(lat))
    return sorted(f"tile/{column}/{row}" for column in columns for row in _tiles(lat, reach_deg))


def hold(conn: Connection, keys: list[str]) -> None:
    """Wait until nobody else makes anything at these places, up to the end of the transaction."""
    for key in keys:
        conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", (key,))


def hold_one(conn: Connection, site_id: int) -> None:
    """Wait for whoever opens something at a place that is one with this, and may hold other tiles; under its own."""
    hold(conn, [f"site/{site_id}"])


def find(
    conn: Connection, point: tuple[float, float] | None, camera_id: str, box_px: Box | None, rules: Rules
) -> int | None:
    """The site at a place; None where there is none yet, or the place is only a cell."""
    if point is not None:
        return _near(conn, point, rules.merge_m)
    return None if not camera_id or box_px is None else _overlapping(conn, camera_id, box_px, rules.merge_iou)


def make(conn: Connection, cell_id: str, camera_id: str, point: tuple[float, float] | None, box_px: Box | None) -> int:
    """Make a site; under the locks of its place."""
    lon, lat = point or (None, None)
    row = conn.execute(
        "insert into site (cell_id, camera_id, lon, lat, box_px) values (%s, %s, %s, %s, %s) returning site_id",
        (cell_id, camera_id, lon, lat, [float(value) for value in box_px or (0.0, 0.0, 0.0, 0.0)]),
    ).fetchone()
    return int(present(row)["site_id"])


def settle(conn: Connection, incident_id: object) -> None:
    """Give an incident that opens again the place that its place is one with by now."""
    conn.execute(
        "update incident i set site_id = s.same_as from site s"
        " where s.site_id = i.site_id and i.incident_id = %s and s.same_as is not null",
        (incident_id,),
    )


def hush(conn: Connection, incident_id: object, quiet: Quiet) -> None:
    """Make the place of an incident quiet; what was quiet longer stays so. The caller writes the step.

    Nothing of ``quiet.family`` is opened or reopened there by what was captured up to ``until``, but for urgent
    sightings, which break through unless ``quiet.urgent``. Other families, and what was said of urgent ones, stay as
    they were.
    """
    conn.execute(
        "insert into site_quiet (site_id, family, urgent, until, by, reason)"  # noqa: S608
        f" select {OWN_SITE}, %s, %s, %s, %s, %s from site join incident using (site_id)"
        f" where incident_id = %s {KEEP_LONGEST}",
        (quiet.family, quiet.urgent, quiet.until, quiet.by, quiet.reason, incident_id),
    )


def last_of_quiet(conn: Connection, site_id: int, sighting: Sighting) -> uuid.UUID | None:
    """The incident that was last at a site which is quiet for this sighting; None where it is not quiet."""
    row = conn.execute(
        f"select (select incident_id from incident i where i.site_id in (select o.site_id from site o where {ONE})"  # noqa: S608
        " order by i.family = %(family)s desc, i.opened_at desc limit 1) as last"
        " where exists (select from site_quiet q where q.until > %(at)s and q.family in ('', %(family)s)"
        f" and (q.urgent or not %(urgent)s) and q.site_id = ({OWN_OF}))",
        {
            "site": site_id,
            "at": utc(sighting.captured_ns),
            "family": sighting.family,
            "urgent": sighting.urgent,
        },
    ).fetchone()
    return None if row is None else row["last"]


def any_quiet(conn: Connection, sighting: Sighting) -> bool:
    """Whether any place is quiet when this was captured: asked first, because mostly none is."""
    row = conn.execute("select 1 from site_quiet where until > %s limit 1", (utc(sighting.captured_ns),)).fetchone()
    return row is not None


def present(row: dict[str, Any] | None) -> dict[str, Any]:
    """The row of a statement that must return one."""
    if row is None:
        raise RuntimeError("a statement that must return a row returned none")
    return row


def _tiles(degrees: float, reach_deg: float) -> range:
    return range(math.floor((degrees - reach_deg) / TILE_DEG), math.floor((degrees + reach_deg) / TILE_DEG) + 1)


def _near(conn: Connection, point: tuple[float, float], merge_m: float) -> int | None:
    """Nearest calibrated site within ``merge_m`` metres, on either side of a cell's border."""
    reach_deg = 2 * merge_m / M_PER_DEG  # a box that surely holds the circle at any latitude below 60 degrees
    rows = conn.execute(
        f"select {OWN_SITE} as site_id, lon, lat from site"  # noqa: S608
        " where lon between %s and %s and lat between %s and %s",
        (point[0] - reach_deg, point[0] + reach_deg, point[1] - reach_deg, point[1] + reach_deg),
    ).fetchall()
    measured = [(distance_m(point, (row["lon"], row["lat"])), int(row["site_id"])) for row in rows]
    distance, site_id = min(measured, default=(merge_m + 1, 0))
    return site_id if distance <= merge_m else None


def _overlapping(conn: Connection, camera_id: str, box_px: Box, merge_iou: float) -> int | None:
    """Uncalibrated: the site of the same camera whose box overlaps most, at least ``merge_iou``."""
    rows = conn.execute(
        f"select {OWN_SITE} as site_id, box_px from site where camera_id = %s and lon is null"  # noqa: S608
        " order by site.site_id desc limit 1000",
        (camera_id,),
    ).fetchall()
    measured = [(box_overlap(box_px, tuple(row["box_px"])), int(row["site_id"])) for row in rows]
    overlap, site_id = max(measured, default=(0.0, 0))
    return site_id if overlap >= merge_iou else None
