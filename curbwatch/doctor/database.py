"""Looks at the database: whether what it commits stays, and whether its clock is ours."""

import time
from dataclasses import dataclass
from typing import Any

from curbwatch.backup_prune import OWING
from curbwatch.database import REMEDY, Connection, Edition, edition, session
from curbwatch.doctor.finding import Finding, Level, fault, judged, ok, warn
from schemas.errors import CurbwatchError

AREA = "database"
# "local" and the remote forms all wait for our own server's disk.
DURABLE = frozenset({"on", "local", "remote_write", "remote_apply"})
SKEW_WARN_S = 1.0
SKEW_FAULT_S = 60.0

FACTS = """
select current_setting('server_version'), current_setting('synchronous_commit'), current_setting('fsync'),
    current_setting('full_page_writes'), current_setting('transaction_read_only'),
    coalesce(has_schema_privilege(current_schema(), 'create'), false),
    exists (select 1 from pg_available_extensions where name = 'timescaledb'), pg_database_size(current_database())
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server says. ``skew_s``: its clock minus ours; ``size_bytes``: of the database."""

    version: str
    synchronous_commit: str
    fsync: str
    full_page_writes: str
    read_only: bool
    may_create: bool
    edition: Edition
    available: bool
    size_bytes: int
    skew_s: float


def look_at_database(url: str) -> list[Finding]:
    """Ask and judge; without a database: one fault."""
    if not url:
        remedy = "set database.url_file, or run `curbwatch parts up`"
        return [fault(AREA, "reachable", "no database is configured", remedy)]
    try:
        with session(url, autocommit=True) as conn:
            row: tuple[Any, ...] = conn.execute(FACTS).fetchone() or ()
            before_s = time.time()
            told = conn.execute("select extract(epoch from clock_timestamp())::float8").fetchone() or (before_s,)
            skew_s = float(told[0]) - (before_s + time.time()) / 2
            version, commit, fsync, pages, read_only, may_create, available, size_bytes = row
            facts = Facts(
                version,
                commit,
                fsync,
                pages,
                read_only == "on",
                may_create,
                edition(conn),
                available,
                size_bytes,
                skew_s,
            )
            backups = _backups(conn)
    except CurbwatchError as error:
        return [fault(AREA, "reachable", str(error).removesuffix(f"; {REMEDY}"), REMEDY)]
    return judge_facts(facts) + backups


def judge_facts(facts: Facts) -> list[Finding]:
    """Judge what a server says. Pure."""
    level = {True: Level.OK, False: Level.FAULT}
    return [
        ok(AREA, "version", f"PostgreSQL {facts.version}, {facts.size_bytes / 1e6:.0f} MB"),
        _edition(facts),
        judged(
            AREA,
            "synchronous_commit",
            level[facts.synchronous_commit in DURABLE],
            facts.synchronous_commit,
            "set it on: a position is acknowledged when it is committed, and off loses the last commits in a crash",
        ),
        judged(AREA, "fsync", level[facts.fsync == "on"], facts.fsync, "set it on: a power loss ruins the database"),
        judged(
            AREA,
            "full_page_writes",
            level[facts.full_page_writes == "on"],
            facts.full_page_writes,
            "set it on: a page that a power loss tears in two is not repaired",
        ),
        judged(
            AREA,
            "writable",
            level[not facts.read_only],
            "read only" if facts.read_only else "yes",
            "name the primary server, not a standby",
        ),
        judged(
            AREA,
            "rights",
            level[facts.may_create],
            "our role may make tables" if facts.may_create else "our role may not make tables",
            "make our role the owner of the database: alter database … owner to …",
        ),
        judge_skew(AREA, facts.skew_s),
    ]


def judge_skew(area: str, skew_s: float) -> Finding:
    """Judge a clock beside ours, in seconds ahead of us."""
    off_s = abs(skew_s)
    level = Level.OK if off_s < SKEW_WARN_S else Level.WARN if off_s < SKEW_FAULT_S else Level.FAULT
    seen = f"{off_s:.1f} s {'ahead of' if skew_s > 0 else 'behind'} ours" if off_s >= 0.05 else "as ours"
    return judged(area, "clock", level, seen, "let both machines follow a time server: leases and deadlines run on it")


def _backups(conn: Connection) -> list[Finding]:
    """A warning for each backup that still holds pictures which were deleted; none before there are tables."""
    row = conn.execute("select to_regclass('backup_owing')").fetchone()
    if row is None or row[0] is None:
        return []
    remedy = "let this user change that folder (`run` tries again each half hour), or delete the backup"
    return [
        warn("backup", str(folder), f"still holds {count} deleted pictures, since {since:%Y-%m-%d}", remedy)
        for folder, count, since in conn.execute(OWING)
    ]


def _edition(facts: Facts) -> Finding:
    if facts.edition is not Edition.NONE:
        return ok(AREA, "TimescaleDB", f"{facts.edition.value} edition")
    if facts.available:
        remedy = (
            "create extension timescaledb, as administrator, before the first `run`: tables are made for it only then"
        )
        return warn(AREA, "TimescaleDB", "installed, but not in this database", remedy)
    remedy = "install it before the first `run`: without it old positions are costly to drop"
    return warn(AREA, "TimescaleDB", "not installed: positions go to plain tables", remedy)
