"""Forms that are described in the configuration instead of programmed: ``[[codecs.mapping]]``. Pure."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from config.codecs import CodecKnobs, FieldKnobs, MappingKnobs
from config.mapping import ROOT, split_path
from ingest.codecs.base import Codec, Item, PositionItem, Refusal
from ingest.codecs.json_body import (
    KNOT_MPS,
    MPH_MPS,
    JsonForm,
    alarms_of,
    extras,
    name_of,
    number,
    required,
    state,
)
from ingest.codecs.native import UNREADABLE
from ingest.codecs.rows import RefusedError
from schemas.position import RawMessage

Path = tuple[str, ...]
Kind = Literal["number", "count", "state", "text", "alarms", "pair", "time", "any"]

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("lon", "lat", "speed", "heading", "alt", "acc", "load"), "number"),
    **dict.fromkeys(("sat", "seq", "oldest"), "count"),
    **dict.fromkeys(("ignition", "lift", "cover", "fix"), "state"),
    **dict.fromkeys(("boot", "crs"), "text"),
    **dict.fromkeys(("latlon", "lonlat"), "pair"),
    "alarms": "alarms",
    "ts": "time",
}
# What a field is called in a PositionItem, where it is called otherwise there.
NAMES = {"heading": "heading_deg", "alt": "alt_m", "acc": "acc_m"}
# Multiplied; a power of ten is divided by, because 1e-7 is not exact and 1e7 is.
FACTORS = {"mps": 1.0, "knots": KNOT_MPS, "mph": MPH_MPS, "ft": 0.3048, "km": 1000.0, "rad": 180 / math.pi}
DIVISORS = {"kmh": 3.6, "1e-6": 1e6, "1e-7": 1e7, "percent": 100.0}
NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?")
WHOLE = re.compile(r"-?[0-9]{1,18}")
ZONE = re.compile(r"(?:[zZ]|[+-][0-9]{2}:?[0-9]{2})$")
STATES = {"1": True, "true": True, "0": False, "false": False}

_ANY = msgspec.json.Decoder(Any)


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it is read: ``root`` counts its path from the message instead of the item."""

    name: str
    kind: Kind
    path: Path
    knobs: FieldKnobs


class Mapped(JsonForm):
    """One described form."""

    def __init__(self, knobs: MappingKnobs, codecs: CodecKnobs) -> None:
        super().__init__(knobs.name, knobs.topics, codecs)
        self._crs = knobs.crs or None
        self._items = split_path(knobs.items) if knobs.items else ()
        kind, _, device = knobs.device.partition(":")
        self._level = int(device) if kind == "topic" else -1
        self._device = () if kind == "topic" else split_path(device)
        self._fields = tuple(
            Field(name, _kind(name), split_path(field.path), field) for name, field in knobs.fields.items()
        )
        self._alarm_keys = tuple(field.path[-1].encode() for field in self._fields if field.name.startswith("alarm"))

    def own_level(self, pattern: str) -> int | None:
        """Return the level that the description names, where devices fill it."""
        levels = pattern.split("/")
        return self._level if 0 <= self._level < len(levels) and levels[self._level] == "+" else None

    def urgent(self, message: RawMessage) -> bool:
        """Whether the key of an alarm is in it."""
        return any(key in message.payload for key in self._alarm_keys)

    def who(self, message: RawMessage, raw: bytes) -> str:
        """Return the device's id by topic or path."""
        try:
            root = _ANY.decode(raw) if self._device else None
        except UNREADABLE:
            return ""
        return self._who(message, root, root)

    def read(self, message: RawMessage, raw: bytes) -> list[Item]:
        """Read one object: a position, or the holder of an array of them."""
        root = _ANY.decode(raw)
        if not self._items:
            return [self._one(message, root, root, raw)]
        items = _find(root, root, self._items)
        if not isinstance(items, list):
            raise RefusedError("type", f"expected an array - at {'.'.join(self._items)}")
        if not items:
            raise RefusedError("empty", "an array without positions")
        found: list[Item] = []
        for item in items:
            part = msgspec.json.encode(item)
            try:
                found.append(self._one(message, root, item, part))
            except RefusedError as refused:
                found.append(Refusal(self._who(message, root, item), refused.reason, refused.detail, part))
        return found

    def _who(self, message: RawMessage, root: object, item: object) -> str:
        if self._device:
            return name_of(_find(root, item, self._device))
        levels = message.topic.split("/")
        return name_of(levels[self._level]) if self._level < len(levels) else ""

    def _one(self, message: RawMessage, root: object, item: object, raw: bytes) -> PositionItem:
        device = required(self._who(message, root, item))
        said: dict[str, Any] = {"crs": self._crs}
        alarms: list[str] = []
        more: dict[str, object] = {}
        for field in self._fields:
            value = _read(field, root, item)
            group, _, name = field.name.partition("_")
            if group == "extra":
                more[name] = value
            elif field.name == "alarms":
                alarms += value or ()
            elif group == "alarm":
                alarms += [name] if value else []
            elif value is not None:
                said |= _said(field, value)
        for name in ("lon", "lat"):
            if name not in said:
                raise RefusedError("type", f"no {name}")
        return PositionItem(device=device, raw=raw, alarms=tuple(alarms) or None, extra=extras(more), **said)


def _kind(name: str) -> Kind:
    return KINDS.get(name, "state" if name.startswith("alarm_") else "any")


def _find(root: object, item: object, path: Path) -> object:
    """Return what stands at a path; None: nothing, or ``null``."""
    here, parts = (root, path[1:]) if path[0] == ROOT else (item, path)
    for part in parts:
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list) and part.isascii() and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            return None
    return here


def _read(field: Field, root: object, item: object) -> Any:  # noqa: ANN401  # what the field's kind makes of it
    """Return one field's value; None: it is not there, or its table does not know it."""
    value = _find(root, item, field.path)
    if value is not None and field.knobs.values:
        value = field.knobs.values.get(_spelled(value))
    return None if value is None else READERS[field.kind](field.name, value)


def _spelled(value: object) -> str:
    """Return a JSON scalar as the key of a table of values: ``true`` for true, ``1`` for 1.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _said(field: Field, value: Any) -> dict[str, Any]:  # noqa: ANN401  # what the field's kind has made of it
    """Return a value in the fields and units of a PositionItem."""
    unit = field.knobs.unit
    if field.kind == "pair":
        first, second = value
        return {"lat": first, "lon": second} if field.name == "latlon" else {"lon": first, "lat": second}
    if field.kind == "time":
        return {"ts": _time(value, unit)}
    if field.name == "fix":
        return {"fix": value}
    if field.name == "speed":
        return {"raw_speed": value, "speed_mps": _in(value, unit)}
    return {NAMES.get(field.name, field.name): _in(value, unit) if field.kind == "number" else value}


def _in(value: float, unit: str) -> float:
    return value / DIVISORS[unit] if unit in DIVISORS else value * FACTORS.get(unit, 1.0)


def _time(value: str | float, unit: str) -> str | int | float:
    """Return a time as ms, or as RFC 3339. Raises RefusedError ``type``."""
    if unit == "s":
        seconds = _number("ts", value) if isinstance(value, str) else value
        return seconds * 1000
    if unit[:1] == "+" and isinstance(value, str) and not ZONE.search(value):
        return value.strip() + unit
    return value


def _number(name: str, value: object) -> float:
    """Return a number, or the number that a text spells: unknown devices do that. Raises RefusedError ``type``."""
    if isinstance(value, str):
        text = value.strip()
        if NUMBER.fullmatch(text) is None:
            raise RefusedError("type", f"{text[:20]!r} is no number - at {name}")
        return float(text)
    found = number(name, value)
    if found is None:
        raise RefusedError("type", f"null - at {name}")
    return found


def _count(name: str, value: object) -> int:
    """Return a whole number, also as text or as 9.0. Raises RefusedError ``type``."""
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise RefusedError("type", f"expected a whole number - at {name}")


def _state(name: str, value: object) -> bool:
    """Return true or false, also as 1, 0 or text. Raises RefusedError ``type``."""
    known = STATES.get(value.strip().lower()) if isinstance(value, str) else state(name, _whole(value))
    if known is None:
        raise RefusedError("type", f"expected true or false - at {name}")
    return known


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value in {0.0, 1.0} else value


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RefusedError("type", f"expected text - at {name}")
    return str(value)


def _pair(name: str, value: object) -> tuple[float, float]:
    """Return both numbers of ``"30.12,104.64"`` or ``[30.12, 104.64]``. Raises RefusedError ``type``."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or len(parts) < 2:
        raise RefusedError("type", f"expected two numbers - at {name}")
    return _number(name, parts[0]), _number(name, parts[1])


def _stamp(name: str, value: object) -> str | int | float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RefusedError("type", f"expected a time - at {name}")
    return value


def _any(_name: str, value: object) -> object:
    return value


READERS: dict[Kind, Callable[[str, object], Any]] = {
    "number": _number,
    "count": _count,
    "state": _state,
    "text": _text,
    "alarms": alarms_of,
    "pair": _pair,
    "time": _stamp,
    "any": _any,
}


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Make a codec of every description."""
    return tuple(Mapped(one, knobs) for one in knobs.mapping)
