"""An ONNX file of the operator, as OpenCV reads it: what it says of itself, and what it finds."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.onnx.header import Header, read_header
from detectors.onnx.model import Finds, OnnxModel, Reading
from tests.detectors.onnx_bytes import colour_model, constant_model, graph_bytes, node, tensor, value

RED, BLUE, GREY = (30, 30, 220), (220, 30, 30), (120, 120, 120)  # BGR
STALL, WASTE = 0, 1


def reading(**changes: object) -> Reading:
    known: dict[str, object] = {
        "layout": "yolov8",
        "input_px": (64, 64),
        "fit": "centre",
        "rgb": True,
        "divide_by": 255.0,
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "classes": {0: STALL, 1: WASTE},
        "names": 2,
        "least": 0.25,
        "overlap_max": 0.45,
    }
    return Reading(**{**known, **changes})  # type: ignore[arg-type]  # names of the fields, given by the tests


def scene(*patches: tuple[tuple[int, int, int, int], tuple[int, int, int]]) -> NDArray[np.uint8]:
    picture = np.full((128, 128, 3), GREY, np.uint8)
    for (x, y, w, h), colour in patches:
        picture[y : y + h, x : x + w] = colour
    return picture


def told(finds: Finds) -> list[tuple[int, list[int]]]:
    return sorted(
        (int(k), [round(float(side)) for side in box]) for k, box in zip(finds.classes, finds.corners, strict=True)
    )


def test_nothing_is_found_where_nothing_is() -> None:
    assert len(OnnxModel(colour_model(), reading()).find(scene())) == 0
    assert len(Finds.none()) == 0


def test_things_are_found_where_they_are_and_named_as_the_map_says() -> None:
    model = OnnxModel(colour_model(), reading())
    found = model.find(scene(((0, 32, 32, 32), RED), ((64, 64, 32, 32), BLUE)))
    assert told(found) == [(STALL, [0, 32, 32, 64]), (WASTE, [64, 64, 96, 96])]
    assert model.families == {STALL, WASTE}


def test_a_class_that_is_not_in_the_map_is_of_no_interest() -> None:
    model = OnnxModel(colour_model(), reading(classes={1: STALL}))
    assert told(model.find(scene(((0, 32, 32, 32), RED), ((64, 64, 32, 32), BLUE)))) == [(STALL, [64, 64, 96, 96])]


def test_colours_are_given_in_the_order_that_the_model_wants() -> None:
    model = OnnxModel(colour_model(), reading(rgb=False))
    assert told(model.find(scene(((0, 32, 32, 32), RED)))) == [(WASTE, [0, 32, 32, 64])]


def test_values_are_scaled_as_the_model_wants() -> None:
    """Without the division every score is far beyond 1, and is cut to it; with a large one there is no find."""
    picture = scene(((0, 32, 32, 32), RED))
    assert OnnxModel(colour_model(), reading(divide_by=1.0)).find(picture).scores.tolist() == [1.0]
    assert len(OnnxModel(colour_model(), reading(std=(9.0, 9.0, 9.0))).find(picture)) == 0
    assert len(OnnxModel(colour_model(), reading(mean=(0.5, 0.0, 0.0))).find(picture)) == 0


def test_a_picture_of_another_shape_is_fitted_and_its_finds_lie_right() -> None:
    picture = np.full((64, 256, 3), GREY, np.uint8)
    picture[:, 64:128] = RED
    found = OnnxModel(colour_model(), reading()).find(picture)
    assert told(found) == [(STALL, [64, 0, 128, 32]), (STALL, [64, 32, 128, 64])] or told(found) == [
        (STALL, [64, 0, 128, 64])
    ]


@pytest.mark.parametrize(("layout", "count"), [("yolov8", 1), ("end_to_end", 2)])
def test_two_boxes_on_one_thing_are_one_unless_the_model_sees_to_that(
    layout: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.asarray([[10, 10, 20, 20, 0.9, 0], [10, 11, 20, 20, 0.8, 0]], np.float32)
    if layout == "yolov8":
        rows = np.pad(np.asarray([[20, 20, 9, 9, 0.9, 0], [20, 21, 9, 9, 0.8, 0]], np.float32).T, ((0, 0), (0, 9)))
    model = OnnxModel(colour_model(), reading())
    model.layout = layout
    monkeypatch.setattr(model, "_run", lambda _: [rows[None]])
    assert len(model.find(scene())) == count


def test_the_same_picture_gives_the_same_finds() -> None:
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 60, (90, 70, 3), np.uint8) + np.asarray((0, 0, 150), np.uint8)
    model, other = (OnnxModel(colour_model(), reading(least=0.01)) for _ in range(2))
    first = model.find(picture)
    assert len(first) > 0
    for again in (model.find(picture), other.find(picture)):
        assert (again.corners.tobytes(), again.scores.tobytes()) == (first.corners.tobytes(), first.scores.tobytes())


@pytest.mark.parametrize(
    ("data", "changes", "words"),
    [
        (constant_model((1, 7, 7, 7)), {}, "is no list of boxes for one picture"),
        (constant_model((1, 20, 9)), {"layout": "auto", "names": 0}, "of no known layout"),
        (
            constant_model((1, 20, 6)),
            {"layout": "yolov5", "names": 2},
            "has 1 classes by its outputs, 2 names are given",
        ),
        (constant_model((1, 20, 8)), {"layout": "yolov5", "names": 0, "classes": {5: 0}}, "there is no class 5"),
        (colour_model(), {"input_px": (96, 64)}, "OpenCV cannot run it on 96x64 px"),
        (colour_model()[:-40], {}, "OpenCV cannot read it"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_in_words(data: bytes, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        OnnxModel(data, reading(**changes))


def test_an_operator_that_opencv_does_not_have_is_named_on_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    nodes = [node("Nonsense", ["x"], "y")]
    data = graph_bytes(nodes, [], ([value("x", (1, 3, 64, 64))], [value("y", (1, 6, 84))]))
    with pytest.raises(ValueError, match=r"^OpenCV cannot read it: it cannot take the operator Nonsense$"):
        OnnxModel(data, reading())
    assert capfd.readouterr() == ("", "")


def test_a_look_is_timed_by_the_clock_that_is_given() -> None:
    ticks = iter([0.0, 1.0, 10.0, 12.0, 20.0, 29.0])
    assert OnnxModel(colour_model(), reading()).cost_s(lambda: next(ticks)) == 2.0


def test_a_file_says_its_input_and_its_names() -> None:
    assert read_header(colour_model(64)) == Header((1, 3, 64, 64), ("red", "blue"))
    assert read_header(colour_model(64)).input_px == (64, 64)
    assert read_header(colour_model(64, names="")).names == ()
    assert read_header(colour_model(64, names="['a', 'b']")).names == ("a", "b")
    assert read_header(colour_model(64, names="{0: 'a', 2: 'c'}")).names == ("a", "1", "c")


@pytest.mark.parametrize("names", ["{0: __import__('os')}", "3", "{'a': 1}", "{999999999: 'a'}", "((((" * 500])
def test_names_that_are_none_are_passed_over(names: str) -> None:
    assert read_header(colour_model(64, names=names)).names == ()


def test_a_free_input_and_weights_among_the_inputs_are_understood() -> None:
    free = value("x", (0, 3, 0, 0))
    weight = tensor("w", np.zeros(1, np.float32))
    told_of = read_header(graph_bytes([], [weight], ([free, value("w", (1,))], [])))
    assert (told_of.shape, told_of.input_px) == ((0, 3, 0, 0), (0, 0))
    assert read_header(graph_bytes([], [], ([free, value("other", (1, 2))], []))).shape == ()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip file", b"{}", b"\xff" * 30, colour_model()[:300]])
def test_what_is_no_onnx_file_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ValueError, match="is no ONNX file"):
        read_header(data)


@given(st.binary(max_size=200), st.integers(0, 700))
def test_no_bytes_end_the_reader_other_than_by_a_refusal(rubbish: bytes, at: int) -> None:
    whole = colour_model()
    for data in (rubbish, whole[:at] + rubbish + whole[at + len(rubbish) :]):
        with contextlib.suppress(ValueError):
            read_header(data)
