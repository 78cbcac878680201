"""The soak: a whole ``curbwatch run`` under a city's load for an hour, watched for what grows and what lags."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curbwatch.bench.detector import draw
from curbwatch.bench.pace import Beat, Child
from curbwatch.bench.rig import Rig, started, unbalanced
from curbwatch.endpoints import Endpoints
from schemas.errors import CurbwatchError

VEHICLES, ARRAY_VEHICLES, PHONES, CAMERAS = 1000, 100, 50, 40
POSITIONS_PER_S, FRAMES_PER_S = 1000.0, 20.0
SCENES, PICTURES = 8, 16  # of 150 to 180 KiB: real work for the decoder, 20 MB for the generator
SAMPLE_S = 10.0
SETTLE_S = 600.0  # caches fill and allocators find their size
LEAST_FIT_S = 1200.0  # a slope over less says nothing about an hour

RSS_MAX_BYTES, SLOPE_MAX_BYTES_PER_H = 600e6, 2e6
LAG_P99_MAX_MS, UNACKED_MAX_S = 1000.0, 60.0
DESCRIPTORS_SLACK = 2  # a scrape or a reconnect may be on its way when they are counted
MB = 1e6

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """The system at one moment: what the process takes, and the lags since the sample before."""

    at_s: float
    rss_bytes: int
    descriptors: int
    lags_ms: Sequence[float]
    unacked_s: float
    oldest_s: float


def soak(endpoints: Endpoints, *, minutes: float, say: Say) -> dict[str, Any]:
    """Run for ``minutes`` and return measures, limits and ``misses``; none missed: an empty list.

    Raises CurbwatchError where the system does not start, or ends.
    """
    say("drawing the streets")
    reels = tuple(reel.jpegs for reel in draw(SCENES, PICTURES))
    with started(endpoints, vehicles=VEHICLES, cameras=CAMERAS) as rig:
        phones, arrays = rig.vehicles[:PHONES], rig.vehicles[-ARRAY_VEHICLES:]
        load = rig.load(
            vehicles=rig.vehicles[PHONES:-ARRAY_VEHICLES],
            arrays=arrays,
            phones=phones,
            reels=reels,
            positions_per_s=POSITIONS_PER_S - PHONES,
            frames_per_s=FRAMES_PER_S,
            seconds=minutes * 60,
        )
        child = Child(load)
        try:
            samples, last = _watch(rig, child, say)
        finally:
            child.end()
        counts = _settled(rig)
        code = rig.stop()
    return result(samples, last, counts, code)


def _watch(rig: Rig, child: Child, say: Say) -> tuple[list[Sample], Beat]:
    """Sample with each beat of the load, to its last."""
    samples: list[Sample] = []
    last: Beat | None = None
    began_s, next_line_s = time.monotonic(), 60.0
    while (beat := child.beat(3 * SAMPLE_S)) is not None:
        usage, counts = rig.usage(), rig.metrics()
        at_s = time.monotonic() - began_s
        unacked_s = counts.get("oldest_unacked_seconds", 0.0)
        samples.append(Sample(at_s, usage.rss_bytes, usage.descriptors, beat.lags_ms, unacked_s, beat.oldest_s))
        last = beat
        if at_s >= next_line_s:
            next_line_s += 60.0
            say(line(samples[-6:], beat, counts))
        if beat.last:
            return samples, beat
    raise CurbwatchError(f"the load says nothing any more after {len(samples)} beats" + (f": {last}" if last else ""))


def _settled(rig: Rig) -> dict[str, float]:
    """Counters once nothing is on its way any more: at once as a rule; after ten seconds as they are."""
    counts = rig.metrics()
    for _ in range(20):
        if not unbalanced(counts):
            break
        time.sleep(0.5)
        counts = rig.metrics()
    return counts


def line(samples: Sequence[Sample], beat: Beat, counts: dict[str, float]) -> str:
    """What a minute looked like, in one line."""
    lags = [lag for sample in samples for lag in sample.lags_ms]
    p50, p99 = percentiles(lags)
    return (
        f"{beat.elapsed_s / 60:5.1f} min  rss {samples[-1].rss_bytes / MB:5.0f} MB  fds {samples[-1].descriptors:3d}"
        f"  lag p50 {p50:.0f} p99 {p99:.0f} ms  positions {beat.positions} sent {beat.kept} kept"
        f"  frames {beat.frames} sent {counts.get('frames_processed', 0):.0f} processed"
        f" {counts.get('frames_shed', 0):.0f} shed  incidents {counts.get('incidents_opened', 0):.0f}"
        f"  generator {beat.cpu_s / beat.elapsed_s:.0%} of a core"
    )


def percentiles(lags_ms: Sequence[float]) -> tuple[float, float]:
    """Median and 99th; no lags: zeros."""
    if not len(lags_ms):
        return 0.0, 0.0
    p50, p99 = np.percentile(lags_ms, (50, 99))
    return float(p50), float(p99)


def slope_per_h(samples: Sequence[Sample]) -> float | None:
    """Bytes per hour that the memory grows, by a straight line through what follows the first ten minutes.

    None where that is less than twenty minutes: a slope over less would be noise.
    """
    late = [sample for sample in samples if sample.at_s >= SETTLE_S]
    if len(late) < 2 or late[-1].at_s - late[0].at_s < LEAST_FIT_S:
        return None
    return float(np.polyfit([s.at_s / 3600 for s in late], [s.rss_bytes for s in late], 1)[0])


def growth_of_descriptors(samples: Sequence[Sample]) -> float:
    """How many more descriptors are open in the last third than in the second, by their medians; few samples: 0."""
    third = len(samples) // 3
    if third == 0:
        return 0.0
    middle, last = samples[third : 2 * third], samples[-third:]
    return float(np.median([s.descriptors for s in last]) - np.median([s.descriptors for s in middle]))


def result(samples: Sequence[Sample], last: Beat, counts: dict[str, float], code: int) -> dict[str, Any]:
    """Measures beside their limits, and ``misses``: what was not kept, in words."""
    lags = [lag for sample in samples for lag in sample.lags_ms]
    p50, p99 = percentiles(lags)
    slope, more = slope_per_h(samples), growth_of_descriptors(samples)
    rss_max = max(sample.rss_bytes for sample in samples)
    unacked_s = max(sample.unacked_s for sample in samples)
    misses = unbalanced(counts)
    for wrong, text in (
        (rss_max > RSS_MAX_BYTES, f"memory reached {rss_max / MB:.0f} MB"),
        (slope is not None and slope > SLOPE_MAX_BYTES_PER_H, f"memory grew by {(slope or 0) / MB:.1f} MB an hour"),
        (more > DESCRIPTORS_SLACK, f"{more:.0f} more descriptors are open"),
        (p99 > LAG_P99_MAX_MS, f"the commit lag's 99th percentile was {p99:.0f} ms"),
        (unacked_s > UNACKED_MAX_S, f"a message was un-acknowledged for {unacked_s:.0f} s"),
        (last.kept < last.positions, f"{last.positions - last.kept} positions were not acknowledged to their vehicles"),
        (last.answered < last.frames, f"{last.frames - last.answered} pictures were not answered"),
        (counts.get("positions_stored", 0) != last.positions + last.phones, "stored and sent positions differ"),
        (code != 0, f"it ended with exit code {code}"),
    ):
        if wrong:
            misses.append(text)
    return {
        "minutes": round(samples[-1].at_s / 60, 2),
        "rss_mb": {
            "max": round(rss_max / MB, 1),
            "slope_per_h": None if slope is None else round(slope / MB, 2),
            "first": round(samples[0].rss_bytes / MB, 1),
            "last": round(samples[-1].rss_bytes / MB, 1),
        },
        "descriptors": {
            "min": min(s.descriptors for s in samples),
            "max": max(s.descriptors for s in samples),
            "growth": more,
        },
        "lag_ms": {"p50": round(p50, 1), "p99": round(p99, 1), "max": round(max(lags, default=0.0), 1)},
        "unacked_max_s": round(unacked_s, 2),
        "positions": {"sent": last.positions, "kept": last.kept, "sent_by_phones": last.phones}
        | {end: int(counts.get(f"positions_{end}", 0)) for end in ("received", "stored", "duplicate", "rejected")},
        "frames": {"sent": last.frames, "answered": last.answered}
        | {end: int(counts.get(f"frames_{end}", 0)) for end in ("received", "processed", "shed", "rejected")},
        "incidents": int(counts.get("incidents_opened", 0)),
        "jobs": int(counts.get("jobs_queued", 0)),
        "generator_cores": round(last.cpu_s / last.elapsed_s, 3),
        "exit_code": code,
        "misses": misses,
        "samples": [
            [round(s.at_s), s.rss_bytes, s.descriptors, *(round(p, 1) for p in percentiles(s.lags_ms))] for s in samples
        ],
    }
