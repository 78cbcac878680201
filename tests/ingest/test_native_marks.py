"""What an acknowledgement covers of what a device sent, and when the device sent it."""

import pytest

from ingest.codecs.rows import SEQ_MAX
from schemas.position import RawMessage
from tests.ingest.native_case import (
    BARE,
    FORMS,
    NOW_MS,
    NOW_NS,
    RULES,
    TOPIC,
    array,
    body,
    decoded,
    identities,
    item,
    message,
    reasons,
)

DAY_MS = 86_400_000


def test_no_messages_cover_nothing() -> None:
    assert decoded().marks == []


@pytest.mark.parametrize(
    ("payload", "properties", "covered"),
    [
        (body(), {}, [("v-1", "b", 7, -1)]),
        (body(oldest=3), {}, [("v-1", "b", 7, 3)]),
        (body(oldest=8), {}, [("v-1", "b", 7, -1)]),
        (body(seq=..., boot=...), {"seq": "9", "boot": "m", "oldest": "2"}, [("v-1", "m", 9, 2)]),
        (body(seq=...), {}, []),
        (body(lat=91), {}, [("v-1", "b", 7, -1)]),
        (body(lat="30.1"), {}, [("v-1", "b", 7, -1)]),
        (body(lat=..., oldest=3), {}, [("v-1", "b", 7, 3)]),
        (item(rest=b'"lat":1,"seq":7,"boot":"b"'), {}, [("v-1", "b", 7, -1)]),
        (item(rest=b'"seq":6,"seq":7,"boot":"b"'), {}, []),  # which of the two is not known
        (body(seq="7"), {}, []),
        (body(seq=-7), {}, []),
        (body(seq=SEQ_MAX + 1), {}, []),
        (body(boot="\0"), {}, []),
        (b"not json", {"seq": "9", "boot": "m"}, [("v-1", "m", 9, -1)]),
        (b"[not json", {"seq": "9", "boot": "m"}, []),
        (b" ", {"seq": "9", "boot": "m"}, [("v-1", "m", 9, -1)]),
        (b"[]", {"seq": "9", "boot": "m"}, []),
        (array(BARE, BARE, BARE), {"seq": "9", "boot": "m"}, [("v-1", "m", seq, -1) for seq in (7, 8, 9)]),
        (array(BARE, BARE), {"seq": "9", "oldest": "9"}, [("v-1", "", 8, -1), ("v-1", "", 9, 9)]),
        (array(BARE), {"seq": "9"}, [("v-1", "", 9, -1)]),
        (array(BARE, BARE, BARE), {"seq": "1"}, [("v-1", "", 0, -1), ("v-1", "", 1, -1)]),
        (array(BARE, body(seq=..., boot=..., lat=91)), {"seq": "9"}, [("v-1", "", 8, -1), ("v-1", "", 9, -1)]),
        (array(b"3", BARE, item(b'"x"')), {"seq": "9"}, [("v-1", "", seq, -1) for seq in (7, 8, 9)]),
        (array(body(seq=5), BARE), {"seq": "9"}, [("v-1", "b", 5, -1)]),  # whose the 9 is is not known
        (array(body(seq=5), b"3"), {"seq": "9"}, [("v-1", "b", 5, -1)]),
        (array(body(lat="x", seq=5), b"3", body(seq=6)), {}, [("v-1", "b", 5, -1), ("v-1", "b", 6, -1)]),
        (array(body(lat=91, seq=5), body(seq=6)), {}, [("v-1", "b", 5, -1), ("v-1", "b", 6, -1)]),
    ],
    ids=lambda value: value[:60].decode("ascii", "replace") if isinstance(value, bytes) else None,
)
def test_what_is_kept_is_covered_be_it_row_or_dead_letter(
    payload: bytes, properties: dict[str, str], covered: list[tuple[str, str, int, int]]
) -> None:
    sent = RawMessage(TOPIC, payload, NOW_NS, tuple(properties.items()))
    assert decoded(sent).marks == covered


def test_positions_counted_only_beside_their_array_are_told_apart_by_their_bytes() -> None:
    sent = message(array(BARE, body(seq=..., boot=..., lon=104.7)), seq="9", boot="m")
    rows = decoded(sent, sent).rows
    assert (rows.seq, rows.boot) == ([-1] * 4, ["m"] * 4)
    assert len(set(identities(rows))) == 2


def test_a_seq_beside_an_array_that_is_lower_than_its_length_costs_no_position() -> None:
    found = decoded(message(array(BARE, BARE, BARE), seq="1"))
    assert (len(found.rows), reasons(found)) == (3, [])


@pytest.mark.parametrize(
    ("payload", "properties", "covered"),
    [
        (b"x", {}, []),
        (b"x", {"seq": "9", "boot": "m"}, [("v-1", "m", 9, -1)]),
        (body(), {}, [("v-1", "b", 7, -1)]),
        (b" " + body(seq=...), {"seq": "9"}, [("v-1", "b", 9, -1)]),
        (array(body()), {"seq": "9"}, []),  # the device still holds them, and may send them in smaller arrays
    ],
)
def test_a_message_refused_unread_is_covered_where_it_is_one_position(
    payload: bytes, properties: dict[str, str], covered: list[tuple[str, str, int, int]]
) -> None:
    sent = RawMessage(TOPIC, payload, NOW_NS, tuple(properties.items()))
    assert FORMS.covered_unread(sent, RULES["v-1"]) == covered


@pytest.mark.parametrize(
    ("payload", "sent_ns"),
    [
        (b"", None),
        (b"[]", None),
        (b"[3]", None),
        (b"not json", None),
        (b"[" * 100_000, None),
        (BARE, NOW_NS),
        (b" " + body(lat="north"), NOW_NS),
        (body(ts="2026-05-04T07:30:00+08:00"), NOW_NS),
        (body(ts=...), None),
        (body(ts=17), None),
        (body(ts="noon"), None),
        (array(body(ts=NOW_MS - DAY_MS), body()), NOW_NS),
    ],
    ids=lambda value: value[:40].decode("ascii", "replace") if isinstance(value, bytes) else None,
)
def test_a_messages_own_time_is_that_of_its_last_position(payload: bytes, sent_ns: int | None) -> None:
    assert FORMS.native.sent_ns(message(payload)) == sent_ns
