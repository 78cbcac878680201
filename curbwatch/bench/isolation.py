"""What it costs to decode in a process of its own, beside decoding in the caller's: in turns, in one run."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from config.intake import IntakeKnobs
from curbwatch.simulate.clips import CLIP_SIZE
from ingest.decode import decode_grid
from ingest.decode_process import DecoderLimits, DecoderProcess
from schemas.errors import FrameError
from schemas.frame import Frame
from schemas.meter import NullMeter

BATCH = 8  # pictures of one round trip: what the pump takes at once
ROUNDS_MIN = 4

Clock = Callable[[], float]


def measure_isolation(jpegs: Sequence[bytes], seconds: float) -> dict[str, float]:
    """Decode 720p pictures both ways, A B A B, for about ``seconds``; medians per picture.

    ``decode_isolated_us`` and ``isolation_ratio`` are processor time of both processes together,
    ``isolation_wall_ratio`` is by the clock on the wall. Raises SetupError where the decoder does not start.
    """
    knobs = IntakeKnobs()
    limits = DecoderLimits(knobs.decode_limit_s, knobs.frame_max_bytes, knobs.frame_max_pixels)
    decoder = DecoderProcess(limits, NullMeter())
    frames = [Frame("bench", 0, 0, jpeg, *CLIP_SIZE) for jpeg in jpegs]
    here: list[tuple[float, float]] = []
    there: list[tuple[float, float]] = []
    try:
        decoder.start()
        clock = _processor_clock(decoder.process_id)
        began_s = time.monotonic()
        while len(here) < ROUNDS_MIN or time.monotonic() - began_s < seconds:
            for first in range(0, len(frames), BATCH):
                part = frames[first : first + BATCH]
                here.append(_timed(partial(_in_process, part), clock, len(part)))
                there.append(_timed(partial(_isolated, decoder, part), clock, len(part)))
    finally:
        decoder.close()
    in_process, isolated = np.median(here, axis=0), np.median(there, axis=0)
    return {
        "decode_isolated_us": round(float(isolated[0]) * 1e6, 1),
        "isolation_ratio": round(float(isolated[0] / in_process[0]), 4),
        "isolation_wall_ratio": round(float(isolated[1] / in_process[1]), 4),
    }


def _in_process(frames: Sequence[Frame]) -> None:
    np.stack([decode_grid(frame.jpeg, frame.width, frame.height) for frame in frames])


def _isolated(decoder: DecoderProcess, frames: Sequence[Frame]) -> None:
    np.stack([grid for grid in decoder.decode(frames) if not isinstance(grid, FrameError)])


def _timed(act: Callable[[], None], clock: Clock, count: int) -> tuple[float, float]:
    """Processor seconds and seconds of the wall, each per picture."""
    began, wall = clock(), time.perf_counter()
    act()
    return (clock() - began) / count, (time.perf_counter() - wall) / count


def _processor_clock(child: int) -> Clock:
    """Processor seconds of this process and its child together."""
    # Linux numbers another process's clock by its id: clock_getcpuclockid(3), which Python does not have.
    number = (~child << 3) | 2
    return lambda: time.process_time() + time.clock_gettime(number)
