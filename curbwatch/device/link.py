"""One connection to the broker, held: connects again by itself, with a random pause; greets, and says goodbye."""

import asyncio
import math
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from urllib.parse import unquote, urlsplit

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from curbwatch.device.messages import Broker, DeviceKey, Habits, Outgoing
from ingest.topics import TopicScheme
from schemas.errors import FeedError

PUBACK_S = 60.0  # a broker that takes longer is taken for gone
BACK_OFF_S = 0.25
STEADY_S = 10.0  # a connection that ends sooner is a failure too: somebody of our name, or a message, ends each of them
CLOSE_S = 5.0
REFUSED = {4, 5, 134, 135}  # CONNACK: bad user name or password, not authorised
NOT_GRANTED = 128  # SUBACK: from here on a refusal
_DICE = random.SystemRandom()


class Connection:
    """What may be done with a standing connection."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    @property
    def messages(self) -> aiomqtt.client.MessagesIterator:
        """What was subscribed to, as it comes."""
        return self._client.messages

    async def publish(self, outgoing: Outgoing) -> None:
        """Send at QoS 1 and wait for the broker's PUBACK, whatever it says. Raises ConnectionError where none comes."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if outgoing.properties:
            properties.UserProperty = list(outgoing.properties)
        try:
            await self._client.publish(outgoing.topic, outgoing.payload, qos=1, properties=properties, timeout=PUBACK_S)
        except aiomqtt.MqttError as error:
            raise ConnectionError(str(error)) from error


class Link:
    """Holds a connection that speaks for ``devices`` until closed.

    ``online`` is published (retained) for each device at every connect, ``offline`` at the end; a single device also
    leaves it as its last will. ``serve`` gets each connection once it stands, and is cancelled when it is lost.

    Attributes:
        reconnects: how often the connection was lost and found again.
        up: whether it stands.
        trouble: why the last one ended or did not come about; empty where it stands.
        failed: why there will be none any more.
    """

    def __init__(
        self,
        broker: Broker,
        scheme: TopicScheme,
        devices: Sequence[DeviceKey],
        habits: Habits,
        serve: Callable[[Connection], Awaitable[None]],
    ) -> None:
        self.broker, self.scheme, self.devices = broker, scheme, tuple(devices)
        self.reconnects = 0
        self.up = False
        self.trouble = ""
        self.failed: FeedError | None = None
        self._habits, self._serve = habits, serve
        self._moved = asyncio.Condition()
        self._stop = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._patient = False
        self._stood_s, self._since_s = 0.0, math.inf
        self._sessions = 0

    async def open(self, *, patient: bool) -> None:
        """Begin to hold. A patient link returns at once and never gives up.

        Another waits until it stands, and raises FeedError where the broker cannot be reached or refuses.
        """
        self._patient = patient
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if patient:
            self._address()  # a wrong one would never come right
        self._keeper = asyncio.create_task(self._keep(ready))
        if patient:
            ready.add_done_callback(lambda done: done.cancelled() or done.exception())
            return
        try:
            await ready
        except BaseException:
            self._keeper.cancel()
            raise

    async def close(self) -> None:
        """Say goodbye and end, within CLOSE_S."""
        if self._keeper is None:
            return
        self._stop.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(asyncio.gather(self._keeper, return_exceptions=True))
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that ``tell`` may have changed. Raises FeedError where there is no link any more."""
        async with self._moved:
            await self._moved.wait_for(lambda: true() or self.failed is not None)
        if self.failed is not None:
            raise self.failed

    async def tell(self) -> None:
        """Wake those who wait."""
        async with self._moved:
            self._moved.notify_all()

    async def _keep(self, ready: asyncio.Future[None]) -> None:
        """Hold a connection until told to stop; whatever ends it ends everybody's waiting."""
        try:
            await self._reconnect(ready)
        finally:
            if self.failed is None and not self._stop.is_set():
                self.failed = FeedError(f"{self._where}: the connection is no longer held")
            if self.failed is not None and not ready.done():
                ready.set_exception(self.failed)
            await self.tell()

    async def _reconnect(self, ready: asyncio.Future[None]) -> None:
        """Connect until told to stop; each lost connection is followed by another after a random pause."""
        failures = 0
        while not self._stop.is_set():
            self._stood_s, self._since_s = 0.0, math.inf
            try:
                await self._session(ready)
            except (aiomqtt.MqttError, OSError, FeedError) as error:
                explained = self._explained(error)
                self.trouble = str(explained)
                await self.tell()
                refused = isinstance(error, MqttConnectError) and _code(error) in REFUSED
                if not self._patient and (refused or not ready.done()):
                    self.failed = explained
                    return
            failures = in_a_row(failures, self._stood_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s(failures, self._habits.reconnect_max_s, _DICE.random())):
                    await self._stop.wait()

    async def _session(self, ready: asyncio.Future[None]) -> None:
        """One connection's life. Returns when told to stop; raises MqttError when it was lost, also while greeting."""
        async with self._client() as client:
            stop = asyncio.create_task(self._stop.wait())
            serving = asyncio.create_task(self._greet_and_serve(client, ready))
            try:
                await asyncio.wait([stop, serving], return_when=asyncio.FIRST_COMPLETED)
                if serving.done():
                    serving.result()
            finally:
                self.up = False
                self._stood_s = max(0.0, time.monotonic() - self._since_s)
                for task in (stop, serving):
                    task.cancel()
                await asyncio.gather(stop, serving, return_exceptions=True)
            if not self._stop.is_set():
                raise aiomqtt.MqttError("the connection was lost")
            await self._announce(client, b"offline")

    async def _greet_and_serve(self, client: aiomqtt.Client, ready: asyncio.Future[None]) -> None:
        """Subscribe to what the intake says, say ``online``, and serve. Returns or raises when the connection ends."""
        answers = [(self.scheme.of(kind, name, leaf), 1) for kind, name in self.devices for leaf in ("ack", "resync")]
        if answers:
            granted = await client.subscribe(answers)
            if any(_value(code) >= NOT_GRANTED for code in granted):
                raise FeedError(f"{self._where} lets nobody read {answers[0][0]}: check its access list")
        await self._announce(client, b"online")
        self.reconnects += self._sessions > 0
        self._sessions += 1
        self.up, self._since_s = True, time.monotonic()
        self.trouble = ""
        if not ready.done():
            ready.set_result(None)
        await self._serve(Connection(client))

    async def _announce(self, client: aiomqtt.Client, state: bytes) -> None:
        for kind, device_id in self.devices:
            await client.publish(self.scheme.of(kind, device_id, "status"), state, qos=1, retain=True)

    def _address(self) -> tuple[str, int]:
        """Return host and port. Raises FeedError where the URL has none."""
        parts = urlsplit(self.broker.url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in {"mqtt", "mqtts"}:
            raise FeedError(f"{self._where}: not a broker's address: write mqtt://host:port or mqtts://host:port")
        return host, port or (8883 if parts.scheme == "mqtts" else 1883)

    def _client(self) -> aiomqtt.Client:
        host, port = self._address()
        parts = urlsplit(self.broker.url)
        secure = parts.scheme == "mqtts"
        user = self.broker.user or unquote(parts.username or "")
        will = None
        if len(self.devices) == 1:
            will = aiomqtt.Will(self.scheme.of(*self.devices[0], "status"), b"offline", qos=1, retain=True)
        client = aiomqtt.Client(
            host,
            port,
            username=user or None,
            password=self.broker.password or unquote(parts.password or "") or None,
            protocol=aiomqtt.ProtocolVersion.V5,
            keepalive=15,
            will=will,
            tls_context=ssl.create_default_context(cafile=self.broker.ca_file or None) if secure else None,
            max_inflight_messages=self._habits.window,
            timeout=self._habits.connect_s,
        )
        client.pending_calls_threshold = self._habits.window + 1
        return client

    @property
    def _where(self) -> str:
        """The broker's address without a password."""
        parts = urlsplit(self.broker.url)
        return f"broker {parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _explained(self, error: Exception) -> FeedError:
        if isinstance(error, FeedError):
            return error
        if isinstance(error, MqttConnectError):
            who = f"user {self.broker.user}" if self.broker.user else "a client without a user"
            return FeedError(f"{self._where} refuses {who} ({error}): check user, password and access list")
        return FeedError(f"{self._where} cannot be reached ({error}): check the address, or run `curbwatch parts up`")


def in_a_row(failures: int, stood_s: float) -> int:
    """Return how many failures in a row the end of a connection makes that stood for so long after ``failures``."""
    return 1 if stood_s >= STEADY_S else failures + 1


def pause_s(failures: int, longest_s: float, dice: float) -> float:
    """Return how long to wait after so many failures in a row: anything up to twice the last limit (full jitter).

    Five thousand terminals come back after a power cut at the same moment. ``dice`` is even in 0..1.
    """
    return dice * min(longest_s, BACK_OFF_S * 2.0 ** min(failures, 16))


def _code(error: MqttConnectError) -> int:
    return _value(error.rc)


def _value(code: object) -> int:
    return code if isinstance(code, int) else int(getattr(code, "value", 0))
