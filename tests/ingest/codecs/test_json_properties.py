"""Whatever is published in a form out of JSON: nothing raises, every item is one, and what was said comes out."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.codecs.base import Item, Passed, PositionItem, Refusal, StatusItem
from schemas.position import PositionRows, RawMessage
from tests.ingest.codecs.json_case import (
    FORMS,
    MAPPED,
    NGSI_LD,
    NOW_NS,
    OSMAND,
    OWNTRACKS,
    RULES,
    SAMPLES,
    THINGSBOARD,
    TRACCAR,
    TS_S,
    rows,
)

ITEMS = (PositionItem, StatusItem, Refusal, Passed)
TOPICS = st.sampled_from([sample.topic for sample in SAMPLES] + ["v1/gateway/connect", "owntracks/a/b/event"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=80)
    | st.sampled_from([TS_S, TS_S * 1000, "2026-05-03T23:30:00Z", "location", "Vehicle", "\0", 10**400, -1, "1e5"])
)


def keys_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value} | {key for inner in value.values() for key in keys_of(inner)}
    return {key for inner in value for key in keys_of(inner)} if isinstance(value, list) else set()


KEYS = st.sampled_from(sorted(set.union(*(keys_of(sample.body) for sample in SAMPLES)) | {"value", "object"}))
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12
)


def stepped(topic: str, payload: bytes) -> list[Item]:
    """Items of a message, the same at a second time, without a defect of the codec's own."""
    forms = FORMS.foreign
    state, message = forms.begin(), RawMessage(topic, payload, NOW_NS)
    codec = forms.of(topic)
    assert codec is not None
    before = state[codec.name]
    after, found = codec.step(before, message, NOW_NS)
    assert codec.step(before, message, NOW_NS) == (after, found)
    assert found
    assert [item for item in found if not isinstance(item, ITEMS)] == []
    return found


def storable(topic: str, payload: bytes) -> None:
    """What comes of a message as rows can be stored, and is counted once."""
    found = FORMS.decode([RawMessage(topic, payload, NOW_NS)], RULES, FORMS.foreign.begin(), NOW_NS)
    table = found.rows
    assert {len(getattr(table, name)) for name in PositionRows.__dataclass_fields__} == {len(table)}
    texts = json.dumps([table.boot, table.alarms, table.extra], allow_nan=False)
    assert "\\u0000" not in texts
    assert [speed for speed in table.raw_speed if speed is not None and abs(speed) > 1e6] == []
    assert [
        place for place in zip(table.lon, table.lat, strict=True) if abs(place[0]) > 180 or abs(place[1]) > 90
    ] == []


@given(TOPICS, st.binary(max_size=300))
def test_any_bytes_end_as_items(topic: str, payload: bytes) -> None:
    stepped(topic, payload)
    storable(topic, payload)


@given(TOPICS, JSON)
@settings(max_examples=200)
def test_any_json_ends_as_items(topic: str, document: object) -> None:
    payload = json.dumps(document).encode()
    stepped(topic, payload)
    storable(topic, payload)


def mutated(value: Any, draw: st.DrawFn) -> Any:  # noqa: ANN401
    """The same JSON with one value somewhere inside replaced, one key gone, or one doubled."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        if not draw(st.integers(0, 5)):
            return {name: inner for name, inner in value.items() if name != key}
        return value | {key: mutated(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        return [mutated(value[0], draw), *value]
    return draw(JSON)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    sample = draw(st.sampled_from(SAMPLES))
    body = sample.body
    for _ in range(draw(st.integers(1, 3))):
        body = mutated(body, draw)
    payload = json.dumps(body).encode()
    if draw(st.booleans()):
        at = draw(st.integers(0, len(payload) - 1))
        payload = payload[:at] + draw(st.binary(max_size=3)) + payload[at + draw(st.integers(0, 2)) :]
    return sample.topic, payload


@given(damaged())
@settings(max_examples=300)
def test_a_damaged_message_ends_as_items(sent: tuple[str, bytes]) -> None:
    stepped(*sent)
    storable(*sent)


LONS, LATS = st.floats(-180, 180), st.floats(-90, 90)
SPEEDS, HEADINGS, TIMES = st.floats(0, 250), st.floats(0, 359.9), st.integers(TS_S - 86_400, TS_S)


@given(LONS, LATS, SPEEDS, HEADINGS, TIMES)
def test_what_was_said_in_si_comes_out_of_every_form(
    lon: float, lat: float, speed_mps: float, heading: float, ts_s: int
) -> None:
    place, course = {"lat": lat, "lon": lon}, {"bearing": heading}
    kmh, knots = speed_mps * 3.6, speed_mps * 3600 / 1852
    moved = TRACCAR.body["position"] | {"latitude": lat, "longitude": lon, "speed": knots, "course": heading}
    coords = {"latitude": lat, "longitude": lon, "speed": speed_mps, "heading": heading}
    entity = {
        "id": "urn:ngsi-ld:Vehicle:v",
        "type": "Vehicle",
        "location": {"type": "Point", "coordinates": [lon, lat]},
        "speed": {"type": "Property", "value": speed_mps, "unitCode": "MTS"},
        "observationDateTime": ts_s * 1000,
    }
    point = {"pos": [repr(lon * 1e7), lat * 1e7], "time": ts_s, "v": str(knots), "dir": heading}
    bodies = (
        (OWNTRACKS.topic, {"_type": "location", "tst": ts_s, "vel": kmh, "cog": heading} | place),
        (TRACCAR.topic, TRACCAR.body | {"position": moved | {"fixTime": ts_s * 1000}}),
        (OSMAND.topic, {"location": {"timestamp": ts_s * 1000, "coords": coords}}),
        (THINGSBOARD.topic, {"ts": ts_s * 1000, "values": {"speed": kmh} | place | course}),
        (NGSI_LD.topic, entity | course),
        *(((MAPPED.topic, {"data": {"points": [point]}}),) if abs(lon) > 1e-6 else ()),
    )
    for topic, body in bodies:
        found = rows(topic, body)
        assert found.ts_ns == [ts_s * 1_000_000_000], topic
        assert found.lon == [pytest.approx(lon, abs=1e-9)], topic
        assert found.lat == [pytest.approx(lat, abs=1e-9)], topic
        assert found.speed_mps == [pytest.approx(speed_mps, rel=1e-12, abs=1e-12)], topic
        assert found.heading_deg == [pytest.approx(heading)], topic
