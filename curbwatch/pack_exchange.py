"""A city pack to and from what other programs read: places as GeoJSON (RFC 7946), tables as CSV for spreadsheets."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from config.faults import Faults
from config.geojson import features_of
from config.ground import zone_ground
from config.pack import Pack, load_pack
from config.pack_read import FILES, OPTIONAL, PackRows, read_pack
from config.pack_rows import CameraRow, CellRow, ClassRow, PermitRow, Row, UnitRow, VehicleRow, ZoneRow
from config.pack_rules_rows import AreaRow, FixtureRow, LimitRow, ResponsibilityRow, ShopFrontRow, StaffRow
from config.pack_tables import Table, from_csv
from config.pack_write import csv_text, toml_text, unguard, values_of
from config.polygon import counterclockwise
from config.reading import CSV_MAX_BYTES, JSON_MAX_BYTES, read_bytes, to_text
from curbwatch.spoken import trouble_zh
from ingest.crs import to_wgs84
from schemas.device import Crs
from schemas.errors import ConfigError, Fault, SaidError, UsageError

Ring = Sequence[tuple[float, float]]
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """One file of an export. ``file``: the pack's own; ``array``: its TOML tables; ``key``: the id column of a CSV."""

    file: str
    model: type[Row]
    table: Callable[[PackRows], Table[Any]]
    array: str = ""
    key: str = ""


PLACES = {
    "cells.geojson": Form("cells.geojson", CellRow, lambda rows: rows.cells),
    "permits.geojson": Form("permits.toml", PermitRow, lambda rows: rows.permits, "permit"),
    "fixtures.geojson": Form("fixtures.toml", FixtureRow, lambda rows: rows.rules.fixtures, "fixture"),
    "shopfronts.geojson": Form("shopfronts.toml", ShopFrontRow, lambda rows: rows.rules.shop_fronts, "shop_front"),
    "areas.geojson": Form("areas.toml", AreaRow, lambda rows: rows.rules.areas, "area"),
}
TABLES = {
    "classes.csv": Form("classes.csv", ClassRow, lambda rows: rows.classes, key="code"),
    "units.csv": Form("units.csv", UnitRow, lambda rows: rows.units, key="unit_id"),
    "vehicles.csv": Form("vehicles.csv", VehicleRow, lambda rows: rows.vehicles, key="id"),
    "limits.csv": Form("limits.csv", LimitRow, lambda rows: rows.rules.limits, key="limit_id"),
    "responsibility.csv": Form("responsibility.csv", ResponsibilityRow, lambda rows: rows.rules.responsibilities),
    "staff.csv": Form("staff.csv", StaffRow, lambda rows: rows.rules.staff, key="person_id"),
}
ZONES = "zones.geojson"  # zones are drawn in pictures; on the ground stands where a calibrated camera sees them
DATES = ("valid_from", "valid_to")


def export_pack(name: str, folder: Path) -> tuple[str, ...]:
    """Write a pack's places and tables into a new or empty folder; the files' names.

    A spreadsheet takes no cell for a formula. Raises ConfigError for a pack with a fault, UsageError for the folder.
    """
    pack = load_pack(Path(name))
    rows = read_pack(pack.folder, Faults())
    _new_folder(folder)
    texts: dict[str, str] = {}
    for file, form in PLACES.items():
        found = [_feature(values_of(row)) for _, row in form.table(rows).rows]
        if found or form.file not in OPTIONAL:
            texts[file] = _collection(found)
    zones = [feature for _, camera in rows.cameras.rows for feature in _zone_features(camera, pack)]
    texts[ZONES] = _collection(zones)
    for file, form in TABLES.items():
        written = [row for _, row in form.table(rows).rows]
        if written or form.file not in OPTIONAL:
            # With the mark without which a spreadsheet takes Chinese for something else.
            texts[file] = "\ufeff" + csv_text(form.model, written, guarded=True)
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", newline="")
    return tuple(texts)


def import_pack(
    sources: Iterable[Path], base: str, folder: Path, *, crs: Crs = "wgs84"
) -> tuple[Pack, tuple[str, ...]]:
    """Make a pack in a new or empty folder out of ``base`` and files of the names that ``export_pack`` writes.

    Each file replaces what the base says of its kind; what says the same leaves the base's file as it is, comments
    included. ``crs``: what the GeoJSON files are in. Returns the pack and the files that differ from the base's. Raises
    ConfigError with every fault, UsageError for a folder or a file that cannot be used; then nothing is written.
    """
    old = load_pack(Path(base))
    faults = Faults()
    rows = read_pack(old.folder, faults)
    new: dict[str, str] = {}
    for path in sources:
        if path.name == ZONES:
            _take_zones(path, rows, new, faults)
        elif path.name in PLACES:
            _take_places(path, PLACES[path.name], rows, new, faults, crs)
        elif path.name in TABLES:
            _take_table(path, TABLES[path.name], rows, new, faults)
        else:
            raise UsageError(f"{path}: an import is one of {', '.join((*PLACES, ZONES, *TABLES))}")
    faults.refuse()
    with tempfile.TemporaryDirectory(prefix="curbwatch-pack-") as made:
        staged = Path(made)
        for file in (*FILES, *OPTIONAL):
            if file in new:
                (staged / file).write_text(new[file], encoding="utf-8", newline="")
            elif (old.folder / file).is_file():
                shutil.copyfile(old.folder / file, staged / file)
        load_pack(staged)
        _new_folder(folder)
        for path in staged.iterdir():
            shutil.copyfile(path, folder / path.name)
    return load_pack(folder), tuple(new)


def _feature(values: Values) -> Values:
    """One feature: its ring closed as RFC 7946 wants it, everything else a property."""
    ring = values.pop("polygon", ())
    return {"type": "Feature", "properties": _plain(values), "geometry": _polygon(ring)}


def _polygon(ring: Ring) -> Values | None:
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]} if ring else None


def _zone_features(camera: CameraRow, pack: Pack) -> Iterable[Values]:
    calibration = pack.cameras[camera.camera_id].view.calibration
    for zone in camera.zones:
        said = _plain(values_of(zone))
        corners = said.pop("polygon")
        ground = zone_ground(calibration, corners, (camera.width, camera.height)) if calibration else ()
        properties = {"camera": camera.camera_id, **said, "polygon_px": corners}
        yield {"type": "Feature", "properties": properties, "geometry": _polygon(counterclockwise(ground))}


def _collection(features: Sequence[Values]) -> str:
    """One feature a line, so that two exports can be compared line by line."""
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    return f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'


def _plain(value: Any) -> Any:  # noqa: ANN401 - works on any row
    """Dates as texts and tuples as lists, as JSON has them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def _take_places(path: Path, form: Form, rows: PackRows, new: dict[str, str], faults: Faults, crs: Crs) -> None:
    text = _text(path, JSON_MAX_BYTES, faults)
    found = []
    for number, item in features_of(text, path.name, faults, placeless=form.array != "") if text is not None else ():
        identity = item.get("id" if form.array else "cell_id")
        where = f"{form.array or 'cell'}[{identity}]" if isinstance(identity, str) else number
        _date_values(item)
        item["polygon"] = _in_wgs84(item["polygon"], crs)
        row = faults.validate(form.model, item, path.name, where + ".")
        if row is not None:
            found.append(row)
    if found == [row for _, row in form.table(rows).rows]:
        return
    new[form.file] = (
        toml_text(form.array, found) if form.array else _collection([_feature(values_of(r)) for r in found])
    )


def _in_wgs84(ring: Any, crs: Crs) -> Any:  # noqa: ANN401 - not yet validated
    """Corners in degrees WGS-84; what is no ring stays as it is, to be refused as such."""
    if crs in {"wgs84", "cgcs2000"} or not ring:
        return ring
    try:
        corners = np.asarray(ring, np.float64).reshape(len(ring), 2)
    except (ValueError, TypeError, OverflowError):
        return ring
    if not np.isfinite(corners).all():
        return ring
    lon, lat = to_wgs84(corners[:, 0], corners[:, 1], crs)
    return tuple((round(x, 8), round(y, 8)) for x, y in zip(lon.tolist(), lat.tolist(), strict=True))  # 1 mm


def _date_values(item: Values) -> None:
    """Dates as such, in place; a text that is none stays, to be refused as such."""
    for key in DATES:
        try:
            item[key] = date.fromisoformat(item[key])
        except (KeyError, TypeError, ValueError):
            continue


def _take_zones(path: Path, rows: PackRows, new: dict[str, str], faults: Faults) -> None:
    """Zones are taken in the pixels that they are drawn in; the ground beneath them is only shown."""
    text = _text(path, JSON_MAX_BYTES, faults)
    zones: dict[str, list[ZoneRow]] = {row.camera_id: [] for _, row in rows.cameras.rows}
    for where, item in features_of(text, path.name, faults, placeless=True) if text is not None else ():
        camera = item.pop("camera", None)
        item["polygon"] = item.pop("polygon_px", ())
        row = faults.validate(ZoneRow, item, path.name, where + ".")
        if not isinstance(camera, str) or camera not in zones:
            faults.add(path.name, f"{where}.camera", camera, "is not a camera of cameras.toml")
        elif row is not None:
            zones[camera].append(row)
    cameras = [row for _, row in rows.cameras.rows]
    found = [row.model_copy(update={"zones": tuple(zones[row.camera_id])}) for row in cameras]
    if found != cameras:
        new["cameras.toml"] = toml_text("camera", found)


def _take_table(path: Path, form: Form, rows: PackRows, new: dict[str, str], faults: Faults) -> None:
    text = _text(path, CSV_MAX_BYTES, faults)
    if text is None:
        return
    table = from_csv(text, form.model, path.name, form.key, faults, may_be_empty=form.file in OPTIONAL, read=unguard)
    found = [row for _, row in table.rows]
    if found != [row for _, row in form.table(rows).rows]:
        new[form.file] = csv_text(form.model, found)


def _text(path: Path, limit: int, faults: Faults) -> str | None:
    data = read_bytes(path, limit, faults, path.name)
    return None if data is None else to_text(data, faults, path.name)


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files, just as they are, into a new or empty folder. Raises UsageError for the folder."""
    _new_folder(folder)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _new_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SaidError(
                f"{folder}: is not empty: nothing is overwritten", f"{folder}:不是空文件夹,不会覆盖任何文件"
            )
    except OSError as error:
        raise SaidError(
            f"{folder}: cannot be made: {error.strerror}", f"{folder}:无法建立:{trouble_zh(error)}"
        ) from None


def load_named(name: str) -> Pack:
    """Load a pack whose faults are told with its name in front. Raises ConfigError."""
    try:
        return load_pack(Path(name))
    except ConfigError as error:
        raise ConfigError(
            tuple(
                fault
                if fault.file == "config"
                else Fault(f"{name}/{fault.file}", fault.key, fault.value, fault.message)
                for fault in error.faults
            )
        ) from None
