"""What the published schema of a position allows, the codec keeps; a well-described frame likewise."""

import json
from importlib import resources
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ingest.codecs.native import Item
from ingest.codecs.rows import SEQ_MAX
from ingest.frames import read_frame
from schemas.errors import FrameError
from schemas.position import RawMessage
from tests.ingest.jpegs import jpeg
from tests.ingest.native_case import NOW_MS, NOW_NS, RULES, array, decoded, message

BORDERS = [-(10**9), -3600, -180, -1, 0, 1, 64, 180, 360, 361, 1000, 1001, 10**9, 2 * 10**9, SEQ_MAX, SEQ_MAX + 1]
# To JSON Schema 7.0 is an integer; to the codec a counter is written without a point.
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
NUMBERS = st.sampled_from(BORDERS) | st.integers(-10, 2**63) | FRACTIONS
TEXTS = st.sampled_from(["gcj02", "wgs84", "b-1", "", "a b", "\0", "x" * 64, "x" * 65]) | st.text(max_size=70)
VALUES = st.none() | st.booleans() | NUMBERS | TEXTS | st.lists(TEXTS, max_size=66)
TIMES = [NOW_MS, NOW_MS - 1000, "2026-05-03T23:29:00Z", "2026-05-03t23:29:00.5z", "2026-05-04 07:29:00+08:00"]


def validator(name: str) -> Draft202012Validator:
    text = resources.files("schemas.wire").joinpath(f"{name}.v1.json").read_text("utf-8")
    return Draft202012Validator(json.loads(text))


POSITION, FRAME = validator("position"), validator("frame")
KEYS = sorted(set(Item.__struct_fields__) - {"ts"})


def test_the_schema_names_every_key_the_codec_reads() -> None:
    text = resources.files("schemas.wire").joinpath("position.v1.json").read_text("utf-8")
    assert set(json.loads(text)["$defs"]["position"]["properties"]) == set(Item.__struct_fields__)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), st.sampled_from(TIMES), st.booleans())
def test_a_position_the_schema_allows_is_kept(change: dict[str, Any], ts: object, many: bool) -> None:
    item = {"lon": 104.6, "lat": 30.1, "ts": ts} | change
    payload = json.dumps(item).encode()
    found = decoded(message(array(payload, payload) if many else payload, device="v-own"))
    if POSITION.is_valid(item):
        assert found.dead_letters == []
        assert len(found.rows) == (2 if many else 1)


PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "ts": st.sampled_from([str(time) for time in TIMES] + ["", "yesterday", "2026-05-03T23:29:00"]),
        "seq": st.integers(-2, 10**19).map(str) | TEXTS,
        "boot": TEXTS,
        "preset": TEXTS,
        "model": TEXTS,
    },
)


@settings(max_examples=200, deadline=None)
@given(PROPERTIES)
def test_a_frame_the_schema_allows_is_kept(properties: dict[str, str]) -> None:
    try:
        frame = read_frame(
            RawMessage("city/v1/yanjiang/camera/c-1/frame", jpeg(), NOW_NS, tuple(properties.items())),
            RULES["c-1"],
            max_bytes=100_000,
            max_pixels=10_000,
            future_s=300.0,
        )
    except FrameError as error:
        refused = error.reason
    else:
        refused = ""
        assert (frame.boot, frame.preset) == (properties.get("boot", ""), properties.get("preset", ""))
    assert refused in {"", "ts", "tz", "seq", "text"}
    assert not (refused and FRAME.is_valid(properties))
