"""Each way to break the contract of a detector is noticed; that ours keep it is tested by the quality list."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors import contract
from detectors.base import Detector
from detectors.vision import VisionDetector
from schemas.crops import CropBatch
from schemas.detections import Detections, Phase, SceneState
from schemas.feedback import Adoption, Feedback
from schemas.frame import FrameBatch

KNOBS = VisionKnobs(dwell_s=20)
MADE = count()


def ours() -> Detector:
    return VisionDetector(KNOBS, {})


class Broken(VisionDetector):
    """Ours with one fault in it, by name."""

    def __init__(self, fault: str) -> None:
        super().__init__(KNOBS, {})
        self.fault = fault
        self.steps = self.late = 0
        self.number = next(MADE)

    def step(self, frames: FrameBatch) -> Detections:
        self.steps += 1
        if self.fault == "writes":
            frames.pixels[:] = 0
        if self.fault == "neighbours":
            frames = replace(frames, pixels=frames.pixels // np.uint8(len(frames) or 1))
        found = super().step(frames)
        self.late += int(np.count_nonzero(found.scene == SceneState.LATE))
        if self.fault == "rows" and not len(frames):
            return Detections.empty(1)
        dwell_s = found.dwell_s
        spoilt: dict[str, dict[str, NDArray[Any]]] = {
            "late": {"scene": np.zeros_like(found.scene)},
            "wide": {"dwell_s": dwell_s.astype(np.float64)},
            "flat": {"box_px": found.box_px[:, 0]},
            "beyond": {"frame": found.frame + 1},
            "sums": {"posterior": found.posterior * 2},
            "ages": {"dwell_s": dwell_s + np.float32(self.late) / 1000},
            "chance": {"dwell_s": dwell_s + np.float32(self.number) / 1000},
            "counts": {"dwell_s": dwell_s + np.float32(self.steps) / 1000},
        }
        return self._phased(replace(found, **spoilt.get(self.fault, {})))

    def _phased(self, found: Detections) -> Detections:
        phases = {
            "again": np.where(found.phase == Phase.STANDING, Phase.GONE, found.phase),
            "back": np.where((found.phase == Phase.STANDING) & (self.steps % 2 == 0), Phase.MATURING, found.phase),
            "never": np.minimum(found.phase, Phase.STANDING),
            "early": np.where(found.phase == Phase.MATURING, Phase.GONE, found.phase),
        }
        return replace(found, phase=phases.get(self.fault, found.phase).astype(np.uint8))

    def classify(self, crops: CropBatch) -> Detections:
        if self.fault == "invents":
            row = super().step(contract.street(45))
            return replace(row, **{name: np.zeros((1, *column), kind) for name, (kind, column) in SHAPES.items()})
        return super().classify(crops)

    def apply(self, order: Feedback) -> None:
        if self.fault != "deaf":
            super().apply(order)

    def drain(self) -> list[Adoption]:
        told = super().drain()
        return [Adoption("cam-1", 1, "light", (0, 0, 1, 1))] if self.fault == "chatty" else told

    def forget(self, camera_id: str) -> None:
        if self.fault != "remembers":
            super().forget(camera_id)

    def snapshot(self, camera_id: str) -> bytes:
        if self.fault == "silent":
            return b""
        if self.fault == "everybody" and not super().snapshot(camera_id):
            return b"something"
        return super().snapshot(camera_id)

    def restore(self, camera_id: str, state: bytes) -> None:
        try:
            super().restore(camera_id, state)
        except ValueError:
            if self.fault == "swallows":
                return
            if self.fault == "shreds":
                self.forget(camera_id)
            raise


SHAPES = {name: shape for name, shape in contract.COLUMNS.items() if name not in {"scene", "wanted_frame"}}


@pytest.mark.parametrize(
    ("fault", "rule", "words"),
    [
        ("rows", "empty_batch", "an empty batch must give no rows"),
        ("invents", "empty_batch", "no pieces must give no rows"),
        ("invents", "lost_pieces", "no pieces must give no rows"),
        ("wide", "columns", "dwell_s is float64, it must be float32"),
        ("flat", "columns", "box_px has the shape"),
        ("beyond", "columns", "frame must be a row of the batch"),
        ("sums", "columns", "each row of posterior must sum to 1"),
        ("writes", "input_is_left_alone", "must not change the pictures"),
        ("chance", "deterministic", "the same frames must give the same bytes"),
        ("neighbours", "cameras_apart", "a camera must not depend on others in its batch"),
        ("counts", "snapshot", "differs from the run without a break"),
        ("silent", "snapshot_of_others", "must not be empty"),
        ("everybody", "snapshot_of_others", "of an unknown camera must be empty"),
        ("swallows", "snapshot_of_others", "restore must raise ValueError"),
        ("shreds", "snapshot_of_others", "a snapshot that is refused must change nothing"),
        ("remembers", "forget", "a forgotten camera must"),
        ("late", "late_frames", "must be told as LATE"),
        ("deaf", "orders", "what a person ignores must not stand any more"),
        ("chatty", "orders", "what was drained once must not be told again"),
        ("ages", "late_frames", "a late frame must change nothing that follows"),
        ("again", "tracks", "was told as GONE before|only what stood can be GONE"),
        ("back", "tracks", "went back from STANDING"),
        ("early", "tracks", "only what stood can be GONE"),
        ("never", "tracks", "and once it is taken away as GONE"),
    ],
)
def test_each_way_to_break_it_is_noticed(fault: str, rule: str, words: str) -> None:
    made: Callable[[], Detector] = lambda: Broken(fault)  # noqa: E731 - a new one each time
    with pytest.raises(AssertionError, match=words):
        contract.RULES[rule](made)


def test_all_rules_are_run_by_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    rules = {name: lambda _, name=name: asked.append(name) for name in contract.RULES}
    monkeypatch.setattr(contract, "RULES", rules)
    contract.check(ours)
    assert asked == list(rules)
