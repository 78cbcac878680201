"""Where labelled looks come from: composites on clips and on photographs, the simulated city, feeds without events."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from config.vision import VisionKnobs
from curbwatch.simulate.clips import CLIP_SIZE, RANDOM_VIEW
from curbwatch.simulate.plan import plan_view
from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import random_script
from curbwatch.simulate.truth import happenings
from curbwatch.simulate.weather import WEATHERS
from curbwatch.tuning.recording import START_NS, encode, find_recordings
from curbwatch.tuning.train.clips import Clip, read_clip
from curbwatch.tuning.train.collect import Known, Looks, composite, event_free, watch
from curbwatch.tuning.train.cutouts import (
    CutOut,
    Rng,
    drawings,
    movers,
    patches,
    plain_things,
    street_waste,
    veils,
    web_stalls,
)
from curbwatch.tuning.train.left import left_things
from schemas.detections import CLASSES
from schemas.place import CameraView

Item = TypeVar("Item")
CLIP_SCALE_S = 4.0  # clips count this far apart: the analysis period
DWELLS_S = (20.0, 60.0, 90.0)  # at which what an event-free feed raises is collected
SKIPPED = ("seq-nyc-2017-956",)  # a dead camera
# Cameras of the first half; those of seq-nyc-2017 go by turns, all others belong to the second. One camera is one half.
FIRST_HALF = ("seq-cdnet-highway", "seq-ucsd-ped2", "seq-slow-construction-lv")
PHOTOGRAPHS = Path("waste-street-cn") / "train"
STILL_SIZE = (640, 360)
STILL_FRAMES = 36
STILL_SCALE_S = 4.0
CITY = {"stall": "stall", "waste": "waste", "car": "vehicle", "bike": "bike", "group": "crowd"}
CITY_S, CITY_PERIOD_S = 320.0, 2.0
CITY_PER_HOUR = 160.0  # four times as busy as ``clip``: more to learn from each picture that is drawn
LEAVING_S = 20.0  # a track may outlive its thing by so much
CITY_DWELL_S = 20.0  # as in the demo
MOVERS = {
    "seq-cdnet-highway": "vehicle",
    "seq-motorway-cctv": "vehicle",
    "seq-intel-parking": "vehicle",
    "seq-ucsd-ped2-01": "crowd",
    "seq-ucsd-ped2-05": "crowd",
    "seq-ucsd-ped2-06": "crowd",
    "seq-ucsd-ped2-09": "crowd",
}


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many pieces of each source are made.

    Attributes:
        per_clip: composites on each clip.
        stills: composites on photographs.
        cities: clips of the simulated city.
        cuts: cut-outs pasted into one piece.
    """

    per_clip: int = 32
    stills: int = 400
    cities: int = 24
    cuts: int = 8


Source = tuple[str, Callable[[], Looks]]


@dataclass(frozen=True, slots=True)
class Pool:
    """Cut-outs of one split, by kind, drawn from in turn."""

    kinds: tuple[Sequence[CutOut], ...]
    shares: tuple[float, ...]

    def draw(self, rng: Rng, count: int) -> list[CutOut]:
        """``count`` cut-outs, each of a kind drawn by its share; kinds without any are left out."""
        usable = [k for k, cuts in enumerate(self.kinds) if cuts]
        shares = np.asarray([self.shares[k] for k in usable])
        chosen = rng.choice(usable, count, p=shares / shares.sum())
        return [self.kinds[k][int(rng.integers(len(self.kinds[k])))] for k in chosen]


def in_first_half(camera: str, index: int) -> bool:
    """Which half a camera belongs to; ``index`` is its place in the order of names."""
    return index % 2 == 0 if camera.startswith("seq-nyc-2017") else camera.startswith(FIRST_HALF)


def sources(data: Path, amounts: Amounts, *, second: bool) -> Iterator[Source]:
    """Yield (name, run) of each source of one half: its own cameras, cut-outs, photographs and seeds.

    What is learned from one half has seen no camera and no cut-out of the other. Raises UsageError where a recording
    of the data cannot be read.
    """
    rng = np.random.default_rng(77 if second else 7)
    recordings = [recording for recording in find_recordings(data) if recording.name not in SKIPPED]
    mine = [one.folder for index, one in enumerate(recordings) if in_first_half(one.name, index) != second]
    clips = [read_clip(folder, time_scale_s=CLIP_SCALE_S, most=1000) for folder in mine]
    for clip in clips:
        for dwell_s in DWELLS_S:
            yield clip.name, partial(event_free, clip, "other", dwell_s)
    for folder, clip in zip(mine, clips, strict=True):
        if not clip.own_time:
            slow = read_clip(folder, time_scale_s=1.0, most=1000)
            for dwell_s in DWELLS_S:
                yield clip.name, partial(event_free, slow, "other", dwell_s)
    pool = _pool(data, clips, second=second)
    for clip in clips:
        for _ in range(max(1, round(amounts.per_clip * _weight(clip)))):
            yield f"on {clip.name}", partial(composite, clip, pool.draw(rng, amounts.cuts), _child(rng))
    pictures = split(sorted((data / PHOTOGRAPHS / "images").glob("*.jpg")), second=second)
    for _ in range(amounts.stills // 2 if pictures else 0):
        picture = pictures[int(rng.integers(len(pictures)))]
        yield "on photographs", partial(_on_photograph, picture, pool.draw(rng, amounts.cuts), _child(rng))
    for seed in range(amounts.cities // 2):
        yield "city", partial(city, (9000 if second else 5000) + seed)


def _on_photograph(file: Path, cuts: Sequence[CutOut], rng: Rng) -> Looks:
    return composite(still(file, rng), cuts, rng)


def city(seed: int) -> Looks:
    """Looks at a busy clip of the simulated city, labelled by its truth; what is not in it is ``other``.

    Half of the clips show a camera of the example pack, the others one laid out at random.
    """
    plan = plan_view(seed, seed % 8 if seed % 2 else RANDOM_VIEW, CLIP_SIZE)
    weather = WEATHERS[plan.rng(13).integers(len(WEATHERS))]
    script = random_script(plan, CITY_S, per_hour=CITY_PER_HOUR, stay_s=(60, 160))
    name = f"city-{seed}"
    camera = Camera(plan, script, weather, name)
    frames = [(k * CITY_PERIOD_S, camera.jpeg(k * CITY_PERIOD_S)) for k in range(int(CITY_S / CITY_PERIOD_S))]
    clip = Clip(
        name,
        tuple(jpeg for _, jpeg in frames),
        tuple(_ns(t) for t, _ in frames),
        CLIP_SIZE,
        CameraView(name),
        (),
    )
    known = [
        Known(thing.bbox, CLASSES.index(CITY[thing.kind]), _ns(thing.appear_s), _ns(thing.leave_s + LEAVING_S))
        for thing in happenings(name, plan, script)
    ]
    return watch(clip, (), known, "other", VisionKnobs(dwell_s=CITY_DWELL_S))


def still(file: Path, rng: Rng) -> Clip:
    """A camera that looks at one photograph: sensor noise, small steps of exposure, JPEG."""
    width, height = STILL_SIZE
    picture = cv2.imread(str(file))
    if picture is None:
        picture = np.full((height, width, 3), 128, np.uint8)
    whole = cv2.resize(picture, (width, width), interpolation=cv2.INTER_AREA)
    top = int(rng.integers(0, width - height + 1))
    base = whole[top : top + height].astype(np.float32)
    sigma = float(rng.uniform(0.5, 4.0))
    jpegs = []
    for _ in range(STILL_FRAMES):
        noise = np.asarray(cv2.resize(rng.normal(0, sigma, (height // 2, width // 2, 3)), STILL_SIZE), np.float32)
        gain = float(rng.choice([1.0, 1.0, 1.0, rng.uniform(0.9, 1.1)]))
        jpegs.append(encode(np.clip(base * gain + noise, 0, 255).astype(np.uint8)))
    times = tuple(_ns(k * STILL_SCALE_S) for k in range(STILL_FRAMES))
    return Clip(file.stem, tuple(jpegs), times, STILL_SIZE, CameraView(file.stem), ())


def _pool(data: Path, clips: Sequence[Clip], *, second: bool) -> Pool:
    rng = np.random.default_rng(12 if second else 11)
    moving = [cut for clip in clips if clip.name in MOVERS for cut in movers(clip, MOVERS[clip.name], rng, 60)]
    photographs = data / PHOTOGRAPHS
    boxes = street_waste(photographs, lambda files: split(files, second=second))
    kinds: tuple[tuple[Sequence[CutOut], float], ...] = (
        ([cut for cut in boxes if cut.label == "waste"], 0.24),
        ([*plain_things(rng, 150), *left_things(rng, 150)], 0.16),
        ([cut for cut in boxes if cut.label == "other"], 0.06),
        (split(web_stalls(data / "stall-crops-web"), second=second), 0.13),
        (list(drawings(rng, 350)), 0.2),
        (moving, 0.13),
        # Few: much of a street is like a thing, and what is unfamiliar must not be ``other`` for that alone.
        (patches(photographs, rng, 250, lambda files: split(files, second=second)), 0.02),
        (list(veils(rng, 100)), 0.06),
    )
    return Pool(tuple(cuts for cuts, _ in kinds), tuple(share for _, share in kinds))


def split(items: Sequence[Item], *, second: bool) -> list[Item]:
    """Every other run of four items: photographs of one place follow each other by name."""
    return [item for index, item in enumerate(items) if (index // 4 % 2 == 1) == second]


def _ns(t_s: float) -> int:
    return START_NS + round(t_s * 1e9)


def _child(rng: Rng) -> Rng:
    return np.random.default_rng(int(rng.integers(1 << 62)))


def _weight(clip: Clip) -> float:
    """Short feeds are many and alike: fewer composites on each."""
    return 0.35 if len(clip.jpegs) < 40 else 1.0
