"""Frames per second: the whole detector beside the cheapest JPEG decode and beside MOG2, in one run.

64 cameras show a few distinct simulated scenes at different moments, drawn before the clock runs; every frame fed is
analysed. Rounds alternate (A B A B), and each figure is the median of its rounds. Time is the thread's own processor
time: a shared machine then spoils the figures less.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from config.vision import VisionKnobs
from curbwatch.bench.isolation import measure_isolation
from curbwatch.simulate.clips import CLIP_SIZE
from curbwatch.simulate.plan import plan_view
from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import random_script
from curbwatch.tuning.baseline import DualMog2
from curbwatch.tuning.recording import START_NS
from detectors.vision import VisionDetector
from ingest.decode import decode_grid, one_thread
from schemas.errors import UsageError
from schemas.frame import FrameBatch
from schemas.place import CameraView

SCENES, FRAMES = 8, 40  # distinct scenes, and pictures of each: about 50 MB of JPEG
PERIOD_S = 4.0  # captured seconds between two frames of a camera: the default analysis period
BATCH = 16  # frames of one step, as a shard has them
PER_HOUR = 60.0  # things put down in a scene: busier than a street
WARM_ROUNDS = 20  # until backgrounds are learned and things stand
ROUNDS_MIN = 4
BASELINE_CAMERAS = 8  # MOG2 is slow; its cost does not depend on how many cameras there are

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
    """Processor seconds per frame of each round."""

    gray: list[float]
    decode: list[float]
    detect: list[float]


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
        raise UsageError("bench frames: needs at least one camera")
    one_thread()
    detector = VisionDetector(VisionKnobs(), {})
    times = Times([], [], [])
    for index in range(WARM_ROUNDS):
        _detect(detector, _sent(reels, cameras, index), index, Times([], [], []))
        tick()
    began, index = time.monotonic(), WARM_ROUNDS
    while len(times.gray) < ROUNDS_MIN or time.monotonic() - began < seconds:
        sent = _sent(reels, cameras, index)
        times.gray.append(_gray(sent))
        _detect(detector, sent, index, times)
        index += 1
        tick()
    gray_us, decode_us, detect_us = (float(np.median(part)) * 1e6 for part in (times.gray, times.decode, times.detect))
    total_us = decode_us + detect_us
    sizes = [len(jpeg) for reel in reels for jpeg in reel.jpegs]
    return {
        "decode_gray4_us": round(gray_us, 1),
        "decode_colour4_us": round(decode_us, 1),
        "detector_us": round(detect_us, 1),
        "decode_detect_us": round(total_us, 1),
        "detector_ratio": round(detect_us / gray_us, 4),
        "total_ratio": round(total_us / gray_us, 4),
        "baselines": {name: round(cost_us / gray_us, 4) for name, cost_us in _baselines(reels).items()},
        "bytes_per_camera": round(detector.bytes_per_camera()),
        "frames_per_s_core": round(1e6 / total_us, 1),
        "cameras": cameras,
        "scenes": len(reels),
        "rounds": len(times.gray),
        **measure_isolation([jpeg for reel in reels for jpeg in reel.jpegs], seconds / 4),
        "jpeg_kib": [round(float(np.percentile(sizes, share)) / 1024, 1) for share in (5, 50, 95)],
    }


def _sent(reels: Sequence[Reel], cameras: int, index: int) -> list[bytes]:
    """What each camera sends in a round: scenes in turn, each camera of a scene some pictures further on."""
    return [reels[k % len(reels)].at(index + 5 * (k // len(reels))) for k in range(cameras)]


def _gray(sent: Sequence[bytes]) -> float:
    began = time.thread_time()
    for jpeg in sent:
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    return (time.thread_time() - began) / len(sent)


def _detect(detector: VisionDetector, sent: Sequence[bytes], index: int, times: Times) -> None:
    decode_s = detect_s = 0.0
    for first in range(0, len(sent), BATCH):
        part = sent[first : first + BATCH]
        began = time.thread_time()
        pixels = np.stack([decode_grid(jpeg, *CLIP_SIZE) for jpeg in part])
        decode_s += time.thread_time() - began
        batch = _batch(part, pixels, first, index)
        began = time.thread_time()
        detector.step(batch)
        detect_s += time.thread_time() - began
    times.decode.append(decode_s / len(sent))
    times.detect.append(detect_s / len(sent))


def _batch(part: Sequence[bytes], pixels: np.ndarray[Any, np.dtype[np.uint8]], first: int, index: int) -> FrameBatch:
    return FrameBatch(
        camera_ids=tuple(f"bench-{first + k:03d}" for k in range(len(part))),
        captured_ns=np.full(len(part), START_NS + round(index * PERIOD_S * 1e9), np.int64),
        pixels=pixels,
        native_px=np.asarray([CLIP_SIZE] * len(part), np.int32),
        crc32=np.asarray([zlib.crc32(jpeg) ^ index for jpeg in part], np.uint32),
    )


def _baselines(reels: Sequence[Reel]) -> dict[str, float]:
    """Microseconds per frame of MOG2 alone and of the two-model pipeline, on the detector's own grid."""
    single: list[float] = []
    dual: list[float] = []
    for k in range(min(BASELINE_CAMERAS, len(reels))):
        model = cv2.createBackgroundSubtractorMOG2()
        pipeline = DualMog2(VisionKnobs(), CameraView(f"bench-{k:03d}"))
        for index in range(WARM_ROUNDS + ROUNDS_MIN):
            jpeg = reels[k].at(index)
            batch = _batch([jpeg], decode_grid(jpeg, *CLIP_SIZE)[None], k, index)
            began = time.thread_time()
            model.apply(batch.pixels[0])
            between = time.thread_time()
            pipeline.see(batch)
            if index >= WARM_ROUNDS:
                single.append(between - began)
                dual.append(time.thread_time() - between)
    return {"mog2": float(np.median(single)) * 1e6, "dual_mog2": float(np.median(dual)) * 1e6}
