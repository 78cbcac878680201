"""The dispatcher's lists: incidents by what is asked of them, with the lamp of each. Within one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from alerts.clocks.projection import Lamp
from alerts.incidents.quiet import quiet_ones
from alerts.incidents.sites import USUAL, Reach
from alerts.record.steps import OPEN_STATES
from alerts.rows import incident_row
from alerts.store import AlertDatabase
from schemas.incident import IncidentRow

# Of the running clocks of a case the worst lamp counts, and the limit that comes first.
LISTED = """
select i.*, l.lamp, l.due_at, coalesce(j.state, '') as job_state, coalesce(j.holder, '') as holder,
    coalesce(j.unit_id, i.unit_id) as held_by,
    i.state = any(%(open)s) and exists (select from incident_event e where e.incident_id = i.incident_id
        and e.what = 'void_asked' and not exists (select from incident_event f where f.incident_id = e.incident_id
        and f.seq > e.seq and f.state <> e.state)) as void_asked
from incident_view i
left join job j using (incident_id)
left join lateral (
    select min(c.due_at) as due_at, case max(case when c.due_at < now() then 3 when c.yellow_at <= now() then 2
        else 1 end) when 3 then 'red' when 2 then 'yellow' when 1 then 'green' end as lamp
    from incident_clock c where c.incident_id = i.incident_id and c.ended_at is null and not c.paused
        and c.due_at is not null
) l on true
where """
# What waits for a person: what is urgent first, then what waits longest.
QUEUE = " order by i.urgent desc, i.opened_at, i.incident_id limit %(limit)s"
NEWEST = " order by i.opened_at desc, i.incident_id limit %(limit)s"
CONDITIONS = {
    "state": "i.state = %(state)s",
    "unit": "coalesce(j.unit_id, i.unit_id) = %(unit)s",
    "cell": "starts_with(i.cell_id, %(cell)s)",
    "class_code": "i.class_code = %(class_code)s",
    "camera": "i.camera_id = %(camera)s",
    "since": "i.opened_at >= %(since)s",
    "overdue": "l.lamp = 'red'",
    "unrouted": "i.state = any(%(open)s) and (i.unit_id = '' or j.stuck <> '' or j.why = 'nobody')",
    "open_only": "i.state = any(%(open)s)",
    "suspended_past": "i.state = 'suspended' and (select (e.detail ->> 'until')::timestamptz from incident_event e"
    " where e.incident_id = i.incident_id and e.what = 'suspended' order by e.event_id desc limit 1) <= now()",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What of incidents is wanted; empty and None: everything.

    ``cell``: the first digits of a cell id. ``overdue``: a limit has run out. ``unrouted``: nobody is responsible, no
    terminal gets past its job, or nobody is on duty. ``open_only``: what has not ended. ``suspended_past``: suspended,
    and the end of that is past.
    """

    state: str = ""
    unit: str = ""
    cell: str = ""
    class_code: str = ""
    camera: str = ""
    since: datetime | None = None
    overdue: bool = False
    unrouted: bool = False
    open_only: bool = False
    suspended_past: bool = False
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """One line. ``lamp`` empty and ``due_at`` None: nothing runs. ``held_by``: the unit that has its job.

    ``void_asked``: somebody asked to void it, and a second person has to say the same.
    """

    row: IncidentRow
    lamp: Lamp | Literal[""]
    due_at: datetime | None
    job_state: str
    holder: str
    held_by: str
    quiet: bool
    void_asked: bool


def listed(database: AlertDatabase, asked: Asked, reach: Reach = USUAL) -> list[Listed]:
    """Incidents as asked, newest first; those that wait for a person urgent ones first, then oldest first.

    ``reach``: how near a word about a place has to be.
    """
    values: dict[str, Any] = {name: getattr(asked, name) for name in Asked.__dataclass_fields__}
    wanted = [condition for name, condition in CONDITIONS.items() if values[name]]
    query = LISTED + (" and ".join(wanted) or "true") + (QUEUE if asked.state == "verify" else NEWEST)
    with database.transaction() as conn:
        rows = conn.execute(query, values | {"open": list(OPEN_STATES)}).fetchall()
        quiet = quiet_ones(conn, rows, reach)
    return [
        Listed(
            incident_row(row),
            row["lamp"] or "",
            row["due_at"],
            row["job_state"],
            row["holder"],
            row["held_by"],
            row["incident_id"] in quiet,
            bool(row["void_asked"]),
        )
        for row in rows
    ]
