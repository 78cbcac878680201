"""From a picture to the ground: where a box stands, and what a zone covers. Pure."""

import math
from collections.abc import Sequence

from shapely import Polygon, box

from schemas.hours import LonLat
from schemas.place import Calibration
from schemas.units import M_PER_DEG

Box = tuple[float, float, float, float]  # x, y, w, h in native px
LEAST_PX_PER_M = 8.0  # farther away, where a metre is smaller, nobody draws a zone for what stands there


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


def zone_ground(
    calibration: Calibration, zone: Sequence[tuple[float, float]], native_px: tuple[int, int]
) -> tuple[LonLat, ...]:
    """The ground beneath a zone of a picture, as corners of one polygon; nothing where it covers none.

    Straight lines stay straight. Of a zone that goes up to the horizon that part counts in which a metre is at least
    ``LEAST_PX_PER_M`` wide. ``zone``: corners in native px, a polygon that does not cross itself.
    """
    top = calibration.horizon_row + LEAST_PX_PER_M / calibration.px_per_m_slope
    shape = Polygon(zone).intersection(box(0, top, native_px[0], max(native_px[1], top)))
    if shape.geom_type != "Polygon":  # cut in two by the line of the horizon: their hull
        shape = shape.convex_hull
    corners = shape.exterior.coords[:-1] if isinstance(shape, Polygon) else ()
    points = [ground_point(calibration, (x, y, 0.0, 0.0), native_px) for x, y in corners]
    found = tuple(point for point in points if point is not None)
    return found if len(found) > 2 else ()
