"""What the forms out of JSON share: a body taken apart, its faults as refusals, units and extras. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from config.codecs import CodecKnobs
from ingest.codecs.base import Item, Refusal
from ingest.codecs.native import SPACE, UNREADABLE, unread
from ingest.codecs.rows import RefusedError
from schemas.position import RawMessage

KNOT_MPS = 1852 / 3600
MPH_MPS = 0.44704
EXTRAS_MAX = 32  # of one position
NUMBER_MAX = 1e18  # of one in the extras
TEXT_MAX = 64  # characters of a text in the extras
ID_MAX = 200  # characters in which an id stands: with a URN of NGSI-LD around it, it has about 70

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])


class JsonForm(ABC):
    """A codec without state whose messages are one JSON object, or an array of them that are read one by one."""

    kind: Literal["vehicle", "camera"] = "vehicle"

    def __init__(self, name: str, filters: tuple[str, ...], knobs: CodecKnobs) -> None:
        self.name = name
        self.filters = knobs.topics.get(name, filters)

    def begin(self) -> None:  # noqa: B027  # nothing to begin with
        """No state."""

    def urgent(self, message: RawMessage) -> bool:  # noqa: ARG002  # for the forms that know alarms
        """Return False: the form knows no alarms."""
        return False

    def step(self, state: Any, message: RawMessage, now_ns: int) -> tuple[Any, list[Item]]:  # noqa: ANN401, ARG002
        """Items of one message; anything that cannot be read is a Refusal."""
        body = message.payload.strip(SPACE)
        if not body:
            return state, [Refusal(self.who(message, b"{}"), "empty")]
        return state, apart(body, lambda raw: self.read(message, raw), lambda raw: self.who(message, raw))

    @abstractmethod
    def read(self, message: RawMessage, raw: bytes) -> list[Item]:
        """Items of one object, which may be any bytes. Raises RefusedError or one of ``native.UNREADABLE``."""

    @abstractmethod
    def who(self, message: RawMessage, raw: bytes) -> str:
        """Whose object this is, as far as it can be read; "": not known. Never raises."""


def apart(
    body: bytes, read: Callable[[bytes], list[Item]], who: Callable[[bytes], str], *, whole: bool = True
) -> list[Item]:
    """Items of an object, or of each element of an array: one that cannot be used costs none of the others.

    ``whole``: the body is all of its message, whose refusal keeps user properties. An empty array is refused.
    """
    array = body[:1] == b"["
    try:
        raws = [bytes(raw) for raw in _RAWS.decode(body)] if array else [body]
    except UNREADABLE as fault:
        return [_refusal("", unread(fault), None if whole else body)]
    if not raws:
        return [Refusal("", "empty", "an array without positions", None if whole else body)]
    found: list[Item] = []
    for raw in raws:
        try:
            found += read(raw)
        except UNREADABLE as fault:
            found.append(_refusal(who(raw), unread(fault), None if whole and not array else raw))
        except RefusedError as refused:
            found.append(_refusal(who(raw), refused, None if whole and not array else raw))
    return found


def _refusal(device: str, refused: RefusedError, payload: bytes | None) -> Refusal:
    return Refusal(device, refused.reason, refused.detail, payload)


def name_of(value: object) -> str:
    """Return a device's id, given as text or as a number; "": it is neither, empty, or too long."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if len(text) <= ID_MAX and "\0" not in text else ""


def required(device: str) -> str:
    """Return a device's id. Raises RefusedError ``no_device`` where there is none."""
    if not device:
        raise RefusedError("no_device", "nothing says whose position this is")
    return device


def number(key: str, value: object) -> float | None:
    """Return a JSON number as float, ``null`` as None. Raises RefusedError ``type``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError("type", f"expected a number, got {type(value).__name__} - at {key[:TEXT_MAX]}")
    try:
        return float(value)
    except OverflowError:
        raise RefusedError("type", f"a number beyond reason - at {key[:TEXT_MAX]}") from None


def count(key: str, value: object) -> int | None:
    """Return a whole JSON number, ``null`` as None. Raises RefusedError ``type``."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise RefusedError("type", f"expected a whole number, got {type(value).__name__} - at {key[:TEXT_MAX]}")


def state(key: str, value: object) -> bool | None:
    """Return ``true``, ``false``, 1 or 0 as bool, ``null`` as None. Raises RefusedError ``type``."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise RefusedError("type", f"expected true or false - at {key[:TEXT_MAX]}")


def alarms_of(key: str, value: object) -> tuple[str, ...] | None:
    """Return alarms out of ``"sos,lowBattery"`` or a list of texts, ``null`` as None. Raises RefusedError ``type``."""
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise RefusedError("type", f"expected names of alarms - at {key[:TEXT_MAX]}")
    return tuple(part.strip() for part in parts if part.strip()) or None


def known(value: float | None) -> float | None:
    """Return a value, and None for -1, with which phones say "not known"."""
    return None if value == -1 else value


def extras(values: Mapping[str, object]) -> dict[str, Any] | None:
    """Return what can be stored of a form's extras, None where nothing can: truth values, finite numbers, short texts.

    They say more about a position and never cost it: what is of another type is left out.
    """
    kept = {name: value for name, value in values.items() if _storable(value)}
    return dict(list(kept.items())[:EXTRAS_MAX]) or None


def scaled(value: object, *, times: float = 1, over: float = 1) -> float | None:
    """Return a number of the extras in another unit; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -NUMBER_MAX < value < NUMBER_MAX:
        return None
    return value * times / over


def _storable(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= TEXT_MAX and "\0" not in value
    return isinstance(value, int | float) and -NUMBER_MAX < value < NUMBER_MAX
