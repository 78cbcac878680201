"""Any order of openings, takings, deaths and losses: no job lost, none with two owners. On real servers."""

from contextlib import suppress
from typing import ClassVar

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

import curbwatch.database as db
from alerts.dispatch import JobQueue
from alerts.incidents import IncidentStore
from alerts.jobs import JobStore
from alerts.relay import TEND_S, Relay
from alerts.store import AlertDatabase
from curbwatch.crew import Crew
from schemas.errors import SinkError
from schemas.meter import NullMeter
from tests.alerts.makers import MONDAY_1059, S, departure, picture, sighting
from tests.alerts.test_relay import DyingJobs
from tests.fix_desk import EMPTY

pytestmark = pytest.mark.servers

PEOPLE = st.sampled_from(["li", "wang"])
PICK = st.integers(0, 5)
DAY_S = 86_400.0
LONG_S = 3600.0  # nothing may come from the database alone: the queue has to hold it


class Desk(RuleBasedStateMachine):
    """Who owns what, as the rules say it; ``""``: it waits."""

    desk_url: ClassVar[str]
    redis_url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.database = AlertDatabase(self.desk_url)
        self.incidents = IncidentStore(self.database, merge_m=3, merge_iou=0.3)
        self.jobs = JobStore(self.database, lease_s=3600)
        self.queue = JobQueue(self.redis_url, claim_idle_s=0)
        self.client = redis.Redis.from_url(self.redis_url)
        self.conn = db.connect(self.desk_url, autocommit=True)
        self.conn.execute(EMPTY)
        self.client.flushdb()
        self.now_s = 0.0
        self.relay = Relay(self.jobs, self.queue, NullMeter(), monotonic_s=lambda: self.now_s)
        self.owner: dict[str, str] = {}
        self.track: dict[str, int] = {}  # what was last seen where a job leads to
        self.place: dict[str, int] = {}
        self.left: set[str] = set()  # owned jobs where nothing stands any more
        self.opened = 0

    def crew(self, person: str) -> Crew:
        return Crew(self.jobs, self.queue, "u-1", person, resend_s=LONG_S)

    def held(self, pick: int) -> str | None:
        mine = sorted(job for job, owner in self.owner.items() if owner)
        return mine[pick % len(mine)] if mine else None

    def see(self, place: int, *, urgent: bool = False) -> str:
        """A new thing comes to a place, a day after the last one anywhere; the job it leads to."""
        self.opened += 1
        at_s = self.opened * DAY_S
        one = sighting(
            at_s,
            track_id=self.opened,
            appeared_ns=MONDAY_1059 + int((at_s - 90) * S),
            box_px=(place * 100.0, 0.0, 50.0, 50.0),
            urgent=urgent,
        )
        told = self.incidents.open_or_refresh(one, None, picture())
        job = self.jobs.of_incident(told.incident_id)
        assert job is not None
        assert told.opened == (job.job_id not in self.owner)
        self.track[job.job_id], self.place[job.job_id] = self.opened, place
        return job.job_id

    def give_back(self, job_id: str) -> None:
        self.owner[job_id] = ""
        if job_id in self.left:
            del self.owner[job_id]

    @rule(urgent=st.booleans())
    def open_(self, urgent: bool) -> None:
        self.owner[self.see(self.opened, urgent=urgent)] = ""

    @rule(pick=PICK)
    def another_thing_comes_and_nobody_said_that_the_first_left(self, pick: int) -> None:
        known = sorted(self.owner)
        if known:
            old = known[pick % len(known)]
            new = self.see(self.place[old])
            assert (new == old) == bool(self.owner[old])  # a crew on its way keeps its errand
            if new != old:
                del self.owner[old]
                self.owner[new] = ""
            self.left.discard(old)

    @rule(later_s=st.sampled_from([0.0, TEND_S]))
    def relay_round(self, later_s: float) -> None:
        self.now_s += later_s
        self.relay.once()

    @rule()
    def relay_dies_after_an_entry(self) -> None:
        dying = DyingJobs(self.database, lease_s=3600)
        with suppress(SinkError):
            Relay(dying, self.queue, NullMeter(), monotonic_s=lambda: self.now_s).once()

    @rule(person=PEOPLE)
    def take(self, person: str) -> None:
        found = self.crew(person).take_next()
        if found is not None:
            assert self.owner[found.job.job_id] == ""
            assert found.job.holder == person
            self.owner[found.job.job_id] = person

    @rule(person=PEOPLE)
    def a_terminal_draws_and_dies(self, person: str) -> None:
        self.queue.draw("u-1", person)

    @rule(pick=PICK)
    def done(self, pick: int) -> None:
        job_id = self.held(pick)
        if job_id is not None:
            self.jobs.done(job_id, self.owner.pop(job_id))

    @rule(pick=PICK)
    def reject(self, pick: int) -> None:
        job_id = self.held(pick)
        if job_id is not None:
            self.jobs.reject(job_id, self.owner[job_id], "why")
            self.give_back(job_id)

    @rule(pick=PICK)
    def a_lease_runs_out(self, pick: int) -> None:
        job_id = self.held(pick)
        if job_id is not None:
            self.conn.execute("update job set lease_until = now() - interval '1 s' where job_id = %s", (job_id,))
            self.jobs.requeue_expired()
            self.give_back(job_id)

    @rule(pick=PICK)
    def the_object_leaves(self, pick: int) -> None:
        waiting = sorted(self.owner)
        if waiting:
            job_id = waiting[pick % len(waiting)]
            at_s = self.track[job_id] * DAY_S
            gone = departure(at_s + 60, track_id=self.track[job_id], appeared_ns=MONDAY_1059 + int((at_s - 90) * S))
            self.incidents.depart(gone)
            if self.owner[job_id]:
                self.left.add(job_id)
            else:
                del self.owner[job_id]

    @rule()
    def the_queue_is_flushed(self) -> None:
        self.client.flushdb()

    @rule(urgency=st.sampled_from(["urgent", "normal"]))
    def a_stream_is_lost(self, urgency: str) -> None:
        self.client.delete(f"dispatch:u-1:{urgency}")

    def teardown(self) -> None:
        """Everything that waits is to be had from the queue, once; everything owned has its owner."""
        try:
            self.now_s += TEND_S
            for _ in range(3):
                self.relay.once()
            got = []
            while (found := self.crew("last").take_next()) is not None:
                got.append(found.job.job_id)
            assert sorted(got) == sorted(job for job, owner in self.owner.items() if not owner)
            owned = {job: owner for job, owner in self.owner.items() if owner}
            assert {job.job_id: job.holder for job in self.jobs.of_unit("u-1") if job.holder != "last"} == owned
        finally:
            self.database.close()
            self.queue.close()
            self.client.close()
            self.conn.close()


@pytest.mark.timeout(170)
def test_no_order_of_events_loses_or_doubles_a_job(desk_url: str, redis_url: str) -> None:
    bound = type("BoundDesk", (Desk,), {"desk_url": desk_url, "redis_url": redis_url})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    wanted = settings(max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(bound, settings=wanted)
