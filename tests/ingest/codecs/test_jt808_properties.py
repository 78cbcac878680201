"""Whatever stands in a JT/T 808 message: nothing raises, and every frame ends once."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from ingest.codecs.base import PositionItem, Refusal
from schemas.position import RawMessage
from tests.ingest.codecs.jt808_case import CODEC, NOW_NS, VENDOR, batch, framed, place, read, stored

TERMINALS = st.one_of(st.from_regex(r"[0-9]{12}", fullmatch=True), st.from_regex(r"[0-9]{20}", fullmatch=True))
PLACES = st.builds(
    place,
    alarm=st.integers(0, 2**32 - 1),
    status=st.integers(0, 2**32 - 1),
    lat=st.integers(0, 90_000_000),
    lon=st.integers(0, 180_000_000),
    alt=st.integers(0, 65_535),
    speed=st.integers(0, 9_999),
    heading=st.integers(0, 359),
    clock=st.datetimes().map(lambda when: f"{when:%y%m%d%H%M%S}"),
    items=st.binary(max_size=40),
)


@given(st.one_of(st.binary(), st.binary().map(lambda rest: b"\x7e" + rest + b"\x7e"), st.text().map(str.encode)))
def test_any_bytes_are_read_without_an_error(payload: bytes) -> None:
    assert len(read(payload)) >= 1
    CODEC.urgent(RawMessage("jt808/x", payload, NOW_NS))
    found = stored(payload)
    assert len(found.rows) + len(found.dead_letters) + sum(found.ignored.values()) >= 1


@given(TERMINALS, PLACES, st.integers(0, 65_535))
def test_what_a_terminal_encodes_comes_back(terminal: str, body: bytes, seq: int) -> None:
    frame = framed(0x0200, body, terminal=terminal, seq=seq)
    (item,) = read(frame, "jt808")
    assert isinstance(item, PositionItem)
    status = int.from_bytes(body[4:8], "big")
    assert item.device == terminal
    assert round(item.lat * 1e6) == int.from_bytes(body[8:12], "big") * (-1 if status & 4 else 1)
    assert round(item.lon * 1e6) == int.from_bytes(body[12:16], "big") * (-1 if status & 8 else 1)
    assert round((item.raw_speed or 0) * 10) == int.from_bytes(body[18:20], "big")
    assert item.fix is bool(status & 2)
    # What stands for it in the record is a frame that reads as the same.
    assert read(item.raw, "jt808") == [item]


@given(st.lists(PLACES, min_size=1, max_size=5))
def test_every_position_of_a_batch_is_the_one_it_is_alone(bodies: list[bytes]) -> None:
    together = read(framed(0x0704, batch(bodies, late=False)))
    assert together == [item for body in bodies for item in read(framed(0x0200, body))]


@given(st.integers(0, len(VENDOR) - 1), st.integers(1, 255))
def test_one_changed_byte_is_never_another_position(at: int, change: int) -> None:
    wrong = bytearray(VENDOR)
    wrong[at] ^= change
    # A flag in the middle makes two frames of it, both of them bad.
    assert all(isinstance(item, Refusal) for item in read(bytes(wrong), "jt808"))


@given(st.integers(0, len(VENDOR) - 1))
def test_a_frame_cut_anywhere_is_one_dead_letter(length: int) -> None:
    (item,) = read(VENDOR[:length], "jt808")
    assert isinstance(item, Refusal)


@given(st.lists(PLACES, min_size=1, max_size=4), st.sampled_from([bytes, bytes.hex, base64.b64encode]))
def test_frames_in_a_row_are_as_many_positions_in_any_spelling(bodies: list[bytes], spell: object) -> None:
    frames = b"".join(framed(0x0200, body) for body in bodies)
    spelled = spell(frames)  # type: ignore[operator]
    assert len(read(spelled.encode() if isinstance(spelled, str) else spelled)) == len(bodies)
