"""What the rows of a city pack say about one another: references, polygons, ids, hours. Pure."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from shapely import Polygon

from config.faults import Faults
from config.pack_overlaps import check_overlaps, touching
from config.pack_read import PackRows
from config.pack_rows import CameraRow, CellRow, CityRow, ClassRow
from config.pack_rules_check import check_rules, check_span, check_zones, hours_faults
from config.pack_tables import Table, repeated
from config.polygon import ground_faults, image_faults

FAMILIES = frozenset({"stall", "waste", "truck"})
OVERLAP_SHARE = 0.02  # of the smaller cell: below it two surveys merely disagree about a kerb


def check_rows(rows: PackRows, faults: Faults) -> None:
    """Note every fault between rows; ``rows`` hold only what was right by itself."""
    zone = _check_city(rows.city, rows, faults) if rows.city else None
    for table, column in ((rows.classes, "code"), (rows.units, "unit_id")):
        for where, identity in repeated(table.ids):
            faults.add(where, column, identity, "is there twice")
    _check_cells(rows, faults)
    _check_devices(rows, faults)
    _check_permits(rows, zone, faults)
    check_overlaps(rows, faults)
    check_rules(rows, zone, faults)


def warnings_of(rows: PackRows, faults: Faults) -> None:
    """Note what is allowed but looks like a mistake. Only for rows without faults."""
    _warn_cells(rows.cells, faults)
    _warn_duties(rows, faults)
    _warn_legacy(rows.classes, faults)
    _warn_names(rows, faults)


def _check_city(city: CityRow, rows: PackRows, faults: Faults) -> ZoneInfo | None:
    families = {row.code: row.family for _, row in rows.classes.rows}
    for family, code in city.default_class.items():
        key = f"default_class.{family}"
        if code not in rows.classes.known:
            faults.add("city.toml", key, code, "is not in classes.csv")
        elif families.get(code, family) != family:
            faults.add("city.toml", key, code, f"is a class of family {families[code]}")
    for family in sorted(set(families.values()) - set(city.default_class)):
        faults.add("city.toml", f"default_class.{family}", "", "is missing: classes.csv has classes of this family")
    try:
        return ZoneInfo(city.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the time-zone database
        known = faults.near(city.timezone.title(), available_timezones())
        faults.add("city.toml", "timezone", city.timezone, "is not a time zone like Asia/Shanghai" + known)
        return None


def _check_cells(rows: PackRows, faults: Faults) -> None:
    file = rows.cells.file
    for where, identity in repeated(rows.cells.ids):
        faults.add(file, where, identity, "is there twice")
    families = {row.family for _, row in rows.classes.rows}
    for where, cell in rows.cells.rows:
        for message in ground_faults(cell.polygon):
            faults.add(file, f"{where}.polygon", "", message)
        if rows.city and not cell.cell_id.startswith(rows.city.district):
            faults.add(file, f"{where}.cell_id", cell.cell_id, f"does not start with the district {rows.city.district}")
        for family, unit in cell.units.items():
            if unit not in rows.units.known:
                message = "is not in units.csv" + faults.near(unit, rows.units.known)
                faults.add(file, f"{where}.units.{family}", unit, message)
        if "*" not in cell.units and families - set(cell.units):
            missing = ", ".join(sorted(families - set(cell.units)))
            faults.add(file, f"{where}.units", "", f'names no unit for {missing}, and none for all others ("*")')


def _check_devices(rows: PackRows, faults: Faults) -> None:
    vehicles = [(f"{rows.vehicles.file}:{where.rpartition(':')[2]}", identity) for where, identity in rows.vehicles.ids]
    cameras = [(rows.cameras.file, identity) for _, identity in rows.cameras.ids]
    for where, identity in repeated(cameras + vehicles):
        faults.add(where, "id", identity, "is there twice: cameras and vehicles share one list of devices")
    _check_aliases(rows, faults)
    for where, camera in rows.cameras.rows:
        _check_camera(where, camera, rows, faults)
    for where, vehicle in rows.vehicles.rows:
        if vehicle.unit and vehicle.unit not in rows.units.known:
            faults.add(where, "unit", vehicle.unit, "is not in units.csv" + faults.near(vehicle.unit, rows.units.known))


def _check_aliases(rows: PackRows, faults: Faults) -> None:
    """A foreign id leads to one device: twice, also in one device, is once too often."""
    taken: dict[str, str] = {}
    ids = {row.camera_id for _, row in rows.cameras.rows} | {row.device_id for _, row in rows.vehicles.rows}
    for file, where, device_id, aliases in (
        *((rows.cameras.file, f"{where}.aliases", row.camera_id, row.aliases) for where, row in rows.cameras.rows),
        *((where, "aliases", row.device_id, row.aliases) for where, row in rows.vehicles.rows),
    ):
        for alias in aliases:
            if alias in taken:
                faults.add(file, where, alias, f"is an alias of {taken[alias]} already: it leads to one device")
            taken.setdefault(alias, device_id)
            there = alias.partition(":")[2]
            if there in ids and there != device_id:
                faults.add(file, where, alias, f"{there} is the id of another device: at the broker one could be both")


def _check_camera(where: str, camera: CameraRow, rows: PackRows, faults: Faults) -> None:
    file = rows.cameras.file
    if camera.cell not in rows.cells.known:
        faults.add(
            file, f"{where}.cell", camera.cell, "is not in cells.geojson" + faults.near(camera.cell, rows.cells.known)
        )
    if camera.unit and camera.unit not in rows.units.known:
        faults.add(
            file, f"{where}.unit", camera.unit, "is not in units.csv" + faults.near(camera.unit, rows.units.known)
        )
    names = [(f"{where}.zone[{zone.name}].name", zone.name) for zone in camera.zones]
    for key, name in repeated(names):
        faults.add(file, key, name, "is there twice in this camera")
    for zone in camera.zones:
        for message in image_faults(zone.polygon, camera.width, camera.height):
            faults.add(file, f"{where}.zone[{zone.name}].polygon", "", message)
    if camera.calibration and camera.calibration.horizon_row >= camera.height:
        horizon = camera.calibration.horizon_row
        message = f"lies below the {camera.height} rows of the picture: nothing of the ground would be seen"
        faults.add(file, f"{where}.calibration.horizon_row", horizon, message)


def _check_permits(rows: PackRows, zone: ZoneInfo | None, faults: Faults) -> None:
    file = rows.permits.file
    for where, identity in repeated(rows.permits.ids):
        faults.add(file, f"{where}.id", identity, "is there twice")
    families = {row.code: row.family for _, row in rows.classes.rows}
    for where, permit in rows.permits.rows:
        for code in permit.classes:
            if code not in rows.classes.known:
                faults.add(
                    file, f"{where}.classes", code, "is not in classes.csv" + faults.near(code, rows.classes.known)
                )
            elif families.get(code, permit.families[0]) not in permit.families:
                faults.add(
                    file, f"{where}.classes", code, f"is a class of family {families[code]}: name it in families"
                )
        if not permit.polygon and not permit.camera_zones:
            faults.add(file, where, "", "has no place: give a polygon, camera_zones, or both")
        for message in ground_faults(permit.polygon) if permit.polygon else ():
            faults.add(file, f"{where}.polygon", "", message)
        check_zones(where, permit.camera_zones, rows, file, faults)
        check_span(where, permit, file, faults)
        for number, value, message in hours_faults(permit.hours, permit, zone):
            faults.add(file, f"{where}.hours[{number}]", value, message)


def _warn_cells(table: Table[CellRow], faults: Faults) -> None:
    shapes = [Polygon(cell.polygon) for _, cell in table.rows]
    for one, other in touching(shapes):
        shared = shapes[one].intersection(shapes[other]).area
        if shared > OVERLAP_SHARE * min(shapes[one].area, shapes[other].area):
            where, identity = table.rows[one][0], table.rows[other][1].cell_id
            faults.add(table.file, where, "", f"overlaps cell {identity}: a place belongs to one cell")


def _warn_duties(rows: PackRows, faults: Faults) -> None:
    """A crew that the roster leaves out is on duty at any time, which is seldom meant where others have hours."""
    rostered = {row.unit for _, row in rows.rules.duties.rows}
    for where, unit in rows.units.rows if rostered else ():
        if unit.unit_id not in rostered:
            message = f"has no hours in {rows.rules.duties.file}: it counts as on duty at any time"
            faults.add(where, "unit_id", unit.unit_id, message)


def _warn_names(rows: PackRows, faults: Faults) -> None:
    """Two of one name can be told apart at the desk by their ids only."""
    first: dict[str, str] = {}
    for where, row in rows.rules.staff.rows:
        other = first.setdefault(row.name, row.person_id)
        if other != row.person_id:
            said = f"is the name of {other} too: at the desk they must use their ids, --as {row.person_id}"
            faults.add(where, "name", row.name, said)


def _warn_legacy(table: Table[ClassRow], faults: Faults) -> None:
    """A neighbour's older code that means two classes here is taken for the first."""
    for column in ("legacy_2013", "legacy_cjt214"):
        taken: dict[str, str] = {}
        for where, row in table.rows:
            code = getattr(row, column)
            if code and taken.setdefault(code, row.code) != row.code:
                faults.add(where, column, code, f"means {taken[code]} too: a neighbour's {code} is taken for that")
