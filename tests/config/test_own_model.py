"""[model] and [vision] detector: what is wrong is said with its key; paths count from the configuration's folder."""

from pathlib import Path

import pytest

from config.load import load_config, read_config, secret_faults
from config.own_model import ModelKnobs
from schemas.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    file = folder / "c.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_empty_section_is_no_model(tmp_path: Path) -> None:
    assert load_config(written(tmp_path, "[model]\n"), {}).model == ModelKnobs()


def test_a_whole_section_is_read(tmp_path: Path) -> None:
    told = (
        '[model]\nonnx_file = "m.onnx"\nclasses = {"vendor cart" = "stall", 3 = "waste"}\ninput_px = [640, 480]\n'
        'every_s = 30\nfit = "stretch"\n'
        '[vision]\ndetector = "mine"\ndetector_knobs = {grey = 25, name = "x", on = true}\n'
    )
    config = load_config(written(tmp_path, told), {})
    assert config.model.onnx_file == str(tmp_path / "m.onnx")
    assert config.model.classes == {"vendor cart": "stall", "3": "waste"}
    assert config.model.input_px == (640, 480)
    assert config.vision.detector_knobs == {"grey": 25, "name": "x", "on": True}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('classes = {cart = "shop"}', "model.classes.cart = shop"),
        ("seen_min = 6", "seen_min = 6 is more than seen_of = 5 looks"),
        ("std = [1.0, 0.0, 1.0]", "each must be more than 0"),
        ("input_px = [640, 0]", "give width and height"),
        ("input_px = [8, 8]", "give width and height"),
        ("input_px = [640]", "model.input_px"),
        ('layout = "yolov9"', "model.layout = yolov9"),
        ("weight = -1", "model.weight"),
        ('onnx_file = "m.onnx"\non_tracks = false', "onnx_file is never asked"),
        ('onnx = "m.onnx"', "unknown key"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, f"[model]\n{text}\n"), {})
    assert words in str(caught.value)


def test_a_model_is_no_secret_that_must_be_hidden(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    (tmp_path / "m.onnx").chmod(0o644)
    file = written(tmp_path, '[model]\nonnx_file = "m.onnx"\n')
    assert secret_faults(read_config(file, {})[0], str(file)) == ()
