"""Frames of JT/T 808 made by hand, one from a vendor, and what the codec makes of a message."""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from config.codecs import CodecKnobs
from ingest.codecs.base import Item, PositionItem
from ingest.codecs.jt808 import Jt808Codec
from ingest.codecs.rows import Decoded
from ingest.forms import Forms, PositionForms
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.position import RawMessage

NOW_NS = 1_632_299_900_000_000_000  # 22 s behind the vendor's frame
TERMINAL = "002002604323"
TOPIC = f"jt808/{TERMINAL}"
# From a vendor's page, checked by hand: check byte 86, body of 82 bytes.
VENDOR = bytes.fromhex(
    "7E02000052002002604323 00A4 00020000 000C0002 0158B91B 06CB7061 0046 0000 0059 210922163758"
    "010400000001 03020000 250400000001 300111 310110 E30100"
    "D51B02200260432327959378616000122000001234279593786158001286 7E"
)
CODEC = Jt808Codec()


def framed(kind: int, body: bytes, *, terminal: str = TERMINAL, seq: int = 7, attributes: int = 0) -> bytes:
    """A frame with its check byte and escapes; 20 digits of a terminal make a header of 2019."""
    new = len(terminal) == 20
    attributes |= len(body) | (0x4000 if new else 0)
    data = kind.to_bytes(2, "big") + attributes.to_bytes(2, "big") + (b"\x01" if new else b"")
    data += bytes.fromhex(terminal) + seq.to_bytes(2, "big")
    return closed(data + (b"\0\1\0\1" if attributes & 0x2000 else b"") + body)


def closed(data: bytes) -> bytes:
    """Bytes with their check byte, escaped, between flags."""
    out = bytearray(b"\x7e")
    for byte in (*data, reduce(xor, data)):
        out += b"\x7d\x02" if byte == 0x7E else b"\x7d\x01" if byte == 0x7D else bytes((byte,))
    return bytes(out) + b"\x7e"


def place(
    *,
    alarm: int = 0,
    status: int = 0b11,
    lat: int = 30_121_800,
    lon: int = 104_642_700,
    alt: int = 350,
    speed: int = 185,
    heading: int = 271,
    clock: str = "210922163758",
    items: bytes = b"",
) -> bytes:
    """The body of a position."""
    head = b"".join(value.to_bytes(4, "big") for value in (alarm, status, lat, lon))
    return head + b"".join(v.to_bytes(2, "big") for v in (alt, speed, heading)) + bytes.fromhex(clock) + items


def batch(parts: Sequence[bytes], *, late: bool = True, said: int | None = None) -> bytes:
    """The body of a batch of positions."""
    count = len(parts) if said is None else said
    head = count.to_bytes(2, "big") + bytes((late,))
    return head + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def read(payload: bytes, topic: str = TOPIC, codec: Jt808Codec = CODEC) -> list[Item]:
    """What one message holds."""
    return codec.step(None, RawMessage(topic, payload, NOW_NS), NOW_NS)[1]


def position(payload: bytes, codec: Jt808Codec = CODEC) -> PositionItem:
    """The one position of a message."""
    (item,) = read(payload, "jt808", codec)
    assert isinstance(item, PositionItem), item
    return item


def stored(payload: bytes, crs: str = "wgs84", topic: str = TOPIC) -> Decoded:
    """The rows of a message of a registered terminal."""
    rule = DeviceRule("truck-7", "vehicle", crs, max_age_s=86_400.0)  # type: ignore[arg-type]
    forms = PositionForms(TopicScheme("city/v1", "test"), 300.0, Forms(CodecKnobs(enabled=("jt808",)), "vehicle"))
    rules = {"truck-7": rule, f"jt808:{TERMINAL}": rule}
    return forms.decode([RawMessage(topic, payload, NOW_NS)], rules, forms.foreign.begin(), NOW_NS)
