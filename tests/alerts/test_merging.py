"""Two incidents that are one thing become one; two that are not stay two."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.merging import join
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.keeping import holds
from alerts.keeping.rollup import Rollup
from alerts.store import AlertDatabase, id_of
from schemas.errors import UsageError
from schemas.incident import Report
from schemas.record import Actor, State
from schemas.units import utc
from tests.alerts.lives import later, leave, put, say
from tests.alerts.makers import MONDAY_1059, S, city, picture, sighting

pytestmark = pytest.mark.servers


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


def test_two_incidents_that_are_one_thing_become_one_with_all_that_belongs_to_them(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, conn: db.Connection
) -> None:
    one = say(incidents, sighting(point=(104.64, 30.12)))
    other = say(incidents, sighting(10, track_id=9, camera_id="cam-2", point=(104.6401, 30.12)), picture("other"))
    ids = [id_of(told.incident_id, "an incident") for told in (one, other)]
    with database.transaction() as own:
        join(own, ids[0], ids[1])
    put(conn, one, State.MERGED)
    row = incidents.show(other.incident_id)
    assert (row.sightings, len(incidents.pictures(other.incident_id))) == (2, 3)
    job = jobs.of_incident(one.incident_id)
    assert job is not None
    assert job.state == "withdrawn"
    for more in (sighting(60, point=(104.64, 30.12)), later(60, point=(104.64, 30.12))):
        found = say(incidents, more)
        assert (found.incident_id, found.opened) == (other.incident_id, False)
    left = [(60, 9, "cam-2"), (120, 7, "cam-1")]
    assert [leave(incidents, at_s, track_id=track, camera_id=camera) for at_s, track, camera in left] == [None, None]
    gone = leave(incidents, 180, track_id=8, appeared_ns=later(60).appeared_ns)
    assert gone == other.incident_id


@pytest.mark.parametrize("case", ["itself", "family", "ended", "held"])
def test_what_is_not_one_is_not_merged(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, case: str
) -> None:
    one = say(incidents, sighting())
    family = "stall" if case == "family" else "waste"
    other = say(incidents, sighting(track_id=9, family=family, box_px=(0.0, 0.0, 50.0, 50.0)))
    if case == "ended":
        leave(incidents, track_id=9)
    if case == "held":
        job = jobs.of_incident(one.incident_id)
        assert job is not None
        jobs.take(job.job_id, "li")
    into = one if case == "itself" else other
    words = {"itself": "name two", "family": "two things", "ended": "is gone", "held": "li is on the way"}
    with pytest.raises(UsageError, match=words[case]), database.transaction() as own:
        join(own, id_of(one.incident_id, "an incident"), id_of(into.incident_id, "an incident"))
    assert incidents.show(one.incident_id).sightings == 1


@pytest.mark.parametrize("case", ["lead", "checking", "checked"])
def test_a_case_goes_into_no_lead_and_nothing_goes_into_or_out_of_its_check(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection, case: str
) -> None:
    one = say(incidents, sighting(check="person"))
    there = sighting(track_id=9, box_px=(0.0, 0.0, 50.0, 50.0), direct=case != "lead")
    other = say(incidents, there, picture("other"))
    if case != "lead":
        put(conn, one if case == "checking" else other, State.CHECKING)
    words = {"lead": "merge the other way round", "checking": "it is to be checked", "checked": "waits for its check"}
    desk, lead = CaseActions(database, city), Actor("雷军", "supervisor")
    with pytest.raises(UsageError, match=words[case]):
        desk.act(one.incident_id, Wish(Act.MERGE, into=other.incident_id), lead)
    if case == "lead":
        desk.act(other.incident_id, Wish(Act.MERGE, into=one.incident_id), lead)
        assert incidents.show(one.incident_id).sightings == 2


def test_what_an_urgent_one_goes_into_is_urgent_and_so_is_its_job(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase
) -> None:
    one = say(incidents, sighting(urgent=True))
    other = say(incidents, sighting(track_id=9, box_px=(0.0, 0.0, 50.0, 50.0)), picture("other"))
    wish = Wish(Act.MERGE, into=other.incident_id)
    CaseActions(database, city).act(one.incident_id, wish, Actor("雷军", "supervisor"))
    assert incidents.show(other.incident_id).urgent
    job = jobs.of_incident(other.incident_id)
    assert job is not None
    assert (job.urgency, job.state) == ("urgent", "queued")


SIGHTINGS = """
select unit_id, sum(sightings) as n from incident_hour where unit_id like 'merged-%' and sightings > 0 group by 1
"""


def test_a_hold_goes_over_with_what_it_holds_and_the_sightings_are_counted_where_they_are(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection
) -> None:
    one = say(incidents, sighting(point=(104.64, 30.12), unit_id="merged-1"))
    there = sighting(10, track_id=9, camera_id="cam-2", point=(104.6401, 30.12), unit_id="merged-2")
    other = say(incidents, there, picture("other"))
    lead, desk, rollup = Actor("雷军", "supervisor"), CaseActions(database, city), Rollup(database, "UTC")
    desk.act(one.incident_id, Wish(Act.HOLD, text="法院调取"), lead)
    rollup.do(datetime.now(UTC))
    assert dict(conn.execute(SIGHTINGS).fetchall()) == {"merged-1": 1, "merged-2": 1}
    desk.act(one.incident_id, Wish(Act.MERGE, into=other.incident_id), Actor("王芳", "intake"))
    rollup.do(datetime.now(UTC))
    assert dict(conn.execute(SIGHTINGS).fetchall()) == {"merged-2": 2}
    with database.transaction() as own:
        assert {str(hold.incident_id): hold.person for hold in holds.holds(own)} == {
            one.incident_id: "雷军",
            other.incident_id: "雷军",
        }
    step = incidents.events(other.incident_id)[-1]
    assert (step.what, step.actor, step.detail["reason"]) == ("held", "王芳", "法院调取")
    assert step.detail["from"] == one.incident_id


def told_of(incidents: IncidentStore) -> str:
    """The incident of a complaint about the stall, of which no camera knows."""
    told = Report(
        kind="complaint",
        ref="12319-1",
        family="stall",
        class_code="09006",
        at=utc(MONDAY_1059),
        cell_id="",
        unit_id="u-1",
        rule_version="v1",
        point=(104.6401, 30.12),
    )
    return incidents.report(told, Actor("chen", "intake")).incident_id


def test_a_complaint_into_which_a_cameras_incident_goes_is_shown_by_that_camera_from_then_on(
    incidents: IncidentStore, database: AlertDatabase
) -> None:
    stall = sighting(30, family="stall", class_code="09006", direct=False, point=(104.65, 30.12), party="p-1")
    seen, complaint = say(incidents, stall), told_of(incidents)
    assert complaint != seen.incident_id
    CaseActions(database, city).act(seen.incident_id, Wish(Act.MERGE, into=complaint), Actor("wang", "dispatcher"))
    row = incidents.show(complaint)
    assert (row.camera_id, row.zone, row.box_px) == ("cam-1", stall.zone, stall.box_px)
    assert (row.lon, row.lat, row.cell_id, row.party) == (*(stall.point or ()), stall.cell_id, "p-1")
    again = incidents.refresh(replace(stall, captured_ns=stall.captured_ns + 400 * S))
    assert again is not None
    assert (again.incident_id, again.wants_picture) == (complaint, True), (
        "so that enforcement from afar may become ready"
    )
    assert "crop" not in incidents.off_site_missing(complaint, lambda _sha: True)


def test_a_persons_word_that_a_case_goes_on_goes_along_where_it_is_merged(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection
) -> None:
    one = say(incidents, sighting(direct=False))
    other = say(incidents, sighting(10, track_id=9, camera_id="cam-2", direct=False))
    conn.execute("update incident set reopened_at = '2026-05-05T00:00Z' where incident_id = %s", (one.incident_id,))
    wish = Wish(Act.MERGE, into=other.incident_id)
    CaseActions(database, city).act(one.incident_id, wish, Actor("wang", "dispatcher"))
    found = conn.execute("select reopened_at from incident where incident_id = %s", (other.incident_id,)).fetchone()
    assert found == (datetime(2026, 5, 5, tzinfo=UTC),)
