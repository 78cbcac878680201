"""Detectors over recordings: plays each through the road and the baseline, and scores both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from config.model import Config
from curbwatch.tuning.baseline import DualMog2
from curbwatch.tuning.recording import START_NS, Distractor, Event, Recording
from curbwatch.tuning.replay import Notes, Played, Road, Watcher, play
from curbwatch.tuning.score import Result, matches_of, noted, summary
from curbwatch.tuning.verdicts import Rules, Truth, floats, judged
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
    frames = recording.frames(bench.time_scale_s)
    played = play(frames, recording.name, watchers, bench.config, tick, presets=recording.presets)
    return {name: score(recording, played, name, bench) for name in watchers}


def score(recording: Recording, played: Played, watcher: str, bench: Bench) -> Result:
    """Compare what one watcher opened with what the recording says happened."""
    dwell_s = bench.config.vision.dwell_s
    tolerance_s = max(bench.config.vision.propose_s, played.gap_s)
    truth, notes = truth_of(recording, bench.time_scale_s), played.notes.get(watcher, Notes())
    alerts = tuple(
        replace(
            one,
            frame=frame_at(played, one.alert.opened_ns),
            appeared_frame=frame_at(played, one.alert.appeared_ns),
            closed_ns=notes.closed_ns.get(one.number),
        )
        for one in judged(truth, played.alerts[watcher], Rules(dwell_s, tolerance_s))
    )
    return Result(
        name=recording.name,
        path=str(recording.folder),
        condition=recording.condition,
        hours=played.seconds / 3600,
        matches=noted(matches_of(truth, alerts, dwell_s), truth, played, notes, tolerance_s),
        false_alarms=tuple(one.alert for one in alerts if one.verdict == "false"),
        standing_found=sum(one.verdict == "standing" for one in alerts),
        played=played,
        counted=recording.name not in UNJUDGED,
        alerts=alerts,
        events=recording.events,
        notes=notes,
    )


def frame_at(played: Played, captured_ns: int) -> int:
    """The first frame captured at that time or later, from 0; the last one where none is; 0 without frames."""
    later = (index for index, time_ns in enumerate(played.times_ns) if time_ns >= captured_ns)
    return next(later, max(0, len(played.times_ns) - 1))


def truth_of(recording: Recording, time_scale_s: float | None) -> Truth:
    """What happened in a recording, with captured times."""

    def span(entry: Event | Distractor) -> tuple[int, int]:
        first, last = (captured_at(recording, frame, time_scale_s) for frame in (entry.first_frame, entry.last_frame))
        return first, last

    return Truth(
        events=recording.events,
        spans_ns=tuple(span(event) for event in recording.events),
        standing=tuple(floats(box) for box in recording.standing),
        grid_share=grid_shape(*recording.size)[1] / recording.size[0],
        standing_until_ns=tuple(
            None if frame is None else captured_at(recording, frame, time_scale_s) for frame in recording.standing_until
        ),
        distractors=recording.distractors,
        distractor_spans_ns=tuple(span(other) for other in recording.distractors),
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
