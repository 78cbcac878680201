"""Generated recordings: clips of the simulated city with their truth, the same ones each time."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from curbwatch.simulate.clips import clip
from curbwatch.simulate.truth import recording
from curbwatch.simulate.weather import WEATHERS
from curbwatch.tuning.recording import Recording, read_recording

SECONDS, PERIOD_S = 900.0, 2.0
FRAMES = int(SECONDS / PERIOD_S)


@dataclass(frozen=True, slots=True)
class City:
    """One generated clip: where it is laid out by ``seed``, under which weather."""

    seed: int
    weather: int

    @property
    def name(self) -> str:
        """Folder name: ``city-day-003``."""
        return f"city-{WEATHERS[self.weather]}-{self.seed:03d}"


# The seeds of training begin at 5000.
SUITES: dict[str, tuple[City, ...]] = {
    "city": tuple(City(seed, seed % len(WEATHERS)) for seed in range(100, 112)),
    "city-small": tuple(City(seed, seed % len(WEATHERS)) for seed in range(200, 202)),
}


def build(city: City, folder: Path, *, seconds: float = SECONDS, tick: Callable[[], None] = lambda: None) -> Recording:
    """Render one clip with its truth as recording/1 in ``folder``."""
    made = clip(city.seed, seconds=seconds, period_s=PERIOD_S, weather=WEATHERS[city.weather])
    frames = folder / "frames"
    frames.mkdir(parents=True, exist_ok=True)
    for index, (_, jpeg) in enumerate(made.jpegs()):
        (frames / f"{index:06d}.jpg").write_bytes(jpeg)
        tick()
    facts = recording(made.truth, made.camera.plan, media="frames/*.jpg", period_s=PERIOD_S, seconds=seconds)
    facts |= {"fps": 1 / PERIOD_S, "condition": WEATHERS[city.weather]}
    (folder / "recording.json").write_text(json.dumps(facts), encoding="utf-8")
    return read_recording(folder)
