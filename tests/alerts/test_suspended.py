"""A suspension has an end, and who looks for what is past it finds it."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from alerts.desk.actions import CaseActions, RefusedError
from alerts.desk.lifecycle import Act, Wish
from alerts.desk.listing import Asked, listed
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from schemas.record import Actor
from tests.alerts.lives import say
from tests.alerts.makers import city, sighting

pytestmark = pytest.mark.servers
WANG = Actor("wang", "dispatcher")


def test_what_is_suspended_past_its_end_is_listed_until_a_person_resumes_it(
    incidents: IncidentStore, database: AlertDatabase
) -> None:
    past = Asked(suspended_past=True)
    assert listed(database, past) == []
    desk = CaseActions(database, city, suspend_most=timedelta(days=7))
    told = say(incidents, sighting())
    other = say(incidents, sighting(track_id=1, box_px=(0.0, 0.0, 50.0, 50.0)))
    with pytest.raises(RefusedError, match="within 7 days"):
        desk.act(told.incident_id, Wish(Act.SUSPEND, text="x", until=datetime.now(UTC) + timedelta(days=8)), WANG)
    desk.act(other.incident_id, Wish(Act.SUSPEND, text="等拆迁"), WANG)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    desk.act(told.incident_id, Wish(Act.SUSPEND, text="等拆迁", until=soon), WANG)
    while datetime.now(UTC) <= soon:
        time.sleep(0.05)
    assert [one.row.incident_id for one in listed(database, past)] == [told.incident_id]
    desk.act(told.incident_id, Wish(Act.RESUME), WANG)
    assert listed(database, past) == []
