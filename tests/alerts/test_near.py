"""One thing is one incident whatever stood near by before: the places of a busy street never part two looks at it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.locking import place_keys
from alerts.incidents.sites import lock_keys
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase, id_of
from schemas.errors import UsageError
from schemas.incident import Opened, Sighting
from schemas.record import Actor
from schemas.units import M_PER_DEG, cos_deg
from tests.alerts.lives import DAY_S, leave
from tests.alerts.makers import CELL, MONDAY_1059, S, city, picture, sighting, together
from tests.fix_desk import EMPTY

pytestmark = pytest.mark.servers

LEI = Actor("lei", "dispatcher")
LAT = 30.12
DAYS = 3 * DAY_S
TRACKS = iter(range(1000, 10_000_000))


def at(east_m: float | None, at_s: float, camera: str = "cam-1", x_px: float = 700.0) -> Sighting:
    """A stall that came 90 s before it is seen, so many metres along a street, under a track of its own.

    Without metres it stands in the picture of a camera that is not calibrated.
    """
    point = None if east_m is None else (104.64 + east_m / (M_PER_DEG * cos_deg(LAT)), LAT)
    return sighting(
        at_s,
        camera_id=camera,
        track_id=next(TRACKS),
        family="stall",
        class_code="09006",
        direct=False,
        point=point,
        box_px=(x_px, 400.0, 100.0, 80.0),
        appeared_ns=MONDAY_1059 + int((at_s - 90) * S),
    )


def look(incidents: IncidentStore, one: Sighting) -> Opened:
    return incidents.open_or_refresh(one, None, picture(f"{one.camera_id}/{one.track_id}"))


def go(incidents: IncidentStore, told: Opened, at_s: float) -> None:
    one = told.sighting
    leave(incidents, at_s, camera_id=one.camera_id, track_id=one.track_id, appeared_ns=one.appeared_ns)


def past(incidents: IncidentStore, *spots: Sighting) -> None:
    """What stood on the street on other days, one after another, and left."""
    for one in spots:
        go(incidents, look(incidents, one), (one.captured_ns - MONDAY_1059) / S + 60)


def test_a_place_of_another_day_that_is_nearer_takes_no_look_away_from_what_stands_there(
    incidents: IncidentStore,
) -> None:
    stall = look(incidents, at(0, DAYS))
    assert stall.opened
    with_place = at(4, DAYS - DAY_S)
    past(incidents, with_place)
    assert look(incidents, at(2.5, DAYS + 30, "cam-2")).incident_id == stall.incident_id
    assert look(incidents, at(2.2, DAYS + 40)).incident_id == stall.incident_id, "under a new track"


def test_what_stands_at_the_edge_of_an_old_place_is_found_by_where_it_stands_itself(incidents: IncidentStore) -> None:
    past(incidents, at(0, 0))
    stall = look(incidents, at(2.9, DAYS))
    assert look(incidents, at(4.5, DAYS + 30, "cam-2")).incident_id == stall.incident_id
    other = look(incidents, at(-1, DAYS + 40, "cam-3"))
    assert other.opened, "3.9 m from it, at the other side of the old place"
    assert look(incidents, at(-1.2, DAYS + 50)).incident_id == other.incident_id


def test_the_box_of_what_left_takes_no_look_away_from_a_box_that_stands(incidents: IncidentStore) -> None:
    stall = look(incidents, at(None, DAYS))
    past(incidents, at(None, DAYS - DAY_S, x_px=780.0))
    assert look(incidents, at(None, DAYS + 30, x_px=745.0)).incident_id == stall.incident_id
    assert look(incidents, at(None, DAYS + 30, "cam-2", x_px=700.0)).opened, "of another camera nothing is known"


def test_what_comes_back_opens_its_own_incident_again_and_not_that_of_a_nearer_place(incidents: IncidentStore) -> None:
    past(incidents, at(0, 0))
    stall = look(incidents, at(2.9, DAYS))
    past(incidents, at(5, DAYS - DAY_S))
    go(incidents, stall, DAYS + 60)
    assert look(incidents, at(4.5, DAYS + 600, "cam-2")).reopened
    assert incidents.show(stall.incident_id).reopenings == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(st.floats(-8, 8), max_size=8),
    between=st.lists(st.floats(3.1, 8).flatmap(lambda m: st.sampled_from([m, -m])), max_size=3),
    stands=st.floats(-3, 3),
    away=st.floats(-6, 6),
    calibrated=st.booleans(),
)
def test_no_history_of_what_ended_changes_to_which_open_incident_a_look_belongs(
    incidents: IncidentStore,
    desk_url: str,
    before: list[float],
    between: list[float],
    stands: float,
    away: float,
    calibrated: bool,
) -> None:
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute(EMPTY)

    def there(metres: float, at_s: float, camera: str = "cam-1") -> Sighting:
        return at(metres, at_s, camera) if calibrated else at(None, at_s, x_px=700.0 + 10.0 * metres)

    past(incidents, *(there(metres, day * DAY_S / 10) for day, metres in enumerate(before)))
    stall = look(incidents, there(stands, DAYS))
    assert stall.opened
    past(incidents, *(there(stands + 2.5 * metres, DAYS + 5 + k) for k, metres in enumerate(between)))
    found = look(incidents, there(stands + away, DAYS + 100, "cam-2"))
    near = abs(away) <= 2.999 if calibrated else abs(away) <= 6.999
    if near:
        assert found.incident_id == stall.incident_id
    elif calibrated and abs(away) >= 3.001:
        assert found.incident_id != stall.incident_id


def test_many_cameras_that_see_one_thing_at_one_moment_among_old_places_open_one_incident(
    incidents: IncidentStore, desk_url: str
) -> None:
    past(incidents, *(at(metres, 100.0 * k) for k, metres in enumerate((-4, -1.5, 1.4, 4))))
    found: list[str] = []

    def see(number: int) -> None:
        own = AlertDatabase(desk_url)
        store = IncidentStore(own, merge_m=3.0, merge_iou=0.3)
        found.append(look(store, at(0.45 * number, DAYS + number, f"cam-{number}")).incident_id)
        own.close()

    together(6, see)
    assert len(set(found)) == 1


def test_a_person_does_not_reopen_beside_what_stands_there_and_a_look_meanwhile_waits_for_them(
    incidents: IncidentStore, database: AlertDatabase, desk_url: str
) -> None:
    past(incidents, at(0, 0))  # the place of both, at its two sides
    left = look(incidents, at(2.9, DAYS))
    go(incidents, left, DAYS + 60)
    beside = look(incidents, at(5, DAYS + 4000))
    desk = CaseActions(database, city)
    with pytest.raises(UsageError, match=beside.incident_id):
        desk.act(left.incident_id, Wish(Act.REOPEN, text="it is there"), LEI)
    go(incidents, beside, DAYS + 4060)
    far = look(incidents, at(-2.9, DAYS + 4100))
    assert desk.act(left.incident_id, Wish(Act.REOPEN, text="it is there"), LEI).row.state == "verify"
    assert incidents.show(far.incident_id).state == "verify", "5.8 m away at the same old place"


def test_who_acts_on_a_case_and_who_looks_near_its_thing_hold_a_common_key_where_its_place_is_in_another_tile(
    incidents: IncidentStore, database: AlertDatabase
) -> None:
    edge_m = 0.001 * M_PER_DEG * cos_deg(LAT)  # of two tiles
    past(incidents, at(edge_m - 1.5, 0))
    told, there = look(incidents, at(edge_m + 1.3, DAYS)), at(edge_m + 4.2, DAYS + 3)
    with database.transaction() as conn:
        keys = place_keys(conn, [id_of(told.incident_id, "an incident")])
    assert keys & set(lock_keys("cam-2", CELL, there.point, 3.0))
