"""What the stores and the desk really write counts as the page of indicators says."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.store import JobStore
from alerts.kpi.period import Period
from alerts.kpi.store import KpiStore
from alerts.store import AlertDatabase
from schemas.kpi import Fact
from schemas.record import Actor
from tests.alerts.clocks.made_desk import HANDLED_IN_FOUR, opened
from tests.alerts.clocks.made_desk import Town as Desk
from tests.alerts.kpi.may import LIMITED
from tests.alerts.makers import departure, picture, sighting
from tests.alerts.test_moves import sweepers

pytestmark = pytest.mark.servers

FANG, LIN, WEN = Actor("王芳", "dispatcher"), Actor("林海", "officer"), Actor("文静", "inspector")


@pytest.fixture
def database(made_url: str) -> Iterator[AlertDatabase]:
    """Everything is taken back at a test's end."""
    found = AlertDatabase(made_url)
    with found._connected().transaction(force_rollback=True):
        yield found
    found.close()


class Town:
    """A city's stores on one database."""

    def __init__(self, database: AlertDatabase) -> None:
        self.incidents = IncidentStore(database, merge_m=3.0, merge_iou=0.3)
        self.jobs = JobStore(database, lease_s=60.0)
        self.desk = CaseActions(database, lambda: LIMITED)
        self._kpi = KpiStore(database, lambda: LIMITED)

    def opened(self, *, direct: bool, check: str = "none") -> str:
        one = sighting(direct=direct, check=check, class_code="06010")
        return self.incidents.open_or_refresh(one, None, picture()).incident_id

    def finish(self, incident_id: str) -> None:
        """A crew takes its job and says that it is dealt with."""
        job = self.jobs.of_incident(incident_id)
        assert job is not None
        self.jobs.take(job.job_id, "车七")
        self.jobs.done(job.job_id, "车七")

    def fact(self) -> Fact | None:
        """What the only case of these days counts for."""
        today = datetime.now(UTC).date()
        days = Period(today - timedelta(days=1), today + timedelta(days=2), LIMITED.timezone)
        cases = self._kpi.known(days, so_far=True).facts.cases
        return cases[0] if cases else None

    def counts(self) -> set[str]:
        found = self.fact()
        return set() if found is None else set(found.counts)


@pytest.fixture
def town(database: AlertDatabase) -> Town:
    return Town(database)


TAKEN_IN = {"reported", "reported_filed", "filed", "filed_on_time", "filed_right"}
SENT = {"to_dispatch", "dispatched", "dispatched_on_time", "dispatched_right"}
VERIFIED = {"verified", "verified_on_time", "judged", "confirmed"}
HANDLED = {"to_handle", "handled", "handled_on_time", "handled_dispatched"}
CLOSED = {"to_close", "closed", "closed_on_time"}


def test_what_is_sent_at_once_and_dealt_with_is_filed_handled_and_closed(town: Town) -> None:
    incident_id = town.opened(direct=True)
    assert town.counts() == TAKEN_IN | SENT | {"to_handle"}
    town.finish(incident_id)
    # Not checked: its class asks for no check. Who met it says that it is real.
    assert town.counts() == TAKEN_IN | SENT | HANDLED | CLOSED | {"judged", "confirmed"}


def test_what_a_person_confirms_is_judged_and_its_posts_are_known(town: Town) -> None:
    incident_id = town.opened(direct=False, check="person")
    assert town.counts() == {"reported"}
    town.desk.act(incident_id, Wish(Act.CONFIRM), FANG)
    town.finish(incident_id)
    waits = TAKEN_IN | SENT | VERIFIED | HANDLED | {"to_close"}
    assert town.counts() == waits
    town.desk.act(incident_id, Wish(Act.REWORK, text="还有一半"), WEN)
    assert town.counts() == (waits - {"handled", "handled_on_time", "handled_dispatched"}) | {
        "reworked",
        "checked",
        "checked_on_time",
    }
    town.finish(incident_id)
    town.desk.act(incident_id, Wish(Act.CLOSE), WEN)
    found = town.fact()
    assert found is not None
    assert found.posts == {
        "verify": "dispatcher",
        "file": "dispatcher",
        "dispatch": "dispatcher",
        "handle": "crew",
        "check": "inspector",
    }
    assert {"reworked", "closed", "handled"} <= set(found.counts)
    assert found.closed


def test_a_false_alarm_counts_against_the_camera_and_for_nothing_else(town: Town) -> None:
    incident_id = town.opened(direct=False)
    town.desk.act(incident_id, Wish(Act.VOID, reason="false_alarm"), FANG)
    assert town.counts() == {"reported", "verified", "verified_on_time", "judged", "voided"}


def test_a_suspended_case_has_nothing_to_do(town: Town) -> None:
    incident_id = town.opened(direct=True)
    town.desk.act(incident_id, Wish(Act.SUSPEND, text="道路施工"), FANG)
    assert town.counts() == TAKEN_IN | SENT
    town.desk.act(incident_id, Wish(Act.RESUME), FANG)
    assert town.counts() == TAKEN_IN | SENT | {"to_handle"}


def test_a_suspension_past_its_end_hides_nothing(town: Town) -> None:
    incident_id = town.opened(direct=True)
    until = datetime.now(UTC) + timedelta(seconds=0.5)
    town.desk.act(incident_id, Wish(Act.SUSPEND, text="道路施工", until=until), FANG)
    time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + 0.05)
    assert town.counts() == TAKEN_IN | SENT | {"to_handle"}


def test_a_job_that_nobody_takes_is_put_down_to_each_unit_that_let_it_lie(database: AlertDatabase) -> None:
    desk = Desk(database, replace(sweepers(), rules=HANDLED_IN_FOUR.rules), chief_h=1000.0)
    moves = JobMoves(database, Picker(lambda: desk.city, 300.0))
    opened(IncidentStore(database, merge_m=3.0, merge_iou=0.3), unit_id="u-2")
    today = datetime.now(UTC).date()
    days = Period(today - timedelta(days=1), today + timedelta(days=2), desk.city.timezone)
    seen = []
    for _ in range(3):
        known = KpiStore(database, lambda: desk.city).known(days, so_far=True).facts
        seen.append(([case.unit_id for case in known.cases], [one.unit_id for one in known.untaken]))
        desk.look(timedelta(minutes=31))
        moves.follow_sweep()
    assert seen == [(["u-2"], []), (["u-3"], ["u-2"]), (["u-3"], ["u-2", "u-3"])]


def test_what_leaves_before_anybody_came_is_gone(town: Town) -> None:
    town.opened(direct=True)
    town.incidents.depart(departure())
    assert town.counts() == TAKEN_IN | SENT | {"gone"}


def test_the_unit_is_the_jobs_and_the_class_the_last(town: Town) -> None:
    town.opened(direct=True)
    found = town.fact()
    assert found is not None
    assert (found.unit_id, found.class_code, found.source, found.closed) == ("u-1", "06010", "camera", False)
