"""The frames around what was judged: ten minutes before to two after, more where those do not show it again."""

import shutil
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

from alerts.durable import sync_folder
from alerts.incidents.sites import box_overlap
from curbwatch.tuning.cases import SAME, Case, Clip, Judgement, private_folder, write_case, write_frames
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.explain import alerts_of, frames_of
from curbwatch.tuning.recording import START_NS, Recording, read_recording
from curbwatch.tuning.replay import Alert
from schemas.errors import UsageError
from schemas.place import ImageZone

BEFORE_S = (600.0, 3600.0, 21_600.0, 1e9)  # tried in turn, until the kept frames show the alert again
AFTER_S = 120.0
BEFORE_FRAMES, AFTER_FRAMES = 24, 12  # of a slow feed at least: it must learn its street and see the thing stand
STAGE = ".new-"

Frames = Callable[[], Iterable[tuple[int, bytes]]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the frames around a thing are.

    Attributes:
        origin: as in Case.source.
        times_ns: captured time of each frame, ascending.
        frames: gives (captured_ns, JPEG) of each, anew at each call.
        size, zones, standing: as in Clip.
    """

    origin: str
    times_ns: tuple[int, ...]
    frames: Frames
    size: tuple[int, int]
    zones: tuple[ImageZone, ...] = ()
    standing: tuple[tuple[float, float, float, float], ...] = ()


def of_recording(recording: Recording, time_scale_s: float | None) -> Source:
    """A recording as a source; frames of a clip count ``time_scale_s`` apart, as they did when it was judged."""
    apart_s = recording.apart_s if recording.own_time or time_scale_s is None else time_scale_s
    times = recording.times_ns or tuple(START_NS + round(k * apart_s * 1e9) for k in range(recording.count()))
    standing = tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in recording.standing)

    def frames() -> Iterable[tuple[int, bytes]]:
        return frames_of(recording, time_scale_s)

    return Source(str(recording.folder), times, frames, recording.size, recording.zones, standing)


def bench_of(case: Case, bench: Bench) -> Bench:
    """The bench with the dwell that a case was judged with, and no baseline."""
    vision = bench.config.vision.model_copy(update={"dwell_s": case.dwell_s})
    return replace(bench, config=bench.config.model_copy(update={"vision": vision}), time_scale_s=None, baseline=False)


def at_place(case: Case, alerts: Iterable[Alert]) -> list[Alert]:
    """Alerts on the thing: at its box, not before it came."""
    return [one for one in alerts if one.opened_ns >= case.appeared_ns and box_overlap(one.box_px, case.box_px) >= SAME]


def keep(
    folder: Path, case: Case, source: Source, bench: Bench, judgement: Judgement, tick: Callable[[], None]
) -> Case:
    """Write a new case with its frames; whole or not at all. Returns it as it was written.

    Where an alert was reported and the frames kept do not raise it again, more of them are kept, as far back as the
    source goes. Raises UsageError where the source has no frame around it, or the disk does not take it.
    """
    private_folder(folder)
    judged = replace(case, judgements=(judgement,))
    for before_s in BEFORE_S:
        stage = Path(mkdtemp(prefix=STAGE, dir=folder))
        try:
            clip = cut(stage, judged, source, bench, before_s, tick)
            if case.family and not case.pictures_only:
                judged = replace(
                    judged, shows=bool(at_place(case, alerts_of(read_recording(stage), bench_of(case, bench))))
                )
                write_case(stage, judged, clip)
            if judged.shows is not False or clip.times_ns[0] <= source.times_ns[0]:
                stage.rename(folder / case.case_id)
                sync_folder(folder)
                return judged
        except OSError as error:
            raise UsageError(
                f"{folder}: cannot be written: {error.strerror}; free space or name another --dir"
            ) from None
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    raise AssertionError("the last span reaches back to the source's first frame")


def cut(
    folder: Path, case: Case, source: Source, bench: Bench, before_s: float, tick: Callable[[], None] = lambda: None
) -> Clip:
    """Write the frames from ``before_s`` before a thing was opened, and its facts, into a folder.

    Raises UsageError where the source has none.
    """
    first_ns, last_ns = span(source.times_ns, case, before_s)
    gap_ns = round(bench.config.vision.maturing_period_s / 2 * 1e9)
    times = write_frames(folder, _thinned(source.frames(), first_ns, last_ns, gap_ns, tick))
    if not times:
        raise UsageError(f"{source.origin}: has no frame around {case.case_id}")
    clip = Clip(source.size, times, source.zones, tuple(_whole(box) for box in source.standing))
    write_case(folder, case, clip)
    return clip


def span(times_ns: tuple[int, ...], case: Case, before_s: float) -> tuple[int, int]:
    """First and last captured time to keep. Raises UsageError for a source without frames."""
    if not times_ns:
        raise UsageError(f"{case.source}: has no frames")
    last = len(times_ns) - 1
    by_time = bisect_left(times_ns, case.opened_ns - round(before_s * 1e9))
    first = max(0, min(by_time, bisect_left(times_ns, case.appeared_ns) - BEFORE_FRAMES))
    due_ns = max(case.opened_ns, case.appeared_ns + round(case.dwell_s * 1e9))  # a missed thing was never opened
    after_ns = times_ns[min(last, bisect_left(times_ns, case.opened_ns) + AFTER_FRAMES)]
    return times_ns[min(first, last)], max(due_ns + round(AFTER_S * 1e9), after_ns)


def _thinned(
    frames: Iterable[tuple[int, bytes]], first_ns: int, last_ns: int, gap_ns: int, tick: Callable[[], None]
) -> Iterator[tuple[int, bytes]]:
    """Frames of a span, without those so near to the one before that the analysis period would leave them out."""
    kept_ns = first_ns - gap_ns
    for captured_ns, jpeg in frames:
        tick()
        if captured_ns > last_ns:
            return
        if captured_ns >= first_ns and captured_ns - kept_ns >= gap_ns:
            kept_ns = captured_ns
            yield captured_ns, jpeg


def _whole(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x, y, w, h = (float(round(side)) for side in box)
    return x, y, w, h
