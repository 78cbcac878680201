"""Cut, silent and slow ways between the intake and its servers."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.faultproxy import FaultProxy
from tests.faults.conftest import Case
from tests.fix_faults import times
from tests.fix_service import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.timeout(900)]

KEEPALIVE_S = 5
DETECT_MAX_S = 2 * KEEPALIVE_S + 5
CUTS_S = (1, 2, 5, 10, 30)


@pytest.fixture
def to_broker(case: Case) -> Iterator[FaultProxy]:
    with FaultProxy.to(case.house.servers.broker_url) as proxy:
        url = proxy.instead(case.house.servers.broker_url)
        case.configure(broker={"url": url, "keepalive_s": KEEPALIVE_S})
        yield proxy


@pytest.fixture
def to_database(case: Case) -> Iterator[FaultProxy]:
    with FaultProxy.to(case.service.database_url) as proxy:
        case.configure(database_url=proxy.instead(case.service.database_url))
        yield proxy


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def cuts(case: Case, proxy: FaultProxy) -> None:
    recovery_s = []
    case.service.start()
    with case.fleet() as fleet:
        for away_s in CUTS_S[: times(len(CUTS_S))]:
            fleet.until_acked_anew()
            proxy.refusing = True
            proxy.cut()
            pause(away_s)
            proxy.heal()
            recovery_s.append(fleet.until_acked_anew())
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s, cuts=str(CUTS_S[: len(recovery_s)]))
    assert max(recovery_s) < DETECT_MAX_S


def test_partition_from_the_broker(case: Case, to_broker: FaultProxy) -> None:
    cuts(case, to_broker)


def test_partition_from_the_database(case: Case, to_database: FaultProxy) -> None:
    cuts(case, to_database)


def test_half_closed_way_to_the_broker(case: Case, to_broker: FaultProxy) -> None:
    recovery_s = []
    case.service.start()
    with case.fleet() as fleet:
        for _ in range(times(5)):
            fleet.until_acked_anew()
            to_broker.half_close()
            recovery_s.append(fleet.until_acked_anew())
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s)


def test_black_hole_to_the_broker(case: Case, to_broker: FaultProxy) -> None:
    """Half-open: nothing comes and nothing is closed; it is noticed, said, and healed."""
    noticed_s, recovery_s = [], []
    case.service.start()
    with case.fleet() as fleet:
        for _ in range(times(5)):
            fleet.until_acked_anew()
            wait_until("both sessions", lambda: case.service.get("/readyz")[0] == 200)
            to_broker.swallow()
            started_s = time.monotonic()
            wait_until("it to be noticed", lambda: case.service.get("/readyz")[0] == 503, DETECT_MAX_S)
            noticed_s.append(time.monotonic() - started_s)
            to_broker.heal()
            recovery_s.append(fleet.until_acked_anew())
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s, noticed_after_s=f"{min(noticed_s):.1f}..{max(noticed_s):.1f}")
    assert max(noticed_s) <= DETECT_MAX_S


def test_black_hole_to_the_database(case: Case, to_database: FaultProxy) -> None:
    recovery_s = []
    case.service.start()
    with case.fleet() as fleet:
        for away_s in CUTS_S[: times(len(CUTS_S))]:
            fleet.until_acked_anew()
            to_database.swallow()
            pause(away_s)
            to_database.heal()
            recovery_s.append(fleet.until_acked_anew())
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s)


def test_slow_way_to_the_database(case: Case, to_database: FaultProxy) -> None:
    """+250 ms each way: batches grow, nothing is shed."""
    case.service.start()
    with case.fleet() as fleet:
        fleet.until_acked_anew()
        to_database.latency_s = 0.25
        pause(max(3, times(20)))
        lagging_s = fleet.until_acked_anew()
        to_database.heal()
        recovery_s = [fleet.until_acked_anew()]
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, recovery_s, lag_while_slow_s=round(lagging_s, 2))


def test_bytes_in_slices_on_the_way_to_the_broker(case: Case, to_broker: FaultProxy) -> None:
    to_broker.slice_bytes = 7
    case.service.start()
    with case.fleet(cars=5, per_s=10) as fleet:
        pause(3)
        fleet.rest()
        fleet.until_all_acked()
        case.holds(fleet, [0.0])
