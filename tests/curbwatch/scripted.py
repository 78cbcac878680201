"""A detector that says what the test wants of each frame."""

from dataclasses import dataclass, field

import numpy as np

from schemas.crops import CropBatch
from schemas.detections import CLASSES, Detections, Phase, SceneState
from schemas.errors import NotShownError, UsageError
from schemas.feedback import Adoption, Feedback
from schemas.frame import FrameBatch

S = 1_000_000_000


@dataclass
class ScriptedDetector:
    """Says what the test wants of each frame: a phase by captured second, of track 1."""

    phases: dict[int, Phase]
    seen: list[tuple[tuple[str, ...], list[int]]] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    newest_s: dict[str, int] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)
    orders: list[int] = field(default_factory=list)
    refuses: set[int] = field(default_factory=set)
    elsewhere: set[int] = field(default_factory=set)
    adopted: list[Adoption] = field(default_factory=list)

    def step(self, frames: FrameBatch) -> Detections:
        self.seen.append((frames.camera_ids, [int(ns) // S for ns in frames.captured_ns]))
        rows = [
            (k, self.phases[int(ns) // S]) for k, ns in enumerate(frames.captured_ns) if int(ns) // S in self.phases
        ]
        scene = [SceneState.OK] * len(frames)
        for k, (camera_id, ns) in enumerate(zip(frames.camera_ids, frames.captured_ns, strict=True)):
            late = int(ns) // S <= self.newest_s.get(camera_id, -1)
            state = SceneState.CHANGED if int(ns) // S in self.changed else SceneState.OK
            scene[k] = SceneState.LATE if late else state
            self.newest_s[camera_id] = max(self.newest_s.get(camera_id, -1), int(ns) // S)
        count = len(rows)
        posterior = np.zeros((count, len(CLASSES)), np.float32)
        posterior[:, CLASSES.index("waste")] = 1
        return Detections(
            scene=np.asarray(scene, np.uint8),
            frame=np.asarray([k for k, _ in rows], np.int32),
            track_id=np.ones(count, np.int64),
            phase=np.asarray([phase for _, phase in rows], np.uint8),
            box_px=np.tile(np.asarray([[10, 10, 20, 20]], np.float32), (count, 1)),
            appeared_ns=np.full(count, 5 * S, np.int64),
            dwell_s=np.full(count, 100, np.float32),
            posterior=posterior,
            evidence=np.zeros(count, np.uint8),
            wanted=np.zeros(count, np.bool_),
            wanted_frame=np.zeros(len(frames), np.bool_),
        )

    def classify(self, crops: CropBatch) -> Detections:
        raise AssertionError(crops)

    def forget(self, camera_id: str) -> None:
        self.forgotten.append(camera_id)
        self.newest_s.pop(camera_id, None)

    def apply(self, order: Feedback) -> None:
        self.orders.append(order.order_id)
        if order.order_id in self.elsewhere:
            raise NotShownError("not shown now")
        if order.order_id in self.refuses:
            raise UsageError("no such adoption")

    def drain(self) -> list[Adoption]:
        news, self.adopted = self.adopted, []
        return news

    def snapshot(self, camera_id: str) -> bytes:
        return b"state of " + camera_id.encode()

    def restore(self, camera_id: str, state: bytes) -> None:
        self.restored.append(f"{camera_id}: {state.decode()}")
