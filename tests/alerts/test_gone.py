"""What becomes of an incident and its job when its thing has left, seen or unseen, a crew on its way or not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import curbwatch.database as db
from alerts.incidents.effects import STANDS_S, unseen
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.errors import UsageError
from schemas.incident import Opened, Sighting
from tests.alerts.makers import MONDAY_1059, S, departure, picture, sighting, together

pytestmark = pytest.mark.servers

DAY_S = 86_400.0
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def later(at_s: float, **changes: object) -> Sighting:
    """Another thing at the same place, that came 90 s before it is seen."""
    appeared_ns = MONDAY_1059 + int((at_s - 90) * S)
    return sighting(at_s, **({"track_id": 8, "appeared_ns": appeared_ns} | changes))


def say(incidents: IncidentStore, one: Sighting) -> Opened:
    return incidents.open_or_refresh(one, None, picture())


def steps(incidents: IncidentStore, told: Opened) -> list[tuple[str, str]]:
    return [(event.actor, event.what) for event in incidents.events(told.incident_id)]


def states(incidents: IncidentStore, jobs: JobStore, told: Opened) -> tuple[str, str]:
    job = jobs.of_incident(told.incident_id)
    return incidents.show(told.incident_id).state, "" if job is None else job.state


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


@pytest.fixture
def told(incidents: IncidentStore) -> Opened:
    """An incident whose job is queued."""
    return say(incidents, sighting())


@pytest.fixture
def taken(jobs: JobStore, told: Opened) -> str:
    """Its job, which li has taken."""
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert jobs.take(job.job_id, "li") is not None
    return job.job_id


def expire(conn: db.Connection, job_id: str) -> None:
    conn.execute("update job set lease_until = now() - interval '1 second' where job_id = %s", (job_id,))


@given(st.floats(-1e6, 1e6))
def test_a_thing_counts_as_there_for_ten_minutes_after_it_was_last_seen(after_s: float) -> None:
    assert unseen(NOON, NOON + timedelta(seconds=after_s)) == (timedelta(seconds=after_s) > timedelta(minutes=10))


def test_a_departure_that_was_never_told_does_not_swallow_the_next_thing(
    incidents: IncidentStore, jobs: JobStore, told: Opened
) -> None:
    incidents.refresh(sighting(30))
    second = say(incidents, later(DAY_S))
    assert second.opened
    assert states(incidents, jobs, told) == ("gone", "withdrawn")
    assert states(incidents, jobs, second) == ("dispatched", "queued")
    first = incidents.show(told.incident_id)
    assert first.closed_at == first.last_seen_at == first.opened_at + timedelta(seconds=30)
    assert steps(incidents, told) == [("detector", "opened"), ("detector", "gone")]
    assert incidents.events(told.incident_id)[-1].detail["why"] == "unseen"
    assert incidents.depart(departure(DAY_S + 60)) is None
    assert not say(incidents, later(DAY_S + 60)).opened


def test_what_waits_for_a_person_and_was_not_seen_for_long_gives_way(incidents: IncidentStore) -> None:
    first = say(incidents, sighting(direct=False))
    second = say(incidents, later(DAY_S, direct=False))
    assert second.opened
    assert [incidents.show(one.incident_id).state for one in (first, second)] == ["gone", "verify"]


def test_a_crew_on_its_way_keeps_its_job_and_finds_the_next_thing(
    incidents: IncidentStore, jobs: JobStore, told: Opened, taken: str
) -> None:
    second = say(incidents, later(DAY_S))
    assert (second.opened, second.incident_id) == (False, told.incident_id)
    assert states(incidents, jobs, told) == ("handling", "taken")
    assert jobs.reject(taken, "li", "why").state == "queued"


@pytest.mark.parametrize("family", ["waste", "stall"])
def test_another_family_closes_nothing(incidents: IncidentStore, jobs: JobStore, told: Opened, family: str) -> None:
    say(incidents, later(DAY_S, family=family))
    assert states(incidents, jobs, told)[0] == ("gone" if family == "waste" else "dispatched")


def test_a_thing_that_came_within_ten_minutes_belongs_to_the_open_incident(
    incidents: IncidentStore, told: Opened
) -> None:
    second = say(incidents, later(STANDS_S + 90))
    assert (second.opened, second.incident_id) == (False, told.incident_id)


def test_a_thing_that_stands_on_is_one_incident_however_long_its_camera_was_silent(
    incidents: IncidentStore, told: Opened
) -> None:
    again = say(incidents, sighting(DAY_S))
    assert (again.opened, again.incident_id) == (False, told.incident_id)
    assert incidents.show(told.incident_id).state == "dispatched"


def test_a_late_word_of_an_earlier_time_closes_nothing(incidents: IncidentStore) -> None:
    new = say(incidents, later(DAY_S))
    assert say(incidents, sighting()).incident_id == new.incident_id
    assert incidents.show(new.incident_id).state == "dispatched"


def test_a_crew_that_gives_back_the_job_of_a_thing_that_left_sends_nobody_else(
    incidents: IncidentStore, jobs: JobStore, told: Opened, taken: str
) -> None:
    jobs.assign()
    incidents.depart(departure())
    back = jobs.reject(taken, "li", "nothing here")
    assert (back.state, back.holder, back.incident.state) == ("withdrawn", "", "gone")
    assert back.incident.closed_at == back.incident.opened_at + timedelta(seconds=60)
    assert steps(incidents, told)[1:] == [
        ("li", "taken"),
        ("detector", "left"),
        ("li", "rejected"),
        ("detector", "gone"),
    ]
    assert jobs.assign() == 0
    assert jobs.take(taken, "wang") is None
    with pytest.raises(UsageError, match="is not held by li"):
        jobs.reject(taken, "li", "again")


def test_a_lease_that_runs_out_where_nothing_stands_sends_nobody_else(
    incidents: IncidentStore, jobs: JobStore, conn: db.Connection, told: Opened, taken: str
) -> None:
    jobs.assign()
    incidents.depart(departure())
    expire(conn, taken)
    assert jobs.take(taken, "wang") is None  # the relay has not noticed yet
    assert jobs.take(taken, "li") is not None  # it is theirs until it is withdrawn
    assert jobs.requeue_expired() == 1
    assert states(incidents, jobs, told) == ("gone", "withdrawn")
    assert jobs.lease_lost(taken)
    assert steps(incidents, told)[-2:] == [("relay", "lease_expired"), ("detector", "gone")]
    assert jobs.assign() == 0


def test_another_thing_that_comes_meanwhile_keeps_the_job(
    incidents: IncidentStore, jobs: JobStore, told: Opened, taken: str
) -> None:
    incidents.depart(departure())
    assert say(incidents, later(300)).incident_id == told.incident_id
    assert steps(incidents, told)[-2:] == [("detector", "left"), ("detector", "back")]
    assert incidents.depart(departure()) is None  # said twice
    assert jobs.reject(taken, "li", "why").state == "queued"
    assert incidents.depart(departure(400, track_id=8, appeared_ns=MONDAY_1059 + 210 * S)) == told.incident_id
    assert states(incidents, jobs, told) == ("gone", "withdrawn")


def test_a_look_from_before_it_left_does_not_bring_it_back(
    incidents: IncidentStore, jobs: JobStore, told: Opened, taken: str
) -> None:
    incidents.depart(departure())
    incidents.refresh(sighting(30))
    assert "back" not in [what for _, what in steps(incidents, told)]
    assert jobs.reject(taken, "li", "why").state == "withdrawn"


def test_while_another_camera_still_sees_it_a_job_given_back_is_queued(
    incidents: IncidentStore, jobs: JobStore, told: Opened, taken: str
) -> None:
    say(incidents, sighting(10, track_id=8))
    incidents.depart(departure())
    assert jobs.reject(taken, "li", "why").state == "queued"


def test_a_departure_under_an_old_number_closes_no_incident_of_before(incidents: IncidentStore, told: Opened) -> None:
    # The detector forgot everything, counted from one again, and its new track 7 was never an alert.
    assert incidents.depart(departure(DAY_S + 60, appeared_ns=MONDAY_1059 + int(DAY_S * S))) is None
    assert incidents.show(told.incident_id).state == "dispatched"


def test_a_late_departure_does_not_take_a_new_thing_of_its_number_along(incidents: IncidentStore, told: Opened) -> None:
    new = say(incidents, later(300, track_id=7))
    assert new.incident_id == told.incident_id
    assert incidents.depart(departure()) is None
    assert incidents.show(told.incident_id).state == "dispatched"


def test_whoever_ends_a_job_at_one_moment_they_agree_and_nobody_waits_for_ever(
    desk_url: str, incidents: IncidentStore, jobs: JobStore, conn: db.Connection
) -> None:
    for round_ in range(10):
        told = say(incidents, sighting(track_id=round_, box_px=(round_ * 100.0, 0.0, 50.0, 50.0)))
        job = jobs.of_incident(told.incident_id)
        assert job is not None
        jobs.take(job.job_id, "li")
        expire(conn, job.job_id)

        def act(index: int, job_id: str = job.job_id, track_id: int = round_) -> None:
            own = AlertDatabase(desk_url)
            if index == 0:
                IncidentStore(own, merge_m=3.0, merge_iou=0.3).depart(departure(track_id=track_id))
            elif index == 1:
                JobStore(own, lease_s=60).requeue_expired()
            else:
                JobStore(own, lease_s=60).take(job_id, "wang")
            own.close()

        together(3, act)
        jobs.requeue_expired()
        assert states(incidents, jobs, told) in {("gone", "withdrawn"), ("handling", "taken")}
        assert jobs.find(job.job_id).holder in {"", "wang"}
