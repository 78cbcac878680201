"""The relay picks the unit of each job that goes out, and writes down why (design 13.7)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerts.jobs.duty import peers, units_on_duty
from alerts.jobs.nearest import choose
from alerts.record.steps import KEPT, RELAY, record
from alerts.store import Connection
from schemas.alarms import SOS
from schemas.city import City
from schemas.dispatch import Choice, Errand, Fix, Why
from schemas.record import State, What

AWAY = frozenset({Why.NEAREST, Why.ON_DUTY})  # at another unit, for as long as the responsible one is off duty
POSITIONS = """
select h.device_id, d.unit_id, h.lon, h.lat, h.last_captured_at from device_health h join device d using (device_id)
where h.kind = 'vehicle' and h.lon is not null and h.last_captured_at >= %s - make_interval(secs => %s)
"""
# Incidents before their jobs, as everywhere; in one order, so that two that lock many never wait crosswise.
LOCKED = """
select i.incident_id, i.state, i.family, i.class_code, i.camera_id, i.lon, i.lat, i.unit_id as responsible
from incident i where i.incident_id = any(%s) order by i.incident_id for no key update
"""


@dataclass(frozen=True, slots=True)
class Picker:
    """Chooses among the units that the city has now. ``fresh_s``: older positions count for nothing, s."""

    city: Callable[[], City]
    fresh_s: float
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def pick(self, conn: Connection, incident_ids: Sequence[object]) -> dict[str, str]:
        """Choose a unit for each waiting job of these incidents that has none by a person's word; units by job id.

        A job keeps its unit as long as that is on duty and the responsible one, where it is another, is not. In the
        caller's transaction; it locks the incidents.
        """
        if not incident_ids:
            return {}
        incidents = {row["incident_id"]: row for row in conn.execute(LOCKED, (list(incident_ids),)).fetchall()}
        jobs = conn.execute(
            "select job_id, incident_id, unit_id, why, tried from job"
            " where incident_id = any(%s) and state = 'queued' and stuck = ''",
            (list(incidents),),
        ).fetchall()
        city, now = self.city(), self.clock()
        on_duty, fixes = units_on_duty(city, now), self.fixes(conn, now)
        able: dict[tuple[str, str], frozenset[str]] = {}
        chosen = {}
        for job in jobs:
            row = incidents[job["incident_id"]]
            if job["why"] and _stays(job, row, on_duty):
                continue
            kind = (row["family"], row["class_code"])
            if kind not in able:
                able[kind] = peers(city, *kind)
            errand = errand_of(row, able[kind], job["tried"])
            choice = choose(errand, on_duty, fixes, now, fresh_s=self.fresh_s)
            if (job["unit_id"], job["why"]) == (choice.unit_id, choice.why):
                continue
            settle(conn, job["job_id"], choice)
            record(conn, row["incident_id"], RELAY, What.DISPATCHED, told(job["job_id"], choice), to=_next(row))
            chosen[str(job["job_id"])] = choice.unit_id
        return chosen

    def fixes(self, conn: Connection, now: datetime) -> list[Fix]:
        """Where the vehicles are that were heard of lately."""
        rows = conn.execute(POSITIONS, (now, self.fresh_s)).fetchall()
        return [
            Fix(row["device_id"], row["unit_id"], (row["lon"], row["lat"]), row["last_captured_at"]) for row in rows
        ]


def errand_of(row: dict[str, Any], able: frozenset[str], tried: Sequence[str] = ()) -> Errand:
    """What a unit is looked for, by an incident's row with ``responsible``, its unit; ``able``: units of its kind."""
    place = None if row["lon"] is None or row["lat"] is None else (row["lon"], row["lat"])
    sos = row["family"] == SOS
    return Errand(row["responsible"], able, place, sos, row["camera_id"] if sos else "", frozenset(tried))


def settle(conn: Connection, job_id: object, choice: Choice) -> None:
    """Write a choice into the job's row."""
    conn.execute(
        "update job set unit_id = %s, vehicle_id = %s, distance_m = %s, why = %s where job_id = %s",
        (choice.unit_id, choice.vehicle_id, choice.distance_m, choice.why, job_id),
    )


def told(job_id: object, choice: Choice) -> dict[str, Any]:
    """A choice as the record has it: metres whole, keys without a value left out."""
    more = {} if choice.distance_m is None else {"vehicle": choice.vehicle_id, "distance_m": round(choice.distance_m)}
    return {"job": str(job_id), "unit": choice.unit_id, "why": str(choice.why)} | more


def _stays(job: dict[str, Any], row: dict[str, Any], on_duty: Collection[str]) -> bool:
    """Whether a job that was given to its unit waits on there."""
    if job["why"] in KEPT:
        return True
    if job["unit_id"] not in on_duty or job["why"] == Why.NOBODY:
        return False
    back = row["responsible"] in on_duty and row["responsible"] not in job["tried"]
    return job["why"] not in AWAY or row["family"] == SOS or not back


def _next(row: dict[str, Any]) -> State | None:
    return State.DISPATCHED if row["state"] == State.FILED else None
