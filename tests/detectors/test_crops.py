import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curbwatch.tuning.train.crop_figures import patterns
from detectors.vision import crops
from schemas.crops import around
from schemas.detections import CLASSES
from schemas.errors import SetupError

ROOT = Path(__file__).parents[2]
SIDES = st.tuples(st.integers(1, 400), st.integers(1, 300))


def test_every_kind_belongs_to_a_class() -> None:
    assert len(crops.KIND_CLASS) == len(crops.KINDS)
    assert crops.KINDS[: len(CLASSES)] == CLASSES
    assert [CLASSES[crops.KIND_CLASS[crops.KINDS.index(name)]] for name in ("bin", "overflow")] == ["other", "waste"]


def test_a_window_shows_the_box_in_its_middle_with_its_proportions() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[100:120, 100:140] = 255
    seen = crops.window(picture, (0, 0, 320, 240), (100, 100, 40, 20), 64, 0.3)
    assert seen.shape == (64, 64, 3)
    inside = seen[..., 0] > 127
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert len(columns) == pytest.approx(40, abs=2)
    assert len(rows) == pytest.approx(20, abs=2)
    assert (rows.mean(), columns.mean()) == pytest.approx((31.5, 31.5), abs=1)


def test_a_piece_decoded_smaller_shows_the_same() -> None:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[80:160, 100:220] = 200
    box = (100.0, 80.0, 120.0, 80.0)
    whole = crops.window(picture, (0, 0, 320, 240), box)
    half = crops.window(np.ascontiguousarray(picture[::2, ::2]), (0, 0, 320, 240), box)
    assert np.abs(whole.astype(int) - half).mean() < 4


@given(SIDES, st.tuples(st.floats(-50, 450), st.floats(-50, 350)), st.tuples(st.floats(0.1, 400), st.floats(0.1, 300)))
@settings(max_examples=80, deadline=None)
def test_any_box_gives_a_window(
    native: tuple[int, int], corner: tuple[float, float], sides: tuple[float, float]
) -> None:
    box = (*corner, *sides)
    piece = around(box, native)
    x, y, w, h = piece.box_px
    picture = np.full((max(1, -(-h // piece.reduction)), max(1, -(-w // piece.reduction)), 3), 77, np.uint8)
    assert (crops.window(picture, (x, y, w, h), box) == 77).all()


def test_the_network_that_ships_is_small_and_the_one_of_the_model_card() -> None:
    network = (Path(crops.__file__).parent / crops.NETWORK).read_bytes()
    assert len(network) < 4 * 250_000 + 20_000  # a quarter of a million float32, and the graph
    assert hashlib.sha256(network).hexdigest() in (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")


def test_opencv_gives_the_scores_of_onnxruntime() -> None:
    facts = json.loads((Path(crops.__file__).parent / crops.FACTS).read_text(encoding="utf-8"))
    net = crops.load()
    found = np.stack([net.scores(picture) for picture in patterns()])
    assert found == pytest.approx(np.asarray(facts["pattern_scores"]), abs=1e-4)


def test_no_pieces_have_no_probabilities_and_those_of_any_piece_sum_to_one() -> None:
    net = crops.load()
    assert net.posterior([]).shape == (0, len(CLASSES))
    assert net.posterior(list(patterns())).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_piece_is_judged_alike_whatever_else_is_in_the_batch() -> None:
    net, pictures = crops.load(), list(patterns())
    assert net.posterior(pictures)[2].tobytes() == net.posterior(pictures[2:3])[0].tobytes()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"sha256": "0" * 64}, "is damaged"),
        ({"kinds": ["cat"]}, "other classes"),
        ({"kinds": 3}, "cannot be read"),
    ],
)
def test_a_network_that_does_not_fit_is_told_in_one_line(
    broken: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = b"no network"
    facts = {"sha256": hashlib.sha256(network).hexdigest(), "kinds": list(crops.KINDS), **broken}
    (tmp_path / crops.NETWORK).write_bytes(network)
    (tmp_path / crops.FACTS).write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr("detectors.vision.crops.resources.files", lambda _: tmp_path)
    with pytest.raises(SetupError, match=said) as told:
        crops.load()
    assert "\n" not in str(told.value)
    assert "crop_model" in str(told.value)


def test_a_missing_network_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detectors.vision.crops.resources.files", lambda _: tmp_path)
    with pytest.raises(SetupError, match=r"crops\.onnx: cannot be read"):
        crops.load()


def test_a_file_that_is_no_network_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"sha256": hashlib.sha256(b"no network").hexdigest(), "kinds": list(crops.KINDS)}
    (tmp_path / crops.NETWORK).write_bytes(b"no network")
    (tmp_path / crops.FACTS).write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr("detectors.vision.crops.resources.files", lambda _: tmp_path)
    with pytest.raises(SetupError, match="OpenCV cannot run it") as told:
        crops.load()
    assert "\n" not in str(told.value)
