"""The part of the catalogue of bad messages that needs a broker: one ``curbwatch run``, each case, the next good one.

What a broker has to forbid (T15, T16, T17, T31, T32) is in ``tests/broker``.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

import curbwatch.database as db
from curbwatch.parts import Servers
from curbwatch.registry import register_vehicle
from ingest.session_plan import secret_of
from tests.devices import Devices
from tests.fix_service import Service, wait_until

CAR = "catalogue-1"  # may send as much as it likes
V311, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
IN_FLIGHT = 65_535


def text(said: str) -> bytes:
    """As MQTT spells it."""
    return len(said.encode()).to_bytes(2, "big") + said.encode()


def packet(kind: int, rest: bytes) -> bytes:
    """An MQTT packet of less than 16 kB."""
    low, high = len(rest) % 128, len(rest) // 128
    return bytes([kind, low | 128, high] if high else [kind, low]) + rest


@dataclass
class Guest:
    """A client with everything in its own hands; does not come back by itself."""

    servers: Servers
    user: str = "devices"
    client_id: str = ""
    protocol: MQTTProtocolVersion = V5
    keepalive_s: int = 15
    clean: bool = True
    will: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, self.client_id, protocol=self.protocol, reconnect_on_failure=False
        )
        self.client.username_pw_set(self.user, self.servers.password_files[self.user].read_text().strip())
        self.client.on_disconnect = lambda *_told: self.ended.set()
        ready = threading.Event()
        self.client.on_connect = lambda *_told: ready.set()
        if self.will:
            self.client.will_set(self.will, b"offline", qos=1, retain=True)
        address = urlsplit(self.servers.broker_url)
        more = {}
        if self.protocol == V5:
            lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            lasting.SessionExpiryInterval = 0 if self.clean else 600
            more = {"clean_start": self.clean, "properties": lasting}
        self.client.connect(address.hostname or "", address.port or 0, self.keepalive_s, **more)  # type: ignore[arg-type]
        self.client.loop_start()
        assert ready.wait(10)

    def say(self, topic: str, payload: bytes, qos: int = 1) -> None:
        self.client.publish(topic, payload, qos=qos).wait_for_publish(30)

    def leave(self) -> None:
        self.client.disconnect()
        self.ended.wait(10)
        self.client.loop_stop()

    def vanish(self) -> None:
        """No DISCONNECT: the line is cut."""
        wire = self.client.socket()
        assert isinstance(wire, socket.socket)
        wire.shutdown(socket.SHUT_RDWR)
        self.ended.wait(10)
        self.client.loop_stop()


@dataclass
class Live:
    """A running intake, a vehicle, and what was stored."""

    service: Service
    devices: Devices
    seq: int = 0

    @property
    def topic(self) -> str:
        return f"{self.devices.base}/vehicle/{CAR}/position"

    @property
    def client_id(self) -> str:
        name = f"intake-{self.service.site}-{self.service.site}-positions"
        return name + secret_of(name, self.service.servers.password_files["intake-positions"].read_text().strip())

    def body(self, **more: object) -> bytes:
        self.seq += 1
        said = {"ts": time.time_ns() // 10**6, "lon": 104.64, "lat": 30.12, "seq": self.seq, "boot": "t"}
        return json.dumps(said | more).encode()

    def count(self, where: str) -> int:
        with db.connect(self.service.database_url) as conn:
            row = conn.execute(f"select count(*) from {where}").fetchone()  # noqa: S608
        assert row is not None
        return int(row[0])

    def until(self, what: str, where: str, many: int = 1) -> None:
        wait_until(what, lambda: self.count(where) >= many)
        assert self.count(where) == many, what

    def next_good_one(self) -> None:
        payload = self.body()
        self.devices.send(f"vehicle/{CAR}/position", payload)
        self.until("the next good one", f"position where boot = 't' and seq = {self.seq}")

    def events(self, name: str) -> list[dict[str, object]]:
        return [event for event in self.service.events if event.get("event") == name]

    def wire(self, protocol: MQTTProtocolVersion, user: str) -> socket.socket:
        """A bare connection that has said CONNECT; only ``devices`` knows its password."""
        address, known = urlsplit(self.service.servers.broker_url), self.service.servers.password_files.get(user)
        secret = known.read_text().strip() if known is not None else "wrong"
        said = text("MQTT") + bytes([protocol, 0xC2, 0, 60]) + (b"\0" if protocol == V5 else b"")
        made = socket.create_connection((address.hostname or "", address.port or 0), 30)
        made.sendall(packet(0x10, said + text("") + text(user) + text(secret)))
        return made

    def guest(self, **how: object) -> Guest:
        return Guest(self.service.servers, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def live(lasting_service: Service) -> Iterator[Live]:
    service = lasting_service
    service.configure(intake={"client_id": f"intake-{service.site}", "positions_window": 1000})
    service.start()
    with db.connect(service.database_url) as conn:
        register_vehicle(conn, CAR)
    with Devices(service.servers, service.site) as devices:
        yield Live(service, devices)
    assert service.stop() == 0


def too_large(live: Live) -> None:
    """The broker cuts the device off, or says nothing and drops it; 1.1 MB is a dead letter. No storm of ours."""
    for protocol in (V311, V5):
        guest = live.guest(protocol=protocol)
        guest.client.publish(live.topic, b"x" * 5_000_000, qos=1)
        assert guest.ended.wait(10), "a client that comes back by itself would send it again"
        guest.client.loop_stop()
        guest = live.guest(protocol=protocol)
        guest.say(live.topic, b"%d" % protocol + b"x" * 1_100_000)
        guest.leave()
    live.until("the letters", "dead_letter where reason = 'size'", 2)
    assert live.events("broker_gone") == []


def twice_safe(live: Live) -> None:
    """QoS 2 is taken as QoS 1."""
    guest = live.guest()
    guest.say(live.topic, live.body(), qos=2)
    guest.leave()
    live.until("it, once", f"position where seq = {live.seq} and flags & 2 = 0")


def in_flight(live: Live) -> None:
    """65 535 messages before the first acknowledgement; our window and memory stay what they are."""
    before, now_ms = live.count("position"), time.time_ns() // 10**6
    packets = []
    for number in range(1, IN_FLIGHT + 1):
        said = b'{"ts":%d,"lon":104.64,"lat":30.12,"seq":%d,"boot":"t"}' % (now_ms + number // 1000, live.seq + number)
        packets.append(packet(0x32, text(live.topic) + number.to_bytes(2, "big") + said))
    live.seq += IN_FLIGHT
    with live.wire(V311, "devices") as wire:
        wire.sendall(b"".join(packets))
        unread = 4 + 4 * IN_FLIGHT  # CONNACK and PUBACKs
        while unread:
            part = wire.recv(65_536)
            assert part
            unread -= len(part)
    live.until("all of them", "position", before + IN_FLIGHT)


def taken_over(live: Live) -> None:
    """Another client takes our id: both are named, and the session comes back."""
    mine = live.guest(user="intake-positions", client_id=live.client_id, clean=False)
    wait_until("the alarm", lambda: len(live.events("session_taken")) == 1)
    named = str(live.events("session_taken")[0]["client"])
    assert live.client_id.startswith(f"{named}-"), "what makes the id secret is not logged"
    mine.client.loop_stop()
    assert live.service.metric("curbwatch_sessions_taken_total") >= 1
    wait_until("it to come back", lambda: live.service.get("/readyz")[0] == 200)


def last_will(live: Live) -> None:
    """The will of a device that left properly is not said; that of one which vanished is."""
    topic = f"{live.devices.base}/vehicle/{CAR}/status"
    heard: list[bytes] = []
    listener = live.guest(user="intake-frames")
    listener.client.on_message = lambda _client, _data, message: heard.append(bytes(message.payload))
    listened = threading.Event()
    listener.client.on_subscribe = lambda *_told: listened.set()
    listener.client.subscribe(topic, qos=1)
    assert listened.wait(10)
    for leave in ("leave", "vanish"):
        guest = live.guest(will=topic)
        guest.say(topic, b"online")
        wait_until("online", lambda: heard[-1:] == [b"online"])
        getattr(guest, leave)()
    wait_until("the will", lambda: heard == [b"online", b"online", b"offline"])
    listener.leave()


def connect_flood(live: Live) -> None:
    """A thousand strangers at the door within about a second."""
    for batch in range(10):
        wires = [live.wire(V5, "strangers") for _ in range(100)]
        if batch == 5:
            live.next_good_one()
        for wire in wires:
            wire.close()
    assert live.events("broker_gone") == []


def keepalives(live: Live) -> None:
    """None at all, and eighteen hours: the broker takes both, silence is judged by the device's own period."""
    for keepalive_s in (0, 65_535):
        guest = live.guest(keepalive_s=keepalive_s)
        guest.say(live.topic, live.body())
        live.until("its position", f"position where seq = {live.seq}")
        guest.leave()


def session_lost(live: Live) -> None:
    """The broker has forgotten our session: devices are asked to send again."""
    live.devices.heard.clear()
    live.guest(user="intake-positions", client_id=live.client_id).leave()  # a clean start wipes it
    asked = f"{live.devices.base}/vehicle/{CAR}/resync"
    wait_until("the request", lambda: any(topic == asked for topic, _ in live.devices.heard))
    assert live.events("session_lost")


def unknown_subscription(live: Live) -> None:
    """A subscription of an older release is still in the session: what it brings is a dead letter."""
    older = live.guest(user="intake-positions", client_id=live.client_id, clean=False)
    older.client.subscribe(f"{live.devices.base}/camera/+/frame", qos=1)
    older.leave()
    wait_until("it to come back", lambda: live.service.get("/readyz")[0] == 200)
    live.devices.send("camera/yj-cam-01/frame", b"no position")
    live.until("the letter", "dead_letter where reason = 'topic' and topic like '%/frame'")


CASES: dict[str, Callable[[Live], None]] = {
    "T21": too_large,
    "T25": twice_safe,
    "T26": in_flight,
    "T27": taken_over,
    "T28": last_will,
    "T29": connect_flood,
    "T30": keepalives,
    "T33": session_lost,
    "T34": unknown_subscription,
}


@pytest.mark.servers
@pytest.mark.parametrize("name", CASES)
def test_each_case_ends_as_listed_and_the_next_good_message_is_stored(live: Live, name: str) -> None:
    CASES[name](live)
    live.next_good_one()
    assert live.service.process is not None
    assert live.service.process.poll() is None
