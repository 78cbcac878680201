"""More than there is room for: one device that floods, a full disk, sinks that are all gone."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import curbwatch.database as db
from curbwatch.bench.rig import usage_of
from tests.faultproxy import FaultProxy
from tests.faults.conftest import Case
from tests.faults.fleet import Fleet
from tests.fix_faults import times
from tests.fix_service import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.servers, pytest.mark.timeout(600)]

RSS_MAX_BYTES = 600_000_000


def p95(fleet: Fleet, from_s: float, to_s: float) -> float:
    """95th percentile (ms) from publish to acknowledgement of what was first sent between two moments."""
    lags = [lag for car in fleet.cars.values() for at_s, lag in car.lags_ms if from_s <= at_s < to_s]
    return float(np.percentile(lags, 95))


def test_flood_from_one_device(case: Case) -> None:
    """One device sends a hundred times its rate: it goes to the dead letters, the others do not feel it."""
    seconds = float(max(5, times(20)))
    case.register(["flooder"])
    with db.session(case.service.database_url) as conn:
        conn.execute("update device set rate_per_s = 10 where device_id = 'flooder'")
    case.service.start()
    with case.fleet(cars=20, per_s=10) as fleet:
        fleet.until_acked_anew()
        moments = [fleet.now_s()]
        threading.Event().wait(seconds)
        moments.append(fleet.now_s())
        flood = case.strangers({"flooder": 1000.0}, patience_s=3600.0)
        with flood:
            threading.Event().wait(seconds)
            moments.append(fleet.now_s())
            flood.rest()
            fleet.rest()
            fleet.until_all_acked()
            wait_until("the flood to be over", lambda: flood.settled)
        alone_ms, beside_ms = p95(fleet, moments[0], moments[1]), p95(fleet, moments[1], moments[2])
        letters = case.count("select count(*) from dead_letter where reason = 'rate'")
        case.holds(
            fleet,
            [0.0],
            also=flood.sent,
            flood=flood.sent,
            flood_refused=letters,
            others_p95_ms=f"{alone_ms:.0f} alone, {beside_ms:.0f} beside it",
        )
    assert letters > 0
    assert beside_ms <= 2 * alone_ms


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_disk_full_of_the_spool(case: Case, small_disk: Path) -> None:
    """A full disk stops the acknowledging and says so; with room it goes on by itself."""
    case.configure(intake={"spool_dir": str(small_disk / "spool"), "spool_after_s": 0.5})
    case.service.start()
    with case.fleet(cars=20, per_s=40) as fleet:
        fleet.until_acked_anew()
        case.house.kill_database()
        wait_until("the spool to be full", lambda: case.metrics().get("spool_failures", 0) > 0, 120)
        spooled = case.metrics().get("messages_spooled", 0)
        wait_until("it to be said", lambda: any("No space left" in str(event) for event in case.service.events))
        subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        wait_until("it to go on", lambda: case.metrics().get("messages_spooled", 0) > spooled, 60)
        case.house.repair()
        recovery_s = [fleet.until_acked_anew()]
        fleet.rest()
        fleet.until_all_acked()
        case.holds(
            fleet,
            recovery_s,
            spooled_when_full=int(spooled),
            spooled=int(case.metrics().get("messages_spooled", 0)),
            refused_by_the_disk=int(case.metrics().get("spool_failures", 0)),
        )


def test_memory_with_every_sink_stopped(case: Case) -> None:
    """Database silent, queue gone, no spool, 64 KB a message: the memory stays under its limit."""
    seconds = float(max(10, times(60)))
    with FaultProxy.to(case.service.database_url) as proxy:
        case.configure(database_url=proxy.instead(case.service.database_url), intake={"spool_max_bytes": 0})
        case.service.start()
        assert case.service.process is not None
        with case.fleet(cars=20, per_s=10, pad=64_000, patience_s=3600.0) as fleet:
            fleet.until_acked_anew()
            proxy.swallow()
            case.house.kill_queue()
            worst = 0
            for _ in range(round(seconds * 2)):
                threading.Event().wait(0.5)
                worst = max(worst, usage_of(case.service.process.pid).rss_bytes)
            with fleet.changed:
                open_bytes = sum(len(entry.body) for car in fleet.cars.values() for entry in car.open)
            fleet.rest()
            case.house.repair()
            proxy.heal()
            fleet.until_all_acked(240)
            case.holds(
                fleet, [0.0], rss_max_mb=round(worst / 1e6), unacknowledged_mb_at_the_end=round(open_bytes / 1e6)
            )
    assert worst <= RSS_MAX_BYTES
