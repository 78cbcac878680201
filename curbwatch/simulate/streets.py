"""A small street network along the borders of the pack's grid cells, and ways through it."""

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

from alerts.deciding.place import distance_m
from curbwatch.simulate.sprite import Rng
from schemas.city import GridCell
from schemas.errors import UsageError
from schemas.hours import LonLat
from schemas.units import M_PER_DEG

DIGITS = 6  # 0.1 m: corners that neighbouring cells share are one crossing
STOPS = 6  # places a round trip goes to


@dataclass(frozen=True, slots=True)
class Streets:
    """Crossings and the streets between them.

    Attributes:
        nodes: (lon, lat) of each crossing, degrees WGS-84.
        ways: for each crossing its neighbours and how far they are, metres; the same in both directions.
    """

    nodes: tuple[LonLat, ...]
    ways: tuple[tuple[tuple[int, float], ...], ...]

    @property
    def edges(self) -> tuple[tuple[LonLat, LonLat], ...]:
        """Each street once."""
        return tuple(
            (self.nodes[here], self.nodes[there])
            for here, ways in enumerate(self.ways)
            for there, _ in ways
            if here < there
        )

    def shortest(self, start: int, end: int) -> tuple[int, ...]:
        """Return the crossings of the shortest way, both ends included; just the start where it is the end."""
        best, before = {start: 0.0}, {start: start}
        queue = [(0.0, start)]
        while queue:
            far_m, here = heapq.heappop(queue)
            if here == end:
                break
            for there, length_m in self.ways[here]:
                total_m = far_m + length_m
                if total_m < best.get(there, math.inf):
                    best[there], before[there] = total_m, here
                    heapq.heappush(queue, (total_m, there))
        way = [end]
        while way[-1] != start:
            way.append(before[way[-1]])
        return tuple(reversed(way))


@dataclass(frozen=True, slots=True)
class Route:
    """A round trip: it ends where it starts.

    Attributes:
        points: (lon, lat) of each crossing passed, the first again at the end.
        at_m: how far along the trip each of them is, metres.
        stops: which of the points are stopped at, the first never, the last always.
    """

    points: tuple[LonLat, ...]
    at_m: tuple[float, ...]
    stops: tuple[int, ...]

    def place(self, along_m: float) -> tuple[LonLat, float]:
        """Return the point ``along_m`` from the start and the bearing of the street there, degrees from north."""
        k = min(max(bisect_right(self.at_m, along_m) - 1, 0), len(self.points) - 2)
        (lon0, lat0), (lon1, lat1) = self.points[k : k + 2]
        share = (along_m - self.at_m[k]) / (self.at_m[k + 1] - self.at_m[k])
        return (lon0 + (lon1 - lon0) * share, lat0 + (lat1 - lat0) * share), bearing_deg(
            self.points[k], self.points[k + 1]
        )


def lay_streets(cells: Iterable[GridCell]) -> Streets:
    """Return the borders of the cells as streets: the largest part that hangs together.

    Raises UsageError where the pack has no cells.
    """
    joined: dict[LonLat, set[LonLat]] = {}
    for cell in cells:
        corners = [(round(lon, DIGITS), round(lat, DIGITS)) for lon, lat in cell.polygon]
        for one, other in zip(corners, [*corners[1:], corners[0]], strict=True):
            if one != other:
                joined.setdefault(one, set()).add(other)
                joined.setdefault(other, set()).add(one)
    if not joined:
        raise UsageError("the city pack has no cells, so a simulated city has no streets: leave its vehicles out")
    # of two equally large parts always the same one
    largest = min(_parts(joined), key=lambda part: (-len(part), min(part)))
    kept = sorted(largest)
    number = {node: k for k, node in enumerate(kept)}
    ways = tuple(tuple((number[there], distance_m(node, there)) for there in sorted(joined[node])) for node in kept)
    return Streets(tuple(kept), ways)


def round_trip(streets: Streets, rng: Rng, stops: int = STOPS) -> Route:
    """Draw a round trip that goes to ``stops`` crossings and back to its start."""
    count = len(streets.nodes)
    targets = [int(k) for k in rng.choice(count, size=min(stops, count - 1) + 1, replace=False)]
    way, halts = [targets[0]], []
    for target in (*targets[1:], targets[0]):
        way += streets.shortest(way[-1], target)[1:]
        halts.append(len(way) - 1)
    points = tuple(streets.nodes[k] for k in way)
    lengths = [distance_m(one, other) for one, other in pairwise(points)]
    return Route(points, (0.0, *accumulate(lengths)), tuple(halts))


def bearing_deg(one: LonLat, other: LonLat) -> float:
    """Return the direction from one point to another, degrees clockwise from north, 0 to 360."""
    east = (other[0] - one[0]) * math.cos(math.radians((one[1] + other[1]) / 2))
    return math.degrees(math.atan2(east, other[1] - one[1])) % 360.0


def moved(point: LonLat, east_m: float, north_m: float) -> LonLat:
    """Return the point some metres away."""
    return point[0] + east_m / (M_PER_DEG * math.cos(math.radians(point[1]))), point[1] + north_m / M_PER_DEG


def off_m(point: LonLat, edge: tuple[LonLat, LonLat]) -> float:
    """Return how far a point is from a street, metres."""
    shrink = math.cos(math.radians(point[1]))
    (x0, y0), (x1, y1) = (((lon - point[0]) * shrink * M_PER_DEG, (lat - point[1]) * M_PER_DEG) for lon, lat in edge)
    dx, dy = x1 - x0, y1 - y0
    share = min(1.0, max(0.0, -(x0 * dx + y0 * dy) / (dx * dx + dy * dy)))
    return math.hypot(x0 + share * dx, y0 + share * dy)


def _parts(joined: dict[LonLat, set[LonLat]]) -> list[set[LonLat]]:
    """Return the parts of a network that do not hang together."""
    left = set(joined)
    parts: list[set[LonLat]] = []
    while left:
        part: set[LonLat] = set()
        queue = [min(left)]
        while queue:
            node = queue.pop()
            if node not in part:
                part.add(node)
                queue += joined[node] - part
        left -= part
        parts.append(part)
    return parts
