"""A camera with an operator's model is kept and restored with what the model said; what is no snapshot is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.onnx.spots import SPOT
from detectors.onnx.views import MAGIC, VIEW
from detectors.vision import snapshot
from tests.detectors.scripted_own import OWN, PIECE, THERE, WHOLE, Inner, Model, beside, frames, look
from tests.detectors.street import as_bytes


@settings(max_examples=25)
@given(cut=st.integers(0, 24), gaps=st.lists(st.integers(1, 12), min_size=25, max_size=25), seed=st.integers(0, 999))
def test_a_restored_camera_goes_on_as_if_nothing_had_happened(cut: int, gaps: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(gaps).tolist()
    rows = {int(second): [THERE] for second in seconds if rng.random() < 0.7}
    shown = rng.choice(["", "gate", "corner"], len(seconds)).tolist()
    says = [[PIECE, WHOLE][: int(rng.integers(0, 3))] for _ in seconds]
    knobs: dict[str, object] = {**OWN, "on_tracks": True, "look_s": 5.0}
    straight, model = beside(Inner(rows), Model(), 30.0, **knobs), Model()
    resumed, other = beside(Inner(rows), model, 30.0, **knobs), Model()
    straight._model = other
    for k, second in enumerate(seconds):
        if k == cut:
            state = resumed.snapshot("cam-0")
            resumed = beside(Inner(rows), model, 30.0, **knobs)
            if state:
                resumed.restore("cam-0", state)
        model.said = other.said = says[k]
        batch = frames(second, preset=shown[k])
        assert as_bytes(look(resumed, batch)) == as_bytes(look(straight, batch))
    assert resumed.snapshot("cam-0") == straight.snapshot("cam-0")


def test_a_snapshot_from_before_the_model_is_taken_over() -> None:
    detector = beside(Inner(), Model())
    detector.restore("cam-0", b"inner")
    assert detector.snapshot("cam-0").startswith(MAGIC)


@pytest.mark.parametrize("state", [b"", b"rubbish", MAGIC, MAGIC + b"\x00\x00\x00\x05inner", MAGIC + b"\xff" * 40])
def test_a_snapshot_that_is_none_is_refused_and_changes_nothing(state: bytes) -> None:
    inner = Inner()
    with pytest.raises(ValueError, match="snapshot"):
        beside(inner, Model()).restore("cam-0", state)
    assert inner.known == set()


def test_a_snapshot_with_other_columns_is_refused() -> None:
    name = np.zeros(0, np.uint8)
    right = {"views": np.zeros(0, VIEW), "marks": np.zeros(2, np.int64), "preset": name, "place0_name": name}
    right |= {"place0_spots": np.zeros(0, SPOT), "place0_marks": np.zeros(2, np.int64)}
    wrong: list[dict[str, NDArray[Any]]] = [
        {**right, "marks": np.zeros(0, np.int64)},
        {**right, "marks": np.zeros(2)},
        {**right, "views": np.zeros(1)},
        {**right, "preset": np.zeros(1)},
        {**right, "place0_spots": np.zeros(1)},
        {**right, "place0_marks": np.zeros(1, np.int64)},
        {key: right[key] for key in right if key != "views"},
        {key: right[key] for key in right if key != "preset"},
        {key: right[key] for key in right if key != "place0_spots"},
    ]
    own = snapshot.encode(right)
    beside(Inner(), Model()).restore("cam-0", MAGIC + len(own).to_bytes(4, "big") + own + b"inner")
    for arrays in wrong:
        own = snapshot.encode(arrays)
        with pytest.raises(ValueError, match="of another type"):
            beside(Inner(), Model()).restore("cam-0", MAGIC + len(own).to_bytes(4, "big") + own + b"inner")


def test_a_damaged_snapshot_is_refused() -> None:
    detector = beside(Inner(), Model([WHOLE]), **OWN)
    look(detector, frames(10))
    state = detector.snapshot("cam-0")
    assert state
    with pytest.raises(ValueError, match="snapshot"):
        detector.restore("cam-0", state[:40] + bytes([state[40] ^ 1]) + state[41:])
