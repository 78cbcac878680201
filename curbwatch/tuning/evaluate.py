"""Detectors over recordings: plays each through the road and the baseline, and scores both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from config.model import Config
from curbwatch.tuning.baseline import DualMog2
from curbwatch.tuning.recording import START_NS, Recording
from curbwatch.tuning.replay import Played, Road, Watcher, play
from curbwatch.tuning.score import Result, Truth, faults, match, summary
from ingest.decode import grid_shape
from schemas.city import City
from schemas.place import CameraView

OURS, BASELINE = "curbwatch", "dual_mog2"
# Things are put down and taken away there all the time and nobody labelled them: listed, not judged (design 13.17).
UNJUDGED = frozenset({"seq-slow-construction-lv"})


@dataclass(frozen=True, slots=True)
class Bench:
    """What recordings are judged with.

    Attributes:
        config, city: as ``run`` would use them.
        time_scale_s: distance of frames of clips without a time of their own; None: as recorded.
        baseline: whether the two MOG2 models look at the same frames.
    """

    config: Config
    city: City
    time_scale_s: float | None = None
    baseline: bool = True


def evaluate(recording: Recording, bench: Bench, tick: Callable[[], None] = lambda: None) -> dict[str, Result]:
    """Play one recording and score each watcher. Raises UsageError where its media cannot be opened."""
    view = CameraView(recording.name, recording.zones)
    watchers: dict[str, Watcher] = {OURS: Road(bench.config, bench.city, view)}
    if bench.baseline:
        watchers[BASELINE] = DualMog2(bench.config.vision, view)
    played = play(recording.frames(bench.time_scale_s), recording.name, watchers, bench.config, tick)
    return {name: score(recording, played, name, bench) for name in watchers}


def score(recording: Recording, played: Played, watcher: str, bench: Bench) -> Result:
    """Compare what one watcher opened with what the recording says happened."""
    dwell_s = bench.config.vision.dwell_s
    tolerance_s = max(bench.config.vision.propose_s, played.gap_s)
    truth = truth_of(recording, bench.time_scale_s)
    alerts = played.alerts[watcher]
    unwanted, standing = faults(truth, alerts, tolerance_s=tolerance_s)
    return Result(
        name=recording.name,
        path=str(recording.folder),
        condition=recording.condition,
        hours=played.seconds / 3600,
        matches=match(truth, alerts, dwell_s=dwell_s, tolerance_s=tolerance_s),
        false_alarms=unwanted,
        standing_found=standing,
        played=played,
        counted=recording.name not in UNJUDGED,
    )


def truth_of(recording: Recording, time_scale_s: float | None) -> Truth:
    """What happened in a recording, with captured times."""
    spans = tuple(
        (
            captured_at(recording, event.first_frame, time_scale_s),
            captured_at(recording, event.last_frame, time_scale_s),
        )
        for event in recording.events
    )
    return Truth(
        events=recording.events,
        spans_ns=spans,
        standing=tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in recording.standing),
        grid_share=grid_shape(*recording.size)[1] / recording.size[0],
    )


def captured_at(recording: Recording, frame: int, time_scale_s: float | None) -> int:
    """Captured ns of a frame; beyond the last stamp the last one counts."""
    if recording.times_ns:
        return recording.times_ns[min(frame, len(recording.times_ns) - 1)]
    apart_s = recording.apart_s if recording.own_time or time_scale_s is None else time_scale_s
    return START_NS + round(frame * apart_s * 1e9)


def report(results: Sequence[dict[str, Result]], bench: Bench) -> dict[str, Any]:
    """The result object of design 12: ours at the top, the baseline with the same keys below it."""
    ours = summary(result[OURS] for result in results)
    ours["dwell_s"] = bench.config.vision.dwell_s
    ours["baseline"] = {BASELINE: summary(result[BASELINE] for result in results)} if bench.baseline else {}
    return ours
