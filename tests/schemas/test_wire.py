"""The schemas of the wire take what the documentation promises and refuse the rest."""

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator

NAMES = ("frame", "position", "incident")
POSITION: dict[str, Any] = {"ts": "2026-05-04T07:30:00+08:00", "lon": 104.6427, "lat": 30.1218}


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(resources.files("schemas.wire").joinpath(f"{name}.v1.json").read_text("utf-8"))
    return loaded


def accepts(name: str, document: object) -> bool:
    return Draft202012Validator(schema(name)).is_valid(document)


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_is_one_and_takes_its_own_examples(name: str) -> None:
    document = schema(name)
    Draft202012Validator.check_schema(document)
    assert document["examples"]
    assert [example for example in document["examples"] if not accepts(name, example)] == []


@pytest.mark.parametrize(
    ("metadata", "valid"),
    [
        ({}, True),
        ({"ts": "1777851000250"}, True),
        ({"ts": "2026-05-04T07:30:00Z", "seq": "1", "boot": "b", "preset": "", "sha256": "ab" * 32}, True),
        ({"camera_model": "x"}, True),
        ({"ts": "2026-05-04T07:30:00"}, False),
        ({"ts": "1777851000"}, False),
        ({"ts": 1777851000250}, False),
        ({"seq": "-1"}, False),
        ({"seq": "1.0"}, False),
        ({"boot": "a b"}, False),
        ({"sha256": "ab"}, False),
        ([], False),
    ],
)
def test_frame_metadata(metadata: object, valid: bool) -> None:
    assert accepts("frame", metadata) == valid


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"ts": 1777851000000}, True),
        ({"ts": "2026-05-04T07:30:00.123456789Z"}, True),
        ({"seq": 0, "boot": "k-3", "sat": 11, "speed_kmh": 0, "heading_deg": 360, "acc_m": 2.5, "alt_m": -3}, True),
        ({"ignition": True, "lift": False, "cover": None, "load": 0.4, "alarms": []}, True),
        ({"crs": "gcj02"}, True),
        ({"vendor": {"x": 1}}, True),
        ({"ts": "2026-05-04 07:30:00"}, False),
        ({"ts": "yesterday"}, False),
        ({"ts": 0}, False),
        ({"ts": 1777851000.5}, False),
        ({"lon": 180.5}, False),
        ({"lat": -90.01}, False),
        ({"lat": "30.1"}, False),
        ({"lat": None}, False),
        ({"lat": True}, False),
        ({"crs": "epsg:4326"}, False),
        ({"speed_kmh": -1}, False),
        ({"heading_deg": 361}, False),
        ({"seq": -1}, False),
        ({"seq": "7"}, False),
        ({"lift": 1}, False),
        ({"alarms": "sos"}, False),
    ],
)
def test_a_position_alone_and_in_an_array(change: dict[str, Any], valid: bool) -> None:
    assert accepts("position", POSITION | change) == valid
    assert accepts("position", [POSITION, POSITION | change]) == valid


@pytest.mark.parametrize("document", [[], None, 3, "x", {}, {"lon": 1.0}, [[POSITION]]])
def test_what_is_no_position_is_refused(document: object) -> None:
    assert not accepts("position", document)


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"closed_at": "2026-05-04T01:00:00+00:00", "state": "gone"}, True),
        ({"cell_id": ""}, True),
        ({"evidence": {"before": "ab" * 32, "opening": "cd" * 32}}, True),
        ({"state": "open"}, False),
        ({"family": "litter"}, False),
        ({"class_code": "51200206010"}, False),
        ({"opened_at": "2026-05-04T08:00:00+08:00"}, False),
        ({"box_px": [1, 2, 3]}, False),
        ({"confidence": 1.1}, False),
        ({"evidence": {"before": None}}, False),
        ({"surprise": 1}, False),
    ],
)
def test_an_incident(change: dict[str, Any], valid: bool) -> None:
    (example,) = schema("incident")["examples"]
    assert accepts("incident", example | change) == valid


def test_an_incident_needs_its_evidence() -> None:
    (example,) = schema("incident")["examples"]
    for key in schema("incident")["required"]:
        assert not accepts("incident", {name: value for name, value in example.items() if name != key})
