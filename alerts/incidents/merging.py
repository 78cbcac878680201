"""Two incidents that turn out to be one thing: what of the one goes over to the other. Within one transaction."""

import uuid
from typing import Any

from alerts.incidents import quiet
from alerts.incidents.sites import OWN_SITE
from alerts.messages import family_name, state_name
from alerts.record.steps import OPEN_STATES, queue_again, withdraw
from alerts.store import Connection
from schemas.alarms import SOS
from schemas.errors import SaidError
from schemas.record import State

Row = dict[str, Any]
PLACES = (
    "select incident_id, family, state, site_id, urgent from incident where incident_id = any(%s)"
    " order by 1 for no key update"
)

# Sightings count as the incident's they are of: where one has another unit or class, their hours are counted anew.
DIRTY = """
insert into rollup_dirty (source, bucket)
select distinct 'incident', date_bin('1 hour', ts, timestamptz 'epoch') from sighting where incident_id = %(from)s
"""
# Where only a report told of the one, a camera that saw the other shows where it is, as when it sees what was told of.
SHOWN = """
update incident i set camera_id = f.camera_id, track_id = f.track_id, zone = f.zone, preset = f.preset,
    box_px = f.box_px, lon = coalesce(f.lon, i.lon), lat = coalesce(f.lat, i.lat),
    cell_id = case f.cell_id when '' then i.cell_id else f.cell_id end
from incident f
where i.incident_id = %(into)s and f.incident_id = %(from)s and i.opening_id is null and f.opening_id is not null
"""
OWN = f"select site_id, {OWN_SITE} as own from site where site_id = any(%s)"  # noqa: S608
# Of each family one: there may be one of it that once found no room.
ALONG = """
update incident set site_id = %(into)s where incident_id in (
    select distinct on (i.family) i.incident_id from incident i join site s using (site_id)
    where s.same_as = %(into)s and i.merged_into is null and i.state = any(%(open)s)
        and not exists (select from incident o where o.site_id = %(into)s and o.family = i.family
            and o.state = any(%(open)s))
    order by i.family, i.opened_at)
"""
LEADS = frozenset({State.GRACE, State.VERIFY})  # what no person has called a case


def join(conn: Connection, incident_id: uuid.UUID, into_id: uuid.UUID) -> None:
    """Give sightings, pictures, complaints and place of an incident to another one of its family.

    Afterwards their places are one: what is seen at either belongs to the other incident. The caller writes both steps
    of the record, the state ``merged`` among them. Raises SaidError where it is the same one, of another family, where
    the other one has ended or is only a lead while the first is a case, where either waits for its check, or where a
    crew holds the job of the first.
    """
    rows = {row["incident_id"]: row for row in conn.execute(PLACES, (sorted([incident_id, into_id]),)).fetchall()}
    if incident_id == into_id or len(rows) < 2:
        raise SaidError(
            f"incident {incident_id} cannot be merged into {into_id}: name two that there are",
            f"案件 {incident_id} 不能并入 {into_id}:请给出两个现有的不同案件",
        )
    one, other = rows[incident_id], rows[into_id]
    _refuse(one, other)
    job = conn.execute("select state, holder from job where incident_id = %s for update", (incident_id,)).fetchone()
    if job is not None and job["state"] == "taken":
        raise SaidError(
            f"{job['holder']} is on the way to {incident_id}: merge the other one into it, or reassign its job",
            f"{job['holder']}正前往处置 {incident_id}:请将另一案件并入此案,或先改派其任务",
        )
    withdraw(conn, incident_id)
    _give(conn, incident_id, into_id)
    quiet.move(conn, incident_id, into_id)
    if one["urgent"] and not other["urgent"]:
        _hurry(conn, into_id)
    if one["family"] != SOS:  # a vehicle has no place
        _one_place(conn, one["site_id"], other["site_id"])


def _refuse(one: Row, other: Row) -> None:
    """Raise SaidError where two are not to be one, or not this way round."""
    incident_id, into_id = one["incident_id"], other["incident_id"]
    if one["family"] != other["family"]:
        raise SaidError(
            f"{incident_id} is {one['family']}, {into_id} is {other['family']}: two families are two things",
            f"{incident_id} 属{family_name(one['family'], 'zh')},{into_id} 属{family_name(other['family'], 'zh')}:"
            "大类不同,不是同一件事",
        )
    if other["state"] not in OPEN_STATES:
        raise SaidError(
            f"incident {into_id} is {other['state']}: merge into one that is open",
            f"案件 {into_id} {state_name(other['state'], 'zh')}:请并入未结束的案件",
        )
    for row in (one, other):
        if row["state"] == State.CHECKING:
            raise SaidError(
                f"incident {row['incident_id']} waits for its check: close it, or send it back, first",
                f"案件 {row['incident_id']} 待核查:请先核查结案(close)或返工(rework)",
            )
    if other["state"] in LEADS and one["state"] not in LEADS:
        raise SaidError(
            f"{incident_id} is a case, {into_id} only a lead: merge the other way round",
            f"{incident_id} 已立案,{into_id} 只是线索:请反过来并案",
        )


def _hurry(conn: Connection, incident_id: uuid.UUID) -> None:
    """What an urgent one was merged into is urgent: its job goes before others."""
    conn.execute("update incident set urgent = true where incident_id = %s", (incident_id,))
    moved = conn.execute(
        "update job set urgency = 'urgent' where incident_id = %s and urgency <> 'urgent'"
        " and state in ('queued', 'taken') returning job_id, state",
        (incident_id,),
    ).fetchone()
    if moved is not None and moved["state"] == "queued":
        queue_again(conn, str(moved["job_id"]))


def _give(conn: Connection, incident_id: uuid.UUID, into_id: uuid.UUID) -> None:
    both = {"from": incident_id, "into": into_id}
    conn.execute(DIRTY, both)
    conn.execute("update sighting set incident_id = %(into)s where incident_id = %(from)s", both)
    conn.execute("update attachment set incident_id = %(into)s where incident_id = %(from)s", both)
    conn.execute(
        "insert into incident_evidence (incident_id, evidence_id, role, at)"
        " select %(into)s, evidence_id, role, at from incident_evidence where incident_id = %(from)s"
        " on conflict do nothing",
        both,
    )
    conn.execute(SHOWN, both)
    conn.execute(
        "update incident i set sightings = i.sightings + f.sightings,"
        " confidence = greatest(i.confidence, f.confidence),"
        " appeared_at = least(i.appeared_at, f.appeared_at), last_seen_at = greatest(i.last_seen_at, f.last_seen_at),"
        " reopened_at = greatest(i.reopened_at, f.reopened_at),"
        " before_id = coalesce(i.before_id, f.before_id), opening_id = coalesce(i.opening_id, f.opening_id),"
        " lon = coalesce(i.lon, f.lon), lat = coalesce(i.lat, f.lat),"
        " party = case i.party when '' then f.party else i.party end"
        " from incident f where i.incident_id = %(into)s and f.incident_id = %(from)s",
        both,
    )
    conn.execute(
        "update incident set merged_into = %(into)s, closed_at = now(), outcome = 'merged'"
        " where incident_id = %(from)s",
        both,
    )


def _one_place(conn: Connection, site_id: int, into_id: int) -> None:
    """Lead everything of a place to another one; open incidents of other families go along where there is room.

    What is one with either place is one with both, and each leads to the last one at once. Where it was to be quiet,
    the place of both is.
    """
    found = conn.execute(OWN, ([site_id, into_id],)).fetchall()
    own = {row["site_id"]: row["own"] for row in found}
    both = {"from": own[site_id], "into": own[into_id], "open": list(OPEN_STATES)}
    if both["from"] == both["into"]:
        return
    conn.execute("update site set same_as = %(into)s where coalesce(same_as, site_id) = %(from)s", both)
    conn.execute(ALONG, both)
    conn.execute("update site_quiet set site_id = %(into)s where site_id = %(from)s", both)
