"""Whose topic it is: the device's whose level it has, whatever the message says of itself."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.codecs import CodecKnobs
from ingest.codecs.base import DEVICE_MAX, Item, Passed, PictureItem, PositionItem, Refusal, StatusItem
from ingest.forms import Forms, PositionForms, load_codecs
from ingest.owners import Owners, Place, device_level, own_level
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.position import PositionRows, RawMessage
from tests.ingest.codecs.json_case import GATEWAY, LAT, LON, MAPPING, NOW_NS, OSMAND
from tests.ingest.codecs.picture_case import PICTURE, Bench

CODECS = {codec.name: codec for codec in load_codecs(CodecKnobs(mapping=(MAPPING,)))}
OSMAND_FORM, CAMERA_FORM = CODECS["osmand"], CODECS["home_assistant"]
A, B = DeviceRule("truck-a", "vehicle"), DeviceRule("truck-b", "vehicle")
RULES = {"truck-a": A, "truck-b": B, "osmand:imei-a": A, "osmand:imei-b": B}
OWN = Place(OSMAND_FORM, ("truck-a",))


def position(device: str) -> PositionItem:
    return PositionItem(device=device, raw=device.encode(), lon=LON, lat=LAT)


def test_a_topic_of_no_form_has_no_owner() -> None:
    assert device_level((), "a/b") == ""
    assert device_level(("a/+",), "b/a") == ""
    assert Owners(()).of("a/b") == ()
    assert OWN.judged([], RULES) == []


@pytest.mark.parametrize(
    ("codec", "pattern", "level"),
    [
        ("osmand", "osmand/+", 1),
        ("osmand", "osmand", None),
        ("osmand", "osmand/#", None),
        ("traccar", "gps/+/+", 1),
        ("frigate", "frigate/+/+/snapshot", None),  # one user speaks for all its cameras
        ("thingsboard_gateway", "tb/+/telemetry", None),
        ("acme", "+/+/gps", 1),  # as the description says, not the first
        ("acme", "acme/x/gps", None),
        ("acme", "acme", None),
    ],
)
def test_a_devices_own_level_is_the_first_wildcard_or_what_the_form_says(
    codec: str, pattern: str, level: int | None
) -> None:
    assert own_level(CODECS[codec], pattern) == level


@pytest.mark.parametrize("device", ["truck-a", "imei-a"])
def test_a_device_may_call_itself_by_its_topics_name_or_by_an_alias(device: str) -> None:
    assert OWN.judged([position(device)], RULES) == [position(device)]


@pytest.mark.parametrize("device", ["truck-b", "imei-b"])
@pytest.mark.parametrize("make", [position, lambda name: StatusItem(name, online=True)])
def test_what_is_another_devices_is_refused_in_the_name_of_the_topic(device: str, make: Any) -> None:  # noqa: ANN401
    assert OWN.judged([make(device)], RULES) == [
        Refusal("truck-a", "spoof", f"{device!r} on the topic of 'truck-a'"),
    ]


def test_a_refusal_is_no_blot_on_another_device() -> None:
    assert OWN.judged([Refusal("truck-b", "json", "x")], RULES) == [Refusal("truck-a", "json", "x")]
    assert OWN.judged([Refusal("", "json"), Passed("heartbeat")], RULES) == [Refusal("", "json"), Passed("heartbeat")]


def test_a_picture_of_another_camera_is_refused_known_or_not() -> None:
    place = Place(CAMERA_FORM, ("gate",))
    assert place.judged([PictureItem("gate", PICTURE)], {}) == [PictureItem("gate", PICTURE)]
    (refused,) = place.judged([PictureItem("other", PICTURE)], {})
    assert isinstance(refused, Refusal)
    assert (refused.device, refused.reason) == ("gate", "spoof")


def test_an_unknown_id_is_offered_to_the_operator_and_a_second_one_of_the_message_is_not() -> None:
    items = OWN.judged([position("new"), position("new"), position("newer"), position("newest")], RULES)
    assert items[:2] == [position("new")] * 2
    assert items[2:] == [Refusal("truck-a", "spoof", "'newer' on the topic of 'truck-a'")]


def test_many_positions_of_others_are_one_dead_letter() -> None:
    items = OWN.judged([position("truck-b")] * 1000 + [position("imei-b"), position("truck-a")], RULES)
    assert [type(item) for item in items] == [Refusal, PositionItem]


def test_a_gateway_speaks_for_every_device() -> None:
    items: list[Item] = [position("truck-a"), position("truck-b"), position("stranger")]
    assert Place(OSMAND_FORM).judged(items, RULES) == items


@pytest.mark.parametrize("place", [Place(OSMAND_FORM), OWN, Place(CAMERA_FORM)])
def test_an_id_that_could_be_no_alias_is_refused(place: Place) -> None:
    long = "7" * (DEVICE_MAX + 1)
    for item in (position(long), PictureItem(long, PICTURE), StatusItem(long, online=True)):
        (refused,) = place.judged([item], RULES)
        assert isinstance(refused, Refusal)
        assert (refused.device, refused.reason) == (place.owners[0] if place.owners else "", "type")
    (kept,) = place.judged([Refusal(long, "json")], RULES)
    assert isinstance(kept, Refusal)
    assert kept.device in ("", "truck-a")


def test_an_id_of_the_longest_kind_can_be_accepted_by_the_alias_its_dead_letter_names() -> None:
    name = "7" * DEVICE_MAX
    (letter,) = stored(GATEWAY.topic, {name: [{"lat": LAT, "lon": LON}]}, RULES).dead_letters
    assert letter.detail == f"thingsboard_gateway:{name}"
    rows = stored(GATEWAY.topic, {name: [{"lat": LAT, "lon": LON}]}, {letter.detail: A}).rows
    assert rows.device_id == ["truck-a"]


def stored(topic: str, body: object, rules: dict[str, DeviceRule], knobs: CodecKnobs | None = None) -> Any:  # noqa: ANN401
    forms = PositionForms(TopicScheme("city/v1", "test"), 300.0, Forms(knobs or CodecKnobs(), "vehicle"))
    message = RawMessage(topic, json.dumps(body).encode(), NOW_NS)
    return forms.decode([message], rules, forms.foreign.begin(), NOW_NS)


def test_a_message_of_another_device_stores_nothing() -> None:
    found = stored("osmand/truck-a", OSMAND.body | {"device_id": "truck-b"}, RULES)
    assert found.rows == PositionRows()
    assert [(letter.device_id, letter.reason) for letter in found.dead_letters] == [("truck-a", "spoof")]


def test_where_filters_overlap_and_two_devices_may_write_nothing_is_read() -> None:
    knobs = CodecKnobs(topics={"home_assistant": ("+/yard",), "osmand": ("gps/+",)})  # of pictures, and of positions
    forms = Forms(knobs, "vehicle")
    stepped = forms.step(forms.begin(), RawMessage("gps/yard", b"{}", NOW_NS), NOW_NS)
    assert stepped is not None
    assert stepped.items == [Refusal("", "spoof", "gps and yard may both write here")]


def test_a_camera_whose_topic_another_form_reads_is_no_other_camera() -> None:
    knobs = CodecKnobs(
        topics={"frigate": ("cams/+/+", "cams/+/status/detect"), "home_assistant": ("cams/gate/+", "+/gate/status/#")}
    )
    bench = Bench(knobs)
    bench.send("cams/gate/other", PICTURE)  # which a camera "other" may write, and Frigate would for "gate"
    bench.send("cams/gate/status/detect", b"offline")  # a camera "cams"
    assert (bench.frames(), bench.present) == ([], [])
    assert [(letter.device_id, letter.reason) for letter in bench.letters()] == [("other", "spoof"), ("cams", "spoof")]
    assert bench.balanced()


@given(st.lists(st.sampled_from(["truck-a", "truck-b", "imei-a", "imei-b", "new", "x" * 65]), max_size=20))
def test_no_item_of_another_known_device_stays_and_none_of_the_owner_is_lost(devices: list[str]) -> None:
    kept = [
        item.device
        for item in OWN.judged([position(one) for one in devices], RULES)
        if not isinstance(item, Refusal | Passed)
    ]
    own = [one for one in devices if one in ("truck-a", "imei-a")]
    assert [one for one in kept if one in RULES or f"osmand:{one}" in RULES] == own
