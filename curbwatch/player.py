"""Plays devices: sends what they would publish over MQTT 5 with aiomqtt, and hears what became of it."""

import asyncio
import hashlib
import random
import secrets
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.topics import TopicScheme
from schemas.errors import FeedError, UsageError
from schemas.units import utc

Device = tuple[Literal["camera", "vehicle"], str]  # kind and device id

WINDOW = 20  # the least Receive Maximum that brokers ship with
MAX_BYTES = 2_000_000  # an oversize message costs the connection, and paho cannot read some brokers' refusal of it
PUBACK_S = 60.0  # a broker that takes longer is taken for gone
BACK_OFF_S = 0.25
TRIES = 3  # a message that alone costs the connection so often is put aside
CLOSE_S = 5.0
REFUSED = {4, 5, 134, 135}  # CONNACK: bad user name or password, not authorised
_DICE = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message of a played device.

    Attributes:
        topic: full MQTT topic.
        payload: body as the device sends it.
        properties: MQTT 5 user properties, in order.
    """

    topic: str
    payload: bytes
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Broker:
    """Where devices log in: ``mqtt://`` or ``mqtts://host[:port]``; ``ca_file`` empty: the system's authorities."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""


class _CameraAck(msgspec.Struct):
    boot: str
    seq: int
    outcome: str


class _VehicleAck(msgspec.Struct):
    boot: str
    seq: int


def new_boot() -> str:
    """Return what a device calls its new start."""
    return f"p{int(time.time()):x}-{secrets.token_hex(2)}"


def frame_message(topic: str, jpeg: bytes, *, ts_ns: int, boot: str, seq: int) -> Outgoing:
    """Return a picture as a camera sends it: bare JPEG, the rest as user properties."""
    digest = hashlib.sha256(jpeg).hexdigest()
    properties = ("ts", utc(ts_ns).isoformat()), ("seq", str(seq)), ("boot", boot), ("sha256", digest)
    return Outgoing(topic, jpeg, properties)


def position_message(topic: str, positions: Sequence[Mapping[str, Any]]) -> Outgoing:
    """Return positions as a terminal sends them: one as an object, several as an array."""
    return Outgoing(topic, msgspec.json.encode(positions[0] if len(positions) == 1 else positions))


class Player:
    """One connection that plays ``devices``: QoS 1, at most ``window`` messages un-acked, reconnecting by itself.

    What was not acked when a connection was lost is sent again, in order, before anything newer. ``online`` is
    published (retained) for each device at every connect, ``offline`` at the end; a single device also leaves it as
    its last will. Acknowledgements of the intake are collected: ``ask`` and ``marks``.

    Use as an async context manager. Entering raises FeedError where the broker cannot be reached or refuses.

    Attributes:
        marks: (device_id, boot) -> the highest ``seq`` up to which the intake has stored this vehicle's positions.
        sent: messages the broker has acked; ``resent``: how many of them had to be sent again.
        put_aside: messages that cost the connection each time, and were given up.
        reconnects: how often the connection was lost and found again.
    """

    def __init__(
        self,
        broker: Broker,
        scheme: TopicScheme,
        devices: Sequence[Device],
        *,
        window: int = WINDOW,
        max_bytes: int = MAX_BYTES,
        reconnect_max_s: float = 30.0,
    ) -> None:
        self.scheme = scheme
        self.marks: dict[tuple[str, str], int] = {}
        self.sent = self.resent = self.put_aside = self.reconnects = 0
        self._broker, self._devices = broker, tuple(devices)
        self._window, self._max_bytes, self._reconnect_max_s = window, max_bytes, reconnect_max_s
        self._pending: dict[int, Outgoing] = {}
        self._tries: dict[int, int] = {}
        self._asked: dict[tuple[str, str, int], asyncio.Future[str]] = {}
        self._number = 0
        self._client: aiomqtt.Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Condition()
        self._lost, self._stop = asyncio.Event(), asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._failed: FeedError | None = None
        self._stood = False

    async def __aenter__(self) -> Self:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep(ready))
        try:
            await ready
        except BaseException:
            self._keeper.cancel()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is None:
            return
        with suppress(TimeoutError, FeedError):
            async with asyncio.timeout(CLOSE_S):
                if kind is None:
                    await self.flush()
                self._stop.set()
                await asyncio.shield(self._keeper)
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)

    @property
    def unsent(self) -> int:
        """Messages handed over that the broker has not acked."""
        return len(self._pending)

    def fits(self, payload: bytes) -> bool:
        """Whether a payload may be sent at all."""
        return len(payload) <= self._max_bytes

    async def send(self, outgoing: Outgoing) -> None:
        """Hand one message over; returns as soon as there is room for it in the window.

        Raises UsageError for a payload that is too large, FeedError where the broker no longer lets us in.
        """
        if not self.fits(outgoing.payload):
            raise UsageError(
                f"{outgoing.topic}: {len(outgoing.payload)} bytes are more than a message may have ({self._max_bytes})"
            )
        await self._until(lambda: len(self._pending) < self._window)
        self._number += 1
        self._pending[self._number] = outgoing
        if self._client is not None:
            task = asyncio.create_task(self._publish(self._client, self._number, outgoing))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def flush(self) -> None:
        """Wait until the broker has acked everything. Raises FeedError where it no longer lets us in."""
        await self._until(lambda: not self._pending)

    def ask(self, device_id: str, boot: str, seq: int) -> asyncio.Future[str]:
        """Return what will be the intake's outcome of a camera's frame; ask before sending it.

        The outcome is ``processed``, ``shed:<reason>`` or ``rejected:<reason>``. It may never come: wait with a
        time-out, which also forgets the question.
        """
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[device_id, boot, seq] = asked
        asked.add_done_callback(lambda _: self._asked.pop((device_id, boot, seq), None))
        return asked

    async def wait_marks(self, wanted: Mapping[tuple[str, str], int], quiet_s: float) -> dict[tuple[str, str], int]:
        """Wait until ``marks`` reach ``wanted``, or none of them moved for ``quiet_s``; return those still below it."""

        def now() -> dict[tuple[str, str], int]:
            return {key: self.marks.get(key, -1) for key in wanted}

        while (before := now()) and any(before[key] < seq for key, seq in wanted.items()):
            try:
                async with asyncio.timeout(quiet_s):
                    await self._until(lambda before=before: now() != before)  # type: ignore[misc]
            except TimeoutError:
                break
        return {key: seq for key, seq in wanted.items() if self.marks.get(key, -1) < seq}

    async def _until(self, true: Callable[[], bool]) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: true() or self._failed is not None)
        if self._failed is not None:
            raise self._failed

    async def _tell(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        """Hold a connection until told to stop; whatever ends it ends everybody's waiting."""
        try:
            await self._reconnect(ready)
        finally:
            if self._failed is None and not self._stop.is_set():
                self._failed = FeedError(f"{self._where}: the connection is no longer held")
            if self._failed is not None and not ready.done():
                ready.set_exception(self._failed)
            await self._tell()

    async def _reconnect(self, ready: asyncio.Future[None]) -> None:
        """Connect until told to stop; each lost connection is followed by another after a random pause."""
        failures = 0
        while not self._stop.is_set():
            self._stood = False
            try:
                await self._session(ready)
            except (aiomqtt.MqttError, OSError, FeedError) as error:
                refused = isinstance(error, MqttConnectError) and _code(error) in REFUSED
                if refused or not ready.done():
                    self._failed = self._explained(error)
                    return
            failures = 1 if self._stood else failures + 1
            limit_s = min(self._reconnect_max_s, BACK_OFF_S * 2.0 ** min(failures, 16))
            with suppress(TimeoutError):
                async with asyncio.timeout(_DICE.uniform(limit_s / 4, limit_s)):
                    await self._stop.wait()

    async def _session(self, ready: asyncio.Future[None]) -> None:
        """One connection's life. Returns when told to stop; raises MqttError when it was lost, also while greeting."""
        self._lost.clear()
        async with self._connection() as client:
            self.reconnects += ready.done()
            greeting = asyncio.create_task(self._greet(client))
            waits = self._hear(client), self._lost.wait(), self._stop.wait()
            ends = [asyncio.ensure_future(wait) for wait in waits]
            try:
                await asyncio.wait([greeting, *ends], return_when=asyncio.FIRST_COMPLETED)
                if greeting.done():
                    greeting.result()
                    self._stood = True
                    if not ready.done():
                        ready.set_result(None)
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._client = None
                tasks = [greeting, *self._tasks, *ends]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if not self._stop.is_set():
                raise aiomqtt.MqttError("the connection was lost")
            await self._announce(client, b"offline")

    def _connection(self) -> aiomqtt.Client:
        parts = urlsplit(self._broker.url)
        secure = parts.scheme == "mqtts"
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in {"mqtt", "mqtts"}:
            raise FeedError(f"{self._where}: not a broker's address: write mqtt://host:port or mqtts://host:port")
        context = ssl.create_default_context(cafile=self._broker.ca_file or None) if secure else None
        user = self._broker.user or unquote(parts.username or "")
        will = None
        if len(self._devices) == 1:
            will = aiomqtt.Will(self.scheme.of(*self._devices[0], "status"), b"offline", qos=1, retain=True)
        client = aiomqtt.Client(
            host,
            port or (8883 if secure else 1883),
            username=user or None,
            password=self._broker.password or unquote(parts.password or "") or None,
            protocol=aiomqtt.ProtocolVersion.V5,
            keepalive=15,
            will=will,
            tls_context=context,
            max_inflight_messages=self._window,
        )
        client.pending_calls_threshold = self._window + 1
        return client

    async def _greet(self, client: aiomqtt.Client) -> None:
        """Subscribe to the acknowledgements, say ``online``, send again what the last connection left."""
        for kind, device_id in self._devices:
            await client.subscribe(self.scheme.of(kind, device_id, "ack"), qos=1)
        await self._announce(client, b"online")
        newest = self._number
        while self._pending:  # what is handed over meanwhile goes the same way, behind them
            number, outgoing = next(iter(self._pending.items()))
            self._tries[number] = self._tries.get(number, 0) + 1
            if self._tries[number] > TRIES:
                self.put_aside += 1
            else:
                # one by one: the message that costs the connection must be told from its neighbours
                await self._put(client, outgoing)
                self.sent += 1
                self.resent += number <= newest
            await self._settled(number)
        self._client = client

    async def _announce(self, client: aiomqtt.Client, state: bytes) -> None:
        for kind, device_id in self._devices:
            await client.publish(self.scheme.of(kind, device_id, "status"), state, qos=1, retain=True)

    async def _put(self, client: aiomqtt.Client, outgoing: Outgoing) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if outgoing.properties:
            properties.UserProperty = list(outgoing.properties)
        await client.publish(outgoing.topic, outgoing.payload, qos=1, properties=properties, timeout=PUBACK_S)

    async def _publish(self, client: aiomqtt.Client, number: int, outgoing: Outgoing) -> None:
        try:
            await self._put(client, outgoing)
        except aiomqtt.MqttError:
            self._lost.set()  # it stays pending and goes over the next connection
            return
        self.sent += 1
        await self._settled(number)

    async def _settled(self, number: int) -> None:
        del self._pending[number]
        self._tries.pop(number, None)
        await self._tell()

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            kind, device_id, _ = message.topic.value.split("/")[-3:]
            body = message.payload if isinstance(message.payload, bytes) else b""
            with suppress(msgspec.DecodeError):
                if kind == "camera":
                    outcome = msgspec.json.decode(body, type=_CameraAck)
                    asked = self._asked.get((device_id, outcome.boot, outcome.seq))
                    if asked is not None and not asked.done():
                        asked.set_result(outcome.outcome)
                else:
                    mark = msgspec.json.decode(body, type=_VehicleAck)
                    key = device_id, mark.boot
                    if mark.seq > self.marks.get(key, -1):
                        self.marks[key] = mark.seq
                        await self._tell()

    @property
    def _where(self) -> str:
        """The broker's address without a password."""
        parts = urlsplit(self._broker.url)
        return f"broker {parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _explained(self, error: Exception) -> FeedError:
        if isinstance(error, FeedError):
            return error
        if isinstance(error, MqttConnectError):
            who = f"user {self._broker.user}" if self._broker.user else "a client without a user"
            return FeedError(f"{self._where} refuses {who} ({error}): check user, password and access list")
        return FeedError(f"{self._where} cannot be reached ({error}): check the address, or run `curbwatch parts up`")


def _code(error: MqttConnectError) -> int:
    code = error.rc
    return code if isinstance(code, int) else int(getattr(code, "value", 0))
