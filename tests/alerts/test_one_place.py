"""Places that turned out to be one: what opens again there, and who waits for whom."""

import threading
import time
from dataclasses import replace

import pytest

import curbwatch.database as db
from alerts.desk.acting import Doing, perform
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents import opening
from alerts.incidents.going_on import Pair
from alerts.incidents.sites import hold, lock_keys
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from schemas.errors import UsageError
from schemas.incident import Opened, Report, Sighting
from schemas.record import Actor
from schemas.units import utc
from tests.alerts.lives import leave, say
from tests.alerts.makers import CELL, MONDAY_1059, S, city, picture, sighting

pytestmark = pytest.mark.servers

LEI = Actor("lei", "dispatcher")
WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def at(place: int, at_s: float, track_id: int) -> Sighting:
    """Waste that came 90 s ago to one of many places, 9.6 m apart, each in a camera of its own."""
    appeared_ns = MONDAY_1059 + int((at_s - 90) * S)
    point = (104.64 + place * 0.0001, 30.12)
    return sighting(at_s, track_id=track_id, camera_id=f"cam-{place}", point=point, appeared_ns=appeared_ns)


def look(incidents: IncidentStore, one: Sighting) -> Opened:
    return say(incidents, one, picture(f"{one.camera_id}/{one.track_id}"))


def merge(database: AlertDatabase, one: Opened, into: Opened) -> None:
    CaseActions(database, city).act(one.incident_id, Wish(Act.MERGE, into=into.incident_id), LEI)


@pytest.mark.parametrize("who", ["person", "camera"])
def test_what_had_ended_at_a_place_that_is_one_with_another_never_opens_beside_what_is_open_there(
    incidents: IncidentStore, database: AlertDatabase, who: str
) -> None:
    first = look(incidents, at(1, 0, 7))
    assert leave(incidents, 60, camera_id="cam-1", appeared_ns=first.sighting.appeared_ns) is not None
    second, third = look(incidents, at(1, 90_000, 8)), look(incidents, at(2, 90_000, 9))
    merge(database, second, third)
    if who == "person":
        with pytest.raises(UsageError, match=f"{third.incident_id} is open at this place"):
            CaseActions(database, city).act(first.incident_id, Wish(Act.REOPEN, text="it is there"), LEI)
    assert look(incidents, at(1, 90_060, 10)).incident_id == third.incident_id


def wait(desk_url: str) -> None:
    """Until somebody waits for a lock of this database."""
    with db.connect(desk_url, autocommit=True) as conn:
        while conn.execute(WAITING).fetchone() == (0,):
            time.sleep(0.01)


@pytest.mark.parametrize("who", ["person", "camera"])
def test_what_opens_again_at_such_a_place_is_found_by_looks_at_either(
    incidents: IncidentStore, database: AlertDatabase, who: str
) -> None:
    first = look(incidents, at(1, 0, 7))
    assert leave(incidents, 60, camera_id="cam-1", appeared_ns=first.sighting.appeared_ns) is not None
    second, third = look(incidents, at(1, 3000, 8)), look(incidents, at(2, 3000, 9))
    merge(database, second, third)
    for place, track in ((1, 8), (2, 9)):
        leave(incidents, 3060, camera_id=f"cam-{place}", track_id=track, appeared_ns=second.sighting.appeared_ns)
    assert incidents.show(third.incident_id).state == "gone"
    if who == "person":
        CaseActions(database, city).act(first.incident_id, Wish(Act.REOPEN, text="it is there"), LEI)
        look(incidents, replace(first.sighting, captured_ns=MONDAY_1059 + 3500 * S))
    again = look(incidents, at(1, 3600, 10))
    assert again.incident_id == (first if who == "person" else third).incident_id
    assert look(incidents, at(2, 3660, 11)).incident_id == again.incident_id


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_what_left_before_a_merge_or_while_two_were_merged_holds_nothing_open(
    incidents: IncidentStore, database: AlertDatabase, desk_url: str, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    first, more, other = (look(incidents, at(place, 0, track)) for place, track in ((1, 7), (1, 8), (2, 9)))
    assert more.incident_id == first.incident_id

    def gone(place: int, track_id: int) -> str | None:
        return leave(incidents, 60.0, camera_id=f"cam-{place}", track_id=track_id)

    camera = threading.Thread(target=gone, args=(1, 8))

    def slowly(doing: Doing) -> int:
        camera.start()
        wait(desk_url)
        return perform(doing)

    own = AlertDatabase(desk_url)
    if when == "before":
        gone(1, 8)
    else:
        monkeypatch.setattr("alerts.desk.actions.perform", slowly)
    merge(own, first, other)
    own.close()
    if when == "meanwhile":
        camera.join()
    assert gone(1, 7) is None
    assert gone(2, 9) == other.incident_id


def test_places_that_become_one_in_turn_lead_to_the_last_one_at_once(
    incidents: IncidentStore, database: AlertDatabase, desk_url: str
) -> None:
    told = [look(incidents, at(place, 0, 7)) for place in range(4)]
    merge(database, told[0], told[1])
    merge(database, told[2], told[3])
    merge(database, told[1], told[3])
    assert look(incidents, at(0, 60, 8)).incident_id == told[3].incident_id
    with db.connect(desk_url) as conn:
        chained = conn.execute(
            "select count(*) from site s join site t on t.site_id = s.same_as where t.same_as is not null"
        ).fetchone()
    assert chained == (0,)


def test_two_cameras_that_see_one_thing_at_one_moment_at_places_that_became_one_open_one_incident(
    incidents: IncidentStore, database: AlertDatabase, desk_url: str
) -> None:
    first, second = look(incidents, at(1, 0, 7)), look(incidents, at(15, 0, 9))  # no common tile
    merge(database, first, second)
    for place, track in ((1, 7), (15, 9)):
        leave(incidents, 60.0, camera_id=f"cam-{place}", track_id=track)
    found: list[object] = []

    def see() -> None:
        try:
            found.append(look(incidents, at(1, 90_000, 10)).incident_id)
        except Exception as fault:  # noqa: BLE001  # compared below
            found.append(fault)

    camera = threading.Thread(target=see)
    own = AlertDatabase(desk_url)
    there, rules = at(15, 90_000, 11), incidents.rules
    with own.transaction() as conn:
        hold(conn, lock_keys(there.camera_id, there.cell_id, there.point, rules.merge_m))
        opened = opening.see(conn, there, rules, Pair(None, picture("there")))
        camera.start()
        wait(desk_url)
    camera.join()
    own.close()
    assert opened is not None
    assert opened.opened
    assert found == [opened.incident_id]


def complaint(ref: str, lon: float) -> Report:
    return Report(
        kind="complaint",
        ref=ref,
        family="waste",
        class_code="06010",
        at=utc(MONDAY_1059),
        cell_id=CELL,
        unit_id="u-1",
        rule_version="v1",
        point=(lon, 30.12),
    )


@pytest.mark.parametrize("who", ["camera", "report"])
@pytest.mark.parametrize("deleted", [True, False])
def test_what_opens_where_an_old_place_is_deleted_at_this_moment_is_kept_and_has_a_place(
    incidents: IncidentStore, desk_url: str, who: str, deleted: bool
) -> None:
    there, point = at(1, 0, 7), (104.6401, 30.12)
    assert there.point == point
    with db.connect(desk_url, autocommit=True) as conn:
        made = conn.execute(
            "insert into site (cell_id, camera_id, lon, lat, box_px) values ('', '', %s, %s, '{0,0,1,1}')"
            " returning site_id",
            point,
        ).fetchone()
    assert made is not None
    found: list[object] = []

    def see() -> None:
        try:
            if who == "camera":
                found.append(look(incidents, there).opened)
            else:
                found.append(incidents.report(complaint("a1", point[0]), LEI).opened)
        except Exception as fault:  # noqa: BLE001  # compared below
            found.append(fault)

    teller = threading.Thread(target=see)
    with db.connect(desk_url) as own:
        own.execute("delete from site")
        teller.start()
        wait(desk_url)
        if not deleted:
            own.rollback()
    teller.join()
    assert found == [True]
    with db.connect(desk_url, autocommit=True) as conn:
        place = conn.execute("select site_id, site.lon from incident join site using (site_id)").fetchall()
    assert [(site_id == made[0], lon) for site_id, lon in place] == [(not deleted, point[0])]


def test_a_camera_near_two_reports_waits_for_them_in_the_order_in_which_everybody_does(
    incidents: IncidentStore, desk_url: str
) -> None:
    def told(ref: str, lon: float) -> str:
        return incidents.report(complaint(ref, lon), LEI).incident_id

    pairs = ((told(f"a{k}", 104.7 + k * 0.01), told(f"b{k}", 104.70036 + k * 0.01), k) for k in range(50))
    first, second, k = next(pair for pair in pairs if pair[0] > pair[1])  # the order of the table is another one
    point = (104.70018 + k * 0.01, 30.12)
    camera = threading.Thread(target=look, args=(incidents, replace(at(1, 30, 55), point=point)))
    own = AlertDatabase(desk_url)
    with own.transaction() as conn:
        for incident_id in (second, first):
            conn.execute("select 1 from incident where incident_id = %s for no key update", (incident_id,))
            if incident_id == second:
                camera.start()
                wait(desk_url)
    camera.join()
    own.close()


def test_a_camera_that_sees_the_thing_while_a_person_reopens_its_case_joins_the_case(
    incidents: IncidentStore, desk_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = look(incidents, at(1, 1000, 7))
    leave(incidents, 1060, camera_id="cam-1", appeared_ns=first.sighting.appeared_ns)
    found: list[object] = []

    def see() -> None:
        try:
            found.append(look(incidents, at(1, 2800, 8)).incident_id)
        except Exception as fault:  # noqa: BLE001  # compared below
            found.append(fault)

    camera = threading.Thread(target=see)

    def slowly(doing: Doing) -> int:
        seq = perform(doing)
        camera.start()
        wait(desk_url)
        return seq

    monkeypatch.setattr("alerts.desk.actions.perform", slowly)
    own = AlertDatabase(desk_url)
    CaseActions(own, city).act(first.incident_id, Wish(Act.REOPEN, text="it is there"), LEI)
    camera.join()
    own.close()
    assert found == [first.incident_id]


def test_a_track_that_is_seen_again_elsewhere_waits_for_what_opens_at_the_place_of_its_case(
    incidents: IncidentStore, desk_url: str
) -> None:
    first = look(incidents, at(1, 0, 7))
    assert leave(incidents, 60, camera_id="cam-1", appeared_ns=first.sighting.appeared_ns) is not None
    between = look(incidents, at(1, 40_000, 8))
    assert leave(incidents, 40_060, camera_id="cam-1", track_id=8, appeared_ns=between.sighting.appeared_ns) is not None
    # It has moved by 140 m, to no common tile, and its case is not the last one of where it was, which a look locks.
    moved = replace(at(15, 120, 7), camera_id="cam-1", appeared_ns=first.sighting.appeared_ns)
    found: list[object] = []

    def see() -> None:
        try:
            found.append(look(incidents, moved).incident_id)
        except Exception as fault:  # noqa: BLE001  # compared below
            found.append(fault)

    camera = threading.Thread(target=see)
    own = AlertDatabase(desk_url)
    there, rules = replace(at(1, 90_000, 11), camera_id="cam-2"), incidents.rules
    with own.transaction() as conn:
        hold(conn, lock_keys(there.camera_id, there.cell_id, there.point, rules.merge_m))
        opened = opening.see(conn, there, rules, Pair(None, picture("there")))
        camera.start()
        wait(desk_url)
    camera.join()
    own.close()
    assert opened is not None
    assert opened.opened
    assert found == [opened.incident_id]
