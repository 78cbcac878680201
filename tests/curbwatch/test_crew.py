"""A crew's terminal without its screen, on real servers."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

import curbwatch.database as db
from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.crew import Change, Crew, Watch, changes
from schemas.errors import SinkError
from schemas.meter import NullMeter
from tests.alerts.makers import departure, picture, sighting, together
from tests.alerts.test_messages import JOB
from tests.fix_desk import disconnect

LONG_S = 3600.0  # nothing is stuck yet


def test_nothing_known_and_nothing_there() -> None:
    assert changes({}, []) == []


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, ("queued", ""), "queued"),
        (None, ("taken", "li"), "taken"),
        (("queued", ""), ("queued", ""), None),
        (("queued", ""), ("taken", "li"), "taken"),
        (("taken", "li"), ("taken", "li"), None),
        (("taken", "li"), ("taken", "wang"), "taken"),
        (("taken", "li"), ("queued", ""), "returned"),
        (("taken", "li"), ("done", "li"), "done"),
        (("queued", ""), ("withdrawn", ""), "withdrawn"),
    ],
)
def test_each_change_of_a_job_is_news_once(
    before: tuple[str, str] | None, after: tuple[str, str], event: str | None
) -> None:
    known = {} if before is None else {JOB.job_id: replace(JOB, state=before[0], holder=before[1])}
    now = replace(JOB, state=after[0], holder=after[1])
    assert changes(known, [now]) == ([] if event is None else [Change(event, now)])
    assert changes({JOB.job_id: now}, [now]) == []


@pytest.fixture
def relay(jobs: JobStore, queue: JobQueue) -> Relay:
    return Relay(jobs, queue, NullMeter())


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as found:
        yield found


@pytest.fixture
def made(incidents: IncidentStore, jobs: JobStore) -> list[str]:
    """Ids of two normal jobs and an urgent one of u-1."""
    for index in range(3):
        box = (index * 100.0, 0.0, 50.0, 50.0)
        incidents.open_or_refresh(sighting(track_id=index, box_px=box, urgent=index == 2), None, picture())
    return [job.job_id for job in sorted(jobs.of_unit("u-1"), key=lambda job: job.urgency)]


def crew(jobs: JobStore, queue: JobQueue, person: str = "li", resend_s: float = LONG_S) -> Crew:
    return Crew(jobs, queue, "u-1", person, resend_s=resend_s)


def taken(one: Crew) -> list[str]:
    """Everything that is to be had, in order; each is shown."""
    found = []
    while (had := one.take_next()) is not None:
        one.shown(had.job)
        found.append(had.job.job_id)
    return found


def test_nothing_waits(jobs: JobStore, queue: JobQueue) -> None:
    assert crew(jobs, queue).take_next() is None


def test_urgent_first_then_in_order_and_each_once(
    jobs: JobStore, queue: JobQueue, relay: Relay, made: list[str], client: redis.Redis
) -> None:
    relay.once()
    assert taken(crew(jobs, queue)) == [made[2], made[0], made[1]]
    assert {job.holder for job in jobs.of_unit("u-1")} == {"li"}
    for stream in ("dispatch:u-1:urgent", "dispatch:u-1:normal"):
        assert client.xpending(stream, "crew")["pending"] == 0


def test_terminals_that_compete_share_out_the_jobs(
    desk_url: str, redis_url: str, jobs: JobStore, relay: Relay, made: list[str]
) -> None:
    relay.once()
    got: list[str] = []

    def compete(index: int) -> None:
        database, own = AlertDatabase(desk_url), JobQueue(redis_url)
        got.extend(taken(crew(JobStore(database, lease_s=60), own, f"crew-{index}")))
        database.close()
        own.close()

    together(6, compete)
    assert sorted(got) == sorted(made)


def test_an_entry_whose_job_ended_or_has_an_owner_is_settled_and_passed_over(
    jobs: JobStore, incidents: IncidentStore, queue: JobQueue, relay: Relay, made: list[str], client: redis.Redis
) -> None:
    relay.once()
    jobs.take(made[2], "wang")
    incidents.depart(departure(track_id=0))
    assert taken(crew(jobs, queue)) == [made[1]]
    assert client.xpending("dispatch:u-1:normal", "crew")["pending"] == 0


def test_an_entry_that_names_no_job_is_settled_and_passed_over(
    jobs: JobStore, queue: JobQueue, relay: Relay, made: list[str], client: redis.Redis
) -> None:
    relay.once()
    client.xadd("dispatch:u-1:urgent", {"hello": "?"}, id="1000-0")
    assert taken(crew(jobs, queue)) == [made[2], made[0], made[1]]


def test_after_a_flush_the_holder_is_not_given_the_same_job_as_a_new_one(
    jobs: JobStore, queue: JobQueue, relay: Relay, made: list[str], client: redis.Redis
) -> None:
    relay.once()
    li = crew(jobs, queue)
    first = li.take_next()
    assert first is not None
    li.shown(first.job)
    client.flushall()
    for _ in range(2):
        relay.once()
    assert client.xlen("dispatch:u-1:urgent") == 1
    assert taken(li) == [made[0], made[1]]
    assert taken(crew(jobs, queue, "wang")) == []


def test_a_job_that_was_taken_and_never_shown_is_given_again_to_its_holder_only(
    jobs: JobStore, queue: JobQueue, relay: Relay, made: list[str]
) -> None:
    relay.once()
    first = crew(jobs, queue).take_next()
    assert first is not None
    assert not first.again
    assert crew(jobs, queue, "wang", resend_s=0).take_next() != first
    again = crew(jobs, queue, resend_s=0).take_next()
    assert again is not None
    assert (again.again, again.job) == (True, first.job)


def test_a_queue_that_is_away_does_not_keep_a_crew_idle(jobs: JobStore, made: list[str]) -> None:
    away = JobQueue("redis://127.0.0.1:1/0")
    assert taken(crew(jobs, away)) == [made[2], made[0], made[1]]
    away.close()


def test_a_job_that_got_stuck_on_its_way_is_given_from_the_database(
    jobs: JobStore, queue: JobQueue, made: list[str]
) -> None:
    assert taken(crew(jobs, queue)) == []  # the relay has not come by yet
    assert taken(crew(jobs, queue, resend_s=0)) == [made[2], made[0], made[1]]


class UnsettledQueue(JobQueue):
    """A server that dies between the draw and the settling."""

    def settle(self, stream: str, entry_id: str) -> None:
        raise SinkError("queue: gone", retryable=True)


def test_a_job_is_had_though_its_entry_could_not_be_settled(
    jobs: JobStore, redis_url: str, relay: Relay, made: list[str]
) -> None:
    relay.once()
    unsettled = UnsettledQueue(redis_url)
    had = crew(jobs, unsettled).take_next()
    assert had is not None
    assert had.job.job_id == made[2]
    unsettled.close()


def test_a_database_that_is_away_leaves_the_entry_for_the_next_terminal(
    jobs: JobStore, queue: JobQueue, relay: Relay, made: list[str]
) -> None:
    relay.once()
    lost = JobStore(AlertDatabase("postgresql://127.0.0.1:1/none"), lease_s=60)
    with pytest.raises(SinkError, match="database"):
        crew(lost, queue).take_next()
    assert taken(crew(jobs, queue, "wang")) == [made[2], made[0], made[1]]


def test_a_watch_tells_every_job_once_and_what_becomes_of_it(
    jobs: JobStore, incidents: IncidentStore, made: list[str]
) -> None:
    watch = Watch(jobs, "u-1", "", monotonic_s=lambda: 0.0)
    assert [(change.event, change.job.job_id) for change in watch.look()] == [
        ("queued", made[2]),
        ("queued", made[0]),
        ("queued", made[1]),
    ]
    assert watch.look() == []
    jobs.take(made[0], "li")
    incidents.depart(departure(track_id=1))
    assert {(change.event, change.job.job_id) for change in watch.look()} == {
        ("taken", made[0]),
        ("withdrawn", made[1]),
    }
    jobs.reject(made[0], "li", "why")
    assert [(change.event, change.job.job_id) for change in watch.look()] == [("returned", made[0])]
    jobs.take(made[0], "li")
    jobs.done(made[0], "li")
    assert [(change.event, change.job.job_id) for change in watch.look()] == [("done", made[0])]
    assert watch.look() == []


def lease(jobs: JobStore, job_id: str) -> float:
    until = jobs.find(job_id).lease_until
    assert until is not None
    return until.timestamp()


def test_a_watch_renews_its_persons_leases_and_nobody_elses(jobs: JobStore, made: list[str]) -> None:
    clock = [0.0]
    jobs.take(made[0], "li")
    jobs.take(made[1], "wang")
    watch = Watch(jobs, "u-1", "li", monotonic_s=lambda: clock[0])
    mine, other = lease(jobs, made[0]), lease(jobs, made[1])
    watch.look()
    first = lease(jobs, made[0])
    assert first > mine
    clock[0] = jobs.lease_s / 3 - 1
    watch.look()
    assert lease(jobs, made[0]) == first
    clock[0] = jobs.lease_s / 3
    watch.look()
    assert lease(jobs, made[0]) > first
    assert lease(jobs, made[1]) == other


@pytest.mark.parametrize("successor", ["", "wang"])
def test_a_person_whose_lease_ran_out_is_told(jobs: JobStore, made: list[str], desk_url: str, successor: str) -> None:
    watch = Watch(jobs, "u-1", "li", monotonic_s=lambda: 0.0)
    jobs.take(made[0], "li")
    watch.look()
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute("update job set lease_until = now() - interval '1 second' where holder = 'li'")
    if successor:
        jobs.take(made[0], successor)
    else:
        jobs.requeue_expired()
    told = [(change.event, change.job.job_id) for change in watch.look()]
    assert told == [("lost", made[0]), ("taken" if successor else "returned", made[0])]


def test_a_person_who_gave_a_job_back_did_not_lose_it(jobs: JobStore, made: list[str]) -> None:
    watch = Watch(jobs, "u-1", "li", monotonic_s=lambda: 0.0)
    jobs.take(made[0], "li")
    watch.look()
    jobs.reject(made[0], "li", "why")
    jobs.take(made[0], "wang")
    assert [change.event for change in watch.look()] == ["taken"]


def test_a_watch_looks_again_after_the_database_was_away(jobs: JobStore, made: list[str], desk_url: str) -> None:
    watch = Watch(jobs, "u-1", "li", monotonic_s=lambda: 0.0)
    watch.look()
    disconnect(desk_url)
    with pytest.raises(SinkError):
        watch.look()
    jobs.take(made[0], "wang")
    assert [change.event for change in watch.look()] == ["taken"]
