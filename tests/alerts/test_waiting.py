"""Who waits for whom where callers and cameras tell of one thing at one moment. On a real server."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.attaching import report
from alerts.incidents.sites import hold, lock_keys, wide_keys
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from schemas.incident import Report, Sighting
from schemas.record import Actor
from schemas.units import utc
from tests.alerts.lives import say
from tests.alerts.makers import CELL, MONDAY_1059, city, sighting

pytestmark = pytest.mark.servers

LEI = Actor("lei", "dispatcher")
HERE = (104.6401, 30.12)
AWAY = (104.6441, 30.12)  # 384 m: no common tile
BOX = (700.0, 400.0, 100.0, 80.0)
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def complaint(**changes: Any) -> Report:  # noqa: ANN401
    whole = Report(
        kind="complaint",
        ref="A-1",
        family="waste",
        class_code="06010",
        at=utc(MONDAY_1059),
        cell_id=CELL,
        unit_id="u-1",
        rule_version="v1",
        point=HERE,
    )
    return replace(whole, **changes)


def wait(desk_url: str, waiting: int) -> None:
    """Until so many wait for a lock of this database, for 20 s at most."""
    until_s, found = time.monotonic() + 20, (0,)
    with db.connect(desk_url, autocommit=True) as conn:
        while time.monotonic() < until_s and (found := conn.execute(WAITING).fetchone() or (0,)) != (waiting,):
            time.sleep(0.01)
    assert found == (waiting,)


def teller(found: list[str], desk_url: str, one: Report | Sighting) -> threading.Thread:
    """A caller or a camera that tells of something; its incident is in ``found`` then."""

    def tell() -> None:
        own = AlertDatabase(desk_url)
        store = IncidentStore(own, merge_m=3.0, merge_iou=0.3)
        told = store.report(one, LEI) if isinstance(one, Report) else say(store, one)
        found.append(told.incident_id)
        own.close()

    return threading.Thread(target=tell)


def test_a_caller_and_a_camera_at_two_places_that_became_one_whose_case_ends_at_this_moment_both_get_through(
    incidents: IncidentStore, database: AlertDatabase, desk_url: str
) -> None:
    first = say(incidents, sighting(point=HERE))
    second = say(incidents, sighting(point=AWAY, camera_id="cam-2"))
    CaseActions(database, city).act(first.incident_id, Wish(Act.MERGE, into=second.incident_id), LEI)
    found: list[str] = []
    own = AlertDatabase(desk_url)
    both = [
        teller(found, desk_url, complaint(point=AWAY)),
        teller(found, desk_url, sighting(60, point=HERE, track_id=9)),
    ]
    with own.transaction() as conn:
        conn.execute("update incident set state = 'void', closed_at = now() where state <> 'merged'")
        for waiting, one in enumerate(both, 1):
            one.start()
            wait(desk_url, waiting)
    for one in both:
        one.join()
    own.close()
    assert len(found) == 2


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ({"camera_id": "cam-1"}, {}),
        ({"point": None, "cell_id": "", "camera_id": "cam-1", "box_px": BOX}, {"point": HERE}),
        ({"point": None}, {"point": HERE}),
        ({"point": None}, {}),
        ({"camera_id": "cam-1", "cell_id": ""}, {"point": HERE, "cell_id": ""}),
    ],
    ids=["point, no point", "box, point", "cell, point", "cell, no point", "both"],
)
def test_a_camera_waits_for_whoever_tells_of_what_it_sees_however_either_says_where_it_is(
    database: AlertDatabase, incidents: IncidentStore, desk_url: str, told: dict[str, Any], seen: dict[str, Any]
) -> None:
    found: list[str] = []
    camera = teller(found, desk_url, sighting(60, track_id=9, box_px=BOX, **seen))
    own = AlertDatabase(desk_url)
    with own.transaction() as conn:
        reported = report(conn, complaint(**told), LEI, incidents.rules)
        camera.start()
        wait(desk_url, 1)
    camera.join()
    own.close()
    assert found == [reported.incident_id]


def test_two_cameras_of_one_cell_do_not_wait_for_each_other(incidents: IncidentStore, desk_url: str) -> None:
    found: list[str] = []
    camera = teller(found, desk_url, sighting(point=AWAY, camera_id="cam-2"))
    own = AlertDatabase(desk_url)
    with own.transaction() as conn:
        hold(conn, lock_keys("cam-1", CELL, HERE, incidents.rules.merge_m), wide_keys("cam-1", CELL))
        camera.start()
        camera.join(20)
        meanwhile = len(found)
    camera.join()
    own.close()
    assert meanwhile == 1
