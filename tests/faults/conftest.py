"""Servers that may be killed: their own folder, their own broker, database and queue."""

import os
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import curbwatch.database as db
from curbwatch.bench.rig import read_metrics, unbalanced
from curbwatch.parts import Servers, down, process, up
from curbwatch.parts.paths import home
from curbwatch.registry import register_vehicle
from tests.faults.fleet import Fleet
from tests.fix_service import Service, wait_until

UNACKED_MAX_S = 60.0  # I5


@dataclass
class House:
    """The three servers in a folder of their own, which a test may kill and start again."""

    folder: Path
    servers: Servers

    def kill_broker(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the broker and wait until it is gone."""
        self._end(self.folder / "mosquitto" / "mosquitto.conf", number)

    def kill_database(self) -> None:
        """PostgreSQL's immediate stop: no checkpoint, open transactions die, the log is replayed at the next start."""
        self._end(self.folder / "postgres" / "data", signal.SIGQUIT)

    def kill_queue(self) -> None:
        self._end(self.folder / "valkey" / "valkey.conf", signal.SIGKILL)

    def repair(self) -> None:
        """Start what does not run, at the same addresses."""
        again = up(self.folder)
        assert again.broker_url == self.servers.broker_url
        assert again.database_url == self.servers.database_url

    def password(self, user: str) -> str:
        return self.servers.password_files[user].read_text().strip()

    def _end(self, marker: Path, number: signal.Signals) -> None:
        assert process.find(marker), f"nothing to kill: {marker}"
        process.stop(marker, number)


@dataclass
class Case:
    """One fault case: the running service, and what its end must show."""

    house: House
    service: Service
    name: str

    def base(self) -> str:
        return f"city/v1/{self.service.site}"

    def fleet(self, cars: int = 10, per_s: float = 40.0, *, resend: bool = True, url: str = "", pad: int = 0) -> Fleet:
        """Registered vehicles; together ``cars * per_s`` positions a second."""
        rates = {f"car-{number}": per_s for number in range(cars)}
        self.register(rates)
        address = url or self.house.servers.broker_url
        return Fleet(address, self.house.password("devices"), self.base(), rates, resend=resend, pad=pad)

    def register(self, names: "dict[str, float] | list[str]") -> None:
        with db.session(self.service.database_url) as conn:
            for name in names:
                register_vehicle(conn, name)

    def count(self, query: str) -> int:
        with db.connect(self.service.database_url) as conn:
            row = conn.execute(query).fetchone()  # type: ignore[call-overload]
        assert row is not None
        return int(row[0])

    def metrics(self) -> dict[str, float]:
        return read_metrics(self.service.get("/metrics")[1])

    def holds(self, fleet: Fleet, recovery_s: list[float], **more: object) -> None:
        """Assert I1, I3 and I5 and print the case's counts."""
        wait_until("the counters to balance", lambda: not unbalanced(self.metrics()))
        metrics = self.metrics()
        stored = self.count("select count(*) from position")
        distinct = self.count("select count(distinct (device_id, boot, seq)) from position")
        letters = self.count("select count(*) from dead_letter")
        lost = fleet.acked - distinct
        again = metrics.get("positions_duplicate", 0)
        worst = sorted(recovery_s)
        told = {
            "faults": len(recovery_s),
            "sent": fleet.sent,
            "acked": fleet.acked,
            "stored": stored,
            "dead letters": letters,
            "doubled": stored - distinct,
            "sent again": fleet.resent,
            "known again (last process)": int(again),
            "lost": lost,
            "recovery median/max s": f"{worst[len(worst) // 2]:.2f}/{worst[-1]:.2f}" if worst else "-",
        } | more
        print(f"\n{self.name}: " + ", ".join(f"{key} {value}" for key, value in told.items()))  # noqa: T201
        assert lost == 0
        assert stored == distinct
        assert fleet.acked == fleet.sent
        assert stored + letters == fleet.sent
        assert metrics.get("oldest_unacked_seconds", 0) < UNACKED_MAX_S


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    folder = home() / f"faults-{os.getpid()}"
    yield House(folder, up(folder))
    down(folder)
    shutil.rmtree(folder)


@pytest.fixture
def case(house: House, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Case]:
    """A service on the house's servers, configured and migrated, not started."""
    house.repair()
    name = f"faults_{uuid.uuid4().hex[:12]}"
    url = db.fresh_database(house.servers.database_url, name)
    db.migrate(url)
    redis_url = house.servers.redis_url.removesuffix("/0") + "/1"
    service = Service(tmp_path, f"f{uuid.uuid4().hex[:8]}", house.servers, url, redis_url)
    service.configure()
    yield Case(house, service, request.node.name.removeprefix("test_"))
    if service.process is not None and service.process.poll() is None:
        service.kill()
    house.repair()
    with db.connect(house.servers.database_url, autocommit=True) as conn:
        db.drop_database(conn, name)


def now_s() -> float:
    return time.monotonic()
