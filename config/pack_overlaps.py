"""Rows of a city pack that hold for one place at one time, where only one of them can: which would be chance. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations, product
from typing import Protocol

from shapely import Polygon, STRtree

from config.faults import Faults
from config.ground import zone_ground
from config.pack_hours import same_time
from config.pack_read import PackRows
from config.pack_rows import HoursRow, PermitRow
from config.pack_rules import calendar_of
from config.pack_rules_check import check_parties, hours_of
from config.pack_rules_rows import ResponsibilityRow
from config.polygon import ground_faults, image_faults
from schemas.place import Calibration
from schemas.rules import WorkCalendar
from schemas.units import M_PER_DEG, cos_deg

OVERLAP_M2 = 1.0  # of two places: below it two drawings merely disagree about a kerb
Pairs = set[tuple[int, int]]
Zones = Mapping[tuple[str, str], Polygon]


class Placed(Protocol):
    """A row with a place: a polygon on the ground, zones of cameras, or both."""

    @property
    def polygon(self) -> Sequence[tuple[float, float]]:
        """Corners, degrees WGS-84; none: no place on the ground."""

    @property
    def camera_zones(self) -> Sequence[tuple[str, str]]:
        """(camera_id, zone name)."""


def check_overlaps(rows: PackRows, faults: Faults) -> None:
    """Note permits, shop fronts and responsibilities of which it would be chance which one counts."""
    zones = _zones(rows)
    _check_permits(rows, zones, faults)
    _check_fronts(rows, zones, faults)
    _check_responsibilities(rows, faults)


def _check_permits(rows: PackRows, zones: Zones, faults: Faults) -> None:
    """Two permits of one family for one place and time: it would be chance which of them is told to people."""
    table, calendar = rows.permits, calendar_of(rows.rules)
    permits = [permit for _, permit in table.rows]
    for one, two in sorted(_on_one_ground(permits, zones) | _in_one_zone(permits)):
        shared = _shared(permits[one], permits[two])
        when = same_time(permits[one], permits[two], calendar) if shared else ""
        if when:
            message = f"overlaps permit {permits[one].permit_id} for {', '.join(shared)} in place and time: {when}"
            faults.add(table.file, table.rows[two][0], "", message)


def _shared(one: PermitRow, other: PermitRow) -> list[str]:
    """Families that both permits allow, where no list of classes keeps them apart."""
    apart = one.classes and other.classes and not set(one.classes) & set(other.classes)
    return [] if apart else sorted(set(one.families) & set(other.families))


def _check_fronts(rows: PackRows, zones: Zones, faults: Faults) -> None:
    """Two fronts on one ground; one zone of a camera in two is told by ``check_parties``."""
    table = rows.rules.shop_fronts
    check_parties(table, faults)
    fronts = [front for _, front in table.rows]
    for one, two in sorted(_on_one_ground(fronts, zones) - _in_one_zone(fronts)):
        message = f"overlaps shop front {fronts[one].front_id}: one party answers for a place"
        faults.add(table.file, table.rows[two][0], "", message)


def _zones(rows: PackRows) -> dict[tuple[str, str], Polygon]:
    """The ground beneath each zone of a calibrated camera. What is wrong with either is told elsewhere."""
    found = {}
    for _, camera in rows.cameras.rows:
        if camera.calibration is None or camera.calibration.horizon_row >= camera.height:
            continue
        calibration = Calibration(**camera.calibration.model_dump())
        for zone in camera.zones:
            if not image_faults(zone.polygon, camera.width, camera.height):
                ground = zone_ground(calibration, zone.polygon, (camera.width, camera.height))
                shape = Polygon(ground)
                found[camera.camera_id, zone.name] = shape if shape.is_valid else Polygon()
    return found


def _on_one_ground(places: Sequence[Placed], zones: Zones) -> Pairs:
    """Places whose polygons overlap, and of which one's polygon lies under the other's zone: a camera sees both."""
    # A polygon that is wrong is told elsewhere; one without corners is an empty shape, which touches nothing.
    shapes = [Polygon(place.polygon if not ground_faults(place.polygon) else ()) for place in places]
    pairs = {(one, two) for one, two in touching(shapes) if _area_m2(shapes[one], shapes[two]) > OVERLAP_M2}
    seen = [(number, zones[zone]) for number, row in enumerate(places) for zone in row.camera_zones if zone in zones]
    if not shapes or not seen:
        return pairs
    near = STRtree(shapes).query([ground for _, ground in seen], predicate="intersects").T.tolist()
    for at, two in near:
        one, ground = seen[at]
        if one != two and _area_m2(ground, shapes[two]) > OVERLAP_M2:
            pairs.add((min(one, two), max(one, two)))
    return pairs


def _in_one_zone(places: Sequence[Placed]) -> Pairs:
    by_zone: dict[tuple[str, str], list[int]] = {}
    for number, row in enumerate(places):
        for zone in dict.fromkeys(row.camera_zones):
            by_zone.setdefault(zone, []).append(number)
    return {pair for numbers in by_zone.values() for pair in combinations(numbers, 2)}


def _area_m2(one: Polygon, other: Polygon) -> float:
    shared = one.intersection(other)
    return 0.0 if shared.is_empty else float(shared.area * M_PER_DEG**2 * cos_deg(shared.centroid.y))


def touching(shapes: list[Polygon]) -> list[tuple[int, int]]:
    """Index pairs (lower, higher) of shapes that share a point."""
    if not shapes:
        return []
    pairs = STRtree(shapes).query(shapes, predicate="intersects").T.tolist()
    return sorted((one, two) for one, two in pairs if one < two)


@dataclass(frozen=True, slots=True)
class _Task:
    """A responsibility with its hours as those of permits are."""

    unit: str
    hours: tuple[HoursRow, ...]
    valid_from: date
    valid_to: date


def _check_responsibilities(rows: PackRows, faults: Faults) -> None:
    """Two crews that are named alike for one class, cell and hour: it would be chance which is sent."""
    calendar = calendar_of(rows.rules)
    for where, row, other in _same_tasks(rows.rules.responsibilities.rows, calendar):
        message = f"is named no more specially than {other}: both for one class, place and time"
        faults.add(where, "unit", row.unit, message)


def _same_tasks(
    rows: Sequence[tuple[str, ResponsibilityRow]], calendar: WorkCalendar
) -> Iterator[tuple[str, ResponsibilityRow, str]]:
    """(where, row, other unit) where both hold for one case at a time, and neither is the more special one."""
    earlier: dict[tuple[str, str, bool], dict[str, list[_Task]]] = {}
    for where, row in rows:
        if row.valid_from > row.valid_to or len({bool(row.days), bool(row.start), bool(row.end)}) > 1:
            continue  # told elsewhere
        task = _Task(row.unit, (hours_of(row),) if row.days else (), row.valid_from, row.valid_to)
        found = ""
        for cell, code in product(row.cells or ("",), row.classes or ("",)):
            by_unit = earlier.setdefault((cell, code, bool(row.days)), {})
            found = found or next(
                (
                    unit
                    for unit, others in by_unit.items()
                    if unit != row.unit and any(_together(task, other, calendar) for other in others)
                ),
                "",
            )
            by_unit.setdefault(row.unit, []).append(task)
        if found:
            yield where, row, found


def _together(one: _Task, other: _Task, calendar: WorkCalendar) -> bool:
    if one.hours:
        return bool(same_time(one, other, calendar))
    return one.valid_from <= other.valid_to and other.valid_from <= one.valid_to
