"""Runs a sweep: every configuration over every recording, whose pictures are decoded once, and what came of it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from time import perf_counter
from typing import Any

from curbwatch.tuning.cache import CACHE_BYTES, DecodedOnce, Store, alike, judge
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.score import Result, summary
from curbwatch.tuning.suites import Item
from curbwatch.tuning.sweep import Point
from ingest.decode import one_thread
from schemas.errors import FrameError, UsageError

GRID_BYTES = 320 * 180 * 3  # of the usual grid: to tell how much will be on the disk
CANNOT = (UsageError, FrameError, OSError)  # what a recording that cannot be played raises
TRIAL_FRAMES = 40  # decoded and looked at to tell how long a sweep will take

Tell = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a sweep is.

    Attributes:
        points, replays: configurations, and those among them that detect differently.
        recordings, frames: of them all, decoded once.
        cache_bytes: of the largest recording's grids.
    """

    points: int
    replays: int
    recordings: int
    frames: int
    cache_bytes: int

    @property
    def looks(self) -> int:
        """Frames of all replays."""
        return self.replays * self.frames


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one configuration gave.

    Attributes:
        point: the configuration.
        found: the keys of ``evaluate``'s result.
        front: whether no other finds at least as much with at most as many false alarms, and one of them better.
    """

    point: Point
    found: dict[str, Any]
    front: bool = False

    @property
    def recall(self) -> float | None:
        """Share of the events that was found; None without events."""
        events = self.found["events"]
        return self.found["found"] / events if events else None

    @property
    def unwanted_per_hour(self) -> float | None:
        """False alarms per camera-hour; None without hours."""
        rate = self.found["unwanted_per_hour"]
        return None if rate is None else float(rate)


def size_of(items: Sequence[Item], points: Sequence[Point]) -> Size:
    """How large a sweep is; no recordings: nothing."""
    replays = len(alike([point.config for point in points]))
    longest = max((item.frames for item in items), default=0)
    frames, cache_bytes = sum(item.frames for item in items), min(CACHE_BYTES, longest * GRID_BYTES)
    return Size(len(points), replays, len(items), frames, cache_bytes)


def trial(items: Sequence[Item], bench: Bench) -> tuple[float, float] | None:
    """Seconds of decoding one frame and of looking at one, by the first frames of the first recording that has some.

    None where there are no frames, or where that recording cannot be played.
    """
    first = next((item for item in items if item.frames), None)
    if first is None:
        return None
    times_s = []
    try:
        with first.open(lambda: None) as recording, Store() as store:
            pictures = Beginning(recording, store, bench.time_scale_s)
            for _ in range(2):
                began_s = perf_counter()
                judge(pictures, [bench])
                times_s.append((perf_counter() - began_s) / max(1, pictures.seen))
    except CANNOT:
        return None
    return max(0.0, times_s[0] - times_s[1]), times_s[1]


class Beginning(DecodedOnce):
    """The first frames of a recording."""

    seen = 0

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield the first ``TRIAL_FRAMES``; ``seen`` says how many there were."""
        self.seen = 0
        for frame in islice(super().frames(), TRIAL_FRAMES):
            self.seen += 1
            yield frame


def run(
    points: Sequence[Point],
    items: Sequence[Item],
    bench: Bench,
    tick: Tell = lambda _name, _looks: None,
    faults: list[dict[str, str]] | None = None,
    jobs: int = 1,
) -> tuple[Outcome, ...]:
    """Play every recording through every configuration, ``jobs`` recordings at once, each in a process of its own.

    ``bench`` gives city and time scale; the configurations are the points'. ``tick(recording name, looks)`` tells how
    many frames more were looked at. A recording that cannot be played is left out of every configuration's result and
    named in ``faults``.
    """
    results: list[list[Result]] = [[] for _ in points]
    for item, found in zip(items, _played(points, items, bench, tick, jobs), strict=True):
        if isinstance(found, str):
            if faults is not None:
                faults.append({"path": item.name, "error": found})
            continue
        for own, result in zip(results, found, strict=True):
            own.append(result)
    return with_front([Outcome(point, summary(own)) for point, own in zip(points, results, strict=True)])


def _played(
    points: Sequence[Point], items: Sequence[Item], bench: Bench, tick: Tell, jobs: int
) -> Iterator[list[Result] | str]:
    """The results of each recording, or why there are none, in the order of the recordings."""
    if jobs <= 1:
        for item in items:
            yield play_all(points, item, bench, partial(tick, item.name))
        return
    # Started anew: a forked process would take over the locks of the progress display's thread.
    with ProcessPoolExecutor(jobs, get_context("spawn"), one_thread) as pool:
        asked = [pool.submit(play_all, points, item, bench, cache_bytes=CACHE_BYTES // jobs) for item in items]
        try:
            for item, one in zip(items, asked, strict=True):
                yield one.result()
                tick(item.name, len(points) * item.frames)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def play_all(
    points: Sequence[Point],
    item: Item,
    bench: Bench,
    tick: Callable[[int], None] = lambda _looks: None,
    cache_bytes: int = CACHE_BYTES,
) -> list[Result] | str:
    """One recording through every configuration; why it cannot be played, where it cannot."""
    try:
        with item.open(lambda: None) as recording, Store(cache_bytes) as store:
            pictures = DecodedOnce(recording, store, bench.time_scale_s)
            return judge(pictures, [replace(bench, config=point.config) for point in points], tick)
    except CANNOT as error:
        return f"{item.name}: {error}"


def with_front(outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Mark those on the Pareto front: more found, fewer false alarms. Without events, fewer false alarms alone."""
    return tuple(
        replace(one, front=_measured(one) and not any(_beats(other, one) for other in outcomes)) for one in outcomes
    )


def _beats(one: Outcome, other: Outcome) -> bool:
    """At least as good in both, and better in one."""
    if not _measured(one):
        return False
    mine, theirs = _goods(one), _goods(other)
    return mine != theirs and all(a >= b for a, b in zip(mine, theirs, strict=True))


def _goods(one: Outcome) -> tuple[float, float]:
    return one.recall or 0.0, -(one.unwanted_per_hour or 0.0)


def _measured(one: Outcome) -> bool:
    return one.unwanted_per_hour is not None
