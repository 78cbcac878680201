"""One persistent MQTT 5 session with manual, ordered acknowledgement: the only file that knows paho.

paho's own network thread reads; a supervisor thread connects it, again and again, with jitter. A message is
acknowledged when its ticket is finished, never before, and never on another connection than the one it came on.
"""

import random
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.broker_version import trustworthy
from ingest.ledger import Ledger, Ticket
from ingest.publish_packet import MalformedError, Publish, read_publish
from ingest.session_plan import DEFAULT_PORTS, SessionPlan, shown
from ingest.wire import ReadAhead
from schemas.errors import FeedError
from schemas.meter import Meter
from schemas.position import RawMessage

log = structlog.get_logger()

VERSION_TOPIC = "$SYS/broker/version"
DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped"
# Reason codes of CONNACK that waiting does not cure: bad client id, bad user or password, not authorised, banned.
REFUSALS = frozenset({0x85, 0x86, 0x87, 0x8A})
# Reason code of DISCONNECT: another client has logged in with our id, and has our session now.
TAKEN_OVER = 0x8E
VERSION_WAIT_S = 1.0  # brokers that tell their version do so with the answer to the subscription

PUBLISH_WAIT_S = 5.0  # for the broker's word that it has a message
PACKETS_AT_ONCE = 500  # read before paho's loop looks at its other duties: a few milliseconds
HOLD_S = 0.005  # between two looks whether there is room again
PUBACK_HEAD = b"\x40\x02"  # PUBACK of remaining length 2: reason code 0, no properties

OnMessage = Callable[[RawMessage, "Ticket | None"], None]


class _Client(paho.Client):
    """paho's client with a socket that reads ahead, its own reading of PUBLISH, and acknowledgements in one packet.

    Overrides two private methods and uses two more; paho's version is pinned, and tests fail where they are gone.
    """

    on_publish_packet: Callable[[Publish], None]
    hold: Callable[[], bool]

    def _create_socket(self) -> Any:  # noqa: ANN401  # paho's SocketLike
        return ReadAhead(super()._create_socket())  # type: ignore[arg-type]

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read what has come, not one packet: each round of paho's loop costs a ``select``.

        Nothing while ``hold`` says so: the broker then stops sending, and after two keepalives the connection ends.
        """
        if self.hold():
            time.sleep(HOLD_S)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        code = super().loop_read(max_packets)
        for _ in range(PACKETS_AT_ONCE):
            sock = self._sock
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS or sock is None or not cast("ReadAhead", sock).pending():
                break
            if self.hold():  # 500 packets of 1 MB are many times what may wait
                break
            code = super().loop_read(max_packets)
        return code

    def _handle_publish(self) -> MQTTErrorCode:
        try:
            packet = read_publish(self._in_packet["command"], self._in_packet["packet"])
        except MalformedError as error:
            log.warning("packet_malformed", error=str(error))
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        with self._in_callback_mutex:
            self.on_publish_packet(packet)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def ack_all(self, mids: Sequence[int]) -> None:
        """Send the PUBACKs of these messages, in order; none: nothing."""
        if mids:
            packet = b"".join(PUBACK_HEAD + mid.to_bytes(2, "big") for mid in mids)
            self._packet_queue(MessageType.PUBACK, packet, mids[-1], 1)


class MqttSession:
    """Connects, reconnects, hands messages over, acknowledges in order. Start and stop it once.

    ``on_message(message, ticket)`` is called in the network thread; the ticket is None for QoS 0, which needs no
    acknowledgement. ``on_lost()`` is called there too when the broker no longer had the session. While ``hold()``
    is true nothing is read from the broker: there is no room for it.
    """

    def __init__(
        self,
        plan: SessionPlan,
        password: str,
        meter: Meter,
        on_message: OnMessage,
        on_lost: Callable[[], None] | None = None,
        hold: Callable[[], bool] = lambda: False,
    ) -> None:
        self._plan = plan
        self._password = password
        self._meter = meter
        self._on_message = on_message
        self._on_lost = on_lost
        self._hold = hold
        self._ledger = Ledger()
        self._lock = threading.Lock()
        self._client = self._made()
        self._judged = threading.Event()  # the broker has said what it is
        self._settled = threading.Event()  # the first attempt ended, one way or the other
        self._ended = threading.Event()  # the current connection is over
        self._stopping = threading.Event()
        self._refusal = ""
        self._had_session = False
        self._fresh = False  # the broker began a new session with the present connection
        self._connected = False
        self._denied: set[int] = set()  # packet ids of what the broker would not take from us, of this connection
        self._taken_over = False  # the present connection, or the last one, was ended by another of our client id
        self._paused = False
        self._thread = threading.Thread(target=self._supervise, name=f"mqtt-{plan.client_id}", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions on the present connection."""
        return self._connected

    @property
    def generation(self) -> int:
        """Number of the present connection; tickets of earlier ones are void."""
        return self._ledger.generation

    @property
    def alive(self) -> bool:
        """Whether it still looks after its connection."""
        return self._thread.is_alive()

    @property
    def refusal(self) -> str:
        """Why this broker is given up for good; empty while it is not."""
        return self._refusal

    def oldest_age_s(self) -> float:
        """Seconds that the oldest un-acknowledged message waits; 0 where none does."""
        with self._lock:
            return self._ledger.oldest_age_s(time.monotonic_ns())

    def start(self, wait_s: float = 10.0) -> None:
        """Begin to connect; return when connected, or after ``wait_s``: a broker that is away is waited for.

        Raises FeedError where the broker refuses us, or cannot keep the promise.
        """
        self._thread.start()
        self._settled.wait(wait_s)
        if self._connected and any(topic == VERSION_TOPIC for topic, _ in self._plan.topics):
            self._judged.wait(VERSION_WAIT_S)
        if self._refusal:
            self.stop()
            raise FeedError(self._refusal)

    def pause(self) -> None:
        """Take no more messages: what still arrives stays un-acknowledged, so the broker keeps it."""
        self._paused = True

    def stop(self) -> None:
        """Send the acknowledgements that are due, disconnect, end the threads; the broker keeps the session."""
        self._stopping.set()
        self._ended.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def finish(self, tickets: Iterable[Ticket]) -> None:
        """Acknowledge what may be acknowledged now that these messages are dealt with; from any thread."""
        with self._lock:
            self._client.ack_all([mid for ticket in tickets for mid in self._ledger.finish(ticket)])

    def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 0, as acknowledgements to devices are; lost where there is no connection. From any thread."""
        if self._connected:
            self._client.publish(topic, payload, qos=0)

    def publish_kept(self, topic: str, payload: bytes, expiry_s: int = 0) -> bool:
        """Send at QoS 1 as a topic's retained message, and wait for the broker to take it; False: try again.

        ``expiry_s``: the broker forgets it after so long; 0: never. From any thread but the network's.
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if expiry_s:
            properties.MessageExpiryInterval = expiry_s
        try:
            told = self._client.publish(topic, payload, qos=1, retain=True, properties=properties)
            told.wait_for_publish(PUBLISH_WAIT_S)
            return told.is_published() and told.mid not in self._denied
        except (RuntimeError, ValueError):  # the connection ended at this moment, or its queue is full
            return False

    def drop(self, reason: str) -> None:
        """End the connection on purpose, so that the broker sends again what is not acknowledged."""
        log.warning("connection_dropped", client=self._plan.client_id, reason=reason)
        self._meter.add("connections_dropped", client=self._plan.client_id, reason=reason)
        self._ended.set()

    def _made(self) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._plan.client_id + self._plan.secret,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if self._password:
            client.username_pw_set(self._plan.user, self._password)
        if urlsplit(self._plan.url).scheme == "mqtts":
            try:
                client.tls_set(ca_certs=self._plan.ca_file or None, tls_version=ssl.PROTOCOL_TLS_CLIENT)
            except (OSError, ValueError) as error:
                raise FeedError(f"broker.ca_file {self._plan.ca_file}: cannot be used: {error}") from error
        client.on_connect = self._connect_answered
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_publish_packet = self._message
        client.hold = self._hold
        return client

    def _supervise(self) -> None:
        delay_s = 1.0
        while not self._stopping.is_set():
            self._ended.clear()
            if self._stopping.is_set():  # between the two lines above
                break
            started_s = time.monotonic()
            self._taken_over = False
            if self._open():
                self._ended.wait()
                self._close()
            if self._stopping.is_set() or self._refusal:
                break
            # Full jitter: after a broker's restart not everybody comes back in the same second.
            if self._taken_over:  # two that take each other's session in turn have everything sent to each again
                delay_s = self._plan.reconnect_max_s
            else:
                delay_s = 1.0 if time.monotonic() - started_s > 60 else min(self._plan.reconnect_max_s, delay_s * 2)
            self._stopping.wait(random.uniform(0, delay_s))  # noqa: S311  # jitter, no secret
        self._settled.set()

    def _open(self) -> bool:
        address = urlsplit(self._plan.url)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._plan.expiry_s
        properties.ReceiveMaximum = self._plan.window
        try:
            with self._lock:
                # From here on every ticket of the last connection is void: packet ids begin again with a lost session,
                # and a late acknowledgement would delete a message that nobody has seen. A fresh client also forgets
                # what the old one had not sent yet, and gives its sockets back.
                self._ledger.connected()
                self._denied = set()
                self._client = self._made()
            # clean_start=False always: the default would wipe the session at every start of this process.
            self._client.connect(
                address.hostname or "127.0.0.1",
                address.port or DEFAULT_PORTS[address.scheme],
                self._plan.keepalive_s,
                clean_start=False,
                properties=properties,
            )
        except (OSError, ValueError, FeedError) as error:  # FeedError: a certificate that is being replaced comes back
            said = f"{error}; check broker.ca_file" if isinstance(error, ssl.SSLError) else str(error)
            log.warning("broker_away", client=self._plan.client_id, broker=shown(self._plan.url), error=said)
            self._meter.add("connect_failures", client=self._plan.client_id)
            self._settled.set()
            return False
        self._client.loop_start()
        return True

    def _close(self) -> None:
        self._connected = False
        self._client.disconnect()
        self._client.loop_stop()

    def _connect_answered(
        self, client: paho.Client, _userdata: object, flags: paho.ConnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            if code.value in REFUSALS:
                self._refuse(
                    f"broker {shown(self._plan.url)} refuses {self._plan.client_id} as user {self._plan.user}: {code};"
                    " check broker.*_user and broker.*_password_file"
                )
            self._ended.set()
            self._settled.set()
            return
        self._meter.add("connections", client=self._plan.client_id)
        log.info("broker_connected", client=self._plan.client_id, session_present=flags.session_present)
        lost = self._had_session and self._plan.expiry_s > 0 and not flags.session_present
        if lost:
            log.warning("session_lost", client=self._plan.client_id, remedy="devices are asked to send again")
            self._meter.add("sessions_lost", client=self._plan.client_id)
        self._had_session = True
        self._fresh = not flags.session_present
        client.subscribe([(topic, _options(retained=retained)) for topic, retained in self._plan.topics])

    def _subscribed(
        self, _client: paho.Client, _userdata: object, _mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        refused = {topic for (topic, _), code in zip(self._plan.topics, codes, strict=False) if code.is_failure}
        silent = refused & set(self._plan.optional)
        if silent:
            log.warning("broker_silent", topics=sorted(silent), effect="its version and its drops are not known")
        if refused - silent:
            listed = ", ".join(sorted(refused - silent))
            self._refuse(f"broker {shown(self._plan.url)} does not let {self._plan.user} read {listed}")
        self._connected = not refused - silent
        self._settled.set()
        if self._connected and self._fresh and self._on_lost is not None:
            self._on_lost()  # only now can anything be published

    def _disconnected(
        self, _client: paho.Client, _userdata: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if code.value == TAKEN_OVER and not self._stopping.is_set():
            self._taken_over = True
            remedy = "stop the other `run` of this site; where there is none, change the password of our user"
            log.error("session_taken", client=self._plan.client_id, remedy=remedy)
            self._meter.add("sessions_taken", client=self._plan.client_id)
        elif self._connected:
            log.warning("broker_gone", client=self._plan.client_id, code=str(code))
        self._connected = False
        self._ended.set()

    def _published(
        self, _client: paho.Client, _userdata: object, mid: int, code: ReasonCode, _properties: object
    ) -> None:
        (self._denied.add if code.is_failure else self._denied.discard)(mid)

    def _message(self, packet: Publish) -> None:
        if self._paused:
            return
        ticket: Ticket | None = None
        if packet.qos:
            with self._lock:
                ticket = self._ledger.add(packet.mid, time.monotonic_ns())
        topic = packet.topic or ""
        raw = RawMessage(topic, packet.payload, time.time_ns(), packet.properties, packet.qos, packet.retain)
        try:
            if topic.startswith("$SYS/"):
                self._broker_told(raw)
                self._done(ticket)
            else:
                self._on_message(raw, ticket)
        except Exception:
            # A defect of ours must not end the network thread, nor hold the window for ever.
            log.exception("message_failed", topic=topic)
            self._meter.add("messages_failed", client=self._plan.client_id)
            self._done(ticket)

    def _done(self, ticket: Ticket | None) -> None:
        if ticket is not None:
            self.finish([ticket])

    def _broker_told(self, message: RawMessage) -> None:
        text = message.payload.decode("ascii", "replace")
        if message.topic == DROPPED_TOPIC:
            self._meter.set("broker_messages_dropped", float(text) if text.isdigit() else 0.0)
        elif message.topic == VERSION_TOPIC and not trustworthy(text):
            self._refuse(
                f"broker {shown(self._plan.url)} is {text}: it sends beyond the window (Receive Maximum), so nothing"
                " can be promised with it. Use Mosquitto >= 2.0.21, or the private one: curbwatch parts up"
            )
        if message.topic == VERSION_TOPIC:
            self._judged.set()

    def _refuse(self, why: str) -> None:
        """Give up for good: waiting would not help."""
        log.error("broker_refused", client=self._plan.client_id, why=why)
        self._refusal = why
        self._ended.set()
        self._settled.set()


def _options(*, retained: bool) -> SubscribeOptions:
    """QoS 1; old retained messages at each subscription, or never."""
    handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if retained else SubscribeOptions.RETAIN_DO_NOT_SEND
    return SubscribeOptions(qos=1, retainHandling=handling)
