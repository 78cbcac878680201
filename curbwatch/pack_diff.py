"""What changes from one city pack to another: for which place, class, crew or person, and from what to what. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from config.pack import Pack, PackCamera, PackVehicle
from config.pack_rows import WEEKDAYS
from schemas.city import CaseClass, City, GridCell, Permit
from schemas.codes import matter_code
from schemas.hours import Hours, LonLat
from schemas.rules import (
    HOLIDAY,
    Campaign,
    CityRules,
    ClassArea,
    Duty,
    PlacedFixture,
    Responsibility,
    ShopFront,
    TimeLimit,
)
from schemas.units import M_PER_DEG, cos_deg

Fields = dict[str, str]  # what is said of one thing, by the pack's own key
Said = dict[str, tuple[str, Fields]]  # id -> name and fields


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is added, removed or changed.

    Attributes:
        table: the kind of thing: ``permit``, ``cell``, ``limit``, …
        key: its id; what it says, where it has none.
        name: what people call it; may be empty.
        fields: by the pack's key what was said before and what is said after; a thing that is added or removed has "-".
    """

    table: str
    key: str
    name: str
    change: Literal["added", "removed", "changed"]
    fields: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def changes(before: Pack, after: Pack) -> tuple[Change, ...]:
    """Everything that differs, table by table; none where the packs say the same, whatever their files look like."""
    one, other = said(before), said(after)
    return tuple(change for table in one for change in _compare(table, one[table], other[table]))


def _compare(table: str, before: Said, after: Said) -> Iterable[Change]:
    for key, (name, fields) in before.items():
        if key in after:
            continue
        yield Change(table, key, name, "removed", {one: (text, "-") for one, text in fields.items()})
    for key, (name, fields) in after.items():
        if key not in before:
            yield Change(table, key, name, "added", {one: ("-", text) for one, text in fields.items()})
            continue
        old = before[key][1]
        names = [*fields, *(one for one in old if one not in fields)]
        found = {
            one: (old.get(one, "-"), fields.get(one, "-")) for one in names if old.get(one, "-") != fields.get(one, "-")
        }
        if before[key][0] != name:
            found = {"name": (before[key][0], name)} | found
        if found:
            yield Change(table, key, name, "changed", found)


def said(pack: Pack) -> dict[str, Said]:
    """Everything that a pack says, table by table, in short texts; tables of which it says nothing are empty."""
    city, rules = pack.city, pack.city.rules
    division = next(iter(city.cells), "")[:6]
    return {
        "city": {"city": (city.name, _city(city) | {"lang": pack.lang})},
        "class": {code: (row.name_zh, _class(row, division)) for code, row in city.classes.items()},
        "unit": {unit_id: (row.name_zh, {"name_en": row.name_en}) for unit_id, row in city.units.items()},
        "cell": {cell_id: (row.name, _cell(row)) for cell_id, row in city.cells.items()},
        "permit": {row.permit_id: (row.name, _permit(row)) for row in city.permits},
        "limit": {row.limit_id: (row.name, _limit(row)) for row in rules.limits},
        "responsibility": _unnamed((row.unit_id, _responsibility(row)) for row in rules.responsibilities),
        "duty": _unnamed((row.unit_id, _duty(row)) for row in rules.duties),
        "campaign": {row.campaign_id: (row.name, _campaign(row)) for row in rules.campaigns},
        "fixture": {row.fixture_id: (row.name, _fixture(row)) for row in rules.fixtures},
        "shop_front": {row.front_id: (row.name, _front(row)) for row in rules.shop_fronts},
        "area": {row.area_id: (row.name, _area(row)) for row in rules.areas},
        "person": {key: (row.name, {"role": row.role, "unit": row.unit_id or "-"}) for key, row in rules.staff.items()},
        **_calendar(rules),
        "camera": {name: (row.name, _camera(row)) for name, row in pack.cameras.items()},
        "vehicle": {name: (row.name, _vehicle(row)) for name, row in pack.vehicles.items()},
    }


def _unnamed(rows: Iterable[tuple[str, Fields]]) -> Said:
    """Things without an id: what they say is their key, so that one which says something else is another one."""
    found: Said = {}
    for unit_id, fields in rows:
        said = "; ".join(f"{key} {text}" for key, text in fields.items() if text not in {"-", "*"})
        found[f"{unit_id}: {said}"] = ("", {})
    return found


def _city(city: City) -> Fields:
    return {"timezone": city.timezone} | {f"default_class.{key}": code for key, code in city.default_class.items()}


def _class(row: CaseClass, division: str) -> Fields:
    return {
        "matter_code": matter_code(division, row.code),
        "name_en": row.name_en,
        "family": row.family,
        "mode": row.mode,
        "handle_h": f"{row.handle_h:g}",
        "dwell_s": "-" if row.dwell_s is None else f"{row.dwell_s:g}",
        "urgent": _bool(row.urgent),
        "legacy_2013": row.legacy_2013 or "-",
        "legacy_cjt214": row.legacy_cjt214 or "-",
        "check": row.check,
        "grace_h": f"{row.grace_h:g}" if row.grace_h else "-",
        "grave": _bool(row.grave),
    }


def _cell(row: GridCell) -> Fields:
    return {f"units.{key}": unit for key, unit in row.units.items()} | {"polygon": _polygon(row.polygon)}


def _permit(row: Permit) -> Fields:
    return {
        "families": _many(row.families),
        "classes": _many(row.classes),
        "hours": _hours(row.hours),
        **_span(row.valid_from, row.valid_to),
        **_place(row.polygon, row.camera_zones),
    }


def _limit(row: TimeLimit) -> Fields:
    return {
        "stage": row.stage,
        "amount": f"{row.amount:g} {row.unit}",
        "classes": _many(row.classes),
        "cells": _many(row.cells),
        "starts_from": "-" if row.starts_from_min is None else _clock(row.starts_from_min),
        **_span(row.valid_from, row.valid_to),
        "source": row.source or "-",
    }


def _responsibility(row: Responsibility) -> Fields:
    return {
        "classes": _many(row.classes),
        "cells": _many(row.cells),
        "hours": _hours(row.hours),
        **_span(row.valid_from, row.valid_to),
    }


def _duty(row: Duty) -> Fields:
    vehicles = {"vehicles": _many(row.vehicles)} if row.vehicles else {}
    return {"hours": _hours(row.hours)} | vehicles | _span(row.valid_from, row.valid_to)


def _campaign(row: Campaign) -> Fields:
    return {
        **_span(row.valid_from, row.valid_to),
        "classes": _many(row.classes),
        "cells": _many(row.cells),
        "dwell_factor": f"{row.dwell_factor:g}",
        "direct": _bool(row.direct),
        "urgent": _bool(row.urgent),
    }


def _fixture(row: PlacedFixture) -> Fields:
    boxes = (f"{camera} {' '.join(f'{side:g}' for side in box)}" for camera, box in row.camera_boxes)
    return {
        "families": _many(row.families),
        "polygon": _polygon(row.polygon),
        "box": "; ".join(boxes) or "-",
        **_span(row.valid_from, row.valid_to),
    }


def _front(row: ShopFront) -> Fields:
    return {"party": row.party} | _place(row.polygon, row.camera_zones)


def _area(row: ClassArea) -> Fields:
    return {"class": row.class_code} | _place(row.polygon, row.camera_zones)


def _calendar(rules: CityRules) -> dict[str, Said]:
    calendar = rules.calendar
    return {
        "calendar": {"calendar": ("", {"hours": _hours(calendar.hours) if calendar.hours else "-"})},
        "holiday": {day.isoformat(): (name, {}) for day, name in calendar.holidays.items()},
        "makeup": {day.isoformat(): ("", {"stands_for": WEEKDAYS[kind]}) for day, kind in calendar.makeup_days.items()},
    }


def _camera(row: PackCamera) -> Fields:
    view = row.view
    zones = {
        f"zone.{zone.name}": f"{_corners(zone.polygon)} for {_many(zone.families)}"
        + (f" in view {zone.preset}" if zone.preset else "")
        for zone in view.zones
    }
    return {
        "cell": view.cell_id,
        "unit": view.unit_id or "-",
        "shop_front": _bool(view.shop_front),
        "place": f"{row.lon:g} {row.lat:g}",
        "size": f"{row.width} x {row.height}",
        "calibration": "-" if view.calibration is None else str(view.calibration),
        **zones,
        **_device(row),
    }


def _vehicle(row: PackVehicle) -> Fields:
    own = {"kind": row.kind, "unit": row.unit_id or "-", "crs": row.crs, "rate_per_s": f"{row.rate_per_s:g}"}
    return own | _device(row)


def _device(row: PackCamera | PackVehicle) -> Fields:
    numbers = {"max_age_s": row.max_age_s, "period_s": row.period_s, "max_bytes": row.max_bytes}
    said = {key: "-" if number is None else f"{number:g}" for key, number in numbers.items()}
    return said | {"aliases": ", ".join(row.aliases) or "-"}


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _many(values: Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "*"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _hours(hours: Iterable[Hours]) -> str:
    entries = (f"{_days(entry.weekdays)} {_clock(entry.start_min)}-{_clock(entry.end_min)}" for entry in hours)
    return "; ".join(entries) or "*"


def _days(days: frozenset[int]) -> str:
    """Days of the week, three or more in a row as ``mon-fri``."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and day == runs[-1][-1] + 1 and day != HOLIDAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = (
        f"{WEEKDAYS[run[0]]}-{WEEKDAYS[run[-1]]}" if len(run) > 2 else ",".join(WEEKDAYS[one] for one in run)
        for run in runs
    )
    return ",".join(parts)


def _span(first: date, last: date) -> Fields:
    return {
        "valid_from": "-" if first == date.min else first.isoformat(),
        "valid_to": "-" if last == date.max else last.isoformat(),
    }


def _place(polygon: tuple[LonLat, ...], zones: Iterable[tuple[str, str]]) -> Fields:
    return {
        "polygon": _polygon(polygon),
        "camera_zones": ", ".join("/".join(place) for place in sorted(zones)) or "-",
    }


def _polygon(polygon: tuple[LonLat, ...]) -> str:
    """Size and place of a ground polygon: who compares two wants to know how much, not each corner."""
    if not polygon:
        return "-"
    lon, lat = polygon[0]
    pairs = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    doubled = sum((x0 - lon) * (y1 - lat) - (x1 - lon) * (y0 - lat) for (x0, y0), (x1, y1) in pairs)
    area_m2 = abs(doubled) / 2 * M_PER_DEG**2 * cos_deg(lat)
    return f"{area_m2:.0f} m² ({_corners(polygon)})"


def _corners(polygon: Iterable[tuple[float, float]]) -> str:
    return ", ".join(f"{x:.10g} {y:.10g}" for x, y in polygon)  # 0.01 mm on the ground
