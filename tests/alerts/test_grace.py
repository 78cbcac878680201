"""A thing's party may put it right first: when that is over, and who decides then."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from tests.alerts.lives import later, leave, now_s, say, steps
from tests.alerts.makers import ALL_WEEK, city, permit, sighting

pytestmark = pytest.mark.servers


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


def test_a_grace_ends_once_with_a_job_or_with_a_person_and_never_early(
    incidents: IncidentStore, jobs: JobStore, conn: db.Connection
) -> None:
    ahead_s = now_s()
    told = [
        say(
            incidents, later(ahead_s, grace_h=2, direct=direct, track_id=index, box_px=(index * 100.0, 0.0, 50.0, 50.0))
        )
        for index, direct in enumerate((True, False))
    ]
    assert [incidents.show(one.incident_id).state for one in told] == ["grace", "grace"]
    assert jobs.of_incident(told[0].incident_id) is None
    assert incidents.end_grace() == 0
    conn.execute("update incident set grace_until = now()")
    assert [incidents.end_grace(), incidents.end_grace()] == [2, 0]
    assert [incidents.show(one.incident_id).state for one in told] == ["dispatched", "verify"]
    assert [steps(incidents, one) for one in told] == [["opened", "grace_over"]] * 2
    assert jobs.of_incident(told[0].incident_id) is not None
    assert jobs.of_incident(told[1].incident_id) is None


def test_what_is_urgent_has_no_grace_and_what_was_corrected_has_no_second_one(incidents: IncidentStore) -> None:
    urgent = say(incidents, sighting(grace_h=2, urgent=True))
    assert incidents.show(urgent.incident_id).state == "dispatched"
    told = say(incidents, sighting(grace_h=2, track_id=1, box_px=(0.0, 0.0, 50.0, 50.0)))
    assert leave(incidents, track_id=1) == told.incident_id
    assert incidents.show(told.incident_id).outcome == "corrected"
    say(incidents, later(600, grace_h=2, box_px=(0.0, 0.0, 50.0, 50.0)))
    assert incidents.show(told.incident_id).state == "dispatched"


def test_a_stall_over_which_a_permit_began_in_its_grace_goes_to_a_person_and_no_crew(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, conn: db.Connection
) -> None:
    stall = sighting(family="stall", class_code="09006", zone="left", grace_h=1.0)
    there, elsewhere = (say(incidents, replace(stall, camera_id=camera)) for camera in ("cam-1", "cam-2"))
    conn.execute("update incident set grace_until = now() - interval '1 s'")
    always = permit((ALL_WEEK, 0, 1440), valid_to=date(2099, 12, 31))
    store = IncidentStore(database, merge_m=3.0, merge_iou=0.3, city=lambda: city(always))
    assert store.end_grace() == 2
    assert (incidents.show(there.incident_id).state, jobs.of_incident(there.incident_id)) == ("verify", None)
    assert incidents.events(there.incident_id)[-1].detail == {"permit": "p-1"}
    assert incidents.show(elsewhere.incident_id).state == "dispatched"
