"""Who and what is in a view at one moment. Everything follows from seed and time: any moment can be asked for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from curbwatch.simulate import goods, people, traffic, waste
from curbwatch.simulate.plan import Lane, Plan
from curbwatch.simulate.script import AFTER_S, BEFORE_S, Placement
from curbwatch.simulate.sprite import Sprite

LOOKS = 20  # how many different people, cars, riders a city has
STEP_M = 1.3  # a double step
WALK_MPS = 1.25
DRIVE_S = 3.0  # how long it takes to park or to leave
VISIT_S = 35.0  # a customer may come each so often
OFFSET = 1 << 20  # makes the number of a passer-by positive, also before the start


@dataclass(frozen=True, slots=True)
class Thing:
    """One cut-out to draw: its name (see ``draw``), where its foot is on the ground in metres, ``up_m`` above it.

    ``lit``: by night its lamps are on.
    """

    name: str
    x_m: float
    z_m: float
    flip: bool = False
    up_m: float = 0.0
    lit: bool = False


def draw(name: str) -> Sprite:
    """Draw what ``name`` says: what/look/… as ``things`` writes it. The same name gives the same drawing."""
    what, look, first, *rest = name.split("/")
    rng = np.random.default_rng([crc32(what.encode()), int(look)])
    match what:
        case "walk":
            sprite = people.walker(rng, int(rest[0]), first)
        case "stand" | "vendor":
            sprite = people.stander(rng, int(first), worker=what == "vendor")
        case "sit":
            sprite = people.sitter(rng, int(first))
        case "ride" | "parked":
            sprite = people.rider(rng, sideways=first == "side", alone=what == "parked")
        case "stall":
            sprite = goods.stall(rng, first)
        case "waste":
            sprite = waste.waste(rng, first)
        case _:
            sprite = {"car": traffic.car, "truck": traffic.truck, "bus": traffic.bus}[what](rng, first)
    return sprite


def body(plan: Plan, placement: Placement) -> str:
    """Return the drawing's name of a thing put down; empty for a group of people."""
    if placement.kind in {"stall", "waste"}:
        return f"{placement.kind}/{placement.look}/{placement.label}"
    if placement.kind == "car":  # along the street, as cars are parked
        return f"car/{placement.look % LOOKS}/{'rear' if plan.view == 'street' else 'side'}"
    return f"parked/{placement.look % LOOKS}/side" if placement.kind == "bike" else ""


def things(plan: Plan, script: tuple[Placement, ...], t: float) -> list[Thing]:
    """Return everything to draw at ``t`` seconds since the start, far things first."""
    found: list[Thing] = []
    for number, lane in enumerate(plan.lanes):
        found += _passing(plan, number, lane, t)
    for number, placement in enumerate(script):
        if placement.appear_s - BEFORE_S <= t < placement.leave_s + AFTER_S:
            found += _around(plan, number, placement, t)
    return sorted(found, key=lambda thing: -thing.z_m)


def _passing(plan: Plan, number: int, lane: Lane, t: float) -> Iterator[Thing]:
    """Those who pass along a lane: the k-th one starts at about k gaps, also for negative k."""
    (x0, z0), (x1, z1) = lane.start, lane.end
    length = math.hypot(x1 - x0, z1 - z0)
    longest = length / (lane.speed_mps * 0.75) + 2 * lane.gap_s
    for k in range(math.floor((t - longest) / lane.gap_s), math.floor(t / lane.gap_s) + 2):
        rng = plan.rng(5, number, k + OFFSET)
        start, speed, aside, look, dice = rng.random(5)
        # cars keep one speed, so that none drives through the one ahead
        pace = lane.speed_mps * (0.8 + 0.4 * speed if lane.kind == "walk" else 1.0)
        room = 0.9 if lane.kind == "walk" else 0.55
        gone = (t - (k + room * start) * lane.gap_s) * pace
        if not 0 <= gone <= length or dice > 0.85:
            continue
        share = gone / length
        sway = (2 * aside - 1) * lane.spread_m
        along_x = abs(x1 - x0) > abs(z1 - z0)
        x = x0 + (x1 - x0) * share + (0.0 if along_x else sway)
        z = z0 + (z1 - z0) * share + (sway if along_x else 0.0)
        view = "side" if along_x else ("front" if z1 < z0 else "rear")
        yield _one(lane.kind, int(look * LOOKS), float(dice), view, (x, z, gone, x1 < x0))


def _one(kind: str, look: int, dice: float, view: str, at: tuple[float, float, float, bool]) -> Thing:
    x, z, gone, left = at
    if kind == "walk":
        phase = int(gone / STEP_M * people.PHASES) % people.PHASES
        return Thing(f"walk/{look}/{view}/{phase}", x, z, left and view == "side")
    if kind == "ride":
        return Thing(f"ride/{look}/{'side' if view == 'side' else 'front'}", x, z, left, lit=True)
    what = "car" if dice < 0.68 else ("truck" if dice < 0.76 else "bus")
    return Thing(f"{what}/{look if what == 'car' else look % 3}/{view}", x, z, left, lit=True)


def _around(plan: Plan, number: int, placement: Placement, t: float) -> Iterator[Thing]:
    """A thing put down and those who belong to it."""
    standing = placement.appear_s <= t < placement.leave_s
    name = body(plan, placement)
    if name and standing:
        yield Thing(name, placement.x_m, placement.z_m)
    if placement.kind == "stall":
        yield from _vendor(plan, number, placement, t)
    elif placement.kind == "waste":
        yield from _carrier(plan, placement, t, -1)
        yield from _carrier(plan, placement, t, 1)
    elif placement.kind == "group":
        if standing:
            yield from _group(plan, number, placement, t)
    else:
        yield from _driver(plan, placement, t)


def _walk(look: int, start: tuple[float, float], end: tuple[float, float], share: float) -> Thing:
    """Somebody between two points; ``share`` 0..1 of the way."""
    x, z = start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
    gone = math.dist(start, end) * share
    sideways = abs(end[0] - start[0]) > abs(end[1] - start[1])
    view = "side" if sideways else ("front" if end[1] < start[1] else "rear")
    phase = int(gone / STEP_M * people.PHASES) % people.PHASES
    return Thing(f"walk/{look}/{view}/{phase}", x, z, sideways and end[0] < start[0])


def _away(plan: Plan, placement: Placement, side: int) -> tuple[float, float]:
    """Where somebody comes from (-1) or goes to (1): along the pavement."""
    reach = WALK_MPS * BEFORE_S
    if plan.view == "street":
        return placement.x_m, placement.z_m + side * (1 if placement.look % 2 else -1) * reach
    return placement.x_m + side * (1 if placement.look % 2 else -1) * reach, placement.z_m


def _carrier(plan: Plan, placement: Placement, t: float, side: int) -> Iterator[Thing]:
    """Who brings the waste and leaves (-1), and who takes it away at the end (1)."""
    event = placement.appear_s if side < 0 else placement.leave_s
    look = (placement.look + (0 if side < 0 else 7)) % LOOKS
    spot = (placement.x_m + 0.2, placement.z_m - 0.35)
    before, after = t - (event - BEFORE_S), t - event - 1.0
    if 0 <= before < BEFORE_S:
        person = _walk(look, _away(plan, placement, -1), spot, before / BEFORE_S)
        yield person
        if side < 0 and placement.label == "bag":
            yield Thing(body(plan, placement), person.x_m + 0.15, person.z_m - 0.02, up_m=0.35)
    elif 0 <= t - event < 1.0:
        yield Thing(f"stand/{look}/0", *spot)
    elif 0 <= after < AFTER_S:
        yield _walk(look, spot, _away(plan, placement, 1), after / AFTER_S)


def _vendor(plan: Plan, number: int, placement: Placement, t: float) -> Iterator[Thing]:
    """The vendor arrives, stays beside the stall with little moves, and leaves; customers come now and then."""
    look = placement.look % LOOKS
    side = 1.45 if placement.look % 3 else -1.45
    spot = (placement.x_m + side, placement.z_m + 0.25)
    if t < placement.appear_s:
        share = min(1.0, (t - placement.appear_s + BEFORE_S) / (BEFORE_S - 2.0))
        yield _walk(look, _away(plan, placement, -1), spot, share)
        return
    if t >= placement.leave_s:
        yield _walk(look, spot, _away(plan, placement, 1), (t - placement.leave_s) / AFTER_S)
        return
    turn = int((t - placement.appear_s) / 4.0)
    pose = int(plan.rng(6, number, turn).integers(people.PHASES))
    low = placement.label == "tarp" or placement.look % 5 == 0
    yield Thing(f"sit/{look}/{pose}" if low else f"vendor/{look}/{pose}", *spot)
    visit = int((t - placement.appear_s - 4.0) // VISIT_S)
    if visit >= 0:
        rng = plan.rng(7, number, visit)
        since = t - placement.appear_s - 4.0 - visit * VISIT_S
        come, stay, where, who = rng.random(4)
        if come < 0.7 and since < 8.0 + 22.0 * stay:
            z = placement.z_m - 0.75
            yield Thing(f"stand/{int(who * LOOKS)}/{int(since / 5) % 8}", placement.x_m + 1.4 * where - 0.7, z)


def _group(plan: Plan, number: int, placement: Placement, t: float) -> Iterator[Thing]:
    rng = plan.rng(8, number)
    for member in range(int(rng.integers(3, 6))):
        x, z = rng.normal(0, 0.55), rng.normal(0, 0.3)
        pose = int((t + member * 1.7) / 6.0 + member) % people.PHASES
        look = (placement.look + member * 3) % LOOKS
        yield Thing(f"stand/{look}/{pose}", placement.x_m + float(x), placement.z_m + float(z))


def _driver(plan: Plan, placement: Placement, t: float) -> Iterator[Thing]:
    """A scooter or car comes, its driver walks off; later it drives away."""
    spot = (placement.x_m, placement.z_m)
    ahead = (0.0, 14.0) if placement.kind == "car" and plan.view == "street" else (14.0, 0.0)
    moving = body(plan, placement).replace("parked", "ride")
    since, after = t - placement.appear_s, t - placement.leave_s
    share = since / DRIVE_S if since < 0 else after / DRIVE_S
    if -DRIVE_S <= since < 0 or 0 <= after < DRIVE_S:
        yield Thing(moving, spot[0] + ahead[0] * share, max(spot[1] + ahead[1] * share, plan.lens.nearest_m * 0.5))
    elif 0 <= since < AFTER_S and placement.kind == "bike":
        away = (_away(plan, placement, 1)[0], placement.z_m - 0.6)
        yield _walk(placement.look % LOOKS, (spot[0], spot[1] - 0.4), away, since / AFTER_S)
