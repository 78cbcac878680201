"""When a position is called doubtful. A doubtful position is stored like any other, with a flag."""

from pydantic import Field

from config.base import Knobs
from schemas.city import City, CityBox
from schemas.units import M_PER_DEG, cos_deg


class QualityKnobs(Knobs):
    """Limits of the flags in ``schemas.flags``."""

    box_margin_m: float = Field(default=20_000.0, ge=0)  # around the pack's unit grid, which trucks leave to tip
    jump_kmh: float = Field(default=200.0, gt=0)  # no vehicle of a city is that fast
    jump_noise_m: float = Field(default=100.0, ge=0)  # two fixes of a parked receiver between high walls
    jump_agree: int = Field(default=3, ge=1)  # so many fixes agree on another place: there it is
    frozen_s: float = Field(default=86_400.0, gt=0)
    frozen_moving_s: float = Field(default=600.0, gt=0)  # where the device says all the while that it moves
    moving_kmh: float = Field(default=18.0, gt=0)
    ahead_s: float = Field(default=30.0, ge=0)
    offset_cells: int = Field(default=60, ge=10)  # of 20 m, 100 m apart, until a device is held against the streets
    devices_max: int = Field(default=200_000, ge=1)  # remembered; the one not heard for longest is forgotten


def city_box(city: City, margin_m: float) -> CityBox | None:
    """Bounding box of a city's unit grid and ``margin_m`` around it; None where the pack has no grid."""
    corners = [corner for cell in city.cells.values() for corner in cell.polygon]
    if not corners:
        return None
    lons, lats = zip(*corners, strict=True)
    south, north = min(lats) - margin_m / M_PER_DEG, max(lats) + margin_m / M_PER_DEG
    aside = margin_m / (M_PER_DEG * cos_deg(max(abs(south), abs(north))))
    return CityBox(min(lons) - aside, max(south, -90.0), max(lons) + aside, min(north, 90.0))
