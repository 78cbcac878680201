"""Tracks of vehicles with times: GPX, barefoot JSON, GeoLife (one table, or the classic .plt files)."""

import csv
import gzip
import io
import json
import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import gpxpy
import gpxpy.gpx

from curbwatch.tuning.recording import device_name
from ingest.stamps import StampError, stamp_ns
from schemas.errors import UsageError
from schemas.units import ns_of

FOOT_M = 0.3048
PLT_HEADER_LINES = 6
NO_ALTITUDE_FT = -777.0  # GeoLife's mark for "not known"
COLUMNS = {"lat": ("lat", "latitude"), "lon": ("lng", "lon", "longitude"), "time": ("datetime", "time", "ts")}
NAMED_FAULTS = 3


@dataclass(frozen=True, slots=True)
class Fix:
    """One position of a track: ns since 1970 UTC, degrees WGS-84; None where the file does not say."""

    ts_ns: int
    lon: float
    lat: float
    alt_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None
    sat: int | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """One vehicle's positions in the order of the file; at least one."""

    device_id: str
    path: Path
    fixes: tuple[Fix, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or rows of one, that cannot be played, and why."""

    path: Path
    reason: str


@dataclass(slots=True)
class Parsed:
    """What one file holds: ``fixes`` by the vehicle's name inside the file ("" for the only one), ``faults`` by row.

    ``timeless``: positions without a time, which do not count. ``foreign``: not a track of this form at all.
    """

    fixes: dict[str, list[Fix]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    timeless: int = 0
    foreign: str = ""


def find_tracks(path: Path) -> tuple[list[Track], list[Skipped]]:
    """Return the tracks in a file, or of all files at or below a folder, by name, and what does not count.

    Pictures' folders (those with a ``recording.json``) are passed over. A folder may hold other files; only those
    that look like tracks and cannot be played are named. Raises UsageError where there is no such path.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    tracks: dict[str, Track] = {}
    skipped: list[Skipped] = []
    for file in [path] if path.is_file() else sorted(_candidates(path)):
        reader = _reader(file)
        if reader is None:
            skipped.append(Skipped(file, "not a track: GPX, barefoot JSON, or GeoLife .csv, .txt, .gz, .plt"))
            continue
        try:
            parsed = reader(_text(file))
        except (OSError, EOFError, UnicodeDecodeError) as error:
            parsed = Parsed(foreign=f"cannot be read: {error}")
        if path.is_file() or not parsed.foreign or file.suffix not in {".json", ".txt"}:
            skipped += [Skipped(file, reason) for reason in _reasons(parsed)]
        for name, fixes in sorted(parsed.fixes.items()):
            device_id = _device_id(file, name)
            before = tracks.get(device_id)
            kept = (*before.fixes, *fixes) if before is not None and file.suffix == ".plt" else tuple(fixes)
            if file.suffix != ".plt":
                device_id = free_id(device_id, tracks)
            tracks[device_id] = Track(device_id, file, kept)
    return list(tracks.values()), skipped


def read_gpx(text: str) -> Parsed:
    """Read the track points of a GPX 1.0 or 1.1 document; routes and way points have no times. Never raises."""
    parsed = Parsed()
    try:
        document = gpxpy.parse(text)
    except (gpxpy.gpx.GPXException, ValueError, TypeError, AttributeError) as error:
        parsed.foreign = f"not GPX: {str(error)[:200]}"
        return parsed
    points = (point for track in document.tracks for segment in track.segments for point in segment.points)
    for number, point in enumerate(points, start=1):
        if point.time is None:
            parsed.timeless += 1
            continue
        try:
            ts_ns = ns_of(point.time if point.time.tzinfo else point.time.replace(tzinfo=UTC))
        except OverflowError:
            parsed.faults.append(f"point {number}: time {point.time} is out of range")
            continue
        sat = point.satellites if isinstance(point.satellites, int) else None
        fix = Fix(ts_ns, point.longitude, point.latitude, point.elevation, point.speed, point.course, sat)
        _keep(parsed, "", fix, f"point {number}")
    return parsed


def read_barefoot(text: str) -> Parsed:
    """Read barefoot's JSON, [{"point": "POINT(lon lat)", "time": "2014-09-10 06:54:07+0200", "id": …}]. No raising."""
    parsed = Parsed()
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        parsed.foreign = f"not JSON: {error}"[:200]
        return parsed
    if not isinstance(entries, list) or not any(isinstance(entry, dict) and "point" in entry for entry in entries):
        parsed.foreign = "positions without times, or no positions"
        return parsed
    names = {str(entry.get("id", "")) for entry in entries if isinstance(entry, dict)}
    for number, entry in enumerate(entries, start=1):
        where = f"entry {number}"
        if not isinstance(entry, dict):
            parsed.faults.append(f"{where}: is not an object")
        elif entry.get("time") is None:
            parsed.timeless += 1
        else:
            try:
                lon, lat = _point(entry.get("point"))
                ts_ns = stamp_ns(entry["time"])
            except (ValueError, TypeError, OverflowError, StampError) as error:
                parsed.faults.append(f"{where}: {error}")
                continue
            _keep(parsed, str(entry.get("id", "")) if len(names) > 1 else "", Fix(ts_ns, lon, lat), where)
    return parsed


def read_table(text: str) -> Parsed:
    """Read a table with a header ``lat,lng,datetime,uid`` (GeoLife as one file; times are GMT). Never raises."""
    parsed = Parsed()
    rows = csv.reader(io.StringIO(text))
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        at = {
            what: next((header.index(name) for name in names if name in header), -1) for what, names in COLUMNS.items()
        }
        if min(at.values()) < 0:
            parsed.foreign = "no header that names lat, lng and datetime"
            return parsed
        uid_at = header.index("uid") if "uid" in header else -1
        for row in rows:
            where = f"line {rows.line_num}"
            if not row:
                continue
            try:
                name = row[uid_at].strip() if uid_at >= 0 else ""
                fix = Fix(_gmt_ns(row[at["time"]]), float(row[at["lon"]]), float(row[at["lat"]]))
            except (ValueError, IndexError, OverflowError) as error:
                parsed.faults.append(f"{where}: {error}")
                continue
            _keep(parsed, name, fix, where)
    except csv.Error as error:
        parsed.faults.append(f"line {rows.line_num}: {error}")
    return parsed


def read_plt(text: str) -> Parsed:
    """Read GeoLife's classic file: six lines, then lat, lon, 0, feet, days, date, time (GMT). Never raises."""
    parsed = Parsed()
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Geolife"):
        parsed.foreign = "not a GeoLife .plt file"
        return parsed
    for number, line in enumerate(lines[PLT_HEADER_LINES:], start=PLT_HEADER_LINES + 1):
        cells = line.split(",")
        try:
            feet = float(cells[3])
            alt_m = None if feet == NO_ALTITUDE_FT else feet * FOOT_M
            fix = Fix(_gmt_ns(f"{cells[5]} {cells[6]}"), float(cells[1]), float(cells[0]), alt_m)
        except (ValueError, IndexError, OverflowError) as error:
            parsed.faults.append(f"line {number}: {error}")
            continue
        _keep(parsed, "", fix, f"line {number}")
    return parsed


def _keep(parsed: Parsed, name: str, fix: Fix, where: str) -> None:
    if not (-180.0 <= fix.lon <= 180.0 and -90.0 <= fix.lat <= 90.0):
        parsed.faults.append(f"{where}: lon {fix.lon}, lat {fix.lat} is no place")
    elif not all(value is None or math.isfinite(value) for value in (fix.alt_m, fix.speed_mps, fix.heading_deg)):
        parsed.faults.append(f"{where}: a height, speed or course that is no number")
    else:
        parsed.fixes.setdefault(name, []).append(fix)


def _point(text: object) -> tuple[float, float]:
    """Longitude and latitude of a WKT point."""
    words = str(text).strip().upper().removeprefix("POINT").strip()
    lon, lat = words.removeprefix("(").removesuffix(")").split()
    return float(lon), float(lat)


def _gmt_ns(text: str) -> int:
    when = datetime.fromisoformat(text.strip())
    return ns_of(when if when.tzinfo else when.replace(tzinfo=UTC))


def _reasons(parsed: Parsed) -> Iterator[str]:
    if parsed.foreign:
        yield parsed.foreign
    elif not parsed.fixes and not parsed.faults:
        yield "no positions with times"
    elif parsed.timeless:
        yield f"{parsed.timeless} positions without times do not count"
    if parsed.faults:
        named = "; ".join(parsed.faults[:NAMED_FAULTS])
        more = len(parsed.faults) - NAMED_FAULTS
        yield f"left out: {named}" + (f"; and {more} more" if more > 0 else "")


def _candidates(folder: Path) -> Iterator[Path]:
    """Files that may be tracks, outside the folders of recordings and outside hidden ones."""
    if (folder / "recording.json").exists():
        return
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _candidates(entry)
        elif entry.is_file() and _reader(entry) is not None:
            yield entry


def _reader(file: Path) -> Callable[[str], Parsed] | None:
    suffix = Path(file.stem).suffix if file.suffix == ".gz" else file.suffix
    readers = {
        ".gpx": read_gpx,
        ".json": read_barefoot,
        ".geojson": read_barefoot,
        ".csv": read_table,
        ".txt": read_table,
        ".plt": read_plt,
    }
    return readers.get(suffix.lower())


def _text(file: Path) -> str:
    data = file.read_bytes()
    return (gzip.decompress(data) if file.suffix == ".gz" else data).decode("utf-8-sig")


def _device_id(file: Path, name: str) -> str:
    """Folder and file; in GeoLife the folder and the person: Data/000/Trajectory/20081023025304.plt is Data-000."""
    folder = file.absolute().parent
    if file.suffix == ".plt":
        person = folder.parent if folder.name == "Trajectory" else folder
        return device_name(Path(f"{person.parent.name}-{person.name}"))
    if name and _reader(file) is read_table:
        return device_name(Path(f"{folder.name}-{name}"))
    stem = Path(file.stem).stem if file.suffix == ".gz" else file.stem
    return device_name(Path("-".join(part for part in (folder.name, stem, name) if part)))


def free_id(device_id: str, taken: Collection[str]) -> str:
    """Return the id, or, where somebody has it, the id with the first number that nobody has."""
    number, found = 2, device_id
    while found in taken:
        found = f"{device_id[:60]}-{number}"
        number += 1
    return found
