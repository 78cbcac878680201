import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.vision import crops
from schemas.crops import around
from schemas.detections import CLASSES
from schemas.errors import SetupError

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
    facts = {"sha256": crops.hashlib.sha256(network).hexdigest(), "kinds": list(crops.KINDS), **broken}
    (tmp_path / crops.NETWORK).write_bytes(network)
    (tmp_path / crops.FACTS).write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr(crops.resources, "files", lambda _: tmp_path)
    with pytest.raises(SetupError, match=said) as told:
        crops.load()
    assert "\n" not in str(told.value)
    assert "crop_model" in str(told.value)


def test_a_missing_network_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops.resources, "files", lambda _: tmp_path)
    with pytest.raises(SetupError, match=r"crops\.onnx: cannot be read"):
        crops.load()


def test_a_file_that_is_no_network_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {"sha256": crops.hashlib.sha256(b"no network").hexdigest(), "kinds": list(crops.KINDS)}
    (tmp_path / crops.NETWORK).write_bytes(b"no network")
    (tmp_path / crops.FACTS).write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr(crops.resources, "files", lambda _: tmp_path)
    with pytest.raises(SetupError, match="OpenCV cannot run it") as told:
        crops.load()
    assert "\n" not in str(told.value)
