"""Generated recordings: streets of the simulated city under fourteen kinds of light and weather, with their truth.

Three sets of fixed seeds: ``train`` for class weights, ``tune`` for knobs, and the sealed one, which nothing was ever
fitted to. What was drawn once is kept in the private folder, by the seed and the version of the drawing code.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from curbwatch.parts.paths import home, make_folder
from curbwatch.simulate.actors import draw
from curbwatch.simulate.clips import CLIP_CAMERA, RANDOM_VIEW
from curbwatch.simulate.plan import Plan, plan_view
from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import EVENTS, LABELS, Kind, Placement, find_place, spots_at
from curbwatch.simulate.sprite import Shop
from curbwatch.simulate.truth import bbox_of, happenings, outline_m, recording, truth_of
from curbwatch.simulate.weather import Weather
from curbwatch.tuning.recording import Recording, read_recording

VERSION = 2  # of the drawing code and of the scripts: another one draws everything anew
SIZE = (640, 360)
SECONDS = 1800.0
PERIOD_S, SLOW_PERIOD_S = 4.0, 10.0
KEPT_BYTES = 3_000_000_000  # all suites together; the longest unused clip goes first
FREE_BYTES = 4_000_000_000  # a disk with less keeps nothing
FIRST_S, LAST_S = 150.0, 1350.0  # things are put down from the one to the other
STAY_S = (260.0, 620.0)
WASTE_STAYS_S = (400.0, 900.0)
# Width on the grid, px, that a thing is to have; what does not fit anywhere is put where there is room.
WANTED: tuple[tuple[Kind, str, tuple[float, float]], ...] = (
    ("waste", "bag", (8.0, 14.0)),
    ("stall", "", (14.0, 28.0)),
    ("waste", "", (14.0, 28.0)),
    ("bike", "", (12.0, 40.0)),
    ("waste", "bag", (8.0, 14.0)),
    ("group", "", (14.0, 40.0)),
    ("stall", "", (28.0, 64.0)),
    ("waste", "", (28.0, 56.0)),
    ("car", "", (28.0, 80.0)),
    ("waste", "", (14.0, 40.0)),
    ("bike", "", (12.0, 40.0)),
)
LOOKS = 64
GRID_SHARE = 320 / 1280  # grid px per px of a picture 1280 wide, in which ``find_place`` counts
FARTHEST, NEAREST = 28.0, 130.0  # px per metre there
SEEN = 0.75  # share of a thing's box at least that no tree, post or bin hides
LOOKED = 12  # places looked at for a thing


@dataclass(frozen=True, slots=True)
class Condition:
    """What a street is like: its weather, how many people come (1: as usual), seconds between two frames."""

    weather: Weather
    busy: float = 1.0
    period_s: float = PERIOD_S


CONDITIONS: dict[str, Condition] = {
    "day": Condition("day"),
    "busy": Condition("day", busy=2.4),
    "drift": Condition("drift"),
    "shadow": Condition("shadow"),
    "clouds": Condition("clouds"),
    "exposure": Condition("exposure"),
    "dull": Condition("dull"),
    "night": Condition("night", busy=0.6),
    "infrared": Condition("infrared", busy=0.6),
    "rain": Condition("rain", busy=0.8),
    "snow": Condition("snow", busy=0.8),
    "fog": Condition("fog"),
    "shake": Condition("shake"),
    "slow": Condition("day", period_s=SLOW_PERIOD_S),
}


@dataclass(frozen=True, slots=True)
class Street:
    """One generated clip: where ``seed`` lays it out, and the name of its condition."""

    seed: int
    condition: str

    @property
    def name(self) -> str:
        """Folder name: ``synthetic-night-20007``."""
        return f"synthetic-{self.condition}-{self.seed}"

    @property
    def frames(self) -> int:
        """How many it has."""
        return int(SECONDS / CONDITIONS[self.condition].period_s)

    @property
    def plan(self) -> Plan:
        """Its layout."""
        return plan_view(self.seed, RANDOM_VIEW, SIZE, busy=CONDITIONS[self.condition].busy)


def _streets(first_seed: int, each: int) -> tuple[Street, ...]:
    names = list(CONDITIONS)
    return tuple(
        Street(first_seed + turn * len(names) + k, name) for turn in range(each) for k, name in enumerate(names)
    )


SETS: dict[str, tuple[Street, ...]] = {
    "synthetic": _streets(20_000, 3),
    "synthetic-tune": _streets(30_000, 1),
    "synthetic-train": _streets(40_000, 1),
}


def script(plan: Plan, depth_dm: NDArray[np.uint16]) -> tuple[Placement, ...]:
    """What happens in a street: things of ``WANTED`` put down one after the other, and one there before that leaves.

    ``depth_dm``: of the street's scene, so that nothing is put down behind a tree.
    """
    rng = plan.rng(41)
    found: list[Placement] = []
    old_label = ("heap", "boxes", "muck", "cart")[rng.integers(4)]
    old_kind: Kind = "stall" if old_label == "cart" else "waste"
    spots = _Spots(plan, depth_dm)
    old = spots.place((old_kind, old_label, (20.0, 56.0)), (-300.0, float(rng.uniform(500, 900))), found)
    found += [] if old is None else [old]
    order = rng.permutation(len(WANTED))
    for k, index in enumerate(order):
        kind = WANTED[index][0]
        appear = FIRST_S + (LAST_S - FIRST_S) * (k + float(rng.random())) / len(WANTED)
        stay = float(rng.uniform(*(WASTE_STAYS_S if kind == "waste" else STAY_S)))
        placed = spots.place(WANTED[index], (appear, appear + stay), found)
        found += [] if placed is None else [placed]
    return tuple(found)


def draw_street(street: Street, folder: Path, tick: Callable[[], None] = lambda: None) -> None:
    """Draw one clip with its truth as recording/1 into ``folder``, which is made."""
    condition, plan = CONDITIONS[street.condition], street.plan
    camera = Camera(plan, (), condition.weather, f"SIM {street.seed}", Shop(draw))
    camera.script = placed = script(plan, camera.scene.depth_dm)
    frames = folder / "frames"
    frames.mkdir(parents=True)
    size = 0
    for index in range(street.frames):
        jpeg = camera.jpeg(index * condition.period_s)
        (frames / f"{index:06d}.jpg").write_bytes(jpeg)
        size += len(jpeg)
        tick()
    truth = truth_of(happenings(CLIP_CAMERA, plan, placed))
    facts = recording(truth, plan, media="frames/*.jpg", period_s=condition.period_s, seconds=SECONDS)
    facts |= {"fps": 1 / condition.period_s, "condition": street.condition, "bytes": size}
    (folder / "recording.json").write_text(json.dumps(facts), encoding="utf-8")


@contextmanager
def kept(street: Street, tick: Callable[[], None] = lambda: None, place: Path | None = None) -> Iterator[Recording]:
    """A clip, drawn now or before; ``tick`` is called for each frame that is drawn.

    ``place``: instead of ``suites`` in the private folder. Where the disk is nearly full the clip lies in a temporary
    folder for as long as the block lasts.
    """
    place = home() / "suites" if place is None else place
    folder = place / f"v{VERSION}" / street.name
    if (folder / "recording.json").exists():
        with suppress(OSError):
            os.utime(folder)  # it was used now
        yield read_recording(folder)
        return
    make_folder(place, 0o700)
    room = shutil.disk_usage(place).free >= FREE_BYTES
    with TemporaryDirectory(prefix="drawing-", dir=place if room else None) as made:
        fresh = Path(made) / street.name
        draw_street(street, fresh, tick)
        if not room:
            yield read_recording(fresh)
            return
        folder.parent.mkdir(exist_ok=True)
        with suppress(OSError):  # another process was quicker
            fresh.rename(folder)
    trim(place, KEPT_BYTES, spare=folder)
    yield read_recording(folder)


def trim(place: Path, limit_bytes: int, spare: Path | None = None) -> None:
    """Remove clips of older drawings, then the longest unused, until all that is kept takes ``limit_bytes`` or less."""
    for old in place.glob("v*"):
        if old.name != f"v{VERSION}":
            shutil.rmtree(old, ignore_errors=True)
    clips = []
    for file in place.glob(f"v{VERSION}/*/recording.json"):
        with suppress(OSError, ValueError):
            size = int(json.loads(file.read_text(encoding="utf-8")).get("bytes", 0))
            clips.append((file.parent.stat().st_mtime, size, file.parent))
    total = sum(size for _, size, _ in clips)
    for _, size, folder in sorted(clips):
        if total <= limit_bytes:
            return
        if folder != spare:
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


@dataclass(frozen=True, slots=True)
class _Spots:
    """Where things may be put down in a street."""

    plan: Plan
    depth_dm: NDArray[np.uint16]

    def place(
        self, wanted: tuple[Kind, str, tuple[float, float]], when: tuple[float, float], found: list[Placement]
    ) -> Placement | None:
        """Put one thing where it has about the width wanted; where there is no such place, anywhere; None: no room."""
        kind, label, width_px = wanted
        rng = self.plan.rng(42, len(found))
        label = label or LABELS[kind][rng.integers(len(LABELS[kind]))]
        look, taken = int(rng.integers(LOOKS)), spots_at(found, when)
        wide_m = 2.0
        if kind in EVENTS:
            left, _, right, _ = outline_m(f"{kind}/{look}/{label}")
            wide_m = right - left
        low, high = (min(NEAREST, max(FARTHEST, side / GRID_SHARE / wide_m)) for side in width_px)
        for px_m in (*((low, high),) * LOOKED, *((FARTHEST, 1e6),) * LOOKED):
            spot = find_place(self.plan, rng, kind, taken, px_m=px_m)
            if spot is None:
                continue
            placed = Placement(kind, label, spot[0], spot[1], *when, look, spot[2])
            if self._seen(placed) >= SEEN:
                return placed
        return None

    def _seen(self, placed: Placement) -> float:
        """Share of its box that nothing nearer hides."""
        x, y, w, h = bbox_of(self.plan, placed)
        part = self.depth_dm[y : y + h, x : x + w]
        return float((part >= placed.z_m * 10 - 2).mean()) if part.size else 0.0
