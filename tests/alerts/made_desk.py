"""The desk's parts on given servers, as the spine makes them: one place to change when they change."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.crew import Crew
from schemas.meter import NullMeter

LONG_S = 3600.0
POLL_S = 0.02


@dataclass
class Parts:
    """One process's stores: a connection of its own to the database and one to the queue."""

    database: AlertDatabase
    incidents: IncidentStore
    jobs: JobStore
    queue: JobQueue

    def relay(self, monotonic_s: Callable[[], float] = time.monotonic) -> Relay:
        return Relay(self.jobs, self.queue, NullMeter(), monotonic_s=monotonic_s)

    def crew(self, person: str, *, unit_id: str = "u-1", resend_s: float = LONG_S) -> Crew:
        return Crew(self.jobs, self.queue, unit_id, person, resend_s=resend_s)

    def close(self) -> None:
        self.database.close()
        self.queue.close()


def parts(database_url: str, redis_url: str, *, lease_s: float = LONG_S, claim_idle_s: float = 0.0) -> Parts:
    database = AlertDatabase(database_url)
    return Parts(
        database,
        IncidentStore(database, merge_m=3.0, merge_iou=0.3),
        JobStore(database, lease_s=lease_s),
        JobQueue(redis_url, claim_idle_s=claim_idle_s),
    )
