"""A picture in another form than ours comes into its camera's slot, or is one dead letter."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.codecs import CodecKnobs
from ingest.codecs.base import Item
from ingest.codecs.picture import bare, device_in
from ingest.codecs.rows import RefusedError
from ingest.pictures import PictureForms
from schemas.position import RawMessage
from tests.ingest.codecs.picture_case import NOW_NS, PICTURE, Bench

BASE64 = base64.b64encode(PICTURE)
LINES = base64.encodebytes(PICTURE).replace(b"\n", b"\r\n")
URI = b"data:image/jpeg;base64," + BASE64
OURS = "city/v1/test/camera/gate/frame"
TOPICS = ["homeassistant/camera/north/image", "esp32/gate/image", "frigate/north/person/snapshot", OURS]


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(
    "payload", [PICTURE, BASE64, LINES, b"  " + BASE64 + b"\n", URI, b"DATA:image/jpg;charset=x;base64," + LINES]
)
def test_a_picture_comes_bare_as_base64_or_as_a_data_uri_on_every_topic(topic: str, payload: bytes) -> None:
    bench = Bench()
    bench.send(topic, payload, ts="2026-02-02T02:40:00Z", seq="4", boot="b")
    (frame,) = bench.frames()
    assert (frame.camera_id, frame.jpeg, frame.seq, frame.boot, frame.stamped) == ("gate", PICTURE, 4, "b", True)
    assert (bench.told, bench.letters()) == (["processed"], [])
    assert bench.meter.counts["messages_received"] == bench.meter.counts["frames_received"] == 1
    assert bench.balanced()


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (BASE64[:-1], "base64"),
        (BASE64[:40] + b"*" + BASE64[40:], "base64"),
        (URI[:-3] + b"===", "base64"),
        (b"data:image/jpeg," + PICTURE, "format"),
        (b"data:image/png;base64," + BASE64, "format"),
        (b"data:" + b"x" * 500, "format"),
        (b"https://camera/now.jpg", "format"),
        (b"no picture", "format"),
        (b"data:image/jpeg;base64,aGVsbG8=", "format"),
        (base64.b64encode(PICTURE[:300]), "truncated"),
    ],
)
def test_what_is_no_picture_is_one_dead_letter(topic: str, payload: bytes, reason: str) -> None:
    bench = Bench()
    bench.send(topic, payload)
    assert bench.frames() == []
    assert [(letter.reason, letter.device_id, letter.topic) for letter in bench.letters()] == [(reason, "gate", topic)]
    assert bench.told == [f"rejected:{reason}"]
    assert bench.balanced()


def test_the_digest_is_that_of_the_picture_however_it_is_wrapped() -> None:
    bench = Bench()
    bench.send(OURS, BASE64, sha256="0" * 64)
    assert [letter.reason for letter in bench.letters()] == ["sha256"]


@pytest.mark.parametrize("topic", [*TOPICS, "nobody/reads/this"])
def test_what_is_too_large_is_not_even_decoded(topic: str) -> None:
    bench = Bench()
    bench.send(topic, b"/9j/" + b"A" * 3_000_000)
    bench.send(topic, b"/9j/" + b"A" * 2_900_000)
    first = bench.letters()[0]
    assert (first.reason, first.detail) == ("size", "3000004 bytes")  # of the text, not of what it would decode to
    assert bench.meter.counts["frames_rejected"] == 2
    assert bench.balanced()


@pytest.mark.parametrize("device", ["stranger", "truck", "%2e%2e", "a b'; drop"])
def test_a_camera_that_is_not_registered_is_a_dead_letter_with_its_clean_name(device: str) -> None:
    bench = Bench()
    bench.send(f"frigate/{device}/car/snapshot", PICTURE)
    (letter,) = bench.letters()
    assert (letter.reason, letter.payload) == ("unknown_device", PICTURE[:4096])
    assert set(letter.device_id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert letter.detail == f"frigate:{device}"  # the alias by which it can be accepted
    assert bench.balanced()


def test_a_topic_that_nobody_reads_is_a_dead_letter() -> None:
    bench = Bench()
    bench.send("frigate/north/person/clip", PICTURE)
    bench.send("city/v1/test/camera/gate/picture", PICTURE)
    assert [letter.reason for letter in bench.letters()] == ["topic", "topic"]
    assert bench.balanced()


@pytest.mark.parametrize(("payload", "online"), [(b"online", True), (b"offline", False), (b"disabled", False)])
def test_frigate_says_whether_a_camera_is_there(payload: bytes, online: bool) -> None:
    bench = Bench()
    bench.send("frigate/north/status/detect", payload)
    assert bench.present == [("gate", online)]
    assert bench.meter.counts["frames_received"] == 0


def test_a_state_that_says_nothing_is_counted_as_ignored() -> None:
    bench = Bench()
    bench.send("frigate/north/status/detect", b"perhaps")
    bench.send("frigate/stranger/status/detect", b"online")
    bench.send("frigate/truck/status/detect", b"online")
    assert bench.present == []
    assert bench.meter.counts["messages_ignored:unknown_state"] == 1
    assert bench.meter.counts["messages_ignored:unknown_device"] == 2


def test_other_topics_are_read_where_the_configuration_says_so() -> None:
    knobs = CodecKnobs(topics={"home_assistant": ("yard/gate",), "data_uri": ("boards/#",), "frigate": ()})
    forms = PictureForms(knobs)
    assert {"yard/gate", "boards/#"} <= set(forms.filters)
    assert not any(topic.startswith(("frigate", "homeassistant")) for topic in forms.filters)
    bench = Bench(knobs)
    bench.send("boards/gate", PICTURE)
    bench.send("frigate/north/person/snapshot", PICTURE)
    assert [frame.camera_id for frame in bench.frames()] == ["gate"]
    assert [letter.reason for letter in bench.letters()] == ["topic"]


@pytest.mark.parametrize(
    ("filters", "topic", "device"),
    [
        ([], "", ""),
        (["a/+/c"], "a/gate/c", "gate"),
        (["a/+/+/c"], "a/gate/x/c", "gate"),
        (["x/y", "a/#"], "a/gate/2", "gate-2"),
        (["ring/9/image"], "ring/9/image", "ring-9-image"),
        (["a/+"], "a/京A 1", "京A 1"),  # an alias says whose it is
    ],
)
def test_the_camera_is_what_the_first_wildcard_stands_for(filters: list[str], topic: str, device: str) -> None:
    assert device_in(filters, topic) == device


def _spoiled(whole: bytes) -> st.SearchStrategy[bytes]:
    at = st.integers(0, len(whole))
    return st.tuples(at, at, st.binary(max_size=8)).map(lambda cut: whole[: cut[0]] + cut[2] + whole[cut[1] :])


@given(st.one_of(st.binary(), st.sampled_from([BASE64, URI, PICTURE]).flatmap(_spoiled)))
def test_any_bytes_are_read_without_an_error_and_end_once(payload: bytes) -> None:
    for topic in TOPICS:
        bench = Bench()
        bench.send(topic, payload)
        assert bench.meter.counts["frames_received"] == 1
        assert len(bench.frames()) + len(bench.letters()) == 1
        assert bench.balanced()


@given(st.binary(max_size=200), st.integers(1, 90), st.sampled_from([b"\n", b"\r\n", b" "]))
def test_base64_comes_back_wherever_its_lines_break(rest: bytes, width: int, between: bytes) -> None:
    whole = b"\xff\xd8\xff" + rest
    text = base64.b64encode(whole)
    lines = between.join(text[at : at + width] for at in range(0, len(text), width))
    # What it begins with tells base64 from what the gate will refuse.
    assert bare(lines) == (whole if width > 2 else lines)
    assert bare(b"data:image/jpeg;base64," + lines) == whole


def test_a_wrapped_picture_is_never_longer_than_it_came() -> None:
    for payload in (PICTURE, BASE64, LINES, URI):
        assert len(bare(payload)) <= len(payload)
    with pytest.raises(RefusedError):
        bare(b"")


def test_a_codec_never_sees_the_time_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def step(_self: object, state: object, _message: RawMessage, now_ns: int) -> tuple[object, list[Item]]:
        seen.append(now_ns)
        return state, []

    monkeypatch.setattr("ingest.codecs.picture.PictureCodec.step", step)
    forms = PictureForms(CodecKnobs())
    for received_ns in (5, 9, 7, 11):
        forms.read(RawMessage(TOPICS[0], PICTURE, received_ns))
    assert seen == [5, 9, 9, 11]


def test_a_defect_of_a_codec_costs_one_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> str:
        raise ValueError

    monkeypatch.setattr("ingest.codecs.picture.device_in", broken)
    forms = PictureForms(CodecKnobs())
    found = forms.read(RawMessage(TOPICS[0], PICTURE, NOW_NS))
    assert [getattr(read.item, "reason", "") for read in found or ()] == ["failed"]
