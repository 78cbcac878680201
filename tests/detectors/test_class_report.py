"""Each run of the tests says how every class is called: drawn things of an own seed, on drawn streets.

It is shown by ``pytest -rP tests/detectors/test_class_report.py``. The bounds are wide: they notice a classifier that
is broken or put in backwards, not one that is a little worse; for that there are the suites of ``curbwatch evaluate``.
"""

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from config.vision import VisionKnobs
from curbwatch.simulate.plan import plan_view
from curbwatch.simulate.render import Camera
from curbwatch.tuning.train.clips import Paste
from curbwatch.tuning.train.cutouts import CutOut, drawings, plain_things
from detectors.vision import VisionDetector
from schemas.crops import CropBatch, wishes_of
from schemas.detections import CLASSES, Detections, Phase
from schemas.frame import FrameBatch

SEED = 77_001
SIZE = (640, 360)  # twice the grid
STREETS = 2
DRAWN, PLAIN = 18, 6  # two of each kind of drawing; bags, cases, cartons and sacks
PUT, STEPS = 10, 23  # of 4 captured seconds
EVENTS = ("stall", "waste")
Picture = NDArray[np.uint8]
Confusion = dict[str, Counter[str]]


def put_down(cut: CutOut, rng: np.random.Generator) -> Paste:
    """Where and how large a thing stands: in the lower half, at least 20 px wide on the grid."""
    low, high = cut.width_px
    wide = 2 * int(rng.integers(max(20, low), max(24, min(high, 90))))
    tall = max(4, round(wide * cut.picture.shape[0] / cut.picture.shape[1]))
    shrink = min(1.0, 150 / tall)
    side = max(4, round(wide * shrink)), max(4, round(tall * shrink))
    picture = np.asarray(cv2.resize(cut.picture, side, interpolation=cv2.INTER_AREA), np.uint8)
    opacity = np.ones(cut.picture.shape[:2], np.float32) if cut.alpha is None else cut.alpha
    alpha = np.asarray(cv2.resize(opacity, side, interpolation=cv2.INTER_AREA), np.float32)
    x, foot = int(rng.integers(40, SIZE[0] - side[0] - 40)), int(rng.integers(240, 340))
    return Paste(picture, alpha, x, foot - side[1], PUT, STEPS)


def frames_of(step: int, pictures: Sequence[Picture]) -> FrameBatch:
    grids = [np.asarray(cv2.resize(one, (320, 180), interpolation=cv2.INTER_AREA), np.uint8) for one in pictures]
    return FrameBatch(
        camera_ids=tuple(f"cam-{k}" for k in range(len(pictures))),
        captured_ns=np.full(len(pictures), (1_000 + 4 * step) * 1_000_000_000, np.int64),
        pixels=np.stack(grids),
        native_px=np.tile(np.asarray(SIZE, np.int32), (len(pictures), 1)),
        crc32=np.arange(len(pictures), dtype=np.uint32) + np.uint32(1000 * step),
    )


def looked(detector: VisionDetector, batch: FrameBatch, pictures: Sequence[Picture]) -> Detections:
    """A step, and the second look at the pieces that it wants."""
    found = detector.step(batch)
    wishes = wishes_of(found, batch)
    pieces = []
    for wish in wishes:
        x, y, w, h = wish.piece.box_px
        pieces.append(pictures[wish.frame][y : y + h, x : x + w][:: wish.piece.reduction, :: wish.piece.reduction])
    return found.replaced(detector.classify(CropBatch.of(batch, wishes, pieces)))


@pytest.fixture(scope="module")
def confusion() -> Confusion:
    """How many things of each class were called what at the end; ``missed`` where nothing stands."""
    rng = np.random.default_rng(SEED)
    cuts = [*drawings(rng, DRAWN), *plain_things(rng, PLAIN)]
    pastes = [put_down(cut, rng) for cut in cuts]
    streets = [Camera(plan_view(SEED, index, SIZE), ()) for index in range(STREETS)]
    detector = VisionDetector(VisionKnobs(dwell_s=20), {})
    found = Detections.empty()
    for step in range(STEPS):
        empty = [street.pixels(4.0 * step) for street in streets]
        here = [paste for paste in pastes if step >= PUT]
        pictures = [empty[k % STREETS] for k in range(len(pastes))]
        pictures = [paste.onto(picture) for paste, picture in zip(here, pictures, strict=True)] if here else pictures
        found = looked(detector, frames_of(step, pictures), pictures)
    counts: Confusion = {name: Counter() for name in CLASSES}
    for k, cut in enumerate(cuts):
        rows = np.flatnonzero((found.frame == k) & (found.phase == Phase.STANDING))
        surest = max(rows, key=lambda row: found.posterior[row, :2].max(), default=None)
        counts[cut.label]["missed" if surest is None else CLASSES[int(found.posterior[surest].argmax())]] += 1
    return counts


def test_every_class_is_reported(confusion: Confusion) -> None:
    names = [name for name in CLASSES if confusion[name]]
    for name in names:
        told = ", ".join(f"{count} {called}" for called, count in confusion[name].most_common())
        print(f"{name:8} {sum(confusion[name].values()):3}: {told}")  # noqa: T201 - the report
    assert names == ["stall", "waste", "vehicle", "bike", "crowd"]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_called_an_event(confusion: Confusion, event: str) -> None:
    called = confusion[event]
    assert 3 * sum(called[name] for name in EVENTS) >= sum(called.values())


def test_what_is_no_event_is_seldom_called_one(confusion: Confusion) -> None:
    others = [confusion[name] for name in CLASSES if name not in EVENTS]
    wrong = sum(called[name] for called in others for name in EVENTS)
    assert 3 * wrong <= sum(sum(called.values()) for called in others)
