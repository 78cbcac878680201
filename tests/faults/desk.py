"""The desk on servers that may be killed: incidents come, a relay and crews' terminals work, and all is counted."""

import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
import structlog

import curbwatch.database as db
from alerts import crash
from schemas.errors import SinkError
from tests.alerts.made_desk import POLL_S, Parts, parts
from tests.alerts.makers import picture, sighting
from tests.faults.conftest import House
from tests.faults.screens import Screens, shown
from tests.fix_service import ROOT, wait_until

BACK_S = 30.0  # reliability.md 5, row 10
AWAY_S = 0.05


@dataclass
class DeskCase:
    """One fault case: a database and a queue of its own, what was opened, and what its end must show."""

    house: House
    database_url: str
    redis_url: str
    folder: Path
    name: str
    own: Parts
    opened: int = 0
    recovery_s: list[float] = field(default_factory=list)
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def parts(self, *, claim_idle_s: float = 0.5) -> Parts:
        return parts(self.database_url, self.redis_url, claim_idle_s=claim_idle_s)

    def open(self, count: int) -> list[str]:
        """So many things that stand somewhere new, each said until it is known to be written; their job ids."""
        return [until_told(self._one_more) for _ in range(count)]

    def _one_more(self) -> str:
        """Each at a camera of its own: looking for its place costs the same for the first and for the last."""
        number = self.opened + 1
        one = sighting(camera_id=f"cam-{number}", track_id=number, urgent=number % 5 == 0)
        told = self.own.incidents.open_or_refresh(one, None, PICTURE)
        job = self.own.jobs.of_incident(told.incident_id)
        assert job is not None
        self.opened = number
        return job.job_id

    @property
    def screen_files(self) -> Path:
        """One file for each terminal: what it has shown."""
        folder = self.folder / "screens"
        folder.mkdir(exist_ok=True)
        return folder

    def screens(self, count: int = 4, *, resend_s: float, claim_idle_s: float = 0.5) -> Screens:
        return Screens(
            (self.parts(claim_idle_s=claim_idle_s) for _ in range(count)), self.screen_files, resend_s=resend_s
        )

    @contextmanager
    def relay(self) -> Iterator[None]:
        """The one relay in a thread."""
        own, stop = self.parts(), threading.Event()
        thread = threading.Thread(target=own.relay().run, args=(stop, POLL_S))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            own.close()

    def process(self, module: str, log: str, *, dies: str = "", **more: str) -> "subprocess.Popen[bytes]":
        """A part as a process: ``tests.faults.{module}``; ``dies``: at which passage of which point."""
        surroundings = os.environ | {
            "DESK_DATABASE": self.database_url,
            "DESK_REDIS": self.redis_url,
            crash.VARIABLE: dies,
        }
        with (self.folder / log).open("ab") as output:
            made = subprocess.Popen(
                [sys.executable, "-m", f"tests.faults.{module}"],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=surroundings | more,
            )
        self.processes.append(made)
        return made

    def end(self) -> None:
        """Leave no process, whatever became of the test."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.own.close()

    @contextmanager
    def client(self) -> Iterator["redis.Redis"]:
        """The queue's server as somebody else sees it."""
        with redis.Redis.from_url(self.redis_url) as client:
            yield client

    def flush(self) -> None:
        """FLUSHALL."""
        with self.client() as client:
            client.flushall()

    def until_shown(self, job_ids: list[str], since_s: float | None = None) -> None:
        """Wait until terminals have shown these; how long that took since ``since_s`` (monotonic) is noted."""
        wanted = set(job_ids)
        wait_until(f"{len(wanted)} jobs to be shown", lambda: wanted <= shown(self.screen_files).keys(), 2 * BACK_S)
        if since_s is not None:
            self.recovery_s.append(time.monotonic() - since_s)

    def counts(self, query: str) -> int:
        with db.connect(self.database_url) as conn:
            row = conn.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def epochs(self) -> int:
        """How often the queue was filled anew: outbox rows of a job beyond its first come from nothing else here."""
        return self.counts("select coalesce(max(n), 0) from (select count(*) as n from outbox group by job_id) as o")

    def until_sent(self) -> None:
        """Wait until the outbox is empty."""
        waiting = "select count(*) from outbox where sent_at is null"
        wait_until("the outbox to be empty", lambda: self.counts(waiting) == 0)

    def log_bytes(self) -> int:
        """Length of the queue's append-only file."""
        return self._log.stat().st_size

    def cut_log(self, bytes_left: int) -> int:
        """Lose the end of the append-only file of a queue that does not run; how many bytes."""
        lost = self.log_bytes() - bytes_left
        os.truncate(self._log, bytes_left)
        return lost

    @property
    def _log(self) -> Path:
        """The file that grows: the highest number."""
        files = (self.house.folder / "valkey" / "appendonlydir").glob("*.incr.aof")
        return max(files, key=lambda file: int(file.name.split(".")[-3]))

    def holds(self, **more: object) -> None:
        """Assert that every alert was shown once and print the case's counts."""
        wait_until("all to be shown", lambda: len(shown(self.screen_files)) >= self.opened, 2 * BACK_S)
        seen = shown(self.screen_files)
        worst = sorted(self.recovery_s)
        told = {
            "faults": len(worst),
            "opened": self.opened,
            "incidents": self.counts("select count(*) from incident"),
            "jobs": self.counts("select count(*) from job"),
            "shown": len(seen),
            "lost": self.opened - len(seen),
            "doubled": sum(count > 1 for count in seen.values()),
            "recovery median/max s": f"{worst[len(worst) // 2]:.2f}/{worst[-1]:.2f}" if worst else "-",
        } | more
        print(f"\n{self.name}: " + ", ".join(f"{key} {value}" for key, value in told.items()))  # noqa: T201
        assert told["incidents"] == told["jobs"] == self.opened
        assert told["lost"] == told["doubled"] == 0
        assert max(worst, default=0.0) < BACK_S


PICTURE = picture()


def until_told(say: Callable[[], str]) -> str:
    """Say something until the database is known to have it."""
    deadline_s = time.monotonic() + 2 * BACK_S
    while True:
        try:
            return say()
        except SinkError:
            if time.monotonic() > deadline_s:
                raise
            threading.Event().wait(AWAY_S)


@pytest.fixture
def desk(house: House, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DeskCase]:
    """A migrated database and an empty queue on the house's servers; nothing runs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    house.repair()
    name = f"desk_{uuid.uuid4().hex[:12]}"
    url = db.fresh_database(house.servers.database_url, name)
    db.migrate(url)
    redis_url = house.servers.redis_url.removesuffix("/0") + "/1"
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    own = parts(url, redis_url)
    case = DeskCase(house, url, redis_url, tmp_path, request.node.name.removeprefix("test_"), own)
    yield case
    case.end()
    structlog.reset_defaults()
    house.repair()
    with suppress(SinkError), db.connect(house.servers.database_url, autocommit=True) as conn:
        db.drop_database(conn, name)
