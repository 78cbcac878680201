"""Boxes of an operator's model: overlapping ones go, and those found in a fitted picture lie right in the original."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.onnx.fit import PAD_GREY, draw, place
from detectors.onnx.nms import BOXES_MAX, intersection_over_union, keep

Box = tuple[float, float, float, float]
SIDES = st.integers(0, 12)  # few, so that equal boxes and equal edges are common
BOXES = st.tuples(SIDES, SIDES, SIDES, SIDES).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)
FINDS = st.lists(st.tuples(BOXES, st.sampled_from([0.2, 0.5, 0.5, 0.9]), st.integers(0, 2)), max_size=25)


def naive_share(left: Box, right: Box) -> float:
    width = max(0.0, min(left[2], right[2]) - max(left[0], right[0]))
    height = max(0.0, min(left[3], right[3]) - max(left[1], right[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (left, right)]
    both = sum(areas) - width * height
    return width * height / both if both > 0 else 0.0


def naive(finds: list[tuple[Box, float, int]], overlap_max: float) -> list[int]:
    kept: list[int] = []
    for row in sorted(range(len(finds)), key=lambda row: -finds[row][1]):
        rivals = [one for one in kept if finds[one][2] == finds[row][2]]
        if all(naive_share(finds[one][0], finds[row][0]) <= overlap_max for one in rivals):
            kept.append(row)
    return kept


def columns(finds: list[tuple[Box, float, int]]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    return (
        np.asarray([box for box, _, _ in finds], np.float32).reshape(-1, 4),
        np.asarray([score for _, score, _ in finds], np.float32),
        np.asarray([number for _, _, number in finds], np.int64),
    )


def test_no_boxes_leave_none() -> None:
    assert len(keep(*columns([]), 0.5)) == 0


@given(FINDS, st.sampled_from([0.0, 0.3, 0.45, 1.0]))
def test_the_boxes_that_stay_are_those_of_the_plain_rule(finds: list[tuple[Box, float, int]], most: float) -> None:
    assert keep(*columns(finds), most).tolist() == naive(finds, most)


@given(FINDS)
def test_shares_are_those_of_the_plain_formula(finds: list[tuple[Box, float, int]]) -> None:
    shares = intersection_over_union(columns(finds)[0].astype(np.float64))
    wanted = [[naive_share(left[0], right[0]) for right in finds] for left in finds]
    assert np.allclose(shares, np.asarray(wanted).reshape(len(finds), len(finds)))


def test_a_thousand_boxes_are_compared_and_no_more() -> None:
    far = np.arange(BOXES_MAX + 5, dtype=np.float32)[:, None] * 10 + np.asarray([0, 0, 5, 5], np.float32)
    kept = keep(far, np.linspace(0.1, 0.9, len(far), dtype=np.float32), np.zeros(len(far), np.int64), 0.5)
    assert kept.tolist() == list(range(BOXES_MAX + 4, 4, -1))


SIZES = st.tuples(st.integers(1, 700), st.integers(1, 700))
INPUTS = st.tuples(st.integers(16, 640), st.integers(16, 640))
HOW = st.sampled_from(["centre", "corner", "stretch"])


@given(SIZES, INPUTS, HOW, st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5))
def test_boxes_come_back_from_the_input_where_they_were_in_the_picture(
    size_px: tuple[int, int], input_px: tuple[int, int], how: str, shares: list[tuple[float, ...]]
) -> None:
    fit = place(size_px, input_px, how)
    corners = np.asarray(shares, np.float32).reshape(-1, 4) * np.asarray([*size_px, *size_px], np.float32)
    inside = fit.forth(corners)
    assert (inside >= -0.01).all()
    assert (inside <= np.asarray([*input_px, *input_px]) + 0.01).all()
    assert np.allclose(fit.back(inside), corners, atol=0.01)


@given(SIZES, INPUTS, HOW)
def test_a_box_beyond_the_picture_is_cut_at_its_edge(
    size_px: tuple[int, int], input_px: tuple[int, int], how: str
) -> None:
    back = place(size_px, input_px, how).back(np.asarray([[-1e6, -1e6, 1e6, 1e6]], np.float32))
    assert back.tolist() == [[0, 0, *size_px]]


@given(SIZES, INPUTS, HOW)
def test_what_is_drawn_is_the_whole_picture(size_px: tuple[int, int], input_px: tuple[int, int], how: str) -> None:
    fit = place(size_px, input_px, how)
    drawn = draw(np.full((size_px[1], size_px[0], 3), 200, np.uint8), input_px, fit)
    rows, columns = np.nonzero(drawn[..., 0] == 200)
    edges = np.asarray([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    assert np.allclose(fit.back(edges), [[0, 0, *size_px]], atol=0.01)


def test_a_wide_picture_lies_in_the_middle_with_grey_around_it() -> None:
    picture = np.full((10, 40, 3), 200, np.uint8)
    drawn = draw(picture, (64, 64), place((40, 10), (64, 64), "centre"))
    assert drawn.shape == (64, 64, 3)
    assert (drawn[:24] == PAD_GREY).all()
    assert (drawn[24:40] == 200).all()
    assert (drawn[40:] == PAD_GREY).all()


def test_in_the_corner_all_grey_is_right_and_below() -> None:
    drawn = draw(np.full((40, 10, 3), 200, np.uint8), (64, 64), place((10, 40), (64, 64), "corner"))
    assert (drawn[:, :16] == 200).all()
    assert (drawn[:, 16:] == PAD_GREY).all()


def test_a_stretched_picture_leaves_no_grey() -> None:
    assert (draw(np.full((40, 10, 3), 200, np.uint8), (64, 32), place((10, 40), (64, 32), "stretch")) == 200).all()
