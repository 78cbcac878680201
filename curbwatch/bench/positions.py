"""Positions: durable before they are acknowledged, beside a bare paho subscriber that only acknowledges.

Each side draws the same backlog out of a persistent session: the messages are published first, while nobody listens,
so that the publisher takes no processor from either side.
"""

import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

import curbwatch.database as db
from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from config.quality import QualityKnobs
from curbwatch.bench.load import publish_all
from curbwatch.endpoints import Endpoints
from ingest.forms import Forms, PositionForms
from ingest.health import HealthBook
from ingest.mqtt import MqttSession
from ingest.positions import Outlets, PositionWriter, Sinks, Watch
from ingest.quality import Quality
from ingest.session_plan import SessionPlan
from ingest.store import IntakeStore
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.errors import FeedError
from schemas.meter import NullMeter
from schemas.position import RawMessage

VEHICLES = 100
WINDOWS = (500, 10_000)
ARRAY = 100
WAIT_S = 300.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """One run's surroundings: a site and a database of its own."""

    endpoints: Endpoints
    scheme: TopicScheme
    messages: int

    def backlog(self, *, array: int = 1) -> Iterator[tuple[str, bytes]]:
        """Yield (topic, payload): native positions of 100 vehicles, one per message, or arrays of ``array``."""
        start_ms, boot = time.time_ns() // 1_000_000 - 3_600_000, uuid.uuid4().hex[:8]
        for number in range(self.messages // array):
            vehicle, turn = number % VEHICLES, number // VEHICLES
            items = [
                f'{{"ts":{start_ms + (turn * array + k) * 1000},"lon":{104.6 + vehicle / 1e4:.6f},"lat":30.12345,'
                f'"speed_kmh":31.5,"heading_deg":271.0,"sat":11,"seq":{turn * array + k},"boot":"{boot}"}}'
                for k in range(array)
            ]
            body = items[0] if array == 1 else f"[{','.join(items)}]"
            yield self.scheme.of("vehicle", f"bench-{vehicle}", "position"), body.encode()


class _Devices:
    """Knows the bench's vehicles."""

    def __init__(self) -> None:
        self.rules: Mapping[str, DeviceRule] = {
            f"bench-{n}": DeviceRule(f"bench-{n}", "vehicle") for n in range(VEHICLES)
        }

    def refresh(self) -> bool:
        """Nothing changes here."""
        return False

    def ask(self) -> None:
        """Nothing changes here."""


def bench_positions(endpoints: Endpoints, *, messages: int, rounds: int, say: Say) -> dict[str, Any]:
    """Run A B A B at both windows, then arrays beside COPY; the result has the fixed keys of ``bench positions``.

    ``messages`` per run, ``rounds`` runs a side; medians are compared. Raises FeedError where a run does not finish.
    """
    bench = Bench(endpoints, TopicScheme("city/v1", f"bench-{uuid.uuid4().hex[:8]}"), messages)
    url = db.fresh_database(endpoints.database_url, f"bench_{uuid.uuid4().hex[:8]}")
    try:
        db.migrate(url)
        bench = replace(bench, endpoints=replace(endpoints, database_url=url))
        runs: dict[str, list[float]] = {}
        for turn in range(rounds):
            for window in WINDOWS:
                for name, side in (("baseline", _baseline), ("curbwatch", _curbwatch)):
                    rate = side(bench, window, 1)
                    runs.setdefault(f"{name}_{window}", []).append(rate)
                    say(f"round {turn + 1}: {name} at window {window}: {rate:,.0f} messages/s")
            for name, figure in (("array", _curbwatch(bench, WINDOWS[0], ARRAY) * ARRAY), ("copy", _copy(bench))):
                runs.setdefault(name, []).append(figure)
                say(f"round {turn + 1}: {name}: {figure:,.0f} rows/s")
    finally:
        with db.connect(endpoints.database_url, autocommit=True) as conn:
            db.drop_database(conn, urlsplit(url).path[1:])
    return _result({name: statistics.median(figures) for name, figures in runs.items()})


def _result(median: dict[str, float]) -> dict[str, Any]:
    baseline = max(median[f"baseline_{window}"] for window in WINDOWS)
    ours = max(median[f"curbwatch_{window}"] for window in WINDOWS)
    return {
        "baseline_msgs_per_s": round(baseline),
        "curbwatch_msgs_per_s": round(ours),
        "ratio": round(ours / baseline, 3),
        "array_rows_per_s": round(median["array"]),
        "copy_rows_per_s": round(median["copy"]),
        "array_ratio": round(median["array"] / median["copy"], 3),
        "by_window": {
            str(window): {
                "baseline_msgs_per_s": round(median[f"baseline_{window}"]),
                "curbwatch_msgs_per_s": round(median[f"curbwatch_{window}"]),
                "ratio": round(median[f"curbwatch_{window}"] / baseline, 3),
            }
            for window in WINDOWS
        },
    }


def _baseline(bench: Bench, window: int, array: int) -> float:
    """Messages per second of a bare paho subscriber that acknowledges and does nothing else."""
    client_id = f"bench-{uuid.uuid4().hex[:8]}"
    seen = 0
    first_s = last_s = 0.0
    done = threading.Event()
    expected = bench.messages // array

    def message(client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        nonlocal seen, first_s, last_s
        client.ack(message.mid, 1)
        last_s = time.perf_counter()
        first_s = first_s or last_s
        seen += 1
        if seen == expected:
            done.set()

    client = _client(bench, client_id)
    client.on_message = message
    _connect(bench, client, window, subscribe=True)
    client.disconnect()
    client.loop_stop()
    _fill(bench, array)
    _connect(bench, client, window, subscribe=False)
    if not done.wait(WAIT_S):
        raise FeedError(f"the baseline got {seen} of {expected} messages")
    client.disconnect()
    client.loop_stop()
    return (expected - 1) / (last_s - first_s)


def _client(bench: Bench, client_id: str) -> paho.Client:
    user = "intake-positions"
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
    )
    client.username_pw_set(user, bench.endpoints.passwords.get(user, ""))
    return client


def _connect(bench: Bench, client: paho.Client, window: int, *, subscribe: bool) -> None:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval, properties.ReceiveMaximum = 600, window
    ready = threading.Event()
    client.on_subscribe = lambda *_told: ready.set()
    if not subscribe:
        client.on_connect = lambda *_told: ready.set()
    address = urlsplit(bench.endpoints.broker_url)
    client.connect(address.hostname or "", address.port or 1883, clean_start=False, properties=properties)
    if subscribe:
        client.subscribe(bench.scheme.wildcard("vehicle", "position"), options=SubscribeOptions(qos=1))
    client.loop_start()
    if not ready.wait(10):
        raise FeedError(f"broker {bench.endpoints.broker_url} does not answer")


def _fill(bench: Bench, array: int) -> None:
    password = bench.endpoints.devices_password
    publish_all(bench.endpoints.broker_url, bench.endpoints.devices_user, password, bench.backlog(array=array))


def _curbwatch(bench: Bench, window: int, array: int) -> float:
    """Messages per second of the intake: decoded, stored, committed, then acknowledged."""
    knobs = IntakeKnobs(positions_window=window, positions_batch_max=max(200, window // 4))
    plan = SessionPlan(
        url=bench.endpoints.broker_url,
        client_id=f"bench-{uuid.uuid4().hex[:8]}",
        user="intake-positions",
        window=window,
        expiry_s=600,
        topics=((bench.scheme.wildcard("vehicle", "position"), False),),
    )
    password = bench.endpoints.passwords.get(plan.user, "")
    before = MqttSession(plan, password, NullMeter(), lambda _message, _ticket: None)
    before.start()
    before.stop()
    _fill(bench, array)
    expected = bench.messages // array
    watch = _Watch(expected)
    sinks = Sinks(IntakeStore(bench.endpoints.database_url, payload_bytes=4096))
    devices = _Devices()
    onlookers = Watch(Quality(QualityKnobs(), None), HealthBook(devices, silence_s=300.0))
    writer = PositionWriter(knobs, _forms(bench), sinks, onlookers, devices, NullMeter())

    def came(message: RawMessage, ticket: Any) -> None:  # noqa: ANN401  # handed through
        watch.first_s = watch.first_s or time.perf_counter()
        writer.put(message, ticket)

    session = MqttSession(plan, password, NullMeter(), came)
    writer.start(Outlets(watch.around(session.finish), session.drop, session.publish, lambda: session.generation))
    session.start()
    if not watch.done.wait(WAIT_S):
        raise FeedError(f"the intake acknowledged {watch.acked} of {expected} messages")
    writer.stop()
    session.stop()
    return expected / (watch.last_s - watch.first_s)


class _Watch:
    """Counts acknowledged messages."""

    def __init__(self, expected: int) -> None:
        self.done = threading.Event()
        self.acked = 0
        self.first_s = self.last_s = 0.0
        self._expected = expected

    def around(self, finish: Callable[[Any], None]) -> Callable[[Any], None]:
        """``finish``, counted."""

        def counted(tickets: Any) -> None:  # noqa: ANN401  # handed through
            finish(tickets)
            self.acked += len(tickets)
            self.last_s = time.perf_counter()
            if self.acked >= self._expected:
                self.done.set()

        return counted


def _forms(bench: Bench) -> PositionForms:
    return PositionForms(bench.scheme, 300.0, Forms(CodecKnobs(enabled=()), "vehicle"))


def _copy(bench: Bench) -> float:
    """Rows per second of COPY into a staging table + INSERT … ON CONFLICT, of rows decoded beforehand."""
    forms, rules = _forms(bench), _Devices().rules
    now_ns = time.time_ns()
    messages = [RawMessage(topic, body, now_ns) for topic, body in bench.backlog(array=ARRAY)]
    groups = [messages[at : at + 100] for at in range(0, len(messages), 100)]
    batches = [forms.decode(group, rules, {}, now_ns).rows for group in groups]
    store = IntakeStore(bench.endpoints.database_url, payload_bytes=4096)
    store.marks_of([("warm", "up")])
    started_s = time.perf_counter()
    for rows in batches:
        store.write(rows, ())
    rate = sum(len(rows) for rows in batches) / (time.perf_counter() - started_s)
    store.close()
    return rate
