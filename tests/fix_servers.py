"""Real servers for the tests: one private instance for the run, a fresh database for each test."""

import os
import shutil
import uuid
from collections.abc import Iterator

import pytest
import redis

import curbwatch.database as db
from curbwatch.parts import Servers, down, up
from curbwatch.parts.paths import home
from schemas.errors import SetupError


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The three private servers, in a folder of this run below the private home, stopped and removed at the end.

    Only a machine without apt may go without them; there the reason is printed.
    """
    folder = home() / f"test-{os.getpid()}"
    try:
        running = up(folder)
    except SetupError as error:
        if shutil.which("apt-get") is None:
            pytest.skip(f"no servers here: {error}")
        raise
    yield running
    down(folder)
    shutil.rmtree(folder)


@pytest.fixture
def empty_database_url(servers: Servers) -> Iterator[str]:
    """A database of this test's own, with nothing in it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield db.fresh_database(servers.database_url, name)
    with db.connect(servers.database_url, autocommit=True) as conn:
        db.drop_database(conn, name)


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """The same, migrated."""
    db.migrate(empty_database_url)
    return empty_database_url


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """An empty queue: the caller may fill database 1, which is flushed before each test."""
    url = servers.redis_url.removesuffix("/0") + "/1"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
