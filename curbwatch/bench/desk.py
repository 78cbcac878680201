"""The desk under a city's load: 5 000 open incidents, 50 crews, 500 actions a second, and none lost or doubled."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import curbwatch.database as db
from alerts.dispatch import JobQueue
from config.load import load_config
from config.pack import Pack, load_pack
from config.service import LogKnobs
from curbwatch.bench.desk_check import check
from curbwatch.bench.desk_load import DONE_SHARE, Act, Plan, Shift, fill, play
from curbwatch.bench.rig import QUEUE_DB, cpu_s_of, parent_of
from curbwatch.bench.soak import percentiles
from curbwatch.build import RelayThread, Site, disown_queue, make_chores, make_queue
from curbwatch.endpoints import Endpoints
from curbwatch.telemetry import configure_logs
from schemas.city import Unit
from schemas.errors import CurbwatchError
from schemas.meter import NullMeter

OPEN = 5000
VERIFY_SHARE = 0.3  # of those that are open at first: they wait for a dispatcher
CREWS = 50
UNITS = 10
PROCESSES = 3  # the crews'; a fourth has dispatchers and detector
DISPATCHERS = 2
DISPATCH_SHARE = 0.05  # of all actions
NEW_PER_S = 1.0  # things that come to stand: far more than a city has
LEAD_S = 4.0  # that processes and connections may take to be there
DRAIN_S = 60.0
MUST_BE_0 = ("lost", "doubled", "two_owners", "rows_not_chained", "unsent")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How much, for how long."""

    actions_per_s: float
    seconds: float


def bench_desk(endpoints: Endpoints, *, pace: Pace, say: Say) -> dict[str, Any]:
    """Act on a database and a queue of its own; what came of it. ``endpoints``: servers that nobody else uses.

    Relay and chores run in a process of their own, as in ``curbwatch run``. Raises CurbwatchError where they fail.
    """
    name = f"bench_desk_{time.time_ns()}"
    url = db.fresh_database(endpoints.database_url, name)
    redis_url = urlsplit(endpoints.redis_url)._replace(path=f"/{QUEUE_DB}").geturl()
    own = replace(endpoints, database_url=url, redis_url=redis_url)
    try:
        disown_queue(redis_url)
        db.migrate(url)
        with ProcessPoolExecutor(PROCESSES + 1, multiprocessing.get_context("spawn")) as pool:
            say(f"opening {_filled(pace):,} incidents")
            waiting, direct = _open(pool, url, _filled(pace))
            with Serving(own) as serving:
                _wait_sent(url)
                say(f"{CREWS} crews, {pace.actions_per_s:.0f} actions/s for {pace.seconds:.0f} s")
                found = _measure(pool, own, pace, waiting)
                _wait_sent(url)
                found.cpu_s["relay_and_chores"] = serving.stop()
        return _judged(url, found, [*waiting, *direct], pace)
    finally:
        with db.session(endpoints.database_url, autocommit=True) as conn:
            db.drop_database(conn, name)


@dataclass(frozen=True, slots=True)
class Found:
    """What a load did, and the processor time it took, s, by who took it."""

    acts: list[Act]
    took_s: float
    cpu_s: dict[str, float]


def units() -> tuple[str, ...]:
    """Names of the units whose crews act."""
    return tuple(f"bench-u-{number}" for number in range(UNITS))


def shifts(pace: Pace, waiting: list[str]) -> tuple[list[Shift], list[Shift]]:
    """Who acts when: crews, and dispatchers with the detector. Their paces add up to the plan's, detector aside."""
    crew_per_s = pace.actions_per_s * (1 - DISPATCH_SHARE) / CREWS
    desk_per_s = pace.actions_per_s * DISPATCH_SHARE / DISPATCHERS
    crews = [
        Shift("crew", f"crew-{number}", number / CREWS / crew_per_s, 1 / crew_per_s, units()[number % UNITS])
        for number in range(CREWS)
    ]
    others = [
        Shift(
            "dispatcher",
            f"desk-{number}",
            number / DISPATCHERS / desk_per_s,
            1 / desk_per_s,
            subjects=tuple(waiting[number::DISPATCHERS]),
        )
        for number in range(DISPATCHERS)
    ]
    return crews, [*others, Shift("detector", "detector", 0.0, 1 / NEW_PER_S, first=_filled(pace))]


def _filled(pace: Pace) -> int:
    """How many are open at first: ``OPEN``, and as many as the crews will end."""
    ends_per_s = pace.actions_per_s * (1 - DISPATCH_SHARE) / 3 * DONE_SHARE
    return OPEN + round(ends_per_s * pace.seconds)


def _open(pool: ProcessPoolExecutor, url: str, count: int) -> tuple[list[str], list[str]]:
    """Fill the desk; ids of the incidents that wait for a person, and of the others."""
    verify = round(OPEN * VERIFY_SHARE)
    parts = [range(start, min(start + 500, count)) for start in range(0, count, 500)]
    futures = [
        (part.start < verify, pool.submit(fill, url, units(), part, direct=part.start >= verify)) for part in parts
    ]
    waiting = [one for first, future in futures if first for one in future.result()]
    return waiting, [one for first, future in futures if not first for one in future.result()]


def _measure(pool: ProcessPoolExecutor, own: Endpoints, pace: Pace, waiting: list[str]) -> Found:
    crews, others = shifts(pace, waiting)
    start_s = time.monotonic() + LEAD_S
    groups = [tuple(crews[number::PROCESSES]) for number in range(PROCESSES)] + [tuple(others)]
    before = _servers_cpu_s(own)
    plans = [Plan(own.database_url, own.redis_url, start_s, pace.seconds, bench_pack().city, group) for group in groups]
    futures: list[Future[tuple[list[Act], float]]] = [pool.submit(play, plan) for plan in plans]
    results = [future.result() for future in futures]
    took_s = time.monotonic() - start_s
    after = _servers_cpu_s(own)
    cpu_s = {name: round(after[name] - before[name], 1) for name in after}
    cpu_s["crews"] = round(sum(cpu for _, cpu in results[:-1]), 1)
    cpu_s["dispatchers_and_detector"] = round(results[-1][1], 1)
    return Found([act for acts, _ in results for act in acts], took_s, cpu_s)


def _judged(url: str, found: Found, opened: list[str], pace: Pace) -> dict[str, Any]:
    """Sum up, and compare the record with what was accepted."""
    by_kind: dict[str, list[float]] = {}
    for act in found.acts:
        by_kind.setdefault(act.kind if act.accepted else f"{act.kind}_refused", []).append(act.late_ms)
    actions = [act.late_ms for act in found.acts if act.kind != "open"]
    with db.connect(url) as conn:
        held = check(conn, found.acts, opened)
    p50_ms, p99_ms = percentiles(actions)
    return {
        "open_incidents": OPEN,
        "crews": CREWS,
        "actions": len(actions),
        "actions_per_s": round(len(actions) / max(found.took_s, pace.seconds), 1),
        "p50_ms": round(p50_ms, 1),
        "p99_ms": round(p99_ms, 1),
        "max_ms": round(max(actions), 1),
        "seconds": round(found.took_s, 1),
        "by_kind": {kind: _told(late_ms) for kind, late_ms in sorted(by_kind.items())},
        "check": held,
        "misses": [f"{count} {name}" for name, count in held.items() if name in MUST_BE_0 and count],
        "cpu_s": found.cpu_s,
    }


def _told(late_ms: list[float]) -> dict[str, float]:
    p50_ms, p99_ms = percentiles(late_ms)
    return {"count": len(late_ms), "p50_ms": round(p50_ms, 1), "p99_ms": round(p99_ms, 1)}


def _wait_sent(url: str) -> None:
    """Wait until the outbox is empty. Raises CurbwatchError where it does not become so."""
    give_up_s = time.monotonic() + DRAIN_S
    with db.connect(url, autocommit=True) as conn:
        while conn.execute("select 1 from outbox where sent_at is null limit 1").fetchone() is not None:
            if time.monotonic() > give_up_s:
                raise CurbwatchError(f"the relay did not empty the outbox within {DRAIN_S:.0f} s")
            time.sleep(0.1)


def _servers_cpu_s(own: Endpoints) -> dict[str, float]:
    """Processor time of the database and of the queue since they were started, s."""
    with db.connect(own.database_url) as conn:
        postmaster = parent_of(conn.info.backend_pid)
    queue = JobQueue(own.redis_url)
    pid = int(queue.server()["process_id"])
    queue.close()
    return {"postgres": cpu_s_of(postmaster), "valkey": cpu_s_of(pid)}


class Serving:
    """Relay and chores in a process of their own; ``stop`` ends it."""

    def __init__(self, own: Endpoints) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(own, theirs), name="desk", daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def stop(self) -> float:
        """End it in order; the processor time that it took since its beginning, s."""
        self._ours.send("stop")
        if not self._ours.poll(DRAIN_S):
            raise CurbwatchError(f"relay and chores did not end within {DRAIN_S:.0f} s")
        return float(self._ours.recv())


def _serve(own: Endpoints, pipe: Pipe) -> None:
    configure_logs(LogKnobs(level="warning"))
    site = _site(own)
    queue = make_queue(site)
    relay, chores = RelayThread(site, queue, NullMeter()), make_chores(site, NullMeter())
    relay.start()
    chores.start()
    before_s = time.process_time()
    pipe.send("ready")
    pipe.recv()
    chores.stop()
    relay.stop()
    queue.close()
    pipe.send(round(time.process_time() - before_s, 1))


def bench_pack() -> Pack:
    """The default pack with the bench's units, always on duty."""
    pack = load_pack(Path(load_config(None).site.pack))
    rules = replace(pack.city.rules, duties=())
    city = replace(pack.city, units={name: Unit(name, name, name) for name in units()}, rules=rules)
    return replace(pack, city=city)


def _site(own: Endpoints) -> Site:
    """The configuration's defaults."""
    with db.connect(own.database_url) as conn:
        edition = db.edition(conn)
    return Site(load_config(None), bench_pack(), own, edition)
