"""The contract of a detector: pure, no IO, no clock, no threads.

One detector owns the state of any number of cameras. ``step`` is called from one thread at a time, with
batches that hold at most one frame per camera; a camera's frames come in the order in which they are analysed.
"""

from typing import Protocol, runtime_checkable

from schemas.crops import CropBatch
from schemas.detections import Detections
from schemas.feedback import Adoption, Feedback
from schemas.frame import FrameBatch


class Detector(Protocol):
    """Frames in, detections out; ``now`` is each frame's own ``captured_ns``."""

    def step(self, frames: FrameBatch) -> Detections:
        """Advance each camera by its frame and return its current tracks. An empty batch returns no rows."""

    def classify(self, crops: CropBatch) -> Detections:
        """Look at pieces of original pictures that the last ``step`` wanted, and return the rows that changed by it.

        Their ``frame`` is that of the pieces. No pieces give no rows; a piece may be missing (its picture could not be
        decoded), and is then wanted again or not, as the detector likes.
        """

    def forget(self, camera_id: str) -> None:
        """Drop one camera's state, as after a change of its zones. Unknown cameras are ignored."""

    def apply(self, order: Feedback) -> None:
        """Carry out a person's order about one camera, between two steps. An order already applied does nothing.

        Raises UsageError, with nothing changed, where it cannot be done; NotShownError where it may be once the camera
        shows another of its views.
        """

    def drain(self) -> list[Adoption]:
        """What entered a background since the last call, oldest first; empty where nothing ever does."""

    def snapshot(self, camera_id: str) -> bytes:
        """State of one camera; empty bytes for an unknown one."""

    def restore(self, camera_id: str, state: bytes) -> None:
        """Take over a snapshot: later steps give identical results. Raises ValueError if it is not one of ours."""


@runtime_checkable
class Restartable(Protocol):
    """A detector that can go on when a camera's clock is set back; another one is made to forget the camera."""

    def restart(self, camera_id: str, captured_ns: int) -> None:
        """Go on with a camera whose next frame was captured at ``captured_ns``, before the last. Unknown: ignored."""


def restart(detector: Detector, camera_id: str, captured_ns: int) -> None:
    """Have a detector go on with a camera whose clock was set back, as well as it can."""
    if isinstance(detector, Restartable):
        detector.restart(camera_id, captured_ns)
    else:
        detector.forget(camera_id)
