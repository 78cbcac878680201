"""A publisher that costs next to nothing: MQTT 5 packets made beforehand and written to a bare socket.

Only for benchmarks: it knows CONNECT, PUBLISH at QoS 1 and PUBACK, and stops at anything unexpected.
"""

import socket
import struct
from collections.abc import Iterable
from urllib.parse import urlsplit

from schemas.errors import FeedError

WINDOW = 10_000  # un-acknowledged messages; brokers announce 65 535 or more where they are told not to limit
CHUNK = 500


def publish_all(url: str, user: str, password: str, messages: Iterable[tuple[str, bytes]]) -> int:
    """Publish (topic, payload) at QoS 1 and return how many the broker acknowledged. Raises FeedError."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "127.0.0.1", address.port or 1883), timeout=60) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(_connect(user, password))
        reader = _Reader(wire)
        kind, body = reader.packet()
        if kind != 0x20 or body[1] != 0:
            raise FeedError(f"the broker refuses user {user}: CONNACK {body.hex()}")
        sent = acked = 0
        chunk: list[bytes] = []
        for topic, payload in messages:
            sent += 1
            chunk.append(_publish(topic, payload, sent % 65_535 + 1))
            if len(chunk) == CHUNK:
                wire.sendall(b"".join(chunk))
                chunk.clear()
                while sent - acked > WINDOW:
                    acked += reader.pubacks()
        wire.sendall(b"".join(chunk))
        while acked < sent:
            acked += reader.pubacks()
        wire.sendall(b"\xe0\x00")
    return acked


class _Reader:
    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._rest = b""

    def packet(self) -> tuple[int, bytes]:
        """Return (first byte, body) of the next packet; bodies here are below 128 bytes."""
        while len(self._rest) < 2 or len(self._rest) < 2 + self._rest[1]:
            self._more()
        kind, length = self._rest[0], self._rest[1]
        if length > 127:
            raise FeedError(f"unexpected packet {kind:02x}")
        body, self._rest = self._rest[2 : 2 + length], self._rest[2 + length :]
        return kind, body

    def pubacks(self) -> int:
        """Wait for one PUBACK and count all that came with it."""
        kind, _ = self.packet()
        count = 1 if kind == 0x40 else 0
        while len(self._rest) >= 2 and len(self._rest) >= 2 + self._rest[1]:
            kind, _ = self.packet()
            count += kind == 0x40
        return count

    def _more(self) -> None:
        data = self._wire.recv(65_536)
        if not data:
            raise FeedError("the broker closed the connection")
        self._rest += data


def _connect(user: str, password: str) -> bytes:
    body = b"\x00\x04MQTT\x05\xc2" + struct.pack("!H", 120) + b"\x00" + _text("") + _text(user) + _text(password)
    return b"\x10" + _length(len(body)) + body


def _publish(topic: str, payload: bytes, mid: int) -> bytes:
    body = _text(topic) + struct.pack("!H", mid) + b"\x00" + payload
    return b"\x32" + _length(len(body)) + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _length(length: int) -> bytes:
    out = bytearray()
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)
