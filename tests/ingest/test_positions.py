"""The position writer: what it promises when the database does not."""

import json
import time
from dataclasses import replace

import pytest

from ingest.ledger import Ticket
from schemas.device import DeviceRule
from schemas.errors import SinkError
from schemas.position import RawMessage
from tests.ingest.tally import Tally
from tests.ingest.writer_case import SCHEME, FakeStore, Registry, Session, message, writer_of


def test_nothing_put_ends_at_once() -> None:
    writer = writer_of(FakeStore())
    writer.start(Session().outlets())
    writer.stop()


def test_nothing_is_acknowledged_before_it_is_stored_and_everything_after() -> None:
    store, session = FakeStore(failures=2), Session()
    writer = writer_of(store)
    writer.start(session.outlets())
    for seq in range(5):
        writer.put(message(seq), Ticket(1, seq + 1))
    session.until(lambda: len(session.finished) == 5)
    assert store.seqs == [0, 1, 2, 3, 4]
    session.until(lambda: session.told[-1:] == [(SCHEME.of("vehicle", "car", "ack"), {"boot": "b", "seq": 4})])
    writer.stop()


def test_a_database_that_stays_away_drops_the_connection_and_acknowledges_nothing() -> None:
    store, session = FakeStore(failures=1_000_000), Session()
    writer = writer_of(store, retry_s=0.3)
    writer.start(session.outlets())
    writer.put(message(0), Ticket(1, 1))
    session.until(lambda: session.dropped == ["database_away"])
    assert session.finished == []
    assert session.told == []
    writer.stop()


def test_what_came_on_an_older_connection_is_left_to_its_redelivery() -> None:
    store, session = FakeStore(), Session(generation=2)
    writer = writer_of(store)
    writer.start(session.outlets())
    writer.put(message(0), Ticket(1, 1))
    writer.put(message(1), Ticket(2, 1))
    session.until(lambda: session.finished == [Ticket(2, 1)])
    assert store.seqs == [1]
    writer.stop()


def test_a_gap_holds_the_mark_and_a_restart_goes_on_from_the_stored_one() -> None:
    store, session = FakeStore(known={("car", "b"): 6}), Session()
    writer = writer_of(store)
    writer.start(session.outlets())
    writer.put(message(9), Ticket(1, 1))
    session.until(lambda: session.told == [(SCHEME.of("vehicle", "car", "ack"), {"boot": "b", "seq": 6})])
    writer.put(message(8), Ticket(1, 2))
    writer.put(message(7), Ticket(1, 3))
    session.until(lambda: session.told[-1][1] == {"boot": "b", "seq": 9})
    writer.stop()


def test_a_device_entered_a_moment_ago_is_found_before_it_is_called_unknown() -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store, Registry({}, later={"car": DeviceRule("car", "vehicle")}))
    writer.start(session.outlets())
    writer.put(message(0), Ticket(1, 1))
    session.until(lambda: len(session.finished) == 1)
    assert (store.seqs, store.letters) == ([0], [])
    writer.stop()


def test_a_device_above_its_rate_goes_to_the_dead_letters_and_others_pass() -> None:
    rules = {"fast": DeviceRule("fast", "vehicle", rate_per_s=0.1), "car": DeviceRule("car", "vehicle")}
    store, session = FakeStore(), Session()
    writer = writer_of(store, Registry(rules))
    writer.start(session.outlets())
    for seq in range(10):
        writer.put(message(seq, "fast"), Ticket(1, 2 * seq + 1))
        writer.put(message(seq), Ticket(1, 2 * seq + 2))
    session.until(lambda: len(session.finished) == 20)
    assert {letter.reason for letter in store.letters} == {"rate"}
    assert len(store.letters) + len(store.seqs) == 20
    assert store.seqs.count(9) == 1
    writer.stop()


SLOW = Registry({"car": DeviceRule("car", "vehicle", rate_per_s=1.0)})


def test_ten_minutes_of_positions_that_the_broker_held_are_stored() -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store, SLOW)
    writer.start(session.outlets())
    for seq in range(600):
        writer.put(message(seq, age_s=600 - seq), Ticket(1, seq + 1))
    session.until(lambda: len(session.finished) == 600)
    assert (len(store.seqs), store.letters) == (600, [])
    writer.stop()


def test_positions_that_the_broker_sends_again_and_again_are_charged_once() -> None:
    store, session = FakeStore(failures=1_000_000), Session()
    writer = writer_of(store, SLOW, retry_s=0.01)
    writer.start(session.outlets())
    for again in range(5):
        for seq in range(25):
            writer.put(message(seq), Ticket(1, seq + 1))
        session.until(lambda many=25 * (again + 1): store.tried == many and bool(session.dropped))  # type: ignore[misc]
    store.failures = 0
    for seq in range(25):
        writer.put(message(seq), Ticket(1, seq + 1))
    session.until(lambda: len(session.finished) == 25)
    assert (sorted(store.seqs), store.letters) == (list(range(25)), [])
    writer.stop()


def test_a_message_above_the_rate_is_set_aside_with_all_that_replaying_it_needs() -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store, Registry({"car": DeviceRule("car", "vehicle", rate_per_s=0.001)}))
    writer.start(session.outlets())
    body = json.dumps({"lon": 104.6, "lat": 30.1, "vendor": "x" * 9000}).encode()
    for seq in range(2):
        properties = (("boot", "m"), ("seq", str(seq)))
        writer.put(RawMessage(SCHEME.of("vehicle", "car", "position"), body, 1, properties), Ticket(1, seq + 1))
        session.until(lambda many=seq + 1: len(session.finished) == many)  # type: ignore[misc]
    (letter,) = store.letters
    assert (letter.reason, letter.payload, letter.properties) == ("rate", body, (("boot", "m"), ("seq", "1")))
    session.until(lambda: session.told[-1][1] == {"boot": "m", "seq": 0})  # it may be sent again as well
    writer.stop()


def test_an_oversize_position_does_not_hold_up_the_acknowledgement() -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store, positions_max_bytes=1000)
    writer.start(session.outlets())
    topic = SCHEME.of("vehicle", "car", "position")
    writer.put(RawMessage(topic, b"x" * 1001, 1, (("boot", "b"), ("seq", "0"))), Ticket(1, 1))
    writer.put(message(1), Ticket(1, 2))
    session.until(lambda: session.told[-1:] == [(SCHEME.of("vehicle", "car", "ack"), {"boot": "b", "seq": 1})])
    writer.stop()


def test_an_array_counted_beside_its_body_is_acknowledged_to_its_highest() -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store)
    writer.start(session.outlets())
    items = [{"ts": time.time_ns() // 1_000_000, "lon": 104.6, "lat": 30.1 + number / 10} for number in range(3)]
    properties = (("boot", "m"), ("seq", "2"))
    writer.put(
        RawMessage(SCHEME.of("vehicle", "car", "position"), json.dumps(items).encode(), time.time_ns(), properties),
        Ticket(1, 1),
    )
    session.until(lambda: session.told == [(SCHEME.of("vehicle", "car", "ack"), {"boot": "m", "seq": 2})])
    assert store.seqs == [-1, -1, -1]
    writer.stop()


def test_a_retained_message_is_no_position_and_is_acknowledged() -> None:
    store, session, meter = FakeStore(), Session(), Tally()
    writer = writer_of(store, meter=meter)
    writer.start(session.outlets())
    writer.put(message(0, retain=True), Ticket(1, 1))
    writer.put(message(1), Ticket(1, 2))
    session.until(lambda: session.finished == [Ticket(1, 1), Ticket(1, 2)])
    writer.stop()
    assert (store.seqs, store.letters) == ([1], [])
    assert meter.counts["messages_ignored:retained"] == 1
    assert meter.counts["positions_received"] == 1


def test_dead_letters_that_there_is_no_room_for_are_counted() -> None:
    store, session, meter = FakeStore(capped=1), Session(), Tally()
    writer = writer_of(store, meter=meter)
    writer.start(session.outlets())
    writer.put(RawMessage(SCHEME.of("vehicle", "car", "position"), b"x", 1), Ticket(1, 1))
    session.until(lambda: len(session.finished) == 1)
    writer.stop()
    assert meter.counts["dead_letters_dropped:cap"] == 1
    assert meter.counts["positions_rejected:json"] == 1


@pytest.mark.parametrize("size", [101, 5000])
def test_an_oversize_message_is_one_dead_letter(size: int) -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store, positions_max_bytes=1000)
    writer.start(session.outlets())
    writer.put(RawMessage(SCHEME.of("vehicle", "car", "position"), b"x" * size, 1), Ticket(1, 1))
    session.until(lambda: len(session.finished) == 1)
    assert [letter.reason for letter in store.letters] == ["json" if size < 1000 else "size"]
    writer.stop()


def test_unacknowledged_sending_cannot_fill_the_memory() -> None:
    writer = writer_of(FakeStore(), positions_window=10)
    for seq in range(100):
        writer.put(message(seq), None)
    assert writer.waiting <= 21
    writer.start(Session().outlets())
    writer.stop()
    assert writer.waiting == 0


def test_what_another_process_stored_meanwhile_is_no_gap() -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store)
    writer.start(session.outlets())
    writer.put(message(0), Ticket(1, 1))
    session.until(lambda: bool(session.told))
    store.known[("car", "b")] = 6
    session.generation = 2
    writer.put(message(7), Ticket(2, 1))
    session.until(lambda: len(session.told) == 2)
    writer.stop()
    assert session.told[-1][1]["seq"] == 7


def test_a_clock_that_is_set_back_costs_no_position() -> None:
    store, session = FakeStore(), Session()
    writer = writer_of(store, Registry({"car": DeviceRule("car", "vehicle", rate_per_s=1.0)}))
    writer.start(session.outlets())
    ahead_ns = time.time_ns() + 3600 * 1_000_000_000
    writer.put(replace(message(0), received_ns=ahead_ns), Ticket(1, 1))  # taken before the clock was set
    session.until(lambda: len(session.finished) == 1)
    for seq in range(1, 25):
        writer.put(message(seq), Ticket(1, seq + 1))
    session.until(lambda: len(session.finished) == 25)
    writer.stop()
    assert store.letters == []


def test_a_retained_message_is_counted_once_however_often_it_is_tried() -> None:
    store, session, tally = FakeStore(failures=2), Session(), Tally()
    writer = writer_of(store, meter=tally)
    writer.start(session.outlets())
    writer.put(message(0, retain=True), Ticket(1, 1))
    writer.put(message(1), Ticket(1, 2))
    session.until(lambda: len(session.finished) == 2)
    writer.stop()
    assert tally.counts["messages_ignored:retained"] == 1


def test_a_registry_that_comes_back_soon_makes_nobody_a_stranger() -> None:
    class Broken(Registry):
        tries = 0

        def refresh(self) -> bool:
            self.tries += 1
            if self.tries < 3:
                raise SinkError("registry: connection lost", retryable=True)
            return super().refresh()

    store, session = FakeStore(), Session()
    writer = writer_of(store, Broken({}, {"car": DeviceRule("car", "vehicle")}))
    writer.start(session.outlets())
    writer.put(message(0), Ticket(1, 1))
    session.until(lambda: len(session.finished) == 1)
    writer.stop()
    assert (store.seqs, store.letters) == ([0], [])
