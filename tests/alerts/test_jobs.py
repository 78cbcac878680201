"""One job, one holder: taken once, leased, given back, ended; the outbox in one order. On a real database."""

import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore, OutboxRow, Span, stream_of
from alerts.store import AlertDatabase
from schemas.errors import SinkError, UsageError
from schemas.incident import Job
from tests.alerts.makers import picture, sighting, together
from tests.fix_desk import disconnect

pytestmark = pytest.mark.servers

NOBODY = str(uuid.UUID(int=1))


@pytest.fixture
def waiting(incidents: IncidentStore, jobs: JobStore) -> list[Job]:
    """Three jobs of u-1: two normal, then an urgent one."""
    for index in range(3):
        box = (index * 100.0, 0.0, 50.0, 50.0)
        incidents.open_or_refresh(sighting(track_id=index, box_px=box, urgent=index == 2), None, picture())
    return sorted(jobs.of_unit("u-1"), key=lambda job: job.urgency)


@pytest.fixture
def job_id(waiting: list[Job]) -> str:
    return waiting[0].job_id


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


def expire(conn: db.Connection, job_id: str) -> None:
    conn.execute("update job set lease_until = now() - interval '1 second' where job_id = %s", (job_id,))


def steps(incidents: IncidentStore, job: Job) -> list[tuple[str, str]]:
    return [(event.actor, event.what) for event in incidents.events(job.incident.incident_id)]


def test_no_jobs(jobs: JobStore) -> None:
    assert jobs.of_unit("u-1") == []
    assert jobs.counts() == {}
    assert jobs.renew("li") == 0
    assert jobs.requeue_expired() == 0
    assert jobs.assign() == 0
    assert jobs.unsent() == []
    assert jobs.needed() == {}
    assert jobs.confirmed_seq([]) == {}
    assert jobs.take(NOBODY, "li") is None


def test_a_unit_sees_its_own_jobs_urgent_first_then_oldest(jobs: JobStore, waiting: list[Job]) -> None:
    assert [job.urgency for job in jobs.of_unit("u-1")] == ["urgent", "normal", "normal"]
    assert [job.job_id for job in jobs.of_unit("u-1")][1:] == [job.job_id for job in waiting[:2]]
    assert jobs.of_unit("u-2") == []
    assert len(jobs.of_unit("u-1", limit=1)) == 1


def test_of_sixteen_crews_exactly_one_gets_the_job(
    desk_url: str, jobs: JobStore, incidents: IncidentStore, waiting: list[Job]
) -> None:
    for job in waiting:
        winners: list[str] = []

        def compete(index: int, job_id: str = job.job_id, winners: list[str] = winners) -> None:
            own = AlertDatabase(desk_url)
            taken = JobStore(own, lease_s=60).take(job_id, f"crew-{index}")
            if taken is not None:
                winners.append(taken.holder)
            own.close()

        together(16, compete)
        assert len(winners) == 1
        assert jobs.find(job.job_id).holder == winners[0]
        assert steps(incidents, job) == [("detector", "opened"), (winners[0], "taken")]


def test_taking_twice_is_taking_once(jobs: JobStore, incidents: IncidentStore, waiting: list[Job]) -> None:
    first = jobs.take(waiting[0].job_id, "li")
    assert first is not None
    assert (first.state, first.holder) == ("taken", "li")
    assert first.lease_until is not None
    assert timedelta(seconds=50) < first.lease_until - datetime.now(UTC) < timedelta(seconds=70)
    assert jobs.take(waiting[0].job_id, "li") == first
    assert jobs.take(waiting[0].job_id, "li", again=False) is None
    assert jobs.take(waiting[0].job_id, "wang") is None
    assert steps(incidents, waiting[0]) == [("detector", "opened"), ("li", "taken")]


def test_a_lease_is_renewed_for_everything_a_person_holds(
    jobs: JobStore, waiting: list[Job], database: AlertDatabase
) -> None:
    taken = [jobs.take(job.job_id, "li") for job in waiting[:2]]
    jobs.take(waiting[2].job_id, "wang")
    assert JobStore(database, lease_s=3600).renew("li") == 2
    for before in taken:
        assert before is not None
        after = jobs.find(before.job_id).lease_until
        assert after is not None
        assert before.lease_until is not None
        assert after - before.lease_until > timedelta(seconds=3000)
    assert jobs.renew("nobody") == 0


def test_a_lease_that_ran_out_puts_the_job_back_once(
    jobs: JobStore, incidents: IncidentStore, waiting: list[Job], conn: db.Connection
) -> None:
    job = waiting[0]
    jobs.take(job.job_id, "li")
    assert jobs.requeue_expired() == 0
    expire(conn, job.job_id)
    assert jobs.requeue_expired() == 1
    assert jobs.requeue_expired() == 0
    found = jobs.find(job.job_id)
    assert (found.state, found.holder, found.lease_until) == ("queued", "", None)
    assert jobs.lease_lost(job.job_id)
    assert steps(incidents, job)[-1] == ("relay", "lease_expired")
    assert incidents.events(job.incident.incident_id)[-1].detail == {"job": job.job_id, "holder": "li"}
    assert jobs.assign() == 4  # three when they were made, one again


def test_many_leases_that_ran_out_are_taken_back_some_at_a_time_the_oldest_first(
    jobs: JobStore, waiting: list[Job], conn: db.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.jobs.expired.TAKEN_BACK_MAX", 1)
    for job in waiting[:2]:
        jobs.take(job.job_id, "li")
        expire(conn, job.job_id)
    conn.execute("update job set lease_until = lease_until - interval '1 h' where job_id = %s", (waiting[1].job_id,))
    assert jobs.requeue_expired() == 1
    assert [jobs.find(job.job_id).state for job in waiting[:2]] == ["taken", "queued"]
    assert [jobs.requeue_expired(), jobs.requeue_expired()] == [1, 0]


def test_the_holder_of_a_lease_that_ran_out_keeps_the_job_until_somebody_has_it(
    jobs: JobStore, job_id: str, conn: db.Connection
) -> None:
    jobs.take(job_id, "li")
    expire(conn, job_id)
    assert jobs.renew("li") == 1
    expire(conn, job_id)
    assert jobs.done(job_id, "li").state == "done"


def test_a_job_whose_lease_ran_out_is_taken_over_though_the_relay_is_away(
    jobs: JobStore, incidents: IncidentStore, waiting: list[Job], conn: db.Connection
) -> None:
    job = waiting[0]
    jobs.take(job.job_id, "li")
    expire(conn, job.job_id)
    taken = jobs.take(job.job_id, "wang")
    assert taken is not None
    assert taken.holder == "wang"
    assert jobs.requeue_expired() == 0
    assert steps(incidents, job)[-2:] == [("wang", "lease_expired"), ("wang", "taken")]
    with pytest.raises(UsageError, match="not held by li"):
        jobs.done(job.job_id, "li")
    with pytest.raises(UsageError, match="not held by li"):
        jobs.reject(job.job_id, "li", "late")


def test_the_same_key_of_a_finished_job_with_another_note_is_refused(jobs: JobStore, job_id: str) -> None:
    jobs.take(job_id, "li")
    done = jobs.done(job_id, "li", "swept", "k-1")
    assert jobs.done(job_id, "li", "swept ", "k-1") == done
    with pytest.raises(UsageError, match="--key k-1: was used for done of this case with other content"):
        jobs.done(job_id, "li", "not swept", "k-1")


def test_done_ends_job_and_incident_and_may_be_said_twice(
    jobs: JobStore, incidents: IncidentStore, waiting: list[Job]
) -> None:
    job = waiting[0]
    jobs.take(job.job_id, "li")
    done = jobs.done(job.job_id, "li", "swept")
    assert (done.state, done.incident.state) == ("done", "done")
    assert done.incident.closed_at is not None
    assert jobs.done(job.job_id, "li", "swept") == done
    assert incidents.events(job.incident.incident_id)[-2].detail == {"job": job.job_id, "note": "swept"}
    assert [what for _, what in steps(incidents, job)] == ["opened", "taken", "finished", "done"]
    with pytest.raises(UsageError, match="not held by wang"):
        jobs.done(job.job_id, "wang")
    assert jobs.take(job.job_id, "wang") is None
    assert jobs.take(job.job_id, "li") is None


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_rejection_needs_a_reason(jobs: JobStore, job_id: str, reason: str) -> None:
    jobs.take(job_id, "li")
    with pytest.raises(UsageError, match="needs a reason"):
        jobs.reject(job_id, "li", reason)
    assert jobs.find(job_id).holder == "li"


def test_a_rejected_job_goes_back_under_its_own_id(
    jobs: JobStore, incidents: IncidentStore, waiting: list[Job]
) -> None:
    job = waiting[0]
    jobs.assign()
    jobs.take(job.job_id, "li")
    back = jobs.reject(job.job_id, "li", "车坏了")
    assert (back.job_id, back.state, back.holder) == (job.job_id, "queued", "")
    assert incidents.events(job.incident.incident_id)[-1].detail == {"job": job.job_id, "reason": "车坏了"}
    assert jobs.assign() == 1
    assert [row.job_id for row in jobs.unsent()].count(job.job_id) == 2
    assert not jobs.lease_lost(job.job_id)
    taken = jobs.take(job.job_id, "wang")
    assert taken is not None
    with pytest.raises(UsageError, match="not held by li"):
        jobs.reject(job.job_id, "li", "again")


@pytest.mark.parametrize("name", ["", "7", "not-a-job", "'; drop table job"])
def test_what_is_no_job_id_is_refused_by_name(jobs: JobStore, name: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: jobs.take(name, "li"),
        lambda: jobs.done(name, "li"),
        lambda: jobs.reject(name, "li", "why"),
        lambda: jobs.find(name),
    ]
    for act in acts:
        with pytest.raises(UsageError, match="is not the id of a job"):
            act()


def test_an_unknown_job_is_one_clean_line(jobs: JobStore) -> None:
    with pytest.raises(UsageError, match=f"no job {NOBODY}: see"):
        jobs.find(NOBODY)
    with pytest.raises(UsageError, match=f"no job {NOBODY}"):
        jobs.done(NOBODY, "li")
    with pytest.raises(UsageError, match="is not held by li"):
        jobs.reject(NOBODY, "li", "why")


def test_a_job_is_sent_again_to_its_holder_until_it_was_shown(jobs: JobStore, waiting: list[Job], job_id: str) -> None:
    taken = jobs.take(job_id, "li")
    assert jobs.unshown("u-1", "li", older_s=60) == []
    assert jobs.unshown("u-1", "li", older_s=0) == [taken]
    assert jobs.unshown("u-1", "wang", older_s=0) == []
    assert jobs.unshown("u-2", "li", older_s=0) == []
    jobs.shown(job_id, "wang")
    assert jobs.unshown("u-1", "li", older_s=0) == [taken]
    jobs.shown(job_id, "li")
    assert jobs.unshown("u-1", "li", older_s=0) == []
    jobs.reject(job_id, "li", "why")
    again = jobs.take(job_id, "li")
    assert jobs.unshown("u-1", "li", older_s=0) == [again]


def test_a_terminal_follows_jobs_to_their_end(jobs: JobStore, waiting: list[Job]) -> None:
    known = [job.job_id for job in waiting]
    jobs.take(known[0], "li")
    jobs.done(known[0], "li")
    assert [job.state for job in jobs.follow("u-1", [])] == ["queued", "queued"]
    followed = jobs.follow("u-1", known)
    assert [job.state for job in followed] == ["queued", "queued", "done"]
    assert {job.job_id for job in followed} == set(known)


def test_places_are_given_in_the_order_in_which_jobs_were_made(jobs: JobStore, waiting: list[Job]) -> None:
    assert jobs.unsent() == []
    assert jobs.assign() == 3
    rows = jobs.unsent()
    assert [row.relay_seq for row in rows] == [1, 2, 3]
    assert rows[2] == OutboxRow(3, waiting[2].job_id, "dispatch:u-1:urgent")
    jobs.sent([1])
    assert [row.relay_seq for row in jobs.unsent()] == [2, 3]
    assert jobs.confirmed_seq({"dispatch:u-1:normal", "dispatch:u-1:urgent"}) == {"dispatch:u-1:normal": 1}
    assert jobs.needed() == {"dispatch:u-1:normal": Span(1, 1)}


def test_what_ended_need_not_be_held_any_more(jobs: JobStore, waiting: list[Job]) -> None:
    jobs.assign()
    for row in jobs.unsent():
        jobs.sent([row.relay_seq])
    assert jobs.needed() == {stream_of("u-1", "normal"): Span(1, 2), stream_of("u-1", "urgent"): Span(3, 3)}
    for job in (waiting[0], waiting[2]):
        jobs.take(job.job_id, "li")
        jobs.done(job.job_id, "li")
    assert jobs.needed() == {stream_of("u-1", "normal"): Span(2, 2)}


def test_a_transaction_that_commits_late_is_not_skipped(
    desk_url: str, jobs: JobStore, waiting: list[Job], conn: db.Connection
) -> None:
    jobs.assign()
    with db.connect(desk_url) as late:
        late.execute("insert into outbox (job_id) values (%s)", (waiting[0].job_id,))
        conn.execute("insert into outbox (job_id) values (%s)", (waiting[1].job_id,))
        assert jobs.assign() == 1
        late.commit()
    assert jobs.assign() == 1
    assert [(row.relay_seq, row.job_id) for row in jobs.unsent()][3:] == [
        (4, waiting[1].job_id),
        (5, waiting[0].job_id),
    ]


def test_two_relays_at_one_moment_give_each_row_one_place(
    desk_url: str, jobs: JobStore, conn: db.Connection, job_id: str
) -> None:
    jobs.assign()
    for _ in range(40):
        conn.execute("insert into outbox (job_id) values (%s)", (job_id,))
    given: list[int] = []

    def assign(_index: int) -> None:
        own = AlertDatabase(desk_url)
        given.append(JobStore(own, lease_s=60).assign())
        own.close()

    together(6, assign)
    assert sum(given) == 40
    assert [row.relay_seq for row in jobs.unsent()] == list(range(1, 44))


def test_one_relay_at_a_time_and_another_after_its_connection_ended(desk_url: str, jobs: JobStore) -> None:
    assert jobs.become_relay()
    assert jobs.become_relay()
    other_database = AlertDatabase(desk_url)
    other = JobStore(other_database, lease_s=60)
    assert not other.become_relay()
    disconnect(desk_url)
    retried = threading.Event()

    def lead(store: JobStore) -> bool:
        for _ in range(50):
            try:
                return store.become_relay()
            except SinkError:  # the first use of a lost connection
                retried.wait(0.02)
        return False

    assert lead(other)
    assert not lead(jobs)
    other_database.close()
    assert any(jobs.become_relay() or retried.wait(0.02) for _ in range(200))


def test_an_epoch_begins_with_every_unfinished_job(jobs: JobStore, waiting: list[Job]) -> None:
    assert jobs.epoch() == ""
    jobs.assign()
    for row in jobs.unsent()[:2]:
        jobs.sent([row.relay_seq])
    jobs.take(waiting[0].job_id, "li")
    jobs.done(waiting[0].job_id, "li")
    jobs.take(waiting[1].job_id, "li")
    epoch = jobs.new_epoch()
    assert jobs.epoch() == epoch
    assert jobs.new_epoch() != epoch
    assert jobs.assign() == 2
    rows = jobs.unsent()
    assert {row.job_id for row in rows} == {waiting[1].job_id, waiting[2].job_id}
    assert [row.relay_seq for row in rows] == [4, 5]
    assert jobs.confirmed_seq({row.stream for row in rows}) == {}
    assert jobs.find(waiting[1].job_id).holder == "li"


def test_counts_are_by_state(jobs: JobStore, waiting: list[Job]) -> None:
    jobs.take(waiting[0].job_id, "li")
    assert jobs.counts() == {"queued": 2, "taken": 1}
