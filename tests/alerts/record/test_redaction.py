"""A party's copy of a picture: outside the thing there is nothing left of anybody, inside it is as it was."""

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alerts.record.redaction import BLOCK_PX, block_px, pixelated, shown_region, shown_share
from ingest.decode import decode_full, encode_copy
from schemas.errors import FrameError
from tests.ingest.jpegs import jpeg, located

FACE_PX = 100  # height of a face that must not be known again
Pixels = NDArray[np.uint8]


def noise(height: int, width: int, *, grey: bool = False, seed: int = 0) -> Pixels:
    shape = (height, width) if grey else (height, width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


sizes = st.integers(1, 260)
sides = st.floats(-300, 300)


@st.composite
def pictures(draw: st.DrawFn) -> tuple[Pixels, list[tuple[int, int, int, int]]]:
    """A picture of noise, grey or in colour, with what is shown of it: nothing, or boxes that may lie over its edge."""
    height, width = draw(sizes), draw(sizes)
    picture = noise(height, width, grey=draw(st.booleans()), seed=draw(st.integers(0, 99)))
    boxes = draw(st.lists(st.tuples(sides, sides, sides, sides), max_size=2))
    return picture, [one for box in boxes if (one := shown_region(box, width, height)) is not None]


def outside(picture: Pixels, shown: list[tuple[int, int, int, int]]) -> NDArray[np.bool_]:
    hidden = np.ones(picture.shape[:2], np.bool_)
    for x, y, w, h in shown:
        hidden[y : y + h, x : x + w] = False
    return hidden


@given(pictures())
def test_inside_is_as_it_was_and_the_original_is_not_touched(
    drawn: tuple[Pixels, list[tuple[int, int, int, int]]],
) -> None:
    picture, shown = drawn
    before = picture.copy()
    copy = pixelated(picture, shown)
    assert copy.shape == picture.shape
    assert copy.dtype == np.uint8
    assert np.array_equal(picture, before)
    assert not np.shares_memory(copy, picture)
    for x, y, w, h in shown:
        assert w >= 1
        assert h >= 1
        assert np.array_equal(copy[y : y + h, x : x + w], picture[y : y + h, x : x + w])


@given(pictures(), st.integers(0, 99))
def test_outside_only_coarse_means_of_blocks_are_left(
    drawn: tuple[Pixels, list[tuple[int, int, int, int]]], seed: int
) -> None:
    """Whatever changes within a block and leaves its mean leaves the copy: so nobody can work it out of the copy."""
    picture, shown = drawn
    height, width = picture.shape[:2]
    least = block_px(width, height)
    rng, mixed = np.random.default_rng(seed), picture.copy()
    edges = [[k * side // max(1, side // least) for k in range(max(1, side // least) + 1)] for side in (height, width)]
    for top, bottom in zip(edges[0], edges[0][1:], strict=False):
        for left, right in zip(edges[1], edges[1][1:], strict=False):
            assert bottom - top >= min(least, height)
            assert right - left >= min(least, width)
            block = mixed[top:bottom, left:right].reshape(-1, *picture.shape[2:])
            mixed[top:bottom, left:right] = rng.permutation(block).reshape(mixed[top:bottom, left:right].shape)
    hidden = outside(picture, shown)
    copy = pixelated(picture, shown)
    assert np.array_equal(copy[hidden], pixelated(mixed, shown)[hidden])
    assert set(np.unique(copy[hidden] % 16)) <= {8}


def test_a_strip_beside_the_shown_part_cannot_be_worked_out_of_its_block() -> None:
    """Who knows the shown part of a block could take it off the mean: the rounding keeps what the strip adds."""
    picture = np.full((480, 480, 3), 100, np.uint8)
    shown = [(0, 0, 46, 480)]
    other = picture.copy()
    other[:, 46:48] = 120  # two columns of the first blocks: all that is hidden of them
    assert np.array_equal(pixelated(picture, shown), pixelated(other, shown))


@pytest.mark.parametrize(("height", "width", "face_px"), [(720, 1280, 100), (1080, 1920, 150), (2160, 3840, 300)])
def test_a_face_has_two_blocks_on_its_height(height: int, width: int, face_px: int) -> None:
    assert block_px(width, height) == block_px(height, width)
    assert face_px / block_px(width, height) < 2.2
    assert BLOCK_PX > FACE_PX / 8


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 900, 3), (900, 1)])
def test_the_smallest_pictures_are_hidden_too(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 77, np.uint8)
    copy = pixelated(picture)
    assert set(np.unique(copy)) == {72}
    assert shown_region((0, 0, 1, 1), shape[1], shape[0]) == (0, 0, min(9, shape[1]), min(9, shape[0]))


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5), (5, 0, 3), (5,), (2, 2, 3, 1)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no picture"):
        pixelated(np.zeros(shape, np.uint8))


NO_BOXES: list[Any] = [
    (),
    (1, 2, 3),
    (0, 0, 0, 0),
    (5, 5, 0, 9),
    (5, 5, 9, -1),
    (math.nan, 0, 9, 9),
    (0, 0, math.inf, 9),
    (640, 0, 9, 9),
    (-9, 0, 9, 9),
    (0, 480, 9, 9),
    (0, -9, 9, 9),
    (1.7e308, 0, 1.7e308, 9),
]


@pytest.mark.parametrize("box", NO_BOXES, ids=str)
def test_what_is_no_box_shows_nothing(box: tuple[float, ...]) -> None:
    assert shown_region(box, 640, 480) is None


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        ((100, 100, 200, 50), (80, 92, 240, 66)),  # a tenth of its side, eight px at least
        ((-50, 470, 100, 100), (0, 460, 60, 20)),
        ((0, 0, 1e300, 1e300), (0, 0, 640, 480)),
        ((639.5, 479.5, 0.1, 0.1), (631, 471, 9, 9)),
    ],
)
def test_a_box_is_shown_with_its_margin_up_to_the_edge(box: Any, shown: Any) -> None:  # noqa: ANN401
    assert shown_region(box, 640, 480) == shown


@given(st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 4), sizes, sizes)
def test_no_box_reaches_out_of_its_picture(box: tuple[float, float, float, float], width: int, height: int) -> None:
    found = shown_region(box, width, height)
    if found is not None:
        x, y, w, h = found
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


def test_the_share_that_is_shown_counts_nothing_twice() -> None:
    assert shown_share([], 10, 10) == 0
    assert shown_share([(0, 0, 5, 10), (0, 0, 5, 10)], 10, 10) == 0.5


@pytest.mark.parametrize("grey", [False, True])
def test_a_copy_is_the_pixels_and_nothing_else(grey: bool) -> None:
    picture = decode_full(located(jpeg(640, 384, grey=grey), "SN-4711"))
    picture = pixelated(picture, [(100, 100, 200, 150)])
    copy = encode_copy(picture)
    assert b"Exif" not in copy
    assert b"SN-4711" not in copy
    again = decode_full(copy)
    assert np.abs(again.astype(int) - picture).mean() < 2
    assert encode_copy(picture) == copy
    assert cv2.imdecode(np.frombuffer(encode_copy(noise(1, 1, grey=grey)), np.uint8), cv2.IMREAD_COLOR) is not None


def test_what_no_jpeg_can_hold_is_no_copy() -> None:
    with pytest.raises(FrameError, match="corrupt"):
        encode_copy(np.zeros((1, 70_000, 3), np.uint8))
