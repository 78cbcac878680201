"""Where a camera looks: its zones and its calibration."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageZone:
    """A named polygon in a camera's picture.

    Attributes:
        name: unique within the camera.
        polygon: ((x, y), …) in native px, at least three corners; empty means the whole picture.
        families: incident families that count here ("stall", "waste").
        preset: the view that the polygon is drawn in, as a movable camera names it; empty: any.
    """

    name: str
    polygon: tuple[tuple[float, float], ...]
    families: frozenset[str] = frozenset({"stall", "waste"})
    preset: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Ground scale by picture row: px per metre = slope · (row - horizon_row), below the horizon.

    Rows and pixels are native. ``ground_*`` give the ground point of the picture's bottom centre and the
    direction the camera looks, so that a box's foot becomes a WGS-84 point.
    """

    horizon_row: float
    px_per_m_slope: float
    lon: float
    lat: float
    bearing_deg: float
    height_m: float


@dataclass(frozen=True, slots=True)
class CameraView:
    """What the detectors and the decision know of one camera.

    Attributes:
        camera_id: device id.
        zones: polygons that count; empty means the whole picture.
        calibration: None where the camera is not calibrated: features and merging are then in pixels.
        cell_id: 15-digit unit-grid cell the camera stands for.
        unit_id: responsible crew; empty: decided by the cell.
        shop_front: True where stalls here are goods out of a shop (09005).
    """

    camera_id: str
    zones: tuple[ImageZone, ...] = ()
    calibration: Calibration | None = None
    cell_id: str = ""
    unit_id: str = ""
    shop_front: bool = False

    def zones_in(self, preset: str) -> tuple[ImageZone, ...]:
        """The zones that count while the camera shows a view; none drawn at all: the whole picture."""
        return tuple(zone for zone in self.zones if zone.preset in {"", preset})

    def unbound(self, preset: str) -> bool:
        """Whether zones are drawn, but all of them in other views: then nothing counts."""
        return bool(self.zones) and not self.zones_in(preset)
