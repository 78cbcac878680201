"""Whatever a device sends: nothing raises, every item ends once, and a duplicate is recognised."""

import json
import string
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.codecs.rows import ITEMS_MAX, Decoded, RowBuilder, item_hash
from schemas.position import RawMessage
from tests.ingest.native_case import (
    FORMS,
    NOW_MS,
    NOW_NS,
    RULES,
    SCHEME,
    TOPIC,
    array,
    body,
    decoded,
    identities,
    message,
    reasons,
)

# One bad item of each kind that leaves the array itself readable.
BAD_ITEMS = {
    body(lat="31.2"): "type",
    body(lat=91): "range",
    body(ts="2026-05-04T07:30:00"): "tz",
    body(ts=1): "ts",
    b"null": "type",
    b"[]": "type",
    b"{}": "type",
    b"3": "type",
    b'{"lon":1e400,"lat":1}': "type",
    b'{"lon":1,"lat":1,"boot":"\xff"}': "json",
    b'{"lon":1,"lat":1,"lat":2,"seq":9}': "dup_key",
    b'{"lon":1,"lat":1,"boot":"\\u0000"}': "text",
}
UNCOUNTED = [raw for raw in BAD_ITEMS if b"seq" not in raw and b"\\u0000" not in raw]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=80)
    | st.sampled_from([NOW_MS, NOW_MS - 1, "2026-05-03T23:29:00Z", "gcj02", "\0", "wgs84"])
)
KEYS = st.sampled_from([*json.loads(body()), "crs", "sat", "alarms", "oldest", "speed_kmh", "heading_deg", "x"])
OBJECTS = st.dictionaries(KEYS, LEAVES | st.lists(LEAVES, max_size=3), max_size=8)
JSON = st.recursive(
    LEAVES | OBJECTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)
# What a well-made device sends, with and without a seq.
GOOD_ITEMS = st.fixed_dictionaries(
    {"lon": st.floats(-180, 180), "lat": st.floats(-90, 90)},
    optional={
        "ts": st.integers(NOW_MS - 86_400_000, NOW_MS),
        "seq": st.integers(0, 2**62),
        "boot": st.text(string.ascii_letters, max_size=8),
        "speed_kmh": st.none() | st.floats(0, 200),
        "alarms": st.lists(st.sampled_from(["sos", "盖板", 'over"speed']), max_size=2),
        "vendor": JSON,
    },
)


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def ends(found: Decoded) -> int:
    return len(found.rows) + len(found.dead_letters)


def stored(found: Decoded) -> list[tuple[Any, ...]]:
    """Everything but the time of receipt, row by row."""
    rows = found.rows
    where = zip(rows.lon, rows.lat, rows.speed_mps, rows.alarms, rows.flags, rows.crs, strict=True)
    return [(*identity, *rest) for identity, rest in zip(identities(rows), where, strict=True)]


@given(
    st.lists(st.tuples(st.sampled_from([TOPIC, TOPIC + "/x", "city/v1/yanjiang/vehicle/v-own/position"]), st.binary()))
)
def test_bytes_end_as_one_row_or_letter_each(sent: list[tuple[str, bytes]]) -> None:
    found = decoded(*(RawMessage(topic, payload, NOW_NS) for topic, payload in sent))
    assert ends(found) >= len(sent)


@given(JSON, st.sampled_from(["v-1", "v-gcj", "v-own", "c-1", "nobody"]), st.dictionaries(KEYS, st.text(max_size=80)))
@settings(max_examples=200)
def test_any_json_ends_item_by_item(document: object, device: str, properties: dict[str, str]) -> None:
    found = decoded(
        RawMessage(SCHEME.of("vehicle", device, "position"), encoded(document), NOW_NS, tuple(properties.items()))
    )
    known = device.startswith("v-")
    assert ends(found) == (len(document) if known and isinstance(document, list) and document else 1)
    lengths = {len(getattr(found.rows, name)) for name in found.rows.__dataclass_fields__}
    assert lengths == {len(found.rows)}


@given(st.lists(GOOD_ITEMS, min_size=1, max_size=6))
def test_what_comes_out_can_be_stored(items: list[dict[str, Any]]) -> None:
    rows = decoded(message(encoded(items))).rows
    texts = [*rows.boot, *(text for alarms in rows.alarms for text in alarms)]
    assert [text for text in texts if "\0" in text or len(text) > 64] == []
    assert all(-(2**63) <= number < 2**63 for number in rows.seq + rows.item_hash + rows.ts_ns)
    assert [(lon, lat) for lon, lat in zip(rows.lon, rows.lat, strict=True) if abs(lon) > 180 or abs(lat) > 90] == []


@given(st.lists(st.sampled_from([*BAD_ITEMS, body(), body(seq=...), body(alarms=["盖"])]), min_size=1, max_size=8))
def test_one_bad_item_does_not_cost_its_neighbours(items: list[bytes]) -> None:
    found = decoded(message(array(*items)))
    assert [(letter.payload, letter.reason) for letter in found.dead_letters] == [
        (raw, BAD_ITEMS[raw]) for raw in items if raw in BAD_ITEMS
    ]
    assert len(found.rows) == len([raw for raw in items if raw not in BAD_ITEMS])


@given(st.lists(GOOD_ITEMS, max_size=6))
def test_an_array_gives_the_rows_of_its_items_alone(items: list[dict[str, Any]]) -> None:
    bodies = [encoded(item) for item in items]
    alone = decoded(*(message(payload) for payload in bodies))
    together = decoded(message(array(*bodies)))
    spaced = decoded(message(b" [ " + b" ,\n".join(bodies) + b" ]\n"))
    padded = decoded(*(message(b" " + payload + b"\r\n") for payload in bodies))
    assert stored(alone) == stored(padded)
    if items:
        assert stored(alone) == stored(together) == stored(spaced)
    assert reasons(together) == ([] if items else ["empty"])


@given(st.lists(st.sampled_from([*UNCOUNTED, body(seq=..., boot=...)]), min_size=1, max_size=8), st.integers(0, 20))
def test_an_array_counted_beside_its_body_is_covered_to_its_highest(items: list[bytes], seq: int) -> None:
    found = decoded(message(array(*items), seq=str(seq), boot="m"))
    seqs = range(max(0, seq - len(items) + 1), seq + 1)
    assert found.marks == [("v-1", "m", covered, -1) for covered in seqs]


@given(JSON | st.binary())
def test_a_messages_own_time_is_read_or_not_and_never_raises(document: object) -> None:
    payload = document if isinstance(document, bytes) else encoded(document)
    sent = message(payload)
    ns = FORMS.native.sent_ns(sent)
    assert ns is None or ns > 0
    assert len(FORMS.covered_unread(sent, RULES["v-1"])) <= 1


@given(GOOD_ITEMS, st.integers(0, 10**12))
def test_a_duplicate_has_the_identity_of_the_first(item: dict[str, Any], delay_ns: int) -> None:
    payload = encoded(item)
    first = decoded(message(payload)).rows
    again = decoded(RawMessage(TOPIC, payload, NOW_NS + delay_ns)).rows
    if "ts" in item:
        assert identities(first) == identities(again)
    assert first.item_hash == again.item_hash
    assert first.item_hash == ([0] if "seq" in item else [item_hash(payload)])


@given(st.sampled_from([body(), body(seq=...), array(body(), body(seq=8)), *BAD_ITEMS]), st.data())
def test_a_damaged_message_ends_like_any_other(payload: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(payload) - 1))
    damaged = data.draw(
        st.sampled_from([payload[:at], payload[:at] + payload[at + 1 :], payload[:at] + b"\xff" + payload[at + 1 :]])
    )
    found = decoded(message(damaged), message(body(seq=9)))
    assert ends(found) >= 2
    assert 9 in found.rows.seq


@given(st.lists(st.tuples(st.sampled_from(["lon", "lat", "seq", "x", "ts"]), st.integers(1, 80)), max_size=8))
def test_a_key_twice_is_always_seen(pairs: Sequence[tuple[str, int]]) -> None:
    payload = "{" + ",".join(f'"{key}" : {value}' for key, value in [("lon", 1), ("lat", 1), *pairs]) + "}"
    ours = ["lon", "lat", *(key for key, _ in pairs if key != "x")]
    found = decoded(message(payload.encode()))
    assert ("dup_key" in reasons(found)) == (len(set(ours)) < len(ours))


@given(st.binary(max_size=200))
def test_a_hash_is_never_the_sign_of_a_seq(raw: bytes) -> None:
    assert item_hash(raw) != 0
    assert -(2**63) <= item_hash(raw) < 2**63


def test_a_hash_that_would_be_the_sign_of_a_seq_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ingest.codecs.rows.hashlib.blake2b", lambda _raw, **_size: SimpleNamespace(digest=lambda: bytes(8))
    )
    assert item_hash(b"{}") == 1


@pytest.mark.parametrize("count", [1, ITEMS_MAX])
def test_every_bad_item_of_a_long_array_keeps_its_own_bytes(count: int) -> None:
    items = [body(seq=number, lat=91) for number in range(count)]
    found = decoded(message(array(*items)))
    assert [letter.payload for letter in found.dead_letters] == items
    assert {letter.reason for letter in found.dead_letters} == {"range"}


ORDINARY = st.fixed_dictionaries(
    {
        "lon": st.floats(-180, 180) | st.sampled_from([0, 104.6, 181, -0.0]),
        "lat": st.floats(-90, 90) | st.sampled_from([0, -0.0, 91]),
        "ts": st.sampled_from([NOW_MS, NOW_MS - 1, NOW_MS - 604_800_000, NOW_MS - 604_800_001, NOW_MS + 300_000])
        | st.sampled_from([NOW_MS + 300_001, 1, True, None, "2026-05-03T23:29:00Z"]),
        "seq": st.integers(0, 2**62) | st.sampled_from([None, -1, 2**62 + 1]),
        "boot": st.sampled_from(["", "b", "x" * 64, "x" * 65, None]),
    },
    optional={
        "speed_kmh": st.none() | st.floats(0, 200) | st.sampled_from([1000, 1000.1, -1]),
        "heading_deg": st.none() | st.floats(-3600, 3600) | st.just(4000),
        "sat": st.none() | st.integers(-1, 1001),
        "oldest": st.none() | st.integers(0, 9),
        "alt_m": st.none() | st.just(300.0),
        "alarms": st.just([]) | st.just(["sos"]),
        "ignition": st.booleans(),
        "cover": st.booleans(),
    },
)


@given(
    st.lists(ORDINARY, min_size=1, max_size=4), st.sampled_from(["v-1", "v-gcj", "v-own", "v-free"]), st.integers(0, 1)
)
@settings(max_examples=300)
def test_an_array_is_what_its_positions_are_one_by_one(items: list[dict[str, Any]], device: str, qos: int) -> None:
    together = decoded(message(encoded(items), device=device, qos=qos))
    apart = decoded(*(message(encoded(item), device=device, qos=qos) for item in items))
    assert together.rows == apart.rows
    assert together.marks == apart.marks
    assert reasons(together) == reasons(apart)
    assert together.without_time == apart.without_time


@pytest.mark.parametrize("device", ["v-1", "v-gcj"])
def test_ordinary_arrays_go_column_by_column(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RowBuilder, "add", None)
    items = [{"ts": NOW_MS, "lon": 104.6, "lat": 30.1, "seq": seq, "boot": "b", "sat": 9} for seq in range(5)]
    assert decoded(message(encoded(items), device=device)).rows.seq == list(range(5))
