"""The record is sealed while the city runs, whatever else is being done, and once more at the end."""

import time
from datetime import UTC, datetime

import pytest

from alerts.incidents.store import IncidentStore
from alerts.record.audit import verify
from alerts.record.seals import Sealer
from alerts.store import AlertDatabase
from curbwatch.chores import CHORES_LOCK, SEALS_LOCK, Chore, ChoreThread
from schemas.meter import NullMeter
from tests.alerts.makers import picture, sighting
from tests.fix_service import wait_until

pytestmark = pytest.mark.servers


def thread(url: str) -> ChoreThread:
    database = AlertDatabase(url)
    seals = Chore("seals", 1.0, Sealer(database).seal)
    return ChoreThread((seals,), database, NullMeter(), lock=SEALS_LOCK, name="seals")


def test_what_was_written_is_sealed_though_somebody_has_the_chores(
    desk_url: str, database: AlertDatabase, incidents: IncidentStore
) -> None:
    assert database.leads(CHORES_LOCK)
    sealing = thread(desk_url)
    sealing.start()
    incidents.open_or_refresh(sighting(), None, picture())
    wait_until("the seal", lambda: verify(database).unsealed == 0)
    incidents.open_or_refresh(sighting(track_id=8, camera_id="cam-2"), None, picture())
    sealing.stop()
    audit = verify(database)
    assert (audit.findings, audit.unsealed, audit.incidents) == ([], 0, 2)
    assert not sealing.alive


def test_two_processes_that_seal_make_one_chain(
    desk_url: str, database: AlertDatabase, incidents: IncidentStore
) -> None:
    incidents.open_or_refresh(sighting(), None, picture())
    both = [thread(desk_url) for _ in range(2)]
    for one in both:
        one.round(time.monotonic())
    other = AlertDatabase(desk_url)
    assert Sealer(other).seal(datetime.now(UTC)) == 0
    other.close()
    for one in both:
        one.stop()
    audit = verify(database)
    assert (audit.findings, audit.seals, audit.unsealed) == ([], 1, 0)
