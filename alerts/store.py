"""The alerts' PostgreSQL: one connection that comes back, and transactions that fail as SinkError."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from alerts import crash
from schemas.errors import SaidError, SinkError
from schemas.links import DATABASE_LINK

Connection = psycopg.Connection[dict[str, Any]]
REMEDY_ZH = "请启动一次 `curbwatch run`,由它更新数据库"
IDS_OF = {"a job": "任务", "an incident": "案件"}


class AlertDatabase:
    """A connection shared by the incident and job stores; one transaction at a time, from any thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._conn: Connection | None = None
        self._leading: dict[int, Connection] = {}  # advisory locks, each with the connection that holds it

    @contextmanager
    def transaction(self, step: str = "") -> Iterator[Connection]:
        """Open a transaction that commits durably at its end and rolls back on any error.

        ``step``: its name among the points at which tests end the process (``alerts/crash.py``).

        Raises SinkError: retryable where the server went away or two transactions met, not where the data is wrong.
        """
        with self.single() as conn, conn.transaction():
            yield conn
            if step:
                crash.at(f"{step}_before_commit")
        if step:
            crash.at(f"{step}_after_commit")

    @contextmanager
    def single(self) -> Iterator[Connection]:
        """Lend the connection for one statement, which is a transaction of its own: one round trip, not three.

        Raises SinkError as ``transaction`` does.
        """
        with self._lock:
            try:
                yield self._connected()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._drop()
                raise SinkError(f"database: {_first_line(error)}", retryable=True, wait_s=0.5) from error
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                remedy = "start `curbwatch run` once, which brings its tables up to date"
                said = _first_line(error)
                raise SinkError(
                    f"database refused: {said}; {remedy}", f"数据库的表不全({said}):{REMEDY_ZH}", retryable=False
                ) from error
            except psycopg.Error as error:
                raise SinkError(f"database refused: {_first_line(error)}", retryable=False) from error

    def leads(self, lock: int) -> bool:
        """Whether we hold an advisory lock of the database, trying to get it; asked before each round.

        The lock lives and dies with the connection: one that was lost meanwhile took it along.
        """
        with self.single() as conn:
            if self._leading.get(lock) is conn:
                conn.execute("select 1")  # raises where it was lost since
                return True
            row = conn.execute("select pg_try_advisory_lock(%s) as held", (lock,)).fetchone()
            if row is not None and row["held"]:
                self._leading[lock] = conn
                return True
            self._leading.pop(lock, None)
            return False

    def close(self) -> None:
        """Close the connection; a later transaction opens a new one."""
        with self._lock:
            self._drop()

    def _connected(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(
                make_conninfo(self._url, **DATABASE_LINK),
                autocommit=True,
                application_name="curbwatch-alerts",
                row_factory=dict_row,
                options="-c synchronous_commit=on",
            )
        return self._conn

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def id_of(text: str, what: Literal["a job", "an incident"]) -> uuid.UUID:
    """The id a person or program named. Raises UsageError, saying ``what`` it is not, for anything but a UUID."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise SaidError(
            f"{text!r} is not the id of {what}: ids look like 7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10",
            f"{text!r} 不是{IDS_OF[what]}编号:编号形如 7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10",
        ) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
