"""Unknown JSON, mapped by declaration: paths, units, tables of values, and text for numbers."""

import re
import tomllib
from math import radians
from pathlib import Path
from typing import Any

import pytest

from config.codecs import CodecKnobs, FieldKnobs, MappingKnobs
from ingest.codecs.base import PositionItem, Refusal
from ingest.forms import Forms, load_codecs
from schemas.errors import ConfigError
from schemas.flags import NO_FIX
from schemas.position import RawMessage
from tests.ingest.codecs.json_case import LAT, LON, MAPPED, TS_NS, TS_S, items, reasons, rows

PAGE = (Path(__file__).parents[3] / "docs" / "codecs.md").read_text(encoding="utf-8")


def knobs(device: str = "topic:1", /, **fields: dict[str, Any]) -> CodecKnobs:
    """One mapping with a place and some fields more."""
    place = {"lon": {"path": "x"}, "lat": {"path": "y"}}
    read = {name: FieldKnobs(**field) for name, field in (place | fields).items()}
    return CodecKnobs(mapping=(MappingKnobs(name="acme", topics=("acme/+",), device=device, fields=read),))


def said(key: str, value: object, name: str, **field: Any) -> Any:  # noqa: ANN401
    """What a row's column holds of one more field of a message."""
    made = rows("acme/t", {"x": LON, "y": LAT, "v": value}, knobs("topic:1", **{name: {"path": "v"} | field}))
    return getattr(made, key)[0]


def refused(value: object, name: str, **field: Any) -> list[str]:  # noqa: ANN401
    return reasons("acme/t", {"x": LON, "y": LAT, "v": value}, knobs("topic:1", **{name: {"path": "v"} | field}))


def test_no_mapping_makes_no_form() -> None:
    assert Forms(CodecKnobs(enabled=()), "vehicle").filters == ()
    assert "acme/+" in Forms(knobs(), "vehicle").filters


@pytest.mark.parametrize(
    ("name", "unit", "value", "key", "wanted"),
    [
        ("speed", "kmh", 36, "speed_mps", 10.0),
        ("speed", "mps", "10", "speed_mps", 10.0),
        ("speed", "knots", 10, "speed_mps", 5.144444444444445),
        ("speed", "mph", 10, "speed_mps", 4.4704),
        ("heading", "", "271.5", "heading_deg", 271.5),
        ("heading", "rad", radians(90), "heading_deg", 90.0),
        ("alt", "", 372, "alt_m", 372.0),
        ("alt", "ft", 1000, "alt_m", 304.8),
        ("acc", "km", 0.005, "acc_m", 5.0),
        ("load", "percent", 50, "load", 0.5),
        ("sat", "", "9", "sat", 9),
        ("sat", "", 9.0, "sat", 9),
        ("seq", "", 77, "seq", 77),
        ("boot", "", 5, "boot", "5"),
        ("ignition", "", "1", "ignition", True),
        ("lift", "", "False", "lift", False),
        ("cover", "", 0, "cover", False),
        ("fix", "", 0, "flags", NO_FIX | 1),
        ("alarms", "", "sos, tow", "alarms", ("sos", "tow")),
        ("alarms", "", ["sos"], "alarms", ("sos",)),
        ("alarm_sos", "", 1, "alarms", ("sos",)),
        ("alarm_sos", "", 0, "alarms", ()),
        ("extra_fuel_l", "", 80.5, "extra", {"fuel_l": 80.5}),
        ("ts", "s", TS_S, "ts_ns", TS_NS),
        ("ts", "s", str(TS_S), "ts_ns", TS_NS),
        ("ts", "ms", TS_S * 1000, "ts_ns", TS_NS),
        ("ts", "", "2026-05-03T23:30:00Z", "ts_ns", TS_NS),
        ("ts", "+08:00", "2026-05-04 07:30:00", "ts_ns", TS_NS),
        ("ts", "+08:00", "2026-05-03T23:30:00Z", "ts_ns", TS_NS),
    ],
)
def test_a_field_is_read_in_its_unit(name: str, unit: str, value: object, key: str, wanted: object) -> None:
    found = said(key, value, name, unit=unit)
    assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("heading", "north", "type"),
        ("heading", "nan", "type"),
        ("heading", "1_0", "type"),
        ("heading", [1], "type"),
        ("alt", "1e999", "range"),
        ("sat", 9.5, "type"),
        ("sat", True, "type"),
        ("boot", 1.5, "type"),
        ("ignition", "maybe", "type"),
        ("ignition", 2, "type"),
        ("alarms", 1, "type"),
        ("ts", True, "type"),
        ("ts", "2026-05-03T23:30:00", "tz"),
    ],
)
def test_what_is_no_value_of_its_field_is_refused(name: str, value: object, reason: str) -> None:
    assert refused(value, name) == [reason]


def test_null_and_what_is_not_there_are_not_said() -> None:
    assert said("heading_deg", None, "heading") is None
    assert said("heading_deg", 5, "heading", values={"4": 90.0}) is None
    assert reasons("acme/t", {"x": LON}, knobs()) == ["type"]
    assert reasons("acme/t", {"x": LON, "y": None}, knobs()) == ["type"]


@pytest.mark.parametrize(("value", "wanted"), [("up", True), (1, True), (1.0, True), (False, False), ("none", None)])
def test_a_table_says_what_values_mean(value: object, wanted: bool | None) -> None:
    assert said("lift", value, "lift", values={"up": True, "1": True, "false": False}) is wanted


@pytest.mark.parametrize("pair", [f"{LAT},{LON}", f" {LAT} , {LON} ", [LAT, LON], [str(LAT), LON, 372]])
def test_both_coordinates_may_stand_in_one(pair: object) -> None:
    fields = {"latlon": FieldKnobs(path="p")}
    mapping = MappingKnobs(name="acme", topics=("acme/+",), device="topic:1", fields=fields)
    found = rows("acme/t", {"p": pair}, CodecKnobs(mapping=(mapping,)))
    assert (found.lon, found.lat) == ([LON], [LAT])
    for bad in ("30.1", [LAT, None], [], 3, {"lat": LAT}):
        assert reasons("acme/t", {"p": bad}, CodecKnobs(mapping=(mapping,))) == ["type"]


def test_a_path_leads_through_keys_indices_and_dots() -> None:
    body = {"x": LON, "y": LAT, "io.239": [{"deep": 1}]}
    assert rows("acme/t", body, knobs(ignition={"path": r"io\.239.0.deep"})).ignition == [True]
    for path in ("io", "x.y", r"io\.239.9.deep", r"io\.239.-1.deep", r"io\.239.deep"):
        assert rows("acme/t", body, knobs(ignition={"path": path})).ignition == [None]


def test_a_device_is_named_by_topic_or_path() -> None:
    assert rows("acme/t-9", {"x": LON, "y": LAT}, knobs()).device_id == ["t-9"]
    assert rows("acme/t-9", {"x": LON, "y": LAT, "id": {"imei": 86}}, knobs("path:id.imei")).device_id == ["86"]
    assert reasons("acme/t-9", {"x": LON, "y": LAT}, knobs("path:id.imei")) == ["no_device"]


def test_one_bad_item_of_an_array_costs_none_of_its_neighbours() -> None:
    good = MAPPED.body["data"]["points"][0]
    found = items(MAPPED.topic, {"data": {"points": [good, {"pos": []}, 3, good]}})
    assert [type(item) for item in found] == [PositionItem, Refusal, Refusal, PositionItem]
    assert [(item.reason, item.device) for item in found if isinstance(item, Refusal)] == [("type", "truck-9")] * 2
    assert reasons(MAPPED.topic, {"data": {"points": []}}) == ["empty"]
    assert reasons(MAPPED.topic, {"data": {}}) == ["type"]


def test_coordinates_are_those_of_the_mapping_where_the_registry_leaves_it_open() -> None:
    (item,) = items(MAPPED.topic, MAPPED.body)
    assert isinstance(item, PositionItem)
    assert item.crs == "gcj02"


def test_an_alarm_of_a_mapping_goes_first() -> None:
    codec = Forms(knobs(alarm_sos={"path": "v.btn"}), "vehicle").of("acme/t")
    assert codec is not None
    assert codec.urgent(RawMessage("acme/t", b'{"v":{"btn":1}}', 1))
    assert not codec.urgent(RawMessage("acme/t", b"{}", 1))


def test_a_mapping_does_not_take_the_name_of_a_codec() -> None:
    fields = {"lonlat": FieldKnobs(path="p")}
    mapping = MappingKnobs(name="traccar", topics=("acme/+",), device="topic:1", fields=fields)
    with pytest.raises(ConfigError, match=re.escape("codecs.mapping[0].name = traccar")):
        load_codecs(CodecKnobs(mapping=(mapping,)))


@pytest.mark.parametrize(
    ("name", "topic", "body", "device_id"),
    [
        (
            "mqtt_json",
            "location/ann",
            {"latitude": LAT, "longitude": LON, "gps_accuracy": 4.2, "battery_level": 88},
            "ann",
        ),
        (
            "iota_json",
            "json/key/sweeper/attrs",
            {"lat": LAT, "lon": str(LON), "TimeInstant": "2026-05-03T23:30:00Z", "speed": 36},
            "sweeper",
        ),
        (
            "teltonika",
            "352093081452251/data",
            {"state": {"reported": {"latlng": f"{LAT},{LON}", "ts": TS_S * 1000, "sp": 36, "239": 1, "236": 1}}},
            "352093081452251",
        ),
    ],
)
def test_the_mappings_of_the_page_read_what_they_are_for(name: str, topic: str, body: object, device_id: str) -> None:
    shown = next(part for part in PAGE.split("```toml\n") if f'name = "{name}"' in part).split("```")[0]
    (table,) = tomllib.loads(shown)["codecs"]["mapping"]
    found = rows(topic, body, CodecKnobs(mapping=(MappingKnobs(**table),)))
    assert (found.device_id, found.lon, found.lat) == ([device_id], [LON], [LAT])
