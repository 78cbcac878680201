"""Runs a sweep: every configuration over every recording, whose pictures are decoded once, and what came of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any

from curbwatch.tuning.cache import CACHE_BYTES, DecodedOnce, Store, grid_bytes, judge
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.recording import Recording
from curbwatch.tuning.score import Result, summary
from curbwatch.tuning.sweep import Point
from schemas.errors import FrameError

TRIAL_FRAMES = 40  # decoded and looked at to tell how long a sweep will take


@dataclass(frozen=True, slots=True)
class Size:
    """How large a sweep is: what is decoded once, what is looked at in all, bytes of the largest recording's grids."""

    points: int
    recordings: int
    frames: int
    cache_bytes: int

    @property
    def looks(self) -> int:
        """Frames of all replays."""
        return self.points * self.frames


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


def size_of(recordings: Sequence[Recording], count: int) -> Size:
    """How large a sweep of ``count`` configurations is; no recordings: nothing."""
    frames = [recording.count() for recording in recordings]
    room = [number * _grid_bytes(recording) for number, recording in zip(frames, recordings, strict=True)]
    return Size(count, len(recordings), sum(frames), min(CACHE_BYTES, max(room, default=0)))


def trial(recordings: Sequence[Recording], bench: Bench) -> tuple[float, float] | None:
    """Seconds of decoding one frame and of looking at one, by the first frames of the longest recording.

    None where there are no frames. Raises UsageError where its media cannot be opened.
    """
    longest = max(recordings, key=Recording.count, default=None)
    if longest is None or not longest.count():
        return None
    with Store() as store:
        pictures = Beginning(longest, store, bench.time_scale_s)
        times_s = []
        for _ in range(2):
            began_s = perf_counter()
            judge(pictures, bench)
            times_s.append((perf_counter() - began_s) / max(1, pictures.seen))
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
    recordings: Sequence[Recording],
    bench: Bench,
    tick: Callable[[str], None] = lambda _name: None,
) -> tuple[Outcome, ...]:
    """Play every recording through every configuration. ``tick(recording name)`` is called once a frame.

    ``bench`` gives city and time scale; the configurations are the points'. Raises UsageError where a recording's media
    cannot be opened.
    """
    results: list[list[Result]] = [[] for _ in points]
    for recording in recordings:
        with Store() as store:
            pictures = DecodedOnce(recording, store, bench.time_scale_s)
            for number, point in enumerate(points):
                own = replace(bench, config=point.config)
                results[number].append(judge(pictures, own, partial(tick, recording.name)))
    found = [Outcome(point, summary(own)) for point, own in zip(points, results, strict=True)]
    return with_front(found)


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


def _grid_bytes(recording: Recording) -> int:
    """Bytes of a grid; 0 where none can be made: each of its frames will be counted as unusable."""
    try:
        return grid_bytes(recording)
    except FrameError:
        return 0
