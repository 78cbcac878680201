"""A call for help: an incident at once, one for each vehicle, before every other job. On real servers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources

import jsonschema
import pytest

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.dispatch import JobQueue
from alerts.incidents.sos import PRESSED_S, SosDesk
from alerts.incidents.store import IncidentStore
from alerts.jobs.pick import Picker
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from alerts.wire import incident_state
from curbwatch.crew import Crew
from schemas.alarms import SOS_CLASS, Call
from schemas.errors import SaidError, SinkError
from schemas.incident import IncidentRow
from schemas.meter import NullMeter
from schemas.record import Actor
from tests.alerts.makers import CELL, MONDAY_1059, S, city, picture, sighting, together

pytestmark = pytest.mark.servers

PLACE = (104.6405, 30.1205)


def call(at_s: float = 0.0, vehicle_id: str = "car-1", point: tuple[float, float] | None = PLACE) -> Call:
    return Call(vehicle_id, MONDAY_1059 + int(at_s * S), point)


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        for vehicle_id, unit_id in (("car-1", "u-1"), ("car-2", "u-2"), ("car-3", "u-1")):
            found.execute(
                "insert into device (device_id, kind, unit_id, source) values (%s, 'vehicle', %s, 'pack')",
                (vehicle_id, unit_id),
            )
        yield found


@pytest.fixture
def sos(database: AlertDatabase, conn: db.Connection) -> SosDesk:
    return SosDesk(database, city)


def rows(incidents: IncidentStore) -> list[IncidentRow]:
    return [row for row in incidents.recent(1000) if row.family == "sos"]


def end(conn: db.Connection, jobs: JobStore, incidents: IncidentStore) -> None:
    """A crew has dealt with it."""
    job = jobs.of_incident(rows(incidents)[0].incident_id)
    assert job is not None
    jobs.take(job.job_id, "li")
    jobs.done(job.job_id, "li", "helped")


def test_nobody_calls(sos: SosDesk, incidents: IncidentStore) -> None:
    assert sos.hear([]) == 0
    assert rows(incidents) == []


def test_a_call_is_an_urgent_incident_with_a_job_at_once(
    sos: SosDesk, incidents: IncidentStore, jobs: JobStore
) -> None:
    assert sos.hear([call()]) == 1
    (row,) = rows(incidents)
    assert (row.camera_id, row.source, row.class_code, row.state) == ("car-1", "vehicle", SOS_CLASS, "dispatched")
    assert (row.lon, row.lat, row.cell_id, row.unit_id, row.opening_sha256) == (*PLACE, CELL, "u-1", None)
    job = jobs.of_incident(row.incident_id)
    assert job is not None
    assert (job.urgency, job.state) == ("urgent", "queued")
    assert [(step.actor, step.what) for step in incidents.events(row.incident_id)] == [("intake", "opened")]
    schema = json.loads((resources.files("schemas.wire") / "incident.v1.json").read_text("utf-8"))
    jsonschema.validate(incident_state(row), schema)


def test_a_button_that_stays_pressed_is_one_call_that_moves_along(
    sos: SosDesk, incidents: IncidentStore, jobs: JobStore
) -> None:
    later = (104.65, 30.13)
    assert sos.hear([call(), call(5), call(10, point=later), call(7), call(12, point=None)]) == 1
    assert sos.hear([call(), call(10, point=later)]) == 0
    (row,) = rows(incidents)
    assert (row.lon, row.lat) == later
    assert jobs.counts() == {"queued": 1}


def test_two_vehicles_that_call_are_two_incidents(sos: SosDesk, incidents: IncidentStore) -> None:
    assert sos.hear([call(), call(vehicle_id="car-2")]) == 2
    assert {row.camera_id for row in rows(incidents)} == {"car-1", "car-2"}


def test_many_who_hear_one_call_at_one_moment_open_one(
    desk_url: str, conn: db.Connection, incidents: IncidentStore
) -> None:
    def hear(index: int) -> None:
        own = AlertDatabase(desk_url)
        SosDesk(own, city).hear([call(index)])
        own.close()

    together(6, hear)
    assert len(rows(incidents)) == 1


def test_what_came_again_after_the_end_is_no_news(
    sos: SosDesk, incidents: IncidentStore, jobs: JobStore, conn: db.Connection
) -> None:
    sos.hear([call(), call(30)])
    end(conn, jobs, incidents)
    assert sos.hear([call(), call(30), call(15)]) == 0
    assert sos.hear([call(31)]) == 0, "the button was never let go"
    assert sos.hear([call(31 + PRESSED_S)]) == 1, "and still calls"
    assert [row.state for row in rows(incidents)].count("dispatched") == 1


def test_a_button_that_was_let_go_and_pressed_again_is_a_new_call(
    sos: SosDesk, incidents: IncidentStore, jobs: JobStore, conn: db.Connection
) -> None:
    sos.hear([call()])
    end(conn, jobs, incidents)
    conn.execute(
        "insert into position (device_id, ts, received_at, lon, lat, raw_lon, raw_lat, crs)"
        " values ('car-1', %s, now(), 104.6, 30.1, 104.6, 30.1, 'wgs84')",
        (datetime.fromtimestamp(MONDAY_1059 / S, UTC) + timedelta(seconds=10),),
    )
    assert sos.hear([call(20)]) == 1
    assert len(rows(incidents)) == 2


def test_a_call_that_goes_on_while_its_case_was_laid_aside_has_its_job_out_again(
    sos: SosDesk, incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, conn: db.Connection
) -> None:
    sos.hear([call()])
    incident_id = rows(incidents)[0].incident_id
    conn.execute("update incident set state = 'suspended'")
    conn.execute("update job set state = 'withdrawn', ended_at = now()")
    sos.hear([call(7200)])
    job = jobs.of_incident(incident_id)
    assert job is not None
    assert (job.state, rows(incidents)[0].state, jobs.calls("u-1")) == ("queued", "dispatched", [job.job_id])
    desk, lead = CaseActions(database, city), Actor("陈岚", "supervisor")
    desk.act(incident_id, Wish(Act.VOID, reason="test"), lead)
    desk.act(incident_id, Wish(Act.REOPEN, text="no test"), lead)
    assert jobs.calls("u-1") == [job.job_id]
    steps = incidents.events(incident_id)
    sos.hear([call(7205)])
    assert incidents.events(incident_id) == steps


def test_a_case_of_a_call_is_taken_up_again_unless_its_own_vehicle_has_called_anew(
    sos: SosDesk, incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, conn: db.Connection
) -> None:
    desk, lead = CaseActions(database, city), Actor("陈岚", "supervisor")
    sos.hear([call()])
    first = rows(incidents)[0].incident_id
    end(conn, jobs, incidents)
    sos.hear([call(20, vehicle_id="car-2")])
    assert desk.act(first, Wish(Act.REOPEN, text="not over"), lead).row.state == "dispatched", "another one's call"
    job = jobs.of_incident(first)
    assert job is not None
    jobs.take(job.job_id, "li")
    jobs.done(job.job_id, "li", "helped")
    away = (PLACE[0], PLACE[1] + 0.01)
    assert sos.hear([call(10 + 2 * PRESSED_S, point=away)]) == 1
    with pytest.raises(SaidError, match="is open at this place"):
        desk.act(first, Wish(Act.REOPEN, text="not over"), lead)
    sites = conn.execute("select camera_id from site order by 1").fetchall()
    assert sites == [("car-1",), ("car-2",)], "and each vehicle keeps the place that it has"


def test_under_load_a_call_overtakes_everything_in_the_outbox_and_in_the_streams(
    sos: SosDesk, incidents: IncidentStore, jobs: JobStore, queue: JobQueue, conn: db.Connection
) -> None:
    for number in range(30):
        one = sighting(track_id=number, box_px=(number * 100.0, 0.0, 50.0, 50.0), urgent=True)
        incidents.open_or_refresh(one, None, picture())
    sent: list[str] = []
    relay = Relay(jobs, queue, NullMeter(), lambda row: sent.append(row.job_id), picker=Picker(city, 300))
    relay.once()
    conn.execute("insert into outbox (job_id) select job_id from job cross join generate_series(1, 20)")
    relay.once()
    before = len(sent)
    assert before < 630, "some still wait for their place"
    sos.hear([call()])
    relay.once()
    job = jobs.of_incident(rows(incidents)[0].incident_id)
    assert job is not None
    assert sent.index(job.job_id) == before, "the next one after those that had their place"
    assert queue.waiting(f"dispatch:{job.unit_id}:urgent") > 1
    crew = Crew(jobs, queue, job.unit_id, "li", resend_s=3600)
    first = crew.take_next()
    assert first is not None
    assert first.job.job_id == job.job_id, "though others wait in the urgent stream before it"
    assert crew.take_next() is not None


def test_the_nearest_of_all_goes_and_not_the_caller(
    sos: SosDesk, jobs: JobStore, queue: JobQueue, incidents: IncidentStore, conn: db.Connection
) -> None:
    for vehicle_id, north_m in (("car-1", 0), ("car-2", 300), ("car-3", 900)):
        conn.execute(
            "insert into device_health (device_id, kind, state, last_captured_at, lon, lat)"
            " values (%s, 'vehicle', 'online', now(), %s, %s)",
            (vehicle_id, PLACE[0], PLACE[1] + north_m / 111_320),
        )
    sos.hear([call()])
    Relay(jobs, queue, NullMeter(), picker=Picker(city, 300)).once()
    job = jobs.of_incident(rows(incidents)[0].incident_id)
    assert job is not None
    assert (job.unit_id, job.why, job.vehicle_id) == ("u-2", "nearest_any", "car-2")


def test_a_database_that_is_away_is_said_so_that_nothing_is_acknowledged() -> None:
    nowhere = AlertDatabase("postgresql://u@127.0.0.1:1/none")
    with pytest.raises(SinkError) as caught:
        SosDesk(nowhere, city).hear([call()])
    assert caught.value.retryable
