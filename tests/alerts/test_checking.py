"""A crew's word and the camera that checks it: suspended meanwhile, and with a clock of its own."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alerts.desk.actions import CaseActions, Given
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.city import Check
from schemas.errors import UsageError
from schemas.incident import Report
from schemas.record import Actor
from tests.alerts.lives import finish, leave, now_s, say, steps
from tests.alerts.makers import CELL, S, city, picture, sighting

pytestmark = pytest.mark.servers


def test_what_leaves_while_its_camera_s_check_is_suspended_was_dealt_with(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase
) -> None:
    told = say(incidents, sighting(check="camera"))
    finish(incidents, jobs, told)
    wish = Wish(Act.SUSPEND, text="等复查")
    CaseActions(database, city).act(told.incident_id, wish, Actor("wang", "dispatcher"))
    assert leave(incidents) == told.incident_id
    row = incidents.show(told.incident_id)
    assert (row.state, row.outcome, steps(incidents, told)[-1]) == ("done", "handled", "done")


def test_a_person_checks_what_no_camera_ever_saw(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase
) -> None:
    desk, wang = CaseActions(database, city), Actor("wang", "dispatcher")
    told = Report("complaint", "12345-1", "stall", "09006", datetime.now(UTC), CELL, "u-1", "v1", check="camera")
    incident_id = incidents.report(told, wang).incident_id
    desk.act(incident_id, Wish(Act.CONFIRM), wang)
    job = jobs.of_incident(incident_id)
    assert job is not None
    jobs.take(job.job_id, "li")
    done = jobs.done(job.job_id, "li")
    assert (done.incident.state, done.incident.check) == ("checking", "person")
    assert desk.act(incident_id, Wish(Act.CLOSE), wang).row.outcome == "handled"


@pytest.mark.parametrize("check", ["none", "camera", "person"])
def test_a_person_checks_what_auxiliary_staff_say_is_dealt_with(
    incidents: IncidentStore, jobs: JobStore, check: Check
) -> None:
    told = say(incidents, sighting(check=check))
    jobs.know(Actor("li", "auxiliary"))
    finish(incidents, jobs, told)
    leave(incidents)
    row = incidents.show(told.incident_id)
    assert (row.state, row.check) == ("checking", "person")
    assert "done" not in steps(incidents, told)


def test_a_camera_whose_clock_is_ahead_shows_nothing_from_after_the_crew_s_word(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    told = say(incidents, sighting(check="camera"))
    finish(incidents, jobs, told)
    ahead = sighting(now_s() + 400)
    came = replace(picture("still", ahead.captured_ns), received_ns=ahead.captured_ns - 395 * S)
    assert not say(incidents, ahead, came).reworked
    assert incidents.show(told.incident_id).state == "checking"


def test_a_word_that_is_said_again_under_its_key_does_not_end_the_work_that_came_back(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase
) -> None:
    told = say(incidents, sighting(check="person"))
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert jobs.take(job.job_id, "li") is not None
    jobs.done(job.job_id, "li", key="k-1")
    wish = Wish(Act.REWORK, text="还有一半")
    CaseActions(database, city).act(told.incident_id, wish, Actor("wang", "dispatcher"))
    assert jobs.take(job.job_id, "li") is not None
    assert jobs.done(job.job_id, "li", key="k-1").state == "taken", "its answer was lost, and it is told again"
    assert jobs.done(job.job_id, "li", key="k-2").state == "done"
    with pytest.raises(UsageError, match="was used for done"):
        CaseActions(database, city).act(
            told.incident_id, Wish(Act.CLOSE), Actor("wang", "dispatcher"), Given(key="k-2")
        )
