"""A clock that was moved holds lamps until it has settled."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.clocks.guard import ClockGuard, Look
from tests.alerts.clocks.made_desk import Counted

START = datetime(2026, 9, 21, 1, 0, tzinfo=UTC)


class Clocks:
    """Three clocks, and a guard that waits 120 s."""

    def __init__(self) -> None:
        self.meter = Counted()
        self.guard = ClockGuard(120.0, self.meter)
        self.wall, self.database, self.monotonic_s = START, START, 50.0

    def look(
        self, passed_s: float = 5.0, *, wall_s: float = 0.0, database_s: float = 0.0, trusted: datetime | None = None
    ) -> bool:
        """Let time pass, move clocks, look."""
        self.wall += timedelta(seconds=passed_s + wall_s)
        self.database += timedelta(seconds=passed_s + database_s)
        self.monotonic_s += passed_s
        return self.guard.steady(Look(self.wall, self.database, self.monotonic_s), trusted)


def test_clocks_that_nobody_moves_are_trusted_at_once_however_long_nobody_looked() -> None:
    clocks = Clocks()
    assert all((clocks.look(0.0), clocks.look(), clocks.look(7200.0), clocks.look(0.0)))
    assert clocks.meter.counted == {}


def test_a_clock_that_runs_a_little_wrong_is_no_jump() -> None:
    clocks = Clocks()
    assert clocks.look()
    assert all(clocks.look(5.0, wall_s=0.01, database_s=-0.01) for _ in range(1000))
    assert clocks.look(wall_s=60.0, database_s=-60.0)


@pytest.mark.parametrize("moved", ["wall", "database"])
@pytest.mark.parametrize("by_s", [61.0, -61.0, 3600.0, -3600.0, 86_400.0])
def test_a_moved_clock_holds_lamps_until_it_has_settled_and_is_counted_once(moved: str, by_s: float) -> None:
    clocks = Clocks()
    assert clocks.look()
    assert not (clocks.look(wall_s=by_s) if moved == "wall" else clocks.look(database_s=by_s))
    assert not clocks.look(115.0)
    assert clocks.look()
    assert clocks.meter.counted == {f"clock_jumps {moved}": 1}


def test_a_clock_that_is_put_right_again_holds_them_anew() -> None:
    clocks = Clocks()
    assert clocks.look()
    assert not clocks.look(wall_s=3600.0)
    assert not clocks.look(100.0, wall_s=-3600.0)
    assert not clocks.look(100.0)
    assert clocks.look(20.0)
    assert clocks.meter.counted == {"clock_jumps wall": 2}


def test_the_first_start_of_all_waits_for_nothing_and_neither_does_a_quick_restart() -> None:
    assert Clocks().look(trusted=None)
    assert Clocks().look(trusted=START - timedelta(seconds=50))


@pytest.mark.parametrize("away_s", [-3600.0, -70.0, 70.0, 86_400.0])
def test_a_start_long_after_or_before_the_last_look_waits_too(away_s: float) -> None:
    clocks = Clocks()
    trusted = START - timedelta(seconds=away_s)
    assert not clocks.look(0.0, trusted=trusted)
    assert not clocks.look(119.0, trusted=trusted)
    assert clocks.look(1.0, trusted=trusted)
    assert clocks.meter.counted == {}  # nobody says that a clock was moved
