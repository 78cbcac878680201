"""JT/T 808 frames: out of a message in any of its spellings, checked, and back. Pure."""

import base64
import binascii
from dataclasses import dataclass
from functools import reduce
from operator import xor

from ingest.codecs.rows import RefusedError

FLAG = b"\x7e"
LOCATION, BATCH = 0x0200, 0x0704
LENGTH_BITS, CIPHER_BITS, PART_BIT, VERSION_BIT = 0x03FF, 0x1C00, 0x2000, 0x4000
HEAD_2013, HEAD_2019, PART_BYTES = 12, 17, 4
DIGITS_2019 = 20
SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that fits its check byte and its length.

    ``terminal`` is the header's number as it stands there: 12 digits, 20 since 2019. ``encrypted``: the body cannot be
    read; ``part``: the body is a piece of a longer one.
    """

    kind: int
    terminal: str
    body: bytes
    encrypted: bool = False
    part: bool = False


def unwrap(payload: bytes) -> bytes:
    """Return the bytes of a message that holds them raw, as hexadecimal or as base64, both with or without spaces.

    A frame begins with 7E, so text begins with ``7E`` where it is hexadecimal and with ``f`` where it is base64.
    Raises RefusedError ``empty``, ``format`` or ``base64``.
    """
    if payload[:1] == FLAG:
        return payload
    text = payload.translate(None, SPACE)
    if not text:
        raise RefusedError("empty")
    try:
        if text[:2].upper() == b"7E":
            return binascii.unhexlify(text)
        if text[:1] == b"f":
            return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise RefusedError("format" if text[:1] == b"7" else "base64", str(error)) from None
    raise RefusedError("format", f"begins with {payload[:4].hex()} and not with 7e")


def split(data: bytes) -> list[bytes]:
    """Cut into what stands between the flags, escapes still in it.

    Two frames may share a flag. What stands behind the last flag is a frame that was cut off, and comes with its own
    flag in front. Nothing but flags gives an empty list.
    """
    *whole, rest = data.split(FLAG)
    chunks = [chunk for chunk in whole if chunk]
    return [*chunks, FLAG + rest] if rest else chunks


def read(chunk: bytes) -> Frame:
    """Read what stands between two flags. Raises RefusedError ``format``, ``checksum`` or ``length``."""
    if chunk[:1] == FLAG:
        raise RefusedError("length", "the frame has no end")
    data = unescape(chunk)
    if reduce(xor, data):
        raise RefusedError("checksum", f"check byte {data[-1]:02x}, computed {reduce(xor, data[:-1], 0):02x}")
    if len(data) < HEAD_2013 + 1:
        raise RefusedError("length", f"{len(data)} bytes are no frame")
    attributes = int.from_bytes(data[2:4], "big")
    head = head_bytes(attributes)
    said, came = attributes & LENGTH_BITS, len(data) - head - 1
    if said != came:
        raise RefusedError("length", f"a body of {came} bytes where the header says {said}")
    number = data[5:15] if attributes & VERSION_BIT else data[4:10]
    return Frame(
        kind=int.from_bytes(data[:2], "big"),
        terminal=number.hex().upper(),
        body=data[head:-1],
        encrypted=bool(attributes & CIPHER_BITS),
        part=bool(attributes & PART_BIT),
    )


def head_bytes(attributes: int) -> int:
    """Bytes of a header with these attributes."""
    base = HEAD_2019 if attributes & VERSION_BIT else HEAD_2013
    return base + (PART_BYTES if attributes & PART_BIT else 0)


def unescape(chunk: bytes) -> bytes:
    """Undo 7D 01 and 7D 02. Raises RefusedError ``format`` for any other 7D."""
    escapes = chunk.count(b"\x7d")
    if escapes and escapes != chunk.count(b"\x7d\x01") + chunk.count(b"\x7d\x02"):
        raise RefusedError("format", "7d is followed by neither 01 nor 02")
    return loosely(chunk)


def loosely(chunk: bytes) -> bytes:
    """Undo the escapes and let broken ones stand."""
    # In this order: what was 7D 02 before it was escaped is 7D 01 02 now.
    return chunk.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


def location_frame(terminal: str, body: bytes) -> bytes:
    """Make a frame of one position, which reads as the same position again; its counter is 0.

    It stands for a position in the record: sent alone or in a batch, once or again, it is the same bytes.
    """
    number = bytes.fromhex(terminal)
    new = len(terminal) == DIGITS_2019
    attributes = (len(body) & LENGTH_BITS) | (VERSION_BIT if new else 0)
    head = LOCATION.to_bytes(2, "big") + attributes.to_bytes(2, "big") + (b"\x01" if new else b"") + number + b"\0\0"
    data = head + body
    data += bytes((reduce(xor, data),))
    return FLAG + data.replace(b"\x7d", b"\x7d\x01").replace(FLAG, b"\x7d\x02") + FLAG
