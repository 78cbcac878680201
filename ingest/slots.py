"""Newest wins: one waiting frame per camera, taken in turn. Pure but for its lock."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from schemas.frame import Frame

# A frame that was shed, and why.
Shed = tuple[Frame, str]


class FrameSlots:
    """Holds at most one frame per camera. Thread-safe: the broker's thread puts, the pipeline takes.

    ``period_s(camera_id)`` is the least captured time between two analysed frames of a camera: it may shorten while
    something matures there.
    """

    def __init__(self, *, wait_max_s: float, period_s: Callable[[str], float]) -> None:
        self._wait_max_ns = int(wait_max_s * 1e9)
        self._period_s = period_s
        self._waiting: OrderedDict[str, Frame] = OrderedDict()
        self._analysed: dict[str, Frame] = {}  # camera -> last taken, without its bytes
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)

    def put(self, frame: Frame) -> list[Shed]:
        """Let a frame wait; returns what is shed for it: itself (``decimated``) or the one it replaces."""
        with self._lock:
            if self._too_soon(frame):
                return [(frame, "decimated")]
            replaced = self._waiting.get(frame.camera_id)
            self._waiting[frame.camera_id] = frame  # keeps the camera's place in the turn
            self._filled.notify()
            return [] if replaced is None else [(replaced, "newer_frame")]

    def take(self, count: int, now_ns: int) -> tuple[list[Frame], list[Shed]]:
        """Take up to ``count`` frames, the camera that waits longest first; and what waited too long is shed."""
        taken: list[Frame] = []
        shed: list[Shed] = []
        with self._lock:
            while self._waiting and len(taken) < count:
                camera_id, frame = self._waiting.popitem(last=False)
                if now_ns - frame.received_ns > self._wait_max_ns:
                    shed.append((frame, "waited"))
                    continue
                self._analysed[camera_id] = Frame(
                    camera_id, frame.captured_ns, frame.received_ns, b"", frame.width, frame.height, boot=frame.boot
                )
                taken.append(frame)
        return taken, shed

    def wait(self, timeout_s: float) -> bool:
        """Wait until a frame waits; False after ``timeout_s`` without one."""
        with self._filled:
            return bool(self._waiting) or self._filled.wait(timeout_s)

    def __len__(self) -> int:
        """Number of waiting frames."""
        return len(self._waiting)

    def _too_soon(self, frame: Frame) -> bool:
        """A camera that restarted (another boot) or whose clock went back is never decimated by its past."""
        last = self._analysed.get(frame.camera_id)
        if last is None or last.boot != frame.boot:
            return False
        gap_ns = frame.captured_ns - last.captured_ns
        # Half a millisecond of slack: a camera that sends exactly at the period must not lose every other frame.
        return 0 <= gap_ns < self._period_s(frame.camera_id) * 1e9 - 500_000
