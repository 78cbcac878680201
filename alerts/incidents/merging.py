"""Two incidents that turn out to be one thing: what of the one goes over to the other. Within one transaction."""

import uuid

from alerts.record.steps import OPEN_STATES, withdraw
from alerts.store import Connection
from schemas.errors import UsageError

PLACES = (
    "select incident_id, family, state, site_id from incident where incident_id = any(%s) order by 1 for no key update"
)


def join(conn: Connection, incident_id: uuid.UUID, into_id: uuid.UUID) -> None:
    """Give sightings, pictures, complaints and place of an incident to another one of its family.

    Afterwards their places are one: what is seen at either belongs to the other incident. The caller writes both steps
    of the record, the state ``merged`` among them. Raises UsageError where it is the same one, of another family, where
    the other one has ended, or where a crew holds the job of the first.
    """
    rows = {row["incident_id"]: row for row in conn.execute(PLACES, (sorted([incident_id, into_id]),)).fetchall()}
    if incident_id == into_id or len(rows) < 2:
        raise UsageError(f"incident {incident_id} cannot be merged into {into_id}: name two that there are")
    one, other = rows[incident_id], rows[into_id]
    if one["family"] != other["family"]:
        raise UsageError(
            f"{incident_id} is {one['family']}, {into_id} is {other['family']}: two families are two things"
        )
    if other["state"] not in OPEN_STATES:
        raise UsageError(f"incident {into_id} is {other['state']}: merge into one that is open")
    job = conn.execute("select state, holder from job where incident_id = %s for update", (incident_id,)).fetchone()
    if job is not None and job["state"] == "taken":
        raise UsageError(
            f"{job['holder']} is on the way to {incident_id}: merge the other one into it, or reassign its job"
        )
    withdraw(conn, incident_id)
    _give(conn, incident_id, into_id)
    if one["site_id"] != other["site_id"]:
        _one_place(conn, one["site_id"], other["site_id"])


def _give(conn: Connection, incident_id: uuid.UUID, into_id: uuid.UUID) -> None:
    both = {"from": incident_id, "into": into_id}
    conn.execute("update sighting set incident_id = %(into)s where incident_id = %(from)s", both)
    conn.execute("update attachment set incident_id = %(into)s where incident_id = %(from)s", both)
    conn.execute(
        "insert into incident_evidence (incident_id, evidence_id, role, at)"
        " select %(into)s, evidence_id, role, at from incident_evidence where incident_id = %(from)s"
        " on conflict do nothing",
        both,
    )
    conn.execute(
        "update incident i set sightings = i.sightings + f.sightings,"
        " confidence = greatest(i.confidence, f.confidence),"
        " appeared_at = least(i.appeared_at, f.appeared_at), last_seen_at = greatest(i.last_seen_at, f.last_seen_at),"
        " before_id = coalesce(i.before_id, f.before_id), opening_id = coalesce(i.opening_id, f.opening_id),"
        " lon = coalesce(i.lon, f.lon), lat = coalesce(i.lat, f.lat)"
        " from incident f where i.incident_id = %(into)s and f.incident_id = %(from)s",
        both,
    )
    conn.execute(
        "update incident set merged_into = %(into)s, closed_at = now(), outcome = 'merged'"
        " where incident_id = %(from)s",
        both,
    )


def _one_place(conn: Connection, site_id: int, into_id: int) -> None:
    """Lead everything of a place to another one; open incidents of other families go along where there is room."""
    conn.execute("update site set same_as = %s where %s in (site_id, same_as)", (into_id, site_id))
    conn.execute(
        "update incident i set site_id = %s where site_id = %s and merged_into is null and state = any(%s)"
        " and not exists (select from incident o where o.site_id = %s and o.family = i.family and o.state = any(%s))",
        (into_id, site_id, list(OPEN_STATES), into_id, list(OPEN_STATES)),
    )
