"""From the picture that completes a dwell to the crew's queue, through a whole ``curbwatch run`` under load."""

from collections.abc import Callable
from typing import Any

import curbwatch.database as db
from curbwatch.bench.detector import draw
from curbwatch.bench.pace import Child
from curbwatch.bench.rig import DWELL_S, started
from curbwatch.bench.soak import CAMERAS, FRAMES_PER_S, POSITIONS_PER_S, VEHICLES, percentiles
from curbwatch.demo.play import LATENCY
from curbwatch.endpoints import Endpoints
from schemas.errors import CurbwatchError

SCENES, PICTURES = 8, 40  # things must come and stay for the dwell, so that there are jobs
BEATS_APART_S = 30.0


def bench_latency(endpoints: Endpoints, *, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Play a city for ``seconds`` and return the result of design 12. Raises CurbwatchError where nothing was queued.

    The generator stamps a picture with the moment at which it is written to its socket; an incident is opened as of
    its picture's stamp, and the relay notes when the entry stood in the stream.
    """
    say("drawing the streets")
    reels = tuple(reel.jpegs for reel in draw(SCENES, PICTURES))
    with started(endpoints, vehicles=VEHICLES, cameras=CAMERAS) as rig:
        say(f"running for {seconds:.0f} s; first jobs after the dwell of {DWELL_S:.0f} s")
        load = rig.load(reels=reels, positions_per_s=POSITIONS_PER_S, frames_per_s=FRAMES_PER_S, seconds=seconds)
        child = Child(load)
        try:
            last, lags_ms = child.last(BEATS_APART_S)
        finally:
            child.end()
        counts = rig.metrics()
        with db.session(rig.endpoints.database_url) as conn:
            queued_ms = [float(row[0]) for row in conn.execute(LATENCY)]
        rig.stop()
    if not queued_ms:
        raise CurbwatchError(f"no job was queued in {seconds:.0f} s: run it for longer")
    p50_ms, p99_ms = percentiles(queued_ms)
    lag_p50_ms, lag_p99_ms = percentiles(lags_ms)
    return {
        "p50_ms": round(p50_ms, 1),
        "p99_ms": round(p99_ms, 1),
        "frames_per_s": round(last.frames / seconds, 1),
        "positions_per_s": round(last.positions / seconds, 1),
        "jobs": len(queued_ms),
        "frames_processed": int(counts.get("frames_processed", 0)),
        "frames_shed": int(counts.get("frames_shed", 0)),
        "position_lag_ms": {"p50": round(lag_p50_ms, 1), "p99": round(lag_p99_ms, 1)},
    }
