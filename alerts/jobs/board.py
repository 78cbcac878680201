"""A unit's board: its open jobs with the lamp of each and how far its nearest vehicle is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from alerts.clocks.projection import Lamp, lamp_at
from alerts.deciding.place import distance_m
from alerts.jobs.pick import Picker
from alerts.jobs.store import OF_UNIT
from alerts.rows import job_row
from alerts.store import AlertDatabase
from schemas.dispatch import Fix
from schemas.incident import Job

# Of the running clocks of a case the limit that comes first counts.
CLOCKS = """
select distinct on (incident_id) incident_id, yellow_at, due_at from incident_clock
where incident_id = any(%s::uuid[]) and ended_at is null and not paused and due_at is not null
order by incident_id, due_at
"""


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One job. ``lamp`` empty and ``due_at`` None: no limit runs. ``near_m``: how far the unit's nearest vehicle is."""

    job: Job
    lamp: Lamp | Literal[""] = ""
    due_at: datetime | None = None
    near_m: float | None = None
    near_vehicle: str = ""


def board_of(database: AlertDatabase, picker: Picker, unit_id: str, *, limit: int = 100) -> list[BoardRow]:
    """A unit's open jobs, calls for help first, then urgent ones, then oldest; none where nothing waits."""
    now = picker.clock()
    with database.transaction() as conn:
        rows = conn.execute(OF_UNIT, (unit_id, limit)).fetchall()
        jobs = [job_row(row) for row in rows]
        found = conn.execute(CLOCKS, ([job.incident.incident_id for job in jobs],)).fetchall()
        fixes = [fix for fix in picker.fixes(conn, now) if fix.unit_id == unit_id]
    clocks = {str(row["incident_id"]): (row["yellow_at"], row["due_at"]) for row in found}
    return [_row(job, *clocks.get(job.incident.incident_id, (None, None)), fixes, now) for job in jobs]


def _row(job: Job, yellow_at: datetime | None, due_at: datetime | None, fixes: list[Fix], now: datetime) -> BoardRow:
    incident = job.incident
    lamp: Lamp | Literal[""] = "" if due_at is None else lamp_at(yellow_at, due_at, now)
    if incident.lon is None or incident.lat is None or not fixes:
        return BoardRow(job, lamp, due_at, job.distance_m, job.vehicle_id)
    place = (incident.lon, incident.lat)
    metres, vehicle_id = min((distance_m(place, fix.point), fix.vehicle_id) for fix in fixes)
    return BoardRow(job, lamp, due_at, metres, vehicle_id)
