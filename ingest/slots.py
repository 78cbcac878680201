"""Newest wins: one waiting frame per camera, taken in turn. Pure but for its lock."""

import threading
from collections.abc import Callable
from heapq import heappop, heappush

from schemas.frame import Frame

# A frame that was shed, and why.
Shed = tuple[Frame, str]


class FrameSlots:
    """Holds at most one frame per camera. Thread-safe: the broker's thread puts, the pipeline takes.

    ``period_s(camera_id)`` is the least captured time between two analysed frames of a camera: it may shorten while
    something matures there. The waiting frames have at most ``max_bytes`` together.
    """

    def __init__(self, *, wait_max_s: float, period_s: Callable[[str], float], max_bytes: int = 256_000_000) -> None:
        self._wait_max_ns = int(wait_max_s * 1e9)
        self._period_s = period_s
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: dict[str, Frame] = {}
        # Waiting cameras: the one whose last turn is longest ago comes first, then the one that came first. A camera
        # that sends faster refills its slot sooner and must not get more turns for it.
        self._queue: list[tuple[int, int, str]] = []
        self._last_turn: dict[str, int] = {}
        self._count = 0
        self._analysed: dict[str, Frame] = {}  # camera -> last taken, without its bytes
        self._newest: dict[str, tuple[str, int]] = {}  # camera -> boot and latest capture of all that came
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)

    def put(self, frame: Frame) -> list[Shed]:
        """Let a frame wait; returns what is shed for it: itself (``decimated``, ``memory``), or the older of the two.

        Older is by the clock of the camera until it starts anew: a frame that was overtaken costs no newer one.
        ``memory``: it has no room; one that is no larger than the frame it replaces always has.
        """
        with self._lock:
            boot, newest_ns = self._newest.get(frame.camera_id, ("", 0))
            if boot != frame.boot or newest_ns < frame.captured_ns:
                self._newest[frame.camera_id] = frame.boot, frame.captured_ns
            if self._too_soon(frame):
                return [(frame, "decimated")]
            replaced = self._waiting.get(frame.camera_id)
            if replaced is not None and replaced.boot == frame.boot and replaced.captured_ns > frame.captured_ns:
                return [(frame, "newer_frame")]
            grown_bytes = self._bytes + len(frame.jpeg) - (0 if replaced is None else len(replaced.jpeg))
            if grown_bytes > self._max_bytes:
                return [(frame, "memory")]
            self._bytes = grown_bytes
            self._waiting[frame.camera_id] = frame
            if replaced is None:
                self._count += 1
                heappush(self._queue, (self._last_turn.get(frame.camera_id, 0), self._count, frame.camera_id))
            self._filled.notify()
            return [] if replaced is None else [(replaced, "newer_frame")]

    def newer_known(self, frame: Frame) -> bool:
        """Whether a frame captured later came before this one: overtaken on its way, or an old one played again."""
        boot, newest_ns = self._newest.get(frame.camera_id, ("", 0))
        return boot == frame.boot and frame.captured_ns < newest_ns

    def take(self, count: int, now_ns: int) -> tuple[list[Frame], list[Shed]]:
        """Take up to ``count`` frames, the camera whose turn is longest ago first; what waited too long is shed."""
        taken: list[Frame] = []
        shed: list[Shed] = []
        with self._lock:
            while self._waiting and len(taken) < count:
                camera_id = heappop(self._queue)[2]
                frame = self._waiting.pop(camera_id)
                self._bytes -= len(frame.jpeg)
                if now_ns - frame.received_ns > self._wait_max_ns:
                    shed.append((frame, "waited"))
                    continue
                self._count += 1
                self._last_turn[camera_id] = self._count
                self._analysed[camera_id] = Frame(
                    camera_id, frame.captured_ns, frame.received_ns, b"", frame.width, frame.height, boot=frame.boot
                )
                taken.append(frame)
        return taken, shed

    def wait(self, timeout_s: float) -> bool:
        """Wait until a frame waits; False after ``timeout_s`` without one."""
        with self._filled:
            return bool(self._waiting) or self._filled.wait(timeout_s)

    @property
    def size_bytes(self) -> int:
        """Bytes of all waiting frames."""
        return self._bytes

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
