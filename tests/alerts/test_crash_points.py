"""One morning of the desk, in which somebody dies at each named point: nothing is lost, nothing happens twice."""

from collections import Counter
from pathlib import Path

import pytest

from alerts import crash
from alerts.desk.lifecycle import Act
from schemas.city import Check
from tests.alerts.desk_laws import judge
from tests.alerts.desk_world import Death, World

pytestmark = pytest.mark.servers

# Where nobody of this morning comes by: the sweep has a test of this kind of its own (clocks/test_sweep.py).
ELSEWHERE = {f"sweep_{moment}" for moment in ("before_commit", "after_commit")}


def morning(world: World) -> None:
    """Every kind of step, each after those that it needs."""
    things, act = world.things, world.through
    world.come(0, "waste")
    world.come(1, "stall")
    act(world.look)
    act(world.relay_round)
    act(world.end_grace)
    act(lambda: world.say(Act.CONFIRM))
    act(lambda: world.take("zhao"))
    act(world.relay_round)
    act(lambda: world.take("zhao"))
    world.give_back("zhao")
    act(lambda: world.take("li"))
    act(world.relay_round)
    act(lambda: world.take("sun"))
    world.finish("sun")
    act(world.chores)
    act(world.look)  # where a camera checks: the waste stands there still, and its crew goes again
    act(world.relay_round)
    world.expire("li")
    act(world.relay_round)
    act(lambda: world.take("wang"))
    world.client.flushdb()
    world.come(2, "waste")
    act(world.look)
    for _ in range(3):
        act(world.relay_round)
    act(lambda: world.take("zhao"))
    world.reassign()
    act(world.relay_round)
    things[1].standing = things[2].standing = False
    act(world.look)
    world.finish("wang")
    world.say(Act.CLOSE)
    world.come(3, "stall")
    act(world.look)
    act(world.end_grace)
    world.client.delete("dispatch:epoch")
    act(world.relay_round)
    world.say(Act.CONFIRM)
    world.say(Act.SUSPEND)
    act(world.relay_round)
    world.say(Act.RESUME)
    act(world.relay_round)
    act(lambda: world.take("li"))
    act(world.chores)


def lived(desk_url: str, redis_url: str, folder: Path, check: Check, death: Death) -> Death:
    """One morning, judged at its end; who died where, and how often each point was passed before it came to rest."""
    world = World(desk_url, redis_url, folder, check=check, grace_h=1.0)
    try:
        world.death = death
        morning(world)
        seen = Counter(death.passed)
        world.settle()
        judge(world)
    finally:
        world.close()
    return Death(death.at, death.died, seen)


@pytest.mark.parametrize(("passage", "check"), [(1, "camera"), (2, "none"), (3, "person")])
def test_a_morning_in_which_somebody_dies_at_every_point(
    desk_url: str, redis_url: str, tmp_path: Path, passage: int, check: Check
) -> None:
    """All of them in one morning, each at the first, second or third time that somebody comes by."""
    death = Death(dict.fromkeys(crash.POINTS, passage))
    found = lived(desk_url, redis_url, tmp_path, check, death)
    reached = {point for point, count in found.passed.items() if count >= passage}
    assert set(found.died) == reached
    if passage == 1:
        assert reached == crash.POINTS - ELSEWHERE
