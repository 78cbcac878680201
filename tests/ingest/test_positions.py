"""The position writer: what it promises when the database does not."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from alerts.durable import sync_folder
from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from ingest.forms import Forms, PositionForms
from ingest.ledger import Ticket
from ingest.marks import Key, Standing
from ingest.positions import Outlets, PositionWriter, Sinks
from ingest.spool import Spool
from ingest.store import Stored
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.errors import SinkError
from schemas.meter import Meter, NullMeter
from schemas.position import DeadLetter, PositionRows, RawMessage
from tests.ingest.tally import Tally

SCHEME = TopicScheme("city/v1", "test")


@dataclass
class FakeStore:
    """Fails ``failures`` times, then keeps; only the database's absence is a fault of our own making here."""

    failures: int = 0
    capped: int = 0
    tried: int = 0
    seqs: list[int] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    known: dict[Key, int] = field(default_factory=dict)

    def write(
        self, rows: PositionRows, letters: Sequence[DeadLetter], marks: Mapping[Key, Standing] | None = None
    ) -> Stored:
        self.tried += len(rows) + len(letters)
        if self.failures:
            self.failures -= 1
            raise SinkError("away", retryable=True)
        self.seqs += rows.seq
        self.letters += letters
        return Stored(len(rows), letters_capped=self.capped)

    def marks_of(self, keys: Sequence[Key]) -> dict[Key, int]:
        return {key: self.known[key] for key in keys if key in self.known}

    def close(self) -> None:
        pass


@dataclass
class Registry:
    rules: Mapping[str, DeviceRule]
    later: Mapping[str, DeviceRule] = field(default_factory=dict)

    def refresh(self) -> bool:
        news = bool(self.later)
        self.rules = {**self.rules, **self.later}
        self.later = {}
        return news


@dataclass
class Session:
    """Notes what the writer does to its session."""

    generation: int = 1
    finished: list[Ticket] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def outlets(self) -> Outlets:
        return Outlets(self._finish, self._drop, self._publish, lambda: self.generation)

    def until(self, true: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(true, 10)

    def _finish(self, tickets: Sequence[Ticket]) -> None:
        with self.changed:
            self.finished += tickets
            self.changed.notify_all()

    def _drop(self, reason: str) -> None:
        with self.changed:
            self.dropped.append(reason)
            self.changed.notify_all()

    def _publish(self, topic: str, payload: bytes) -> None:
        with self.changed:
            self.told.append((topic, json.loads(payload)))
            self.changed.notify_all()


def message(seq: int, device: str = "car", *, age_s: float = 0, retain: bool = False) -> RawMessage:
    ts_ms = time.time_ns() // 1_000_000 - round(age_s * 1000)
    body = json.dumps({"ts": ts_ms, "lon": 104.6, "lat": 30.1, "seq": seq, "boot": "b"})
    return RawMessage(SCHEME.of("vehicle", device, "position"), body.encode(), time.time_ns(), retain=retain)


def writer_of(
    store: FakeStore,
    registry: Registry | None = None,
    meter: Meter | None = None,
    spool: Spool | None = None,
    **knobs: float,
) -> PositionWriter:
    known = registry or Registry({"car": DeviceRule("car", "vehicle")})
    settings = IntakeKnobs.model_validate({"positions_batch_wait_s": 0.01, "retry_s": 0.5, **knobs})
    forms = PositionForms(SCHEME, settings.future_limit_s, Forms(CodecKnobs(enabled=()), "vehicle"))
    return PositionWriter(settings, forms, Sinks(store, spool), known, meter or NullMeter())  # type: ignore[arg-type]


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


def spool_in(folder: Path, max_bytes: int = 1_000_000) -> Spool:
    return Spool(folder, max_bytes=max_bytes, sync_folder=sync_folder)


def test_while_the_database_is_away_messages_go_to_disk_and_devices_are_told_when_they_are_stored(
    tmp_path: Path,
) -> None:
    store, session, tally = FakeStore(failures=10_000), Session(), Tally()
    writer = writer_of(store, meter=tally, spool=spool_in(tmp_path), spool_after_s=0.05)
    writer.start(session.outlets())
    for seq in range(20):
        writer.put(message(seq), Ticket(1, seq + 1))
    session.until(lambda: len(session.finished) == 20)
    assert (session.told, store.seqs) == ([], [])
    assert tally.counts["messages_spooled"] == 20
    assert writer.spooled == 20
    store.failures = 0
    session.until(lambda: [told["seq"] for _, told in session.told][-1:] == [19])
    writer.put(message(20), Ticket(1, 21))
    session.until(lambda: len(session.finished) == 21)
    writer.stop()
    assert store.seqs == list(range(21))
    assert writer.spooled == 0
    assert tally.counts["positions_received"] == tally.counts["positions_stored"] == 21
    assert session.dropped == []


def test_what_a_stop_leaves_in_the_spool_the_next_start_stores(tmp_path: Path) -> None:
    store, session = FakeStore(failures=10_000), Session()
    writer = writer_of(store, spool=spool_in(tmp_path), spool_after_s=60)
    writer.start(session.outlets())
    writer.put(message(0), Ticket(1, 1))
    writer.stop()
    assert (len(session.finished), store.seqs) == (1, [])
    again, session = FakeStore(), Session()
    writer = writer_of(again, spool=spool_in(tmp_path))
    writer.start(session.outlets())
    session.until(lambda: bool(session.told))
    writer.stop()
    assert again.seqs == [0]


def test_a_full_spool_stops_acknowledging_and_says_so(tmp_path: Path) -> None:
    store, session, tally = FakeStore(failures=10_000), Session(), Tally()
    writer = writer_of(store, meter=tally, spool=spool_in(tmp_path, 10), spool_after_s=0, retry_s=0.3)
    writer.start(session.outlets())
    writer.put(message(0), Ticket(1, 1))
    session.until(lambda: session.dropped == ["database_away"])
    assert session.finished == []
    assert tally.counts["spool_failures"] > 0
    store.failures = 0
    writer.put(message(0), Ticket(1, 1))
    session.until(lambda: bool(session.told))
    writer.stop()
    assert store.seqs == [0]


def test_what_waited_in_the_spool_did_not_come_all_at_once(tmp_path: Path) -> None:
    store, session = FakeStore(), Session()
    registry = Registry({"car": DeviceRule("car", "vehicle", rate_per_s=1.0)})
    spool = spool_in(tmp_path)
    spool.open()
    now_ns = time.time_ns()
    spool.append([replace(message(seq), received_ns=now_ns - (300 - seq) * 1_000_000_000) for seq in range(300)])
    spool.close()
    writer = writer_of(store, registry, spool=spool_in(tmp_path))
    writer.start(session.outlets())
    session.until(lambda: [told["seq"] for _, told in session.told][-1:] == [299])
    writer.stop()
    assert (len(store.seqs), store.letters) == (300, [])


def test_an_alarm_passes_beyond_the_rate_and_does_so_within_bounds() -> None:
    store, session, tally = FakeStore(), Session(), Tally()
    registry = Registry({"car": DeviceRule("car", "vehicle", rate_per_s=0.01)})
    writer = writer_of(store, registry, tally)
    writer.start(session.outlets())
    for seq in range(200):
        sos = message(seq).payload[:-1] + b', "alarms": ["sos"]}'
        writer.put(replace(message(seq), payload=sos), Ticket(1, seq + 1))
    session.until(lambda: len(session.finished) == 200)
    writer.stop()
    assert 30 <= tally.counts["alarms"] == len(store.seqs) <= 40
    assert {letter.reason for letter in store.letters} == {"rate"}


def test_memory_is_bounded_in_bytes() -> None:
    writer = writer_of(FakeStore(), positions_buffer_bytes=1_000_000)
    assert not writer.full
    for seq in range(20):
        writer.put(replace(message(seq), payload=b"x" * 60_000), Ticket(1, seq + 1))
    assert writer.full
