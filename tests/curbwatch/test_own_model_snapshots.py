"""Adding the operator's model, or taking it away, costs no camera what it has learned."""

from pathlib import Path

import pytest

from curbwatch.snapshots import SnapshotFolder
from detectors.base import Detector
from detectors.onnx.views import MAGIC
from tests.detectors.scripted_own import OWN, THERE, WHOLE, Inner, Model, beside, frames, look


def folder(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path / "snapshots", every_s=60, monotonic_s=lambda: 0.0)


@pytest.mark.parametrize("with_model", [False, True])
def test_a_state_kept_with_a_model_is_taken_over_without_one_too(tmp_path: Path, *, with_model: bool) -> None:
    before = beside(Inner({10: [THERE]}), Model([WHOLE]), **OWN)
    look(before, frames(10))
    folder(tmp_path).keep(before, "cam-0", at_once=True)
    inner = Inner()
    after: Detector = beside(inner, Model(), **OWN) if with_model else inner
    assert folder(tmp_path).restore(after, "cam-0")
    assert inner.known == {"cam-0"}


@pytest.mark.parametrize("state", [MAGIC, MAGIC + b"\xff\xff\xff\xff", MAGIC + b"\x00\x00\x00\x00rubbish"])
def test_a_state_of_a_model_that_is_broken_off_is_refused_without_one(tmp_path: Path, state: bytes) -> None:
    kept = folder(tmp_path)
    (tmp_path / "snapshots" / "cam-0.state").write_bytes(state)
    assert not kept.restore(Inner(), "cam-0")
