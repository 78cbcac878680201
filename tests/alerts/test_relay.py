"""From outbox to stream on real servers: in order, once, whatever dies in between."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, TypeVar

import pytest
import redis

import curbwatch.database as db
from alerts.dispatch import JobQueue, Sent
from alerts.incidents.store import IncidentStore
from alerts.jobs.relay import TEND_S, Relay
from alerts.jobs.store import JobStore, OutboxRow
from alerts.store import AlertDatabase
from curbwatch.parts import Servers
from curbwatch.telemetry import Telemetry
from schemas.errors import SinkError
from schemas.meter import NullMeter
from tests.alerts.makers import picture, sighting
from tests.fix_desk import disconnect
from tests.fix_servers import own_database

pytestmark = pytest.mark.servers

NORMAL = "dispatch:u-1:normal"
T = TypeVar("T")


@dataclass
class Desk:
    """Everything a relay touches, its clock in hand."""

    incidents: IncidentStore
    jobs: JobStore
    queue: JobQueue
    client: Any  # the server as somebody else sees it
    meter: Telemetry = field(default_factory=Telemetry)
    sent: list[OutboxRow] = field(default_factory=list)
    now_s: float = 0.0
    tracks: int = 0

    def relay(self, queue: JobQueue | None = None) -> Relay:
        return Relay(self.jobs, queue or self.queue, self.meter, self.sent.append, monotonic_s=lambda: self.now_s)

    def open(self, count: int = 1, **changes: Any) -> list[str]:  # noqa: ANN401
        """Open incidents of their own; their job ids."""
        made = []
        for _ in range(count):
            self.tracks += 1
            one = sighting(track_id=self.tracks, box_px=(self.tracks * 100.0, 0.0, 50.0, 50.0), **changes)
            told = self.incidents.open_or_refresh(one, None, picture())
            job = self.jobs.of_incident(told.incident_id)
            assert job is not None
            made.append(job.job_id)
        return made

    def entries(self, stream: str = NORMAL) -> list[tuple[str, str]]:
        return [(entry_id.decode(), fields[b"job"].decode()) for entry_id, fields in self.client.xrange(stream)]


@pytest.fixture
def desk(incidents: IncidentStore, jobs: JobStore, queue: JobQueue, redis_url: str) -> Desk:
    return Desk(incidents, jobs, queue, redis.Redis.from_url(redis_url))


def test_nothing_to_relay(desk: Desk) -> None:
    assert desk.relay().once() == 0
    assert desk.queue.epoch() == desk.jobs.epoch() != ""
    assert desk.sent == []


def test_jobs_reach_their_streams_in_the_order_in_which_they_were_made(desk: Desk) -> None:
    made = desk.open(3)
    (hasty,) = desk.open(urgent=True)
    (other,) = desk.open(unit_id="u-2")
    relay = desk.relay()
    assert relay.once() == 5
    assert relay.once() == 0
    assert desk.entries() == [("1-0", made[0]), ("2-0", made[1]), ("3-0", made[2])]
    assert desk.entries("dispatch:u-1:urgent") == [("4-0", hasty)]
    assert desk.entries("dispatch:u-2:normal") == [("5-0", other)]
    assert [row.relay_seq for row in desk.sent] == [1, 2, 3, 4, 5]
    assert desk.meter.total("jobs_queued") == 5


class DyingJobs(JobStore):
    """A process that dies between the entries and the note that they are there."""

    def sent(self, relay_seqs: Collection[int]) -> None:
        raise SinkError(f"killed before {relay_seqs} were noted", retryable=True)


def test_a_relay_that_died_after_the_entry_sends_no_second_one(desk: Desk, database: AlertDatabase) -> None:
    made = desk.open(2)
    dying = Relay(DyingJobs(database, lease_s=60), desk.queue, desk.meter, desk.sent.append)
    with pytest.raises(SinkError, match=r"killed before \[1, 2\]"):
        dying.once()
    sent = [("1-0", made[0]), ("2-0", made[1])]
    assert desk.entries() == sent
    (late,) = desk.open()
    assert desk.relay().once() == 3
    assert desk.entries() == [*sent, ("3-0", late)]
    assert desk.jobs.unsent() == []


class DyingQueue(JobQueue):
    """A server that stops answering before the n-th entry."""

    left = 1

    def send(self, epoch: str, relay_seq: int, confirmed_seq: int, stream: str, job_id: str) -> Sent:
        if self.left == 0:
            raise SinkError("queue: gone", retryable=True)
        self.left -= 1
        return super().send(epoch, relay_seq, confirmed_seq, stream, job_id)


def test_no_row_passes_one_whose_end_is_unknown(desk: Desk, redis_url: str) -> None:
    made = desk.open(3)
    dying = DyingQueue(redis_url)
    with pytest.raises(SinkError):
        desk.relay(dying).once()
    assert desk.entries() == [("1-0", made[0])]
    (late,) = desk.open(urgent=True)
    assert desk.relay().once() == 3
    assert desk.entries() == [("1-0", made[0]), ("2-0", made[1]), ("3-0", made[2])]
    assert desk.entries("dispatch:u-1:urgent") == [("4-0", late)]
    dying.close()


@pytest.mark.parametrize("loss", ["flush", "epoch", "stream"])
def test_a_queue_that_lost_its_memory_gets_every_unfinished_job_again(desk: Desk, loss: str) -> None:
    ended, held, waiting = desk.open(3)
    relay = desk.relay()
    relay.once()
    for job_id in (ended, held):
        desk.jobs.take(job_id, "li")
    desk.jobs.done(ended, "li")
    before = desk.jobs.epoch()
    if loss == "flush":
        desk.client.flushall()
    elif loss == "epoch":
        desk.client.set("dispatch:epoch", "another")
    else:
        desk.client.delete(NORMAL)
        desk.now_s += TEND_S  # nothing is sent any more: only the look at the streams finds it
    for _ in range(2):
        relay.once()
    assert desk.jobs.epoch() != before
    assert desk.queue.epoch() == desk.jobs.epoch()
    assert [job_id for _, job_id in desk.entries()] == [held, waiting]
    assert desk.jobs.find(held).holder == "li"
    told = {"flush": "lost", "epoch": "lost", "stream": "behind"}[loss]
    assert desk.meter.total("queue_epochs", reason=told) == 1


def test_a_stream_that_lost_entries_is_found_by_the_next_one(desk: Desk) -> None:
    first = desk.open(2)
    relay = desk.relay()
    relay.once()
    desk.client.delete(NORMAL)
    late = desk.open(3)
    for _ in range(2):
        relay.once()
    assert [job_id for _, job_id in desk.entries()] == [*first, *late]
    assert len({entry_id for entry_id, _ in desk.entries()}) == 5
    assert desk.meter.total("queue_epochs", reason="behind") == 1


def test_a_database_that_is_younger_than_the_queue_loses_no_job(desk: Desk, desk_url: str) -> None:
    desk.open(3)
    desk.relay().once()
    with db.connect(desk_url, autocommit=True) as conn:  # as of before the last two, under the same epoch
        conn.execute("delete from outbox where relay_seq > 1")
        conn.execute("delete from job where job_id not in (select job_id from outbox)")
        conn.execute("update relay_state set next_seq = 2")
    (new,) = desk.open()
    relay = desk.relay()
    for _ in range(2):
        relay.once()
    assert new in [job_id for _, job_id in desk.entries()]


def test_a_queue_of_another_database_is_left_alone_until_its_relay_says_nothing_any_more(
    desk: Desk, migrated: str, servers: Servers
) -> None:
    (job_id,) = desk.open()
    desk.relay().once()
    with own_database(servers, migrated) as url:
        database = AlertDatabase(url)
        stranger = Relay(JobStore(database, lease_s=60), desk.queue, NullMeter())
        for _ in range(2):
            with pytest.raises(SinkError, match="belongs to another database") as caught:
                stranger.once()
            assert caught.value.retryable
        assert desk.relay().once() == 0
        assert [entry[1] for entry in desk.entries()] == [job_id]
        assert desk.meter.total("queue_epochs") == 1
        assert 0 < desk.client.pttl("held") <= 60_000
        desk.client.delete("held")  # as after a minute in which nobody said that it is theirs
        stranger.once()
        assert desk.entries() == []
        with pytest.raises(SinkError, match="belongs to another database"):
            desk.relay().once()
        database.close()


def test_an_entry_of_a_job_that_was_made_while_an_epoch_began_is_not_lost(desk: Desk, desk_url: str) -> None:
    desk.open()
    relay = desk.relay()
    relay.once()
    with db.connect(desk_url) as late:
        row = late.execute("select job_id from job").fetchone()
        assert row is not None
        late.execute("insert into outbox (job_id) values (%s)", row)
        desk.client.flushall()
        relay.once()
        late.commit()
    relay.once()
    assert len(desk.entries()) == 2  # twice the same job: its second entry finds it taken


def test_an_expired_lease_and_a_rejected_job_are_queued_under_their_own_id(desk: Desk, desk_url: str) -> None:
    late, refused = desk.open(2)
    relay = desk.relay()
    relay.once()
    for job_id in (late, refused):
        desk.jobs.take(job_id, "li")
    desk.jobs.reject(refused, "li", "no lorry")
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute("update job set lease_until = now() - interval '1 second' where job_id = %s", (late,))
    relay.once()
    assert desk.entries()[2:] == [("3-0", refused), ("4-0", late)]
    assert desk.meter.total("leases_expired") == 1


def test_ended_jobs_do_not_stay_in_the_stream(desk: Desk) -> None:
    made = desk.open(4)
    relay = desk.relay()
    for _ in range(2):
        relay.once()
    for job_id in made[:2]:
        desk.jobs.take(job_id, "li")
        desk.jobs.done(job_id, "li")
    relay.once()
    assert len(desk.entries()) == 4
    desk.now_s += TEND_S
    relay.once()
    assert desk.entries() == [("3-0", made[2]), ("4-0", made[3])]
    assert desk.meter.total("queue_epochs", reason="behind") == 0


def test_of_two_relays_one_sends_and_the_other_takes_over(desk: Desk, desk_url: str) -> None:
    relay = desk.relay()
    relay.once()
    other_database = AlertDatabase(desk_url)
    other_sent: list[OutboxRow] = []
    other = Relay(JobStore(other_database, lease_s=60), desk.queue, desk.meter, other_sent.append)
    made = desk.open(2)
    assert other.once() == 0
    assert relay.once() == 2
    assert other_sent == []
    disconnect(desk_url)
    (late,) = eventually(desk.open)
    assert eventually(other.once) == 1
    assert relay.once() == 0
    assert [job_id for _, job_id in desk.entries()] == [*made, late]
    other_database.close()


def test_the_relay_leads_again_after_a_lost_connection_though_another_store_lost_it(
    desk: Desk, desk_url: str, database: AlertDatabase
) -> None:
    relay = desk.relay()
    relay.once()
    disconnect(desk_url)
    with pytest.raises(SinkError):
        desk.incidents.recent()  # shares the relay's connection, and finds it lost
    other_database = AlertDatabase(desk_url)
    other = JobStore(other_database, lease_s=60)
    assert other.become_relay()
    desk.open()
    assert relay.once() == 0, "another one leads now"
    other_database.close()
    assert eventually(lambda: relay.once() or None) == 1


def eventually(work: Callable[[], T | None]) -> T:
    """Result of ``work`` as soon as it is something and no server is away."""
    pause = Event()
    for _ in range(300):
        try:
            if (found := work()) is not None:
                return found
        except SinkError:
            pass
        pause.wait(0.01)
    raise AssertionError("it never came")


def test_a_relay_waits_out_a_queue_that_is_away_and_ends_when_told(desk: Desk, redis_url: str) -> None:
    made = desk.open()
    stop, arrived = Event(), Event()
    dying = DyingQueue(redis_url)
    dying.left = 0
    relay = Relay(desk.jobs, dying, desk.meter, lambda _row: arrived.set())
    thread = Thread(target=relay.run, args=(stop, 0.01))
    thread.start()
    eventually(lambda: desk.queue.epoch() or None)
    dying.left = 10
    assert arrived.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert [job_id for _, job_id in desk.entries()] == made
    dying.close()
