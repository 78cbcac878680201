"""What dies at random moments under load, and what is left of the data."""

import random
import signal
import threading
import time

import pytest

from tests.faults.conftest import Case
from tests.fix_faults import times

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.timeout(1500)]


def a_while(least_s: float, most_s: float) -> None:
    """Let the load run to a moment nobody chose."""
    threading.Event().wait(random.uniform(least_s, most_s))


def test_kill_9_of_the_intake(case: Case) -> None:
    recovery_s = []
    case.service.start()
    with case.fleet() as fleet:
        for _ in range(times(50)):
            fleet.until_acked_anew()
            a_while(0.05, 1.0)
            killed_s = time.monotonic()
            case.service.kill()
            case.service.start()
            fleet.until_acked_anew()
            recovery_s.append(time.monotonic() - killed_s)
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s)


@pytest.mark.parametrize(
    ("number", "count"), [(signal.SIGKILL, 20), (signal.SIGTERM, 5)], ids=["kill_9_of_the_broker", "broker_restart"]
)
def test_broker(case: Case, number: signal.Signals, count: int) -> None:
    recovery_s = []
    case.service.start()
    with case.fleet() as fleet:
        for _ in range(times(count)):
            fleet.until_acked_anew()
            a_while(0.1, 1.0)
            killed_s = time.monotonic()
            case.house.kill_broker(number)
            case.house.repair()
            fleet.until_acked_anew()
            recovery_s.append(time.monotonic() - killed_s)
        fleet.rest()
        fleet.until_all_acked()
        metrics = case.metrics()
        case.holds(fleet, recovery_s, sessions_lost=int(metrics.get("sessions_lost", 0)), resyncs=fleet.resyncs)
    assert max(recovery_s) < 15


def test_immediate_stop_of_the_database(case: Case) -> None:
    recovery_s = []
    case.service.start()
    with case.fleet() as fleet:
        for _ in range(times(20)):
            fleet.until_acked_anew()
            a_while(0.1, 1.0)
            case.house.kill_database()
            a_while(0.2, 1.0)
            case.house.repair()
            recovery_s.append(fleet.until_acked_anew())
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s)
    assert max(recovery_s) < 10


def test_database_away_for_two_minutes(case: Case) -> None:
    away_s = float(max(5, times(120)))
    case.service.start()
    with case.fleet(patience_s=30.0) as fleet:  # as docs/intake.md asks of vehicles
        fleet.until_acked_anew()
        before = fleet.acked
        case.house.kill_database()
        started_s = time.monotonic()
        threading.Event().wait(away_s)
        assert fleet.acked - before <= 1000  # what was on its way; nothing is acknowledged without a commit
        waiting = fleet.sent - fleet.acked
        case.house.repair()
        back_s = time.monotonic()
        first_s = fleet.until_acked_anew()
        fleet.rest()
        fleet.until_all_acked(300)
        drained_s = time.monotonic() - back_s
        case.holds(
            fleet,
            [first_s],
            away_s=round(back_s - started_s),
            waiting_at_its_return=waiting,
            drained_after_s=round(drained_s, 1),
            spooled=int(case.metrics().get("messages_spooled", 0)),
            connections_dropped=int(case.metrics().get("connections_dropped", 0)),
        )
