"""Complaints, patrols' and vehicles' findings on a real database: nearest wins, once is once, cameras join."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.attaching import report
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.errors import UsageError
from schemas.incident import Report, Reported
from schemas.record import Actor
from schemas.units import M_PER_DEG, ns_of, utc
from tests.alerts.makers import CELL, MONDAY_1059, S, city, departure, picture, sighting, together

pytestmark = pytest.mark.servers

POINT = (104.6405, 30.1205)
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
HOTLINE = Actor("12319", "intake")


def east(metres: float) -> tuple[float, float]:
    return POINT[0] + metres / (M_PER_DEG * 0.865), POINT[1]


def complaint(ref: str = "A-1", **changes: object) -> Report:
    whole = Report(
        kind="complaint",
        ref=ref,
        family="waste",
        class_code="06010",
        at=utc(MONDAY_1059),
        cell_id=CELL,
        unit_id="u-2",
        rule_version="v1",
        point=POINT,
        detail={"text": "门口有垃圾"},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def tell(incidents: IncidentStore, one: Report) -> Reported:
    return incidents.report(one, HOTLINE)


def test_whose_shop_front_it_is_on_is_kept_with_the_incident_that_it_opens(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    told = tell(incidents, complaint(family="stall", class_code="09005", party="王记面馆"))
    assert incidents.repeats(told.incident_id).party == 1
    with database.transaction() as conn:
        assert conn.execute("select party from incident").fetchall() == [{"party": "王记面馆"}]


def test_a_complaint_that_nobody_else_tells_of_waits_for_a_person_without_our_picture(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    told = tell(incidents, complaint())
    assert (told.opened, told.known) == (True, False)
    row = incidents.show(told.incident_id)
    assert (row.state, row.source, row.opening_sha256, row.sightings) == ("verify", "complaint", None, 0)
    assert (row.lon, row.lat, row.unit_id, row.direct) == (*POINT, "u-2", False)
    assert incidents.pictures(told.incident_id) == []
    assert jobs.of_incident(told.incident_id) is None
    (step,) = incidents.events(told.incident_id)
    assert (step.actor, step.what, step.detail["source"], step.detail["ref"]) == (
        "12319",
        "opened",
        "complaint",
        "A-1",
    )
    (kept,) = incidents.attachments(told.incident_id)
    assert (kept.ref, kept.detail) == ("A-1", {"text": "门口有垃圾"})


def test_a_complaint_of_a_moment_to_come_is_refused_but_for_a_clock_that_is_a_little_ahead(
    incidents: IncidentStore,
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(UsageError, match=r"complaint A-1 .* still to come: .*--at .*\+08:00"):
        tell(incidents, complaint(at=now + timedelta(hours=8)))
    assert incidents.recent(10) == []
    assert tell(incidents, complaint(at=now + timedelta(minutes=5))).opened


def test_the_same_number_twice_is_once_and_of_another_kind_it_is_another(incidents: IncidentStore) -> None:
    first = tell(incidents, complaint())
    again = tell(incidents, complaint(point=east(500)))
    assert again == Reported(first.incident_id, opened=False, known=True)
    patrol = tell(incidents, complaint(kind="patrol", point=east(500)))
    assert patrol.opened
    assert incidents.of_ref("A-1", "patrol") == patrol.incident_id
    with pytest.raises(UsageError, match="of complaint and of patrol: say which"):
        incidents.of_ref("A-1")
    with pytest.raises(UsageError, match="no complaint or finding has the number 'B-1'"):
        incidents.of_ref("B-1")


@pytest.mark.parametrize(
    ("changes", "attaches"),
    [
        ({}, True),
        ({"point": east(30)}, True),
        ({"point": east(31)}, False),
        ({"family": "stall", "class_code": "09006"}, False),
        ({"at": utc(MONDAY_1059) + timedelta(hours=24)}, True),
        ({"at": utc(MONDAY_1059) + timedelta(hours=24, seconds=1)}, False),
        ({"at": utc(MONDAY_1059 - 90 * S) - timedelta(hours=24)}, True),
        ({"at": utc(MONDAY_1059 - 91 * S) - timedelta(hours=24)}, False),
        ({"point": None}, True),  # only the cell is known
        ({"point": None, "cell_id": "512002001001002"}, False),
    ],
)
def test_a_complaint_belongs_to_what_is_open_near_by_within_a_day(
    incidents: IncidentStore, changes: dict[str, object], attaches: bool
) -> None:
    seen = incidents.open_or_refresh(sighting(point=POINT), picture("before"), picture())
    told = tell(incidents, replace(complaint(), **changes))  # type: ignore[arg-type]
    assert (told.incident_id == seen.incident_id, told.opened) == (attaches, not attaches)
    if attaches:
        last = incidents.events(seen.incident_id)[-1]
        assert (last.what, last.detail) == ("attached", {"kind": "complaint", "ref": "A-1"})
        assert incidents.show(seen.incident_id).state == "dispatched"


def test_the_nearest_wins_and_a_measured_one_goes_before_one_of_the_same_cell(incidents: IncidentStore) -> None:
    far, near = (
        incidents.open_or_refresh(sighting(track_id=index, point=east(metres)), None, picture())
        for index, metres in enumerate((0, 20))
    )
    loose = incidents.open_or_refresh(sighting(900, track_id=5, camera_id="cam-2"), None, picture())
    assert tell(incidents, complaint(point=east(12))).incident_id == near.incident_id
    assert tell(incidents, complaint("A-2", point=east(8))).incident_id == far.incident_id
    assert tell(incidents, complaint("A-3", point=east(80))).incident_id == loose.incident_id


def test_a_box_in_the_picture_finds_what_that_camera_sees_there_and_nothing_else(incidents: IncidentStore) -> None:
    seen = incidents.open_or_refresh(sighting(cell_id=""), None, picture())
    here = complaint(point=None, cell_id="", camera_id="cam-1", box_px=(690.0, 390.0, 100.0, 80.0))
    assert tell(incidents, here).incident_id == seen.incident_id
    there = replace(here, ref="A-2", box_px=(0.0, 0.0, 50.0, 50.0))
    assert tell(incidents, there).opened


def test_what_has_ended_takes_no_complaint(incidents: IncidentStore) -> None:
    seen = incidents.open_or_refresh(sighting(point=POINT), None, picture())
    incidents.depart(departure())
    assert tell(incidents, complaint()).incident_id != seen.incident_id


@pytest.mark.parametrize("point", [east(25), None])
def test_the_next_camera_that_sees_it_joins_and_brings_its_pictures_but_decides_nothing(
    incidents: IncidentStore, jobs: JobStore, point: tuple[float, float] | None
) -> None:
    told = tell(incidents, complaint())
    seen = sighting(600, point=point, party="李记", preset="east")
    joined = incidents.open_or_refresh(seen, picture("before"), picture())
    assert (joined.incident_id, joined.opened) == (told.incident_id, False)
    row = incidents.show(told.incident_id)
    assert (row.state, row.source, row.opening_sha256) == ("verify", "complaint", picture().sha256)
    assert (row.camera_id, row.box_px, row.preset, row.party) == ("cam-1", seen.box_px, "east", "李记")
    assert (row.lon, row.lat) == (point or POINT)
    assert [event.what for event in incidents.events(told.incident_id)] == ["opened", "evidence"]
    assert [one.role for one in incidents.pictures(told.incident_id)] == ["before", "opening"]
    assert jobs.of_incident(told.incident_id) is None
    again = incidents.open_or_refresh(sighting(660, track_id=8, point=point), None, picture())
    assert again.incident_id == told.incident_id  # it has the camera's place now
    assert incidents.depart(departure(700)) is None  # the other track still stands
    assert incidents.depart(departure(700, track_id=8)) == told.incident_id


@pytest.mark.parametrize("cell_id", [CELL, ""])
def test_a_camera_joins_a_report_of_a_box_in_its_picture_where_it_sees_something_in_that_box(
    incidents: IncidentStore, cell_id: str
) -> None:
    here = complaint(point=None, cell_id=cell_id, camera_id="cam-1", box_px=(0.0, 400.0, 100.0, 80.0))
    told = tell(incidents, here)
    other = sighting(track_id=8, box_px=(1100.0, 400.0, 100.0, 80.0), cell_id=cell_id)
    assert incidents.open_or_refresh(other, None, picture("other")).opened
    seen = sighting(track_id=9, box_px=(20.0, 400.0, 100.0, 80.0), cell_id=cell_id)
    assert incidents.open_or_refresh(seen, None, picture()).incident_id == told.incident_id


def test_what_is_too_far_off_or_of_another_family_does_not_join(incidents: IncidentStore) -> None:
    told = tell(incidents, complaint())
    far = incidents.open_or_refresh(sighting(point=east(31)), None, picture())
    other = incidents.open_or_refresh(sighting(track_id=8, family="stall", point=POINT), None, picture())
    late = incidents.open_or_refresh(
        sighting(90_000, track_id=9, appeared_ns=MONDAY_1059 + 89_000 * S, point=east(20)), None, picture()
    )
    assert len({told.incident_id, far.incident_id, other.incident_id, late.incident_id}) == 4


def test_a_complaint_is_not_taken_for_gone_because_no_camera_looked(incidents: IncidentStore) -> None:
    told = tell(incidents, complaint())
    days_later = sighting(3 * 86_400, appeared_ns=MONDAY_1059 + 259_000 * S, point=POINT)
    assert incidents.open_or_refresh(days_later, None, picture()).incident_id == told.incident_id
    assert incidents.show(told.incident_id).state == "verify"


def test_callers_at_one_moment_make_one_incident(desk_url: str, incidents: IncidentStore) -> None:
    for round_ in range(3):
        place = east(200 * round_)

        def act(index: int, round_: int = round_, place: tuple[float, float] = place) -> None:
            own = AlertDatabase(desk_url)
            store = IncidentStore(own, merge_m=3.0, merge_iou=0.3)
            store.report(complaint(f"{round_}-{index % 2}", point=place), HOTLINE)
            own.close()

        together(4, act)
        assert len(incidents.recent()) == round_ + 1
        assert len(incidents.attachments(incidents.of_ref(f"{round_}-0"))) == 2


def test_a_camera_waits_for_a_caller_who_tells_of_the_same_place_beyond_the_edge_of_a_tile(
    desk_url: str, incidents: IncidentStore
) -> None:
    here, near = (POINT[0], 30.12096), (POINT[0], 30.12096 + 10 / M_PER_DEG)
    seen: list[str] = []

    def look() -> None:
        seen.append(incidents.open_or_refresh(sighting(point=near), None, picture()).incident_id)

    own = AlertDatabase(desk_url)
    with own.transaction() as caller, db.connect(desk_url, autocommit=True) as onlooker:
        told = report(caller, complaint(point=here), HOTLINE, incidents.rules)
        camera = threading.Thread(target=look)
        camera.start()
        until_s = time.monotonic() + 20
        while onlooker.execute(WAITING).fetchone() == (0,) and time.monotonic() < until_s:
            time.sleep(0.02)
        assert onlooker.execute(WAITING).fetchone() == (1,)
    camera.join()
    own.close()
    assert seen == [told.incident_id]


@pytest.mark.parametrize("ref", ["", "x" * 129, "a\nb"])
def test_a_number_is_one_line(incidents: IncidentStore, ref: str) -> None:
    with pytest.raises(UsageError, match="needs its number"):
        tell(incidents, complaint(ref))
    assert incidents.recent() == []


def test_a_complaint_of_today_belongs_to_a_case_of_last_week_that_a_person_reopened_today(
    incidents: IncidentStore, database: AlertDatabase
) -> None:
    now = datetime.now(UTC)
    first = tell(incidents, complaint(at=now - timedelta(days=7)))
    desk, wang = CaseActions(database, city), Actor("wang", "dispatcher")
    desk.act(first.incident_id, Wish(Act.VOID, reason="permitted"), wang)
    desk.act(first.incident_id, Wish(Act.REOPEN, text="it was not"), wang)
    assert tell(incidents, complaint("A-2", at=now)).incident_id == first.incident_id
    captured_ns = ns_of(now)
    seen = sighting(point=POINT, captured_ns=captured_ns, appeared_ns=captured_ns - 90 * S)
    found = incidents.open_or_refresh(seen, picture("before"), picture())
    assert (found.incident_id, found.opened) == (first.incident_id, False), "a camera that sees it joins too"
