"""`curbwatch check` and the start say what is wrong with an operator's model: file, key, value, and what to do."""

import sys
from pathlib import Path

import pytest

import curbwatch.cli.check  # noqa: F401 - registers the verb
from config.faults import Faults
from config.model import Config
from config.own_model import ModelKnobs
from curbwatch import own_model
from curbwatch.__main__ import main
from curbwatch.detector_choice import examine_detector, make_detector
from detectors.onnx.model import OnnxModel
from schemas.errors import ConfigError
from tests.detectors.onnx_bytes import colour_model, constant_model, graph_bytes, value

RIGHT = 'onnx_file = "m.onnx"\nclasses = {red = "stall", 1 = "waste"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model, and with other files."""
    (tmp_path / "m.onnx").write_bytes(colour_model())
    (tmp_path / "nameless.onnx").write_bytes(colour_model(names=""))
    (tmp_path / "free.onnx").write_bytes(graph_bytes([], [], ([value("x", (0, 3, 0, 0))], [])))
    (tmp_path / "grey.onnx").write_bytes(graph_bytes([], [], ([value("x", (1, 1, 64, 64))], [])))
    (tmp_path / "other.onnx").write_bytes(constant_model((1, 20, 9)))
    (tmp_path / "torn.onnx").write_bytes(colour_model()[:300])
    (tmp_path / "names.txt").write_text("cart\nbag\n", encoding="utf-8")
    (tmp_path / "three.txt").write_text("a\nb\nc\n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    return tmp_path


def check(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    (folder / "c.toml").write_text(f"[model]\n{text}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["curbwatch", "check", "--config", str(folder / "c.toml")])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_a_right_model_is_told_with_its_layout_and_its_cost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(folder, RIGHT, monkeypatch) == 0
    assert "own model: yolov8 (1x6x84), " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('onnx_file = "no.onnx"\nclasses = {red = "stall"}', "/no.onnx: there is no such file"),
        ('onnx_file = "."\nclasses = {red = "stall"}', "is not a file"),
        ('onnx_file = "torn.onnx"\nclasses = {red = "stall"}', "is no ONNX file, or one that was cut off"),
        ('onnx_file = "c.toml"\nclasses = {red = "stall"}', "/c.toml: is no ONNX file"),
        ('onnx_file = "other.onnx"\nclasses = {1 = "stall"}', " are of no known layout"),
        ('onnx_file = "grey.onnx"\nclasses = {1 = "stall"}', "its input is 1x1x64x64, not 1x3xheightxwidth"),
        ('onnx_file = "free.onnx"\nclasses = {1 = "stall"}', "model.input_px = [0, 0]: the ONNX file leaves it free"),
        (RIGHT + "input_px = [96, 64]", "model.input_px = [96, 64]: the ONNX file says 64 and 64"),
        ('onnx_file = "m.onnx"', "model.classes: is empty: say which class is what"),
        ('onnx_file = "m.onnx"', "(it has red, blue)"),
        ('onnx_file = "m.onnx"\nclasses = {rde = "stall"}', "model.classes.rde = stall: is no class of the model"),
        ('onnx_file = "m.onnx"\nclasses = {rde = "stall"}', "did you mean 'red'?"),
        ('onnx_file = "m.onnx"\nclasses = {7 = "stall"}', "model.classes.7 = stall: the model has 2 classes, 0 to 1"),
        ('onnx_file = "m.onnx"\nclasses = {red = "stall", 0 = "waste"}', "class 0 is given twice, as stall too"),
        ('onnx_file = "nameless.onnx"\nclasses = {red = "stall"}', "it says no names: give its number, or names_file"),
        ('onnx_file = "nameless.onnx"\nclasses = {7 = "stall"}', "has 2 classes, 0 to 1; there is no class 7"),
        (RIGHT + 'names_file = "none.txt"', "model.names_file"),
        (RIGHT + 'names_file = "empty.txt"', "is empty: one name a line"),
        (
            'onnx_file = "m.onnx"\nnames_file = "three.txt"\nclasses = {a = "stall"}',
            "has 2 classes by its outputs, 3 names are given",
        ),
        (RIGHT + 'layout = "yolov5"', "has 79 classes by its outputs, 2 names are given"),
        (RIGHT + "limit_ms = 0.0001", "model.limit_ms = 0.0001: "),
        (RIGHT + "limit_ms = 0.0001", "ms a look: give a smaller model or input_px, or raise the limit"),
    ],
)
def test_what_is_wrong_with_a_model_is_said_by_check(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    assert check(folder, text, monkeypatch) == 2
    said = capsys.readouterr().err
    assert words in said
    assert f"{folder / 'c.toml'}: model." in said
    assert "Traceback" not in said


def test_names_of_a_file_win_over_those_of_the_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(folder, 'onnx_file = "m.onnx"\nnames_file = "names.txt"\nclasses = {cart = "stall"}', monkeypatch) == 0
    assert check(folder, 'onnx_file = "nameless.onnx"\nclasses = {0 = "stall"}', monkeypatch) == 0


def test_a_name_that_is_a_number_is_a_name_first(folder: Path) -> None:
    faults = Faults()
    knobs = ModelKnobs(classes={"1": "stall"})
    assert own_model.class_numbers(knobs, ["1", "0"], "c.toml", faults) == {0: 0}
    assert len(faults) == 0


def test_a_model_that_is_too_slow_is_refused_at_the_start_and_not_in_a_replay(folder: Path) -> None:
    knobs = {"onnx_file": str(folder / "m.onnx"), "classes": {"red": "stall"}, "limit_ms": 1e-6}
    config = Config.model_validate({"model": knobs})
    make_detector(config, {})
    with pytest.raises(ConfigError, match=r"model\.limit_ms"):
        make_detector(config, {}, timed=True)


def test_a_model_that_opencv_refuses_is_a_fault_and_no_crash(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> OnnxModel:
        raise ValueError("OpenCV cannot read it: no such operator")

    monkeypatch.setattr(own_model, "OnnxModel", refuse)
    knobs = {"onnx_file": str(folder / "m.onnx"), "classes": {"red": "stall"}}
    _, (fault,) = examine_detector(Config.model_validate({"model": knobs}), "c.toml")
    assert str(fault).endswith("m.onnx: OpenCV cannot read it: no such operator")
