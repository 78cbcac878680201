"""Which edition gets what, and what is refused. No Community server can be had here: its set runs on stand-ins.

A plain database gets functions of the same names that do nothing (or what date_bin does), and the clauses that only
TimescaleDB can read are cut out. So names, columns, types and the way back are tested, and no policy.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import curbwatch.database as db
from alerts.keeping.rollup import Rollup
from alerts.store import AlertDatabase
from config.model import Config
from curbwatch import migrations
from curbwatch.database import Edition
from curbwatch.keeping import make_keeping
from curbwatch.parts import Servers
from schemas.errors import ConfigError, SetupError
from tests.fix_servers import own_database

pytestmark = pytest.mark.servers

STAND_INS = """
create function time_bucket(interval, timestamptz) returns timestamptz immutable language sql
    as $$ select date_bin($1, $2, timestamptz 'epoch') $$;
create function add_continuous_aggregate_policy(
    text, start_offset interval, end_offset interval, schedule_interval interval) returns integer
    language sql as $$ select 1 $$;
create procedure add_columnstore_policy(text, after interval) language sql as $$ $$;
create procedure remove_columnstore_policy(text, if_exists boolean) language sql as $$ $$;
create function show_chunks(text) returns setof regclass language sql as $$ select null::regclass where false $$;
create function decompress_chunk(regclass, if_compressed boolean) returns regclass language sql as $$ select $1 $$;
"""
VIEWS = ("incident_hour", "incident_day", "position_hour", "position_day")
POSITION = """
insert into position (device_id, ts, seq, received_at, lon, lat, raw_lon, raw_lat, crs, speed_mps)
values ('car', %s, %s, now(), 1, 1, 1, 1, 'wgs84', %s)
"""
REAL = migrations.steps_in


def plain_words(sql: str) -> str:
    """The SQL without what only TimescaleDB reads."""
    sql = re.sub(r"alter table position set \(\s*timescaledb[^;]*;", "", sql)
    return re.sub(r" with \(timescaledb[^)]*\)", "", sql).replace("with no data", "with data")


def stand_ins(folder: str = "") -> dict[int, migrations.Step]:
    found = REAL(folder)
    if folder != "community":
        return found
    return {
        number: replace(step, forward=plain_words(step.forward), back=plain_words(step.back))
        for number, step in found.items()
    }


def columns(url: str) -> list[tuple[Any, ...]]:
    """Name and type of every column of every view."""
    query = (
        "select table_name, ordinal_position, column_name, data_type from information_schema.columns"
        " where table_name = any(%s) order by 1, 2"
    )
    with db.connect(url) as conn:
        return conn.execute(query, (list(VIEWS),)).fetchall()


@pytest.fixture
def community_url(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A plain database that says it is the Community edition's, with its base and without its set."""
    with own_database(servers) as url:
        db.migrate(url, extension=False)
        with db.connect(url, autocommit=True) as conn:
            conn.execute(STAND_INS)
        monkeypatch.setattr(db, "edition", lambda _conn: Edition.COMMUNITY)
        monkeypatch.setattr(db, "_extension", lambda _conn: None)
        monkeypatch.setattr(migrations, "steps_in", stand_ins)
        yield url


def put(url: str, at: datetime, seq: int) -> None:
    with db.connect(url, autocommit=True) as conn:
        conn.execute(POSITION, (at, seq, 3.0))


def counts(url: str, *, refresh: bool = True) -> tuple[list[Any], list[Any]]:
    with db.connect(url, autocommit=True) as conn:
        if refresh:
            conn.execute("refresh materialized view position_counts")
        hours = conn.execute("select bucket, positions, moving from position_hour order by 1").fetchall()
        return hours, conn.execute("select day, positions from position_day order by 1").fetchall()


def test_the_set_of_the_community_edition_goes_on_and_off_behind_the_same_views(
    community_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = columns(community_url)
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    old = hour - timedelta(days=3)
    put(community_url, old, 1)
    assert db.migrate(community_url) is Edition.COMMUNITY
    assert columns(community_url) == before
    put(community_url, old, 2)  # late, of before the set
    put(community_url, now, 3)
    database = AlertDatabase(community_url)
    Rollup(database, "UTC").do(now)
    assert counts(community_url) == ([(old, 2, 2), (hour, 1, 1)], [(old.date(), 2), (now.date(), 1)])
    assert db.migrate(community_url) is Edition.COMMUNITY  # twice is once
    db.migrate(community_url, community=False)
    assert columns(community_url) == before
    put(community_url, now, 4)
    Rollup(database, "UTC").do(now + timedelta(hours=1))
    assert counts(community_url, refresh=False) == ([(old, 2, 2), (hour, 2, 2)], [(old.date(), 2), (now.date(), 2)])
    database.close()


def test_the_base_goes_back_with_the_set_applied(community_url: str) -> None:
    db.migrate(community_url)
    db.migrate(community_url, target=14)
    with db.connect(community_url) as conn:
        assert conn.execute("select count(*) from migration_community").fetchone() == (0,)
        assert conn.execute("select to_regclass('position_counts')").fetchone() == (None,)


def test_a_database_of_the_community_edition_is_refused_elsewhere(
    community_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.migrate(community_url)
    for found in (Edition.APACHE, Edition.NONE):
        monkeypatch.setattr(db, "edition", lambda _conn, found=found: found)
        with pytest.raises(SetupError, match=r"made for TimescaleDB's Community edition.*keeping\.community = false"):
            db.migrate(community_url)


def test_a_term_that_its_counts_would_outlive_is_refused(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,  # noqa: ANN401
) -> None:
    monkeypatch.setenv("CURBWATCH_HOME", str(tmp_path))
    config = Config.model_validate({"keeping": {"positions_days": 8}})
    database = AlertDatabase(database_url)
    with pytest.raises(ConfigError, match=r"keeping\.positions_days = 8: is less than 9"):
        make_keeping(database, config, "UTC", Edition.COMMUNITY)
    for edition in (Edition.APACHE, Edition.NONE):
        make_keeping(database, config, "UTC", edition)


def test_no_other_edition_gets_the_set(database_url: str) -> None:
    with db.connect(database_url) as conn:
        assert db.edition(conn) is Edition.APACHE
        assert conn.execute("select to_regclass('migration_community')").fetchone() == (None,)
