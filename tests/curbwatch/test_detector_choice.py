"""Another detector is chosen by its entry point's name, whoever wrote it; ours is chosen where none is named."""

import re
from pathlib import Path

import pytest

from config.model import Config
from config.pack import load_pack
from curbwatch.detector_choice import examine_detector, make_detector, whole
from curbwatch.tuning.replay import Road
from detectors import contract
from detectors.onnx.detector import OwnModelDetector
from detectors.vision import VisionDetector
from schemas.errors import ConfigError, UsageError
from schemas.frame import Frame
from schemas.place import CameraView
from tests.curbwatch.own_package import install
from tests.detectors.onnx_bytes import colour_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_detector.py"
FAULTS = """
def raises(knobs, views):
    raise RuntimeError("no licence")

def half(knobs, views):
    return object()
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example, and a package with faults."""
    (tmp_path / "faulty_detector.py").write_text(FAULTS, encoding="utf-8")
    faulty = "raises = faulty_detector:raises\nhalf = faulty_detector:half\nlost = nowhere:x"
    points = f"first = own_detector:FirstPicture\n{faulty}"
    install(tmp_path / "site", monkeypatch, points, EXAMPLE, tmp_path / "faulty_detector.py")


def config(**vision: object) -> Config:
    return Config.model_validate({"vision": {"dwell_s": 20.0, **vision}})


def test_ours_is_chosen_where_none_is_named() -> None:
    assert isinstance(make_detector(Config(), {}), VisionDetector)
    assert examine_detector(Config(), "c.toml") == ("", ())


@pytest.mark.usefixtures("installed")
def test_the_example_of_forty_lines_is_chosen_by_name_and_keeps_the_contract() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 40
    assert type(make_detector(config(detector="first"), {})).__name__ == "FirstPicture"
    contract.check(lambda: make_detector(config(detector="first"), {}))


@pytest.mark.usefixtures("installed")
def test_its_knobs_reach_it() -> None:
    blind = make_detector(config(detector="first", detector_knobs={"grey": 200}), {})
    assert all(len(blind.step(contract.street(k))) == 0 for k in range(contract.FRAMES))


@pytest.mark.usefixtures("installed")
def test_it_raises_an_alert_on_the_whole_road() -> None:
    road = Road(config(detector="first"), load_pack(Path("yanjiang")).city, CameraView("cam-1"))
    opened = []
    for k in range(contract.FRAMES):
        opened += road.see(contract.street(k), Frame("cam-1", contract.START_NS, 0, b"", *contract.NATIVE))
    assert [alert.family for alert in opened] == ["waste"]
    with pytest.raises(UsageError, match="only our own detector can be looked into"):
        _ = road.detector


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("vision", "words"),
    [
        ({"detector": "frist"}, "vision.detector = frist: there is no such detector; did you mean 'first'?"),
        ({"detector": "raises"}, "faulty_detector:raises cannot be made: RuntimeError: no licence"),
        ({"detector": "half"}, "faulty_detector:half makes no detector: it has no step, classify"),
        ({"detector": "lost"}, "nowhere:x cannot be made: ModuleNotFoundError"),
        ({"detector_knobs": {"grey": 3}}, "vision.detector_knobs = grey: are for another detector"),
    ],
)
def test_a_detector_that_cannot_be_had_is_a_clean_fault(vision: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        make_detector(config(**vision), {}, "c.toml")
    _, faults = examine_detector(config(**vision), "c.toml")
    assert [fault.file for fault in faults] == ["c.toml"]


@pytest.mark.usefixtures("installed")
def test_the_operators_model_goes_beside_any_detector(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(colour_model())
    knobs = {"onnx_file": str(tmp_path / "m.onnx"), "classes": {"red": "stall"}, "every_s": 8.0}
    made = make_detector(Config.model_validate({"vision": {"detector": "first"}, "model": knobs}), {}, timed=True)
    assert isinstance(made, OwnModelDetector)
    assert type(whole(made)).__name__ == "FirstPicture"
    both = {"vision": {"detector": "nobody"}, "model": {**knobs, "classes": {"green": "stall"}}}
    with pytest.raises(ConfigError) as caught:
        make_detector(Config.model_validate(both), {})
    assert [fault.key for fault in caught.value.faults] == ["vision.detector", "model.classes.green"]
