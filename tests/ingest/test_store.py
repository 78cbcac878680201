"""Rows, dead letters and marks of a batch, on the real database."""

from collections.abc import Iterator

import pytest

import curbwatch.database as db
from ingest.marks import Standing
from ingest.store import IntakeStore, Stored
from schemas.errors import SinkError
from schemas.position import DeadLetter, PositionRows

TS_NS = 1_770_000_000_123_456_789


def rows(*seqs: int, sat: int | None = 9) -> PositionRows:
    made = PositionRows()
    for seq in seqs:
        values = {
            "device_id": "car",
            "ts_ns": TS_NS + seq * 1_000_000_000,
            "boot": "b",
            "seq": seq,
            "item_hash": 0,
            "received_ns": TS_NS,
            "lon": 104.6,
            "lat": 30.1,
            "raw_lon": 104.6,
            "raw_lat": 30.1,
            "crs": "wgs84",
            "speed_mps": 5.0,
            "alarms": ("sos",),
            "sat": sat,
            "flags": 0,
        }
        for name in PositionRows.__dataclass_fields__:
            getattr(made, name).append(values.get(name))
    return made


@pytest.fixture
def store(database_url: str) -> Iterator[IntakeStore]:
    made = IntakeStore(database_url, payload_bytes=8)
    yield made
    made.close()


def scalar(url: str, query: str) -> object:
    with db.connect(url) as conn:
        row = conn.execute(query).fetchone()
    return row[0] if row is not None and len(row) == 1 else row


@pytest.mark.servers
def test_an_empty_batch_stores_nothing(store: IntakeStore) -> None:
    assert store.write(PositionRows(), ()) == Stored()
    assert store.marks_of([]) == {}


@pytest.mark.servers
def test_a_batch_stored_twice_is_stored_once(store: IntakeStore, database_url: str) -> None:
    assert store.write(rows(0, 1, 2), ()) == Stored(inserted=3)
    assert store.write(rows(1, 2, 3), ()) == Stored(inserted=1, duplicate=2)
    assert scalar(database_url, "select count(*) from position") == 4


@pytest.mark.servers
def test_times_are_kept_to_the_microsecond(store: IntakeStore, database_url: str) -> None:
    store.write(rows(0), ())
    assert scalar(database_url, "select (extract(epoch from ts) * 1e6)::bigint from position") == TS_NS // 1000
    assert scalar(database_url, "select alarms from position") == ["sos"]


@pytest.mark.servers
def test_a_row_that_the_database_refuses_costs_itself_and_not_its_neighbours(
    store: IntakeStore, database_url: str
) -> None:
    batch, bad = rows(0, 1, 2), rows(3)
    bad.boot[0] = "nul\0"
    for name in PositionRows.__dataclass_fields__:
        getattr(batch, name).insert(1, getattr(bad, name)[0])
    marks = {("car", "b"): Standing(2)}
    assert store.write(batch, (), marks) == Stored(inserted=3, refused=1)
    assert scalar(database_url, "select reason from dead_letter") == "store"
    assert store.marks_of([("car", "b"), ("car", "other")]) == {("car", "b"): 2}


@pytest.mark.servers
def test_a_dead_letter_keeps_the_beginning_and_the_digest_of_its_payload(store: IntakeStore, database_url: str) -> None:
    store.write(PositionRows(), [DeadLetter(TS_NS, "a/\0b", "car", "json", "why\0", b"0123456789")])
    digest = "encode(payload_sha256, 'hex') like '84d89877f0d4041e%'"
    query = f"select reason, topic, size_bytes, payload, {digest} from dead_letter"  # noqa: S608  # a constant
    assert scalar(database_url, query) == ("json", "a/\\0b", 10, b"01234567", True)


@pytest.mark.servers
def test_a_mark_in_the_database_never_goes_back(store: IntakeStore) -> None:
    store.write(PositionRows(), (), {("car", "b"): Standing(9)})
    store.write(PositionRows(), (), {("car", "b"): Standing(4)})
    assert store.marks_of([("car", "b")]) == {("car", "b"): 9}


@pytest.mark.servers
def test_a_lost_connection_is_said_to_be_worth_another_try_and_comes_back(
    store: IntakeStore, database_url: str
) -> None:
    store.write(rows(0), ())
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'curbwatch-intake'"
        )
    with pytest.raises(SinkError) as caught:
        store.write(rows(1), ())
    assert caught.value.retryable
    assert store.write(rows(1), ()) == Stored(inserted=1)
