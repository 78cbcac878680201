"""A JT/T 808 terminal is understood: its frames, its alarms, its place, its time."""

import base64
from typing import Literal

import pytest

from config.codecs import BitKnobs
from ingest.codecs.base import Passed, PositionItem, Refusal
from ingest.codecs.jt808 import Jt808Codec
from schemas import flags
from schemas.position import RawMessage
from tests.ingest.codecs.jt808_case import (
    CODEC,
    NOW_NS,
    TERMINAL,
    TOPIC,
    VENDOR,
    batch,
    closed,
    framed,
    place,
    position,
    read,
    stored,
)

NEW_TERMINAL = "00000000013800138000"


def refused(payload: bytes, topic: str = TOPIC) -> list[tuple[str, str]]:
    return [(item.device, item.reason) for item in read(payload, topic) if isinstance(item, Refusal)]


@pytest.mark.parametrize("payload", [b"", b" \r\n", b"\x7e", b"\x7e\x7e\x7e"])
def test_no_frame_is_one_dead_letter(payload: bytes) -> None:
    assert refused(payload) == [(TERMINAL, "empty")]


def test_the_vendors_frame_is_stored_where_and_when_it_says() -> None:
    found = stored(VENDOR)
    rows = found.rows
    assert (rows.device_id, rows.form, found.dead_letters) == (["truck-7"], ["jt808"], [])
    assert (rows.lat, rows.lon, rows.alt_m, rows.heading_deg) == ([22.591771], [113.995873], [70.0], [89.0])
    assert rows.ts_ns == [1_632_299_878_000_000_000]  # 2021-09-22 16:37:58 +08:00
    assert (rows.speed_mps, rows.raw_speed, rows.sat, rows.ignition) == ([0.0], [0.0], [16], [False])
    assert rows.extra[0] is not None
    assert rows.extra[0] | {"mileage_km": 0.1, "recorder_kmh": 0.0, "signals": 1, "rssi": 17} == rows.extra[0]
    assert rows.alarms == [()]  # bit 17 of its alarm word has had a meaning only since 2019


@pytest.mark.parametrize(
    "spelled",
    [
        VENDOR.hex().encode(),
        VENDOR.hex(" ").upper().encode(),
        VENDOR.hex(" ", 4).encode() + b"\r\n",
        base64.b64encode(VENDOR),
        base64.encodebytes(VENDOR),
    ],
)
def test_hexadecimal_and_base64_read_as_the_raw_bytes_do(spelled: bytes) -> None:
    assert read(spelled) == read(VENDOR)


def test_speed_is_tenths_of_km_per_hour() -> None:
    rows = stored(framed(0x0200, place(speed=185))).rows
    assert rows.speed_mps == [pytest.approx(18.5 / 3.6)]
    assert rows.raw_speed == [18.5]


def test_a_header_of_2019_has_a_terminal_of_twenty_digits() -> None:
    found = position(framed(0x0200, place(alarm=1 << 17), terminal=NEW_TERMINAL))
    assert (found.device, found.lon, found.alarms) == (NEW_TERMINAL, 104.6427, ("blind_spot",))


def test_both_escapes_are_undone() -> None:
    found = position(framed(0x0200, place(alt=0x7D7E, heading=0x7D, lon=0x7D01_7D02), seq=0x7E7D))
    assert (found.alt_m, found.heading_deg, found.lon) == (0x7D7E, 0x7D, 0x7D01_7D02 / 1e6)


def test_the_south_and_the_west_are_below_zero() -> None:
    found = position(framed(0x0200, place(status=0b1110)))
    assert (found.lat, found.lon) == (-30.1218, -104.6427)


def test_a_terminal_without_a_fix_is_flagged() -> None:
    assert stored(framed(0x0200, place(status=0b01))).rows.flags == [flags.NO_FIX]
    assert stored(framed(0x0200, place(status=0b11))).rows.flags == [0]


def test_a_terminal_with_the_secrecy_plug_in_says_gcj02() -> None:
    shifted = framed(0x0200, place(status=0b100011))
    assert stored(shifted, "from_message").rows.crs == ["gcj02"]
    assert stored(framed(0x0200, place()), "from_message").rows.crs == ["wgs84"]
    assert stored(shifted, "wgs84").rows.crs == ["wgs84"]  # the registry holds, unless it says from_message


def test_alarms_have_names() -> None:
    found = position(framed(0x0200, place(alarm=1 | 1 << 1 | 1 << 5 | 1 << 31)))
    assert found.alarms == ("sos", "overspeed", "antenna_open", "illegal_door")
    assert (found.extra or {})["alarm"] == 1 << 31 | 0b100011


@pytest.mark.parametrize(
    ("payload", "urgent"),
    [
        (b"", False),
        (b"nonsense", False),
        (framed(0x0200, place()), False),
        (framed(0x0200, place(alarm=1 << 5)), False),  # an antenna may be broken for days
        (framed(0x0200, place(alarm=1)), True),
        (framed(0x0200, place(alarm=1), terminal=NEW_TERMINAL).hex().encode(), True),
        (framed(0x0704, batch([place(), place(alarm=1)])), True),
        (framed(0x0200, place()) + framed(0x0200, place(alarm=1 << 30)), True),
        (framed(0x0002, b"\xff\xff\xff\xff"), False),
    ],
)
def test_an_emergency_goes_first_and_a_broken_antenna_does_not(payload: bytes, urgent: bool) -> None:
    assert CODEC.urgent(RawMessage(TOPIC, payload, NOW_NS)) is urgent


@pytest.mark.parametrize("clock", ["211322163758", "210922246000", "21092216375A", "000000000000"])
def test_a_time_that_is_none_is_refused_unless_it_is_an_alarm(clock: str) -> None:
    assert refused(framed(0x0200, place(clock=clock))) == [(TERMINAL, "ts")]
    rows = stored(framed(0x0200, place(clock=clock, alarm=1))).rows
    assert (rows.ts_ns, rows.alarms, rows.flags) == ([NOW_NS], [("sos",)], [flags.NO_TIME])


def test_a_batch_is_its_positions_and_those_of_a_blind_zone_say_so() -> None:
    parts = [place(clock=f"2109221637{second:02}") for second in range(3)]
    late = stored(framed(0x0704, batch(parts))).rows
    assert [(extra or {}).get("backfill") for extra in late.extra] == [True] * 3
    assert [ts % 10**10 // 10**9 for ts in late.ts_ns] == [0, 1, 2]
    assert "backfill" not in (stored(framed(0x0704, batch(parts, late=False))).rows.extra[0] or {})


def test_a_position_sent_again_in_a_batch_is_the_same_row() -> None:
    once = stored(framed(0x0200, place(), seq=1)).rows
    again = stored(framed(0x0704, batch([place()]), seq=900)).rows
    assert (once.ts_ns, once.seq, once.item_hash) == (again.ts_ns, again.seq, again.item_hash)
    assert once.item_hash != stored(framed(0x0200, place(alt=351))).rows.item_hash


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"", 0),
        (batch([]), 0),
        (batch([place()], said=2), 1),
        (batch([place()]) + b"\0", 1),
        (batch([place(), place()])[:-1], 1),
    ],
)
def test_a_batch_that_does_not_hold_what_it_says_is_refused_and_its_good_positions_are_kept(
    body: bytes, kept: int
) -> None:
    items = read(framed(0x0704, body))
    assert refused(framed(0x0704, body)) == [(TERMINAL, "length")]
    assert sum(isinstance(item, PositionItem) for item in items) == kept


def test_a_bad_position_of_a_batch_costs_no_other_and_can_be_replayed() -> None:
    found = stored(framed(0x0704, batch([place(), place(clock="211322163758"), place(lat=91_000_000), place(alt=9)])))
    assert (len(found.rows), [letter.reason for letter in found.dead_letters]) == (2, ["ts", "range"])
    again = [stored(letter.payload) for letter in found.dead_letters]
    assert [[letter.reason for letter in found.dead_letters] for found in again] == [["ts"], ["range"]]


def test_several_frames_of_a_message_stand_for_themselves() -> None:
    good, bad = framed(0x0200, place()), bytearray(framed(0x0200, place(alt=9)))
    bad[20] ^= 1
    shared = good[:-1] + good
    items = read(bytes(good + bad + shared))
    assert [type(item) for item in items] == [PositionItem, Refusal, PositionItem, PositionItem]
    assert items[1] == Refusal(TERMINAL, "checksum", "check byte e6, computed e7", bytes(bad))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{}", "format"),
        (b"\x02\x00", "format"),
        (b"7E02 00 0x", "format"),
        (b"7e020", "format"),
        (b"fgI*", "base64"),
        (VENDOR[:-3], "length"),
        (VENDOR[:-2] + b"\x7e", "checksum"),
        (VENDOR[:20] + b"\x7d\x03" + VENDOR[20:], "format"),
        (b"\x7e\x01\x01\x7e", "length"),
        (closed(b"\x02\x00\x00\x53" + bytes(8) + place()), "length"),
        (framed(0x0200, place()[:27]), "length"),
        (framed(0x0200, place(), attributes=0x0400), "encrypted"),
        (framed(0x0200, place(), attributes=0x2000), "subpackage"),
    ],
)
def test_a_frame_that_cannot_be_read_is_one_dead_letter(payload: bytes, reason: str) -> None:
    assert refused(payload) == [(TERMINAL, reason)]


@pytest.mark.parametrize(
    ("topic", "spoofed"),
    [
        (TOPIC, False),
        ("jt808/2002604323", False),  # leading zeros only fill the field
        ("jt808/truck-7", False),  # whose alias the terminal is
        ("jt808", False),  # a gateway, which speaks for all
        ("jt808/002002604324", True),
        ("jt808/truck-8", True),
        ("jt808/gateway-1", True),
        ("jt808/12345", True),
        ("jt808/٠٠٢٠٠٢٦٠٤٣٢٣", True),
    ],
)
def test_a_frame_of_another_terminal_than_its_topics_is_a_spoof(topic: str, spoofed: bool) -> None:
    found = stored(VENDOR, topic=topic)
    assert [letter.reason for letter in found.dead_letters] == ["spoof"] * spoofed
    assert found.rows.device_id == ["truck-7"] * (not spoofed)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(0x0001, "reply"), (0x0002, "heartbeat"), (0x0100, "register"), (0x0102, "authenticate"), (0x0801, "other")],
)
def test_what_is_no_position_is_passed_over(kind: int, reason: str) -> None:
    assert read(framed(kind, b"\x01", attributes=0x2000)) == [Passed(reason)]


def test_items_of_another_length_are_left_out_and_a_cut_item_is_noted() -> None:
    found = position(framed(0x0200, place(items=b"\x01\x02\x00\x09" + b"\x02\x02\x00\x7d" + b"\x31\x09\x01")))
    assert found.extra == {"alarm": 0, "status": 3, "fuel_l": 12.5, "items_cut": True}
    assert found.sat is None


@pytest.mark.parametrize(
    ("name", "knob", "status", "items", "meant"),
    [
        ("lift", BitKnobs(source="status", bit=20), 1 << 20, b"", True),
        ("lift", BitKnobs(source="status", bit=20), 0, b"", False),
        ("lift", BitKnobs(source="status", bit=20, width=2), 1 << 20, b"", None),
        (
            "cover",
            BitKnobs(source="item:0xE1", bit=0, width=8, values={"1": True, "2": False}),
            0,
            b"\xe1\x01\x02",
            False,
        ),
        ("cover", BitKnobs(source="item:e1", bit=0, width=8, values={"1": True}), 0, b"\xe1\x01\x09", None),
        ("cover", BitKnobs(source="item:E1", bit=8), 0, b"\xe1\x01\x01", None),
        ("cover", BitKnobs(source="item:E1", bit=0), 0, b"", None),
        ("load", BitKnobs(source="status", bit=8, width=2), 3 << 8, b"", 1.0),
        ("load", BitKnobs(source="status", bit=8, width=2, values={"0": 0, "1": 0.5, "3": 1}), 1 << 8, b"", 0.5),
        ("load", BitKnobs(source="item:F3", bit=16, width=16), 0, b"\xf3\x04\xff\xff\0\0", 1.0),
    ],
)
def test_lift_cover_and_load_are_where_the_configuration_says(
    name: Literal["lift", "cover", "load"], knob: BitKnobs, status: int, items: bytes, meant: bool | float | None
) -> None:
    found = position(framed(0x0200, place(status=status, items=items)), Jt808Codec({name: knob}))
    assert getattr(found, name) == meant
    assert type(getattr(found, name)) is type(meant)
    assert getattr(position(framed(0x0200, place(status=status, items=items))), name) is None
