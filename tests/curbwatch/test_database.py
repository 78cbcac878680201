"""Migrations forward and back, once, by one runner, and what is refused."""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

import curbwatch.database as db
from alerts.record.steps import record
from alerts.store import AlertDatabase
from curbwatch.migrations import HYPERTABLES
from ingest.store import IntakeStore
from schemas.errors import SetupError, SinkError, UsageError
from schemas.record import Actor, What
from tests.faultproxy import FaultProxy

pytestmark = pytest.mark.servers


def tables(url: str) -> set[str]:
    with db.connect(url) as conn:
        rows = conn.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def test_forward_back_and_forward_again(empty_database_url: str) -> None:
    assert db.migrate(empty_database_url) is db.Edition.APACHE
    full = tables(empty_database_url)
    assert {"device", "position", "incident", "outbox"} <= full
    db.migrate(empty_database_url, target=0)
    assert tables(empty_database_url) == {"migration"}
    db.migrate(empty_database_url)
    assert tables(empty_database_url) == full


def test_a_quiet_place_stays_quiet_as_long_and_as_narrowly_forward_and_back(empty_database_url: str) -> None:
    db.migrate(empty_database_url, target=24)
    old = (
        "select quiet_family, quiet_urgent, quiet_by, quiet_reason, quiet_until::date::text from site order by site_id"
    )
    with db.session(empty_database_url) as conn:
        conn.execute(
            "insert into site (cell_id, camera_id, box_px, quiet_until, quiet_family, quiet_urgent, quiet_by,"
            " quiet_reason) values ('c', 'cam', '{0,0,0,0}', '2030-01-01', 'stall', false, 'wang', 'works'),"
            " ('c', 'cam', '{0,0,0,0}', null, '', false, '', '')"
        )
        before = conn.execute(old).fetchall()
    db.migrate(empty_database_url)
    with db.session(empty_database_url) as conn:
        found = conn.execute("select family, urgent, by, reason, until::date::text from site_quiet").fetchall()
        # Of one place several may be quiet, each of its own thing; the old key has room for the longest alone.
        conn.execute(
            "insert into site_quiet (site_id, family, urgent, until)"
            " select q.site_id, m.family, m.urgent, m.until::timestamptz from site_quiet q,"
            " (values ('waste', true, '2029-01-01'), ('stall', false, '2029-06-01')) as m (family, urgent, until)"
        )
    assert found == before[:1]
    db.migrate(empty_database_url, target=24)
    with db.session(empty_database_url) as conn:
        assert conn.execute(old).fetchall() == before


CASE = """
with place as (insert into site (cell_id, camera_id, box_px) values ('', 'cam-1', '{0,0,1,1}') returning site_id)
insert into incident (incident_id, family, site_id, class_code, state, camera_id, track_id, zone, cell_id, unit_id,
    box_px, appeared_at, opened_at, last_seen_at, closed_at, confidence, rule_version, outcome)
select gen_random_uuid(), 'waste', site_id, '06010', 'done', 'cam-1', 7, 'z', '', 'u-1', '{0,0,1,1}',
    now(), now(), now(), now(), 0.9, 'v1', 'handled' from place
"""


def test_what_was_told_after_an_extension_is_not_told_once_more_by_a_newer_schema(empty_database_url: str) -> None:
    db.migrate(empty_database_url, target=35)
    clock = (
        "insert into incident_clock (incident_id, stage, round, limit_id, started_at, limit_s, extensions,"
        " rule_version) select incident_id, 'handle', 1, 'day', now(), 60, 1, 'v1' from incident"
    )
    with db.session(empty_database_url) as conn:
        conn.execute(CASE)
        conn.execute(clock)
    with closing(AlertDatabase(empty_database_url)) as database, database.transaction() as open_now:
        (row,) = open_now.execute("select incident_id from incident for no key update").fetchall()
        record(open_now, row["incident_id"], Actor("李雷", "supervisor"), What.EXTENDED, {"stage": "handle"})
    with db.session(empty_database_url) as conn:
        for kind, hours in (("red", -1), ("escalated", 1)):
            conn.execute(
                "insert into sweep_entry (incident_id, stage, round, limit_id, kind, day, at)"
                " select incident_id, 'handle', 1, 'day', %s, now()::date, now() + %s * interval '1 h' from incident",
                (kind, hours),
            )
        conn.execute(
            "insert into job_escalation (incident_id, stage, round, limit_id, at)"
            " select incident_id, 'handle', 1, 'day', now() + interval '1 hour' from incident"
        )
    db.migrate(empty_database_url)
    with db.session(empty_database_url) as conn:
        assert conn.execute("select kind, again from sweep_entry order by 1").fetchall() == [
            ("escalated", 1),
            ("red", 0),  # of the limit before it was extended
        ]
        assert conn.execute("select again from job_escalation").fetchall() == [(1,)]


def test_numbers_count_on_from_the_highest_one_forward_and_back(empty_database_url: str) -> None:
    db.migrate(empty_database_url)
    ask = "select nextval('case_serial')"
    with db.session(empty_database_url) as conn:
        assert conn.execute(ask).fetchall() == [(1,)], "the first case has the first number"
        conn.execute(CASE)
        conn.execute("update incident set case_no = '51200220260504000041'")
    db.migrate(empty_database_url, target=21)
    db.migrate(empty_database_url)
    with db.session(empty_database_url) as conn:
        assert conn.execute(ask).fetchall() == [(42,)]


def test_a_way_back_that_would_delete_cases_is_refused_before_anything_is_undone(empty_database_url: str) -> None:
    db.migrate(empty_database_url)
    full = tables(empty_database_url)
    with db.session(empty_database_url) as conn:
        conn.execute(CASE)  # it was seen by a camera, and its picture reached its term
    with pytest.raises(SinkError, match=r"1 incidents cannot be told .* restore a backup") as caught:
        db.migrate(empty_database_url, target=13)
    assert str(caught.value).isprintable()
    assert not caught.value.retryable
    assert tables(empty_database_url) == full
    db.migrate(empty_database_url, target=14)
    with db.session(empty_database_url) as conn:
        conn.execute("delete from incident")
    db.migrate(empty_database_url, target=13)
    db.migrate(empty_database_url)
    assert tables(empty_database_url) == full


LETTERS = """
insert into dead_letter (received_at, topic, device_id, reason, size_bytes, payload_sha256, payload, replayed_at)
select timestamptz '2026-05-01 00:00Z' + number * interval '1 s', %s, %s, 'json', 1, sha256('x'), 'x', %s
from generate_series(1, %s) as number
"""


def test_letters_that_were_there_twenty_thousand_times_become_one_that_says_so(empty_database_url: str) -> None:
    db.migrate(empty_database_url, target=6)
    with db.session(empty_database_url) as conn:
        conn.execute(LETTERS, ("city/a", "a", None, 20_000))
        conn.execute(LETTERS, ("city/b", "b", None, 1))
        conn.execute(LETTERS, ("city/a", "a", "2026-05-02 00:00Z", 2))
    db.migrate(empty_database_url)
    with db.session(empty_database_url) as conn:
        found = conn.execute(
            "select topic, times, extract(epoch from received_at - timestamptz '2026-05-01 00:00Z')::int,"
            " extract(epoch from last_at - timestamptz '2026-05-01 00:00Z')::int from dead_letter order by id"
        ).fetchall()
    assert found == [("city/a", 20_000, 1, 20_000), ("city/b", 1, 1, 1), ("city/a", 1, 1, 1), ("city/a", 1, 2, 2)]


def test_letters_of_several_devices_for_one_message_are_counted_when_they_become_one_again(database_url: str) -> None:
    with db.session(database_url) as conn:
        for device in "ab":
            conn.execute(LETTERS, ("city/gate", device, None, 1))
        conn.execute("update dead_letter set times = 5, last_at = '2026-05-03 12:00Z' where device_id = 'b'")
        conn.execute("update dead_letter set last_at = received_at where device_id = 'a'")
    db.migrate(database_url, target=8)
    db.migrate(database_url)
    with db.session(database_url) as conn:
        found = conn.execute("select device_id, times, last_at::date::text from dead_letter").fetchall()
    assert found == [("a", 6, "2026-05-03")]


def test_what_comes_by_time_lies_in_hypertables(database_url: str) -> None:
    with db.connect(database_url) as conn:
        rows = conn.execute("select hypertable_name from timescaledb_information.hypertables").fetchall()
    assert {row[0] for row in rows} == set(HYPERTABLES)


def test_ten_runners_at_once_migrate_once(empty_database_url: str) -> None:
    faults: list[BaseException] = []

    def run() -> None:
        try:
            db.migrate(empty_database_url)
        except BaseException as fault:  # noqa: BLE001  # handed to the test's own thread
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_changed_migration_is_refused_by_name(database_url: str) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("update migration set sha256 = 'x' where number = 2")
    with pytest.raises(SetupError, match=r"0002_position\.up\.sql was changed"):
        db.migrate(database_url)


def test_a_newer_database_is_refused(database_url: str) -> None:
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("insert into migration values (9999, '9999_future.up.sql', 'x')")
    with pytest.raises(SetupError, match="newer Curbwatch"):
        db.migrate(database_url)


def test_an_unreachable_database_is_named_without_its_password() -> None:
    with pytest.raises(SinkError, match=r"postgresql://a:\*\*\*@127\.0\.0\.1:1/x") as caught:
        db.connect("postgresql://a:geheim@127.0.0.1:1/x")
    assert "geheim" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert str(caught.value).endswith(db.REMEDY)
    assert caught.value.retryable


def test_a_notice_arrives(database_url: str) -> None:
    listening = db.notices(database_url, "curbwatch_registry", poll_s=0.1)
    assert next(listening) is True  # for what changed before anybody listened
    assert next(listening) is False
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("insert into device (device_id, kind, source) values ('a', 'camera', 'publish')")
    assert any(next(listening) for _ in range(20))


def read_marks(url: str) -> None:
    with closing(IntakeStore(url, payload_bytes=8)) as store:
        store.marks_of([("car", "b")])


@pytest.mark.parametrize(
    "use", [read_marks, lambda url: next(db.notices(url, "x")), lambda url: db.connect(url).close()]
)
def test_a_server_that_stopped_answering_is_noticed_in_seconds_by_whoever_waits_for_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[str], None]
) -> None:
    told: dict[str, str] = {}
    connect = psycopg.connect

    def spied(url: str, **more: Any) -> Any:  # noqa: ANN401
        conn = connect(url, **more)
        told.update(conn.info.get_parameters())
        return conn

    monkeypatch.setattr("psycopg.connect", spied)
    use(database_url)
    # Two keepalives unanswered, or something sent and never acknowledged.
    assert int(told["keepalives_idle"]) + 2 * int(told["keepalives_interval"]) <= 10
    assert (told["keepalives_count"], told["tcp_user_timeout"]) == ("2", "10000")


def test_a_server_that_stands_still_is_given_up_and_asked_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curbwatch.database.ANSWER_S", 0.3)
    with FaultProxy.to(database_url) as proxy:
        lasting = db.Lasting(proxy.instead(database_url))
        with lasting.connection() as conn:
            conn.execute("select 1")
        proxy.swallow()  # the connection stands, and TCP sees no fault
        with pytest.raises(SinkError) as caught, lasting.connection() as conn:
            conn.execute("select 1")
        assert caught.value.retryable
        proxy.heal()
        with lasting.connection() as conn:
            assert conn.execute("select 1").fetchone() == (1,)
        lasting.close()


def test_a_role_that_may_not_make_tables_is_told_what_to_ask_for(empty_database_url: str) -> None:
    with db.connect(empty_database_url, autocommit=True) as conn:
        conn.execute("revoke create on schema public from pg_database_owner")
        name = conn.info.dbname
    with pytest.raises(SetupError, match=f'permission denied.*alter database "{name}" owner to "curbwatch"') as caught:
        db.migrate(empty_database_url)
    assert str(urlsplit(empty_database_url).password) not in str(caught.value)


def test_what_the_database_refuses_is_one_clean_error(database_url: str) -> None:
    with (
        pytest.raises(SinkError, match='relation "nowhere" does not exist') as caught,
        db.session(database_url) as conn,
    ):
        conn.execute("insert into nowhere values (1)")
    assert not caught.value.retryable
    with pytest.raises(SinkError, match="terminating connection") as caught, db.session(database_url) as conn:
        conn.execute("select pg_terminate_backend(pg_backend_pid())")
    assert caught.value.retryable


def _enter_then_fail(enter: Callable[[str], None]) -> None:
    enter("b")
    raise UsageError("no")


def test_a_session_is_committed_at_its_end_and_not_after_an_error(database_url: str) -> None:
    def enter(name: str) -> None:
        conn.execute("insert into device (device_id, kind, source) values (%s, 'camera', 'publish')", (name,))

    with db.session(database_url) as conn:
        enter("a")
    with pytest.raises(UsageError, match="no"), db.session(database_url) as conn:
        _enter_then_fail(enter)
    with db.session(database_url) as conn:
        assert conn.execute("select device_id from device").fetchall() == [("a",)]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:my/secret@h/d",
        "postgresql://u:my@secret@h/d",
        "postgresql://u:my%secret@h/d",
        "postgresql://h:port/d?password=my secret",
        "postgresql://u:mysecret@h\0/d",
        "host=h password=mysecret nonsense",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_a_piece_of_its_password(url: str) -> None:
    for refuse in (db.refuse_unreadable, db.connect):
        with pytest.raises(SetupError, match="this address cannot be read") as caught:
            refuse(url)
        assert "secret" not in str(caught.value)
        assert "my" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://h", "postgresql://a:b%2F@h1:1,h2:2/d", "postgresql:///d?host=@/run/x"])
def test_addresses_that_libpq_reads_are_left_to_it(url: str) -> None:
    db.refuse_unreadable(url)


class Busy:
    """A connection whose server has a worker of its own in the database for the first ``times`` tries."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.asked = 0

    def execute(self, _statement: object) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise psycopg.errors.InsufficientPrivilege("permission denied to terminate process")


def test_a_database_is_dropped_as_soon_as_the_servers_own_workers_have_left_it() -> None:
    busy = Busy(3)
    db.drop_database(busy, "gone")  # type: ignore[arg-type]
    assert busy.asked == 4


def test_somebody_who_stays_in_a_database_is_told_in_the_end() -> None:
    busy = Busy(1_000_000)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.drop_database(busy, "kept", patience_s=0.25)  # type: ignore[arg-type]
    assert busy.asked > 1
