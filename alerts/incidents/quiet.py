"""Where nothing is to be opened for a while: by whose word, how long, and what is noted meanwhile. One transaction."""

import uuid
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.incidents import near
from alerts.incidents.near import Spot, spot_of
from alerts.incidents.sites import OWN_SITE, Reach
from alerts.store import Connection
from schemas.incident import Sighting
from schemas.units import utc

SAY = f"""
insert into site_quiet (site_id, incident_id, family, urgent, until, by, reason, lon, lat, camera_id, box_px)
select {OWN_SITE}, i.incident_id, %s, %s, %s, %s, %s, i.lon, i.lat, i.camera_id, i.box_px
from incident i join site using (site_id) where i.incident_id = %s
"""  # noqa: S608
# Near a spot, or at a place that a person said is one with a place near it, or of an incident.
NEAR = "select * from site_quiet where {near} or site_id = any(%(joined)s) or incident_id = %(incident)s"
# What holds by the database's clock, and where: at its own thing, and at what a person said is one place with that.
HOLDING = """
with word as (select * from site_quiet where until > now())
select incident_id, family, lon, lat, camera_id, box_px from word
union all
select null, w.family, s.lon, s.lat, s.camera_id, s.box_px from word w
join site s on s.site_id = w.site_id or s.same_as = w.site_id
where exists (select from site o where o.same_as = w.site_id)
union all
select null, w.family, i.lon, i.lat, i.camera_id, i.box_px from word w
join site s on s.site_id = w.site_id or s.same_as = w.site_id
join incident i on i.site_id = s.site_id and i.merged_into is not null and i.family <> 'sos'
"""
LAST = f"""
select incident_id from incident where site_id in (select o.site_id from site o where {OWN_SITE} = %(site)s)
order by family = %(family)s desc, opened_at desc limit 1
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Quiet:
    """Since when nobody wants to hear of a place: until when, who said so, and why. ``family`` empty: of nothing."""

    until: datetime
    by: str
    reason: str
    family: str = ""
    urgent: bool = False


def hush(conn: Connection, incident: dict[str, Any], quiet: Quiet, reach: Reach) -> None:
    """Make it quiet where an incident's thing stands, until then and no longer. The caller writes the step.

    Nothing of ``quiet.family`` is opened or reopened there by what was captured up to ``until``, but for urgent
    sightings, which break through unless ``quiet.urgent``. What was said before of the same family, and alike of what
    is urgent, holds no longer: people correct themselves. Other families, and the other urgency, stay as they were.
    """
    known = _near(conn, spot_of(incident), reach, incident["incident_id"])
    same = [row["quiet_id"] for row in known if (row["family"], row["urgent"]) == (quiet.family, quiet.urgent)]
    _end(conn, same)
    hush_at_least(conn, incident, quiet)


def hush_at_least(conn: Connection, incident: dict[str, Any], quiet: Quiet) -> None:
    """The same beside whatever was said before: what is quiet longer by a person's word stays so."""
    said = (quiet.family, quiet.urgent, quiet.until, quiet.by, quiet.reason)
    conn.execute(SAY, (*said, incident["incident_id"]))


def wake(conn: Connection, incident: dict[str, Any], reach: Reach) -> int:
    """Let things of an incident's family open again where its thing stands; how many words that ended.

    One that was over already is forgotten, and does not count. A word about every family ends for all of them.
    """
    known = _near(conn, spot_of(incident), reach, incident["incident_id"])
    ended = [row["quiet_id"] for row in known if row["family"] in {"", incident["family"]}]
    return _end(conn, ended)


def is_quiet(conn: Connection, incident: dict[str, Any], reach: Reach) -> bool:
    """Whether something was said that ``wake`` would end, and is not over yet by the database's clock."""
    return bool(quiet_ones(conn, [incident], reach))


def quiet_ones(conn: Connection, incidents: Iterable[dict[str, Any]], reach: Reach) -> set[uuid.UUID]:
    """Those of incidents of which ``is_quiet`` is so; what holds is read once for all of them."""
    said = conn.execute(HOLDING).fetchall()
    points = sorted((word for word in said if word["lat"] is not None), key=lambda word: word["lat"])
    rows = [word["lat"] for word in points]
    cameras = defaultdict[str, list[dict[str, Any]]](list)
    meant = {(word["incident_id"], word["family"]) for word in said}
    for word in said:
        cameras[word["camera_id"]].append(word)

    def near_by(spot: Spot) -> list[dict[str, Any]]:
        values = spot.values(reach)
        if spot.point is None:
            return cameras[spot.camera_id]
        return points[bisect_left(rows, values["south"]) : bisect_right(rows, values["north"])]

    def hushed(incident: dict[str, Any]) -> bool:
        families, spot = ("", incident["family"]), spot_of(incident)
        return any((incident["incident_id"], family) in meant for family in families) or any(
            word["family"] in families and spot.away(word, reach) is not None for word in near_by(spot)
        )

    return {incident["incident_id"] for incident in incidents if hushed(incident)}


def meant(conn: Connection, spot: Spot, sighting: Sighting, reach: Reach) -> uuid.UUID | None:
    """The incident of which it was said that a sighting like this is not wanted at a spot; None: it is not quiet.

    Of a word whose incident is not known, the one that was last at its place.
    """
    at = utc(sighting.captured_ns)
    words = [
        word
        for word in _near(conn, spot, reach)
        if word["until"] > at and word["family"] in {"", sighting.family} and (word["urgent"] or not sighting.urgent)
    ]
    found: uuid.UUID
    for word in sorted(words, key=lambda word: word["family"] == sighting.family, reverse=True):
        if word["incident_id"] is not None:
            found = word["incident_id"]
            return found
        last = conn.execute(LAST, {"site": word["site_id"], "family": sighting.family}).fetchone()
        if last is not None:
            found = last["incident_id"]
            return found
    return None


def any_quiet(conn: Connection, sighting: Sighting) -> bool:
    """Whether any place is quiet when this was captured: asked first, because mostly none is."""
    row = conn.execute("select 1 from site_quiet where until > %s limit 1", (utc(sighting.captured_ns),)).fetchone()
    return row is not None


def move(conn: Connection, incident_id: uuid.UUID, into_id: uuid.UUID) -> None:
    """What was said of an incident was said of the one it is merged into, and stays where it was said."""
    conn.execute("update site_quiet set incident_id = %s where incident_id = %s", (into_id, incident_id))


def _near(conn: Connection, spot: Spot, reach: Reach, incident_id: uuid.UUID | None = None) -> list[dict[str, Any]]:
    """What was said of a spot, or of an incident wherever it was then; also what is over by now."""
    joined = list(near.places(conn, spot, reach).joined)
    values = spot.values(reach) | {"joined": joined, "incident": incident_id}
    rows = conn.execute(NEAR.format(near=spot.where), values).fetchall()
    return [
        row
        for row in rows
        if row["site_id"] in joined
        or (incident_id is not None and row["incident_id"] == incident_id)
        or spot.away(row, reach) is not None
    ]


def _end(conn: Connection, quiet_ids: list[int]) -> int:
    """Forget words; how many of them were not over yet."""
    rows = conn.execute(
        "delete from site_quiet where quiet_id = any(%s) returning until > now() as held", (quiet_ids,)
    ).fetchall()
    return sum(row["held"] for row in rows)
