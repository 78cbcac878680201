"""Positions through a whole ``curbwatch run``: how many a second, and how long each takes.

Everything is on that a city has: meter, rates, marks, quality flags, health, spool. Timed by what vehicles are told.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from config.intake import IntakeKnobs
from curbwatch.bench.load import Link, publish_all
from curbwatch.bench.pace import Child
from curbwatch.bench.rig import Rig, started
from curbwatch.bench.soak import percentiles
from curbwatch.endpoints import Endpoints
from schemas.errors import FeedError

VEHICLES = 100
NARROW = {"positions_window": 500, "positions_batch_max": 250}  # a broker that limits it, or a small machine
PACED_S = 20.0
RATE_PER_S = 10_000.0  # of each vehicle: the limit is looked at, and nobody reaches it
WAIT_S = 120.0
BEATS_APART_S = 30.0

Say = Callable[[str], None]


def whole_run(endpoints: Endpoints, baseline_msgs_per_s: float, *, messages: int, say: Say) -> dict[str, Any]:
    """Measure a whole run with the default knobs, and at window 500; keys ``latency_ms`` and ``guarded`` of design 12.

    Both are with everything a city has; ``latency_ms`` is that of the default knobs.
    """
    guarded, narrow = (measure(endpoints, knobs=knobs, messages=messages, say=say) for knobs in ({}, NARROW))
    for found in (guarded, narrow):
        found["ratio"] = round(found["msgs_per_s"] / baseline_msgs_per_s, 3)
    return {"latency_ms": guarded["latency_ms"], "guarded": guarded | {"narrow": narrow}}


def measure(endpoints: Endpoints, *, knobs: Mapping[str, int], messages: int, say: Say) -> dict[str, Any]:
    """Draw a backlog, then send at half that pace; ``msgs_per_s``, ``window`` and ``latency_ms``.

    ``knobs`` are those of section ``intake`` that differ from the defaults. Raises CurbwatchError where the system does
    not start, or does not keep what it was sent.
    """
    window = IntakeKnobs.model_validate(knobs).positions_window
    with started(endpoints, vehicles=VEHICLES, cameras=0, rate_per_s=RATE_PER_S, intake=knobs) as rig:
        rate = _backlog_rate(rig, messages)
        say(f"whole run at window {window}: {rate:,.0f} messages/s out of a backlog")
        child = Child(rig.load(positions_per_s=rate / 2, seconds=PACED_S))
        try:
            last, lags_ms = child.last(BEATS_APART_S)
        finally:
            child.end()
        rig.stop()
    p50_ms, p99_ms = percentiles(lags_ms)
    at = last.positions / PACED_S
    say(f"whole run at window {window}: p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms at {at:,.0f} messages/s")
    if last.kept < last.positions:
        raise FeedError(f"{last.positions - last.kept} of {last.positions} positions were not acknowledged")
    return {
        "msgs_per_s": round(rate),
        "window": window,
        "latency_ms": {"p50": round(p50_ms, 1), "p99": round(p99_ms, 1), "at_msgs_per_s": round(at)},
    }


def _backlog_rate(rig: Rig, messages: int) -> float:
    """Messages per second from the first acknowledgement to the last, of what was published while nobody listened."""
    rig.stop()
    boot, ends = uuid.uuid4().hex[:8], rig.endpoints
    publish_all(ends.broker_url, ends.devices_user, ends.devices_password, _backlog(rig, messages, boot))
    listener = Link(ends.broker_url, ends.devices_user, ends.devices_password, (f"{rig.base}/vehicle/+/ack",))
    rig.start(wait=False)
    marks: dict[str, int] = {}
    first = last_s = first_s = 0.0
    deadline_s = time.monotonic() + WAIT_S
    while (kept := sum(marks.values()) + len(marks)) < messages:
        if time.monotonic() > deadline_s:
            raise FeedError(f"the run acknowledged {kept} of {messages} positions in {WAIT_S:.0f} s")
        for topic, payload in listener.pump(0.1):
            told = json.loads(payload)
            if told["boot"] == boot:
                marks[topic.split("/")[-2]] = told["seq"]
                last_s = time.perf_counter()
        if not first and marks:
            first, first_s = float(sum(marks.values()) + len(marks)), last_s
    listener.close()
    rig.wait_ready()
    return (messages - first) / (last_s - first_s)


def _backlog(rig: Rig, messages: int, boot: str) -> Iterator[tuple[str, bytes]]:
    """Yield (topic, payload): positions a second apart, up to now, of all vehicles in turn."""
    turns = -(-messages // VEHICLES)
    start_ms = time.time_ns() // 1_000_000 - turns * 1000
    for number in range(messages):
        vehicle, turn = number % VEHICLES, number // VEHICLES
        body = (
            f'{{"ts":{start_ms + turn * 1000},"lon":{104.6 + vehicle / 1e4:.6f},"lat":{30.1 + turn / 1e6:.6f},'
            f'"speed_kmh":31.5,"heading_deg":271.0,"sat":11,"seq":{turn},"boot":"{boot}"}}'
        )
        yield f"{rig.base}/vehicle/{rig.vehicles[vehicle]}/position", body.encode()
