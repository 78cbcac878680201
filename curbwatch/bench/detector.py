"""Frames per second: the whole detector beside the cheapest JPEG decode and beside what others build, in one run.

64 cameras show a few distinct simulated scenes at different moments, drawn before the clock runs; every frame fed is
analysed. Rounds alternate (A B A B: bare decodes, decode and detector, then each baseline), and each figure is the
median of its rounds. Time is the thread's own processor time: a shared machine then spoils the figures less.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from config.vision import VisionKnobs
from curbwatch.bench.baselines import MAKERS, Model
from curbwatch.bench.isolation import measure_isolation
from curbwatch.closer import look_closer
from curbwatch.simulate.clips import CLIP_SIZE
from curbwatch.simulate.plan import plan_view
from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import random_script
from curbwatch.tuning.recording import START_NS
from curbwatch.tuning.replay import cut
from detectors.vision import VisionDetector
from ingest.decode import decode_grid, one_thread
from schemas.crops import Piece
from schemas.errors import FrameError, UsageError
from schemas.frame import Frame, FrameBatch

SCENES, FRAMES = 8, 40  # distinct scenes, and pictures of each: about 50 MB of JPEG
PERIOD_S = 4.0  # captured seconds between two frames of a camera: the default analysis period
BATCH = 16  # frames of one step, as a shard has them
PER_HOUR = 20.0  # things put down in a scene: a busy street, not a market
WARM_ROUNDS = 20  # until backgrounds are learned and things stand
ROUNDS_MIN = 4
BASELINE_CAMERAS = 8  # baselines are slow; their cost does not depend on how many cameras there are

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Reel:
    """Pictures of one scene, played forth and back, so that nothing jumps."""

    jpegs: tuple[bytes, ...]

    def at(self, index: int) -> bytes:
        """The picture of a step of any number."""
        turn = 2 * (len(self.jpegs) - 1)
        place = index % turn if turn else 0
        return self.jpegs[min(place, turn - place)]


@dataclass(slots=True)
class Times:
    """Processor seconds per frame of each round: bare decodes, decode to the grid, detector, pieces, baselines.

    ``pieces`` counts the pieces of original pictures that were cut, over all rounds.
    """

    gray: list[float] = field(default_factory=list)
    colour: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    detect: list[float] = field(default_factory=list)
    cutting: list[float] = field(default_factory=list)
    frames: int = 0
    pieces: int = 0
    baselines: dict[str, list[float]] = field(default_factory=dict)


def draw(scenes: int = SCENES, frames: int = FRAMES, tick: Tick = lambda: None) -> list[Reel]:
    """Render the scenes: 1280 x 720 JPEGs of streets with things put down and taken away."""
    reels = []
    for index in range(scenes):
        plan = plan_view(4000, index, CLIP_SIZE, busy=2.0)
        script = random_script(plan, frames * PERIOD_S, per_hour=PER_HOUR, stay_s=(90, 160))
        camera = Camera(plan, script, "day", f"BENCH {index}")
        pictures = []
        for k in range(frames):
            pictures.append(camera.jpeg(k * PERIOD_S))
            tick()
        reels.append(Reel(tuple(pictures)))
    return reels


def measure(reels: Sequence[Reel], cameras: int, seconds: float, tick: Tick = lambda: None) -> dict[str, Any]:
    """Run the rounds for about ``seconds`` and return the result of design 12. Raises UsageError without cameras."""
    if cameras < 1 or not reels:
        raise UsageError("bench detector: needs at least one camera")
    one_thread()
    detector = VisionDetector(VisionKnobs(), {})
    times = Times()
    others = {name: [make() for _ in range(min(BASELINE_CAMERAS, cameras))] for name, make in MAKERS.items()}
    for index in range(WARM_ROUNDS):
        sent = _sent(reels, cameras, index)
        _detect(detector, sent, index, Times())
        _compare(others, sent, index, Times())
        tick()
    began, index = time.monotonic(), WARM_ROUNDS
    while len(times.gray) < ROUNDS_MIN or time.monotonic() - began < seconds:
        sent = _sent(reels, cameras, index)
        times.gray.append(_bare(sent, cv2.IMREAD_REDUCED_GRAYSCALE_4))
        times.colour.append(_bare(sent, cv2.IMREAD_REDUCED_COLOR_4))
        _detect(detector, sent, index, times)
        _compare(others, sent, index, times)
        index += 1
        tick()
    sizes = [len(jpeg) for reel in reels for jpeg in reel.jpegs]
    return {
        **_figures(times),
        "bytes_per_camera": round(detector.bytes_per_camera()),
        "cameras": cameras,
        "scenes": len(reels),
        "things_per_hour": PER_HOUR,
        "rounds": len(times.gray),
        **measure_isolation([jpeg for reel in reels for jpeg in reel.jpegs], seconds / 4),
        "jpeg_kib": [round(float(np.percentile(sizes, share)) / 1024, 1) for share in (5, 50, 95)],
    }


def _figures(times: Times) -> dict[str, Any]:
    """Medians of the rounds, in microseconds per frame, and their ratios to the cheapest decode."""
    gray_us, colour_us, decode_us, detect_us = (
        float(np.median(part)) * 1e6 for part in (times.gray, times.colour, times.decode, times.detect)
    )
    # Few frames want a piece, so that the median of the rounds may be nothing: the mean is what it costs.
    cutting_us = float(np.mean(times.cutting)) * 1e6
    total_us = decode_us + detect_us + cutting_us
    ratios = {"decode_gray4": 1.0, "decode_colour4": colour_us / gray_us}
    ratios |= {name: float(np.median(costs_s)) * 1e6 / gray_us for name, costs_s in times.baselines.items()}
    return {
        "decode_gray4_us": round(gray_us, 1),
        "decode_colour4_us": round(decode_us, 1),
        "detector_us": round(detect_us, 1),
        "crop_decode_us": round(cutting_us, 1),
        "crops_per_frame": round(times.pieces / times.frames, 4),
        "decode_detect_us": round(total_us, 1),
        "detector_ratio": round(detect_us / gray_us, 4),
        "total_ratio": round(total_us / gray_us, 4),
        "baselines": {name: round(ratio, 4) for name, ratio in ratios.items()},
        "frames_per_s_core": round(1e6 / total_us, 1),
    }


def _sent(reels: Sequence[Reel], cameras: int, index: int) -> list[bytes]:
    """What each camera sends in a round: scenes in turn, each camera of a scene some pictures further on."""
    return [reels[k % len(reels)].at(index + 5 * (k // len(reels))) for k in range(cameras)]


def _bare(sent: Sequence[bytes], flags: int) -> float:
    began = time.thread_time()
    for jpeg in sent:
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), flags)
    return (time.thread_time() - began) / len(sent)


def _detect(detector: VisionDetector, sent: Sequence[bytes], index: int, times: Times) -> None:
    decode_s = detect_s = cutting_s = 0.0

    def timed_cut(wanted: Sequence[tuple[Frame, Piece]]) -> list[NDArray[np.uint8] | FrameError]:
        nonlocal cutting_s
        began = time.thread_time()
        pieces = cut(wanted)
        cutting_s += time.thread_time() - began
        times.pieces += len(pieces)
        return pieces

    for first in range(0, len(sent), BATCH):
        part = sent[first : first + BATCH]
        began = time.thread_time()
        pixels = np.stack([decode_grid(jpeg, *CLIP_SIZE) for jpeg in part])
        decode_s += time.thread_time() - began
        batch, frames = _batch(part, pixels, first, index)
        began = time.thread_time()
        look_closer(detector, detector.step(batch), batch, frames, timed_cut)
        detect_s += time.thread_time() - began
    times.frames += len(sent)
    times.decode.append(decode_s / len(sent))
    times.detect.append((detect_s - cutting_s) / len(sent))
    times.cutting.append(cutting_s / len(sent))


def _batch(part: Sequence[bytes], pixels: NDArray[np.uint8], first: int, index: int) -> tuple[FrameBatch, list[Frame]]:
    captured_ns = START_NS + round(index * PERIOD_S * 1e9)
    names = [f"bench-{first + k:03d}" for k in range(len(part))]
    frames = [Frame(name, captured_ns, captured_ns, jpeg, *CLIP_SIZE) for name, jpeg in zip(names, part, strict=True)]
    batch = FrameBatch(
        camera_ids=tuple(names),
        captured_ns=np.full(len(part), captured_ns, np.int64),
        pixels=pixels,
        native_px=np.asarray([CLIP_SIZE] * len(part), np.int32),
        crc32=np.asarray([zlib.crc32(jpeg) ^ index for jpeg in part], np.uint32),
    )
    return batch, frames


def _compare(others: dict[str, list[Model]], sent: Sequence[bytes], index: int, times: Times) -> None:
    """One round of each baseline on the detector's own grid, without its decode."""
    count = min(BASELINE_CAMERAS, len(sent))
    batches = [_batch([jpeg], decode_grid(jpeg, *CLIP_SIZE)[None], k, index)[0] for k, jpeg in enumerate(sent[:count])]
    for name, models in others.items():
        began = time.thread_time()
        for model, batch in zip(models, batches, strict=True):
            model.see(batch)
        times.baselines.setdefault(name, []).append((time.thread_time() - began) / count)
