"""Calls for help that nobody takes, or that nobody ends: told at once, and again. On a real database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.incidents.sos import SosDesk
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.alarms import Call
from schemas.record import What
from tests.alerts.clocks.made_city import NIGHTS
from tests.alerts.clocks.made_desk import HANDLED_IN_FOUR, Town
from tests.alerts.makers import MONDAY_1059
from tests.alerts.test_moves import sweepers

pytestmark = pytest.mark.servers
MINUTE = timedelta(minutes=1)


def taken(jobs: JobStore, incident_id: str) -> None:
    """A crew has it."""
    job = jobs.of_incident(incident_id)
    assert job is not None
    jobs.take(job.job_id, "甲")


@pytest.fixture
def town(database: AlertDatabase) -> Town:
    return Town(database)


def calling(town: Town, jobs: JobStore) -> str:
    """The incident of a call for help that waits for a crew."""
    SosDesk(town.database, lambda: town.city).hear([Call("car-9", MONDAY_1059, (104.64, 30.12))])
    ((incident_id,),) = town.rows("select incident_id::text from incident")
    assert jobs.of_incident(incident_id) is not None
    return str(incident_id)


def test_a_call_for_help_that_nobody_takes_is_told_lead_and_supervisor_at_every_unit_and_again(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    town = Town(database, replace(sweepers(), rules=HANDLED_IN_FOUR.rules))
    moves = JobMoves(database, Picker(lambda: town.city, 300.0))
    incident_id = calling(town, jobs)
    assert town.look(1.9 * MINUTE) == 0
    units = []
    for _ in range(3):
        assert town.look(2.1 * MINUTE) == 1
        assert moves.follow_sweep() == 1
        job = jobs.of_incident(incident_id)
        assert job is not None
        units.append(job.unit_id)
    assert sorted({"u-1", *units}) == ["u-1", "u-2", "u-3"]
    at_last = units[-1]
    told = town.steps(What.ESCALATED)
    assert [(one["why"], one["people"], one["to"]) for one in told] == [
        ("untaken", ["p-lead", "p-super"], "duty_lead"),
        ("untaken", ["p-chief", "p-super"], "duty_lead"),
        ("untaken", ["p-chief", "p-super"], "duty_lead"),
    ]
    heard = []
    for minute in range(1, 31):  # it waits since the record's clock says so, 8.2 minutes by ours
        before = len(town.steps(What.ESCALATED))
        town.look(MINUTE)
        heard += [
            (minute, one["unit"], "quiet" in one)
            for one in town.steps(What.ESCALATED)[before:]
            if one.get("why") == "still_untaken"
        ]
        moves.follow_sweep()
    assert heard == [(8, at_last, False), (24, at_last, False)], "twice as long each time"
    assert incidents.show(incident_id).state == "dispatched"


def test_a_call_that_a_crew_gives_back_is_missed_afresh(town: Town, jobs: JobStore) -> None:
    incident_id = calling(town, jobs)
    assert town.look(2.1 * MINUTE) == 1
    taken(jobs, incident_id)
    assert town.look(5 * MINUTE) == 0
    job = jobs.of_incident(incident_id)
    assert job is not None
    jobs.reject(job.job_id, "甲", "车坏了")
    assert town.look() == 1
    assert [one["why"] for one in town.steps(What.ESCALATED)] == ["untaken", "untaken"]


def test_a_call_for_help_that_was_missed_in_an_outage_is_told_by_itself(town: Town, jobs: JobStore) -> None:
    calling(town, jobs)
    assert town.look(25 * MINUTE) == 2  # and that half an hour is nearly over: that can wait for the others
    (told,) = [one for one in town.steps(What.ESCALATED) if one.get("why") == "untaken"]
    assert "quiet" not in told


def test_a_call_that_a_crew_holds_and_nobody_ends_is_late_by_the_clock(town: Town, jobs: JobStore) -> None:
    town.city = replace(town.city, rules=replace(town.city.rules, calendar=NIGHTS))
    taken(jobs, calling(town, jobs))
    assert [town.look(at * MINUTE) for at in (23, 2, 6)] == [0, 1, 1]
    assert town.entries() == [("yellow", "handle", 1, "class/99001"), ("red", "handle", 1, "class/99001")]
