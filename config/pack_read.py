"""Reads the files of a city pack into rows; each row that is wrong by itself becomes a fault here."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from config.faults import Faults
from config.pack_rows import CameraRow, CellRow, CityRow, ClassRow, PermitRow, UnitRow, VehicleRow
from config.polygon import open_ring
from config.reading import (
    CSV_MAX_BYTES,
    JSON_MAX_BYTES,
    TOML_MAX_BYTES,
    parse_csv,
    parse_json,
    parse_toml,
    read_bytes,
    to_text,
)

FILES = ("city.toml", "classes.csv", "units.csv", "cells.geojson", "permits.toml", "cameras.toml", "vehicles.csv")
ROWS_MAX = 100_000  # per file

R = TypeVar("R", bound=BaseModel)


@dataclass(slots=True)
class Table(Generic[R]):
    """One file's good rows with where each stands, and every id it declares, those of bad rows included."""

    file: str
    rows: list[tuple[str, R]] = field(default_factory=list)
    ids: list[tuple[str, str]] = field(default_factory=list)  # (where, id)

    @property
    def known(self) -> frozenset[str]:
        """Every declared id: a reference to a bad row is not a second fault."""
        return frozenset(identity for _, identity in self.ids)


@dataclass(slots=True)
class PackRows:
    """Everything a pack's folder says, row by row."""

    version: str
    city: CityRow | None
    classes: Table[ClassRow]
    units: Table[UnitRow]
    cells: Table[CellRow]
    permits: Table[PermitRow]
    cameras: Table[CameraRow]
    vehicles: Table[VehicleRow]


def read_pack(folder: Path, faults: Faults) -> PackRows:
    """Read the seven files of ``folder``, each once, noting every fault. The version is a digest of their bytes."""
    texts: dict[str, str | None] = {}
    digest = hashlib.sha256()
    for name in FILES:
        limit = {"toml": TOML_MAX_BYTES, "csv": CSV_MAX_BYTES}.get(name.rpartition(".")[2], JSON_MAX_BYTES)
        data = read_bytes(folder / name, limit, faults, name)
        digest.update(f"{name}\0{len(data or b'')}\0".encode() + (data or b""))
        texts[name] = None if data is None else to_text(data, faults, name)
    return PackRows(
        version=digest.hexdigest(),
        city=_city(texts["city.toml"], faults),
        classes=_from_csv(texts["classes.csv"], ClassRow, "classes.csv", "code", faults),
        units=_from_csv(texts["units.csv"], UnitRow, "units.csv", "unit_id", faults),
        cells=_cells(texts["cells.geojson"], faults),
        permits=_from_toml(texts["permits.toml"], PermitRow, "permits.toml", "permit", faults),
        cameras=_from_toml(texts["cameras.toml"], CameraRow, "cameras.toml", "camera", faults),
        vehicles=_from_csv(texts["vehicles.csv"], VehicleRow, "vehicles.csv", "id", faults, may_be_empty=True),
    )


def _city(text: str | None, faults: Faults) -> CityRow | None:
    if text is None:
        return None
    if not text.strip():
        faults.add("city.toml", "", "", "is empty")
        return None
    table = parse_toml(text, faults, "city.toml")
    return None if table is None else faults.validate(CityRow, table, "city.toml")


def _from_csv(
    text: str | None, model: type[R], file: str, id_column: str, faults: Faults, *, may_be_empty: bool = False
) -> Table[R]:
    """Rows of a CSV file. Empty cells take the model's default."""
    table = Table[R](file)
    if text is None:
        return table
    columns = tuple(info.alias or name for name, info in model.model_fields.items())
    rows = parse_csv(text, columns, faults, file)
    if not rows and not may_be_empty:
        faults.add(file, "", "", "is empty: it needs a header and at least one row")
    if _too_many(len(rows), file, faults):
        return table
    for line, cells in rows:
        where = f"{file}:{line}"
        if id_column in cells:
            table.ids.append((where, cells[id_column]))
        row = faults.validate(model, cells, where, lax=True)
        if row is not None:
            table.rows.append((where, row))
    return table


def _from_toml(text: str | None, model: type[R], file: str, array: str, faults: Faults) -> Table[R]:
    """Rows of an array of tables ``[[array]]``; an empty file has none."""
    table = Table[R](file)
    document = None if text is None else parse_toml(text, faults, file)
    if document is None:
        return table
    for key in document.keys() - {array}:
        faults.add(file, key, "", f"unknown key: this file holds [[{array}]] tables")
    items = document.get(array, ())
    if not isinstance(items, tuple):
        faults.add(file, array, "", f"is one table: write [[{array}]], with two brackets")
    elif not _too_many(len(items), file, faults):
        for number, item in enumerate(items, start=1):
            identity = item.get("id") if isinstance(item, dict) else None
            where = f"{array}[{identity if isinstance(identity, str) else number}]"
            if isinstance(identity, str):
                table.ids.append((where, identity))
            row = faults.validate(model, item, file, where + ".")
            if row is not None:
                table.rows.append((where, row))
    return table


def _cells(text: str | None, faults: Faults) -> Table[CellRow]:
    """Grid cells of a GeoJSON FeatureCollection of Polygons without holes."""
    file = "cells.geojson"
    table = Table[CellRow](file)
    if text is None:
        return table
    if not text.strip():
        faults.add(file, "", "", "is empty")
        return table
    document = parse_json(text, faults, file)
    if document is None:
        return table
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, tuple) or document.get("type") != "FeatureCollection":
        faults.add(file, "", "", "is not a GeoJSON FeatureCollection")
        return table
    if not features:
        faults.add(file, "features", "", "has no cell")
    if _too_many(len(features), file, faults):
        return table
    for number, feature in enumerate(features):
        where = f"features[{number}]"
        item = _flat(feature, where, faults)
        if item is None:
            continue
        identity = item.get("cell_id")
        if isinstance(identity, str):
            where = f"cell[{identity}]"
            table.ids.append((where, identity))
        row = faults.validate(CellRow, item, file, where + ".")
        if row is not None:
            table.rows.append((where, row))
    return table


def _flat(feature: Any, where: str, faults: Faults) -> dict[str, Any] | None:  # noqa: ANN401 - parsed JSON
    """Properties and outer ring of one feature as one table; None after noting why there is no ring."""
    file = "cells.geojson"
    properties = feature.get("properties") if isinstance(feature, dict) else None
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    if not isinstance(properties, dict) or not isinstance(geometry, dict):
        faults.add(file, where, "", "is not a Feature with properties and a geometry")
        return None
    rings = geometry.get("coordinates")
    if geometry.get("type") != "Polygon" or not isinstance(rings, tuple) or not rings:
        faults.add(file, f"{where}.geometry", geometry.get("type"), "is not a Polygon")
        return None
    if len(rings) > 1:
        faults.add(file, f"{where}.geometry", f"{len(rings)} rings", "has holes: a cell is one ring")
        return None
    corners = rings[0]
    if not isinstance(corners, tuple):
        faults.add(file, f"{where}.geometry", "", "has no ring of corners")
        return None
    flat = [corner[:2] if isinstance(corner, tuple) and len(corner) == 3 else corner for corner in corners]  # no height
    return {**properties, "polygon": open_ring(flat)}


def _too_many(count: int, file: str, faults: Faults) -> bool:
    if count > ROWS_MAX:
        faults.add(file, "", f"{count} rows", f"more than the {ROWS_MAX} accepted")
    return count > ROWS_MAX


def repeated(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield (where, id) for every id after its first."""
    seen: set[str] = set()
    for where, identity in pairs:
        if identity in seen:
            yield where, identity
        seen.add(identity)
