"""The position writer: spool, alarms and memory."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.ledger import Ticket
from schemas.device import DeviceRule
from tests.ingest.tally import Tally
from tests.ingest.writer_case import FakeStore, Registry, Session, message, spool_in, writer_of


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


def test_an_alarm_does_not_wait_behind_the_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.positions.SPOOL_TURNS", 1)
    store, session = FakeStore(), Session()
    spool = spool_in(tmp_path)
    spool.open()
    spool.append([message(seq) for seq in range(500)])
    spool.close()
    writer = writer_of(store, spool=spool_in(tmp_path), positions_batch_max=10)
    sos = message(500).payload[:-1] + b', "alarms": ["sos"]}'
    writer.put(replace(message(500), payload=sos), Ticket(1, 1))
    writer.start(session.outlets())
    session.until(lambda: [told["seq"] for _, told in session.told][-1:] == [500])
    writer.stop()
    assert store.seqs.index(500) < 100
    assert sorted(store.seqs) == list(range(501))
