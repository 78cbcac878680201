"""A picture becomes the detector's grid, or costs one FrameError."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.decode import (
    GRID_MAX_PX,
    GRID_MIN_PX,
    decode_full,
    decode_grid,
    draw_outline,
    grid_shape,
    one_thread,
    reduction,
)
from ingest.jpeg import ASPECT_MAX, SIDE_MIN_PX, check_size, inspect
from schemas.errors import FrameError
from tests.ingest.jpegs import exif, jpeg, other, picture, with_frame, with_segments

SIDES = st.integers(1, 9000)


@pytest.mark.parametrize(
    ("width", "height", "factor", "shape"),
    [
        (3840, 2160, 8, (270, 480)),
        (2592, 1944, 8, (242, 324)),
        (2560, 1440, 8, (180, 320)),
        (2559, 1440, 4, (270, 480)),  # 640 columns are brought down to 480
        (1920, 1080, 4, (270, 480)),
        (1280, 720, 4, (180, 320)),
        (1279, 720, 2, (270, 480)),
        (1024, 768, 2, (360, 480)),
        (800, 600, 2, (300, 400)),
        (704, 576, 2, (288, 352)),
        (640, 480, 2, (240, 320)),
        (639, 480, 1, (360, 480)),
        (352, 288, 1, (288, 352)),
        (321, 241, 1, (240, 320)),
        (16, 16, 1, (16, 16)),
        (720, 1280, 2, (640, 360)),
    ],
)
def test_the_grid_of_each_common_size(width: int, height: int, factor: int, shape: tuple[int, int]) -> None:
    assert reduction(width, height) == factor
    assert grid_shape(width, height) == shape
    assert decode_grid(jpeg(width, height), width, height).shape == (*shape, 3)


@given(SIDES, SIDES)
def test_every_size_has_a_grid_or_is_refused(width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short < SIDE_MIN_PX or long > short * ASPECT_MAX:
        for refuses in (check_size, reduction, grid_shape):
            with pytest.raises(FrameError, match="pixels"):
                refuses(width, height)
        return
    rows, columns = grid_shape(width, height)
    assert rows % 2 == columns % 2 == 0
    assert rows >= SIDE_MIN_PX
    assert columns <= GRID_MAX_PX
    assert columns >= min(GRID_MIN_PX, width & ~1)
    if long >= 100:
        assert rows / columns == pytest.approx(height / width, rel=0.15)


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 800), st.integers(16, 800), st.booleans())
def test_a_picture_of_any_size_decodes_to_its_grid(width: int, height: int, progressive: bool) -> None:
    short, long = sorted((width, height))
    if long > short * ASPECT_MAX:
        return
    source = jpeg(width, height, progressive=progressive)
    header = inspect(source, max_bytes=2_000_000, max_pixels=8_300_000)
    grid = decode_grid(source, header.width, header.height)
    assert grid.shape == (*grid_shape(width, height), 3)
    assert grid.dtype == np.uint8
    assert grid.flags.c_contiguous


def test_the_grid_shows_what_the_picture_shows() -> None:
    grid = decode_grid(jpeg(1280, 720), 1280, 720)
    wanted = picture(1280, 720)[2::4, 2::4]
    assert float(np.abs(grid.astype(int) - wanted.astype(int)).mean()) < 3


def test_a_grey_picture_has_three_equal_channels() -> None:  # F26
    grid = decode_grid(jpeg(640, 480, grey=True), 640, 480)
    assert grid.shape == (240, 320, 3)
    assert np.ptp(grid, axis=2).max() == 0


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_tag_turns_nothing(orientation: int) -> None:  # F28
    source = jpeg(1280, 720)
    turned = with_segments(source, exif(orientation=orientation))
    assert np.array_equal(decode_grid(turned, 1280, 720), decode_grid(source, 1280, 720))
    assert np.array_equal(decode_full(turned), decode_full(source))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "corrupt"),  # F01: OpenCV raises here
        (b"no picture", "corrupt"),
        (jpeg(640, 480)[:300], "corrupt"),  # F03: OpenCV gives nothing here
        (jpeg(320, 240), "size_mismatch"),
        (jpeg(480, 640), "size_mismatch"),
        (other(".png"), "size_mismatch"),  # the gate is before this; the size would still tell
        (with_frame(jpeg(640, 480), width=0, height=0), "corrupt"),
    ],
    ids=["empty", "text", "cut", "smaller", "turned", "png", "no size"],
)
def test_what_is_not_the_picture_it_was_said_to_be(source: bytes, reason: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode_grid(source, 640, 480)
    assert caught.value.reason == reason


@pytest.mark.parametrize("source", [b"", b"no picture", jpeg()[:100]])
def test_a_broken_original_is_corrupt(source: bytes) -> None:
    for use in (decode_full, lambda broken: draw_outline(broken, (0, 0, 5, 5), "x")):
        with pytest.raises(FrameError, match="corrupt"):
            use(source)


def test_a_picture_that_takes_more_memory_than_there_is_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_told: object) -> None:
        error = cv2.error("Failed to allocate 24883200 bytes")
        error.code = cv2.Error.StsNoMem
        raise error

    monkeypatch.setattr(cv2, "imdecode", full)
    with pytest.raises(FrameError, match="decoder_memory"):
        decode_grid(jpeg(640, 480), 640, 480)


def test_no_bytes_of_another_picture_fill_what_is_missing() -> None:
    """OpenCV 4.10 filled a cut picture with the one decoded before: one street's picture as another's evidence."""
    sound = jpeg(640, 480)
    whole = decode_full(sound)
    try:
        seen = decode_full(sound[: len(sound) // 3] + b"\xff\xd9")
    except FrameError:
        seen = np.zeros_like(whole)
    assert float(np.abs(seen[-100:].astype(int) - whole[-100:].astype(int)).mean()) > 20


def test_an_outline_is_a_copy_with_a_box() -> None:
    source = jpeg(640, 480)
    drawn = draw_outline(source, (300, 200, 80, 60), "09006 摊")
    before, after = decode_full(source).astype(int), decode_full(drawn).astype(int)
    assert after.shape == before.shape
    assert np.abs(after - before)[198:204, 300:380].max() > 60
    assert np.abs(after - before)[350:, :200].max() < 40


@pytest.mark.parametrize("box", [(-50, -50, 20, 20), (0, 0, 640, 480), (630, 470, 500, 500), (10, 10, 0, 0)])
def test_an_outline_at_the_edge_is_drawn_as_far_as_it_goes(box: tuple[float, float, float, float]) -> None:
    assert decode_full(draw_outline(jpeg(640, 480), box, "x" * 200)).shape == (480, 640, 3)


def test_opencv_keeps_to_the_calling_thread() -> None:
    one_thread()
    assert decode_full(jpeg()).shape == (48, 64, 3)
