"""What each form out of JSON says, and what of it cannot be used."""

import json
from typing import Any

import pytest

from config.codecs import CodecKnobs
from ingest.codecs.base import Passed, PositionItem, Refusal, StatusItem
from ingest.forms import WHOLE_MAX, Forms
from schemas.flags import NO_FIX, NO_TIME
from schemas.position import RawMessage
from tests.ingest.codecs.json_case import (
    FORMS,
    LAT,
    LON,
    NGSI_LD,
    NOW_NS,
    OSMAND,
    OWNTRACKS,
    SAMPLES,
    THINGSBOARD,
    TRACCAR,
    TS_NS,
    TS_S,
    Sample,
    items,
    reasons,
    rows,
)

WHERE = {"lat": LAT, "lon": LON}
POINT = {"type": "Point", "coordinates": [LON, LAT]}
VEHICLE = {"id": "urn:ngsi-ld:Vehicle:v-7", "type": "Vehicle", "location": POINT}
DEVICE_TOPIC, GATEWAY_TOPIC = "v1/devices/sweeper-2/telemetry", "v1/gateway/telemetry"


def location(**change: object) -> dict[str, Any]:
    """An OwnTracks position with some keys changed."""
    return {**OWNTRACKS.body, **change}


def forwarded(**change: object) -> dict[str, Any]:
    """A position that Traccar forwards, with some keys changed."""
    return {"position": TRACCAR.body["position"] | change, "device": TRACCAR.body["device"]}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.codec)
def test_nothing_is_refused_as_empty(sample: Sample) -> None:
    assert reasons(sample.topic, b"") == ["empty"]
    assert reasons(sample.topic, b" \r\n") == ["empty"]
    if sample.codec != "thingsboard_gateway":
        assert reasons(sample.topic, []) == ["empty"]


# Cases of the catalogue of bad input (G01 to G27) that are the same in every form.
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"lat":NaN}', "json"),
        (b'{"lat":1e400}', None),
        (b"null", "type"),
        (b"3", "type"),
        (b'"text"', "type"),
        (b"[null]", "type"),
        (b"\xef\xbb\xbf{}", "json"),
        ("{}".encode("utf-16"), "json"),
        (b'{"a":"\xff"', "json"),
        (b'{"_type":"\\ud800"}', "json"),
        (b"[" * 100_000, "json"),
        (b'{"a":' * 100_000, "json"),
        (b'{"lat"', "json"),
        (b"[{}", "json"),
    ],
)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.codec)
def test_what_is_no_such_json_is_refused_and_the_next_is_read(sample: Sample, body: bytes, reason: str | None) -> None:
    found = reasons(sample.topic, body)
    if body[:1] == b"[" and sample.codec == "thingsboard_gateway":
        assert found == ["type"]  # a gateway sends no arrays
    elif reason is not None:
        assert found == [reason]
    assert len(rows(sample.topic, sample.body)) == 1


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.codec)
def test_what_follows_a_good_message_or_is_cut_off_it_spoils_it(sample: Sample) -> None:
    for payload in (sample.payload + b" x", sample.payload * 2, sample.payload[:-1]):
        assert reasons(sample.topic, payload) == ["json"]


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (OWNTRACKS.topic, location(lat=str(LAT))),
        (OWNTRACKS.topic, location(lat=True)),
        (OWNTRACKS.topic, location(lon=None)),
        (OWNTRACKS.topic, {"_type": "location", "lat": LAT}),
        (OWNTRACKS.topic, {"lat": LAT, "lon": LON}),
        (TRACCAR.topic, forwarded(latitude=str(LAT))),
        (TRACCAR.topic, forwarded(attributes={"sat": "9"})),
        (TRACCAR.topic, forwarded(attributes={"alarm": 1})),
        (TRACCAR.topic, {"position": TRACCAR.body["position"]}),
        (OSMAND.topic, {"location": {"coords": {"latitude": "1", "longitude": 2}}}),
        (OSMAND.topic, {"location": {"coords": {"latitude": 1}}}),
        (DEVICE_TOPIC, {"lat": str(LAT), "lon": LON}),
        (DEVICE_TOPIC, {"lat": LAT}),
        (DEVICE_TOPIC, {"lat": True, "lon": LON}),
        (DEVICE_TOPIC, WHERE | {"ignition": 2}),
        (DEVICE_TOPIC, WHERE | {"crs": 4}),
        (DEVICE_TOPIC, WHERE | {"ts": [1]}),
        (GATEWAY_TOPIC, {"a": [3]}),
        (NGSI_LD.topic, VEHICLE | {"location": {"type": "Polygon", "coordinates": []}}),
        (NGSI_LD.topic, VEHICLE | {"location": {"type": "Point", "coordinates": [str(LON), LAT]}}),
        (NGSI_LD.topic, VEHICLE | {"location": {"type": "Point", "coordinates": [LON, None]}}),
        (NGSI_LD.topic, VEHICLE | {"speed": {"type": "Property", "value": 9, "unitCode": "FR"}}),
        (NGSI_LD.topic, VEHICLE | {"observationDateTime": True}),
    ],
)
def test_a_value_of_another_type_is_refused(topic: str, body: object) -> None:
    assert reasons(topic, body) == ["type"]


def test_a_refusal_names_its_device_as_far_as_it_can_be_read() -> None:
    assert items(TRACCAR.topic, forwarded(speed="9"))[0].device == "860425040088567"  # type: ignore[union-attr]
    assert items(OSMAND.topic, {"device_id": "crew-4", "location": 3})[0].device == "crew-4"  # type: ignore[union-attr]
    assert items(NGSI_LD.topic, VEHICLE | {"speed": "9"})[0].device == "v-7"  # type: ignore[union-attr]


def test_one_bad_position_costs_none_of_its_neighbours() -> None:
    good, bad = location(), location(lat=91)
    assert reasons(OWNTRACKS.topic, [good, bad, location(lat="1")]) == ["range", "type"]
    gateway = {"a": [WHERE, {"lat": "1", "lon": 2}], "b": [WHERE], "": [WHERE]}
    found = items(GATEWAY_TOPIC, gateway)
    assert [type(item) for item in found] == [PositionItem, Refusal, PositionItem, Refusal]
    assert [item.reason for item in found if isinstance(item, Refusal)] == ["type", "no_device"]
    assert isinstance(found[1], Refusal)
    assert json.loads(found[1].payload or b"") == {"lat": "1", "lon": 2}


def test_owntracks_says_who_leaves_and_what_holds_no_place() -> None:
    assert items(OWNTRACKS.topic, {"_type": "lwt", "tst": TS_S}) == [StatusItem("jane", online=False)]
    assert items(f"{OWNTRACKS.topic}/event", {"_type": "transition", "event": "enter"}) == [Passed("transition")]
    assert items(OWNTRACKS.topic, {"_type": "waypoint"}) == [Passed("waypoint")]
    assert items(OWNTRACKS.topic, {"_type": "card", "name": "J"}) == [Passed("no_position")]
    assert reasons(OWNTRACKS.topic, {"_type": "encrypted", "data": "x"}) == ["encrypted"]


def test_owntracks_unknowns_are_not_numbers() -> None:
    found = rows(OWNTRACKS.topic, location(acc=0, vel=-1, cog=-1))
    assert (found.acc_m, found.speed_mps, found.raw_speed, found.heading_deg) == ([None], [None], [-1.0], [None])
    assert rows(OWNTRACKS.topic, {"_type": "location", **WHERE}).flags == [NO_TIME]
    assert reasons(OWNTRACKS.topic, location(vel=-7)) == ["range"]
    assert reasons(OWNTRACKS.topic, location(tst=TS_S * 1000)) == ["ts"]


def test_a_topic_of_another_device_is_refused() -> None:
    assert reasons(OWNTRACKS.topic, location(topic="owntracks/john/phone")) == ["spoof"]
    assert reasons("osmand/crew-5", OSMAND.body) == ["spoof"]
    named = CodecKnobs(topics={"ngsi_ld": ("ngsi/+",)})
    assert reasons("ngsi/v-8", VEHICLE, named) == ["spoof"]
    assert rows("ngsi/v-7", VEHICLE, named).device_id == ["v-7"]
    assert rows("ngsi/urn:ngsi-ld:Vehicle:v-7", VEHICLE, named).device_id == ["v-7"]
    assert rows(OWNTRACKS.topic, location(topic=OWNTRACKS.topic)).device_id == ["jane"]


def test_a_filter_of_ones_own_says_which_level_is_the_device() -> None:
    behind = CodecKnobs(topics={"owntracks": ("owntracks/qtripp/+",), "osmand": ("osmand",)})
    assert rows("owntracks/qtripp/86", location(), behind).device_id == ["86"]
    assert rows("osmand", OSMAND.body, behind).device_id == ["crew-4"]
    assert reasons("osmand", OSMAND.body | {"device_id": None}, behind) == ["no_device"]
    assert reasons(OWNTRACKS.topic, location(), CodecKnobs(topics={"owntracks": ("owntracks/#",)})) == ["no_device"]


def test_no_two_users_of_owntracks_are_one_device() -> None:
    one, other = rows("owntracks/a/b-c", location()), rows("owntracks/a-b/c", location())
    assert one.device_id != other.device_id


def test_traccar_without_a_fix_is_flagged_and_stands_at_the_devices_time() -> None:
    assert rows(TRACCAR.topic, forwarded(valid=False)).flags == [NO_FIX]
    found = rows(TRACCAR.topic, forwarded(outdated=True))
    assert (found.flags, found.ts_ns) == ([NO_FIX], [TS_NS + 1_000_000_000])
    assert rows(TRACCAR.topic, forwarded(fixTime=None)).ts_ns == [TS_NS + 1_000_000_000]
    assert rows(TRACCAR.topic, forwarded(accuracy=0)).acc_m == [None]


def test_the_same_position_of_traccar_is_one_although_its_device_has_changed() -> None:
    other = TRACCAR.body | {"device": TRACCAR.body["device"] | {"lastUpdate": "2026-05-03T23:31:00.000+00:00"}}
    assert rows(TRACCAR.topic, TRACCAR.body).item_hash == rows(TRACCAR.topic, other).item_hash


def test_a_number_may_be_a_device_id() -> None:
    assert rows(TRACCAR.topic, TRACCAR.body | {"device": {"uniqueId": 42}}).device_id == ["42"]
    assert reasons(TRACCAR.topic, TRACCAR.body | {"device": {"uniqueId": ""}}) == ["no_device"]


def test_traccar_client_sends_what_it_kept_in_one_message() -> None:
    kept = OSMAND.body | {"location": [OSMAND.body["location"], {"timestamp": "x"}, OSMAND.body["location"]]}
    found = items(OSMAND.topic, kept)
    assert [type(item) for item in found] == [PositionItem, Passed, PositionItem]
    said = OSMAND.body["location"]["coords"] | {"speed": -1, "heading": -1}
    unknown = rows(OSMAND.topic, {"location": {"coords": said, "battery": {"level": -1}}})
    assert (unknown.speed_mps, unknown.heading_deg, unknown.extra) == ([None], [None], [None])


def test_thingsboard_telemetry_has_many_shapes() -> None:
    for body in (WHERE, {"values": WHERE}, [WHERE], {"ts": TS_S * 1000, "Longitude": LON, "LATITUDE": LAT}):
        assert rows(DEVICE_TOPIC, body).lon == [LON]
    assert rows(DEVICE_TOPIC, WHERE).flags == [NO_TIME]
    assert items(DEVICE_TOPIC, {"temperature": 21.4}) == [Passed("no_position")]
    assert reasons(DEVICE_TOPIC, WHERE | {"latitude": LAT + 1}) == ["dup_key"]
    assert rows(DEVICE_TOPIC, WHERE | {"latitude": LAT, "note": "x" * 99, "oil_l": "\0"}).extra == [None]


def test_thingsboards_me_is_nobody_without_a_rewrite() -> None:
    assert reasons("v1/devices/me/telemetry", THINGSBOARD.body) == ["no_device"]


def test_a_gateway_says_who_comes_and_goes() -> None:
    assert items("v1/gateway/connect", {"device": "a"}) == [StatusItem("a", online=True)]
    assert items("v1/gateway/disconnect", {"device": "a"}) == [StatusItem("a", online=False)]
    assert reasons("v1/gateway/connect", {"device": ""}) == ["no_device"]
    assert reasons(GATEWAY_TOPIC, {}) == ["empty"]


@pytest.mark.parametrize(("code", "mps"), [("KMH", 10.0), ("MTS", 36.0), ("KNT", 18.52), ("HM", 16.09344)])
def test_ngsi_says_its_unit_of_speed(code: str, mps: float) -> None:
    speed = {"type": "Property", "value": 36, "unitCode": code}
    v2 = {"type": "Number", "value": 36, "metadata": {"unitCode": {"type": "Text", "value": code}}}
    for said in (VEHICLE | {"speed": speed}, VEHICLE | {"speed": 36, "unitCode": code}, VEHICLE | {"speed": v2}):
        assert rows(NGSI_LD.topic, said).speed_mps == [pytest.approx(mps)]
    assert rows(NGSI_LD.topic, VEHICLE | {"speed": 36}).speed_mps == [10.0]


@pytest.mark.parametrize(
    "said",
    [
        {"observationDateTime": "2026-05-03T23:30:00Z"},
        {"observationDateTime": {"type": "Property", "value": {"@type": "DateTime", "@value": "2026-05-03T23:30:00Z"}}},
        {"location": {"type": "GeoProperty", "value": POINT, "observedAt": "2026-05-03T23:30:00Z"}},
        {
            "location": {
                "type": "geo:json",
                "value": POINT,
                "metadata": {"TimeInstant": {"type": "DateTime", "value": "2026-05-03T23:30:00Z"}},
            }
        },
        {"modifiedAt": "2026-05-03T23:30:00Z"},
    ],
)
def test_ngsi_says_its_time_in_many_places(said: dict[str, Any]) -> None:
    found = rows(NGSI_LD.topic, VEHICLE | said)
    assert (found.ts_ns, found.lon, found.lat) == ([TS_NS], [LON], [LAT])


def test_a_fleets_status_is_that_of_its_vehicle() -> None:
    status = {
        "id": "urn:ngsi-ld:FleetVehicleStatus:16ea1c5c",
        "type": "FleetVehicleStatus",
        "fleetVehicle": {"type": "Relationship", "object": "urn:ngsi-ld:FleetVehicle:truck:9"},
        "lastKnownPosition": {"type": "Point", "coordinates": [LON, LAT, 372]},
        "lastKnownPositionUpdatedAt": "2026-05-03T23:30:00Z",
        "inRestrictedArea": True,
    }
    found = rows(NGSI_LD.topic, [status])
    assert (found.device_id, found.alt_m, found.extra) == (["truck-9"], [372], [{"restricted": True}])
    assert items(NGSI_LD.topic, status | {"type": "WasteContainer"}) == [Passed("entity_type")]
    assert items(NGSI_LD.topic, VEHICLE | {"location": None}) == [Passed("no_position")]
    assert reasons(NGSI_LD.topic, VEHICLE | {"id": ""}) == ["no_device"]


def test_only_a_message_with_an_alarm_goes_first() -> None:
    forms = Forms(CodecKnobs(), "vehicle")
    for sample in (TRACCAR, OSMAND, THINGSBOARD, OWNTRACKS):
        codec = forms.of(sample.topic)
        assert codec is not None
        assert codec.urgent(sample.message()) is (b"alarm" in sample.payload)
        assert not codec.urgent(RawMessage(sample.topic, b"{}", 1))


def test_what_is_kept_beside_a_position_can_be_stored_and_never_costs_it() -> None:
    more = {"odometer": "far", "batteryLevel": 10**30, "power": True, "driverUniqueId": "\0", "motion": {"a": 1}}
    assert rows(TRACCAR.topic, forwarded(attributes=more)).extra == [None]
    large = {"odometer": 10**400, "motion": 10**400, "driverUniqueId": 10**30}
    assert rows(TRACCAR.topic, forwarded(attributes=large)).extra == [None]
    assert rows(DEVICE_TOPIC, WHERE | {"alt_m": 372}).extra == [None]


def test_numbers_and_names_beyond_reason_cost_one_dead_letter() -> None:
    digits = b'{"lat":1,"lon":' + b"9" * 4000 + b"}"
    assert reasons(DEVICE_TOPIC, digits) == ["type"]
    assert reasons(NGSI_LD.topic, VEHICLE | {"id": "x" * 201}) == ["no_device"]
    assert len(rows(DEVICE_TOPIC, WHERE | {f"tank{n}_l": n for n in range(99)}).extra[0] or {}) == 32


def test_a_gateways_message_of_many_strangers_is_not_kept_once_for_each() -> None:
    body = {f"truck {number}": [{"ts": TS_S * 1000, "values": {"lat": LAT, "lon": LON}}] for number in range(100)}
    sent = RawMessage(GATEWAY_TOPIC, json.dumps(body).encode(), NOW_NS)
    found = FORMS.decode([sent], {}, FORMS.foreign.begin(), NOW_NS)
    assert [letter.reason for letter in found.dead_letters] == ["unknown_device"] * WHOLE_MAX
    assert found.ignored == {"unknown_device": 100 - WHOLE_MAX}
