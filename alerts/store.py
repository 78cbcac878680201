"""The alerts' PostgreSQL: one connection that comes back, and transactions that fail as SinkError."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from schemas.errors import SinkError

Connection = psycopg.Connection[dict[str, Any]]


class AlertDatabase:
    """A connection shared by the incident and job stores; one transaction at a time, from any thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._conn: Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction that commits durably at its end and rolls back on any error.

        Raises SinkError: retryable where the server went away or two transactions met, not where the data is wrong.
        """
        with self._lock:
            try:
                conn = self._connected()
                with conn.transaction():
                    yield conn
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._drop()
                raise SinkError(f"database: {_first_line(error)}", retryable=True, wait_s=0.5) from error
            except psycopg.Error as error:
                raise SinkError(f"database refused: {_first_line(error)}", retryable=False) from error

    def close(self) -> None:
        """Close the connection; a later transaction opens a new one."""
        with self._lock:
            self._drop()

    def _connected(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=10,
                application_name="curbwatch-alerts",
                row_factory=dict_row,
                options="-c synchronous_commit=on",
            )
        return self._conn

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
