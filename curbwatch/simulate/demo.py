"""The demo's written script: what must be found, what must be left alone, and what is taken away again."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from config.pack import Pack
from curbwatch.simulate.city import City, Site, allowed, sites_of
from curbwatch.simulate.script import EVENTS, Kind, Placement, place
from curbwatch.simulate.weather import Weather

STAYS = 1e9  # beyond any end
TRIES = 40
WEATHERS: tuple[Weather, ...] = ("day", "dull")


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing of the script: at the ``camera``-th camera of the pack, or the next one that has a place for it."""

    camera: int
    kind: Kind
    label: str
    appear_s: float
    leave_s: float = STAYS
    permitted: bool = False


# The background is learned by second 10 (five frames, 2 s apart); with a dwell of 20 s the first job comes in the 30s.
# A crew needs 12 s; then its vendor goes, or the crew has cleared it, and the camera sees that and closes the case.
SCRIPT = (
    Scene(5, "stall", "cart", 11.0, 46.0),
    Scene(4, "waste", "heap", 12.0, 47.0),
    Scene(6, "waste", "boxes", 16.0, 56.0),
    Scene(2, "stall", "table", 20.0, 60.0),
    Scene(3, "waste", "bag", 26.0, 66.0),
    Scene(1, "stall", "umbrella", 32.0, 72.0),
    Scene(0, "bike", "scooter", 11.0),
    Scene(7, "group", "standing", 12.0),
    Scene(3, "bike", "scooter", 13.0),
    Scene(1, "car", "car", 14.0),
    Scene(7, "stall", "tarp", 14.0, permitted=True),
)


def demo_city(pack: Pack, seed: int = 7, *, start: datetime | None = None, frame_period_s: float = 2.0) -> City:
    """Return the demo's city: stalls and waste from second 11 on, one permitted stall where ``pack`` has a permit now.

    ``start`` is the moment of t = 0 (default: now): it says which permits are open. Where the pack has none open, the
    permitted stall is left out. Reproducible from pack, seed and start.
    """
    when = datetime.now(UTC) if start is None else start
    weathers = {name: WEATHERS[index % 2] for index, name in enumerate(pack.cameras)}
    sites = sites_of(pack, seed, weathers)
    scripts: dict[str, list[Placement]] = {name: [] for name in sites}
    for number, scene in enumerate(SCRIPT):
        names = list(sites)
        for name in (*names[scene.camera :], *names[: scene.camera]):
            rng = np.random.default_rng([seed, 21, number])
            placed = _placed(pack, sites[name], scene, rng, scripts[name], when.timestamp())
            if placed is not None:
                scripts[name].append(placed)
                break
    done = {name: tuple(script) for name, script in scripts.items()}
    return City(pack, seed, done, weathers=weathers, start=when, frame_period_s=frame_period_s)


def _placed(
    pack: Pack, site: Site, scene: Scene, rng: np.random.Generator, found: list[Placement], start_s: float
) -> Placement | None:
    """Find a place inside the zones, permitted or not as the script wants it."""
    for _ in range(TRIES):
        placed = place(site.plan, rng, scene.kind, (scene.appear_s, scene.leave_s), found, label=scene.label)
        if placed is None:
            return None
        if site.zone_of(placed) is None:
            continue
        if scene.kind not in EVENTS or allowed(pack, site, placed, start_s) == scene.permitted:
            return placed
    return None
