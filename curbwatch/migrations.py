"""The schema's steps, forward and back, beside a pipeline that goes on writing; and the Community edition's own set."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from schemas.errors import SetupError, SinkError

if TYPE_CHECKING:  # curbwatch.database imports this file
    from curbwatch.database import Connection

# A step that waits for a lock lets everybody who comes later wait behind it: so it waits shortly, and often.
LOCK_S = 1.0
LOCK_TRIES = 60
LOCK_PAUSE_S = 0.5  # in which those who waited behind it go on
LOCK_BUSY = "55P03"  # PostgreSQL's lock_not_available
HYPERTABLES = {
    # Seven days: recordings reach back months, and a day's chunk of a small fleet holds too few rows to be worth one.
    # alerts/keeping/chunks.py makes those of positions shorter where much comes.
    "position": "7 days",
    "sighting": "7 days",
    "device_health_log": "7 days",
}
COMMUNITY_NEEDS = 19  # step that makes the views behind which the Community set puts its own


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered file of SQL, with the one that goes back, and what forbids that (empty: nothing does)."""

    number: int
    name: str
    forward: str
    back: str
    guard: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what was applied."""
        return hashlib.sha256(self.forward.encode()).hexdigest()


def steps_in(folder: str = "") -> dict[int, Step]:
    """Every step of ``schemas/sql``, or of a folder in it, by number."""
    found = {}
    place = resources.files("schemas.sql") / folder if folder else resources.files("schemas.sql")
    for file in place.iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.up\.sql", file.name)
        if match:
            back, guard = (place / f"{match[1]}_{match[2]}.{kind}.sql" for kind in ("down", "guard"))
            texts = [text.read_text("utf-8") if text.is_file() else "" for text in (back, guard)]
            found[int(match[1])] = Step(int(match[1]), file.name, file.read_text("utf-8"), *texts)
    return found


def move(conn: "Connection", target: int | None, *, hypertables: bool) -> None:
    """Bring the schema to ``target`` (None: the newest), forward or back; each step is one transaction.

    Raises SetupError naming a file that was changed after it was applied, SinkError (retryable) where a step found no
    moment in which nobody used its tables. What the guard of a step forbids is refused before any step goes back, as
    the database says it.
    """
    steps = steps_in()
    _make_table(conn, "migration")
    newest = max(steps, default=0) if target is None else target
    applied = _applied(conn, "migration", steps)
    for number in sorted(applied, reverse=True):
        if number > newest and steps[number].guard:
            conn.execute(steps[number].guard)  # here, where nothing is undone yet; and once more with its own step
    for number in sorted(steps.keys() - applied):
        if number <= newest:
            _apply(conn, steps[number], hypertables=hypertables)
    if newest < COMMUNITY_NEEDS:
        _leave_community(conn)
    for number in sorted(applied, reverse=True):
        if number > newest:
            _undo(conn, "migration", steps[number])


def move_community(conn: "Connection", *, wanted: bool) -> None:
    """Apply what of the Community set is missing, or take all of it back. The base must be at its newest."""
    if not wanted:
        _leave_community(conn)
        return
    steps = steps_in("community")
    _make_table(conn, "migration_community")
    applied = _applied(conn, "migration_community", steps)
    for number in sorted(steps.keys() - applied):
        step = steps[number]

        def apply(step: Step = step) -> None:
            conn.execute(step.forward)
            _note(conn, "migration_community", step)

        _when_free(conn, step.name, apply)


def refuse_community_data(conn: "Connection") -> None:
    """Refuse what an edition without Community functions would read wrongly or not at all. Raises SetupError.

    An Apache build returns wrong rows, without a word, from chunks that a Community build compressed (timescaledb
    issue 7787), and it never refreshes a continuous aggregate.
    """
    there = conn.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone() is not None
    if there:
        row = conn.execute("select count(*) from timescaledb_information.chunks where is_compressed").fetchone()
        if row is not None and row[0] > 0:
            message = (
                f"{row[0]} chunks are compressed, but this is the Apache edition, which would return wrong rows. "
                "Start it with the Community edition, or decompress the chunks there first."
            )
            raise SetupError(message)
    if _applied(conn, "migration_community", steps_in("community")):
        message = (
            "this database was made for TimescaleDB's Community edition, and this is not it: its counts would stand "
            "still. Start it with that edition; to leave it for good, there once with keeping.community = false"
        )
        raise SetupError(message)


def _leave_community(conn: "Connection") -> None:
    steps = steps_in("community")
    for number in sorted(_applied(conn, "migration_community", steps), reverse=True):
        _undo(conn, "migration_community", steps[number])


def _make_table(conn: "Connection", table: str) -> None:
    conn.execute(
        f"create table if not exists {table} (number integer primary key, name text not null, sha256 text not null,"
        " applied_at timestamptz not null default now())"
    )


def _applied(conn: "Connection", table: str, steps: dict[int, Step]) -> set[int]:
    if conn.execute("select to_regclass(%s)", (table,)).fetchone() == (None,):
        return set()
    applied = set()
    for number, name, digest in conn.execute(f"select number, name, sha256 from {table}"):  # noqa: S608  # constants
        if number not in steps:
            raise SetupError(f"the database was migrated by a newer Curbwatch ({name}): start that one")
        if digest != steps[number].digest:
            raise SetupError(
                f"schemas/sql/{name} was changed after it was applied: restore it and add a new file instead"
            )
        applied.add(number)
    return applied


def _apply(conn: "Connection", step: Step, *, hypertables: bool) -> None:
    before = _tables(conn)

    def apply() -> None:
        conn.execute(step.forward)
        for table in HYPERTABLES.keys() & (_tables(conn) - before) if hypertables else ():
            conn.execute(
                "select create_hypertable(%s::regclass, by_range('ts', %s::interval))", (table, HYPERTABLES[table])
            )
        _note(conn, "migration", step)

    _when_free(conn, step.name, apply)


def _undo(conn: "Connection", table: str, step: Step) -> None:
    def undo() -> None:
        if step.guard:
            conn.execute(step.guard)
        conn.execute(step.back)
        conn.execute(f"delete from {table} where number = %s", (step.number,))  # noqa: S608  # constants

    _when_free(conn, step.name, undo)


def _note(conn: "Connection", table: str, step: Step) -> None:
    conn.execute(
        f"insert into {table} (number, name, sha256) values (%s, %s, %s)",  # noqa: S608  # constants
        (step.number, step.name, step.digest),
    )


def _when_free(conn: "Connection", name: str, work: Callable[[], None]) -> None:
    """Do ``work`` in a transaction that waits ``LOCK_S`` for each lock, again and again. Raises SinkError."""
    for left in reversed(range(LOCK_TRIES)):
        try:
            with conn.transaction():
                conn.execute("select set_config('lock_timeout', %s, true)", (f"{LOCK_S * 1000:.0f}ms",))
                work()
        except Exception as error:
            if getattr(error, "sqlstate", None) != LOCK_BUSY:
                raise
            if not left:
                message = (
                    f"{name}: its tables were in use {LOCK_TRIES} times: end what holds them"
                    " (pg_stat_activity names it), and start again"
                )
                raise SinkError(message, retryable=True, wait_s=1.0) from error
            time.sleep(LOCK_PAUSE_S)
        else:
            return


def _tables(conn: "Connection") -> set[str]:
    rows = conn.execute("select tablename from pg_tables where schemaname = current_schema()").fetchall()
    return {row[0] for row in rows}
