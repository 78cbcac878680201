"""Only a sound JPEG of a sane size reaches a decoder."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.jpeg import ASPECT_MAX, SCANS_MAX, SEGMENTS_MAX, JpegHeader, check_size, inspect
from schemas.errors import FrameError
from tests.ingest.jpegs import END, bomb, exif, jpeg, scan_at, segment, with_frame, with_segments

BYTES_MAX = 200_000
PIXELS_MAX = 8_300_000
SOUND = jpeg()
PROGRESSIVE = jpeg(progressive=True)


def gate(payload: bytes) -> JpegHeader:
    return inspect(payload, max_bytes=BYTES_MAX, max_pixels=PIXELS_MAX)


def refusal(payload: bytes) -> str:
    """The reason; empty where the gate lets it pass. Nothing but FrameError is ever caught."""
    try:
        gate(payload)
    except FrameError as error:
        return error.reason
    return ""


@pytest.mark.parametrize(
    ("payload", "header"),
    [
        (SOUND, JpegHeader(64, 48, 3, progressive=False)),
        (PROGRESSIVE, JpegHeader(64, 48, 3, progressive=True)),
        (jpeg(grey=True), JpegHeader(64, 48, 1, progressive=False)),  # F26
        (jpeg(1280, 720, restart=4), JpegHeader(1280, 720, 3, progressive=False)),
        (jpeg(16, 128), JpegHeader(16, 128, 3, progressive=False)),
        (with_segments(SOUND, exif(orientation=6)), JpegHeader(64, 48, 3, progressive=False)),  # F28
        (with_segments(SOUND, exif(thumbnail=jpeg(32, 24))), JpegHeader(64, 48, 3, progressive=False)),
        (with_segments(SOUND, segment(0xFE, b"x" * 65_533)), JpegHeader(64, 48, 3, progressive=False)),  # F30
        (with_segments(SOUND, b"\xff" * 9), JpegHeader(64, 48, 3, progressive=False)),
        (SOUND + b"\0" * 64, JpegHeader(64, 48, 3, progressive=False)),
    ],
    ids=["baseline", "progressive", "grey", "restarts", "narrow", "turned", "thumbnail", "comment", "fill", "padded"],
)
def test_a_sound_picture_tells_its_size(payload: bytes, header: JpegHeader) -> None:
    assert gate(payload) == header


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xd8", "format"),
        (b"\xff\xd8\xff", "truncated"),
        (with_segments(SOUND, exif(thumbnail=jpeg(32, 24)))[:-2], "truncated"),  # the thumbnail's end is not its own
        (SOUND + b"\0" * 65, "trailing"),
        (with_frame(SOUND, width=15), "pixels"),
        (with_frame(SOUND, width=65_500, height=100), "pixels"),  # few pixels, and no street
        (with_frame(SOUND, width=100, height=65_500), "pixels"),
        (with_frame(SOUND, components=2), "coding"),
        (with_segments(SOUND, b"\xff" * 190_000), "coding"),
        (b"\xff\xd8\xff\xd9", "truncated"),
        (b"\xff\xd8" + segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + END, "truncated"),
        (b"\xff\xd8" + segment(0xC0, b"\x08\x00") + END, "truncated"),
        (b"\xff\xd8\xff\xe0\x00\x01", "truncated"),
        (b"\xff\xd8\xff\xe0\x00\x04abcd", "truncated"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_what_a_decoder_must_not_see_is_refused(payload: bytes, reason: str) -> None:
    """What the catalogue does not list; its own cases are in test_catalogue_frames.py."""
    assert refusal(payload) == reason


@pytest.mark.parametrize("scans", [SCANS_MAX, SCANS_MAX + 1])
def test_the_number_of_scans_is_bounded(scans: int) -> None:
    payload = bomb(PROGRESSIVE, scans)
    assert refusal(payload) == ("" if scans <= SCANS_MAX else "coding")


@pytest.mark.parametrize("pieces", [255, SEGMENTS_MAX])
def test_a_colour_profile_in_pieces_passes_and_a_flood_does_not(pieces: int) -> None:
    payload = with_segments(SOUND, segment(0xE2, b"ICC_PROFILE\0") * pieces)
    assert refusal(payload) == ("" if pieces == 255 else "coding")


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [(16, 16, True), (15, 16, False), (16, 15, False), (16 * ASPECT_MAX, 16, True), (16, 16 * ASPECT_MAX + 1, False)],
)
def test_the_sides_of_a_picture_are_bounded(width: int, height: int, fits: bool) -> None:
    if fits:
        check_size(width, height)
        return
    with pytest.raises(FrameError, match="pixels"):
        check_size(width, height)


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", SOUND[:20], SOUND[: scan_at(SOUND)]]))
def test_any_bytes_pass_or_are_refused(tail: bytes, head: bytes) -> None:
    assert refusal(head + tail) in {"", "empty", "format", "truncated", "pixels", "coding", "trailing"}


@given(st.sampled_from([SOUND, PROGRESSIVE]), st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_mutated_picture_passes_or_is_refused(source: bytes, dice: random.Random, count: int) -> None:
    changed = bytearray(source)
    for _ in range(count):
        changed[dice.randrange(2, len(changed))] = dice.choice((0, 0xFF, 0xD9, 0xDA, 0xC0, dice.randrange(256)))
    assert refusal(bytes(changed)) in {"", "format", "truncated", "pixels", "coding", "trailing"}


@pytest.mark.parametrize("source", [SOUND, PROGRESSIVE], ids=["baseline", "progressive"])
def test_every_cut_picture_is_refused(source: bytes) -> None:
    assert {refusal(source[:end]) for end in range(3, len(source) - 1)} == {"truncated"}
    assert gate(source) == gate(source + b"\0")
