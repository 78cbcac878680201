"""Single clips for training and tests: one made-up camera, its frames and its truth."""

from collections.abc import Iterator
from dataclasses import dataclass

from curbwatch.simulate.plan import plan_view
from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import KINDS, Kind, random_script
from curbwatch.simulate.sprite import Image
from curbwatch.simulate.truth import Truth, happenings, truth_of
from curbwatch.simulate.weather import WEATHERS, Weather

CLIP_SIZE = (1280, 720)
RANDOM_VIEW = 1000  # camera numbers from here on are laid out at random
CLIP_CAMERA = "sim-clip"
PER_HOUR = 40.0


@dataclass(frozen=True, slots=True)
class Clip:
    """One camera for a while. ``truth`` counts from the first frame; ``zones`` are pavements in px."""

    camera: Camera
    truth: Truth
    zones: dict[str, tuple[tuple[float, float], ...]]
    seconds: float
    period_s: float

    def times(self) -> Iterator[float]:
        """Yield the time of each frame, seconds since the first; none where ``seconds`` is 0."""
        for k in range(int(self.seconds / self.period_s)):
            yield k * self.period_s

    def pixels(self) -> Iterator[tuple[float, Image]]:
        """Yield (t_s, (H, W, 3) uint8 BGR)."""
        for t in self.times():
            yield t, self.camera.pixels(t)

    def jpegs(self) -> Iterator[tuple[float, bytes]]:
        """Yield (t_s, JPEG)."""
        for t in self.times():
            yield t, self.camera.jpeg(t)


def clip(
    seed: int,
    *,
    seconds: float = 600.0,
    period_s: float = 2.0,
    kinds: tuple[Kind, ...] = KINDS,
    weather: Weather | None = None,
    size: tuple[int, int] = CLIP_SIZE,
) -> Clip:
    """Return a clip of a camera that ``seed`` lays out: street, plaza or square, light, people, things put down.

    ``kinds``: what is put down, about 40 an hour, each for 2 to 5 minutes; () gives a clip in which nothing is.
    ``weather``: None draws one. Any frame can be asked of ``clip.camera`` by its time, in any order.
    """
    plan = plan_view(seed, RANDOM_VIEW, size)
    chosen = WEATHERS[plan.rng(13).integers(len(WEATHERS))] if weather is None else weather
    script = random_script(plan, seconds, per_hour=PER_HOUR, kinds=kinds, stay_s=(120, 300)) if kinds else ()
    truth = truth_of(happenings(CLIP_CAMERA, plan, script))
    return Clip(Camera(plan, script, chosen, f"SIM {seed}"), truth, plan.zones(), seconds, period_s)
