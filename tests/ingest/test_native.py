"""The catalogue of positions that devices send, right and wrong, each with what becomes of it."""

from dataclasses import fields
from typing import Any

import pytest

from ingest.codecs.rows import BOOTS_MAX, ITEMS_MAX, SEQ_MAX
from schemas.flags import LATE, NO_FIX, NO_TIME, NULL_ISLAND, QOS0, ROLLOVER
from schemas.position import PositionRows, RawMessage
from tests.ingest.native_case import (
    FORMS,
    NOW_MS,
    NOW_NS,
    RULES,
    SECOND_NS,
    TOPIC,
    WEEK_S,
    array,
    body,
    decoded,
    identities,
    item,
    message,
    reasons,
)

DAY_MS = 86_400_000


def test_no_messages_are_no_rows() -> None:
    found = decoded()
    assert (len(found.rows), found.dead_letters, found.marks, found.without_time) == (0, [], [], 0)


def test_a_position_becomes_a_row_in_units_of_the_metre_and_the_second() -> None:
    found = decoded(
        message(
            body(
                speed_kmh=36,
                heading_deg=271,
                alt_m=350.5,
                acc_m=4,
                sat=11,
                ignition=True,
                lift=False,
                load=0.5,
                alarms=["sos"],
            )
        )
    )
    rows = {f.name: getattr(found.rows, f.name) for f in fields(PositionRows)}
    assert rows == {
        "device_id": ["v-1"],
        "ts_ns": [NOW_NS],
        "boot": ["b"],
        "seq": [7],
        "item_hash": [0],
        "received_ns": [NOW_NS],
        "lon": [104.6427],
        "lat": [30.1218],
        "raw_lon": [104.6427],
        "raw_lat": [30.1218],
        "crs": ["wgs84"],
        "speed_mps": [10.0],
        "heading_deg": [271.0],
        "alt_m": [350.5],
        "acc_m": [4.0],
        "sat": [11],
        "ignition": [True],
        "lift": [False],
        "cover": [None],
        "load": [0.5],
        "alarms": [("sos",)],
        "flags": [0],
        "form": ["native"],
        "raw_speed": [36.0],
        "extra": [None],
    }
    assert found.dead_letters == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b" \r\n\t", "empty"),
        (b"[]", "empty"),
        (b" [ ] ", "empty"),
        (item(rest=b'"seq":' + b"1" * 5000), "type"),
        (item(rest=b'"seq":' + b"1" * 4000), "range"),
        (item(rest=b'"ts":' + b"1" * 5000), "type"),
        (item(rest=b'"ts":' + b"1" * 4000), "ts"),
        (b"3", "type"),
        (b'"x"', "type"),
        (item(rest=b'"seq":1,"seq":2'), "dup_key"),
        (item(rest=b'"boot":"a","boot":"a"'), "dup_key"),
        (item(rest=b'"l\\u0061t":30.2'), "dup_key"),
        (item(rest=b'"boot":"\\ud800x"'), "json"),
        (item(rest=b'"alarms":["a\\u0000b"]'), "text"),
        (b"[" * 100_000 + b"]" * 100_000, "json"),
        (b"[" * 100_000, "json"),
        (body() + b"\0", "json"),
        (body(speed_kmh=1001), "range"),
        (body(sat=-1), "range"),
        (body(sat=1001), "range"),
        (body(sat=3.5), "type"),
        (body(seq=-1), "range"),
        (body(seq=SEQ_MAX + 1), "range"),
        (body(seq="7"), "type"),
        (body(boot="x" * 65), "text"),
        (body(alarms=["x"] * 65), "text"),
        (body(alarms=["x" * 65]), "text"),
        (body(alarms="sos"), "type"),
        (body(ts=4000 * 365 * DAY_MS), "ts"),
        (body(ts="4321-01-01T00:00:00Z"), "ts_future"),
        (body(ts=-NOW_MS), "ts"),
        (body(ts="2026-05-03T23:29:60Z"), "ts"),
        (body(ts=""), "ts"),
        (body(ts=True), "type"),
        (body(ts=[NOW_MS]), "type"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:60].decode("ascii", "replace"),
)
def test_a_bad_position_is_one_dead_letter(payload: bytes, reason: str) -> None:
    found = decoded(message(payload), message(body(seq=8)))
    assert reasons(found) == [reason]
    (letter,) = found.dead_letters
    assert (letter.payload, letter.topic, letter.device_id) in {
        (payload, TOPIC, "v-1"),
        (payload.strip(), TOPIC, "v-1"),
    }
    assert len(letter.detail) <= 200
    assert found.rows.seq == [8], "the next good message passes"


@pytest.mark.parametrize(
    "payload",
    [
        body(ts="2026-05-04T07:30:00+08:00"),
        b"\n " + body() + b" \n",
        item(rest=b'"x":' + b"1" * 5000),
        item(rest=b'"x":1e400'),
        item(rest=b'"x":' + b"1" * 5000 + b',"y":"\\\\"'),
        item(rest=b'"x":[1,{"lat":2}],"y":{"seq":1},"boot":"lat"'),  # our keys, but not ours
        item(rest=b'"x":"\\\\","y":"\xff","z":"\x01"'.replace(b"\x01", b"\\t")),
        body(seq=SEQ_MAX),
        body(ts=NOW_MS + 299_000),
        body(ts=NOW_MS - 6 * DAY_MS),
        body(lon=180, lat=-90),
    ],
    ids=lambda value: value[:60].decode("ascii", "replace"),
)
def test_an_unusual_position_is_a_row(payload: bytes) -> None:
    found = decoded(message(payload))
    assert (len(found.rows), reasons(found)) == (1, [])


@pytest.mark.parametrize(("sent", "stored"), [(360, 0.0), (720, 0.0), (-90, 270.0), (271.5, 271.5)])
def test_a_heading_is_turned_into_the_circle(sent: float, stored: float) -> None:
    assert decoded(message(body(heading_deg=sent))).rows.heading_deg == [stored]


def test_minus_nothing_is_nothing() -> None:
    rows = decoded(message(item(b"-0.0", b"-0.0"))).rows
    assert [str(value) for value in rows.lon + rows.lat] == ["0.0", "0.0"]


@pytest.mark.parametrize(
    ("change", "qos", "flags"),
    [
        ({}, 1, 0),
        ({}, 0, QOS0),
        ({"ts": ...}, 1, NO_TIME),
        ({"lon": 0, "lat": 0}, 1, NULL_ISLAND),
        ({"lon": 0}, 1, 0),
        ({"sat": 0}, 1, NO_FIX),
        ({"lon": -0.0, "lat": 0.0, "sat": 0, "ts": None}, 0, QOS0 | NO_TIME | NULL_ISLAND | NO_FIX),
    ],
)
def test_a_doubtful_position_is_kept_with_a_flag(change: dict[str, Any], qos: int, flags: int) -> None:
    found = decoded(message(body(**change), qos=qos))
    assert found.rows.flags == [flags]
    assert found.without_time == (1 if flags & NO_TIME else 0)


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("city/v1/yanjiang/vehicle/nobody/position", "unknown_device"),
        ("city/v1/yanjiang/vehicle/c-1/position", "unknown_device"),  # a camera's id
        ("city/v1/yanjiang/camera/c-1/frame", "topic"),
        ("city/v1/yanjiang/vehicle/v-1/status", "topic"),
        ("city/v1/yanjiang/vehicle/v-1", "topic"),
        ("", "topic"),
        ("city/v1/yanjiang/vehicle/<script>/position", "topic"),
    ],
)
def test_a_message_of_nobody_is_one_dead_letter(topic: str, reason: str) -> None:
    found = decoded(RawMessage(topic, array(body(), body()), NOW_NS))
    assert reasons(found) == [reason]
    assert found.dead_letters[0].device_id == ("" if reason == "topic" else topic.split("/")[4])


def test_user_properties_give_boot_where_the_body_has_none() -> None:
    rows = decoded(message(body(boot=...), boot="from-mqtt"), message(body(boot="own"), boot="from-mqtt")).rows
    assert rows.boot == ["from-mqtt", "own"]
    assert reasons(decoded(message(body(boot=...), boot="x" * 65))) == ["text"]
    assert reasons(decoded(message(body(boot=...), boot="\0"))) == ["text"]


def test_a_thousand_user_properties_are_only_read() -> None:
    found = decoded(RawMessage(TOPIC, body(), NOW_NS, tuple((f"k{n}", "v" * 100) for n in range(1000))))
    assert len(found.rows) == 1


def test_a_device_without_a_limit_may_send_of_any_age() -> None:
    old = body(ts=NOW_MS - 3650 * DAY_MS)
    assert reasons(decoded(message(old))) == ["ts_too_old"]
    assert len(decoded(message(old, device="v-free")).rows) == 1


def test_a_device_with_a_longer_limit_than_the_others_keeps_it() -> None:
    rules = {"v-1": RULES["v-1"].__class__("v-1", "vehicle", max_age_s=5 * WEEK_S)}
    assert len(FORMS.decode([message(body(ts=NOW_MS - 30 * DAY_MS))], rules, {}, NOW_NS).rows) == 1


def test_the_registry_says_which_coordinates_a_device_sends() -> None:
    rows = decoded(message(body(crs="wgs84"), device="v-gcj"), message(body(crs="nonsense"))).rows
    assert rows.crs == ["gcj02", "wgs84"]
    assert rows.raw_lon == [104.6427, 104.6427]
    assert abs(rows.lon[0] - 104.6427) > 0.002
    assert rows.lon[1] == 104.6427


def test_a_device_that_may_say_its_coordinates_says_them_each_time() -> None:
    found = decoded(
        *(message(body(crs=crs), device="v-own") for crs in ("gcj02", "bd09", "cgcs2000", "wgs84", None)),
        message(body(crs=...), device="v-own"),
        message(body(crs="epsg:4326"), device="v-own"),
        message(body(crs="from_message"), device="v-own"),
        message(body(crs="x" * 100_000), device="v-own"),
    )
    assert found.rows.crs == ["gcj02", "bd09", "cgcs2000", "wgs84", "wgs84", "wgs84"]
    assert [lon == 104.6427 for lon in found.rows.lon] == [False, False, True, True, True, True]
    assert reasons(found) == ["crs", "crs", "crs"]


def test_a_message_sent_again_is_the_same_row() -> None:
    first, again = message(body(seq=...)), message(body(seq=...))
    later = RawMessage(TOPIC, body(seq=...), NOW_NS + SECOND_NS)
    assert len(set(identities(decoded(first, again, later).rows))) == 1


def test_rows_differ_by_seq_boot_time_or_else_by_their_bytes() -> None:
    found = decoded(
        message(body()),
        message(body(seq=8)),
        message(body(boot="c")),
        message(body(ts=NOW_MS - 1)),
        message(body(seq=...)),
        message(body(seq=..., lon=104.7)),
    )
    assert len(set(identities(found.rows))) == 6
    assert identities(decoded(message(body(lon=104.7))).rows) == identities(decoded(message(body())).rows)


def test_a_time_1024_weeks_behind_is_moved_and_says_so() -> None:
    found = decoded(message(body(ts=NOW_MS - 7 * 1024 * DAY_MS)))
    assert found.rows.ts_ns == [NOW_NS]
    assert found.rows.flags == [ROLLOVER]


@pytest.mark.parametrize("ts", [NOW_MS + DAY_MS, NOW_MS - 30 * DAY_MS, 7, "", "2026-05-04T07:30:00"])
def test_an_alarm_is_never_refused_for_its_time(ts: object) -> None:
    found = decoded(message(body(ts=ts, alarms=["sos"])), message(body(ts=ts)))
    assert found.rows.ts_ns == [NOW_NS]
    assert found.rows.flags == [NO_TIME | LATE]
    assert found.without_time == len(found.dead_letters) == 1


def test_a_message_of_too_many_positions_is_one_dead_letter() -> None:
    zeros = b"[" + b"0," * ITEMS_MAX + b"0]"
    many = array(*[item()] * (ITEMS_MAX + 1))
    boots = array(*(body(seq=seq, boot=str(seq)) for seq in range(BOOTS_MAX + 1)))
    for payload in (zeros, many, boots):
        found = decoded(message(payload), message(body(seq=8)))
        assert (reasons(found), found.rows.seq) == (["items"], [8])
        assert len(found.marks) == 1
    assert len(decoded(message(array(*[item()] * ITEMS_MAX))).rows) == ITEMS_MAX
