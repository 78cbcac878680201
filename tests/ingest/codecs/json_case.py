"""One good message of each form out of JSON, as a device in the field sends it, and what becomes of it."""

import json
from dataclasses import dataclass, field
from typing import Any

from config.codecs import CodecKnobs, FieldKnobs, MappingKnobs
from ingest.codecs.base import Item
from ingest.codecs.rows import Decoded
from ingest.forms import Forms, PositionForms
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.position import PositionRows, RawMessage

NOW_NS = 1_777_851_060_000_000_000  # a minute behind the samples: 2026-05-03T23:30:00Z
TS_S = 1_777_851_000
TS_NS = TS_S * 1_000_000_000
LON, LAT = 104.6427, 30.1218

MAPPING = MappingKnobs(
    name="acme",
    topics=("acme/+/gps",),
    device="topic:1",
    items="data.points",
    crs="gcj02",
    fields={
        "lon": FieldKnobs(path="pos.0", unit="1e-7"),
        "lat": FieldKnobs(path="pos.1", unit="1e-7"),
        "ts": FieldKnobs(path="time", unit="s"),
        "speed": FieldKnobs(path="v", unit="knots"),
        "heading": FieldKnobs(path="dir"),
        "ignition": FieldKnobs(path="$.state.acc", values={"ON": True, "OFF": False}),
        "load": FieldKnobs(path="fill", unit="percent"),
        "alarm_sos": FieldKnobs(path="btn"),
        "extra_fuel_l": FieldKnobs(path="fuel"),
    },
)
KNOBS = CodecKnobs(mapping=(MAPPING,))


def forms_of(knobs: CodecKnobs = KNOBS) -> PositionForms:
    return PositionForms(TopicScheme("city/v1", "test"), 300.0, Forms(knobs, "vehicle"))


FORMS = forms_of()


@dataclass(frozen=True)
class Sample:
    """``row`` is what of the stored row the form decides, beside place and time."""

    codec: str
    topic: str
    body: Any
    device_id: str
    row: dict[str, Any] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False).encode()

    def message(self) -> RawMessage:
        return RawMessage(self.topic, self.payload, NOW_NS)


OWNTRACKS = Sample(
    "owntracks",
    "owntracks/jane/phone",
    {
        "_type": "location",
        "lat": LAT,
        "lon": LON,
        "tst": TS_S,
        "acc": 5,
        "alt": 372,
        "vel": 54,
        "cog": 271,
        "batt": 41,
        "bs": 1,
        "t": "t",
        "tid": "JJ",
        "conn": "m",
        "created_at": TS_S + 1,
        "inregions": ["Depot"],
    },
    "jane",
    {"speed_mps": 15.0, "raw_speed": 54.0, "heading_deg": 271, "acc_m": 5, "alt_m": 372, "extra": {"battery_pct": 41}},
)
TRACCAR = Sample(
    "traccar",
    "positions",
    {
        "position": {
            "id": 87,
            "deviceId": 3,
            "protocol": "gt06",
            "serverTime": "2026-05-03T23:30:02.000+00:00",
            "deviceTime": "2026-05-03T23:30:01.000+00:00",
            "fixTime": "2026-05-03T23:30:00.000+00:00",
            "outdated": False,
            "valid": True,
            "latitude": LAT,
            "longitude": LON,
            "altitude": 372.0,
            "speed": 29.157667386609072,
            "course": 271.0,
            "address": None,
            "accuracy": 0.0,
            "network": None,
            "attributes": {
                "sat": 11,
                "ignition": True,
                "motion": True,
                "odometer": 8_231_500,
                "hours": 7_200_000,
                "batteryLevel": 87,
                "power": 27.4,
                "alarm": "sos,lowBattery",
                "distance": 12.3,
            },
            "geofenceIds": None,
        },
        "device": {
            "id": 3,
            "name": "Truck 7",
            "uniqueId": "860425040088567",
            "status": "online",
            "category": "truck",
            "lastUpdate": "2026-05-03T23:30:02.000+00:00",
        },
    },
    "860425040088567",
    {
        "speed_mps": 15.0,
        "raw_speed": 29.157667386609072,
        "heading_deg": 271,
        "sat": 11,
        "ignition": True,
        "alarms": ["sos", "lowBattery"],
        "alt_m": 372,
        "acc_m": None,
        "extra": {"mileage_km": 8231.5, "engine_h": 2.0, "battery_pct": 87, "power_v": 27.4, "motion": True},
    },
)
OSMAND = Sample(
    "osmand",
    "osmand/crew-4",
    {
        "location": {
            "timestamp": "2026-05-03T23:30:00.000Z",
            "coords": {
                "latitude": LAT,
                "longitude": LON,
                "accuracy": 4.5,
                "speed": 15.0,
                "heading": 271.0,
                "altitude": 372.0,
            },
            "is_moving": True,
            "odometer": 1500.0,
            "event": "motionchange",
            "battery": {"level": 0.5, "is_charging": False},
            "activity": {"type": "in_vehicle"},
            "extras": {"alarm": "sos"},
        },
        "device_id": "crew-4",
    },
    "crew-4",
    {
        "speed_mps": 15.0,
        "raw_speed": 15.0,
        "heading_deg": 271,
        "acc_m": 4.5,
        "alarms": ["sos"],
        "extra": {"battery_pct": 50.0, "mileage_km": 1.5, "motion": True},
    },
)
THINGSBOARD = Sample(
    "thingsboard",
    "v1/devices/sweeper-2/telemetry",
    {
        "ts": TS_S * 1000,
        "values": {
            "latitude": LAT,
            "longitude": LON,
            "speed": 54,
            "course": 271,
            "satellites": 9,
            "ignition": 1,
            "water_pct": 63,
            "temperature": 21.4,
            "lift": False,
            "alarm": "sos",
        },
    },
    "sweeper-2",
    {
        "speed_mps": 15.0,
        "raw_speed": 54.0,
        "heading_deg": 271,
        "sat": 9,
        "ignition": True,
        "lift": False,
        "alarms": ["sos"],
        "extra": {"water_pct": 63},
    },
)
GATEWAY = Sample(
    "thingsboard_gateway",
    "v1/gateway/telemetry",
    {"sweeper-3": [{"ts": TS_S * 1000, "values": {"lat": LAT, "lng": LON, "speed_mps": 15, "bearing": 271}}]},
    "sweeper-3",
    {"speed_mps": 15.0, "raw_speed": 15.0, "heading_deg": 271},
)
NGSI_LD = Sample(
    "ngsi_ld",
    "ngsi-ld/notify",
    {
        "id": "urn:ngsi-ld:Notification:5f",
        "type": "Notification",
        "subscriptionId": "urn:ngsi-ld:Subscription:1",
        "data": [
            {
                "id": "urn:ngsi-ld:Vehicle:vehicle:WasteManagement:1",
                "type": "Vehicle",
                "vehicleType": {"type": "Property", "value": "lorry"},
                "category": {"type": "Property", "value": ["municipalServices"]},
                "location": {
                    "type": "GeoProperty",
                    "value": {"type": "Point", "coordinates": [LON, LAT]},
                    "observedAt": "2026-05-03T23:30:00Z",
                },
                "speed": {"type": "Property", "value": 54, "unitCode": "KMH"},
                "heading": {"type": "Property", "value": None},
                "bearing": {"type": "Property", "value": 271},
                "ignitionStatus": {"type": "Property", "value": True},
                "tripNetWeightCollected": {"type": "Property", "value": 1200},
                "serviceStatus": {"type": "Property", "value": "onRoute"},
            }
        ],
    },
    "vehicle-WasteManagement-1",
    {
        "speed_mps": 15.0,
        "raw_speed": 54.0,
        "heading_deg": 271,
        "ignition": True,
        "extra": {"trip_net_weight_kg": 1200, "service_status": "onRoute"},
    },
)
MAPPED = Sample(
    "acme",
    "acme/truck-9/gps",
    {
        "state": {"acc": "ON"},
        "data": {
            "points": [
                {
                    "pos": ["1046427000", 301218000],
                    "time": str(TS_S),
                    "v": "29.157667386609072",
                    "dir": 271,
                    "fill": 50,
                    "btn": 1,
                    "fuel": 80.5,
                }
            ]
        },
    },
    "truck-9",
    {
        "speed_mps": 15.0,
        "raw_speed": 29.157667386609072,
        "heading_deg": 271,
        "ignition": True,
        "load": 0.5,
        "alarms": ["sos"],
        "extra": {"fuel_l": 80.5},
    },
)
SAMPLES = (OWNTRACKS, TRACCAR, OSMAND, THINGSBOARD, GATEWAY, NGSI_LD, MAPPED)


class Everybody(dict[str, DeviceRule]):
    """Knows every id as a vehicle, and no alias."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        return DeviceRule(key, "vehicle") if key and ":" not in key else default


RULES = Everybody()


def items(topic: str, body: object, knobs: CodecKnobs = KNOBS) -> list[Item]:
    """What a form makes of a body: JSON values, or bytes as they are."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    forms = Forms(knobs, "vehicle")
    stepped = forms.step(forms.begin(), RawMessage(topic, payload, NOW_NS), NOW_NS)
    assert stepped is not None
    return stepped.items


def decoded(topic: str, body: object, knobs: CodecKnobs = KNOBS) -> Decoded:
    """What is to be stored of a body."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    forms = FORMS if knobs is KNOBS else forms_of(knobs)
    return forms.decode([RawMessage(topic, payload, NOW_NS)], RULES, forms.foreign.begin(), NOW_NS)


def rows(topic: str, body: object, knobs: CodecKnobs = KNOBS) -> PositionRows:
    """The rows of a body of which nothing is refused."""
    found = decoded(topic, body, knobs)
    assert found.dead_letters == []
    return found.rows


def reasons(topic: str, body: object, knobs: CodecKnobs = KNOBS) -> list[str]:
    """Why what of a body is refused."""
    return [letter.reason for letter in decoded(topic, body, knobs).dead_letters]
