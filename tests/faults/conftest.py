"""Servers that may be killed: their own folder, their own broker, database and queue."""

import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import curbwatch.database as db
from curbwatch.bench.rig import read_metrics, unbalanced
from curbwatch.parts import Servers, down, process, up
from curbwatch.parts.paths import home
from curbwatch.registry import register_vehicle
from ingest.session_plan import secret_of
from tests.faults.fleet import Fleet
from tests.fix_servers import empty_queue
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

    @property
    def client_id(self) -> str:
        """Client id of the positions' session."""
        name = f"intake-{self.service.site}-{self.service.site}-positions"
        return name + secret_of(name, self.house.servers.password_files["intake-positions"].read_text().strip())

    def intake_knobs(self, folder: Path) -> dict[str, object]:
        """What every run here needs: a spool of its own."""
        return {"client_id": f"intake-{self.service.site}", "spool_dir": str(folder / "spool")}

    def configure(self, *, database_url: str = "", **knobs: dict[str, object]) -> None:
        """Write the configuration; the service may reach its database through ``database_url``."""
        direct = self.service.database_url
        self.service.database_url = database_url or direct
        given = knobs | {"intake": self.intake_knobs(self.service.folder) | knobs.get("intake", {})}
        self.service.configure(**given)
        self.service.database_url = direct

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """A database that takes no position meanwhile, and closes nothing."""
        with db.connect(self.service.database_url) as conn:
            conn.execute("lock table position in access exclusive mode")
            yield
            conn.rollback()

    def fleet(self, cars: int = 10, per_s: float = 40.0, *, patience_s: float = 15.0, pad: int = 0) -> Fleet:
        """Registered vehicles; together ``cars * per_s`` positions a second."""
        rates = {f"car-{number}": per_s for number in range(cars)}
        self.register(list(rates))
        return self.strangers(rates, patience_s=patience_s, pad=pad)

    def strangers(self, rates_per_s: dict[str, float], *, patience_s: float = 15.0, pad: int = 0) -> Fleet:
        """Vehicles of any name, registered or not."""
        url, password = self.house.servers.broker_url, self.house.password("devices")
        return Fleet(url, password, self.base(), rates_per_s, patience_s=patience_s, pad=pad)

    def register(self, names: list[str]) -> None:
        with db.session(self.service.database_url) as conn:
            for name in names:
                register_vehicle(conn, name)

    def count(self, query: str) -> int:
        with db.connect(self.service.database_url) as conn:
            row = conn.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def metrics(self) -> dict[str, float]:
        return read_metrics(self.service.get("/metrics")[1])

    def holds(self, fleet: Fleet, recovery_s: list[float], *, also: int = 0, **more: object) -> None:
        """Assert I1, I3 and I5 and print the case's counts. ``also``: how many others sent."""
        wait_until("the counters to balance", lambda: not unbalanced(self.metrics()))
        metrics = self.metrics()
        ours = f"from position where boot = '{fleet.boot}'"
        stored, distinct = (self.count(f"select count({what}) {ours}") for what in ("*", "distinct (device_id, seq)"))
        everybody = self.count("select count(*) from position")
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
        assert everybody + letters == fleet.sent + also
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
    redis_url = empty_queue(house.servers, 1)
    service = Service(tmp_path, f"f{uuid.uuid4().hex[:8]}", house.servers, url, redis_url)
    made = Case(house, service, request.node.name.removeprefix("test_"))
    made.configure()
    yield made
    if service.process is not None and service.process.poll() is None:
        service.kill()
    house.repair()
    with db.connect(house.servers.database_url, autocommit=True) as conn:
        db.drop_database(conn, name)
