"""What the tests of an incident's life say and ask: looks, departures, steps, states."""

import time

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.incident import EvidenceRecord, Opened, Sighting
from schemas.record import Actor, State
from tests.alerts.makers import MONDAY_1059, S, city, departure, picture, sighting

AFTER = picture("after", MONDAY_1059 + 60 * S)
DAY_S = 86_400.0


def say(incidents: IncidentStore, one: Sighting, shows: EvidenceRecord | None = None) -> Opened:
    return incidents.open_or_refresh(one, picture("before"), shows or picture())


def later(at_s: float, **changes: object) -> Sighting:
    """Another track at the same place, whose thing came 90 s before it is seen."""
    appeared_ns = MONDAY_1059 + int((at_s - 90) * S)
    return sighting(at_s, **({"track_id": 8, "appeared_ns": appeared_ns} | changes))


def leave(incidents: IncidentStore, at_s: float = 60.0, **changes: object) -> str | None:
    return incidents.depart(departure(at_s, after=AFTER, **changes))


def steps(incidents: IncidentStore, told: Opened) -> list[str]:
    return [event.what for event in incidents.events(told.incident_id)]


def roles(incidents: IncidentStore, told: Opened) -> list[str]:
    return [one.role for one in incidents.pictures(told.incident_id)]


def put(conn: db.Connection, told: Opened, state: State, check: str = "none") -> None:
    conn.execute(
        "update incident set state = %s, check_by = %s where incident_id = %s", (state, check, told.incident_id)
    )


def now_s() -> float:
    """The clock on the wall, as captured seconds after Monday 10:59."""
    return (time.time_ns() - MONDAY_1059) / S


def finish(incidents: IncidentStore, jobs: JobStore, told: Opened) -> str:
    """Li takes the job and says that it is dealt with."""
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert jobs.take(job.job_id, "li") is not None
    jobs.done(job.job_id, "li")
    return job.job_id


def confirm(database: AlertDatabase, told: Opened) -> None:
    """Wang says that it is real."""
    CaseActions(database, city).act(told.incident_id, Wish(Act.CONFIRM), Actor("wang", "dispatcher"))
