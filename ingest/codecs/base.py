"""What a codec is: topic filters and a pure step from one message to what it holds.

A file in this folder with a function ``make(knobs: CodecKnobs) -> Codec`` is a codec; nothing else has to know it.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from schemas.position import RawMessage

DEVICE_MAX = 64  # characters of a foreign id: a longer one could be no device id, and no alias that fits a dead letter


class Fix(msgspec.Struct, forbid_unknown_fields=False):
    """One position, in whatever form it came; None: not said.

    ``ts`` is RFC 3339 with a zone, or ms since 1970 UTC. Degrees are those of the device, in ``crs`` where the registry
    lets the message say. Heading in degrees clockwise from north, altitude and accuracy in m, ``load`` 0 to 1.
    ``seq``, ``boot`` and ``oldest`` as in docs/intake.md.
    """

    lon: float
    lat: float
    ts: str | int | float | None = None
    crs: str | None = None
    heading_deg: float | None = None
    alt_m: float | None = None
    acc_m: float | None = None
    sat: int | None = None
    seq: int | None = None
    boot: str | None = None
    oldest: int | None = None
    ignition: bool | None = None
    lift: bool | None = None
    cover: bool | None = None
    load: float | None = None
    alarms: tuple[str, ...] | None = None


class PositionItem(Fix, kw_only=True):
    """A position out of a foreign form.

    Attributes:
        device: the id as the message gives it; the registry's aliases are asked for ``{codec}:{device}`` first.
        raw: the item's own bytes; they tell it from another one where it has no ``seq``.
        speed_mps: in m/s.
        raw_speed: as it stood in the message, in the form's own unit.
        fix: False where the device itself calls the position invalid.
        extra: what the form says beyond the columns: short names with units (``mileage_km``, ``fuel_l``,
            ``battery_pct``) and JSON scalars.
    """

    device: str
    raw: bytes
    speed_mps: float | None = None
    raw_speed: float | None = None
    fix: bool = True
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PictureItem:
    """A JPEG out of a foreign form; ``properties`` are what MQTT 5 would have said (``ts``, ``seq``, ``boot``…)."""

    device: str
    jpeg: bytes
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StatusItem:
    """A device is online, or no longer."""

    device: str
    online: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that cannot be used: a dead letter of this ``reason``, from docs/intake.md's list.

    ``payload`` is the bad part of a message whose other parts are good; None: all of it. ``device`` "": not known.
    """

    device: str
    reason: str
    detail: str = ""
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that holds nothing for us, on purpose: counted as ignored under this ``reason``."""

    reason: str


Item: TypeAlias = PositionItem | PictureItem | StatusItem | Refusal | Passed


class Codec(Protocol):
    """One foreign form. Pure: no IO, no clock; ``step`` never raises for what a device can send.

    Attributes:
        name: ``[a-z0-9_]+``; first part of an alias, and the row's ``form``.
        kind: which devices speak it; a message's items are of this kind, or StatusItem, Refusal, Passed.
        filters: MQTT topic filters it reads by default; the configuration may name others.
    """

    name: str
    kind: Literal["vehicle", "camera"]
    filters: tuple[str, ...]

    def begin(self) -> Any:  # noqa: ANN401  # a codec's own state, immutable; None where it has none
        """State before the first message."""

    def urgent(self, message: RawMessage) -> bool:
        """Whether a message carries an alarm: it goes first, and no rate keeps it out.

        A cheap look that may say yes too often; False where the form knows no alarms.
        """

    def step(self, state: Any, message: RawMessage, now_ns: int) -> tuple[Any, list[Item]]:  # noqa: ANN401
        """Items of one message, in order, and the state after it.

        The state given is not changed: a batch that could not be stored is stepped again from it. ``now_ns``: ns since
        1970 UTC, never earlier than before.
        At least one item comes of every message, unless it is a part of something larger that is not complete.
        """


@runtime_checkable
class Expiring(Protocol):
    """What a codec has besides, where parts of something larger wait for the rest: they must not wait for ever."""

    def expire(self, state: Any, now_ns: int) -> tuple[Any, list[tuple[str, Item]]]:  # noqa: ANN401
        """Give up what waits too long, with no further message; returns each item with the topic it began on."""


@runtime_checkable
class Placing(Protocol):
    """What a codec has besides, where a device's own level is not the one under a filter's first ``+``."""

    def own_level(self, pattern: str) -> int | None:
        """Return the number of the level, counted from 0; None: whoever writes there speaks for many devices."""


@runtime_checkable
class Spelling(Protocol):
    """What a codec has besides, where a topic may spell a device otherwise than its messages do."""

    def same(self, level: str, device: str) -> bool:
        """Whether a topic's level, itself no id of the registry, and the id in a message are one device's."""


def device_id_of(device: str) -> str:
    """What of a foreign id a registry id can hold; it may be too long for one, and "" where nothing is left."""
    return "".join(c for c in device if c.isascii() and (c.isalnum() or c in "_-"))
