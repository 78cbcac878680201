"""A frame message becomes a frame with its own time, or one dead letter."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.frames import read_frame
from schemas.device import DeviceRule
from schemas.errors import FrameError
from schemas.frame import Frame
from schemas.position import RawMessage
from tests.ingest.jpegs import jpeg
from tests.ingest.native_case import NOW_MS, NOW_NS, SECOND_NS

SOUND = jpeg()
DIGEST = hashlib.sha256(SOUND).hexdigest()
WEEK = DeviceRule("c-1", "camera", max_age_s=604_800.0)
ANY_AGE = DeviceRule("c-1", "camera")


def read(properties: dict[str, str], *, payload: bytes = SOUND, rule: DeviceRule = WEEK) -> Frame:
    message = RawMessage("city/v1/yanjiang/camera/c-1/frame", payload, NOW_NS, tuple(properties.items()))
    return read_frame(message, rule, max_bytes=100_000, max_pixels=10_000, future_s=300.0)


def refusal(properties: dict[str, str], *, payload: bytes = SOUND, rule: DeviceRule = WEEK) -> str:
    try:
        read(properties, payload=payload, rule=rule)
    except FrameError as error:
        return error.reason if len(error.detail) < 200 else "a detail without end"
    return ""


def test_a_bare_picture_was_taken_when_it_came_and_says_so() -> None:
    assert read({}) == Frame("c-1", NOW_NS, NOW_NS, SOUND, 64, 48, seq=-1, boot="", preset="", stamped=False)


def test_a_described_picture_keeps_what_its_camera_said() -> None:
    properties = {
        "ts": str(NOW_MS - 250),
        "seq": "41",
        "boot": "b7",
        "preset": "桥",
        "sha256": DIGEST.upper(),
        "x": "y",
    }
    taken_ns = NOW_NS - SECOND_NS // 4
    assert read(properties) == Frame("c-1", taken_ns, NOW_NS, SOUND, 64, 48, seq=41, boot="b7", preset="桥")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"ts": ""}, ""),
        ({"sha256": ""}, ""),
        ({"sha256": DIGEST}, ""),
        ({"sha256": "0" * 64}, "sha256"),
        ({"sha256": "no digest"}, "sha256"),
        ({"ts": "2026-05-04T07:29:59+08:00"}, ""),
        ({"ts": "2026-05-04T07:29:59"}, "tz"),
        ({"ts": "yesterday"}, "ts"),
        ({"ts": str(NOW_MS // 1000)}, "ts"),
        ({"ts": "9" * 5000}, "ts"),
        ({"ts": str(NOW_MS + 299_000)}, ""),
        ({"ts": str(NOW_MS + 301_000)}, "ts_future"),
        ({"ts": str(NOW_MS - 604_800_000)}, ""),
        ({"ts": str(NOW_MS - 604_801_000)}, "ts_too_old"),
        ({"seq": "0"}, ""),
        ({"seq": "9" * 18}, ""),
        ({"seq": "9" * 19}, "seq"),
        ({"seq": "-1"}, "seq"),
        ({"seq": "1.0"}, "seq"),
        ({"seq": "²"}, "seq"),
        ({"seq": "x" * 65_535}, "seq"),
        ({"boot": "b" * 64}, ""),
        ({"boot": "b" * 65}, "text"),
        ({"boot": "\0"}, "text"),
        ({"preset": "p" * 65}, "text"),
        ({"preset": "a\0b"}, "text"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_each_property_is_checked(properties: dict[str, str], reason: str) -> None:
    assert refusal(properties) == reason


def test_a_recording_may_be_of_any_age() -> None:
    old = {"ts": "2017-06-01T12:00:00-04:00"}
    assert refusal(old) == "ts_too_old"
    assert read(old, rule=ANY_AGE).stamped


def test_the_gate_comes_before_the_digest() -> None:
    assert refusal({"sha256": DIGEST}, payload=SOUND[:-2]) == "truncated"
    assert refusal({}, payload=b'{"lon": 1}') == "format"


def test_a_hole_inside_a_picture_is_told_by_its_digest_alone() -> None:  # F06
    holed = SOUND[: len(SOUND) - 60] + bytes(40) + SOUND[len(SOUND) - 20 :]
    assert refusal({}, payload=holed) == ""
    assert refusal({"sha256": DIGEST}, payload=holed) == "sha256"


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["ts", "seq", "boot", "preset", "sha256", "other"]), st.text(max_size=80)))
def test_any_properties_give_a_frame_or_one_reason(properties: dict[str, str]) -> None:
    assert refusal(properties) in {"", "ts", "tz", "ts_future", "ts_too_old", "seq", "text", "sha256"}
