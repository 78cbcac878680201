"""An operator's model on the whole road: JPEGs in, pieces cut out of the originals, alerts out."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from config.model import Config
from config.pack import load_pack
from curbwatch.detector_choice import make_detector
from curbwatch.tuning.replay import Alert, Road, play
from detectors import contract
from schemas.detections import Evidence
from schemas.place import CameraView
from tests.detectors.onnx_bytes import colour_model


def jpegs(*, from_the_start: bool) -> Iterator[tuple[int, bytes]]:
    """The contract's street at four times its size, as a camera sends it; or with its thing there all the time."""
    for k in range(contract.FRAMES):
        pixels = contract.street_pixels(16 + k % 14 if from_the_start else k)
        large = cv2.resize(pixels, contract.NATIVE, interpolation=cv2.INTER_CUBIC)
        written, encoded = cv2.imencode(".jpg", np.asarray(large), [cv2.IMWRITE_JPEG_QUALITY, 90])
        assert written
        yield contract.START_NS + round(k * contract.PERIOD_S * 1e9) + k, encoded.tobytes()


@pytest.fixture
def model_file(tmp_path: Path) -> str:
    """A model that finds red things."""
    (tmp_path / "m.onnx").write_bytes(colour_model(160, cell_px=16))
    return str(tmp_path / "m.onnx")


def alerts(frames: Iterator[tuple[int, bytes]], model: dict[str, object]) -> tuple[list[Alert], Road]:
    config = Config.model_validate({"vision": {"dwell_s": 20.0}, "model": model})
    road = Road(config, load_pack(Path("yanjiang")).city, CameraView("cam-1"))
    return list(play(frames, "cam-1", {"ours": road}, config).alerts["ours"]), road


def test_a_red_thing_is_called_what_the_model_calls_it(model_file: str) -> None:
    frames = list(jpegs(from_the_start=False))
    without, _ = alerts(iter(frames), {})
    other = "waste" if [alert.family for alert in without] == ["stall"] else "stall"
    knobs = {"onnx_file": model_file, "classes": {"red": other}, "divide_by": 60.0, "look_s": 4.0, "weight": 5.0}
    found, _ = alerts(iter(frames), knobs)
    assert [alert.family for alert in found] == [other]


def test_a_thing_that_stood_there_from_the_start_is_found_by_whole_pictures_alone(model_file: str) -> None:
    frames = list(jpegs(from_the_start=True))
    knobs: dict[str, object] = {"onnx_file": model_file, "classes": {"red": "waste"}, "divide_by": 60.0}
    assert alerts(iter(frames), knobs)[0] == []
    (found,), road = alerts(iter(frames), {**knobs, "every_s": 8.0})
    assert found.family == "waste"
    assert road.found.evidence.tolist() == [Evidence.MODEL]
    x, y, w, h = (side * 4 for side in contract.THING)
    assert abs(found.box_px[0] + found.box_px[2] / 2 - (x + w / 2)) < w / 2
    assert abs(found.box_px[1] + found.box_px[3] / 2 - (y + h / 2)) < h / 2


@pytest.mark.parametrize(("step_s", "most"), [(1e-9, 1), (1e6, 1000)])
def test_a_shard_gives_the_model_its_seconds_and_one_look_at_least(model_file: str, step_s: float, most: int) -> None:
    model = {"onnx_file": model_file, "classes": {"red": "waste"}, "step_s": step_s}
    with capture_logs() as logs:
        make_detector(Config.model_validate({"model": model}), {}, timed=True)
    (told,) = [line["looks_most"] for line in logs if line["event"] == "own_model"]
    assert told == 1 if most == 1 else told >= most
