"""Reads the files of a city pack into rows; each row that is wrong by itself becomes a fault here."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.faults import Faults
from config.geojson import features_of
from config.pack_rows import CameraRow, CellRow, CityRow, ClassRow, HoursRow, PermitRow, UnitRow, VehicleRow
from config.pack_rules_rows import (
    AreaRow,
    CampaignRow,
    DutyRow,
    FixtureRow,
    HolidayRow,
    LimitRow,
    MakeupRow,
    ResponsibilityRow,
    ShopFrontRow,
    StaffRow,
)
from config.pack_tables import Table, document_of, from_csv, from_document, from_toml, too_many
from config.reading import CSV_MAX_BYTES, JSON_MAX_BYTES, TOML_MAX_BYTES, parse_toml, read_bytes, to_text

FILES = ("city.toml", "classes.csv", "units.csv", "cells.geojson", "permits.toml", "cameras.toml", "vehicles.csv")
CALENDAR, LIMITS, RESPONSIBILITY, STAFF = "calendar.toml", "limits.csv", "responsibility.csv", "staff.csv"
FIXTURES, SHOP_FRONTS, CAMPAIGNS, DUTY = "fixtures.toml", "shopfronts.toml", "campaigns.toml", "duty.toml"
AREAS = "areas.toml"
OPTIONAL = (CALENDAR, LIMITS, RESPONSIBILITY, FIXTURES, SHOP_FRONTS, AREAS, CAMPAIGNS, DUTY, STAFF)


@dataclass(slots=True)
class RuleRows:
    """What the optional files say, row by row; empty tables where a file is not there."""

    hours: Table[HoursRow]
    holidays: Table[HolidayRow]
    makeups: Table[MakeupRow]
    limits: Table[LimitRow]
    responsibilities: Table[ResponsibilityRow]
    fixtures: Table[FixtureRow]
    shop_fronts: Table[ShopFrontRow]
    areas: Table[AreaRow]
    campaigns: Table[CampaignRow]
    duties: Table[DutyRow]
    staff: Table[StaffRow]


@dataclass(slots=True)
class PackRows:
    """Everything a pack's folder says, row by row."""

    version: str
    files: Mapping[str, bytes]  # as read, those that could be
    city: CityRow | None
    classes: Table[ClassRow]
    units: Table[UnitRow]
    cells: Table[CellRow]
    permits: Table[PermitRow]
    cameras: Table[CameraRow]
    vehicles: Table[VehicleRow]
    rules: RuleRows


def read_pack(folder: Path, faults: Faults) -> PackRows:
    """Read the files of ``folder``, each once, noting every fault. The version is a digest of those that are there."""
    contents = read_files(folder, faults)
    texts = {name: None if data is None else to_text(data, faults, name) for name, data in contents.items()}
    return PackRows(
        version=digest_of(contents),
        files={name: data for name, data in contents.items() if data is not None},
        city=_city(texts["city.toml"], faults),
        classes=from_csv(texts["classes.csv"], ClassRow, "classes.csv", "code", faults),
        units=from_csv(texts["units.csv"], UnitRow, "units.csv", "unit_id", faults),
        cells=_cells(texts["cells.geojson"], faults),
        permits=from_toml(texts["permits.toml"], PermitRow, "permits.toml", "permit", faults),
        cameras=from_toml(texts["cameras.toml"], CameraRow, "cameras.toml", "camera", faults),
        vehicles=from_csv(texts["vehicles.csv"], VehicleRow, "vehicles.csv", "id", faults, may_be_empty=True),
        rules=_rules(texts, faults),
    )


def read_files(folder: Path, faults: Faults) -> dict[str, bytes | None]:
    """Bytes of the pack's files by name: optional ones only where they are there, None for one that cannot be read."""
    there = (*FILES, *(name for name in OPTIONAL if _is_there(folder / name)))
    limits = {"toml": TOML_MAX_BYTES, "csv": CSV_MAX_BYTES}
    return {
        name: read_bytes(folder / name, limits.get(name.rpartition(".")[2], JSON_MAX_BYTES), faults, name)
        for name in there
    }


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not be looked into: its other files say so
        return False


def digest_of(contents: Mapping[str, bytes | None]) -> str:
    """SHA-256 over names, lengths and bytes of a pack's files: 64 hex digits."""
    digest = hashlib.sha256()
    for name, data in contents.items():
        digest.update(f"{name}\0{len(data or b'')}\0".encode() + (data or b""))
    return digest.hexdigest()


def _city(text: str | None, faults: Faults) -> CityRow | None:
    if text is None:
        return None
    if not text.strip():
        faults.add("city.toml", "", "", "is empty")
        return None
    table = parse_toml(text, faults, "city.toml")
    return None if table is None else faults.validate(CityRow, table, "city.toml")


def _cells(text: str | None, faults: Faults) -> Table[CellRow]:
    """Grid cells of a GeoJSON FeatureCollection of Polygons without holes."""
    file = "cells.geojson"
    table = Table[CellRow](file)
    if text is None:
        return table
    before = len(faults)
    features = features_of(text, file, faults)
    if not features and len(faults) == before:
        faults.add(file, "features", "", "has no cell")
    if too_many(len(features), file, faults):
        return table
    for number, item in features:
        identity, where = item.get("cell_id"), number
        if isinstance(identity, str):
            where = f"cell[{identity}]"
            table.ids.append((where, identity))
        row = faults.validate(CellRow, item, file, where + ".")
        if row is not None:
            table.rows.append((where, row))
    return table


def _rules(texts: Mapping[str, str | None], faults: Faults) -> RuleRows:
    """Rows of the optional files; none of those that are not there."""
    calendar = document_of(texts.get(CALENDAR), CALENDAR, ("hours", "holiday", "makeup"), faults)
    return RuleRows(
        hours=from_document(calendar, HoursRow, CALENDAR, "hours", faults),
        holidays=from_document(calendar, HolidayRow, CALENDAR, "holiday", faults),
        makeups=from_document(calendar, MakeupRow, CALENDAR, "makeup", faults),
        limits=from_csv(texts.get(LIMITS), LimitRow, LIMITS, "limit_id", faults, may_be_empty=True),
        responsibilities=from_csv(
            texts.get(RESPONSIBILITY), ResponsibilityRow, RESPONSIBILITY, "", faults, may_be_empty=True
        ),
        fixtures=from_toml(texts.get(FIXTURES), FixtureRow, FIXTURES, "fixture", faults),
        shop_fronts=from_toml(texts.get(SHOP_FRONTS), ShopFrontRow, SHOP_FRONTS, "shop_front", faults),
        areas=from_toml(texts.get(AREAS), AreaRow, AREAS, "area", faults),
        campaigns=from_toml(texts.get(CAMPAIGNS), CampaignRow, CAMPAIGNS, "campaign", faults),
        duties=from_toml(texts.get(DUTY), DutyRow, DUTY, "duty", faults),
        staff=from_csv(texts.get(STAFF), StaffRow, STAFF, "person_id", faults, may_be_empty=True),
    )
