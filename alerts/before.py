"""A few earlier pictures per camera, from which the last one before an object came is chosen. Pure."""

from collections import deque
from dataclasses import dataclass, field

from schemas.frame import Frame


@dataclass(slots=True)
class BeforeRing:
    """At most ``frames_max`` original pictures per camera, at least ``spacing_s`` of captured time apart.

    Together they reach back ``frames_max * spacing_s``; chosen so that it is longer than the dwell.
    """

    frames_max: int
    spacing_s: float
    _rings: dict[str, deque[Frame]] = field(default_factory=dict)

    def add(self, frame: Frame) -> None:
        """Keep a picture if it is due. One that is older than the last kept starts the ring anew: the clock was set."""
        ring = self._rings.setdefault(frame.camera_id, deque(maxlen=self.frames_max))
        if ring and frame.captured_ns < ring[-1].captured_ns:
            ring.clear()
        if not ring or frame.captured_ns - ring[-1].captured_ns >= self.spacing_s * 1e9:
            ring.append(frame)

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

    @property
    def size_bytes(self) -> int:
        """Bytes of all pictures kept."""
        return sum(len(frame.jpeg) for ring in self._rings.values() for frame in ring)
