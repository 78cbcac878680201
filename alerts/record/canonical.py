"""The canonical form of the record's rows, and their hashes.

Standard library only: an exported bundle carries this file as it is, so that whoever checks it needs nothing of ours.

A value is written as one letter and what it holds, so that no two values are written alike: ``n`` nothing, ``t`` and
``f`` true and false, ``d`` a number, ``s`` a text, ``l`` a list, ``m`` a map. Numbers and texts are led by their length
in bytes of UTF-8 and a colon, lists and maps by the number of their items; the keys of a map stand in the order of
their bytes. A number is written exactly, as digits without trailing zeros and a power of ten: 12.50 is
``125e-1``. A row's hash is SHA-256 over the hash before it (32 zero bytes before the first) and its form.
"""

import hashlib
import json
from decimal import Decimal
from typing import Any

ZERO = bytes(32)
ROW = "curbwatch/record/1"
SEAL = "curbwatch/seal/1"


def parsed(text: str) -> Any:  # noqa: ANN401  # any JSON value
    """Read JSON with its numbers as they are written. Raises ValueError for what is no JSON."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)


def canonical(value: Any) -> bytes:  # noqa: ANN401  # any JSON value
    """Write a JSON value in its one form. Raises TypeError for what JSON does not know, ValueError for no number."""
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, str):
        return _led(b"s", value.encode())
    if isinstance(value, int | float | Decimal):
        return _led(b"d", _number(value).encode())
    if isinstance(value, list | tuple):
        return b"l%d:" % len(value) + b"".join(map(canonical, value))
    if isinstance(value, dict):
        items = sorted((key.encode(), item) for key, item in value.items())
        return b"m%d:" % len(items) + b"".join(_led(b"s", key) + canonical(item) for key, item in items)
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def link(before: bytes, value: Any) -> bytes:  # noqa: ANN401  # any JSON value
    """Hash of a value that follows what hashes to ``before``: 32 bytes each."""
    return hashlib.sha256(before + canonical(value)).digest()


def row_value(row: dict[str, Any]) -> list[Any]:
    """What of a row of the record is hashed; ``at_us``: µs since 1970 UTC, ``detail``: as ``parsed`` reads it."""
    names = ("incident_id", "seq", "at_us", "actor", "role", "proved", "what", "state", "detail")
    return [ROW, *(row[name] for name in names)]


def seal_value(seal_id: int, at_us: int, entries: bytes) -> list[Any]:
    """What of a seal is hashed: ``entries`` is ``entries_hash`` of all that it seals."""
    return [SEAL, seal_id, at_us, entries.hex()]


def entries_hash(entries: list[tuple[str, int, bytes]]) -> bytes:
    """Hash of what a seal holds: incident, number of its last row, and that row's hash, ordered by incident."""
    return link(ZERO, [[incident_id, seq, head.hex()] for incident_id, seq, head in entries])


def _led(letter: bytes, data: bytes) -> bytes:
    return letter + b"%d:" % len(data) + data


def _number(value: float | Decimal) -> str:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    sign, digits, power = exact.as_tuple()
    if not isinstance(power, int):
        raise ValueError(f"{value} is no number")  # noqa: TRY004  # infinity, or not a number at all
    text = "".join(map(str, digits))
    kept = text.rstrip("0")
    if not kept.lstrip("0"):
        return "0e0"
    return f"{'-' if sign else ''}{kept.lstrip('0')}e{power + len(text) - len(kept)}"


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")
