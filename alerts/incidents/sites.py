"""Places: what counts as one, and who waits for whom when one is made."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from alerts.incidents.case_numbers import Numbering
from alerts.record.steps import OPEN_STATES
from alerts.store import Connection
from config.incidents import IncidentKnobs
from schemas.incident import Box
from schemas.units import M_PER_DEG, cos_deg

TILE_DEG = 0.001  # about 100 m: makers of sites wait for each other within a tile, not within the city
OWN_SITE = "coalesce(same_as, site_id)"  # a place that turned out to be another one leads there
OWN_OF = "select coalesce(t.same_as, t.site_id) as own from site t where t.site_id = %(site)s"
ONE = f"coalesce(o.same_as, o.site_id) = ({OWN_OF})"  # the places that are one with a site


@dataclass(frozen=True, slots=True)
class Reach:
    """What makes two looks one thing: metres on the ground, or overlap in one camera."""

    merge_m: float = 3.0
    merge_iou: float = 0.3


USUAL = Reach()


@dataclass(frozen=True, slots=True)
class Rules(Reach):
    """The same, and times. ``numbering``: how the city numbers its cases."""

    knobs: IncidentKnobs = field(default_factory=IncidentKnobs)
    numbering: Callable[[], Numbering] = Numbering

    @property
    def reach_m(self) -> float:
        """Farthest distance at which two reports may become one incident, m."""
        return max(self.merge_m, self.knobs.attach_m)


def box_overlap(one: Box, other: Box) -> float:
    """Intersection over the smaller area, 0..1; 0 where a box has no area."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller > 0 else 0.0


def lock_keys(camera_id: str, cell_id: str, point: tuple[float, float] | None, reach_m: float) -> list[str]:
    """Name what a maker at this place must hold: of any two that may be one, a key is the same.

    A calibrated one names the tiles within ``reach_m`` of its point; one without a point, which only merges with its
    own camera's, names the camera, and where there is no camera either the cell. Reports: ``wide_keys``.
    """
    if point is None:
        return [f"camera/{camera_id}" if camera_id else f"cell/{cell_id}"]
    lon, lat = point
    reach_deg = reach_m / M_PER_DEG
    columns = _tiles(lon, reach_deg / cos_deg(lat))
    return sorted(f"tile/{column}/{row}" for column in columns for row in _tiles(lat, reach_deg))


def wide_keys(camera_id: str, cell_id: str) -> set[str]:
    """Name the whole camera and the whole cell, where they are known: a report may tell of anything in them.

    Whoever reports holds them beside its own keys; a look shares them with other looks, and so waits for reports only.
    """
    return {f"{kind}/{name}" for kind, name in (("camera", camera_id), ("cell", cell_id)) if name}


def hold(conn: Connection, keys: Iterable[str], shared: Iterable[str] = ()) -> None:
    """Wait until nobody else makes anything at these places, up to the end of the transaction.

    ``shared``: keys that others may share meanwhile, and nobody holds alone. Everybody takes theirs in one order, so
    that no two wait for each other crosswise.
    """
    alone = set(keys)
    for key in sorted(alone.union(shared)):
        mode = "" if key in alone else "_shared"
        conn.execute(f"select pg_advisory_xact_lock{mode}(hashtextextended(%s, 1))", (key,))


def hold_joined(conn: Connection, site_ids: Iterable[int]) -> None:
    """Wait for whoever opens something at places that are one with these, and may hold other tiles; under their own."""
    hold(conn, (f"site/{site_id}" for site_id in site_ids))


def make(conn: Connection, cell_id: str, camera_id: str, point: tuple[float, float] | None, box_px: Box | None) -> int:
    """Make a site; under the locks of its place."""
    lon, lat = point or (None, None)
    row = conn.execute(
        "insert into site (cell_id, camera_id, lon, lat, box_px) values (%s, %s, %s, %s, %s) returning site_id",
        (cell_id, camera_id, lon, lat, [float(value) for value in box_px or (0.0, 0.0, 0.0, 0.0)]),
    ).fetchone()
    return int(present(row)["site_id"])


def taken(conn: Connection, family: str, site_id: int) -> bool:
    """Whether something of a family is open at a site, or at one that is one with it."""
    row = conn.execute(
        "select 1 from incident where family = %(family)s and state = any(%(open)s)"  # noqa: S608
        f" and site_id in (select o.site_id from site o where {ONE}) limit 1",
        {"family": family, "site": site_id, "open": list(OPEN_STATES)},
    ).fetchone()
    return row is not None


def free(conn: Connection, family: str, site_ids: Iterable[int]) -> int | None:
    """The first of these places at which nothing of a family is open; None: there is none.

    It stays until the end of the transaction: one that nothing names may be deleted at any moment, and is passed over
    where it was.
    """
    for site_id in site_ids:
        if taken(conn, family, site_id):
            continue
        there = conn.execute("select 1 from site where site_id = %s for key share", (site_id,)).fetchone()
        if there is not None:
            return site_id
    return None


def settle(conn: Connection, incident: dict[str, Any]) -> None:
    """Give an incident that opens again the place that its place is one with by now, or its own where that is taken.

    Nothing within reach of it is open: what took its place stands at the other side of that.
    """
    if not taken(conn, incident["family"], incident["site_id"]):
        row = conn.execute(OWN_OF, {"site": incident["site_id"]}).fetchone()
        site_id = present(row)["own"]
    else:
        point = None if incident["lon"] is None else (incident["lon"], incident["lat"])
        site_id = make(conn, incident["cell_id"], incident["camera_id"], point, tuple(incident["box_px"]))
    conn.execute("update incident set site_id = %s where incident_id = %s", (site_id, incident["incident_id"]))


def present(row: dict[str, Any] | None) -> dict[str, Any]:
    """The row of a statement that must return one."""
    if row is None:
        raise RuntimeError("a statement that must return a row returned none")
    return row


def _tiles(degrees: float, reach_deg: float) -> range:
    return range(math.floor((degrees - reach_deg) / TILE_DEG), math.floor((degrees + reach_deg) / TILE_DEG) + 1)
