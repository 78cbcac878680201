"""Traccar Client's JSON, as its app and its libraries post it. Pure.

Source: traccar's ``OsmAndProtocolDecoder`` (its JSON half): ``speed`` in m/s, negative: not known; battery 0 to 1.
"""

from typing import Any

import msgspec

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, PositionItem
from ingest.codecs.json_body import (
    JsonForm,
    alarms_of,
    apart,
    extras,
    known,
    name_of,
    required,
    scaled,
)
from ingest.codecs.native import UNREADABLE
from ingest.owners import device_level
from schemas.position import RawMessage

FILTERS = ("osmand/+",)


class Coords(msgspec.Struct):
    """Degrees, m, m/s."""

    latitude: float
    longitude: float
    accuracy: float | None = None
    speed: float | None = None
    heading: float | None = None
    altitude: float | None = None


class Location(msgspec.Struct):
    """One position; ``timestamp`` is RFC 3339 or ms, ``odometer`` m. No ``coords``: the phone had no place."""

    timestamp: str | int | float | None = None
    coords: Coords | None = None
    odometer: Any = None
    is_moving: Any = None
    battery: Any = None
    alarm: Any = None
    extras: Any = None
    mock: Any = None


class Post(msgspec.Struct):
    """One message; ``location`` is an object, or an array of them where the app sends what it kept."""

    location: msgspec.Raw
    device_id: str | int | None = None


class Ownership(msgspec.Struct):
    """Only whose it is."""

    device_id: str | int | None = None


class OsmAnd(JsonForm):
    """The device is ``device_id``, else the topic's level under ``+``."""

    def __init__(self, knobs: CodecKnobs) -> None:
        super().__init__("osmand", FILTERS, knobs)
        self._post = msgspec.json.Decoder(Post)
        self._location = msgspec.json.Decoder(Location)
        self._owner = msgspec.json.Decoder(Ownership)

    def urgent(self, message: RawMessage) -> bool:
        """Whether there is an alarm in it."""
        return b'"alarm"' in message.payload

    def who(self, message: RawMessage, raw: bytes) -> str:
        """Return ``device_id``, or what the topic says."""
        try:
            device = name_of(self._owner.decode(raw).device_id)
        except UNREADABLE:
            device = ""
        return device or device_level(self.filters, message.topic)

    def read(self, message: RawMessage, raw: bytes) -> list[Item]:
        """Read one message."""
        said = self._post.decode(raw)
        topics = device_level(self.filters, message.topic)
        device = required(name_of(said.device_id) if said.device_id is not None else topics)
        body = bytes(said.location)
        return apart(body, lambda part: self._one(device, part), lambda _part: device, whole=False)

    def _one(self, device: str, raw: bytes) -> list[Item]:
        said = self._location.decode(raw)
        at = said.coords
        if at is None:
            return [Passed("no_position")]
        inner = said.extras if isinstance(said.extras, dict) else {}
        battery = said.battery if isinstance(said.battery, dict) else {}
        level = known(scaled(battery.get("level")))
        speed_mps = known(at.speed)
        return [
            PositionItem(
                device=device,
                raw=raw,
                lon=at.longitude,
                lat=at.latitude,
                ts=said.timestamp,
                speed_mps=speed_mps,
                raw_speed=at.speed,
                heading_deg=known(at.heading),
                alt_m=at.altitude,
                acc_m=known(at.accuracy) or None,
                alarms=alarms_of("alarm", said.alarm if said.alarm is not None else inner.get("alarm")),
                extra=extras(
                    {
                        "battery_pct": scaled(level, times=100),
                        "mileage_km": scaled(said.odometer, over=1000),
                        "motion": said.is_moving,
                        "mock": said.mock,
                    }
                ),
            )
        ]


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Make the codec."""
    return (OsmAnd(knobs),)
