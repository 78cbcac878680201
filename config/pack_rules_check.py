"""What the optional files of a city pack say about one another, and about its classes, cells and crews. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import product
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from config.faults import Faults
from config.pack_hours import UNDATED, Dated, Gap, clock_gaps, gap_fault, in_gap, missing, order_fault
from config.pack_read import PackRows
from config.pack_rows import WEEKDAYS, HoursRow, minutes_of
from config.pack_rules_rows import LimitRow, ResponsibilityRow, ShopFrontRow
from config.pack_tables import Table, repeated
from config.polygon import ground_faults
from schemas.rules import NEXT_DAY


def check_rules(rows: PackRows, zone: ZoneInfo | None, faults: Faults) -> None:
    """Note every fault of the optional files; ``zone`` None: the pack's own is wrong, which is told elsewhere."""
    _check_calendar(rows, zone, faults)
    _check_limits(rows, zone, faults)
    _check_responsibilities(rows, zone, faults)
    _check_fixtures(rows, faults)
    _check_shop_fronts(rows, faults)
    _check_areas(rows, faults)
    _check_campaigns(rows, faults)
    _check_duties(rows, zone, faults)
    _check_staff(rows, faults)


def hours_faults(
    hours: Sequence[HoursRow], span: Dated | None, zone: ZoneInfo | None
) -> Iterable[tuple[int, str, str]]:
    """(number from 1, value, message) of each entry whose ends are in disorder or fall into a clock change."""
    first, last = (date.min, date.max) if span is None else (span.valid_from, span.valid_to)
    gaps = _gaps(zone, first, last)
    for number, entry in enumerate(hours, start=1):
        message = order_fault(entry) or gap_fault(entry, gaps, first, last)
        if message:
            yield number, f"{entry.start} to {entry.end}", message


def _gaps(zone: ZoneInfo | None, first: date, last: date) -> tuple[Gap, ...]:
    """Clock changes that hours of these days can meet: also those of the last night."""
    if zone is None:
        return ()
    return clock_gaps(zone, UNDATED if first == date.min else first, last if last == date.max else last + NEXT_DAY)


def check_span(where: str, row: Dated, file: str, faults: Faults) -> None:
    """Note a row that ends before it starts."""
    if row.valid_from > row.valid_to:
        key = ".".join(part for part in (where, "valid_from") if part)
        faults.add(file, key, f"{row.valid_from} to {row.valid_to}", "ends before it starts")


def check_zones(where: str, places: Iterable[tuple[str, str]], rows: PackRows, file: str, faults: Faults) -> None:
    """Note cameras and zones that there are not."""
    zones = {row.camera_id: {zone.name for zone in row.zones} for _, row in rows.cameras.rows}
    for camera, name in places:
        key = f"{where}.camera_zones"
        if camera not in rows.cameras.known:
            message = "is not a camera of cameras.toml" + faults.near(camera, rows.cameras.known)
            faults.add(file, key, camera, message)
        elif camera in zones and name not in zones[camera]:
            faults.add(file, key, name, f"is not a zone of {camera}" + faults.near(name, zones[camera]))


def _check_calendar(rows: PackRows, zone: ZoneInfo | None, faults: Faults) -> None:
    rules, file = rows.rules, rows.rules.hours.file
    for number, value, message in hours_faults([row for _, row in rules.hours.rows], None, zone):
        faults.add(file, f"hours[{number}]", value, message)
    worked = {day for _, row in rules.hours.rows for day in row.days}
    holidays = {row.day for _, row in rules.holidays.rows}
    for table, word in ((rules.holidays, "a holiday"), (rules.makeups, "a make-up day")):
        for where, day in repeated([(where, row.day.isoformat()) for where, row in table.rows]):
            faults.add(file, f"{where}.date", day, f"is there twice as {word}")
    for where, row in rules.makeups.rows:
        own = WEEKDAYS[row.day.weekday()]
        if row.day in holidays:
            faults.add(file, f"{where}.date", row.day.isoformat(), "is a holiday too: it is worked, or it is not")
        elif own in worked:
            faults.add(file, f"{where}.date", row.day.isoformat(), f"is no rest day: [[hours]] has work on {own}")
        if row.stands_for not in worked:
            message = "is a day without work in [[hours]]: nobody would work on the make-up day"
            faults.add(file, f"{where}.stands_for", row.stands_for, message)


def _check_limits(rows: PackRows, zone: ZoneInfo | None, faults: Faults) -> None:
    table = rows.rules.limits
    _twice(table.ids, "limit_id", faults)
    for where, row in table.rows:
        check_span("", row, where, faults)
        _check_reach(where, "", row, rows, faults)
        gaps = _gaps(zone, row.valid_from, row.valid_to) if row.starts_from else ()
        for gap in gaps:
            if in_gap(minutes_of(row.starts_from), gap):
                faults.add(where, "starts_from", row.starts_from, missing(gap))
                break
    for where, row, earlier in _same_limits(table.rows):
        what = f"stage {row.stage}" + (f" and {row.name}" if row.name else "")
        message = f"overlaps {earlier.limit_id}: both limit {what} for one class, one place and one date"
        faults.add(where, "limit_id", row.limit_id, message)


def _same_limits(rows: Iterable[tuple[str, LimitRow]]) -> Iterator[tuple[str, LimitRow, LimitRow]]:
    """(where, row, other) where both hold for one case at a time, and neither is the more special one.

    A list that is empty means all, and is less special than one that is not.
    """
    told: set[str] = set()
    latest: dict[tuple[str, ...], LimitRow] = {}  # of each kind, the one that holds longest so far
    for where, row in sorted(rows, key=lambda pair: pair[1].valid_from):
        for key in product((row.stage,), (row.name,), row.classes or ("",), row.cells or ("",)):
            other = latest.get(key)
            if other is not None and row.valid_from <= other.valid_to and where not in told:
                told.add(where)
                yield where, row, other
            if other is None or row.valid_to > other.valid_to:
                latest[key] = row


def _check_responsibilities(rows: PackRows, zone: ZoneInfo | None, faults: Faults) -> None:
    for where, row in rows.rules.responsibilities.rows:
        _check_unit(where, "unit", row.unit, rows, faults)
        check_span("", row, where, faults)
        _check_reach(where, "", row, rows, faults)
        given = [bool(row.days), bool(row.start), bool(row.end)]
        if any(given) and not all(given):
            faults.add(where, "days", "|".join(row.days), "days, from and to belong together: give all three or none")
        elif all(given):
            entry = hours_of(row)
            for _, value, message in hours_faults([entry], row, zone):
                faults.add(where, "from", value, message)


def hours_of(row: ResponsibilityRow) -> HoursRow:
    """Days, from and to of a row that has them, as one entry of hours."""
    return HoursRow.model_validate({"days": row.days, "from": row.start, "to": row.end})


def _check_fixtures(rows: PackRows, faults: Faults) -> None:
    table = rows.rules.fixtures
    _twice_in(table, faults)
    sizes = {row.camera_id: (row.width, row.height) for _, row in rows.cameras.rows}
    for where, row in table.rows:
        check_span(where, row, table.file, faults)
        if not row.polygon and not row.boxes:
            faults.add(table.file, where, "", "has no place: give a polygon, [[fixture.box]], or both")
        _check_ground(where, row.polygon, table.file, faults)
        for number, box in enumerate(row.boxes, start=1):
            key = f"{where}.box[{number}]"
            if box.camera not in rows.cameras.known:
                message = "is not a camera of cameras.toml" + faults.near(box.camera, rows.cameras.known)
                faults.add(table.file, f"{key}.camera", box.camera, message)
            elif message := _box_fault(box.box_px, sizes.get(box.camera)):
                faults.add(table.file, f"{key}.box_px", str(box.box_px), message)


def _box_fault(box: tuple[float, float, float, float], size: tuple[int, int] | None) -> str:
    """What is wrong with x, y, w, h in a picture of ``size``; its size unknown: only what is always wrong."""
    x, y, w, h = box
    if not (w > 0 and h > 0):  # also NaN
        return "is x, y, width, height in native pixels: width and height should be greater than 0"
    if size and (min(x, y) < 0 or x + w > size[0] or y + h > size[1]):
        return f"lies outside the {size[0]} x {size[1]} picture"
    return ""


def _check_shop_fronts(rows: PackRows, faults: Faults) -> None:
    table = rows.rules.shop_fronts
    _twice_in(table, faults)
    for where, row in table.rows:
        if not row.polygon and not row.camera_zones:
            faults.add(table.file, where, "", "has no place: give a polygon, camera_zones, or both")
        _check_ground(where, row.polygon, table.file, faults)
        check_zones(where, row.camera_zones, rows, table.file, faults)


def check_parties(table: Table[ShopFrontRow], faults: Faults) -> None:
    """Note a zone of a camera that is in two fronts."""
    taken: dict[tuple[str, str], str] = {}
    for where, row in table.rows:
        for place in row.camera_zones:
            if taken.setdefault(place, row.front_id) != row.front_id:
                message = f"is the front of {taken[place]} already: one party answers for a place"
                faults.add(table.file, f"{where}.camera_zones", "/".join(place), message)


def _check_areas(rows: PackRows, faults: Faults) -> None:
    table = rows.rules.areas
    _twice_in(table, faults)
    for where, row in table.rows:
        if not row.polygon and not row.camera_zones:
            faults.add(table.file, where, "", "has no place: give a polygon, camera_zones, or both")
        _check_ground(where, row.polygon, table.file, faults)
        check_zones(where, row.camera_zones, rows, table.file, faults)
        if row.class_code not in rows.classes.known:
            message = "is not in classes.csv" + faults.near(row.class_code, rows.classes.known)
            faults.add(table.file, f"{where}.class", row.class_code, message)


def _check_campaigns(rows: PackRows, faults: Faults) -> None:
    table = rows.rules.campaigns
    _twice_in(table, faults)
    for where, row in table.rows:
        check_span(where, row, table.file, faults)
        _check_reach(table.file, where, row, rows, faults)


def _check_duties(rows: PackRows, zone: ZoneInfo | None, faults: Faults) -> None:
    table = rows.rules.duties
    for where, row in table.rows:
        _check_unit(table.file, f"{where}.unit", row.unit, rows, faults)
        check_span(where, row, table.file, faults)
        for vehicle in row.vehicles:
            if vehicle not in rows.vehicles.known:
                message = "is not a vehicle of vehicles.csv" + faults.near(vehicle, rows.vehicles.known)
                faults.add(table.file, f"{where}.vehicles", vehicle, message)
        for number, value, message in hours_faults(row.hours, row, zone):
            faults.add(table.file, f"{where}.hours[{number}]", value, message)


def _check_staff(rows: PackRows, faults: Faults) -> None:
    _twice(rows.rules.staff.ids, "person_id", faults)
    for where, row in rows.rules.staff.rows:
        if row.unit:
            _check_unit(where, "unit", row.unit, rows, faults)


def _twice(ids: list[tuple[str, str]], column: str, faults: Faults) -> None:
    for where, identity in repeated(ids):
        faults.add(where, column, identity, "is there twice")


def _twice_in(table: Table[Any], faults: Faults) -> None:
    for where, identity in repeated(table.ids):
        faults.add(table.file, f"{where}.id", identity, "is there twice")


def _check_unit(file: str, key: str, unit: str, rows: PackRows, faults: Faults) -> None:
    if unit not in rows.units.known:
        faults.add(file, key, unit, "is not in units.csv" + faults.near(unit, rows.units.known))


def _check_ground(where: str, polygon: Sequence[tuple[float, float]], file: str, faults: Faults) -> None:
    for message in ground_faults(polygon) if polygon else ():
        faults.add(file, f"{where}.polygon", "", message)


class Reaching(Protocol):
    """A row that holds for classes and for the cells that begin with its prefixes."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class codes; empty: all."""

    @property
    def cells(self) -> tuple[str, ...]:
        """Prefixes of cell ids; empty: everywhere."""


def _check_reach(file: str, where: str, row: Reaching, rows: PackRows, faults: Faults) -> None:
    prefix = f"{where}." if where else ""
    for code in row.classes:
        if code not in rows.classes.known:
            message = "is not in classes.csv" + faults.near(code, rows.classes.known)
            faults.add(file, f"{prefix}classes", code, message)
    for cells in row.cells:
        if not rows.cells.begins(cells):
            message = "begins no cell of cells.geojson"
            faults.add(file, f"{prefix}cells", cells, message)
