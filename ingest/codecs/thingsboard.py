"""ThingsBoard's telemetry: a device's own, and a gateway's for the devices behind it. Pure.

Source: thingsboard.io/docs/reference/mqtt-api and gateway-mqtt-api: ``{key: value}``, ``{"ts": ms, "values": {…}}`` or
arrays of them. Which keys a place has is nobody's standard, so the usual spellings are read.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, PositionItem, Refusal, StatusItem
from ingest.codecs.json_body import (
    JsonForm,
    alarms_of,
    apart,
    count,
    extras,
    name_of,
    number,
    required,
    state,
)
from ingest.codecs.native import SPACE
from ingest.codecs.rows import RefusedError
from ingest.owners import device_level
from schemas.position import RawMessage

DEVICE_FILTERS = ("v1/devices/+/telemetry",)
GATEWAY_FILTERS = ("v1/gateway/telemetry", "v1/gateway/connect", "v1/gateway/disconnect")
NOBODY = "me"  # ThingsBoard knows the device by its connection, which a subscriber cannot see

# How the field of a position is spelled, in lower case without "_".
SPELLINGS = {
    "lon": ("lon", "lng", "long", "longitude"),
    "lat": ("lat", "latitude"),
    "speed_kmh": ("speed", "speedkmh", "velocity"),
    "speed_mps": ("speedmps",),
    "heading": ("heading", "headingdeg", "course", "bearing", "direction"),
    "alt": ("alt", "altm", "altitude", "elevation"),
    "acc": ("acc", "accm", "accuracy"),
    "sat": ("sat", "sats", "satellites"),
    "ignition": ("ignition",),
    "lift": ("lift",),
    "cover": ("cover",),
    "load": ("load",),
    "alarms": ("alarm", "alarms"),
    "crs": ("crs",),
}
FIELD_OF = {spelling: field for field, spellings in SPELLINGS.items() for spelling in spellings}
# A key that says its own unit is kept beside the columns.
WITH_UNIT = re.compile(r"[a-z][a-z0-9_]{0,40}_(?:km|m|l|pct|v|h|kg|t|c|kpa|rpm)")

_KEYS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VALUES = msgspec.json.Decoder(dict[str, Any])
_STAMP = msgspec.json.Decoder(str | int | float | None)


class Spoken(msgspec.Struct):
    """What a gateway says of one device's connection."""

    device: str


class ThingsBoardDevice(JsonForm):
    """``v1/devices/{device}/telemetry``: a broker's rewrite has put the device's name for ``me``."""

    def __init__(self, knobs: CodecKnobs) -> None:
        super().__init__("thingsboard", DEVICE_FILTERS, knobs)

    def urgent(self, message: RawMessage) -> bool:
        """Whether there is an alarm in it."""
        return b'"alarm' in message.payload.lower()

    def who(self, message: RawMessage, raw: bytes) -> str:  # noqa: ARG002  # the topic says it
        """Return what the topic says."""
        device = device_level(self.filters, message.topic)
        return "" if device == NOBODY else device

    def read(self, message: RawMessage, raw: bytes) -> list[Item]:
        """Read one set of values."""
        device = self.who(message, raw)
        if not device:
            raise RefusedError("no_device", "the broker must rewrite v1/devices/me to the device's own name")
        return telemetry(device, raw)


class ThingsBoardGateway(JsonForm):
    """``{device: [telemetry, …], …}``, and which devices have come and gone."""

    def __init__(self, knobs: CodecKnobs) -> None:
        super().__init__("thingsboard_gateway", GATEWAY_FILTERS, knobs)
        self._spoken = msgspec.json.Decoder(Spoken)

    def own_level(self, _pattern: str) -> None:
        """Return None: a gateway speaks for the devices behind it."""

    def urgent(self, message: RawMessage) -> bool:
        """Whether there is an alarm in it."""
        return b'"alarm' in message.payload.lower()

    def who(self, message: RawMessage, raw: bytes) -> str:  # noqa: ARG002  # a message is of many
        """Return "": the message is of many devices."""
        return ""

    def step(self, state: Any, message: RawMessage, now_ns: int) -> tuple[Any, list[Item]]:  # noqa: ANN401
        """Items of one message: an array is none that a gateway sends."""
        if message.payload.strip(SPACE)[:1] == b"[":
            return state, [Refusal("", "type", "expected an object of devices")]
        return super().step(state, message, now_ns)

    def read(self, message: RawMessage, raw: bytes) -> list[Item]:
        """Read one message by the last level of its topic."""
        leaf = message.topic.rpartition("/")[2]
        if leaf in ("connect", "disconnect"):
            return [StatusItem(required(name_of(self._spoken.decode(raw).device)), online=leaf == "connect")]
        devices = _KEYS.decode(raw)
        if not devices:
            raise RefusedError("empty", "an object without devices")
        return [item for name, part in devices.items() for item in self._device(name, bytes(part))]

    def _device(self, name: str, raw: bytes) -> list[Item]:
        device = name_of(name)
        if not device:
            return [Refusal("", "no_device", "a device without a name, or with one that is too long", raw)]
        return apart(raw, lambda part: telemetry(device, part), lambda _part: device, whole=False)


def telemetry(device: str, raw: bytes) -> list[Item]:
    """Read one set of values. Raises RefusedError or one of ``native.UNREADABLE``."""
    keys = _KEYS.decode(raw)
    values = _VALUES.decode(keys.get("values", msgspec.Raw(raw)))
    found = _fields(values)
    if found.get("lon") is None and found.get("lat") is None:
        return [Passed("no_position")]
    lon, lat = number("lon", found.get("lon")), number("lat", found.get("lat"))
    if lon is None or lat is None:
        raise RefusedError("type", f"no {'lon' if lon is None else 'lat'}")
    stamp = _STAMP.decode(keys["ts"]) if "ts" in keys else None
    return [_position(device, raw, stamp, (lon, lat), found, values)]


def _position(
    device: str,
    raw: bytes,
    stamp: str | float | None,
    at: tuple[float, float],
    found: Mapping[str, Any],
    values: Mapping[str, Any],
) -> PositionItem:
    speed_mps = raw_speed = number("speed_mps", found.get("speed_mps"))
    if raw_speed is None:
        raw_speed = number("speed", found.get("speed_kmh"))
        speed_mps = None if raw_speed is None else raw_speed / 3.6
    crs = found.get("crs")
    if crs is not None and not isinstance(crs, str):
        raise RefusedError("type", "expected text - at crs")
    return PositionItem(
        device=device,
        raw=raw,
        lon=at[0],
        lat=at[1],
        ts=stamp,
        crs=crs,
        speed_mps=speed_mps,
        raw_speed=raw_speed,
        heading_deg=number("heading", found.get("heading")),
        alt_m=number("alt", found.get("alt")),
        acc_m=number("acc", found.get("acc")),
        sat=count("sat", found.get("sat")),
        ignition=state("ignition", found.get("ignition")),
        lift=state("lift", found.get("lift")),
        cover=state("cover", found.get("cover")),
        load=number("load", found.get("load")),
        alarms=alarms_of("alarms", found.get("alarms")),
        extra=extras({key: value for key, value in values.items() if WITH_UNIT.fullmatch(key) and not _field(key)}),
    )


def _field(key: str) -> str | None:
    return FIELD_OF.get(key.lower().replace("_", ""))


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the field they spell. Raises RefusedError ``dup_key`` where two spellings of one say two things."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        field = _field(key)
        if field is None:
            continue
        if field in found and found[field] != value:
            raise RefusedError("dup_key", f"{field} in two spellings")
        found[field] = value
    return found


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Make both codecs."""
    return (ThingsBoardDevice(knobs), ThingsBoardGateway(knobs))
