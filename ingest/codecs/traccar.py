"""Traccar's forwarding of positions over MQTT (``forward.type = mqtt``, ``json``). Pure.

Source: traccar's ``model/Position.java``: ``speed`` in knots, ``odometer`` and ``totalDistance`` in m, ``hours`` in ms.
"""

from typing import Any

import msgspec

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, PositionItem
from ingest.codecs.json_body import (
    KNOT_MPS,
    JsonForm,
    alarms_of,
    count,
    extras,
    name_of,
    required,
    scaled,
    state,
)
from ingest.codecs.native import UNREADABLE
from schemas.position import RawMessage

FILTERS = ("positions", "traccar/positions")


class Place(msgspec.Struct, rename="camel"):
    """Traccar's position; times are RFC 3339."""

    latitude: float
    longitude: float
    speed: float | None = None
    course: float | None = None
    altitude: float | None = None
    accuracy: float | None = None
    fix_time: str | int | None = None
    device_time: str | int | None = None
    server_time: str | int | None = None
    valid: bool = True
    outdated: bool = False
    attributes: dict[str, Any] | None = None


class Owner(msgspec.Struct, rename="camel"):
    """Traccar's device; ``unique_id`` is what the terminal calls itself, an IMEI for most."""

    unique_id: str | int


class Forward(msgspec.Struct):
    """One forwarded position."""

    position: msgspec.Raw
    device: Owner


class Ownership(msgspec.Struct):
    """Only whose it is."""

    device: Owner


class Traccar(JsonForm):
    """The device is ``device.uniqueId``."""

    def __init__(self, knobs: CodecKnobs) -> None:
        super().__init__("traccar", FILTERS, knobs)
        self._forward = msgspec.json.Decoder(Forward)
        self._place = msgspec.json.Decoder(Place)
        self._owner = msgspec.json.Decoder(Ownership)

    def urgent(self, message: RawMessage) -> bool:
        """Whether there is an alarm in it."""
        return b'"alarm"' in message.payload

    def who(self, message: RawMessage, raw: bytes) -> str:  # noqa: ARG002  # the message says it
        """Return ``device.uniqueId``."""
        try:
            return name_of(self._owner.decode(raw).device.unique_id)
        except UNREADABLE:
            return ""

    def read(self, message: RawMessage, raw: bytes) -> list[Item]:  # noqa: ARG002  # the message says it
        """Read one forwarded position."""
        said = self._forward.decode(raw)
        device = required(name_of(said.device.unique_id))
        place = self._place.decode(said.position)
        more = place.attributes or {}
        # Outdated: the terminal had no fix, and Traccar put the last known place, with its old fixTime, beside the
        # news. The news is of deviceTime.
        times_said = (place.fix_time, place.device_time, place.server_time)
        ordered = times_said[1:] if place.outdated else times_said
        return [
            PositionItem(
                device=device,
                raw=bytes(said.position),  # Traccar's device is another at each sending
                lon=place.longitude,
                lat=place.latitude,
                ts=next((time for time in ordered if time is not None), None),
                speed_mps=None if place.speed is None else place.speed * KNOT_MPS,
                raw_speed=place.speed,
                heading_deg=place.course,
                alt_m=place.altitude,
                acc_m=place.accuracy or None,  # 0 is what Traccar writes where a terminal says none
                sat=count("attributes.sat", more.get("sat")),
                ignition=state("attributes.ignition", more.get("ignition")),
                alarms=alarms_of("attributes.alarm", more.get("alarm")),
                fix=place.valid and not place.outdated,
                extra=_more(more),
            )
        ]


def _more(said: dict[str, Any]) -> dict[str, Any] | None:
    return extras(
        {
            "mileage_km": scaled(said.get("odometer"), over=1000),
            "total_distance_km": scaled(said.get("totalDistance"), over=1000),
            "engine_h": scaled(said.get("hours"), over=3_600_000),
            "battery_pct": scaled(said.get("batteryLevel")),
            "battery_v": scaled(said.get("battery")),
            "power_v": scaled(said.get("power")),
            "fuel_l": scaled(said.get("fuel")),
            "motion": said.get("motion"),
            "driver": said.get("driverUniqueId"),
        }
    )


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Make the codec."""
    return (Traccar(knobs),)
