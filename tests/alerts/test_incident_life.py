"""An incident's own life on a real database: it closes itself, comes back, is rework, keeps its pictures."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

import curbwatch.database as db
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.feedback import place_of
from schemas.errors import UsageError
from schemas.feedback import Ignore
from schemas.record import Actor, State
from tests.alerts.lives import AFTER, DAY_S, confirm, finish, later, leave, now_s, put, roles, say, steps
from tests.alerts.makers import MONDAY_1059, S, city, departure, picture, sighting, together

pytestmark = pytest.mark.servers


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


@pytest.mark.parametrize(
    ("state", "check", "ends"),
    [
        (State.GRACE, "none", State.CORRECTED),
        (State.VERIFY, "none", State.GONE),
        (State.FILED, "none", State.GONE),
        (State.DISPATCHED, "camera", State.GONE),
        (State.SUSPENDED, "none", State.GONE),
        (State.CHECKING, "camera", State.DONE),
    ],
)
def test_what_leaves_ends_by_its_state_with_the_picture_of_the_empty_place(
    incidents: IncidentStore, conn: db.Connection, state: State, check: str, ends: State
) -> None:
    told = say(incidents, sighting(direct=False))
    put(conn, told, state, check)
    assert leave(incidents) == told.incident_id
    assert leave(incidents) is None
    row = incidents.show(told.incident_id)
    assert (row.state, row.after_sha256, row.case_no) == (ends, AFTER.sha256, "")
    assert row.outcome == ("handled" if ends is State.DONE else ends)
    *_, last = incidents.events(told.incident_id)
    assert last.what == ends
    assert set(last.detail) >= {"at", "evidence", "digest"}
    assert last.detail["digest"] != AFTER.sha256  # salted: it can outlive the picture
    assert last.detail.get("how") == ("camera" if ends is State.DONE else None)
    assert roles(incidents, told) == ["before", "opening", "after"]


def test_a_person_s_check_is_not_passed_by_a_camera_but_they_see_that_it_left(
    incidents: IncidentStore, conn: db.Connection
) -> None:
    told = say(incidents, sighting())
    put(conn, told, State.CHECKING, "person")
    assert leave(incidents) is None
    row = incidents.show(told.incident_id)
    assert (row.state, row.after_sha256) == ("checking", AFTER.sha256)
    say(incidents, later(300))
    assert (incidents.show(told.incident_id).after_sha256, steps(incidents, told)[-1]) == (None, "back")


def test_a_crew_s_word_is_checked_at_once_by_a_camera_that_saw_it_leave_before(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    told = say(incidents, sighting(check="camera"))
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    jobs.take(job.job_id, "li")
    assert leave(incidents) is None
    jobs.done(job.job_id, "li")
    assert incidents.show(told.incident_id).state == "done"
    assert steps(incidents, told) == ["opened", "taken", "left", "finished", "done"]


def test_what_still_stands_after_a_crew_s_word_goes_to_its_crew_again_under_the_same_job(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    told = say(incidents, sighting(check="camera"))
    job_id = finish(incidents, jobs, told)
    assert incidents.refresh(sighting(now_s() + 100)) is not None  # the crew is still sweeping
    assert incidents.show(told.incident_id).state == "checking"
    still = sighting(now_s() + 400)
    assert incidents.refresh(still) is None  # its picture is wanted
    assert say(incidents, still, picture("still", still.captured_ns)).reworked
    row = incidents.show(told.incident_id)
    assert (row.state, row.reworks) == ("dispatched", 1)
    job = jobs.find(job_id)
    assert (job.state, job.holder) == ("queued", "")
    last = incidents.events(told.incident_id)[-1]
    assert (last.what, last.detail["finished_by"], last.detail["reason"]) == ("rework", "li", "still_there")
    assert roles(incidents, told)[-1] == "rework"
    assert not say(incidents, still, picture("still", still.captured_ns)).reworked  # said twice
    assert incidents.show(told.incident_id).reworks == 1
    assert jobs.take(job_id, "wang") is not None


@pytest.mark.parametrize("how", ["rework", "reopened", "confirmed"])
def test_the_unit_that_a_dispatcher_chose_keeps_the_job_when_the_thing_is_there_again(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, conn: db.Connection, how: str
) -> None:
    direct = how != "confirmed"
    told = say(incidents, sighting(check="camera", direct=direct))
    if not direct:
        confirm(database, told)
    conn.execute("update job set unit_id = 'u-2', why = 'reassigned'")
    if how == "rework":
        finish(incidents, jobs, told)
        still = sighting(now_s() + 400)
        assert say(incidents, still, picture("still", still.captured_ns)).reworked
    else:
        leave(incidents)
        assert say(incidents, later(600, direct=direct)).reopened
    if not direct:
        confirm(database, told)
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert (job.state, job.unit_id, job.why) == ("queued", "u-2", "reassigned")


def test_what_is_back_where_another_unit_is_responsible_by_now_is_chosen_for_afresh(
    incidents: IncidentStore, jobs: JobStore, conn: db.Connection
) -> None:
    told = say(incidents, sighting())
    conn.execute("update job set why = 'responsible', vehicle_id = 'car-1', distance_m = 40")
    leave(incidents)
    say(incidents, later(600, unit_id="u-2"))
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert (job.unit_id, job.why, job.vehicle_id, job.distance_m) == ("u-2", "", "", None)


def test_a_thing_that_is_back_within_half_an_hour_is_the_same_incident_and_its_job_goes_out_again(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    told = say(incidents, sighting())
    leave(incidents)
    again = later(1800)
    assert incidents.refresh(again) is None
    back = say(incidents, again, picture("back", MONDAY_1059 + 1800 * S))
    assert (back.incident_id, back.opened, back.reopened) == (told.incident_id, False, True)
    row = incidents.show(told.incident_id)
    assert (row.state, row.reopenings, row.reworks, row.closed_at, row.outcome) == ("dispatched", 1, 0, None, "")
    assert row.after_sha256 is None
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert job.state == "queued"
    last = incidents.events(told.incident_id)[-1]
    assert (last.what, last.detail["why"], last.detail["was"]) == ("reopened", "back", "gone")
    assert roles(incidents, told) == ["before", "opening", "after", "back"]
    assert say(incidents, again).reopened is False
    assert incidents.depart(departure(1900, track_id=8, appeared_ns=again.appeared_ns)) == told.incident_id


def test_what_needs_a_person_waits_for_one_again_and_is_confirmed_again(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase
) -> None:
    told = say(incidents, sighting(direct=False))
    confirm(database, told)
    leave(incidents)
    say(incidents, later(600, direct=False))
    row = incidents.show(told.incident_id)
    assert (row.state, row.decided_by) == ("verify", "")
    confirm(database, told)
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert jobs.take(job.job_id, "li") is not None


def test_back_after_it_was_dealt_with_is_rework(incidents: IncidentStore, jobs: JobStore) -> None:
    told = say(incidents, sighting())
    finish(incidents, jobs, told)
    assert say(incidents, later(600)).reopened
    row = incidents.show(told.incident_id)
    assert (row.reopenings, row.reworks, row.state) == (1, 1, "dispatched")
    assert incidents.events(told.incident_id)[-1].detail["rework"] is True


def test_a_thing_that_comes_later_is_another_incident_and_the_place_is_known_for_it(
    incidents: IncidentStore, conn: db.Connection
) -> None:
    told = [say(incidents, sighting(party="李记"))]
    leave(incidents)
    for day in (1, 2, 3):
        told.append(say(incidents, later(day * DAY_S, track_id=day + 10, party="李记")))
        assert told[-1].opened
        leave(incidents, day * DAY_S + 60, track_id=day + 10, appeared_ns=told[-1].sighting.appeared_ns)
    elsewhere = say(incidents, later(3.5 * DAY_S, party="李记", box_px=(0.0, 0.0, 50.0, 50.0), track_id=30))
    counted = [incidents.repeats(one.incident_id) for one in [*told, elsewhere]]
    assert [(one.spot, one.party) for one in counted] == [(1, 1), (2, 2), (3, 3), (4, 4), (1, 5)]
    conn.execute("update incident set state = 'void' where incident_id = %s", (told[1].incident_id,))
    conn.execute("update incident set state = 'merged' where incident_id = %s", (told[2].incident_id,))
    assert incidents.repeats(told[3].incident_id).spot == 2
    late = say(incidents, later(33 * DAY_S, track_id=40))
    found = incidents.repeats(late.incident_id)
    assert (found.spot, found.party, found.days) == (2, 0, 30)  # a month later only the last two are of these days


def test_leads_that_nobody_confirmed_are_no_cases_of_their_place(
    incidents: IncidentStore, database: AlertDatabase
) -> None:
    for day in (1, 2):
        lead = say(incidents, later(day * DAY_S, track_id=day + 10, party="李记", direct=False))
        leave(incidents, day * DAY_S + 60, track_id=day + 10, appeared_ns=lead.sighting.appeared_ns)
    case = say(incidents, later(3 * DAY_S, track_id=13, party="李记", direct=False))
    found = incidents.repeats(case.incident_id)
    assert (found.spot, found.party) == (1, 1), "itself"
    confirm(database, case)
    leave(incidents, 3 * DAY_S + 60, track_id=13, appeared_ns=case.sighting.appeared_ns)
    again = say(incidents, later(4 * DAY_S, track_id=14, party="李记", direct=False))
    found = incidents.repeats(again.incident_id)
    assert (found.spot, found.party) == (2, 2)


def test_cases_within_reach_count_whatever_old_place_they_were_counted_to(incidents: IncidentStore) -> None:
    for number, east in enumerate((0.0, 2.8, 4.4)):  # the second one is of the first one's place, the third is not
        at_s = number * DAY_S
        told = say(incidents, later(at_s, track_id=number + 10, point=(104.64 + east / 96_290, 30.12)))
        assert told.opened
        leave(incidents, at_s + 60, track_id=number + 10, appeared_ns=told.sighting.appeared_ns)
    assert incidents.repeats(told.incident_id).spot == 2


def test_what_one_camera_took_for_gone_and_another_still_sees_goes_on(incidents: IncidentStore) -> None:
    told = say(incidents, sighting(point=(104.64, 30.12)))
    other = sighting(10, camera_id="cam-2", track_id=3, point=(104.64, 30.12))
    assert say(incidents, other).incident_id == told.incident_id
    assert leave(incidents, 700) == told.incident_id  # cam-2 was silent for more than ten minutes
    late = replace(other, captured_ns=MONDAY_1059 + 650 * S)
    assert say(incidents, late).reopened is False  # word of when it stood there anyway
    assert incidents.show(told.incident_id).state == "gone"
    still = replace(other, captured_ns=MONDAY_1059 + 760 * S)
    assert say(incidents, still).reopened
    row = incidents.show(told.incident_id)
    assert (row.state, row.camera_id) == ("dispatched", "cam-2")
    assert incidents.events(told.incident_id)[-1].detail["why"] == "still_there"


def test_what_still_stands_belongs_to_the_incident_that_its_place_has_by_now(incidents: IncidentStore) -> None:
    told = say(incidents, sighting(point=(104.64, 30.12)))
    other = sighting(10, camera_id="cam-2", track_id=3, point=(104.64, 30.12))
    say(incidents, other)
    leave(incidents, 700)
    new = say(incidents, later(DAY_S, point=(104.64, 30.12)))
    assert new.opened
    found = say(incidents, replace(other, captured_ns=MONDAY_1059 + int(DAY_S + 60) * S))
    assert (found.incident_id, found.reopened) == (new.incident_id, False)
    assert incidents.show(told.incident_id).state == "gone"


def test_what_waits_for_a_person_s_check_takes_in_what_comes_there_a_day_later(
    incidents: IncidentStore, conn: db.Connection
) -> None:
    told = say(incidents, sighting())
    put(conn, told, State.CHECKING, "person")
    assert say(incidents, later(DAY_S)).incident_id == told.incident_id
    assert conn.execute("select left_at from incident").fetchone() == (None,)
    assert leave(incidents, DAY_S + 60, track_id=8, appeared_ns=later(DAY_S).appeared_ns) is None
    row = incidents.show(told.incident_id)
    assert (row.state, row.after_sha256) == ("checking", AFTER.sha256)


def test_a_surer_look_at_the_same_thing_changes_its_class_once_and_a_person_s_word_stays(
    incidents: IncidentStore, database: AlertDatabase
) -> None:
    told = say(incidents, sighting(confidence=0.8))
    incidents.refresh(sighting(60, class_code="06011", confidence=0.7))
    assert incidents.show(told.incident_id).class_code == "06010"
    for at_s, code, confidence in ((120, "06011", 0.8), (180, "06010", 0.99)):
        incidents.refresh(sighting(at_s, class_code=code, confidence=confidence))
    row = incidents.show(told.incident_id)
    assert (row.class_code, steps(incidents, told)) == ("06011", ["opened", "reclassed"])
    detail = incidents.events(told.incident_id)[-1].detail
    assert (detail["from"], detail["to"]) == ("06010", "06011")
    incidents.refresh(sighting(240, family="stall", class_code="09006", confidence=1.0))
    assert incidents.show(told.incident_id).class_code == "06011"
    other = say(incidents, sighting(track_id=1, box_px=(0.0, 0.0, 50.0, 50.0)))
    wish = Wish(Act.DOWNGRADE, reason="wrong_class", text="x", class_code="06010", urgent=True)
    CaseActions(database, city).act(other.incident_id, wish, Actor("wang", "dispatcher"))
    incidents.refresh(sighting(60, track_id=1, class_code="06011", confidence=0.99))
    assert incidents.show(other.incident_id).class_code == "06010"


def test_a_second_picture_is_wanted_after_five_minutes_from_the_same_camera_and_once(incidents: IncidentStore) -> None:
    told = say(incidents, sighting())
    early, other, due = sighting(299), sighting(320, camera_id="cam-2", track_id=1), sighting(301)
    found = incidents.refresh(early)
    assert found is not None
    assert not found.wants_picture
    found = incidents.refresh(due)
    assert found is not None
    assert found.wants_picture
    second = picture("standing", MONDAY_1059 + 301 * S)
    for _ in range(2):
        incidents.stands(found, second)
    assert roles(incidents, told) == ["before", "opening", "standing"]
    assert steps(incidents, told) == ["opened", "evidence"]
    found = incidents.refresh(sighting(400))
    assert found is not None
    assert not found.wants_picture
    assert not say(incidents, other).wants_picture
    assert incidents.off_site_missing(told.incident_id, lambda _sha: True) == ("position",)
    assert incidents.off_site_missing(told.incident_id, lambda _sha: False) == ("intact", "position")


def test_what_a_person_tells_a_camera_to_ignore_is_in_the_view_that_was_shown(
    incidents: IncidentStore, conn: db.Connection
) -> None:
    told = say(incidents, sighting(preset="east"))
    row = incidents.show(told.incident_id)
    assert (row.camera_id, row.preset, row.box_px, row.direct) == ("cam-1", "east", sighting().box_px, True)
    assert place_of(conn, told.incident_id) == ("cam-1", Ignore(sighting().box_px, 7), "east")
    conn.execute("update incident set opening_id = null")
    with pytest.raises(UsageError, match="no camera saw it"):
        place_of(conn, told.incident_id)


def test_a_crew_that_finishes_and_a_thing_that_leaves_at_one_moment_agree(
    desk_url: str, incidents: IncidentStore, jobs: JobStore
) -> None:
    for round_ in range(5):
        told = say(incidents, sighting(track_id=round_, check="camera", box_px=(round_ * 100.0, 0.0, 50.0, 50.0)))
        job = jobs.of_incident(told.incident_id)
        assert job is not None
        jobs.take(job.job_id, "li")

        def act(index: int, job_id: str = job.job_id, track_id: int = round_) -> None:
            own = AlertDatabase(desk_url)
            if index:
                JobStore(own, lease_s=60).done(job_id, "li")
            else:
                IncidentStore(own, merge_m=3.0, merge_iou=0.3).depart(departure(track_id=track_id, after=AFTER))
            own.close()

        together(2, act)
        row = incidents.show(told.incident_id)
        assert (row.state, row.after_sha256) == ("done", AFTER.sha256)
        assert row.closed_at is not None
        assert row.closed_at - row.opened_at > timedelta(0)


def test_a_case_that_a_person_reopened_counts_as_seen_then(incidents: IncidentStore, database: AlertDatabase) -> None:
    now = now_s()
    told = say(incidents, sighting(now - 7200, appeared_ns=MONDAY_1059 + int((now - 7290) * S)))
    assert leave(incidents, now - 7100, appeared_ns=told.sighting.appeared_ns) == told.incident_id
    desk = CaseActions(database, city)
    desk.act(
        told.incident_id, Wish(Act.REOPEN, text="the neighbours say that it is there"), Actor("wang", "dispatcher")
    )
    soon = say(incidents, later(now + 1700))
    assert (soon.incident_id, soon.opened) == (told.incident_id, False), "within reopen_s of the reopening"
    assert incidents.show(told.incident_id).state == "dispatched"


def test_a_case_that_a_person_reopened_and_nobody_saw_for_long_is_closed_as_of_then(
    incidents: IncidentStore, database: AlertDatabase
) -> None:
    now = now_s()
    told = say(incidents, sighting(now - 7200, appeared_ns=MONDAY_1059 + int((now - 7290) * S)))
    assert leave(incidents, now - 7100, appeared_ns=told.sighting.appeared_ns) == told.incident_id
    CaseActions(database, city).act(told.incident_id, Wish(Act.REOPEN, text="why"), Actor("wang", "dispatcher"))
    assert say(incidents, later(now + 5000)).opened
    row = incidents.show(told.incident_id)
    assert (row.state, steps(incidents, told)[-1]) == ("gone", "gone")
    assert row.closed_at is not None
    assert row.closed_at >= row.last_seen_at + timedelta(seconds=7000)
