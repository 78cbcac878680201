"""A camera whose pictures end the decoder time and again waits, so that the others of its shard do not. Pure."""

from dataclasses import dataclass, field

FREE = 2  # deaths in a row that cost nothing but their pictures: a broken file or two is bad luck
WAIT_S = 10.0  # after the next, then twice as long after each
WAIT_MAX_S = 300.0


@dataclass(slots=True)
class Blame:
    """Counts, for each camera, how often in a row its picture ended the decoder. ``now_s`` is any steady clock."""

    deaths: dict[str, tuple[int, float]] = field(default_factory=dict)  # camera -> how many, until when it waits (s)

    def waits(self, camera_id: str, now_s: float) -> bool:
        """Whether the camera's pictures are not to be decoded now."""
        return camera_id in self.deaths and now_s < self.deaths[camera_id][1]

    def died(self, camera_id: str, now_s: float) -> None:
        """A picture of the camera ended the decoder."""
        count = self.deaths.get(camera_id, (0, 0.0))[0] + 1
        beyond = count - FREE - 1
        # The power is bounded first: a camera may go on for years.
        wait_s = min(WAIT_MAX_S, WAIT_S * 2 ** min(beyond, 16)) if beyond >= 0 else 0.0
        self.deaths[camera_id] = count, now_s + wait_s

    def decoded(self, camera_id: str) -> None:
        """A picture of the camera was decoded, or refused in an orderly way: it starts anew."""
        self.deaths.pop(camera_id, None)
