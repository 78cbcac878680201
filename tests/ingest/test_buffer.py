"""The buffer before the writer: alarms first, bounded in bytes."""

import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.buffer import BATCH_BYTES, OVERHEAD_BYTES, MessageBuffer
from ingest.ledger import Ticket
from schemas.position import RawMessage


def buffer(*, window: int = 100, max_bytes: int = 1_000_000) -> MessageBuffer:
    return MessageBuffer(window=window, max_bytes=max_bytes, urgent=lambda message: message.payload.startswith(b"!"))


def message(payload: bytes, *properties: tuple[str, str]) -> RawMessage:
    return RawMessage("t", payload, 0, properties)


def drawn(made: MessageBuffer, count: int = 100) -> list[bytes]:
    return [waiting.message.payload for waiting in made.gather(count, first_s=0, rest_s=0)]


def test_nothing_waits_in_an_empty_buffer() -> None:
    made = buffer()
    assert drawn(made) == []
    assert made.empty
    assert not made.full
    assert made.waiting_bytes == len(made) == 0


def test_messages_come_in_order_and_alarms_in_front() -> None:
    made = buffer()
    for payload in (b"1", b"2", b"!a", b"3", b"!b"):
        assert made.put(message(payload), Ticket(1, 1))
    assert drawn(made, 2) == [b"!a", b"!b"]
    assert drawn(made) == [b"1", b"2", b"3"]
    assert made.empty


def test_an_alarm_that_comes_while_a_batch_is_gathered_ends_the_wait() -> None:
    made = buffer()
    made.put(message(b"1"), None)
    timer = threading.Timer(0.1, lambda: made.put(message(b"!a"), None))
    timer.start()
    assert [waiting.message.payload for waiting in made.gather(9, first_s=60, rest_s=60)] == [b"!a", b"1"]
    timer.join()


def test_it_is_full_by_bytes_and_empties_again() -> None:
    made = buffer(max_bytes=3 * OVERHEAD_BYTES)
    full = []
    for mid, size in enumerate((OVERHEAD_BYTES, 0, 0)):  # the broker was told that there is room for them
        assert made.put(message(b"x" * size), Ticket(1, mid))
        full.append(made.full)
    assert full == [False, True, True]
    assert not made.put(message(b""), None)  # nobody was told so
    assert len(drawn(made)) == 3
    assert (made.full, made.waiting_bytes) == (False, 0)


def test_user_properties_weigh_as_well() -> None:
    made = buffer()
    made.put(message(b"", *(("k", "v" * 1000),) * 100), Ticket(1, 1))
    assert made.waiting_bytes > 100_000


@pytest.mark.parametrize("topic", ["t" * 65_535, "t" * 65_500 + "\N{AUTOMOBILE}"])
def test_a_topic_weighs_what_it_holds(topic: str) -> None:
    made = buffer()
    made.put(RawMessage(topic, b"", 0), Ticket(1, 1))
    assert made.waiting_bytes > sys.getsizeof(topic) >= len(topic)


@pytest.mark.parametrize("first", [b"", b"!"])
def test_a_batch_is_bounded_in_bytes(first: bytes) -> None:
    made = buffer(max_bytes=20_000_000)
    payloads = [first + b"%03d" % number + b"x" * 1_000_000 for number in range(10)]
    for mid, payload in enumerate(payloads):
        made.put(message(payload), Ticket(1, mid))
    got = []
    while some := made.gather(100, first_s=0, rest_s=0):
        assert sum(waiting.size_bytes for waiting in some[:-1]) < BATCH_BYTES
        got += [waiting.message.payload for waiting in some]
    assert got == payloads
    assert made.empty
    assert made.waiting_bytes == 0


def test_a_defect_in_judging_what_hurries_costs_no_message() -> None:
    def urgent(message: RawMessage) -> bool:
        raise ValueError("a defect of ours")

    made = MessageBuffer(window=9, max_bytes=1_000_000, urgent=urgent)
    assert made.put(message(b"1"), Ticket(1, 1))
    assert drawn(made) == [b"1"]
    assert made.waiting_bytes == 0


def test_messages_without_acknowledgement_are_bounded_in_number() -> None:
    made = buffer(window=2)
    assert [made.put(message(b""), None) for _ in range(8)].count(True) == 5


@given(st.lists(st.one_of(st.binary(max_size=4), st.integers(1, 4)), max_size=60))
def test_whatever_is_put_is_drawn_once(steps: list[bytes | int]) -> None:
    made, put, got = buffer(), [], []
    for step in steps:
        if isinstance(step, int):
            got += drawn(made, step)
        else:
            made.put(message(step), Ticket(1, 1))
            put.append(step)
    while some := drawn(made, 3):
        got += some
    assert sorted(got) == sorted(put)
    assert [one for one in got if one[:1] != b"!"] == [one for one in put if one[:1] != b"!"]
    assert made.empty
    assert made.waiting_bytes == 0
