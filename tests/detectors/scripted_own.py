"""A detector and a model that say what a test wants, to put the operator's model beside."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from config.own_model import ModelKnobs
from config.vision import VisionKnobs
from detectors.onnx.detector import OwnModelDetector
from detectors.onnx.model import Finds
from schemas.crops import CropBatch, wishes_of
from schemas.detections import CLASSES, Detections, Phase, SceneState
from schemas.errors import NotShownError, UsageError
from schemas.feedback import Adoption, Feedback
from schemas.frame import FrameBatch

S = 1_000_000_000
NATIVE = (640, 360)
STALL, WASTE, OTHER = 0, 1, 5
UNSURE = (0.15, 0.25, 0.1, 0.05, 0.05, 0.4)
Row = tuple[int, Phase, tuple[float, float, float, float]]  # track, phase, box
BOX = (100.0, 100.0, 80.0, 60.0)
PIECE = ((40.0, 40.0, 80.0, 60.0), 0.9, WASTE)  # where the box lies in its own piece
THERE: Row = (7, Phase.STANDING, BOX)
WHOLE = ((300.0, 200.0, 60.0, 40.0), 0.8, STALL)
OWN = {"on_tracks": False, "every_s": 10.0, "seen_min": 3, "seen_of": 5}


@dataclass
class Inner:
    """Says of each captured second which tracks it has; wants the pieces of ``asks``."""

    rows: dict[int, list[Row]] = field(default_factory=dict)
    posterior: tuple[float, ...] = UNSURE
    asks: frozenset[int] = frozenset()
    asks_whole: bool = False
    scene: SceneState = SceneState.OK
    names: list[tuple[str, int, int]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    orders: list[Feedback] = field(default_factory=list)
    refuses: bool = False
    turned: bool = False

    def step(self, frames: FrameBatch) -> Detections:
        self.known |= set(frames.camera_ids)
        told = [(k, *row) for k, ns in enumerate(frames.captured_ns) for row in self.rows.get(int(ns) // S, [])]
        count = len(told)
        return Detections(
            scene=np.full(len(frames), self.scene, np.uint8),
            frame=np.asarray([k for k, *_ in told], np.int32),
            track_id=np.asarray([track for _, track, _, _ in told], np.int64),
            phase=np.asarray([phase for _, _, phase, _ in told], np.uint8),
            box_px=np.asarray([box for *_, box in told], np.float32).reshape(-1, 4),
            appeared_ns=np.zeros(count, np.int64),
            dwell_s=np.full(count, 100, np.float32),
            posterior=np.tile(np.asarray(self.posterior, np.float32), (count, 1)),
            evidence=np.zeros(count, np.uint8),
            wanted=np.asarray([track in self.asks for _, track, _, _ in told], np.bool_),
            wanted_frame=np.full(len(frames), self.asks_whole),
        )

    def classify(self, crops: CropBatch) -> Detections:
        self.shown += crops.track_id.tolist()
        return Detections.empty(len(crops))

    def apply(self, order: Feedback) -> None:
        if self.refuses:
            raise UsageError("nothing stands there")
        if self.turned:
            raise NotShownError("the camera does not show this view now")
        self.orders.append(order)

    def hear_name(self, camera_id: str, track_id: int, family: int) -> None:
        self.names.append((camera_id, track_id, family))

    def drain(self) -> list[Adoption]:
        return []

    def forget(self, camera_id: str) -> None:
        self.known.discard(camera_id)

    def snapshot(self, camera_id: str) -> bytes:
        return b"inner" if camera_id in self.known else b""

    def restore(self, camera_id: str, state: bytes) -> None:
        if state != b"inner":
            raise ValueError("snapshot: not one of ours")
        self.known.add(camera_id)


@dataclass
class Model:
    """Finds what ``said`` holds, in px of the picture it is shown; counts the looks."""

    said: list[tuple[tuple[float, float, float, float], float, int]] = field(default_factory=list)  # x, y, w, h
    looks: int = 0
    families: frozenset[int] = frozenset({STALL, WASTE})

    def find(self, picture: NDArray[np.uint8]) -> Finds:
        assert picture.dtype == np.uint8
        self.looks += 1
        boxes = np.asarray([(x, y, x + w, y + h) for (x, y, w, h), _, _ in self.said], np.float32).reshape(-1, 4)
        scores = np.asarray([score for _, score, _ in self.said], np.float32)
        return Finds(boxes, scores, np.asarray([k for *_, k in self.said], np.int64))


def beside(inner: Inner, model: Model, dwell_s: float = 90.0, **knobs: object) -> OwnModelDetector:
    return OwnModelDetector(inner, model, ModelKnobs.model_validate(knobs), VisionKnobs(dwell_s=dwell_s))


def hurried(inner: Inner, model: Model, looks_most: int, **knobs: object) -> OwnModelDetector:
    return OwnModelDetector(inner, model, ModelKnobs.model_validate(knobs), VisionKnobs(), looks_most)


def frames(*seconds: int, preset: str = "") -> FrameBatch:
    """One frame of each camera ``cam-0``, ``cam-1``, … at these captured seconds, all of one view."""
    count = len(seconds)
    return FrameBatch(
        camera_ids=tuple(f"cam-{k}" for k in range(count)),
        captured_ns=np.asarray(seconds, np.int64) * S,
        pixels=np.zeros((count, 180, 320, 3), np.uint8),
        native_px=np.tile(np.asarray(NATIVE, np.int32), (count, 1)),
        crc32=np.arange(count, dtype=np.uint32),
        presets=(preset,) * count,
    )


def look(detector: OwnModelDetector, batch: FrameBatch, *, lost: bool = False) -> Detections:
    """One step and the second look that it wants; ``lost``: its pictures could not be decoded."""
    found = detector.step(batch)
    wishes = [] if lost else wishes_of(found, batch)
    sizes = [(w.piece.box_px[3] // w.piece.reduction or 1, w.piece.box_px[2] // w.piece.reduction or 1) for w in wishes]
    pieces = [np.zeros((*size, 3), np.uint8) for size in sizes]
    return found.replaced(detector.classify(CropBatch.of(batch, wishes, pieces)))


def named(found: Detections) -> list[tuple[int, str, str]]:
    """(track, phase, class) of each row."""
    classes = [CLASSES[int(k)] for k in found.posterior.argmax(axis=1)]
    return [(int(t), Phase(int(p)).name, c) for t, p, c in zip(found.track_id, found.phase, classes, strict=True)]


def play(
    model: Model, until_s: int, inner: Inner | None = None, from_s: int = 10, dwell_s: float = 30.0
) -> list[tuple[int, Detections]]:
    detector = beside(inner or Inner(), model, dwell_s=dwell_s, **OWN)
    return [(second, look(detector, frames(second))) for second in range(from_s, until_s, 5)]


def stood(inner: Inner, model: Model) -> OwnModelDetector:
    """A detector in which the model's own thing stands since 10 s; the newest frame is of 50 s."""
    detector = beside(inner, model, dwell_s=30.0, **OWN)
    for second in range(10, 55, 5):
        found = look(detector, frames(second))
    assert [row[1] for row in named(found)] == ["STANDING"]
    return detector
