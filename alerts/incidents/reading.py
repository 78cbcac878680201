"""Incidents as people and programs read them. Within one transaction; nothing is changed."""

import uuid
from typing import Any

from alerts.incidents import pictures
from alerts.incidents.naming import incident_key, no_incident
from alerts.incidents.near import spot_of
from alerts.incidents.sites import Reach
from alerts.messages import report_name
from alerts.rows import event_row, incident_row
from alerts.store import Connection
from schemas.errors import SaidError
from schemas.incident import Attachment, IncidentEvent, IncidentRow, Picture, Repeats

# Cases beside an incident in the days up to it: a lead that nobody confirmed never got a number.
CASE = """
o.case_no <> '' and o.state not in ('void', 'merged') and o.incident_id <> %(incident)s
    and o.opened_at between %(opened)s - make_interval(days => %(days)s) and %(opened)s
"""
# At its place, or at one that is one with it; and where its own thing stood, whatever place that was counted to.
AT_PLACE = f"""
select o.incident_id from incident o where o.family = %(family)s and {CASE}
    and o.site_id in (select s.site_id from site s where coalesce(s.same_as, s.site_id) =
        (select coalesce(t.same_as, t.site_id) from site t where t.site_id = %(site)s))
"""  # noqa: S608
NEAR = f"""
select o.incident_id, o.lon, o.lat, o.camera_id, o.box_px from incident o
where o.family = %(family)s and {CASE} and {{near}}
"""  # noqa: S608
OF_PARTY = f"select count(*) as n from incident o where o.party = %(party)s and o.party <> '' and {CASE}"  # noqa: S608


def view(conn: Connection, incident_id: str) -> dict[str, Any]:
    """Row of ``incident_view``. Raises UsageError where there is none."""
    key = incident_key(conn, incident_id)
    row = conn.execute("select * from incident_view where incident_id = %s", (key,)).fetchone()
    if row is None:
        raise no_incident(incident_id)
    return row


def events(conn: Connection, incident_id: str) -> list[IncidentEvent]:
    """Every step of an incident, oldest first. Raises UsageError where there is none of this id."""
    found = view(conn, incident_id)["incident_id"]
    rows = conn.execute(
        "select at, actor, what, detail from incident_event where incident_id = %s order by event_id", (found,)
    ).fetchall()
    return [event_row(row) for row in rows]


def all_pictures(conn: Connection, incident_id: str) -> list[Picture]:
    """Every picture of an incident. Raises UsageError where there is none of this id."""
    return pictures.of_incident(conn, view(conn, incident_id)["incident_id"])


def recent(conn: Connection, limit: int, state: str) -> list[IncidentRow]:
    """The newest incidents first, of one state where given."""
    rows = conn.execute(
        "select * from incident_view where %(state)s in ('', state)"
        " order by opened_at desc, incident_id limit %(limit)s",
        {"state": state, "limit": limit},
    ).fetchall()
    return [incident_row(row) for row in rows]


def attachments(conn: Connection, incident_id: str) -> list[Attachment]:
    """What else tells of an incident, oldest first. Raises UsageError where there is none of this id."""
    rows = conn.execute(
        "select kind, ref, at, lon, lat, detail from attachment where incident_id = %s order by at, attachment_id",
        (view(conn, incident_id)["incident_id"],),
    ).fetchall()
    return [Attachment(**row) for row in rows]


def of_ref(conn: Connection, ref: str, kind: str = "") -> uuid.UUID:
    """The incident that a complaint or finding belongs to, by its number where it came from.

    Raises UsageError where there is none, or where several kinds use this number and ``kind`` names none of them.
    """
    rows = conn.execute(
        "select kind, incident_id from attachment where ref = %s and %s in ('', kind) order by kind", (ref, kind)
    ).fetchall()
    if not rows:
        raise SaidError(
            f"no {kind or 'complaint or finding'} has the number {ref!r}",
            f"没有编号为 {ref!r} 的{report_name(kind, 'zh') if kind else '投诉或上报'}",
        )
    if len(rows) > 1:
        kinds = [row["kind"] for row in rows]
        raise SaidError(
            f"{ref!r} is a number of {' and of '.join(kinds)}: say which, --kind KIND",
            f"{ref!r} 是{'和'.join(report_name(one, 'zh') for one in kinds)}共用的编号:请用 --kind 指明",
        )
    incident_id: uuid.UUID = rows[0]["incident_id"]
    return incident_id


def repeats(conn: Connection, incident_id: str, days: int, reach: Reach) -> Repeats:
    """How often its place and its party were cases lately, and this one. Raises UsageError where there is none."""
    row = view(conn, incident_id)
    asked = {
        "incident": row["incident_id"],
        "family": row["family"],
        "site": row["site_id"],
        "party": row["party"],
        "opened": row["opened_at"],
        "days": days,
    }
    spot = spot_of(row)
    there = {one["incident_id"] for one in conn.execute(AT_PLACE, asked).fetchall()}
    for one in conn.execute(NEAR.format(near=spot.where), asked | spot.values(reach)).fetchall():
        if spot.away(one, reach) is not None:
            there.add(one["incident_id"])
    party = conn.execute(OF_PARTY, asked).fetchone()
    return Repeats(spot=1 + len(there), party=1 + party["n"] if party and row["party"] else 0, days=days)
