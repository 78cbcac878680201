"""A few earlier pictures per camera, from which the last one before an object came is chosen. Pure."""

from collections import deque
from dataclasses import dataclass, field

from schemas.frame import Frame

STALE_S = 3600.0  # age at which a camera's only picture gives way: by then light and street are others


@dataclass(slots=True)
class BeforeRing:
    """At most ``frames_max`` original pictures per camera, at least ``spacing_s`` of captured time apart.

    Together they reach back ``frames_max * spacing_s``; chosen so that it is longer than the dwell. Where all cameras'
    pictures would be more than ``max_bytes``, the camera with the most of them gives up one that is missed least, so
    that each keeps one from before the dwell as long as two pictures of each camera fit.
    """

    frames_max: int
    spacing_s: float
    dwell_s: float
    max_bytes: int
    size_bytes: int = 0  # of all pictures kept
    _rings: dict[str, deque[Frame]] = field(default_factory=dict)

    def add(self, frame: Frame) -> None:
        """Keep a picture if it is due. One that is older than the last kept starts the ring anew: the clock was set."""
        ring = self._rings.setdefault(frame.camera_id, deque())
        if ring and frame.captured_ns < ring[-1].captured_ns:
            while ring:
                self._give_up(ring, 0)
        if ring and frame.captured_ns - ring[-1].captured_ns < self.spacing_s * 1e9:
            return
        ring.append(frame)
        self.size_bytes += len(frame.jpeg)
        if len(ring) > self.frames_max:
            self._give_up(ring, 0)
        while self.size_bytes > self.max_bytes:
            most = max(self._rings.values(), key=len)
            self._give_up(most, self._least(most))

    def forget(self, camera_id: str) -> None:
        """Drop a camera's pictures. Unknown cameras are ignored."""
        self.size_bytes -= sum(len(frame.jpeg) for frame in self._rings.pop(camera_id, ()))

    def before(self, camera_id: str, appeared_ns: int) -> Frame | None:
        """The newest kept picture in which the thing surely was not yet; None where none is older than the thing.

        ``appeared_ns`` is an estimate from votes, some seconds late where passers-by hid the thing at first: so the
        picture is one spacing older, or, where none is kept, the newest captured before ``appeared_ns``.
        """
        kept = self._rings.get(camera_id, ())
        for limit_ns in (appeared_ns - round(self.spacing_s * 1e9), appeared_ns):
            earlier = [frame for frame in kept if frame.captured_ns < limit_ns]
            if earlier:
                return earlier[-1]
        return None

    def _least(self, ring: deque[Frame]) -> int:
        """Which picture of a ring is missed least.

        The oldest where the next one is old enough for ``before``; else one from a pair that is close, if the rest
        stay no farther apart than that; else the newest: the one before it must first grow old.
        """
        at_ns = [frame.captured_ns for frame in ring]
        need_ns = round((self.dwell_s + self.spacing_s) * 1e9)
        if len(ring) == 1:
            return 0
        if len(ring) == 2:
            return 0 if at_ns[1] - at_ns[0] > STALE_S * 1e9 else 1
        if at_ns[-1] - at_ns[1] > need_ns:
            return 0
        gap_ns, index = min((at_ns[index + 1] - at_ns[index - 1], index) for index in range(1, len(ring) - 1))
        return index if gap_ns <= need_ns else -1

    def _give_up(self, ring: deque[Frame], index: int) -> None:
        self.size_bytes -= len(ring[index].jpeg)
        del ring[index]
