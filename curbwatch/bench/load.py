"""A publisher that costs next to nothing: MQTT 5 packets written to a bare socket.

Only for benchmarks: it knows CONNECT, SUBSCRIBE, PUBLISH and PUBACK, and stops at anything unexpected.
"""

import contextlib
import select
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from curbwatch import packets
from schemas.errors import FeedError

WINDOW = 10_000  # un-acknowledged messages; brokers announce 65 535 or more where they are told not to limit
CHUNK = 500
CONNACK, PUBACK, SUBACK = 0x20, 0x40, 0x90

Packet = tuple[int, bytes]  # first byte, body


class Link:
    """One connection, logged in. ``sent`` and ``acked`` count messages at QoS 1. Raises FeedError, nothing else."""

    def __init__(self, url: str, user: str, password: str, topics: Iterable[str] = ()) -> None:
        address = urlsplit(url)
        self.sent = self.acked = 0
        self._out = bytearray()
        self._rest = b""
        try:
            self._wire = socket.create_connection((address.hostname or "127.0.0.1", address.port or 1883), timeout=60)
        except OSError as error:
            raise FeedError(f"broker {address.hostname}:{address.port}: {error}") from error
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._log_in(user, password, tuple(topics))
        except (FeedError, OSError) as error:
            self._wire.close()
            raise FeedError(str(error)) from error

    def put(self, topic: str, payload: bytes, properties: bytes = b"") -> None:
        """Let a message wait for ``pump``. ``properties`` as ``packets.user_properties`` makes them."""
        self.sent += 1
        self._out += packets.publish(topic, payload, self.sent % 65_535 + 1, properties=properties)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the socket has not taken yet."""
        return len(self._out)

    def pump(self, wait_s: float) -> list[tuple[str, bytes]]:
        """Send what the socket takes, wait up to ``wait_s`` for news; (topic, payload) of each message that came."""
        try:
            readable, writable, _ = select.select([self._wire], [self._wire] if self._out else [], [], wait_s)
            if writable:
                del self._out[: self._wire.send(self._out[:262_144], socket.MSG_DONTWAIT)]
            if not readable:
                return []
            self._rest += self._received()
        except BlockingIOError:
            return []
        except OSError as error:
            raise FeedError(f"the broker closed the connection: {error}") from error
        came = []
        found, self._rest = read_packets(self._rest)
        for kind, body in found:
            if kind == PUBACK:
                self.acked += 1
            elif kind >> 4 == 3:
                came.append(_message(body))
        return came

    def close(self) -> None:
        """Say goodbye; what was not sent is not sent."""
        with contextlib.suppress(OSError):
            self._wire.sendall(packets.GOODBYE)
        self._wire.close()

    def _log_in(self, user: str, password: str, topics: tuple[str, ...]) -> None:
        self._wire.sendall(packets.connect(packets.Login(user, password, keepalive_s=0)))
        kind, body = self._answer()
        if kind != CONNACK or body[1] != 0:
            raise FeedError(f"the broker refuses user {user}: CONNACK {body.hex()}")
        if topics:
            self._wire.sendall(packets.subscribe(topics, 1, qos=0))
            kind, body = self._answer()
            if kind != SUBACK or any(code >= 0x80 for code in body[3:]):
                raise FeedError(f"the broker does not let user {user} subscribe: {body.hex()}")

    def _answer(self) -> Packet:
        while True:
            self._rest += self._received()
            found, self._rest = read_packets(self._rest)
            if found:
                return found[0]

    def _received(self) -> bytes:
        data = self._wire.recv(262_144)
        if not data:
            raise FeedError("the broker closed the connection")
        return data


def publish_all(url: str, user: str, password: str, messages: Iterable[tuple[str, bytes]]) -> int:
    """Publish (topic, payload) at QoS 1 and return how many the broker acknowledged. Raises FeedError."""
    link = Link(url, user, password)
    for topic, payload in messages:
        link.put(topic, payload)
        if link.sent % CHUNK == 0:
            link.pump(0)
            while link.unsent_bytes or link.sent - link.acked > WINDOW:
                link.pump(60)
    while link.acked < link.sent:
        link.pump(60)
    link.close()
    return link.acked


def read_packets(data: bytes) -> tuple[list[Packet], bytes]:
    """Split what came into whole packets and the rest; nothing came: none."""
    found: list[Packet] = []
    at, size = 0, len(data)
    while at + 2 <= size:
        length, shift, body = 0, 0, at + 1
        while body < size:
            byte = data[body]
            body += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        else:
            break
        if body + length > size:
            break
        found.append((data[at], data[body : body + length]))
        at = body + length
    return found, data[at:]


def _message(body: bytes) -> tuple[str, bytes]:
    """(topic, payload) of a PUBLISH at QoS 0, as we subscribe."""
    end = 2 + (body[0] << 8 | body[1])
    # Answers carry no properties of ours, and the broker adds none longer than 127 bytes.
    return body[2:end].decode(), body[end + 1 + body[end] :]
