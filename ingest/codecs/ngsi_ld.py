"""NGSI-LD and NGSI-v2: entities ``Vehicle`` and ``FleetVehicleStatus``, alone or in a broker's notification. Pure.

Source: smart-data-models/dataModel.Transportation; ETSI GS CIM 009. Places are GeoJSON, longitude first. An attribute
is its value, or an object with ``value`` (normalised, concise) or ``object`` (a relationship).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, PositionItem
from ingest.codecs.json_body import (
    KNOT_MPS,
    MPH_MPS,
    JsonForm,
    apart,
    extras,
    name_of,
    number,
    required,
    state,
)
from ingest.codecs.native import UNREADABLE
from ingest.codecs.rows import RefusedError
from schemas.position import RawMessage

FILTERS = ("ngsi-ld/#",)
TYPES = ("Vehicle", "FleetVehicleStatus")
URN = "urn:ngsi-ld:"
SPEED_MPS = {"KMH": 1 / 3.6, "MTS": 1.0, "KNT": KNOT_MPS, "HM": MPH_MPS}  # UN/CEFACT codes
# The position's own time first; the last two are the broker's.
TIMES = ("observationDateTime", "lastKnownPositionUpdatedAt", "dateObserved", "dateModified", "modifiedAt")
EXTRAS = {
    "mileage_km": "mileageFromOdometer",
    "fuel_l": "restFuelAmount",
    "trip_net_weight_kg": "tripNetWeightCollected",
    "service_status": "serviceStatus",
    "status": "currentStatus",
    "plate": "vehiclePlateIdentifier",
    "restricted": "inRestrictedArea",
}

_ENTITY = msgspec.json.Decoder(dict[str, Any])


class Notification(msgspec.Struct, rename="camel"):
    """What tells a notification from an entity; ``data`` holds the entities."""

    type: Any = None
    subscription_id: Any = None
    data: msgspec.Raw = msgspec.Raw()


class NgsiLd(JsonForm):
    """The device is the vehicle's id behind ``urn:ngsi-ld:{type}:``, with ``-`` for ``:``."""

    def __init__(self, knobs: CodecKnobs) -> None:
        super().__init__("ngsi_ld", FILTERS, knobs)
        self._notification = msgspec.json.Decoder(Notification)

    def who(self, message: RawMessage, raw: bytes) -> str:  # noqa: ARG002  # the entity says it
        """Return the vehicle's id."""
        try:
            return _device(_ENTITY.decode(raw))
        except (*UNREADABLE, RefusedError):
            return ""

    def read(self, message: RawMessage, raw: bytes) -> list[Item]:
        """Read an entity, or the entities of a notification."""
        told = self._notification.decode(raw)
        if told.data and (told.type == "Notification" or told.subscription_id is not None):
            return apart(bytes(told.data), _entity, lambda part: self.who(message, part), whole=False)
        return _entity(raw)

    def same(self, level: str, device: str) -> bool:
        """Whether a topic's level is the vehicle's URN."""
        return _local(level) == device


def _entity(raw: bytes) -> list[Item]:
    said = _ENTITY.decode(raw)
    kinds = said.get("type") if isinstance(said.get("type"), list) else [said.get("type")]
    if not any(isinstance(kind, str) and kind.rpartition("/")[2] in TYPES for kind in kinds or ()):
        return [Passed("entity_type")]
    device = required(_device(said))
    place = said.get("location") if said.get("location") is not None else said.get("lastKnownPosition")
    if place is None:
        return [Passed("no_position")]
    lon, lat, up_m = _point(place)
    raw_speed = number("speed", _value(said.get("speed")))
    speed_mps = None if raw_speed is None else raw_speed * _speed_unit(said)
    heading = number("heading", _value(said.get("heading")))
    altitude = number("altitude", _value(said.get("altitude")))
    return [
        PositionItem(
            device=device,
            raw=raw,
            lon=lon,
            lat=lat,
            ts=_time(said, place),
            speed_mps=speed_mps,
            raw_speed=raw_speed,
            heading_deg=heading if heading is not None else number("bearing", _value(said.get("bearing"))),
            alt_m=altitude if altitude is not None else up_m,
            ignition=state("ignitionStatus", _value(said.get("ignitionStatus"))),
            extra=extras({name: _value(said.get(key)) for name, key in EXTRAS.items()}),
        )
    ]


def _value(attribute: object) -> object:
    """Return an attribute's value: as it stands, or out of its wrapping. ``null`` and what is not there are None."""
    for key in ("value", "object", "@value"):
        if isinstance(attribute, dict) and key in attribute:
            attribute = attribute[key]
    return attribute


def _device(said: Mapping[str, Any]) -> str:
    """Return the vehicle's id: a status says in ``fleetVehicle`` whose it is."""
    owner = _value(said.get("fleetVehicle"))
    return _local(name_of(owner if owner is not None else said.get("id")))


def _local(name: str) -> str:
    local = name.removeprefix(URN).partition(":")[2] if name.startswith(URN) else name
    return local.replace(":", "-")


def _point(place: object) -> tuple[float, float, float | None]:
    """Return longitude, latitude and altitude of a GeoJSON point. Raises RefusedError ``type``."""
    point = _value(place)
    found = point.get("coordinates") if isinstance(point, dict) and point.get("type") == "Point" else None
    if not isinstance(found, list) or not 2 <= len(found) <= 3:
        raise RefusedError("type", "expected a GeoJSON point - at location")
    lon, lat = number("location", found[0]), number("location", found[1])
    if lon is None or lat is None:
        raise RefusedError("type", "null - at location")
    return lon, lat, number("location", found[2]) if len(found) == 3 else None


def _speed_unit(said: Mapping[str, Any]) -> float:
    """Return m/s of one unit of the speed: its own ``unitCode``, the entity's, else km/h as in the data model."""
    speed = said.get("speed")
    code: object = None
    if isinstance(speed, dict):
        metadata = speed.get("metadata")
        code = speed.get("unitCode")
        code = code if code is not None else _value(metadata.get("unitCode")) if isinstance(metadata, dict) else None
    code = code if code is not None else _value(said.get("unitCode"))
    if code is None:
        return SPEED_MPS["KMH"]
    if not isinstance(code, str) or code not in SPEED_MPS:
        raise RefusedError("type", f"unitCode {str(code)[:20]!r} of speed is none of {', '.join(SPEED_MPS)}")
    return SPEED_MPS[code]


def _time(said: Mapping[str, Any], place: object) -> str | int | float | None:
    """Return when the position was taken, else None. Raises RefusedError ``type``."""
    told: object = None
    if isinstance(place, dict):
        metadata = place.get("metadata")
        told = place.get("observedAt")
        told = told if told is not None else _value(metadata.get("TimeInstant")) if isinstance(metadata, dict) else None
    for key in TIMES:
        told = told if told is not None else _value(said.get(key))
    if told is not None and (isinstance(told, bool) or not isinstance(told, str | int | float)):
        raise RefusedError("type", "expected a time")
    return told


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Make the codec."""
    return (NgsiLd(knobs),)
