"""What happens at a camera: who puts what where, and when. Drawn at random from a seed, or written for the demo."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curbwatch.simulate.goods import STALLS
from curbwatch.simulate.plan import Plan, Rect
from curbwatch.simulate.sprite import Rng
from curbwatch.simulate.waste import WASTES

Kind = Literal["stall", "waste", "car", "bike", "group"]
EVENTS = ("stall", "waste")
KINDS: tuple[Kind, ...] = ("stall", "waste", "car", "bike", "group")
LABELS: dict[str, tuple[str, ...]] = {
    "stall": STALLS,
    "waste": WASTES,
    "car": ("car",),
    "bike": ("scooter",),
    "group": ("standing",),
}
# Half the ground a thing needs, along the street and across, metres; vendors and customers come with a stall.
NEEDS_M: dict[str, tuple[float, float]] = {
    "stall": (2.4, 1.0),
    "waste": (1.5, 0.8),
    "car": (2.6, 1.2),
    "bike": (1.3, 0.8),
    "group": (1.4, 0.9),
}
BEFORE_S = 8.0  # somebody is on the way with it
AFTER_S = 8.0
TRIES = 60
NEAR_ENOUGH = (50.0, 1e6)  # px per metre, at 1280 wide, at which things are put down unless said


@dataclass(frozen=True, slots=True)
class Placement:
    """One thing put down at a place and, it may be, taken away.

    Attributes:
        kind: what it is; "stall" and "waste" are events, the others distractors.
        label: which sort of it, one of ``LABELS[kind]``.
        x_m, z_m: where it stands, metres of the camera's ground.
        appear_s: since the city's start; from then on it stands there.
        leave_s: when it is gone; may lie beyond the end.
        look: which of many drawings.
        zone: name of the pavement it stands on.
    """

    kind: Kind
    label: str
    x_m: float
    z_m: float
    appear_s: float
    leave_s: float
    look: int
    zone: str


def find_place(
    plan: Plan,
    rng: Rng,
    kind: Kind,
    taken: list[tuple[float, float, str]],
    zone: str = "",
    px_m: tuple[float, float] = NEAR_ENOUGH,
) -> tuple[float, float, str] | None:
    """Return (x_m, z_m, zone) free of ``taken`` and wholly in the picture; None: no room.

    Things stand by the kerb or by the house fronts, so that the way for walkers stays free, and where a metre is
    ``px_m`` (from, to) px of a picture 1280 wide.
    """
    names = [name for name in plan.pavements if not zone or name == zone]
    for _ in range(TRIES if names else 0):
        name = names[rng.integers(len(names))]
        x, z = _candidate(plan, rng, plan.pavements[name], kind, px_m)
        scale = plan.lens.scale(z)
        px, py = plan.lens.point(x, z)
        unit, reach = plan.unit, 1.5 * scale
        inside = reach < px < plan.lens.width - reach and py < plan.lens.height - 10 * unit
        behind_tree = any(abs(tx - x) < 1.9 and 0 < z - tz < 9.0 for tx, tz in plan.trees) and plan.view == "street"
        on_tree = any(abs(tx - x) < 1.5 and abs(tz - z) < 1.4 for tx, tz in plan.trees)
        # two things one behind the other would hide one another
        free = all(abs(px - plan.lens.point(ox, oz)[0]) > 3.0 * scale or abs(z - oz) > 9.0 for ox, oz, _ in taken)
        if px_m[0] * unit <= scale <= px_m[1] * unit and inside and not behind_tree and not on_tree and free:
            return x, z, name
    return None


def _candidate(plan: Plan, rng: Rng, area: Rect, kind: Kind, px_m: tuple[float, float]) -> tuple[float, float]:
    across = NEEDS_M[kind][1]
    if plan.view == "street":
        x = _edge(rng, area.x0, area.x1, across)
        near, far = (plan.lens.focal / (edge * plan.unit) for edge in px_m[::-1])
        near, far = max(area.z0 * 1.06, near), min(area.z1, far)
        return x, float(rng.uniform(min(near, far), far))
    x = float(rng.uniform(area.x0, area.x1)) * 0.9
    z = float(rng.uniform(area.z0 + 0.4, area.z1))
    ways = [lane.start[1] for lane in plan.lanes if lane.kind == "walk"]
    nearest = min(ways, key=lambda way: abs(way - z))
    if abs(nearest - z) < 1.1:
        z = nearest + (1.1 if z >= nearest else -1.1)
    return x, float(np.clip(z, area.z0 + 0.2, area.z1))


def _edge(rng: Rng, x0: float, x1: float, across: float) -> float:
    off = across + float(rng.uniform(0.1, 0.6))
    return x0 + off if rng.random() < 0.5 else x1 - off


def random_script(
    plan: Plan, seconds: float, *, per_hour: float, kinds: tuple[Kind, ...] = KINDS, stay_s: tuple[float, float]
) -> tuple[Placement, ...]:
    """Return things put down at random over ``seconds``, on average ``per_hour``, each for ``stay_s`` (from, to)."""
    rng = plan.rng(3)
    found: list[Placement] = []
    t = float(rng.exponential(3600 / per_hour))
    while t < seconds:
        stay = float(rng.uniform(*stay_s))
        kind = kinds[rng.integers(len(kinds))]
        placed = place(plan, rng, kind, (t, t + stay), found)
        if placed is not None:
            found.append(placed)
        t += float(rng.exponential(3600 / per_hour))
    return tuple(found)


def place(
    plan: Plan,
    rng: Rng,
    kind: Kind,
    when: tuple[float, float],
    found: list[Placement],
    zone: str = "",
    label: str = "",
) -> Placement | None:
    """Put one thing where nothing else of ``found`` stands at that time; None: no room."""
    spot = find_place(plan, rng, kind, spots_at(found, when), zone)
    if spot is None:
        return None
    labels = LABELS[kind]
    label = label or labels[rng.integers(len(labels))]
    return Placement(kind, label, spot[0], spot[1], *when, int(rng.integers(64)), spot[2])


def spots_at(found: Iterable[Placement], when: tuple[float, float]) -> list[tuple[float, float, str]]:
    """Return where things of ``found`` stand, come or go between two moments: ``taken`` of ``find_place``."""
    appear, leave = when
    return [
        (other.x_m, other.z_m, other.zone)
        for other in found
        if other.appear_s - 2 * BEFORE_S < leave and appear < other.leave_s + 2 * AFTER_S
    ]
