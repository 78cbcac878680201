"""What an operator's model puts out is read right, whatever family it is of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.onnx.layouts import ANCHORS, LAYOUTS, SUPPRESSED, Raw, cells, count_classes, decode, recognise

INPUT = (64, 96)  # width, height
CELLS = 8 * 12 + 4 * 6 + 2 * 3
CLASSES = 3
Array = NDArray[np.float32]


def logit(share: Array) -> Array:
    return np.asarray(np.log(share / (1 - share)), np.float32)


def centred(corners: Array) -> Array:
    return np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)


def encode(layout: str, corners: Array, scores: Array, classes: NDArray[np.int64]) -> list[Array]:
    """What a model of a family puts out for these boxes; all its other rows are empty."""
    rows = {"yolov5": ANCHORS * CELLS, "yolov8": CELLS, "yolox": CELLS}.get(layout, 40)
    table = np.zeros((rows, CLASSES), np.float32)
    table[np.arange(len(scores)), classes] = scores
    boxes = np.ones((rows, 4), np.float32)
    boxes[: len(corners)] = centred(corners)
    sides = np.asarray([*INPUT, *INPUT], np.float32)
    if layout == "yolov5":
        told = np.concatenate([boxes, np.ones((rows, 1), np.float32), table], axis=1)
        return [told[None]]
    if layout == "yolov8":
        return [np.concatenate([boxes, table], axis=1).T[None]]
    if layout == "end_to_end":
        whole = np.zeros((rows, 6), np.float32)
        whole[: len(corners)] = np.concatenate([corners, scores[:, None], classes[:, None]], axis=1)
        return [whole[None]]
    if layout == "yolox":  # every box of these tests is said by a cell of the finest grid
        places = np.asarray([(k % 8, k // 8) for k in range(rows)], np.float32)
        boxes[:, :2] = boxes[:, :2] / 8 - places
        boxes[:, 2:] = np.log(np.maximum(boxes[:, 2:], 1e-3) / 8)
        return [np.concatenate([boxes, np.ones((rows, 1), np.float32), table], axis=1)[None]]
    if layout == "detr":
        shares = np.concatenate([table, 1 - table.sum(axis=1, keepdims=True)], axis=1)
        return [np.log(np.maximum(shares, 1e-9))[None], (boxes / sides)[None]]
    return [logit(np.clip(table, 1e-6, 1 - 1e-6))[None], (boxes / sides)[None]]


FIND = st.tuples(
    st.integers(0, 40),
    st.integers(0, 60),
    st.integers(1, 20),
    st.integers(1, 30),
    st.floats(0.3, 0.9),
    st.integers(0, 2),
)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=30)
@given(finds=st.lists(FIND, max_size=6))
def test_boxes_scores_and_classes_come_back(layout: str, finds: list[tuple[int, int, int, int, float, int]]) -> None:
    corners = np.asarray([(x, y, x + w, y + h) for x, y, w, h, _, _ in finds], np.float32).reshape(-1, 4)
    scores = np.asarray([one[4] for one in finds], np.float32)
    classes = np.asarray([one[5] for one in finds], np.int64)
    found = decode(layout, encode(layout, corners, scores, classes), INPUT, 0.25)
    assert np.allclose(found.corners, corners, atol=0.01)
    assert np.allclose(found.scores, scores, atol=0.001)
    assert found.classes.tolist() == classes.tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_known_by_its_shapes_and_the_number_of_names(layout: str) -> None:
    shapes = [output.shape for output in encode(layout, *empty())]
    assert recognise(shapes, INPUT, CLASSES) == layout
    assert count_classes(layout, shapes) == (0 if layout == "end_to_end" else CLASSES)


def empty() -> tuple[Array, Array, NDArray[np.int64]]:
    return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)


def test_the_grids_have_as_many_cells_as_they_are_known_for() -> None:
    assert (cells((640, 640)), cells(INPUT)) == (8400, CELLS)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 25200, 85), "yolov5"),
        ((1, 84, 8400), "yolov8"),
        ((1, 300, 6), "end_to_end"),
        ((1, 8400, 84), "yolov8"),
        ((1, 8400, 85), "yolox"),
        ((1, 300, 84), "rtdetr"),
    ],
)
def test_published_exports_are_recognised(shape: tuple[int, ...], layout: str) -> None:
    assert recognise([shape], (640, 640), 80) == layout


def test_what_may_be_two_layouts_is_asked_for() -> None:
    with pytest.raises(ValueError, match="may be yolov8 or yolox: say which"):
        recognise([(1, 8400, 85)], (640, 640), 0)
    with pytest.raises(ValueError, match="may be detr or rtdetr"):
        recognise([(1, 300, 81), (1, 300, 4)], (640, 640), 0)


@pytest.mark.parametrize(
    "shapes", [[], [(1, 10, 7)], [(1, 3, 3), (1, 3, 4), (1, 3, 5)], [(1, 84, 8401)], [(1, 7, 3), (1, 8, 4)]]
)
def test_shapes_of_nothing_that_is_known_are_refused_in_words(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="are of no known layout"):
        recognise(shapes, (640, 640), 0)


@pytest.mark.parametrize("shape", [(2, 84, 8400), (1, 3, 80, 80, 85), (8400,), (1, 0, 6)])
def test_more_than_one_picture_or_no_list_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="is no list of boxes for one picture"):
        recognise([shape], (640, 640), 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_outputs_of_another_layout_are_refused(layout: str) -> None:
    with pytest.raises(ValueError, match=f"are not those of {layout}"):
        decode(layout, [np.zeros((1, 9, 3), np.float32)], INPUT, 0.25)


def test_a_yolox_model_of_another_input_is_refused() -> None:
    with pytest.raises(ValueError, match="126"):
        decode("yolox", [np.zeros((1, 7, 8), np.float32)], INPUT, 0.25)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e38])
def test_values_that_are_no_numbers_are_no_finds(layout: str, wrong: float) -> None:
    outputs = [np.full_like(output, wrong) for output in encode(layout, *empty())]
    found: Raw = decode(layout, outputs, INPUT, 0.25)
    assert np.isfinite(found.corners).all()
    assert ((found.scores >= 0.25) & (found.scores <= 1)).all()


def test_the_first_families_find_one_thing_several_times_and_the_others_do_not() -> None:
    assert frozenset(LAYOUTS) - SUPPRESSED == {"end_to_end", "detr", "rtdetr"}
