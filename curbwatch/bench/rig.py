"""``curbwatch run`` as a child, on a site, a database and a folder of its own, and what the system says of it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import curbwatch.database as db
from config.pack import Pack, load_pack
from curbwatch.bench.pace import Load
from curbwatch.build import disown_queue
from curbwatch.endpoints import Endpoints, private
from curbwatch.parts import down, up
from curbwatch.parts.paths import home, write_private
from curbwatch.registry import register_camera, register_vehicle
from schemas.errors import CurbwatchError
from schemas.place import CameraView

READY_S = 60.0
STOP_S = 60.0
DWELL_S = 20.0  # as the demo: 90 s would leave a short run without a job
QUEUE_DB = 3  # a Redis database of its own
RATE_PER_S = 20.0  # of each vehicle: the limit is looked at, and nobody reaches it


@dataclass(frozen=True, slots=True)
class Usage:
    """What the run and its children take: resident memory (bytes) and open descriptors."""

    rss_bytes: int
    descriptors: int


@dataclass
class Rig:
    """One ``curbwatch run``; ``started`` makes and ends it."""

    endpoints: Endpoints
    folder: Path
    site: str
    vehicles: tuple[str, ...]
    cameras: tuple[str, ...]
    health: str = ""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def log(self) -> Path:
        """Where its log goes."""
        return self.folder / "run.log"

    def load(self, **what: Any) -> Load:  # noqa: ANN401  # the other fields of Load
        """Return a load of this rig's devices."""
        ends = self.endpoints
        given = {"vehicles": self.vehicles, "cameras": self.cameras} | what
        return Load(ends.broker_url, ends.devices_user, ends.devices_password, self.base, **given)

    @property
    def base(self) -> str:
        """Beginning of every topic of the site."""
        return f"city/v1/{self.site}"

    def start(self, *, wait: bool = True) -> None:
        """Start it and wait until it says that it is ready. Raises CurbwatchError with the end of its log."""
        argv = [sys.executable, "-m", "curbwatch", "run", "--config", str(self.folder / "curbwatch.toml")]
        self.health = ""
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it says that it is ready. Raises CurbwatchError with the end of its log."""
        deadline_s = time.monotonic() + READY_S
        while not self.health:
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline_s:
                raise CurbwatchError(f"`curbwatch run` did not start; its log ends with:\n{self._last_words()}")
            time.sleep(0.05)
            found = re.search(r'"health": ?"([^"]+)"', self.log.read_text(errors="replace"))
            self.health = found[1] if found else ""

    def stop(self) -> int:
        """SIGTERM; its exit code. Raises CurbwatchError where it does not drain."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise CurbwatchError(f"`curbwatch run` did not drain within {STOP_S:.0f} s") from None

    def metrics(self) -> dict[str, float]:
        """Counters and gauges by name without ``curbwatch_`` and ``_total``, summed over their labels.

        Raises CurbwatchError where it does not answer.
        """
        try:
            with urllib.request.urlopen(f"{self.health}/metrics", timeout=10) as answer:  # noqa: S310  # loopback
                text = answer.read().decode()
        except (urllib.error.URLError, OSError) as error:
            raise CurbwatchError(f"`curbwatch run` does not answer ({error}):\n{self._last_words()}") from error
        return read_metrics(text)

    def usage(self) -> Usage:
        """What it takes now. Raises CurbwatchError where it has ended."""
        if self.process is None or self.process.poll() is not None:
            raise CurbwatchError(f"`curbwatch run` ended; its log ends with:\n{self._last_words()}")
        return usage_of(self.process.pid)

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-1500:] if self.log.is_file() else ""


@contextmanager
def own_servers(say: Callable[[str], None]) -> Iterator[Endpoints]:
    """Lend servers in a folder of their own, made for this and removed at the end. Raises SetupError."""
    folder = home() / f"rig-{os.getpid()}"
    try:
        yield private(up(folder, progress=say))
    finally:
        down(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(
    endpoints: Endpoints,
    *,
    vehicles: int,
    cameras: int,
    rate_per_s: float = RATE_PER_S,
    intake: Mapping[str, Any] | None = None,
) -> Iterator[Rig]:
    """Lend a running rig with this many registered devices. Its database and folder are removed at the end.

    ``rate_per_s`` is each vehicle's limit, ``intake`` are knobs of that section.

    Raises CurbwatchError where it cannot be started.
    """
    pack = load_pack(Path("yanjiang"))
    site = f"rig{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="curbwatch-rig-"))
    url = db.fresh_database(endpoints.database_url, f"rig_{site}")
    redis_url = urlsplit(endpoints.redis_url)._replace(path=f"/{QUEUE_DB}").geturl()
    disown_queue(redis_url)
    rig = Rig(
        replace(endpoints, database_url=url, redis_url=redis_url),
        folder,
        site,
        tuple(f"rig-car-{number:04d}" for number in range(vehicles)),
        tuple(f"rig-cam-{number:03d}" for number in range(cameras)),
    )
    try:
        _register(rig, pack, rate_per_s)
        _configure(rig, pack, intake or {})
        rig.start()
        yield rig
    finally:
        if rig.process is not None and rig.process.poll() is None:
            rig.process.kill()
            rig.process.wait()
        with db.session(endpoints.database_url, autocommit=True) as conn:
            db.drop_database(conn, f"rig_{site}")
        shutil.rmtree(folder, ignore_errors=True)


def usage_of(pid: int) -> Usage:
    """What a process and its children take now; zeros where it has ended."""
    family = _family(pid)
    return Usage(sum(map(_rss_bytes, family)), sum(map(_descriptors, family)))


def cpu_s_of(pid: int) -> float:
    """Processor time of a process, of those that it has started and of those of them that have ended, s."""
    return sum(sum(map(int, _stat(one)[11:15])) for one in _family(pid)) / os.sysconf("SC_CLK_TCK")


def parent_of(pid: int) -> int:
    """Pid of the process that started another. Raises CurbwatchError where that has ended."""
    words = _stat(pid)
    if not words:
        raise CurbwatchError(f"process {pid} has ended")
    return int(words[1])


def read_metrics(text: str) -> dict[str, float]:
    """Sum Prometheus' text format by name; nothing: none."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0]
        if name.startswith("curbwatch_"):
            short = name.removeprefix("curbwatch_").removesuffix("_total")
            found[short] = found.get(short, 0.0) + float(value)
    return found


def unbalanced(counts: Mapping[str, float]) -> list[str]:
    """Say which counters do not add up; none: all do (docs/operations.md)."""
    wrong = []
    for kind, ends in (
        ("frames", ("processed", "shed", "rejected")),
        ("positions", ("stored", "duplicate", "rejected")),
    ):
        received, ended = counts.get(f"{kind}_received", 0), sum(counts.get(f"{kind}_{end}", 0) for end in ends)
        if received != ended:
            wrong.append(f"{kind}: received {received:.0f}, ended {ended:.0f}")
    return wrong


def _register(rig: Rig, pack: Pack, rate_per_s: float) -> None:
    db.migrate(rig.endpoints.database_url)
    cells = list(pack.city.cells.values())
    cell_id = cells[0].cell_id if cells else ""
    with db.session(rig.endpoints.database_url) as conn:
        for name in rig.vehicles:
            register_vehicle(conn, name)
        for name in rig.cameras:
            register_camera(conn, CameraView(name, (), None, cell_id, ""))
        conn.execute("update device set rate_per_s = %s, max_age_s = 86400 where kind = 'vehicle'", (rate_per_s,))


def _configure(rig: Rig, pack: Pack, intake: Mapping[str, Any]) -> None:
    ends = rig.endpoints
    files = {name: write_private(rig.folder / name, secret + "\n") for name, secret in ends.passwords.items()}
    for name, url in (("database", ends.database_url), ("redis", ends.redis_url)):
        write_private(rig.folder / name, url + "\n")
    direct = [case.code for case in pack.city.classes.values() if case.family in {"stall", "waste"}]
    sections: dict[str, dict[str, Any]] = {
        "site": {"site": rig.site},
        "broker": {"url": ends.broker_url}
        | {
            f"{key}_password_file": str(files[user])
            for key, user in (("positions", "intake-positions"), ("frames", "intake-frames"))
            if user in files
        },
        "database": {"url_file": "database"},
        "redis": {"url_file": "redis"},
        "intake": {"client_id": rig.site, "session_expiry_s": 3600, "spool_dir": str(rig.folder / "spool")}
        | dict(intake),
        "engine": {"snapshot_dir": "snapshots"},
        "vision": {"dwell_s": DWELL_S, "analyse_period_s": 1.0},
        "alerts": {"evidence_dir": "evidence", "direct_classes": direct},
        "http": {"port": 0},
        "log": {"form": "json", "level": "info"},
    }
    lines = []
    for section, table in sections.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (rig.folder / "curbwatch.toml").write_text("\n".join(lines) + "\n")


def _family(pid: int) -> list[int]:
    """A process and all that it has started, and those in turn."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int(_stat(int(entry.name))[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def _stat(pid: int) -> list[str]:
    """Words of its line in /proc behind its name, which may hold anything; none where it has ended.

    The second is its parent, from the twelfth on its processor time and that of its children, in ticks.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _rss_bytes(pid: int) -> int:
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0  # it has just ended
    return int(found[1]) * 1024 if found else 0


def _descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0
