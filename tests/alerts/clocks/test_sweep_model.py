"""Whatever happens to clocks, processes and cases: each thing is told once, none is lost, and no burst goes out."""

from datetime import timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import curbwatch.database as db
from alerts import crash
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from schemas.record import State, What
from tests.alerts.clocks.made_desk import Town, opened, step
from tests.fix_desk import EMPTY

pytestmark = pytest.mark.servers
SETTLE_S = 300.0
WAYS = (
    (What.TAKEN, State.HANDLING),
    (What.REJECTED, State.DISPATCHED),
    (What.FINISHED, State.CHECKING),
    (What.REWORK, State.DISPATCHED),
    (What.SUSPENDED, State.SUSPENDED),
    (What.RESUMED, State.HANDLING),
    (What.DONE, State.DONE),
    (What.REOPENED, State.DISPATCHED),
)
JUMPS = st.sampled_from([-1440, -60, 60, 1440]).map(lambda minutes: timedelta(minutes=minutes))
POINTS = st.sampled_from(["clock_before_commit", "clock_after_commit", "sweep_before_commit", "sweep_after_commit"])
RED = (
    "select incident_id, stage, round, limit_id, extensions from incident_clock"
    " where ended_at is null and not paused and due_at < %s"
)


class Killed(BaseException):
    """Ends a round as ``kill -9`` would."""


class Office(RuleBasedStateMachine):
    """Three cases of two units, four hours each, a list at 08:30; jobs count as waiting after half an hour."""

    url: ClassVar[str]

    @initialize()
    def begin(self) -> None:
        with db.connect(self.url, autocommit=True) as conn:
            conn.execute(EMPTY)
        self.database = AlertDatabase(self.url)
        incidents = IncidentStore(self.database, merge_m=3.0, merge_iou=0.3)
        self.cases = [opened(incidents, number, unit_id=f"u-{1 + number % 2}") for number in range(1, 4)]
        self.town = Town(self.database, sweep_at_min=510, settle_s=SETTLE_S)
        self.moved_s: float | None = None  # when a clock was moved last, by the clock that nobody sets

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.settle()
            self.database.close()

    @rule(minutes=st.integers(0, 200))
    def time_passes(self, minutes: int) -> None:
        self.look(minutes)

    @rule(case=st.integers(0, 2), way=st.sampled_from(WAYS))
    def somebody_acts(self, case: int, way: tuple[What, State]) -> None:
        step(self.database, self.cases[case], *way)

    @rule(by=JUMPS)
    def the_database_s_clock_is_moved(self, by: timedelta) -> None:
        self.town.at += by
        self.moved_s = self.town.monotonic_s

    @rule(by=JUMPS)
    def our_clock_is_moved(self, by: timedelta) -> None:
        self.town.wall_off += by
        self.moved_s = self.town.monotonic_s

    @rule(minutes=st.integers(0, 200))
    def the_process_starts_anew(self, minutes: int) -> None:
        self.town.pass_by(timedelta(minutes=minutes))
        if minutes:
            self.moved_s = self.town.monotonic_s  # a start waits as after a move
        self.town.start()

    @rule(point=POINTS)
    def the_process_is_killed(self, point: str) -> None:
        def die(at: str) -> None:
            if at == point:
                raise Killed

        with crash.hooked(die):
            try:
                self.look(1)
            except Killed:
                self.town.start()

    @invariant()
    def each_thing_is_recorded_as_often_as_it_is_told(self) -> None:
        if hasattr(self, "town"):
            entries = self.town.rows("select count(*) from sweep_entry")
            assert entries == [(len(self.town.steps(What.URGED)) + len(self.town.steps(What.ESCALATED)),)]

    def look(self, minutes: float) -> None:
        """Look once after some time; nothing is told while a move settles."""
        town, before = self.town, self.town.entries()
        town.look(timedelta(minutes=minutes))
        if self.moved_s is not None and town.monotonic_s < self.moved_s + SETTLE_S:
            assert town.entries() == before

    def settle(self) -> None:
        """After a quiet while everything that is red was told, and what was told late went into one message each."""
        town = self.town
        town.look()
        for _ in range(3):
            town.look(timedelta(seconds=SETTLE_S))
        red = set(town.rows(RED, town.at))
        told = set(town.rows("select incident_id, stage, round, limit_id, again from sweep_entry where kind = 'red'"))
        assert red <= told
        assert town.look() == 0
        late = town.rows("select count(*) from sweep_entry where detail ? 'digest'")
        assert late == [(sum(town.rows("select coalesce(sum(cases), 0)::int from clock_digest")[0]),)]
        assert town.rows("select count(*) from clock_digest where told_at is null") == [(0,)]
        digests = [told["digest"] for told in town.digests()]
        assert len(digests) == len(set(digests)) == town.rows("select count(*) from clock_digest")[0][0]


def test_no_clock_no_kill_and_no_order_of_things_tells_twice_or_loses_or_bursts(desk_url: str) -> None:
    bound = type("BoundOffice", (Office,), {"url": desk_url})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        bound, settings=settings(max_examples=8, stateful_step_count=10, deadline=None, suppress_health_check=checks)
    )
