"""``curbwatch run`` as a process, on the private servers, with a site, a database and folders of the test's own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from curbwatch.parts import Servers
from curbwatch.parts.paths import write_private
from tests.fix_servers import empty_queue, own_database

ROOT = Path(__file__).parents[1]
WAIT_S = 90.0  # half of a test's own limit: a machine with other work takes half a minute for a start


def wait_until(what: str, ready: Callable[[], bool], wait_s: float = WAIT_S) -> None:
    """Poll until ``ready``; fail the test, saying for what, after ``wait_s``."""
    deadline_s = time.monotonic() + wait_s
    while not ready():
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {wait_s:.0f} s in vain for {what}")
        time.sleep(0.05)


@dataclass
class Service:
    """One ``curbwatch run``, which can be killed and started again on the same state."""

    folder: Path
    site: str
    servers: Servers
    database_url: str
    redis_url: str
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    knobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "curbwatch.toml"

    def configure(self, **knobs: dict[str, Any]) -> None:
        """Write the configuration; sections given here are added to what the test needs."""
        for name, url in (("database", self.database_url), ("redis", self.redis_url)):
            write_private(self.folder / name, url + "\n")
        base: dict[str, dict[str, Any]] = {
            "site": {"site": self.site},
            "broker": {
                "url": self.servers.broker_url,
                "positions_password_file": str(self.servers.password_files["intake-positions"]),
                "frames_password_file": str(self.servers.password_files["intake-frames"]),
                "devices_password_file": str(self.servers.password_files["devices"]),
                "reconnect_max_s": 1.0,
            },
            "database": {"url_file": "database"},
            "redis": {"url_file": "redis"},
            "intake": {"client_id": f"intake-{self.site}", "spool_dir": "spool"},
            "engine": {"snapshot_dir": "snapshots"},
            "alerts": {"evidence_dir": "evidence", "direct_classes": ["09001", "09005", "09006", "06010"]},
            "http": {"port": 0},
            "log": {"form": "json"},
        }
        for section, table in knobs.items():
            base[section] = base.get(section, {}) | table
        lines = []
        for section, table in base.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start it and wait until it says that it is ready, or has started and waits for a server."""
        self.starts += 1
        log = self.folder / f"run-{self.starts}.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "curbwatch", "run", "--config", str(self.config)],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        wait_until("`curbwatch run` to be ready", lambda: self._ended() or bool(self.health))
        assert self.health, log.read_text()

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the present process has logged."""
        text = (self.folder / f"run-{self.starts}.log").read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]

    @property
    def health(self) -> str:
        """Where it answers; empty until it has started, ready or waiting for a server."""
        return next((event["health"] for event in self.events if event.get("event") in {"started", "ready"}), "")

    def get(self, path: str) -> tuple[int, str]:
        """Ask its HTTP side."""
        try:
            with urllib.request.urlopen(self.health + path, timeout=5) as answer:  # noqa: S310  # loopback
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a counter or gauge over the series with these labels; 0 where there is none."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{key}="{text}"' in series for key, text in labels.items()):
                total += float(value)
        return total

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=WAIT_S)


@contextmanager
def configured(servers: Servers, database_url: str, redis_url: str, folder: Path) -> Iterator[Service]:
    """A service that is not started; killed at the end where it still runs."""
    made = Service(folder, f"t{uuid.uuid4().hex[:8]}", servers, database_url, redis_url)
    made.configure()
    yield made
    if made.process is not None and made.process.poll() is None:
        os.kill(made.process.pid, signal.SIGKILL)
        made.process.wait()


@pytest.fixture
def service(servers: Servers, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Service]:
    """Configured, not started."""
    with configured(servers, database_url, redis_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def lasting_service(servers: Servers, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same for all tests of a file, on a database and a queue of their own."""
    queue = empty_queue(servers, 2)
    with (
        own_database(servers, migrated) as url,
        configured(servers, url, queue, tmp_path_factory.mktemp("run")) as made,
    ):
        yield made
