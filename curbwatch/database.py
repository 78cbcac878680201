"""The spine's PostgreSQL: connecting, migrations, editions of TimescaleDB, notices."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from alerts.store import REMEDY_ZH
from config.faults import masked
from curbwatch.migrations import move, move_community, refuse_community_data
from ingest.watchdog import bounded
from schemas.errors import SetupError, SinkError
from schemas.links import DATABASE_LINK

Connection = psycopg.Connection[Any]

# Any number that no other program of the city uses on this database.
MIGRATION_LOCK = 0x63757262
REMEDY = "check address, user and password in database.url_file or database.url, or run `curbwatch parts up`"
DROP_S = 10.0  # that the server's own workers may take to leave a database that is dropped
ANSWER_S = 20.0  # longer than anything takes that is asked on a lasting connection


class Edition(Enum):
    """What the server's TimescaleDB can do."""

    NONE = "none"
    APACHE = "apache"
    COMMUNITY = "community"


def refuse_unreadable(url: str) -> None:
    """Raise SetupError for an address that libpq reads otherwise than it was meant, without a piece of its password.

    libpq's own messages repeat parts of an address, and a password with an unescaped ``/`` or ``@`` becomes a port or
    a host of it.
    """
    try:
        parts = conninfo_to_dict(url)
        usable = "\0" not in url and not re.search(r"[^\d,]", str(parts.get("port") or ""))
        usable = usable and "@" not in str(parts.get("host") or "")[1:]  # @/path is a socket's name
    except psycopg.Error:
        usable = False
    if not usable:
        message = (
            f"database {masked(url)}: this address cannot be read: write postgresql://user:password@host:port/name;"
            " in a user or password write % as %25, # as %23, / as %2F, ? as %3F, @ as %40"
        )
        raise SetupError(message)


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """Open a connection. Raises SinkError without the password where the server does not take it."""
    refuse_unreadable(url)
    try:
        return psycopg.connect(make_conninfo(url, **DATABASE_LINK), autocommit=autocommit, application_name="curbwatch")
    except psycopg.Error as error:
        # libpq tells one failure in several lines, and several hosts' below the first.
        said = " ".join((str(error).strip() or "no answer").splitlines()[0].split())
        raise SinkError(f"database {masked(url)}: {said}; {REMEDY}", retryable=True, wait_s=1.0) from None


@contextmanager
def session(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """Lend a connection, committed and closed at the end.

    Raises SetupError where our role may not do what is asked, SinkError where the server went away (retryable) or
    refuses for another reason (not retryable).
    """
    conn = connect(url, autocommit=autocommit)
    owner = sql.SQL("alter database {} owner to {}").format(
        sql.Identifier(conn.info.dbname), sql.Identifier(conn.info.user)
    )
    remedy = f"Curbwatch makes its own tables; as the database's administrator: {owner.as_string(conn)}"
    try:
        with conn:
            yield conn
    except psycopg.errors.InsufficientPrivilege as error:
        raise SetupError(f"database {masked(url)}: {_said(error)}. {remedy}") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        remedy = "start `curbwatch run` once, which brings its tables up to date"
        chinese = f"数据库 {masked(url)} 的表不全({_said(error)}):{REMEDY_ZH}"
        raise SinkError(f"database {masked(url)}: {_said(error)}; {remedy}", chinese, retryable=False) from error
    except psycopg.Error as error:
        away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        raise SinkError(f"database {masked(url)}: {_said(error)}", retryable=away, wait_s=1.0) from error


class Lasting:
    """One autocommit connection that is kept, and comes back after it was lost. Used from one thread at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._conn: Connection | None = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend the connection for ``ANSWER_S`` at most. Raises SinkError where the server went away or stands still."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = connect(self._url, autocommit=True)
            with bounded(self._conn.fileno(), ANSWER_S):
                yield self._conn
        except psycopg.Error as error:
            self.close()
            raise SinkError(f"database {masked(self._url)}: {_said(error)}", retryable=True, wait_s=1.0) from error

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def edition(conn: Connection) -> Edition:
    """Which TimescaleDB the database has, without trying and failing."""
    found = conn.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone()
    if found is None:
        return Edition.NONE
    row = conn.execute("select current_setting('timescaledb.license', true)").fetchone()
    return Edition.COMMUNITY if row is not None and row[0] == "timescale" else Edition.APACHE


def migrate(url: str, *, target: int | None = None, extension: bool = True, community: bool = True) -> Edition:
    """Bring the schema to ``target`` (default: the newest), forward or back, and return the edition.

    One runner at a time (advisory lock); each step is one transaction; an applied file that was changed is refused.
    A running pipeline goes on: a step that does not get its locks soon lets the others pass and tries again.
    ``extension``: make TimescaleDB's where the server has it. ``community``: apply the set of that edition where it is
    the one, and nothing of it where false. Raises SetupError naming the file, where the data is another edition's, or
    where our role may not make tables; SinkError where the server went away or the tables were never free.
    """
    with session(url, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        try:
            if extension:
                _extension(conn)
            found = edition(conn)
            if found is not Edition.COMMUNITY:
                refuse_community_data(conn)
            move(conn, target, hypertables=found is not Edition.NONE)
            if found is Edition.COMMUNITY and target is None:
                move_community(conn, wanted=community)
        finally:
            conn.execute("select pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
    return found


def make_role(conn: Connection, name: str, password: str) -> None:
    """Create or update the application's role, which may create databases and nothing more."""
    known = conn.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
    verb = sql.SQL("alter role" if known else "create role")
    conn.execute(sql.SQL("{} {} login createdb password {}").format(verb, sql.Identifier(name), sql.Literal(password)))


def make_database(conn: Connection, name: str, owner: str) -> None:
    """Create a database if it is not there. ``conn`` must be in autocommit."""
    if conn.execute("select 1 from pg_database where datname = %s", (name,)).fetchone() is None:
        conn.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))


def fresh_database(url: str, name: str) -> str:
    """Drop and create database ``name`` on the server of ``url``; returns its address."""
    with session(url, autocommit=True) as conn:
        drop_database(conn, name)
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def drop_database(conn: Connection, name: str, *, patience_s: float = DROP_S) -> None:
    """Drop a database if it is there, with whoever is connected to it.

    The server's own workers (autovacuum, TimescaleDB's jobs) belong to its superuser, whom we may not send away; they
    are done in a moment and are waited for, ``patience_s`` at most.
    """
    statement = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    give_up_s = time.monotonic() + patience_s
    while True:
        try:
            conn.execute(statement)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.1)
        else:
            return


def notices(url: str, channel: str, *, poll_s: float = 1.0) -> Iterator[bool]:
    """Yield True when it listens, then True for each NOTIFY on ``channel``, False about every ``poll_s`` without one.

    The first True is for what changed while nobody listened. Raises SinkError when the connection is lost.
    """
    with connect(url, autocommit=True) as conn:
        try:
            conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            yield True
            while True:
                yield bool([notice.payload for notice in conn.notifies(timeout=poll_s, stop_after=1)])
        except psycopg.OperationalError as error:
            raise SinkError(f"database {masked(url)} went away", retryable=True, wait_s=1.0) from error


def _extension(conn: Connection) -> None:
    available = conn.execute("select 1 from pg_available_extensions where name = 'timescaledb'").fetchone()
    if available is not None:
        conn.execute("create extension if not exists timescaledb")


def _said(error: psycopg.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
