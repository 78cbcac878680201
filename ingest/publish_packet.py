"""The PUBLISH packet of MQTT 5, read straight into what the intake needs. Pure.

paho builds a property object and a message object for each packet, and looks for filters nobody set: twice the work
of everything the intake does itself (docs/performance.md). Source: OASIS MQTT 5.0, sections 2.2.2 and 3.3.
"""

from dataclasses import dataclass

# Property ids that a PUBLISH may carry besides the user property, with the length of their value; None: two bytes
# of length before it. The subscription identifier is a number of one to four bytes.
FIXED = {0x01: 1, 0x02: 4, 0x03: None, 0x08: None, 0x09: None, 0x23: 2}
SUBSCRIPTION_ID, USER = 0x0B, 0x26


class MalformedError(ValueError):
    """Bytes that are no PUBLISH packet."""


@dataclass(frozen=True, slots=True)
class Publish:
    """One message. ``topic`` is None where its bytes are no UTF-8; ``mid`` is 0 at QoS 0."""

    topic: str | None
    payload: bytes
    qos: int
    retain: bool
    mid: int
    properties: tuple[tuple[str, str], ...]


def read_publish(first: int, body: bytes | bytearray) -> Publish:
    """Read a packet by its first byte and what follows the remaining length. Raises MalformedError, nothing else."""
    qos = (first >> 1) & 3
    if first >> 4 != 3 or qos == 3:
        raise MalformedError(f"first byte {first:02x}")
    end = 2 + _u16(body, 0)
    if end > len(body):
        raise MalformedError("the topic is cut")
    mid = 0
    at = end
    if qos:
        mid = _u16(body, at)
        at += 2
    if at >= len(body):
        raise MalformedError("the property length is missing")
    length, at = _varint(body, at)
    payload_at = at + length
    if payload_at > len(body):
        raise MalformedError("the properties are cut")
    properties = _user_properties(body[at:payload_at]) if length else ()
    try:
        topic: str | None = body[2:end].decode()
    except UnicodeDecodeError:
        topic = None
    return Publish(topic, bytes(body[payload_at:]), qos, bool(first & 1), mid, properties)


def _user_properties(data: bytes | bytearray) -> tuple[tuple[str, str], ...]:
    found = []
    at = 0
    while at < len(data):
        kind = data[at]
        at += 1
        if kind == USER:
            name, at = _text(data, at)
            value, at = _text(data, at)
            found.append((name, value))
        elif kind == SUBSCRIPTION_ID:
            _, at = _varint(data, at)
        elif kind not in FIXED:
            raise MalformedError(f"property {kind:02x}")
        else:
            size = FIXED[kind]
            at += size if size is not None else 2 + _u16(data, at)
    if at != len(data):
        raise MalformedError("a property is cut")
    return tuple(found)


def _text(data: bytes | bytearray, at: int) -> tuple[str, int]:
    end = at + 2 + _u16(data, at)
    if end > len(data):
        raise MalformedError("a user property is cut")
    return data[at + 2 : end].decode("utf-8", "replace"), end


def _u16(data: bytes | bytearray, at: int) -> int:
    if at + 2 > len(data):
        raise MalformedError("a number is cut")
    return data[at] << 8 | data[at + 1]


def _varint(data: bytes | bytearray, at: int) -> tuple[int, int]:
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise MalformedError("a length is cut or too long")
