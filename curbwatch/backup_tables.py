"""The database as files: each table by COPY, in one snapshot, and back in the order of their references.

Not pg_dump (docs/decisions): of a database with TimescaleDB only a superuser can restore its dump, into the same
edition and version. Rows under a schema number need neither.
"""

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curbwatch.backup_files import CHUNK_BYTES, Progress
from curbwatch.database import Connection

FOLDER = "database"
TOLD_ROWS = 100_000  # of a table that is worth a line
# Made anew by the migrations themselves; or of this machine's folders.
NOT_KEPT = frozenset({"migration", "migration_community", "backup_made", "backup_owing"})
TABLES = "select tablename from pg_tables where schemaname = current_schema() order by 1"
REFERENCES = """
select distinct c.conrelid::regclass::text, c.confrelid::regclass::text from pg_constraint c
where c.contype = 'f' and c.connamespace = current_schema()::regnamespace and c.conrelid <> c.confrelid
"""
COLUMNS = """
select column_name from information_schema.columns
where table_schema = current_schema() and table_name = %s and is_generated = 'NEVER' order by ordinal_position
"""
SEQUENCES = "select sequencename, last_value from pg_sequences where schemaname = current_schema() order by 1"
# So that the same rows are the same text everywhere.
PLAIN = "set datestyle to 'iso, ymd'; set timezone to 'utc'; set intervalstyle to postgres; set bytea_output to hex"


def tables_of(conn: Connection) -> list[str]:
    """Our tables, each after those that it refers to; none in an empty database."""
    names = [row[0] for row in conn.execute(TABLES) if row[0] not in NOT_KEPT]
    needs: dict[str, set[str]] = {name: set() for name in names}
    for one, other in conn.execute(REFERENCES):
        if one in needs and other in needs:
            needs[one].add(other)
    ordered: list[str] = []
    while needs:
        free = sorted(name for name, needed in needs.items() if not needed - set(ordered))
        if not free:
            raise RuntimeError(f"tables refer to one another in a ring: {sorted(needs)}")
        ordered += free
        for name in free:
            del needs[name]
    return ordered


def dump(conn: Connection, folder: Path, tell: Progress) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Write every table of the caller's snapshot into ``folder/database``; facts of each table, and the sequences.

    Raises OSError where the disk does not take it.
    """
    (folder / FOLDER).mkdir(mode=0o700)
    conn.execute(PLAIN)
    tables = {}
    for name in tables_of(conn):
        columns = [row[0] for row in conn.execute(COLUMNS, (name,))]
        tables[name] = _dump_one(conn, folder / file_of(name), name, columns) | {"columns": columns}
        _told(name, tables[name]["rows"], tell)
    sequences = {name: value for name, value in conn.execute(SEQUENCES) if value is not None}
    return tables, sequences


def load(conn: Connection, folder: Path, body: dict[str, Any], tell: Progress) -> None:
    """Fill the tables of a migrated, empty database in the caller's transaction. Raises OSError, psycopg.Error."""
    conn.execute(PLAIN)
    names = [name for name in tables_of(conn) if name in body["tables"]]
    for name in reversed(names):  # rows that migrations make
        if conn.execute(f'select 1 from "{name}" limit 1').fetchone() is not None:  # noqa: S608  # from the catalogue
            conn.execute(f'delete from "{name}"')  # noqa: S608  # from the catalogue
    for name in names:
        columns = ", ".join(f'"{column}"' for column in body["tables"][name]["columns"])
        with (
            gzip.open(folder / file_of(name), "rb") as file,
            conn.cursor() as cursor,
            cursor.copy(f'copy "{name}" ({columns}) from stdin') as copy,
        ):
            while block := file.read(CHUNK_BYTES):
                copy.write(block)
        _told(name, body["tables"][name]["rows"], tell)
    known = {row[0] for row in conn.execute(SEQUENCES)}
    for name, value in body["sequences"].items():
        if name in known:
            conn.execute("select setval(%s::regclass, %s)", (f'"{name}"', value))


def filled(conn: Connection) -> list[str]:
    """Tables that hold rows which no migration makes; none in a fresh or an empty database."""
    found = []
    for name in tables_of(conn):
        columns = [row[0] for row in conn.execute(COLUMNS, (name,))]
        if "only_row" in columns:  # the one row of a state, made by its migration
            continue
        if conn.execute(f'select 1 from "{name}" limit 1').fetchone() is not None:  # noqa: S608  # from the catalogue
            found.append(name)
    return found


def _told(name: str, rows: int, tell: Progress) -> None:
    """Say that a table is done where that took a while: some forty are done in a moment."""
    if rows >= TOLD_ROWS:
        tell(f"{name}: {rows} rows")


def file_of(table: str) -> str:
    """Where a table is in a backup."""
    return f"{FOLDER}/{table}.tsv.gz"


def _dump_one(conn: Connection, target: Path, name: str, columns: Iterable[str]) -> dict[str, Any]:
    listed = ", ".join(f'"{column}"' for column in columns)
    rows, digest = 0, hashlib.sha256()
    # Of a hypertable COPY itself gives nothing: its rows are in its chunks.
    query = f'copy (select {listed} from "{name}") to stdout'  # noqa: S608  # from the catalogue
    with gzip.open(target, "wb", compresslevel=1) as file, conn.cursor() as cursor, cursor.copy(query) as copy:
        for block in copy:
            piece = bytes(block)
            rows += piece.count(b"\n")  # COPY writes a line end within a value as two other characters
            digest.update(piece)
            file.write(piece)
    return {"rows": rows, "sha256": digest.hexdigest()}
