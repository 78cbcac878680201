"""The few MQTT 5 packets that probe and benchmarks need, as bytes. Pure. Source: OASIS MQTT 5.0, chapters 2 and 3."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from ingest.publish_packet import MalformedError

CONNACK, PUBACK, SUBACK, PINGRESP, DISCONNECT = 2, 4, 9, 13, 14
PINGREQ = b"\xc0\x00"
GOODBYE = b"\xe0\x00"
# Ends the session too, whatever was agreed at the start: reason 0, property 0x11 (session expiry) 0.
GOODBYE_FOR_EVER = b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00"

# Properties of CONNACK: id -> (our name, form); the forms of other ids, to step over them.
NUMBERS = {
    0x11: ("session_expiry_s", "!I"),
    0x13: ("keepalive_s", "!H"),
    0x21: ("receive_max", "!H"),
    0x22: ("topic_alias_max", "!H"),
    0x24: ("qos_max", "!B"),
    0x25: ("retain", "!B"),
    0x27: ("packet_max_bytes", "!I"),
    0x28: ("wildcards", "!B"),
    0x29: ("subscription_ids", "!B"),
    0x2A: ("shared", "!B"),
}
TEXTS = frozenset({0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F})
PAIR = 0x26


class CutError(MalformedError):
    """Bytes that end before the packet does."""


@dataclass(frozen=True, slots=True)
class Connack:
    """What a broker answers to CONNECT: reason code (0: welcome), and what it limits, by name; absent: no limit."""

    code: int
    session_present: bool
    limits: dict[str, int]


@dataclass(frozen=True, slots=True)
class Login:
    """How to log in. ``expiry_s`` 0: no session is kept; ``will``: (topic, payload), retained."""

    user: str
    password: str = ""
    client_id: str = ""
    expiry_s: int = 0
    clean: bool = True
    receive_max: int = 65_535
    keepalive_s: int = 60
    will: tuple[str, bytes] | None = None


def connect(login: Login) -> bytes:
    """CONNECT."""
    flags = (0x02 if login.clean else 0) | (0x80 if login.user else 0) | (0x40 if login.password else 0)
    wishes = b"\x11" + struct.pack("!I", login.expiry_s) + b"\x21" + struct.pack("!H", login.receive_max)
    tail = text(login.client_id)
    if login.will is not None:
        flags |= 0x2C  # a will, QoS 1, retained
        topic, payload = login.will
        tail += b"\x00" + text(topic) + _sized(payload)
    if login.user:
        tail += text(login.user)
    if login.password:
        tail += text(login.password)
    head = b"\x00\x04MQTT\x05" + bytes([flags]) + struct.pack("!H", login.keepalive_s)
    return packet(0x10, head + length_of(len(wishes)) + wishes + tail)


def publish(topic: str, payload: bytes, mid: int, *, retain: bool = False, properties: bytes = b"") -> bytes:
    """PUBLISH at QoS 1, or at QoS 0 where ``mid`` is 0; ``properties`` as ``user_properties`` makes them."""
    numbered = struct.pack("!H", mid) if mid else b""
    body = text(topic) + numbered + length_of(len(properties)) + properties + payload
    return packet(0x30 | (2 if mid else 0) | retain, body)


def user_properties(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Properties of a PUBLISH with these user properties; none: none."""
    return b"".join(b"\x26" + text(name) + text(value) for name, value in pairs)


def subscribe(topics: Iterable[str], mid: int, qos: int = 1) -> bytes:
    """SUBSCRIBE to filters, retained messages included."""
    filters = b"".join(text(topic) + bytes([qos]) for topic in topics)
    return packet(0x82, struct.pack("!H", mid) + b"\x00" + filters)


def puback(mid: int) -> bytes:
    """PUBACK, reason 0."""
    return b"\x40\x02" + struct.pack("!H", mid)


def read_connack(body: bytes) -> Connack:
    """Read the body of a CONNACK. Raises MalformedError, nothing else."""
    if len(body) < 2:
        raise MalformedError("CONNACK is cut")
    limits: dict[str, int] = {}
    if len(body) > 2:
        length, at = read_length(body, 2)
        end = at + length
        if end > len(body):
            raise MalformedError("the properties are cut")
        while at < end:
            at = _property(body, at, limits)
    return Connack(body[1], bool(body[0] & 1), limits)


def read_length(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Read a length of one to four bytes: (value, where it ends). Raises MalformedError, CutError where more comes."""
    value = 0
    for step in range(4):
        if at + step >= len(data):
            raise CutError
        value |= (data[at + step] & 0x7F) << (7 * step)
        if data[at + step] < 0x80:
            return value, at + step + 1
    raise MalformedError("a length has more than four bytes")


def reason(body: bytes) -> int:
    """Reason code of a PUBACK; a short one means success. Of a SUBACK it is the last byte."""
    return body[2] if len(body) > 2 else 0


def _property(body: bytes, at: int, limits: dict[str, int]) -> int:
    """Note one property and return where the next begins."""
    kind = body[at]
    at += 1
    try:
        if kind in NUMBERS:
            name, form = NUMBERS[kind]
            (limits[name],) = struct.unpack_from(form, body, at)
            return at + struct.calcsize(form)
        if kind in TEXTS or kind == PAIR:
            for _ in range(2 if kind == PAIR else 1):
                at += 2 + int(struct.unpack_from("!H", body, at)[0])
            return at
    except struct.error:
        raise MalformedError("a property is cut") from None
    raise MalformedError(f"property {kind:02x}")


def packet(first: int, body: bytes) -> bytes:
    """A packet of this first byte."""
    return bytes([first]) + length_of(len(body)) + body


def text(string: str) -> bytes:
    """A string with its length before it."""
    return _sized(string.encode())


def _sized(data: bytes) -> bytes:
    return struct.pack("!H", len(data)) + data


def length_of(length: int) -> bytes:
    """A length in one to four bytes."""
    out = bytearray()
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)
