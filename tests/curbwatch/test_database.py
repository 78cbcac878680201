"""Migrations forward and back, once, by one runner, and what is refused."""

import threading

import pytest

import curbwatch.database as db
from schemas.errors import SetupError, SinkError

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


def test_positions_and_sightings_are_hypertables(database_url: str) -> None:
    with db.connect(database_url) as conn:
        rows = conn.execute("select hypertable_name from timescaledb_information.hypertables").fetchall()
    assert {row[0] for row in rows} == set(db.HYPERTABLES)


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
    assert caught.value.retryable


def test_a_notice_arrives(database_url: str) -> None:
    listening = db.notices(database_url, "curbwatch_registry", poll_s=0.1)
    assert next(listening) is True  # for what changed before anybody listened
    assert next(listening) is False
    with db.connect(database_url, autocommit=True) as conn:
        conn.execute("insert into device (device_id, kind, source) values ('a', 'camera', 'publish')")
    assert any(next(listening) for _ in range(20))
