"""What can be wrong with a polygon, in a picture or on the ground."""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite

from shapely import Polygon, is_valid_reason

Point = tuple[float, float]

CORNERS_MAX = 500


def image_faults(points: Sequence[Point], width: int, height: int) -> list[str]:
    """Say what is wrong with a polygon in native px of a ``width`` x ``height`` picture; nothing: an empty list."""
    messages = _common(points)
    if messages:
        return messages
    if all(0 <= x <= 1 and 0 <= y <= 1 for x, y in points):
        return ["looks normalised to 0..1: corners are native pixels here"]
    outside = [(x, y) for x, y in points if not (0 <= x <= width and 0 <= y <= height)]
    if outside:  # and no further: far away, areas overflow
        return [f"{_corners(outside)} lies outside the {width} x {height} picture"]
    return _shape(points)


def ground_faults(points: Sequence[Point]) -> list[str]:
    """Say what is wrong with a polygon of (lon, lat) degrees; nothing: an empty list."""
    messages = _common(points)
    if messages:
        return messages
    if any(abs(lon) > 180 or abs(lat) > 90 for lon, lat in points):
        swapped = all(abs(lat) <= 180 and abs(lon) <= 90 for lon, lat in points)
        return ["is not longitude, latitude in degrees" + (": are the two swapped?" if swapped else "")]
    return _shape(points)


def open_ring(points: Sequence[Point]) -> tuple[Point, ...]:
    """Drop the last corner where it repeats the first, as GeoJSON writes rings."""
    return tuple(points[:-1] if len(points) > 1 and points[0] == points[-1] else points)


def counterclockwise(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """The same ring drawn counterclockwise, from the same corner: RFC 7946 wants it so. No area: as it was."""
    if len(points) < 3:
        return points
    lon, lat = points[0]  # areas are small beside the distance from 0, 0
    near = [(x - lon, y - lat) for x, y in points]
    doubled = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(near))
    return (points[0], *points[:0:-1]) if doubled < 0 else points


def _common(points: Sequence[Point]) -> list[str]:
    if len(points) < 3:
        return [f"has {len(points)} corners, a polygon has at least 3"]
    if len(points) > CORNERS_MAX:
        return [f"has {len(points)} corners, at most {CORNERS_MAX} are accepted"]
    if not all(isfinite(value) for point in points for value in point):
        return ["holds a NaN or an infinite number"]
    repeated = sorted({point for point in points if points.count(point) > 1})
    return [f"{_corners(repeated)} stands there more than once"] if repeated else []


def _shape(points: Sequence[Point]) -> list[str]:
    polygon = Polygon(points)
    if polygon.convex_hull.area == 0:  # not the polygon's own: the two halves of a bow tie cancel out
        return ["has no area: its corners lie on one line"]
    reason = is_valid_reason(polygon)
    return [] if reason == "Valid Geometry" else [f"crosses itself ({reason})"]


def _corners(points: Sequence[Point]) -> str:
    listed = ", ".join(f"({x:g}, {y:g})" for x, y in points[:3])
    more = f" and {len(points) - 3} more" if len(points) > 3 else ""
    return f"corner {listed}{more}"
