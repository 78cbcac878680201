"""What the operator's model said of the tracks of another detector, per camera; and as bytes, for a snapshot."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.onnx.opinion import FADE
from detectors.onnx.spots import Spot, pack, unpack
from detectors.vision import snapshot
from schemas.detections import CLASSES

MAGIC = b"CWMODEL1"
HEAD = len(MAGIC) + 4  # magic, length of what is ours; the other detector's own bytes follow
VIEW = np.dtype(
    [
        ("track_id", "i8"),
        ("looks", "i4"),
        ("look_ns", "i8"),
        ("named", "i4"),
        ("weight", "f8"),
        ("logs", "f8", len(CLASSES)),
    ]
)


@dataclass(slots=True)
class View:
    """What was said of one track.

    Attributes:
        looks: how often it was looked at, pieces of it only.
        look_ns: when last; 0: never.
        named: class, stall or waste, that it was first surely called while standing; -1: none yet.
        weight, logs: fading count and (6,) sum of the log probabilities.
    """

    looks: int = 0
    look_ns: int = 0
    named: int = -1
    weight: float = 0.0
    logs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(CLASSES)))

    def add(self, logs: NDArray[np.float64]) -> None:
        """Count the log probabilities of one look."""
        self.logs = self.logs * FADE + logs
        self.weight = self.weight * FADE + 1

    def mean_logs(self) -> NDArray[np.float64]:
        """(6,) mean log probability of the looks; zeros, which say nothing, before the first."""
        return self.logs / self.weight if self.weight else np.zeros(len(CLASSES))


@dataclass(slots=True)
class Seen:
    """One camera.

    Attributes:
        views: by track id of the other detector.
        spots: what only the model sees.
        whole_ns: captured time of the last whole picture that was asked for; 0: none.
        next_id: number of the newest spot; the next one has a lower one.
        last_order: number of the newest order that was carried out.
        look_times: captured ns of the last whole pictures that the model saw, the newest first.
    """

    views: dict[int, View] = field(default_factory=dict)
    spots: list[Spot] = field(default_factory=list)
    whole_ns: int = 0
    next_id: int = 0
    look_times: list[int] = field(default_factory=list)
    last_order: int = 0


def encode(seen: Seen, inner: bytes) -> bytes:
    """What is ours and the other detector's snapshot as one; the same state gives the same bytes."""
    rows = np.zeros(len(seen.views), VIEW)
    for row, (track_id, view) in zip(rows, seen.views.items(), strict=True):
        row["track_id"] = track_id
        for name in ("looks", "look_ns", "named", "weight", "logs"):
            row[name] = getattr(view, name)
    marks = np.asarray([seen.whole_ns, seen.next_id, seen.last_order, *seen.look_times], np.int64)
    own = snapshot.encode({"views": rows, "spots": pack(seen.spots), "marks": marks})
    return MAGIC + len(own).to_bytes(4, "big") + own + inner


def inner_of(state: bytes) -> bytes:
    """The other detector's own bytes in what ``encode`` made; bytes without our mark are all its own."""
    if not state.startswith(MAGIC):
        return state
    return state[HEAD + int.from_bytes(state[len(MAGIC) : HEAD], "big") :]


def decode(state: bytes) -> tuple[Seen, bytes]:
    """The reverse of ``encode``; bytes without our mark are all the other detector's. Raises ValueError if damaged."""
    if not state.startswith(MAGIC):
        return Seen(), state
    size = int.from_bytes(state[len(MAGIC) : HEAD], "big")
    arrays = snapshot.decode(state[HEAD : HEAD + size])
    rows, marks = arrays.get("views"), arrays.get("marks")
    if rows is None or rows.dtype != VIEW or rows.ndim != 1:
        raise ValueError("snapshot: views are of another type")
    if marks is None or marks.ndim != 1 or len(marks) < 3 or marks.dtype != np.int64:
        raise ValueError("snapshot: marks are of another type")
    views = {
        int(row["track_id"]): View(
            int(row["looks"]), int(row["look_ns"]), int(row["named"]), float(row["weight"]), row["logs"].copy()
        )
        for row in rows
    }
    spots = unpack(arrays["spots"]) if "spots" in arrays else []
    return Seen(views, spots, int(marks[0]), int(marks[1]), marks[3:].tolist(), int(marks[2])), state[HEAD + size :]
