"""What stands where in one camera's view: pavements, road, lanes that people and vehicles follow, places for goods."""

from dataclasses import dataclass

import numpy as np

from curbwatch.simulate.lens import FOCAL, Lens, Polygon
from curbwatch.simulate.sprite import Rng
from schemas.errors import UsageError

BASE_WIDTH = 1280  # numbers of this file in px count on 1280 x 720 and are scaled
PACK_VIEWS = ("street", "street", "street", "street", "street", "street", "plaza", "square")
CALIBRATED = (4, 5)  # the example pack states lens figures for these: they are drawn exactly so
ZONE_DEPTH_ROWS = 150  # a pavement zone ends this far below the horizon


@dataclass(frozen=True, slots=True)
class Rect:
    """Ground between two corners, metres: x to the right, z away from the camera."""

    x0: float
    z0: float
    x1: float
    z1: float

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The four corners in order."""
        return (self.x0, self.z0), (self.x0, self.z1), (self.x1, self.z1), (self.x1, self.z0)


@dataclass(frozen=True, slots=True)
class Lane:
    """A straight way that walkers, riders or cars follow at random times.

    ``spread_m``: how far they keep from its middle. ``gap_s``: mean time between two of them.
    """

    kind: str
    start: tuple[float, float]
    end: tuple[float, float]
    spread_m: float
    gap_s: float
    speed_mps: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The layout of one view; see ``plan_view``. ``bands``: lateral metres of wall, kerb, kerb, wall."""

    lens: Lens
    view: str
    bands: tuple[float, float, float, float]
    pavements: dict[str, Rect]
    lanes: tuple[Lane, ...]
    trees: tuple[tuple[float, float], ...]
    seed: tuple[int, int]

    def rng(self, *purpose: int) -> Rng:
        """Return a generator that depends on city, camera and ``purpose`` only."""
        return np.random.default_rng([*self.seed, *purpose])

    @property
    def unit(self) -> float:
        """Px of this picture per px at 1280 wide."""
        return self.lens.width / BASE_WIDTH

    def zones(self) -> dict[str, Polygon]:
        """Return each pavement as a polygon in px, by name."""
        return {name: self.lens.outline(rect.corners) for name, rect in self.pavements.items()}


def plan_view(seed: int, index: int, size: tuple[int, int], *, busy: float = 1.0) -> Plan:
    """Lay out camera ``index`` of city ``seed`` in a picture of ``size`` (width, height) px, 16 : 9.

    Indices 0..7 look as the example city pack describes its cameras; all others are drawn at random. ``busy``
    multiplies how many people and vehicles come. Raises UsageError for another shape of picture.
    """
    width, height = size
    if width * 9 != height * 16 or width < 160:
        raise UsageError(f"a simulated picture is 16:9 and at least 160 px wide, not {width}x{height}")
    rng = np.random.default_rng([seed, index, 1])
    packed = index < len(PACK_VIEWS)
    view = PACK_VIEWS[index] if packed else ("street", "street", "plaza", "square")[rng.integers(4)]
    unit = width / BASE_WIDTH
    if view == "street":
        return _street(rng, (seed, index), size, unit, packed, busy)
    return _across(rng, (seed, index), size, unit, view, busy)


def _street(rng: Rng, seed: tuple[int, int], size: tuple[int, int], unit: float, packed: bool, busy: float) -> Plan:
    """Look along a street: pavements left and right."""
    index = seed[1]
    horizon, centre, high = 150.0, 660.0, 6.25
    ratios = (-1.6, -0.633, 0.615, 1.6)
    if packed and index not in CALIBRATED:
        high = float(rng.uniform(5.4, 6.3))
    elif not packed:
        horizon, high = float(rng.uniform(70, 180)), float(rng.uniform(4.5, 6.5))
        centre = float(rng.uniform(480, 800))
        kerb = float(rng.uniform(0.45, 0.7))
        ratios = (-kerb - float(rng.uniform(0.7, 1.1)), -kerb, kerb, kerb + float(rng.uniform(0.7, 1.1)))
    lens = Lens(size[0], size[1], horizon * unit, centre * unit, high)
    wall_l, kerb_l, kerb_r, wall_r = bands = tuple(ratio * high for ratio in ratios)
    near, far = lens.nearest_m * 0.96, lens.depth((horizon + ZONE_DEPTH_ROWS) * unit)
    pavements = {"pavement-left": Rect(wall_l, near, kerb_l, far), "pavement-right": Rect(kerb_r, near, wall_r, far)}
    if packed and index in (1, 5):
        del pavements["pavement-right"]
    if packed and index == 3:
        del pavements["pavement-left"]
    lanes = []
    for middle in ((wall_l + kerb_l) / 2, (wall_r + kerb_r) / 2):
        for forth in (True, False):
            ends = (middle, near * 0.75), (middle, 75.0)
            lanes.append(Lane("walk", *(ends if forth else ends[::-1]), 0.75, 16 / busy, 1.25))
    for x, away in ((kerb_r * 0.5, True), (kerb_l * 0.5, False)):
        ends = (x, near * 0.45), (x, 120.0)
        lanes.append(Lane("drive", *(ends if away else ends[::-1]), 0.25, 14 / busy, 8.5))
    for x, away in ((kerb_r - 0.8, True), (kerb_l + 0.8, False)):
        ends = (x, near * 0.7), (x, 100.0)
        lanes.append(Lane("ride", *(ends if away else ends[::-1]), 0.2, 20 / busy, 5.0))
    first, step = near + float(rng.uniform(3, 7)), float(rng.uniform(9, 13))
    trees = tuple((x, first + k * step) for k in range(6) for x in (kerb_l - 0.7, kerb_r + 0.7))
    return Plan(lens, "street", (bands[0], bands[1], bands[2], bands[3]), pavements, tuple(lanes), trees, seed)


def _across(rng: Rng, seed: tuple[int, int], size: tuple[int, int], unit: float, view: str, busy: float) -> Plan:
    """Look across: house fronts behind, paving before them, and a road at the bottom unless it is a square."""
    horizon, high = float(rng.uniform(85, 125)), float(rng.uniform(4.4, 5.4))
    lens = Lens(size[0], size[1], horizon * unit, float(rng.uniform(560, 720)) * unit, high)
    wall = lens.depth(float(rng.uniform(312, 328)) * unit)
    kerb = lens.depth(652 * unit) if view == "plaza" else lens.nearest_m * 0.8
    half = wall * 0.5 / FOCAL
    near = lens.depth(640 * unit) if view == "plaza" else lens.depth(695 * unit)
    name = "bins" if view == "plaza" else "square"
    zone = Rect(-half * 0.62, near, half * 0.62, lens.depth(352 * unit))
    lanes = []
    for share, gap in ((0.18, 24), (0.5, 16), (0.82, 20)):
        z = kerb + (wall - kerb) * share
        reach = z * 0.62 / FOCAL
        ends = (-reach, z), (reach, z)
        lanes += [Lane("walk", *way, 0.35, gap / busy, 1.25) for way in (ends, ends[::-1])]
    if view == "plaza":
        for share, sign in ((0.55, 1), (0.8, -1)):
            z = kerb * share
            lanes.append(Lane("drive", (-sign * 14.0, z), (sign * 14.0, z), 0.1, 18 / busy, 8.0))
        z = kerb * 0.93
        lanes.append(Lane("ride", (-13.0, z), (13.0, z), 0.1, 24 / busy, 5.0))
    step = float(rng.uniform(6, 8))
    z = kerb + (wall - kerb) * 0.93
    trees = tuple((-half + k * step + float(rng.uniform(0, 2)), z) for k in range(int(2 * half / step) + 1))
    return Plan(lens, view, (kerb, kerb, kerb, wall), {name: zone}, tuple(lanes), trees, seed)
