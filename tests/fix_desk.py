"""A migrated database for the desk's tests, made once for the run and emptied before each test."""

from collections.abc import Iterator

import pytest

import curbwatch.database as db
from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.parts import Servers
from tests.fix_servers import own_database

# Everybody but us; TimescaleDB's own workers are nobody's to end.
DISCONNECT = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend';
"""
RECORD = ("incident_event", "seal", "seal_entry", "action_key")
# What only the owner can do, and does in tests alone: the record's tables can be changed until they are kept again.
OPEN_RECORD = "".join(
    f"alter table {table} disable trigger kept; grant update, delete, truncate on {table} to current_user;\n"
    for table in RECORD
)
KEEP_RECORD = "".join(
    f"alter table {table} enable trigger kept; revoke update, delete, truncate on {table} from current_user;\n"
    for table in RECORD
)
# Keys go at the end of their term; its triggers refuse to delete any other.
KEEP_RECORD += "grant delete on action_key to current_user;\n"
TRUNCATE = """
truncate site, evidence, incident, incident_event, sighting, job, outbox, device, device_health, zone, seal, seal_entry,
    person_token, token_refusal, sweep_day, clock_digest, kpi_period, legal_hold, evidence_expiring,
    evidence_gone, deleted_span, rollup_dirty, device_health_log cascade;
update relay_state set next_seq = 1, epoch = '', epoch_first_seq = 1;
update clock_state set rule_version = '', looked_at = null;
"""
EMPTY = f"{OPEN_RECORD}\n{TRUNCATE}\n{KEEP_RECORD}"


def disconnect(url: str) -> None:
    """End every client's connection to a database, as a restart of its server does."""
    with db.connect(url, autocommit=True) as conn:
        conn.execute(DISCONNECT)


@pytest.fixture(scope="session")
def desk_database(servers: Servers, migrated: str) -> Iterator[str]:
    """Address of the database."""
    with own_database(servers, migrated) as url:
        yield url


@pytest.fixture
def desk_url(desk_database: str) -> str:
    """The same, with nothing in it and nobody else connected."""
    disconnect(desk_database)
    with db.connect(desk_database, autocommit=True) as conn:
        conn.execute(EMPTY)
    return desk_database


@pytest.fixture
def database(desk_url: str) -> Iterator[AlertDatabase]:
    """The stores' connection."""
    found = AlertDatabase(desk_url)
    yield found
    found.close()


@pytest.fixture
def incidents(database: AlertDatabase) -> IncidentStore:
    return IncidentStore(database, merge_m=3.0, merge_iou=0.3)


@pytest.fixture
def jobs(database: AlertDatabase) -> JobStore:
    return JobStore(database, lease_s=60.0)


@pytest.fixture
def queue(redis_url: str) -> Iterator[JobQueue]:
    """An empty queue whose idle entries go on at once, so that no test waits a minute."""
    found = JobQueue(redis_url, claim_idle_s=0.0)
    yield found
    found.close()
