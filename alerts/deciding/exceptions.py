"""What a pack says of a place besides permits: fixtures, shop fronts, ground with a class, campaigns. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from alerts.deciding.place import contains
from schemas.city import CaseClass, City
from schemas.hours import LonLat
from schemas.incident import Box
from schemas.rules import ClassArea, PlacedFixture, ShopFront


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a thing stands: its ground point where known (lon, lat), and its camera, zone and box in native px."""

    point: LonLat | None
    camera_id: str
    zone: str
    box: Box


@dataclass(frozen=True, slots=True)
class Effort:
    """What the campaigns of a day make of a class: a factor of its dwell, 0.1..1, and whether direct or urgent."""

    dwell_factor: float = 1.0
    direct: bool = False
    urgent: bool = False


def fixture_at(city: City, family: str, day: date, spot: Spot, least_iou: float) -> PlacedFixture | None:
    """The first fixture that a thing of ``family`` is on this local day; None where it is none.

    On the ground it is one whose point lies in the fixture's polygon; in a picture one whose box overlaps the
    fixture's by at least ``least_iou``, so that a heap that grew beside a bin is not taken for the bin.
    """
    for fixture in city.rules.fixtures:
        if family not in fixture.families or not fixture.valid_from <= day <= fixture.valid_to:
            continue
        if spot.point is not None and contains(fixture.polygon, spot.point):
            return fixture
        boxes = (box for camera_id, box in fixture.camera_boxes if camera_id == spot.camera_id)
        if any(box_iou(spot.box, box) >= least_iou for box in boxes):
            return fixture
    return None


def front_at(city: City, spot: Spot) -> ShopFront | None:
    """The first shop front that a thing stands on; None where there is none."""
    return next((front for front in city.rules.shop_fronts if _on(front, spot)), None)


def area_class(city: City, family: str, spot: Spot) -> str:
    """Class code of ``family`` on this ground, as 06017 in a green belt; empty where the ground has none."""
    for area in city.rules.areas:
        case = city.classes.get(area.class_code)
        if case is not None and case.family == family and _on(area, spot):
            return case.code
    return ""


def effort_for(city: City, case: CaseClass, cell_id: str, day: date) -> Effort:
    """What campaigns ask for on this local day: of several the shortest dwell, and what any of them asks for.

    Dates are inclusive; from the day after its last one a campaign changes nothing any more.
    """
    held = [
        campaign
        for campaign in city.rules.campaigns
        if campaign.valid_from <= day <= campaign.valid_to
        and (not campaign.classes or case.code in campaign.classes)
        and (not campaign.cells or longest_prefix(campaign.cells, cell_id) >= 0)
    ]
    return Effort(
        min((campaign.dwell_factor for campaign in held), default=1.0),
        any(campaign.direct for campaign in held),
        any(campaign.urgent for campaign in held),
    )


def longest_prefix(prefixes: Iterable[str], cell_id: str) -> int:
    """Length of the longest prefix that a cell's id begins with; -1 where none fits, also where there are none."""
    return max((len(prefix) for prefix in prefixes if cell_id.startswith(prefix)), default=-1)


def box_iou(one: Box, other: Box) -> float:
    """Intersection of two boxes over their union, 0..1; 0 where both have no area."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = one[2] * one[3] + other[2] * other[3] - shared
    return shared / union if union > 0 else 0.0


def _on(place: ShopFront | ClassArea, spot: Spot) -> bool:
    if (spot.camera_id, spot.zone) in place.camera_zones:
        return True
    return spot.point is not None and contains(place.polygon, spot.point)
