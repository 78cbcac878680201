"""A fixed camera's view of flat ground: which pixel shows which metre."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Polygon = tuple[tuple[float, float], ...]

FOCAL = 0.9  # focal length in picture widths: about 58 degrees across


@dataclass(frozen=True, slots=True)
class Lens:
    """A camera ``height_m`` above flat ground, its picture upright.

    Ground points are (x_m, z_m): metres right of the camera and metres away from it. Attributes in px count on
    this picture's size; ``horizon`` is the row and ``centre`` the column where level lines straight ahead vanish.
    """

    width: int
    height: int
    horizon: float
    centre: float
    height_m: float

    @property
    def focal(self) -> float:
        """Focal length, px."""
        return FOCAL * self.width

    @property
    def nearest_m(self) -> float:
        """How far away the ground at the picture's bottom edge is."""
        return self.depth(self.height - 1)

    def scale(self, z_m: float) -> float:
        """Px per metre at distance ``z_m``."""
        return self.focal / z_m

    def point(self, x_m: float, z_m: float, up_m: float = 0.0) -> tuple[float, float]:
        """Return the (x, y) px of a point ``up_m`` above the ground."""
        scale = self.scale(z_m)
        return self.centre + x_m * scale, self.horizon + (self.height_m - up_m) * scale

    def depth(self, row: float) -> float:
        """Return the distance of the ground seen in ``row``, which lies below the horizon."""
        return self.focal * self.height_m / (row - self.horizon)

    def ground(self, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x_m (H, W) and z_m (H, 1) of the pixels in ``rows``, all below the horizon."""
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + 0.5
        z = np.float32(self.focal * self.height_m) / (y - np.float32(self.horizon))
        x = (np.arange(self.width, dtype=np.float32)[None, :] + 0.5 - np.float32(self.centre)) * z / self.focal
        return x.astype(np.float32), z.astype(np.float32)

    def outline(self, corners: tuple[tuple[float, float], ...]) -> Polygon:
        """Return ground ``corners`` as px, each edge cut at the picture's border; () where nothing is seen."""
        points = [self.point(x, z) for x, z in corners]
        for axis, limit, sign in ((0, 0.0, 1), (0, self.width - 1.0, -1), (1, 0.0, 1), (1, self.height - 1.0, -1)):
            points = _cut(points, axis, limit, sign)
        return tuple((round(x, 1), round(y, 1)) for x, y in points)


def _cut(points: list[tuple[float, float]], axis: int, limit: float, sign: int) -> list[tuple[float, float]]:
    """Cut a polygon along one line (Sutherland and Hodgman): keep what lies where sign * (p - limit) >= 0."""
    kept: list[tuple[float, float]] = []
    for k, here in enumerate(points):
        before = points[k - 1]
        inside, was = sign * (here[axis] - limit) >= 0, sign * (before[axis] - limit) >= 0
        if inside != was:
            share = (limit - before[axis]) / (here[axis] - before[axis])
            kept.append((before[0] + share * (here[0] - before[0]), before[1] + share * (here[1] - before[1])))
        if inside:
            kept.append(here)
    return kept
