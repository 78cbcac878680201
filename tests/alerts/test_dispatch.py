"""The queue on a real server: drawn urgent first, by one terminal at a time, and nothing lost with a terminal."""

import pytest
import redis

from alerts.dispatch import EPOCH_KEY, GROUP, Drawn, JobQueue, Sent
from schemas.errors import SinkError
from tests.alerts.makers import together

pytestmark = pytest.mark.servers

URGENT, NORMAL = "dispatch:u-1:urgent", "dispatch:u-1:normal"


def fill(queue: JobQueue, *entries: tuple[str, str]) -> None:
    """Begin epoch e and send (stream, job) under 1, 2, …"""
    queue.begin_epoch("e")
    for seq, (stream, job) in enumerate(entries, 1):
        assert queue.send("e", seq, 0, stream, job) is Sent.SENT


def drawn(queue: JobQueue, person: str = "li") -> str:
    found = queue.draw("u-1", person)
    assert found is not None
    queue.settle(found.stream, found.entry_id)
    return found.job_id


def test_an_empty_queue(queue: JobQueue) -> None:
    assert queue.epoch() == ""
    assert queue.draw("u-1", "li") is None
    assert queue.waiting("dispatch:u-9:normal") == 0
    assert queue.last_seq("dispatch:u-9:normal") == 0
    assert queue.trim("dispatch:u-9:normal", 5) == 0
    assert queue.alive()


def test_urgent_jobs_are_drawn_first_and_each_once(queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"), (NORMAL, "b"), (URGENT, "c"), ("dispatch:u-2:urgent", "d"))
    assert [drawn(queue), drawn(queue), drawn(queue)] == ["c", "a", "b"]
    assert queue.draw("u-1", "li") is None


def test_terminals_that_draw_at_one_moment_share_out_the_jobs(redis_url: str, queue: JobQueue) -> None:
    fill(queue, *((NORMAL, f"job-{index}") for index in range(12)))
    got: list[str] = []

    def draw(index: int) -> None:
        own = JobQueue(redis_url)
        while (found := own.draw("u-1", f"crew-{index}")) is not None:
            got.append(found[2])
        own.close()

    together(6, draw)
    assert sorted(got) == sorted(f"job-{index}" for index in range(12))


def test_what_a_terminal_drew_and_never_settled_goes_to_another(queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"))
    assert queue.draw("u-1", "li") == Drawn(NORMAL, "1-0", "a", 1)
    assert queue.draw("u-1", "wang") == Drawn(NORMAL, "1-0", "a", 2)
    queue.settle(NORMAL, "1-0")
    assert queue.draw("u-1", "li") is None


def test_it_does_not_go_on_before_its_time(redis_url: str, queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"))
    patient = JobQueue(redis_url, claim_idle_s=60)
    assert patient.draw("u-1", "li") is not None
    assert patient.draw("u-1", "wang") is None
    patient.close()


def test_a_flush_between_two_draws_is_no_fault(redis_url: str, queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"))
    assert drawn(queue) == "a"
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    assert queue.draw("u-1", "li") is None
    assert queue.epoch() == ""
    fill(queue, (NORMAL, "a"))
    assert drawn(queue) == "a"


def test_an_entry_that_was_drawn_and_then_deleted_is_passed_over(redis_url: str, queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"), (NORMAL, "b"))
    queue.draw("u-1", "li")
    with redis.Redis.from_url(redis_url) as client:
        client.xdel(NORMAL, "1-0")
    assert drawn(queue, "wang") == "b"


def test_an_entry_of_a_stranger_names_no_job(redis_url: str, queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"))
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(NORMAL, {"hello": b"\xff"}, id="2-0")
        client.xadd(NORMAL, {"job": b"\xff"}, id="3-0")
    assert [drawn(queue), drawn(queue), drawn(queue)] == ["a", "", "\ufffd"]


def test_an_entry_is_sent_once_whatever_was_heard(queue: JobQueue) -> None:
    queue.begin_epoch("e")
    assert queue.send("e", 5, 0, NORMAL, "a") is Sent.SENT
    assert queue.send("e", 5, 0, NORMAL, "a") is Sent.ALREADY
    assert queue.waiting(NORMAL) == 1
    assert drawn(queue) == "a"
    assert queue.send("e", 5, 0, NORMAL, "a") is Sent.ALREADY
    queue.trim(NORMAL, 6)
    assert queue.send("e", 6, 5, NORMAL, "b") is Sent.SENT


def test_a_place_that_another_job_has_or_that_was_passed_over_is_of_another_past(queue: JobQueue) -> None:
    queue.begin_epoch("e")
    queue.send("e", 5, 0, NORMAL, "a")
    assert queue.send("e", 5, 0, NORMAL, "b") is Sent.BEHIND
    assert queue.send("e", 4, 0, NORMAL, "b") is Sent.BEHIND


def test_a_queue_of_another_epoch_takes_nothing(queue: JobQueue) -> None:
    assert queue.send("e", 1, 0, NORMAL, "a") is Sent.EPOCH
    queue.begin_epoch("f")
    assert queue.send("e", 1, 0, NORMAL, "a") is Sent.EPOCH
    assert queue.waiting(NORMAL) == 0


def test_a_stream_that_lost_confirmed_entries_is_found(redis_url: str, queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"), (NORMAL, "b"))
    with redis.Redis.from_url(redis_url) as client:
        client.delete(NORMAL)
    assert queue.last_seq(NORMAL) == 0
    assert queue.send("e", 3, 2, NORMAL, "c") is Sent.BEHIND
    assert queue.waiting(NORMAL) == 0


def test_trimming_keeps_what_is_unfinished_and_the_place_reached(queue: JobQueue) -> None:
    fill(queue, *((NORMAL, f"job-{index}") for index in range(5)))
    assert queue.trim(NORMAL, 4) == 3
    assert queue.waiting(NORMAL) == 2
    assert queue.trim(NORMAL, 99) == 2
    assert queue.last_seq(NORMAL) == 5


def test_an_epoch_empties_our_streams_and_nobody_elses(redis_url: str, queue: JobQueue) -> None:
    fill(queue, (NORMAL, "a"), (URGENT, "b"))
    with redis.Redis.from_url(redis_url) as client:
        client.set("somebody:else", "1")
        queue.begin_epoch("f")
        assert sorted(client.keys("*")) == [EPOCH_KEY.encode(), b"somebody:else"]
    assert queue.epoch() == "f"


def test_two_cities_share_a_server_by_their_prefix(redis_url: str) -> None:
    one, other = JobQueue(redis_url, prefix="one:"), JobQueue(redis_url, prefix="other:")
    fill(one, (NORMAL, "a"))
    other.begin_epoch("f")
    assert one.epoch() == "e"
    assert other.draw("u-1", "li") is None
    assert drawn(one) == "a"
    one.close()
    other.close()


def test_the_first_terminals_of_a_unit_make_its_group_together(redis_url: str, queue: JobQueue) -> None:
    def draw(index: int) -> None:
        own = JobQueue(redis_url)
        assert own.draw("u-1", f"crew-{index}") is None
        own.close()

    together(8, draw)
    with redis.Redis.from_url(redis_url) as client:
        assert [group["name"] for group in client.xinfo_groups(NORMAL)] == [GROUP.encode()]


def test_a_server_that_is_away_is_retryable_and_an_address_that_is_none_is_not() -> None:
    away = JobQueue("redis://:hidden-word@127.0.0.1:1/0")
    assert not away.alive()
    with pytest.raises(SinkError, match="queue: ") as caught:
        away.draw("u-1", "li")
    assert caught.value.retryable
    assert "hidden-word" not in str(caught.value)
    with pytest.raises(SinkError, match=r"redis\.url cannot be used") as caught:
        JobQueue("redis://h:port/0")
    assert not caught.value.retryable


def test_a_password_that_breaks_the_address_is_not_printed() -> None:
    with pytest.raises(SinkError, match=r"write redis://:password@host:port/number.*# as %23") as caught:
        JobQueue("redis://:my#secret@h/0")
    assert "my#" not in str(caught.value)
    assert "'my'" not in str(caught.value)
