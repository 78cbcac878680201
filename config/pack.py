"""A city pack: a folder that says whose streets these are, what is forbidden where and when, and who takes care."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from config.faults import Faults, nearest
from config.pack_check import check_rows, warnings_of
from config.pack_read import FILES, PackRows, read_pack
from config.pack_rows import CameraRow, CityRow, ClassRow, PermitRow, VehicleRow
from config.pack_rules import hours_from, rules_of
from schemas.city import CaseClass, City, GridCell, Permit, Unit
from schemas.codes import to_2013, to_cjt214
from schemas.device import Crs
from schemas.errors import ConfigError, Fault
from schemas.place import Calibration, CameraView, ImageZone

SHIPPED = Path(__file__).parent / "packs"


@dataclass(frozen=True, slots=True)
class PackCamera:
    """One camera of the pack: where it looks, and where it stands (degrees WGS-84). Sizes in native px.

    ``max_age_s`` None: the pack leaves it to ``intake.past_limit_s``. ``aliases``: its ids in other forms.
    """

    view: CameraView
    name: str
    width: int
    height: int
    lon: float
    lat: float
    max_age_s: float | None
    period_s: float | None = None
    max_bytes: int | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PackVehicle:
    """One vehicle terminal: ``crs`` is what it sends, ``rate_per_s`` its sustained messages per second.

    ``max_age_s`` None: the pack leaves it to ``intake.past_limit_s``. ``aliases``: its ids in other forms.
    """

    device_id: str
    name: str
    kind: Literal["enforcement", "sanitation", "muck"]
    unit_id: str
    crs: Crs
    max_age_s: float | None
    rate_per_s: float
    period_s: float | None = None
    max_bytes: int | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pack:
    """A checked city pack. ``warnings`` are allowed but look like mistakes.

    ``files``: the bytes that it was made of, by name, in the order in which the version digests them.
    """

    city: City
    cameras: dict[str, PackCamera]
    vehicles: dict[str, PackVehicle]
    lang: Literal["zh", "en"]
    folder: Path
    warnings: tuple[Fault, ...]
    files: Mapping[str, bytes] = field(repr=False)


def find_pack(name: str) -> Path:
    """Return the folder of a pack: ``name`` is a folder, or the name of a pack shipped in config/packs.

    Raises ConfigError where there is neither.
    """
    plain = "\0" not in name and "/" not in name and not name.startswith(".")
    for folder in (Path(name), *([SHIPPED / name] if plain else [])):
        if name and "\0" not in name and _is_folder(folder):
            return folder
    shipped = sorted(folder.name for folder in SHIPPED.iterdir() if (folder / FILES[0]).is_file())
    message = f"is neither a folder nor a shipped pack ({', '.join(shipped)})" + nearest(name, shipped)
    raise ConfigError((Fault("config", "site.pack", name, message),))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long for the file system, a folder we may not look into
        return False


def load_pack(path: Path) -> Pack:
    """Read, check and build the pack in a folder, or a shipped one where ``path`` is its bare name.

    Raises ConfigError with every fault of every file; files are named relative to the folder.
    """
    folder = find_pack(str(path))
    faults = Faults()
    rows = read_pack(folder, faults)
    check_rows(rows, faults)
    faults.refuse()
    if rows.city is None:
        raise ConfigError((Fault("city.toml", "", "", "cannot be read"),))
    warnings = Faults()
    warnings_of(rows, warnings)
    return Pack(
        city=_city(rows, rows.city),
        cameras={row.camera_id: _camera(row) for _, row in rows.cameras.rows},
        vehicles={row.device_id: _vehicle(row) for _, row in rows.vehicles.rows},
        lang=rows.city.lang,
        folder=folder,
        warnings=tuple(warnings),
        files=rows.files,
    )


def apply_modes(city: City, direct_classes: Iterable[str]) -> City:
    """Return the city with these classes dispatched at once; the version says so.

    Raises ConfigError for every code the pack does not have.
    """
    codes = frozenset(direct_classes)
    if not codes:
        return city
    unknown = sorted(codes - city.classes.keys())
    if unknown:
        message = "is not a class of the city pack"
        raise ConfigError(
            tuple(
                Fault("config", "alerts.direct_classes", code, message + nearest(code, city.classes))
                for code in unknown
            )
        )
    classes = {code: replace(row, mode="direct") if code in codes else row for code, row in city.classes.items()}
    return replace(city, classes=classes, version=f"{city.version}+direct:{','.join(sorted(codes))}")


def _city(rows: PackRows, city: CityRow) -> City:
    return City(
        name=city.name,
        timezone=city.timezone,
        version=rows.version,
        classes={row.code: _case_class(row) for _, row in rows.classes.rows},
        default_class={str(family): code for family, code in city.default_class.items()},
        units={row.unit_id: Unit(row.unit_id, row.name_zh, row.name_en) for _, row in rows.units.rows},
        cells={
            row.cell_id: GridCell(
                row.cell_id, row.name, row.polygon, {str(key): unit for key, unit in row.units.items()}
            )
            for _, row in rows.cells.rows
        },
        permits=tuple(_permit(row) for _, row in rows.permits.rows),
        rules=rules_of(rows.rules),
    )


def _case_class(row: ClassRow) -> CaseClass:
    """Where the pack names no older code, the rule for it holds."""
    legacy = {
        "legacy_2013": row.legacy_2013 or to_2013(row.code) or "",
        "legacy_cjt214": row.legacy_cjt214 or to_cjt214(row.code) or "",
    }
    return CaseClass(**(row.model_dump() | legacy))


def _permit(row: PermitRow) -> Permit:
    return Permit(
        permit_id=row.permit_id,
        name=row.name,
        families=frozenset(row.families),
        polygon=row.polygon,
        camera_zones=frozenset(row.camera_zones),
        hours=tuple(hours_from(hours) for hours in row.hours),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        classes=frozenset(row.classes),
    )


def _camera(row: CameraRow) -> PackCamera:
    view = CameraView(
        camera_id=row.camera_id,
        zones=tuple(ImageZone(zone.name, zone.polygon, frozenset(zone.families), zone.preset) for zone in row.zones),
        calibration=Calibration(**row.calibration.model_dump()) if row.calibration else None,
        cell_id=row.cell,
        unit_id=row.unit,
        shop_front=row.shop_front,
    )
    place = (row.width, row.height, row.lon, row.lat)
    return PackCamera(view, row.name, *place, row.max_age_s, row.period_s, row.max_bytes, row.aliases)


def _vehicle(row: VehicleRow) -> PackVehicle:
    limits = (row.max_age_s, row.rate_per_s, row.period_s, row.max_bytes, row.aliases)
    return PackVehicle(row.device_id, row.name, row.kind, row.unit, row.crs, *limits)
