"""The schema goes back and forward while others write: they wait shortly, and nothing that was kept is lost."""

import itertools
import threading
import time
import uuid
from contextlib import closing
from dataclasses import fields
from typing import Any, Self

import pytest

import curbwatch.database as db
from alerts.store import AlertDatabase
from curbwatch import migrations
from ingest.store import IntakeStore
from schemas.errors import SinkError
from schemas.position import PositionRows

pytestmark = pytest.mark.servers

BATCH = 50
SIGHTING = """
insert into sighting (ts, camera_id, track_id, incident_id, family, confidence, dwell_s, box_px)
values (now(), 'cam-1', %s, %s, 'stall', 1, 1, '{0,0,1,1}')
"""


def batch(first: int) -> PositionRows:
    """So many positions of one vehicle, from seq ``first`` on."""
    now_ns = time.time_ns()
    same: dict[str, Any] = {
        "device_id": "car", "ts_ns": now_ns, "boot": "b", "item_hash": 0, "received_ns": now_ns, "crs": "wgs84",
        "lon": 1.0, "lat": 1.0, "raw_lon": 1.0, "raw_lat": 1.0, "alarms": (), "flags": 0, "form": "native",
    }  # fmt: skip
    columns: dict[str, Any] = {one.name: [same.get(one.name)] * BATCH for one in fields(PositionRows)}
    return PositionRows(**columns | {"seq": list(range(first, first + BATCH))})


class Writers:
    """An intake and a desk that write as fast as they can, and count what they were told is kept."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.positions = self.sightings = 0
        self.faults: list[str] = []
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._intake, self._desk)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _intake(self) -> None:
        with closing(IntakeStore(self.url, payload_bytes=8)) as store:
            for number in itertools.count():
                if self._ending.is_set():
                    return
                try:
                    self.positions += store.write(batch(number * BATCH), ()).inserted
                except SinkError as error:
                    self.faults.append(str(error))

    def _desk(self) -> None:
        database = AlertDatabase(self.url)
        for number in itertools.count():
            if self._ending.is_set():
                break
            try:
                with database.transaction() as conn:
                    conn.execute(SIGHTING, (number, uuid.uuid4()))
                self.sightings += 1
            except SinkError as error:
                self.faults.append(str(error))
        database.close()


def test_the_schema_goes_back_and_forward_under_a_load_and_nothing_is_lost(database_url: str) -> None:
    newest = max(migrations.steps_in())
    with Writers(database_url) as writers:
        for target in (newest - 1, None, 18, None):
            db.migrate(database_url, target=target)
    assert writers.faults == []
    assert min(writers.positions, writers.sightings) > 0
    with db.connect(database_url) as conn:
        assert conn.execute("select count(*) from position").fetchone() == (writers.positions,)
        assert conn.execute("select count(*) from sighting").fetchone() == (writers.sightings,)


def test_a_step_that_finds_its_table_in_use_lets_others_pass_and_comes_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_S", 0.05)
    with db.connect(database_url) as long:
        long.execute("select count(*) from sighting")  # and its transaction stays open
        release = threading.Timer(0.3, long.rollback)
        release.start()
        db.migrate(database_url, target=18)
        release.join()
    db.migrate(database_url)


def test_a_table_that_is_never_free_is_told(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "LOCK_S", 0.01)
    monkeypatch.setattr(migrations, "LOCK_PAUSE_S", 0.01)
    monkeypatch.setattr(migrations, "LOCK_TRIES", 3)
    with db.connect(database_url) as long:
        long.execute("select count(*) from sighting")
        with pytest.raises(SinkError, match="its tables were in use 3 times") as caught:
            db.migrate(database_url, target=18)
    assert caught.value.retryable
    with db.connect(database_url) as conn:  # nothing of the step is left behind
        assert conn.execute("select to_regclass('legal_hold') is not null").fetchone() == (True,)
