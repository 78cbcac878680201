"""Which zone of a picture, polygon on the ground and cell a thing is in. Pure."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alerts.deciding.grid import grid_of
from schemas.city import City
from schemas.hours import LonLat
from schemas.incident import Box
from schemas.place import CameraView, ImageZone
from schemas.units import M_PER_DEG

WHOLE_PICTURE = ImageZone("picture", ())


def inside(points: NDArray[np.float64], polygon: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which of (N, 2) points lie in a polygon of at least three corners; (N,) bool.

    Even-odd rule, each edge half-open, so that a point on an edge shared by two polygons belongs to exactly one:
    an edge is computed from its upper end whichever way round it is drawn, else rounding would differ by polygon.
    No points give an empty mask; a polygon of fewer corners contains nothing.
    """
    within = np.zeros(len(points), bool)
    if len(polygon) < 3:
        return within
    x, y = points[:, 0], points[:, 1]
    corners = np.asarray(polygon, np.float64)
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = (one, other) if one[1] < other[1] else (other, one)
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        within ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return within


def contains(polygon: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Whether one point lies in a polygon; see ``inside``, whose arithmetic this is, for one point far quicker."""
    within = False
    if len(polygon) < 3:
        return within
    x, y = point
    last = polygon[-1]
    for corner in polygon:
        (x0, y0), (x1, y1) = (last, corner) if last[1] < corner[1] else (corner, last)
        last = corner
        if y0 != y1 and (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            within = not within
    return within


def distance_m(one: LonLat, other: LonLat) -> float:
    """Metres between two WGS-84 points, on a local plane."""
    east = (other[0] - one[0]) * M_PER_DEG * math.cos(math.radians((one[1] + other[1]) / 2))
    return math.hypot(east, (other[1] - one[1]) * M_PER_DEG)


def zone_share(box: Box, polygon: Sequence[tuple[float, float]]) -> float:
    """Share 0..1 of a box's foot, its lowest tenth, that lies in an image zone; 1 for the whole picture (no polygon).

    The foot counts, not the box: an umbrella leaning over the pavement's edge stands where its table stands.
    """
    if not polygon:
        return 1.0
    x, y, w, h = box
    columns, rows = np.meshgrid(np.linspace(x, x + w, 11), np.linspace(y + 0.9 * h, y + h, 3))
    return float(inside(np.column_stack([columns.ravel(), rows.ravel()]), polygon).mean())


def cell_of(city: City, view: CameraView, point: LonLat | None) -> str:
    """Grid cell of a ground point; the camera's own cell where there is no point or no cell holds it."""
    found = grid_of(city).find_one(point) if point is not None else ""
    return found or view.cell_id


def zone_of(view: CameraView, family: str, box: Box, overlap: float) -> ImageZone | None:
    """The zone that holds most of the box's foot, at least ``overlap`` of it; the whole picture where none is drawn."""
    zones = view.zones or (WHOLE_PICTURE,)
    shares = [(zone_share(box, zone.polygon), zone) for zone in zones if family in zone.families]
    share, best = max(shares, key=lambda pair: pair[0], default=(0.0, WHOLE_PICTURE))
    return best if share >= overlap else None
