"""A database of each edition that can be had here, emptied before each test: TimescaleDB's Apache one, and none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import curbwatch.database as db
from alerts.store import AlertDatabase
from curbwatch.parts import Servers
from tests.alerts.keeping.world import World
from tests.fix_desk import EMPTY, disconnect
from tests.fix_servers import own_database

EMPTY_KEPT = """
truncate position, device_health_log, legal_hold, evidence_expiring, evidence_gone, deleted_span, backup_made,
    rollup_dirty, tally_incident_hour, tally_incident_day, tally_position_hour, tally_position_day, camera_event,
    dead_letter cascade;
update rollup_zone set zone = 'UTC';
"""


@pytest.fixture(scope="session")
def plain_database(servers: Servers) -> Iterator[str]:
    """Address of a database without TimescaleDB."""
    with own_database(servers) as url:
        assert db.migrate(url, extension=False) is db.Edition.NONE
        yield url


@pytest.fixture(params=["apache", "none"])
def kept_url(request: pytest.FixtureRequest, desk_database: str, plain_database: str) -> str:
    """Address of an empty database of one edition."""
    url = desk_database if request.param == "apache" else plain_database
    disconnect(url)
    with db.connect(url, autocommit=True) as conn:
        conn.execute(EMPTY)
        conn.execute(EMPTY_KEPT)
    return url


@pytest.fixture
def kept(kept_url: str) -> Iterator[AlertDatabase]:
    """The same, as the alerts' connection."""
    found = AlertDatabase(kept_url)
    yield found
    found.close()


@pytest.fixture
def world(kept: AlertDatabase, tmp_path: Path) -> World:
    """The same, with a folder of pictures."""
    return World(kept, tmp_path / "evidence")
