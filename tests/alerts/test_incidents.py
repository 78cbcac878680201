"""One incident per real thing, on a real database: refreshed, merged, closed, confirmed; never doubled."""

import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.place import distance_m
from alerts.incidents.sites import box_overlap, lock_keys
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.parts import Servers
from schemas.errors import SinkError, UsageError
from schemas.incident import Opened, Sighting
from schemas.links import DATABASE_LINK
from schemas.units import M_PER_DEG
from tests.alerts.lives import confirm
from tests.alerts.makers import CELL, MONDAY_1059, S, departure, picture, sighting, together
from tests.fix_desk import disconnect

POINT = (104.6405, 30.1205)


def east(metres: float) -> tuple[float, float]:
    return POINT[0] + metres / (M_PER_DEG * 0.865), POINT[1]


def said(incidents: IncidentStore, *sightings: Sighting) -> list[Opened]:
    return [incidents.open_or_refresh(one, picture("before"), picture()) for one in sightings]


def rows(database: AlertDatabase, query: str) -> list[Any]:
    with database.transaction() as conn:
        return [tuple(row.values()) for row in conn.execute(query).fetchall()]


def test_box_overlap_of_nothing_is_nothing() -> None:
    assert box_overlap((0, 0, 0, 0), (0, 0, 5, 5)) == 0.0
    assert box_overlap((0, 0, 10, 10), (10, 0, 10, 10)) == 0.0
    assert box_overlap((0, 0, 10, 10), (2, 2, 4, 4)) == 1.0


@given(st.floats(-80, 80), st.floats(-179, 179), st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 200))
def test_makers_of_one_place_hold_a_common_key(
    lat: float, lon: float, north: float, right: float, merge_m: float
) -> None:
    one = (lon, lat)
    other = (lon + right * merge_m / M_PER_DEG, lat + north * merge_m / M_PER_DEG)
    keys, others = (lock_keys("cam-1", CELL, point, merge_m) for point in (one, other))
    assert keys == sorted(set(keys))
    if distance_m(one, other) <= merge_m:
        assert set(keys) & set(others)


def test_uncalibrated_makers_wait_for_their_own_camera_only() -> None:
    assert lock_keys("cam-1", CELL, None, 3.0) == lock_keys("cam-1", "", None, 3.0)
    assert lock_keys("cam-1", CELL, None, 3.0) != lock_keys("cam-2", CELL, None, 3.0)


pytestmark = pytest.mark.servers


def test_an_empty_database_has_no_incidents(incidents: IncidentStore) -> None:
    assert incidents.recent() == []
    assert incidents.depart(departure(0)) is None


def test_a_direct_sighting_opens_an_incident_with_its_pictures_and_one_job(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    (told,) = said(incidents, sighting())
    assert told.opened
    found = incidents.show(told.incident_id)
    assert (found.state, found.family, found.class_code, found.sightings) == ("dispatched", "waste", "06010", 1)
    assert (found.before_sha256, found.opening_sha256) == (picture("before").sha256, picture().sha256)
    assert found.opened_at - found.appeared_at == timedelta(seconds=90)
    assert incidents.evidence(told.incident_id) == [picture("before"), picture()]
    assert [(event.actor, event.what) for event in incidents.events(told.incident_id)] == [("detector", "opened")]
    (job,) = jobs.of_unit("u-1")
    assert (job.state, job.urgency, job.incident) == ("queued", "normal", found)
    assert jobs.of_incident(told.incident_id) == job
    assert incidents.recent() == [found]


def test_an_incident_may_have_no_picture_of_before(incidents: IncidentStore) -> None:
    told = incidents.open_or_refresh(sighting(), None, picture())
    assert incidents.show(told.incident_id).before_sha256 is None
    assert incidents.evidence(told.incident_id) == [picture()]


def test_the_same_sighting_twice_changes_nothing(incidents: IncidentStore, database: AlertDatabase) -> None:
    first, second = said(incidents, sighting(), sighting())
    assert (first.opened, second.opened) == (True, False)
    assert first.incident_id == second.incident_id
    tables = ("site", "evidence", "incident", "incident_event", "sighting", "job", "outbox")
    assert [rows(database, f"select count(*) from {table}")[0][0] for table in tables] == [1, 2, 1, 1, 1, 1, 1]  # noqa: S608
    assert incidents.show(first.incident_id).sightings == 1


def test_a_later_look_refreshes_and_an_older_one_takes_nothing_back(incidents: IncidentStore) -> None:
    first, *_ = said(incidents, sighting(0), sighting(60, confidence=0.9), sighting(30, confidence=0.5))
    found = incidents.show(first.incident_id)
    assert found.sightings == 3
    assert found.last_seen_at - found.opened_at == timedelta(seconds=60)
    assert found.confidence == pytest.approx(0.9)


def test_a_track_is_refreshed_without_pictures_only_where_it_has_an_incident(incidents: IncidentStore) -> None:
    first, later = sighting(), sighting(captured_ns=MONDAY_1059 + 60 * S)
    assert incidents.refresh(first) is None
    (opened,) = said(incidents, first)
    told = incidents.refresh(later)
    assert told is not None
    assert (told.incident_id, told.opened) == (opened.incident_id, False)
    assert incidents.refresh(later) == told
    assert incidents.show(opened.incident_id).sightings == 2


def test_a_thing_that_comes_to_look_like_another_family_is_still_one_thing(incidents: IncidentStore) -> None:
    first, second = said(incidents, sighting(), sighting(60, family="stall", class_code="09006"))
    assert first.incident_id == second.incident_id


def test_a_new_thing_under_an_old_number_is_another_incident(incidents: IncidentStore) -> None:
    (first,) = said(incidents, sighting())
    incidents.depart(departure())
    (second,) = said(incidents, sighting(5000, appeared_ns=MONDAY_1059 + 4900 * S))
    assert second.opened
    assert second.incident_id != first.incident_id


def test_a_closed_incident_is_not_opened_again_by_the_same_standing_thing(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    (first,) = said(incidents, sighting())
    job = jobs.of_unit("u-1")[0].job_id
    jobs.take(job, "li")
    jobs.done(job, "li")
    (again,) = said(incidents, sighting(60))
    assert (again.opened, again.incident_id) == (False, first.incident_id)
    assert incidents.show(first.incident_id).state == "done"


def test_two_things_of_two_families_at_one_place_are_two_incidents(incidents: IncidentStore) -> None:
    first, second = said(incidents, sighting(), sighting(track_id=8, family="stall", class_code="09006"))
    assert first.incident_id != second.incident_id


def test_a_place_is_one_within_metres_also_over_a_cells_border(incidents: IncidentStore) -> None:
    cells = (CELL, CELL, "512002001001002", CELL)
    places = (east(0), east(2.9), east(1.5), east(6.5))
    told = said(
        incidents,
        *(
            sighting(camera_id=f"cam-{index}", point=point, cell_id=cell)
            for index, (point, cell) in enumerate(zip(places, cells, strict=True))
        ),
    )
    assert [one.opened for one in told] == [True, False, False, True]


def test_uncalibrated_a_place_is_one_by_the_overlap_of_boxes_in_one_camera(incidents: IncidentStore) -> None:
    told = said(
        incidents,
        sighting(track_id=1, box_px=(100, 100, 100, 100)),
        sighting(track_id=2, box_px=(160, 100, 100, 100)),  # 0.4 of the smaller
        sighting(track_id=3, box_px=(180, 100, 100, 100)),  # 0.2
        sighting(track_id=4, box_px=(100, 100, 100, 100), camera_id="cam-2"),
    )
    assert [one.opened for one in told] == [True, False, True, True]


def test_two_cameras_that_see_one_thing_at_one_moment_make_one_incident_and_one_job(
    desk_url: str, incidents: IncidentStore, jobs: JobStore, database: AlertDatabase
) -> None:
    for round_ in range(5):
        point = east(100 * round_)

        def see(index: int, track_id: int = round_, point: tuple[float, float] = point) -> None:
            own = AlertDatabase(desk_url)  # as from another process
            store = IncidentStore(own, merge_m=3.0, merge_iou=0.3)
            said(store, sighting(camera_id=f"cam-{index}", track_id=track_id, point=point))
            own.close()

        together(6, see)
        assert len(incidents.recent()) == round_ + 1
        assert len(jobs.of_unit("u-1")) == round_ + 1
    assert rows(database, "select count(*) as n, count(distinct site_id) as sites from incident") == [(5, 5)]


def test_threads_that_share_a_connection_open_one_incident(incidents: IncidentStore) -> None:
    together(8, lambda index: said(incidents, sighting(track_id=index)))
    (found,) = incidents.recent()
    assert found.sightings == 8


def test_a_departure_closes_and_withdraws_what_nobody_took(incidents: IncidentStore, jobs: JobStore) -> None:
    (told,) = said(incidents, sighting())
    gone = departure()
    assert incidents.depart(gone) == told.incident_id
    assert incidents.depart(gone) is None
    found = incidents.show(told.incident_id)
    assert found.state == "gone"
    assert found.closed_at == found.opened_at + timedelta(seconds=60)
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert job.state == "withdrawn"
    assert jobs.take(job.job_id, "li") is None
    assert [event.what for event in incidents.events(told.incident_id)] == ["opened", "left", "gone"]


def test_a_departure_leaves_a_crew_its_job_and_the_crew_closes(incidents: IncidentStore, jobs: JobStore) -> None:
    (told,) = said(incidents, sighting())
    job_id = jobs.of_unit("u-1")[0].job_id
    jobs.take(job_id, "li")
    for _ in range(2):
        assert incidents.depart(departure()) is None
    assert incidents.show(told.incident_id).state == "handling"
    jobs.done(job_id, "li")
    assert incidents.show(told.incident_id).state == "done"
    assert [event.what for event in incidents.events(told.incident_id)] == [
        "opened",
        "taken",
        "left",
        "finished",
        "done",
    ]


def test_an_incident_stays_open_while_another_camera_still_sees_the_thing(incidents: IncidentStore) -> None:
    first, second = said(
        incidents,
        sighting(0, camera_id="cam-1", track_id=1, point=east(0)),
        sighting(10, camera_id="cam-2", track_id=2, point=east(1)),
    )
    assert first.incident_id == second.incident_id
    assert incidents.depart(departure(track_id=1)) is None
    (again,) = said(incidents, sighting(70, camera_id="cam-2", track_id=2, point=east(1)))
    assert (again.opened, again.incident_id) == (False, first.incident_id)
    assert incidents.depart(departure(100, track_id=2, camera_id="cam-2")) == first.incident_id


def test_a_camera_that_fell_silent_does_not_hold_an_incident_open(incidents: IncidentStore) -> None:
    first, _ = said(
        incidents,
        sighting(0, camera_id="cam-1", track_id=1, point=east(0)),
        sighting(10, camera_id="cam-2", track_id=2, point=east(1)),
    )
    said(incidents, sighting(3600, camera_id="cam-1", track_id=1, point=east(0)))
    assert incidents.depart(departure(3700, track_id=1)) == first.incident_id


def test_a_crew_and_a_departure_at_one_moment_agree(desk_url: str, incidents: IncidentStore, jobs: JobStore) -> None:
    for round_ in range(10):
        (told,) = said(incidents, sighting(track_id=round_, box_px=(round_ * 100.0, 0.0, 50.0, 50.0)))
        found = jobs.of_incident(told.incident_id)
        assert found is not None
        job_id = found.job_id

        def act(index: int, job_id: str = job_id, track_id: int = round_) -> None:
            own = AlertDatabase(desk_url)
            if index:
                JobStore(own, lease_s=60).take(job_id, "li")
            else:
                store = IncidentStore(own, merge_m=3.0, merge_iou=0.3)
                store.depart(departure(track_id=track_id))
            own.close()

        together(2, act)
        states = incidents.show(told.incident_id).state, jobs.find(job_id).state
        assert states in {("gone", "withdrawn"), ("handling", "taken")}


def test_what_waits_and_goes_away_needs_no_person(incidents: IncidentStore, database: AlertDatabase) -> None:
    (told,) = said(incidents, sighting(direct=False))
    assert incidents.show(told.incident_id).state == "verify"
    assert incidents.depart(departure()) == told.incident_id
    with pytest.raises(UsageError, match="gone"):
        confirm(database, told)


def test_recent_ones_come_newest_first_and_by_state(incidents: IncidentStore) -> None:
    told = said(
        incidents,
        *(sighting(60.0 * index, track_id=index, box_px=(index * 100.0, 0.0, 50.0, 50.0)) for index in range(4)),
    )
    incidents.depart(departure(600, track_id=1))
    assert [row.incident_id for row in incidents.recent()] == [one.incident_id for one in told[::-1]]
    assert [row.incident_id for row in incidents.recent(state="gone")] == [told[1].incident_id]
    assert len(incidents.recent(2)) == 2
    assert incidents.recent(state="nonsense") == []


@pytest.mark.parametrize("name", ["show", "events", "evidence"])
@pytest.mark.parametrize("incident_id", ["", "x", "'; drop table job", str(uuid.UUID(int=1))])
def test_an_unknown_incident_is_one_clean_line(incidents: IncidentStore, name: str, incident_id: str) -> None:
    with pytest.raises(UsageError, match=r"no incident|is not the id of an incident"):
        getattr(incidents, name)(incident_id)


def test_a_lost_connection_is_retryable_and_the_next_try_gets_through(
    incidents: IncidentStore, database: AlertDatabase, desk_url: str
) -> None:
    rows(database, "select 1")
    disconnect(desk_url)
    with pytest.raises(SinkError) as caught:
        said(incidents, sighting())
    assert caught.value.retryable
    assert said(incidents, sighting())[0].opened


def test_a_failed_opening_leaves_nothing(incidents: IncidentStore, database: AlertDatabase) -> None:
    with pytest.raises(SinkError) as caught:
        said(incidents, sighting(family="nonsense"))
    assert not caught.value.retryable
    assert rows(database, "select (select count(*) from site) as s, (select count(*) from evidence) as e") == [(0, 0)]


def test_a_database_without_tables_says_what_to_do(servers: Servers) -> None:
    bare = AlertDatabase(urlsplit(servers.database_url)._replace(path="/postgres").geturl())
    with pytest.raises(SinkError, match="start `curbwatch run` once"):
        IncidentStore(bare, merge_m=3.0, merge_iou=0.3).recent()
    bare.close()


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    away = AlertDatabase("postgresql://someone:hidden-word@127.0.0.1:1/none")
    with pytest.raises(SinkError) as caught:
        IncidentStore(away, merge_m=3.0, merge_iou=0.3).recent()
    assert caught.value.retryable
    assert "hidden-word" not in str(caught.value)


def test_a_box_of_whole_numbers_is_a_box(incidents: IncidentStore) -> None:
    (told,) = said(incidents, sighting(box_px=(0, 10.5, 50, 50)))
    assert incidents.show(told.incident_id).box_px == (0, 10.5, 50, 50)


def test_a_server_that_stopped_answering_is_noticed_in_seconds(database: AlertDatabase) -> None:
    with database.transaction() as conn:
        told = conn.info.get_parameters()
    assert told | {name: str(value) for name, value in DATABASE_LINK.items()} == told
