"""A topic is exactly one of ours, or nobody's."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.codecs import CodecKnobs
from ingest.forms import Forms
from ingest.topics import LEAVES, Topic, TopicScheme, _parse

SCHEME = TopicScheme("city/v1", "yanjiang")
IDS = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
OURS = st.sampled_from([(kind, leaf) for kind, leaves in LEAVES.items() for leaf in leaves])


def test_nothing_is_nobodys() -> None:
    assert SCHEME.parse("") is None


@given(OURS, IDS)
def test_a_topic_names_its_device(ours: tuple[str, str], device_id: str) -> None:
    kind, leaf = ours
    topic = SCHEME.parse(SCHEME.of(kind, device_id, leaf))
    assert topic is not None
    assert (topic.kind, topic.device_id, topic.leaf) == (kind, device_id, leaf)


@pytest.mark.parametrize(
    "topic",
    [
        "city/v1/yanjiang/vehicle/position",
        "city/v1/yanjiang/vehicle/v-1/position/x",
        "city/v1/yanjiang/vehicle//position",
        "city/v1//yanjiang/vehicle/v-1/position",
        "/city/v1/yanjiang/vehicle/v-1/position",
        "city/v1/yanjiang/vehicle/" + "v" * 65_500 + "/position",
        "city/v1/yanjiang/vehicle/" + "v" * 65 + "/position",
        "city/v1/yanjiang/vehicle/../position",
        "city/v1/yanjiang/vehicle/../../etc/position",
        "city/v1/yanjiang/vehicle/%2e%2e/position",
        "city/v1/yanjiang/vehicle/v'; drop table position;--/position",
        "city/v1/yanjiang/vehicle/<script>/position",
        "city/v1/yanjiang/vehicle/v\r\nfake: line/position",
        "city/v1/yanjiang/vehicle/v-1\n/position",
        "city/v1/yanjiang/vehicle/v\u202e1/position",
        "city/v1/yanjiang/vehicle/v\u200b1/position",
        "city/v1/yanjiang/vehicle/\u00e9/position",  # composed
        "city/v1/yanjiang/vehicle/e\u0301/position",  # and decomposed
        "city/v1/yanjiang/vehicle/+/position",
        "city/v1/yanjiang/vehicle/#",
        "$SYS/broker/version",
        "city/v1/yanjiang/vehicle/v-1/ack",  # from us only
        "city/v1/yanjiang/vehicle/v-1/resync",
        "city/v1/yanjiang/vehicle/v-1/frame",  # the other kind's leaf
        "city/v1/yanjiang/camera/c-1/position",
        "city/v1/yanjiang/truck/v-1/position",
        "city/v1/elsewhere/vehicle/v-1/position",
        "city/v2/yanjiang/vehicle/v-1/position",
        "CITY/v1/yanjiang/vehicle/v-1/position",
        "city/v1/yanjiang/vehicle/v\0/position",
    ],
)
def test_what_is_not_exactly_ours_is_nobodys(topic: str) -> None:
    assert SCHEME.parse(topic) is None


@given(st.text() | st.lists(st.sampled_from(["city", "v1", "yanjiang", "vehicle", "v", "", "position"])).map("/".join))
def test_whatever_parses_is_written_the_same_way_again(text: str) -> None:
    topic = SCHEME.parse(text)
    assert topic is None or SCHEME.of(topic.kind, topic.device_id, topic.leaf) == text


def test_long_topics_are_not_remembered() -> None:
    before = _parse.cache_info().currsize
    assert SCHEME.parse("city/v1/yanjiang/vehicle/" + "v" * 65_000 + "/position") is None
    assert _parse.cache_info().currsize == before


def test_long_topics_of_other_forms_are_read_and_not_remembered() -> None:
    forms = Forms(CodecKnobs(), "vehicle")
    assert forms.of("ngsi-ld/" + "v" * 65_000) is forms.of("ngsi-ld/v")
    assert forms._remembered.cache_info().currsize == 1


def test_two_sites_are_told_apart() -> None:
    there = TopicScheme("city/v1", "lezhi")
    assert there.parse(SCHEME.of("camera", "c-1", "frame")) is None
    assert there.parse(there.of("camera", "c-1", "frame")) == Topic("camera", "c-1", "frame")


def test_the_filter_is_a_topic_with_any_device() -> None:
    assert SCHEME.wildcard("camera", "frame") == SCHEME.of("camera", "+", "frame")
