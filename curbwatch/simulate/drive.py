"""How a vehicle drives a round trip: it speeds up, slows down for bends, stops, and starts again, for ever."""

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from curbwatch.simulate.sprite import Rng
from curbwatch.simulate.streets import Route, bearing_deg

GAIN_MPS2 = 0.9
BRAKE_MPS2 = 1.2
BEND_DEG = 25.0
BEND_MPS = 2.8


@dataclass(frozen=True, slots=True)
class Phase:
    """Some seconds of one acceleration: from ``along_m`` and ``speed_mps`` on; ``stop``: number of the stop, or -1."""

    took_s: float
    along_m: float
    speed_mps: float
    gain_mps2: float
    stop: int = -1


@dataclass(frozen=True, slots=True)
class Moment:
    """A vehicle at one moment.

    Attributes:
        along_m: metres since the start of the round trip.
        speed_mps: how fast.
        stop: number of the stop it stands at, or -1.
        next_stop: number of the stop it stands at or drives to.
        share: how much of the stop is over, 0..1; 0 while driving.
    """

    along_m: float
    speed_mps: float
    stop: int
    next_stop: int
    share: float


class Drive:
    """A round trip in time, repeated for ever; ``lap_s`` is how long one takes."""

    def __init__(self, route: Route, rng: Rng, *, cruise_mps: float, halt_s: tuple[float, float]) -> None:
        self.route = route
        self._phases = tuple(_phases(route, rng, cruise_mps, halt_s))
        ends = tuple(accumulate(phase.took_s for phase in self._phases))
        self._starts = (0.0, *ends[:-1])
        self.lap_s = ends[-1]
        self._first_s = float(rng.uniform(0, self.lap_s))

    def at(self, t: float) -> Moment:
        """Return where the vehicle is at ``t`` seconds; any moment, also before 0."""
        lap = (t + self._first_s) % self.lap_s
        k = bisect_right(self._starts, lap) - 1
        phase, since = self._phases[k], lap - self._starts[k]
        if phase.stop >= 0:
            return Moment(phase.along_m, 0.0, phase.stop, phase.stop, min(1.0, since / phase.took_s))
        along = phase.along_m + phase.speed_mps * since + phase.gain_mps2 * since * since / 2
        coming = next(later.stop for later in self._phases[k:] if later.stop >= 0)
        return Moment(along, max(0.0, phase.speed_mps + phase.gain_mps2 * since), -1, coming, 0.0)


def _phases(route: Route, rng: Rng, cruise_mps: float, halt_s: tuple[float, float]) -> Iterator[Phase]:
    """Street by street: reach the street's speed, keep it, be slow enough for what comes at its end."""
    ends = [_through(route, k, cruise_mps) for k in range(1, len(route.points))]
    speed = 0.0
    for k, wanted in enumerate(ends):
        start_m, length_m = route.at_m[k], route.at_m[k + 1] - route.at_m[k]
        end = min(wanted, math.sqrt(speed * speed + 2 * GAIN_MPS2 * length_m))
        for phase in _street(start_m, length_m, (speed, cruise_mps, end)):
            if phase.took_s > 0:
                yield phase
        speed = end
        if k + 1 in route.stops:
            yield Phase(float(rng.uniform(*halt_s)), route.at_m[k + 1], 0.0, 0.0, route.stops.index(k + 1))


def _through(route: Route, k: int, cruise_mps: float) -> float:
    """How fast point ``k`` is passed, slow enough to brake for all that follows within the braking distance."""
    if k in route.stops:
        return 0.0
    before, after = (bearing_deg(*route.points[i : i + 2]) for i in (k - 1, k))
    turn = abs((after - before + 180) % 360 - 180)
    here = BEND_MPS if turn > BEND_DEG else cruise_mps
    ahead = _through(route, k + 1, cruise_mps)
    room_m = route.at_m[k + 1] - route.at_m[k]
    return min(here, math.sqrt(ahead * ahead + 2 * BRAKE_MPS2 * room_m))


def _street(start_m: float, length_m: float, speeds: tuple[float, float, float]) -> tuple[Phase, Phase, Phase]:
    """Speed up, cruise, brake over one street; ``speeds`` at its start, at most, and at its end."""
    first, top, last = speeds
    # the speed at which speeding up meets braking, where the street is too short for the cruise
    meet = math.sqrt(
        (2 * GAIN_MPS2 * BRAKE_MPS2 * length_m + BRAKE_MPS2 * first**2 + GAIN_MPS2 * last**2) / (GAIN_MPS2 + BRAKE_MPS2)
    )
    top = max(min(top, meet), first, last)
    up_m, down_m = (top**2 - first**2) / (2 * GAIN_MPS2), (top**2 - last**2) / (2 * BRAKE_MPS2)
    even_m = max(0.0, length_m - up_m - down_m)
    return (
        Phase((top - first) / GAIN_MPS2, start_m, first, GAIN_MPS2),
        Phase(even_m / top if top > 0 else 0.0, start_m + up_m, top, 0.0),
        Phase((top - last) / BRAKE_MPS2, start_m + up_m + even_m, top, -BRAKE_MPS2),
    )
