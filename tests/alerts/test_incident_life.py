"""An incident's own life on a real database: it closes itself, comes back, is rework, keeps its pictures."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import curbwatch.database as db
from alerts.actions import CaseActions
from alerts.incidents import IncidentStore
from alerts.jobs import JobStore
from alerts.lifecycle import Act, Wish
from alerts.merging import join
from alerts.sites import Quiet, hush
from alerts.store import AlertDatabase, id_of
from curbwatch.feedback import place_of
from schemas.errors import UsageError
from schemas.feedback import Ignore
from schemas.incident import EvidenceRecord, Opened, Sighting
from schemas.record import Actor, State
from schemas.units import utc
from tests.alerts.makers import MONDAY_1059, S, city, departure, picture, sighting, together

pytestmark = pytest.mark.servers

AFTER = picture("after", MONDAY_1059 + 60 * S)
DAY_S = 86_400.0


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


def say(incidents: IncidentStore, one: Sighting, shows: EvidenceRecord | None = None) -> Opened:
    return incidents.open_or_refresh(one, picture("before"), shows or picture())


def later(at_s: float, **changes: object) -> Sighting:
    """Another track at the same place, whose thing came 90 s before it is seen."""
    appeared_ns = MONDAY_1059 + int((at_s - 90) * S)
    return sighting(at_s, **({"track_id": 8, "appeared_ns": appeared_ns} | changes))


def leave(incidents: IncidentStore, at_s: float = 60.0, **changes: object) -> str | None:
    return incidents.depart(departure(at_s, after=AFTER, **changes))


def steps(incidents: IncidentStore, told: Opened) -> list[str]:
    return [event.what for event in incidents.events(told.incident_id)]


def roles(incidents: IncidentStore, told: Opened) -> list[str]:
    return [one.role for one in incidents.pictures(told.incident_id)]


def put(conn: db.Connection, told: Opened, state: State, check: str = "none") -> None:
    conn.execute(
        "update incident set state = %s, check_by = %s where incident_id = %s", (state, check, told.incident_id)
    )


def now_s() -> float:
    """The clock on the wall, as captured seconds after Monday 10:59."""
    return (time.time_ns() - MONDAY_1059) / S


def finish(incidents: IncidentStore, jobs: JobStore, told: Opened) -> str:
    """Li takes the job and says that it is dealt with."""
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert jobs.take(job.job_id, "li") is not None
    jobs.done(job.job_id, "li")
    return job.job_id


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
    told = say(incidents, sighting())
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
    assert say(incidents, still, picture("still")).reworked
    row = incidents.show(told.incident_id)
    assert (row.state, row.reworks) == ("dispatched", 1)
    job = jobs.find(job_id)
    assert (job.state, job.holder) == ("queued", "")
    last = incidents.events(told.incident_id)[-1]
    assert (last.what, last.detail["finished_by"], last.detail["reason"]) == ("rework", "li", "still_there")
    assert roles(incidents, told)[-1] == "rework"
    assert not say(incidents, still, picture("still")).reworked  # said twice
    assert incidents.show(told.incident_id).reworks == 1
    assert jobs.take(job_id, "wang") is not None


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
    incidents: IncidentStore, jobs: JobStore
) -> None:
    told = say(incidents, sighting(direct=False))
    incidents.confirm(told.incident_id, "wang")
    leave(incidents)
    say(incidents, later(600, direct=False))
    row = incidents.show(told.incident_id)
    assert (row.state, row.decided_by) == ("verify", "")
    incidents.confirm(told.incident_id, "wang")
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
    conn.execute("update incident set state = 'corrected' where incident_id = %s", (told[2].incident_id,))
    assert incidents.repeats(told[3].incident_id).spot == 2
    late = say(incidents, later(33 * DAY_S, track_id=40))
    found = incidents.repeats(late.incident_id)
    assert (found.spot, found.party, found.days) == (2, 0, 30)  # a month later only the last two are of these days


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


def test_a_grace_ends_once_with_a_job_or_with_a_person_and_never_early(
    incidents: IncidentStore, jobs: JobStore, conn: db.Connection
) -> None:
    ahead_s = now_s()
    told = [
        say(
            incidents, later(ahead_s, grace_h=2, direct=direct, track_id=index, box_px=(index * 100.0, 0.0, 50.0, 50.0))
        )
        for index, direct in enumerate((True, False))
    ]
    assert [incidents.show(one.incident_id).state for one in told] == ["grace", "grace"]
    assert jobs.of_incident(told[0].incident_id) is None
    assert incidents.end_grace() == 0
    conn.execute("update incident set grace_until = now()")
    assert [incidents.end_grace(), incidents.end_grace()] == [2, 0]
    assert [incidents.show(one.incident_id).state for one in told] == ["dispatched", "verify"]
    assert [steps(incidents, one) for one in told] == [["opened", "grace_over"]] * 2
    assert jobs.of_incident(told[0].incident_id) is not None
    assert jobs.of_incident(told[1].incident_id) is None


def test_what_is_urgent_has_no_grace_and_what_was_corrected_has_no_second_one(incidents: IncidentStore) -> None:
    urgent = say(incidents, sighting(grace_h=2, urgent=True))
    assert incidents.show(urgent.incident_id).state == "dispatched"
    told = say(incidents, sighting(grace_h=2, track_id=1, box_px=(0.0, 0.0, 50.0, 50.0)))
    assert leave(incidents, track_id=1) == told.incident_id
    assert incidents.show(told.incident_id).outcome == "corrected"
    say(incidents, later(600, grace_h=2, box_px=(0.0, 0.0, 50.0, 50.0)))
    assert incidents.show(told.incident_id).state == "dispatched"


def quiet_after_void(conn: db.Connection, database: AlertDatabase, told: Opened, quiet: Quiet) -> None:
    put(conn, told, State.VOID)
    with database.transaction() as own:
        hush(own, id_of(told.incident_id, "an incident"), quiet)


@pytest.mark.parametrize(
    ("urgent", "family", "names_urgent", "opens"),
    [
        (False, "waste", False, False),
        (False, "stall", False, True),  # of stalls nobody spoke
        (True, "waste", False, True),  # what is urgent is never muted unnamed
        (True, "waste", True, False),
    ],
)
def test_a_quiet_place_opens_nothing_of_what_was_named_until_it_ends(
    incidents: IncidentStore,
    database: AlertDatabase,
    conn: db.Connection,
    urgent: bool,
    family: str,
    names_urgent: bool,
    opens: bool,
) -> None:
    told = say(incidents, sighting())
    until = utc(MONDAY_1059 + 3600 * S)
    quiet_after_void(conn, database, told, Quiet(until, "wang", "a market", "waste", urgent=names_urgent))
    again = later(600, family=family, urgent=urgent)
    assert (incidents.refresh(again) is None) == opens
    found = say(incidents, again)
    assert (found.opened, found.quiet) == (opens, not opens)
    before = incidents.show(told.incident_id)
    assert (before.sightings, before.state) == (1, "void")
    assert conn.execute("select count(*) from sighting where quiet").fetchone() == (int(not opens),)
    assert leave(incidents, 700, track_id=8, appeared_ns=again.appeared_ns) == (found.incident_id if opens else None)
    on = replace(again, captured_ns=MONDAY_1059 + 3600 * S)  # it stands on when the quiet is over
    assert say(incidents, on).opened != opens


def test_a_quiet_place_lets_nothing_come_back_either_and_may_be_woken(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection
) -> None:
    told = say(incidents, sighting())
    leave(incidents)
    incidents.hush(told.incident_id, Quiet(utc(MONDAY_1059 + 7200 * S), "wang", "works"))
    assert say(incidents, later(600)).quiet
    assert incidents.show(told.incident_id).state == "gone"
    conn.execute("update site set quiet_until = null")
    assert say(incidents, later(660)).reopened


def test_what_comes_and_goes_quietly_neither_ends_nor_holds_what_is_open_there(incidents: IncidentStore) -> None:
    told = say(incidents, sighting(family="stall", class_code="09006"))
    incidents.hush(told.incident_id, Quiet(utc(MONDAY_1059 + 7200 * S), "wang", "works"))
    quiet = later(700)
    assert say(incidents, quiet).quiet
    assert leave(incidents, 760, track_id=8, appeared_ns=quiet.appeared_ns) is None
    assert incidents.show(told.incident_id).state == "dispatched"
    assert say(incidents, later(770, track_id=9)).quiet
    assert leave(incidents, 780) == told.incident_id


def test_the_very_thing_that_a_person_voided_stays_void_however_long_it_stands(
    incidents: IncidentStore, conn: db.Connection
) -> None:
    told = say(incidents, sighting())
    put(conn, told, State.VOID)
    found = incidents.refresh(sighting(DAY_S))
    assert found is not None
    assert (found.incident_id, incidents.show(told.incident_id).state) == (told.incident_id, "void")


@pytest.mark.parametrize("breaks", ["nothing", "urgent", "later"])
def test_what_a_person_voided_is_quiet_at_its_place_for_an_hour_also_under_a_new_track(
    incidents: IncidentStore, database: AlertDatabase, breaks: str
) -> None:
    base_s = now_s()
    told = say(incidents, later(base_s))
    wish = Wish(Act.VOID, reason="false_alarm")
    CaseActions(database, city, quiet_s=3600).act(told.incident_id, wish, Actor("wang", "dispatcher"))
    at_s = base_s + (3700 if breaks == "later" else 600)
    again = say(incidents, later(at_s, track_id=9, urgent=breaks == "urgent"))
    assert (again.opened, again.quiet) == (breaks != "nothing", breaks == "nothing")


def test_a_snooze_that_names_what_is_urgent_mutes_that_too(incidents: IncidentStore, database: AlertDatabase) -> None:
    told = say(incidents, later(now_s()))
    leave(incidents, now_s() + 60, track_id=8, appeared_ns=told.sighting.appeared_ns)
    for number, urgent in enumerate((None, True)):
        wish = Wish(Act.SNOOZE, text="市场", until=datetime.now(UTC) + timedelta(hours=2), urgent=urgent)
        CaseActions(database, city).act(told.incident_id, wish, Actor("wang", "dispatcher"))
        again = say(incidents, later(now_s() + 600, track_id=20 + number, urgent=True))
        assert again.quiet == bool(urgent)
        leave(incidents, now_s() + 660, track_id=20 + number, appeared_ns=again.sighting.appeared_ns)


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


def test_two_incidents_that_are_one_thing_become_one_with_all_that_belongs_to_them(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, conn: db.Connection
) -> None:
    one = say(incidents, sighting(point=(104.64, 30.12)))
    other = say(incidents, sighting(10, track_id=9, camera_id="cam-2", point=(104.6401, 30.12)), picture("other"))
    ids = [id_of(told.incident_id, "an incident") for told in (one, other)]
    with database.transaction() as own:
        join(own, ids[0], ids[1])
    put(conn, one, State.MERGED)
    row = incidents.show(other.incident_id)
    assert (row.sightings, len(incidents.pictures(other.incident_id))) == (2, 3)
    job = jobs.of_incident(one.incident_id)
    assert job is not None
    assert job.state == "withdrawn"
    for more in (sighting(60, point=(104.64, 30.12)), later(60, point=(104.64, 30.12))):
        found = say(incidents, more)
        assert (found.incident_id, found.opened) == (other.incident_id, False)
    left = [(60, 9, "cam-2"), (120, 7, "cam-1")]
    assert [leave(incidents, at_s, track_id=track, camera_id=camera) for at_s, track, camera in left] == [None, None]
    gone = leave(incidents, 180, track_id=8, appeared_ns=later(60).appeared_ns)
    assert gone == other.incident_id


@pytest.mark.parametrize("case", ["itself", "family", "ended", "held"])
def test_what_is_not_one_is_not_merged(
    incidents: IncidentStore, jobs: JobStore, database: AlertDatabase, case: str
) -> None:
    one = say(incidents, sighting())
    family = "stall" if case == "family" else "waste"
    other = say(incidents, sighting(track_id=9, family=family, box_px=(0.0, 0.0, 50.0, 50.0)))
    if case == "ended":
        leave(incidents, track_id=9)
    if case == "held":
        job = jobs.of_incident(one.incident_id)
        assert job is not None
        jobs.take(job.job_id, "li")
    into = one if case == "itself" else other
    words = {"itself": "name two", "family": "two things", "ended": "is gone", "held": "li is on the way"}
    with pytest.raises(UsageError, match=words[case]), database.transaction() as own:
        join(own, id_of(one.incident_id, "an incident"), id_of(into.incident_id, "an incident"))
    assert incidents.show(one.incident_id).sightings == 1


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
