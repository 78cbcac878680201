"""Real servers for the tests: one private instance for the run, a fresh database for each test."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from psycopg import sql

import curbwatch.database as db
from curbwatch.parts import Servers, down, up
from curbwatch.parts.paths import home
from schemas.errors import CurbwatchError, SetupError

MEMORY = Path("/dev/shm")  # noqa: S108  # the folder is closed, and bears our pid
ROOMY_BYTES = 6 << 30  # a run leaves less than two in it


def servers_folder() -> Path:
    """Where this run's servers keep their files: in memory where there is room, else below the private home.

    The settings stay the durable ones. Tests kill servers, which costs no file of theirs anywhere; nothing here cuts
    the power, so that a disk would only make every test wait for it.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOMY_BYTES
    return (MEMORY if roomy else home()) / f"curbwatch-test-{os.getpid()}"


def clear_up() -> None:
    """Stop and remove what runs left that were killed: nobody else would, and it lies in memory."""
    for place in (MEMORY, home()):
        for folder in place.glob("curbwatch-test-*"):
            pid = folder.name.rpartition("-")[2]
            if pid.isdecimal() and not Path("/proc", pid).exists():
                with suppress(CurbwatchError, OSError):  # another worker does the same
                    down(folder)
                shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The three private servers, in a folder of this run, stopped and removed at the end.

    Only a machine without apt may go without them; there the reason is printed.
    """
    clear_up()
    folder = servers_folder()
    try:
        running = up(folder)
    except SetupError as error:
        if shutil.which("apt-get") is None:
            pytest.skip(f"no servers here: {error}")
        raise
    yield running
    down(folder)
    shutil.rmtree(folder)


@contextmanager
def own_database(servers: Servers, template: str = "template0") -> Iterator[str]:
    """Address of a database of the caller's own, a copy of ``template``: with nothing in it, or ``migrated``.

    Nobody is ever in template0, as TimescaleDB's workers are in template1 now and then.
    """
    name = f"test_{uuid.uuid4().hex[:12]}"
    with db.connect(servers.database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {} template {}").format(*map(sql.Identifier, (name, template))))
    yield urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
    with db.connect(servers.database_url, autocommit=True) as conn:
        db.drop_database(conn, name)


@pytest.fixture(scope="session")
def migrated(servers: Servers) -> Iterator[str]:
    """Name of a database with our tables, of which tests get copies: that takes a third of migrating each.

    Nobody may be in a database that is copied; TimescaleDB's own worker only the administrator can send away.
    """
    folder = servers.password_files["devices"].parents[1]
    secret = json.loads((folder / "state.json").read_text())["passwords"]["postgres"]
    place = urlsplit(servers.database_url)
    admin = place._replace(netloc=f"postgres:{secret}@{place.hostname}:{place.port}", path="/postgres").geturl()
    with own_database(servers) as url, db.connect(admin, autocommit=True) as conn:
        name = urlsplit(url).path[1:]
        db.migrate(url)
        conn.execute(sql.SQL("alter database {} with allow_connections false").format(sql.Identifier(name)))
        conn.execute("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s", (name,))
        yield name


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """A database of this test's own, with nothing in it."""
    with own_database(servers) as url:
        yield url


@pytest.fixture
def database_url(servers: Servers, migrated: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    with own_database(servers, migrated) as url:
        yield url


def empty_queue(servers: Servers, number: int) -> str:
    """Address of one of the queue's databases, flushed."""
    url = servers.redis_url.removesuffix("/0") + f"/{number}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """An empty queue: the caller may fill database 1, which is flushed before each test."""
    return empty_queue(servers, 1)
