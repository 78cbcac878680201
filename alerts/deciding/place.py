"""From a box in a picture to a point on the ground, a cell and the unit in charge. Pure."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alerts.deciding.grid import grid_of
from schemas.city import City
from schemas.hours import LonLat
from schemas.incident import Box
from schemas.place import Calibration, CameraView
from schemas.units import M_PER_DEG


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


def ground_point(calibration: Calibration, box: Box, native_px: tuple[int, int]) -> LonLat | None:
    """Where a box touches the ground; None where its foot is not below the horizon.

    Pinhole over a plane: with v rows below the horizon the distance is f·h/v, and sideways px per metre is
    slope·v. ``calibration.lon, lat`` is the ground point at the picture's bottom centre. The focal length is taken
    as the picture's width (53° across, the usual lens of street cameras), which scales depth only.
    """
    width, height = native_px
    foot_row = min(box[1] + box[3], float(height))
    below, bottom = foot_row - calibration.horizon_row, height - calibration.horizon_row
    if below <= 1 or bottom <= 1:
        return None
    forward_m = width * calibration.height_m * (1 / below - 1 / bottom)
    right_m = (box[0] + box[2] / 2 - width / 2) / (calibration.px_per_m_slope * below)
    bearing = math.radians(calibration.bearing_deg)
    north_m = forward_m * math.cos(bearing) - right_m * math.sin(bearing)
    east_m = forward_m * math.sin(bearing) + right_m * math.cos(bearing)
    lat = calibration.lat + north_m / M_PER_DEG
    return calibration.lon + east_m / (M_PER_DEG * math.cos(math.radians(calibration.lat))), lat


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
