"""From a camera's detections to a crew's screen, in any order, with deaths anywhere: no alert lost, no job twice.

On real servers. Rules are what happens in a city; after each run everybody comes to rest, and the laws are read from
outside (``desk_laws.py``): each thing that stands and on which nobody had the last word has exactly one open case,
every waiting job is to be had from the queue, once, no job has two owners, a screen shows a job once for each time that
it was taken, the record verifies and its counts balance.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from alerts.desk.lifecycle import Act
from alerts.jobs.relay import TEND_S
from schemas.city import Check
from tests.alerts.desk_laws import judge
from tests.alerts.desk_world import ACTS, CREWS, LATE_S, SOON_S, World

pytestmark = pytest.mark.servers

PEOPLE = st.sampled_from(sorted(CREWS))
WHERE = st.integers(0, 4)
FAMILIES = st.sampled_from(["waste", "stall"])
WAITS = st.sampled_from([SOON_S, LATE_S])
CHECKS: tuple[Check, ...] = ("none", "camera", "person")


class Desk(RuleBasedStateMachine):
    """What may happen, in any order."""

    desk_url: ClassVar[str]
    redis_url: ClassVar[str]
    folder: ClassVar[Path]

    @initialize(check=st.sampled_from(CHECKS), grace_h=st.sampled_from([0.0, 1.0]))
    def a_morning_begins(self, check: Check, grace_h: float) -> None:
        self.world = World(self.desk_url, self.redis_url, self.folder, check=check, grace_h=grace_h)
        for place, family in enumerate(["waste", "stall", "waste"]):
            self.world.come(place, family)
        self.world.look()
        self.world.say(Act.CONFIRM)
        self.world.relay_round()

    @rule(passages=st.integers(1, 12))
    def somebody_will_die(self, passages: int) -> None:
        self.world.death.soon(passages)

    @rule(place=WHERE, what=st.sampled_from(["stays", "leaves", "is replaced"]), family=FAMILIES, later_s=WAITS)
    def a_frame(self, place: int, what: str, family: str, later_s: int) -> None:
        """One more thing comes, or what is there leaves, or left unseen hours ago and another of its kind is there."""
        world, thing = self.world, self.world.things.get(place)
        if thing is None or thing.told:
            world.wait(later_s)
            world.come(place, family)
        elif thing.standing and what == "leaves":
            thing.standing = False
        elif thing.standing and what == "is replaced":
            world.wait(LATE_S)
            world.come(place, thing.family)
        world.look()

    @rule(later_s=st.sampled_from([0.0, TEND_S]))
    def relay_round(self, later_s: float) -> None:
        self.world.relay_round(later_s)

    @rule(person=PEOPLE)
    def a_crew_takes_or_finishes(self, person: str) -> None:
        if self.world.screens[person].held:
            self.world.finish(person)
        else:
            self.world.take(person)

    @rule(person=PEOPLE, what=st.sampled_from(["rejects", "is late", "dies"]))
    def a_crew_does_not(self, person: str, what: str) -> None:
        if what == "rejects":
            self.world.give_back(person)
        elif what == "is late":
            self.world.expire(person)
        else:
            self.world.draw_and_die(person)

    @rule(act=st.sampled_from(sorted(ACTS)))
    def a_word_of_the_desk(self, act: Act) -> None:
        self.world.say(act)

    @rule()
    def reassign(self) -> None:
        self.world.reassign()

    @rule()
    def a_grace_ends(self) -> None:
        self.world.end_grace()

    @rule()
    def chores(self) -> None:
        self.world.chores()

    @rule(unit=st.sampled_from([None, 0, 1]))
    def the_queue_forgets(self, unit: int | None) -> None:
        """Everything, or what one unit has to do."""
        if unit is None:
            self.world.client.flushdb()
        else:
            name = f"dispatch:{self.world.units[unit]}"
            self.world.client.delete(f"{name}:urgent", f"{name}:normal")

    def teardown(self) -> None:
        try:
            self.world.settle()
            judge(self.world)
        finally:
            self.world.close()


@pytest.fixture(autouse=True)
def desk_of_its_own(desk_url: str, redis_url: str, tmp_path: Path) -> Iterator[None]:
    Desk.desk_url, Desk.redis_url, Desk.folder = desk_url, redis_url, tmp_path
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


TestNoOrderOfEventsAndDeathsLosesOrDoublesAnAlert = Desk.TestCase
TestNoOrderOfEventsAndDeathsLosesOrDoublesAnAlert.settings = settings(
    max_examples=5,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
