import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.publish_packet import MalformedError, Publish, read_publish

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


def packet(topic: bytes, payload: bytes, properties: bytes = b"\0", *, qos: int = 1, mid: int = 7) -> bytes:
    number = mid.to_bytes(2, "big") if qos else b""
    return len(topic).to_bytes(2, "big") + topic + number + properties + payload


def test_an_empty_body_is_malformed() -> None:
    with pytest.raises(MalformedError):
        read_publish(0x32, b"")


def test_a_message_without_properties() -> None:
    assert read_publish(0x32, packet(b"a/b", b"body")) == Publish("a/b", b"body", 1, False, 7, ())


def test_at_qos_0_there_is_no_number_and_retain_is_told() -> None:
    assert read_publish(0x31, packet(b"a", b"", qos=0)) == Publish("a", b"", 0, True, 0, ())


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5), st.binary(max_size=50), st.booleans())
def test_user_properties_come_out_as_paho_writes_them(
    pairs: list[tuple[str, str]], payload: bytes, others: bool
) -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if pairs:
        properties.UserProperty = pairs
    if others:
        properties.MessageExpiryInterval = 30
        properties.ContentType = "image/jpeg"
        properties.SubscriptionIdentifier = 300
        properties.PayloadFormatIndicator = 1
        properties.CorrelationData = b"\x26\x00"
    written = properties.pack()  # type: ignore[no-untyped-call]
    found = read_publish(0x32, packet(b"t", payload, written))
    assert found == Publish("t", payload, 1, False, 7, tuple(pairs))


def test_a_topic_that_is_no_utf8_is_told_as_none() -> None:
    assert read_publish(0x32, packet(b"\xff\xfe", b"x")).topic is None


@pytest.mark.parametrize(
    ("first", "body"),
    [
        (0x36, packet(b"a", b"")),  # QoS 3
        (0x42, packet(b"a", b"")),  # another kind
        (0x32, b"\x00\x05ab"),
        (0x32, b"\x00\x01a\x00"),
        (0x32, b"\x00\x01a\x00\x01"),
        (0x32, packet(b"a", b"", b"\x05\x26")),
        (0x32, packet(b"a", b"", b"\x03\x26\x00\x09")),
        (0x32, packet(b"a", b"", b"\x01\x7f")),
        (0x32, packet(b"a", b"", b"\x02\x02\x00")),
        (0x32, packet(b"a", b"", b"\xff\xff\xff\xff\xff")),
    ],
)
def test_what_is_cut_or_unknown_is_malformed(first: int, body: bytes) -> None:
    with pytest.raises(MalformedError):
        read_publish(first, body)


@given(st.integers(0, 255), st.binary(max_size=200))
def test_no_bytes_raise_anything_else(first: int, body: bytes) -> None:
    with contextlib.suppress(MalformedError):
        read_publish(first, body)
