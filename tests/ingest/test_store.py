"""Rows, dead letters and marks of a batch, on the real database."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import curbwatch.database as db
from ingest.letters import Room, folded
from ingest.marks import Standing
from ingest.store import IntakeStore, Stored
from schemas.errors import SinkError
from schemas.position import DeadLetter, PositionRows
from tests.ingest.tally import Tally

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
            "form": "native",
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
def test_the_same_letter_again_is_the_same_row_until_it_is_replayed(store: IntakeStore, database_url: str) -> None:
    later = replace(letter(), received_ns=TS_NS + 60_000_000_000)
    store.write(PositionRows(), [letter(), later])
    query = "select count(*), sum(times), extract(epoch from max(last_at - received_at))::int from dead_letter"
    assert scalar(database_url, query) == (1, 2, 60)
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("update dead_letter set replayed_at = now()")
    store.write(PositionRows(), [letter()])
    assert scalar(database_url, "select count(*), sum(times) from dead_letter") == (2, 3)


def letter(reason: str = "json", payload: bytes = b"0123456789", topic: str = "t") -> DeadLetter:
    return DeadLetter(TS_NS, topic, "car", reason, "", payload, (("boot", "m\0"), ("seq", "7")))


def test_a_letter_cut_twice_keeps_the_size_and_digest_of_all() -> None:
    once = letter().cut(4)
    assert (once.payload, once.size_bytes) == (b"0123", 10)
    assert once.cut(2).sha256 == letter().cut(100).sha256
    assert once.cut(2).size_bytes == 10
    assert letter(payload=b"").cut(4).size_bytes == 0


@pytest.mark.servers
@pytest.mark.parametrize("reason", ["rate", "unknown_device"])
def test_a_message_that_may_be_replayed_is_kept_whole_with_its_properties(
    store: IntakeStore, database_url: str, reason: str
) -> None:
    store.write(PositionRows(), [letter(reason, b"x" * 9000), letter("json")])
    whole = "select size_bytes, length(payload), properties from dead_letter where reason <> 'json'"
    assert scalar(database_url, whole) == (9000, 9000, [["boot", "m\\0"], ["seq", "7"]])
    assert scalar(database_url, "select properties from dead_letter where reason = 'json'") == []


@pytest.mark.servers
def test_letters_beyond_the_cap_are_dropped_and_rows_are_not(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.store.FULL_LOOK_S", 0.0)
    many = [replace(letter("rate", bytes([number]) * 10_000), device_id=f"d{number}") for number in range(12)]
    with closing(IntakeStore(database_url, payload_bytes=8, cap_bytes=120_000)) as store:
        stored = store.write(rows(0), many)
        assert stored.inserted == 1
        assert 1 <= stored.letters_capped < 10
        assert scalar(database_url, "select count(*) from dead_letter") == 12 - stored.letters_capped
        with db.connect(database_url, autocommit=True) as conn:
            # What repeats itself would be squeezed and take no place on the disk.
            conn.execute("alter table dead_letter alter column payload set storage external")
            conn.execute("update dead_letter set payload = payload || payload || payload")
        store._look_s = 0.0
        assert store.write(rows(1), many[:1]) == Stored(inserted=1, letters_capped=1)
        with db.connect(database_url, autocommit=True) as conn:
            conn.execute("delete from dead_letter")
        # The disk is not given back, but there is room again.
        assert int(str(scalar(database_url, "select pg_total_relation_size('dead_letter')"))) > 120_000
        assert store.write(PositionRows(), many[:1]) == Stored()


@pytest.mark.servers
def test_where_there_is_no_room_replayed_letters_go_first_and_the_oldest_of_them(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.store.DISCARDED", 3)
    many = [replace(letter("rate", bytes([number]) * 10_000), device_id=f"d{number}") for number in range(20)]
    with closing(IntakeStore(database_url, payload_bytes=8, cap_bytes=120_000)) as store:
        store.write(PositionRows(), many[:9])
        with db.connect(database_url, autocommit=True) as conn:
            conn.execute("alter table dead_letter alter column payload set storage external")
            conn.execute("update dead_letter set payload = payload || ''")
            conn.execute("update dead_letter set replayed_at = now() where id > 2")
            conn.execute("update dead_letter set payload = payload || payload where id <= 2")
        store._look_s = 0.0
        assert store.write(PositionRows(), many[9:12]) == Stored()
    assert scalar(database_url, "select string_agg(device_id, ' ' order by id) from dead_letter") == (
        "d0 d1 d5 d6 d7 d8 d9 d10 d11"
    )


@pytest.mark.servers
def test_the_flood_of_one_device_leaves_room_for_the_others_also_after_a_restart(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flood(device: str, count: int) -> list[DeadLetter]:
        return [replace(letter("rate", number.to_bytes(2) * 500), device_id=device) for number in range(count)]

    monkeypatch.setattr("ingest.store.FULL_LOOK_S", 0.0)
    with closing(IntakeStore(database_url, payload_bytes=1000, cap_bytes=1_000_000)) as store:
        dropped = store.write(PositionRows(), flood("loud", 200))
        assert dropped.letters_capped == dropped.letters_device_capped == 200 - 1_000_000 // 10 // 1300
        assert store.write(PositionRows(), flood("new", 50)) == Stored()
        assert store.write(PositionRows(), flood("", 200)).letters_device_capped > 100
        meter = Tally()
        dropped.count_dropped(meter)
        assert meter.counts["dead_letters_dropped:device_cap"] == dropped.letters_capped
        assert meter.counts["dead_letters_dropped:cap"] == 0
    with db.connect(database_url, autocommit=True) as conn:
        # What repeats itself would be squeezed.
        conn.execute("alter table dead_letter alter column payload set storage external")
        conn.execute("update dead_letter set payload = payload || payload")
    with closing(IntakeStore(database_url, payload_bytes=1000, cap_bytes=1_000_000)) as store:
        more = flood("loud", 250)[200:]
        assert store.write(PositionRows(), more).letters_device_capped == 50
        assert store.write(PositionRows(), flood("other", 1)) == Stored()
        with db.connect(database_url, autocommit=True) as conn:
            conn.execute("update dead_letter set replayed_at = now() where device_id = 'loud'")
        assert store.write(PositionRows(), more) == Stored()


@given(
    cap_bytes=st.integers(0, 40_000),
    batches=st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 900)), max_size=12), max_size=6),
)
def test_no_letters_take_more_than_the_cap_and_those_of_no_device_more_than_its_share(
    cap_bytes: int, batches: list[list[tuple[str, int]]]
) -> None:
    room, taken = Room(cap_bytes), dict.fromkeys("abc", 0)
    room.measured(cap_bytes, ())
    for batch in batches:
        letters = [replace(letter("rate", b"x" * size), device_id=device) for device, size in batch]
        admitted = room.judge(letters)
        assert len(admitted.kept) + admitted.capped == len(letters)
        assert 0 <= admitted.device_capped <= admitted.capped
        room.take(admitted.kept)
        for one in admitted.kept:
            taken[one.device_id] += 300 + len(one.payload)
    assert sum(taken.values()) == cap_bytes - room.free_bytes <= cap_bytes
    assert all(size <= cap_bytes / 10 for size in taken.values())


@pytest.mark.servers
def test_a_store_that_may_keep_no_letters_drops_them_all(database_url: str) -> None:
    with closing(IntakeStore(database_url, payload_bytes=8, cap_bytes=0)) as store:
        assert store.write(rows(0), [letter()]) == Stored(inserted=1, letters_capped=1)


@pytest.mark.servers
def test_a_letter_that_the_database_refuses_costs_itself_and_not_its_neighbours(
    store: IntakeStore, database_url: str
) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("alter table dead_letter add check (topic <> 'bad')")
    marks = {("car", "b"): Standing(1)}
    sent = [letter(), letter(topic="bad"), letter()]
    assert store.write(rows(0, 1), sent, marks) == Stored(inserted=2, letters_refused=1)
    assert store.write(PositionRows(), sent) == Stored(letters_refused=1)
    assert scalar(database_url, "select sum(times) from dead_letter") == 4
    assert store.marks_of([("car", "b")]) == {("car", "b"): 1}


@pytest.mark.servers
@pytest.mark.parametrize(
    ("change", "undo"),
    [
        ("alter table dead_letter rename to away", "alter table away rename to dead_letter"),
        ("alter table dead_letter rename detail to away", "alter table dead_letter rename away to detail"),
        ("set default_transaction_read_only = on", "set default_transaction_read_only = off"),
    ],
)
def test_a_database_that_is_not_as_it_should_be_costs_no_letter(
    store: IntakeStore, database_url: str, change: str, undo: str
) -> None:
    store.write(PositionRows(), [letter()])
    assert store._conn is not None
    store._conn.execute(change.encode())
    with pytest.raises(SinkError) as caught:
        store.write(rows(0), [letter()])
    assert caught.value.retryable
    store._conn.execute(undo.encode())
    assert store.write(rows(0), [letter()]) == Stored(inserted=1)


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


def test_letters_alike_are_one_that_counts_them() -> None:
    assert folded([]) == []
    one, other = letter().cut(8), letter(payload=b"x").cut(8)
    assert folded([one, other, one, one]) == [replace(one, times=3, last_ns=TS_NS), other]


@pytest.mark.servers
def test_an_array_of_the_same_bad_item_is_one_row_at_once(store: IntakeStore, database_url: str) -> None:
    assert store.write(PositionRows(), [letter()] * 60_000) == Stored()
    assert scalar(database_url, "select count(*), sum(times) from dead_letter") == (1, 60_000)


@pytest.mark.servers
def test_a_batch_that_was_not_stored_takes_no_room(database_url: str) -> None:
    store = IntakeStore(database_url, payload_bytes=8, cap_bytes=2_000_000)
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("alter table dead_letter rename to away")
        for _ in range(3):
            with pytest.raises(SinkError):
                store.write(PositionRows(), [letter()])
        conn.execute("alter table away rename to dead_letter")
    room = store._room.free_bytes
    store.write(PositionRows(), [letter()])
    assert room - store._room.free_bytes < 1000
    store.close()


@pytest.mark.servers
def test_a_database_that_stands_still_is_away(
    store: IntakeStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.store.TRANSACTION_S", 0.3)
    store.write(rows(0), ())
    with db.connect(database_url) as conn:
        conn.execute("lock table position in access exclusive mode")
        with pytest.raises(SinkError) as caught:
            store.write(rows(1), ())
    assert caught.value.retryable
    assert store.write(rows(1), ()) == Stored(inserted=1)
