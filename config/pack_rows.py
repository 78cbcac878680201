"""The rows of a city pack's files, as written: one pydantic model each. Cross-references: config/pack_check.py."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from config.polygon import counterclockwise
from schemas.city import Check
from schemas.codes import known_division, known_matter, split_cell

WEEK_S = 604_800.0
LAST_START, LAST_END = (
    "23:59",
    "30:00",
)  # of hours, which belong to the day on which they start: 30:00 is 06:00 after it

Text = Annotated[str, Field(min_length=1, max_length=200)]
DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
UnitId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Point = tuple[float, float]
Ground = Annotated[tuple[Point, ...], AfterValidator(counterclockwise)]  # degrees WGS-84, longitude first
Family = Literal["stall", "waste", "truck"]
SeenFamily = Literal["stall", "waste"]
Crs = Literal["wgs84", "cgcs2000", "gcj02", "bd09", "from_message"]
# A device's id in another form: the codec's name, a colon, and what the device calls itself there.
Alias = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}:[^\x00-\x1f\x7f|]{1,200}$")]
Period = Annotated[float, Field(gt=0, le=WEEK_S, allow_inf_nan=False)]
MaxBytes = Annotated[int, Field(ge=100, le=100_000_000)]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DayKind = Literal[Weekday, "holiday"]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")  # by their number in Hours.weekdays


class Row(BaseModel):
    """What all rows share. NaN is let through to the polygon check, which says it better."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _known(check: Callable[[str], object], code: str) -> str:
    """Return a code that ``check`` takes. Raises ValueError without the code, which a fault has in front already."""
    try:
        check(code)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{code}: ").removeprefix(f"{code[:6]}: ")) from None
    return code


class CityRow(Row):
    """city.toml."""

    name: Text
    district: str = Field(pattern=r"^[0-9]{6}$")  # GB/T 2260 code of the county division; cells start with it
    timezone: Text
    lang: Literal["zh", "en"] = "zh"
    default_class: dict[Family, str] = Field(min_length=1)

    @field_validator("district")
    @classmethod
    def _division(cls, district: str) -> str:
        return _known(known_division, district)


class ClassRow(Row):
    """One row of classes.csv."""

    code: str
    name_zh: Text
    name_en: Text
    family: Family
    mode: Literal["verify_first", "direct"] = "verify_first"
    handle_h: float = Field(gt=0, le=2000, allow_inf_nan=False)
    dwell_s: float | None = Field(default=None, gt=0, le=WEEK_S, allow_inf_nan=False)
    urgent: bool = False
    legacy_2013: str = Field(default="", pattern=r"^([0-9]{2}-[0-9]{2})?$")
    legacy_cjt214: str = Field(default="", pattern=r"^([0-9]{2}-[0-9]{2})?$")
    check: Check = "none"
    grace_h: float = Field(default=0.0, ge=0, le=168, allow_inf_nan=False)
    grave: bool = False

    @field_validator("code")
    @classmethod
    def _five_digits(cls, code: str) -> str:
        if code.isascii() and code.isdigit() and len(code) == 11:
            raise ValueError(f"is the 11-digit form with the division code: give its last five digits, {code[-5:]}")
        if code.isascii() and code.isdigit() and len(code) == 4:
            raise ValueError("has four digits: a spreadsheet may have dropped the leading 0; five are wanted")
        if not (code.isascii() and code.isdigit() and len(code) == 5):
            raise ValueError("is not a code of five digits (2 class + 3 sub)")
        return _known(known_matter, code)


class UnitRow(Row):
    """One row of units.csv."""

    unit_id: UnitId
    name_zh: Text
    name_en: Text


class CellRow(Row):
    """The properties of one feature of cells.geojson, and its outer ring."""

    cell_id: str
    name: Text
    units: dict[Family | Literal["*"], str] = Field(min_length=1)
    polygon: Ground

    @field_validator("cell_id")
    @classmethod
    def _fifteen_digits(cls, cell_id: str) -> str:
        if not (cell_id.isascii() and cell_id.isdigit() and len(cell_id) == 15):
            raise ValueError("is not a cell code of 15 digits (6 division + 3 street + 3 community + 3 cell)")
        return _known(split_cell, cell_id)


class HoursRow(Row):
    """One ``[[permit.hours]]`` table, and that of a calendar and of a duty. ``holiday``: public holidays.

    They belong to the day on which they start: ``to`` above 24:00 is the morning after it.
    """

    days: tuple[DayKind, ...] = Field(min_length=1)
    start: str = Field(alias="from")
    end: str = Field(alias="to")

    @field_validator("start")
    @classmethod
    def _start(cls, text: str) -> str:
        minutes_of(text, LAST_START)
        return text

    @field_validator("end")
    @classmethod
    def _end(cls, text: str) -> str:
        minutes_of(text, LAST_END)
        return text


class PermitRow(Row):
    """One ``[[permit]]`` table of permits.toml."""

    permit_id: DeviceId = Field(alias="id")
    name: Text
    families: tuple[Family, ...] = Field(min_length=1)
    classes: tuple[str, ...] = Field(default=(), max_length=64)
    polygon: Ground = ()
    camera_zones: tuple[tuple[str, str], ...] = ()
    valid_from: date
    valid_to: date
    hours: tuple[HoursRow, ...] = Field(min_length=1, max_length=50)


class CalibrationRow(Row):
    """The ``[camera.calibration]`` table; see schemas.place.Calibration."""

    horizon_row: float = Field(allow_inf_nan=False)
    px_per_m_slope: float = Field(gt=0, le=100, allow_inf_nan=False)
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)
    bearing_deg: float = Field(ge=0, lt=360, allow_inf_nan=False)
    height_m: float = Field(gt=0, le=200, allow_inf_nan=False)


class ZoneRow(Row):
    """One ``[[camera.zone]]`` table; the polygon in native px."""

    name: DeviceId
    polygon: tuple[Point, ...]
    families: tuple[SeenFamily, ...] = Field(default=("stall", "waste"), min_length=1)
    preset: str = Field(default="", max_length=64)


class CameraRow(Row):
    """One ``[[camera]]`` table of cameras.toml. No zone: the whole picture counts."""

    camera_id: DeviceId = Field(alias="id")
    name: Text
    lon: float = Field(ge=-180, le=180, allow_inf_nan=False)
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)
    cell: str
    unit: str = ""
    shop_front: bool = False
    width: int = Field(ge=64, le=16_384)
    height: int = Field(ge=64, le=16_384)
    max_age_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    period_s: Period | None = None
    max_bytes: MaxBytes | None = None
    aliases: tuple[Alias, ...] = Field(default=(), max_length=16)
    calibration: CalibrationRow | None = None
    zones: tuple[ZoneRow, ...] = Field(default=(), max_length=64, alias="zone")


class VehicleRow(Row):
    """One row of vehicles.csv."""

    device_id: DeviceId = Field(alias="id")
    name: str = Field(default="", max_length=200)
    kind: Literal["enforcement", "sanitation", "muck"]
    unit: str = ""
    crs: Crs = "wgs84"
    max_age_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    rate_per_s: float = Field(default=20.0, gt=0, le=10_000, allow_inf_nan=False)
    period_s: Period | None = None
    max_bytes: MaxBytes | None = None
    aliases: tuple[Alias, ...] = Field(default=(), max_length=16)

    @field_validator("aliases", mode="before")
    @classmethod
    def _apart(cls, cell: object) -> object:
        """A cell of a CSV file holds several, divided by ``|``: ids of other forms hold spaces and semicolons."""
        return tuple(part.strip() for part in cell.split("|") if part.strip()) if isinstance(cell, str) else cell


def start_text(cell: object) -> object:
    """A clock time at which something starts, or nothing, as written; raises ValueError for a text that is neither."""
    if isinstance(cell, str) and cell:
        minutes_of(cell, LAST_START)
    return cell


def end_text(cell: object) -> object:
    """A clock time at which something ends, or nothing, as written; raises ValueError for a text that is neither."""
    if isinstance(cell, str) and cell:
        minutes_of(cell, LAST_END)
    return cell


def minutes_of(text: str, last: str = LAST_END) -> int:
    """``"HH:MM"`` as minutes after a day began, up to those of ``last``. Raises ValueError for anything else."""
    hour, colon, minute = text.partition(":")
    digits = hour.isascii() and hour.isdigit() and minute.isascii() and minute.isdigit()
    if not (colon and digits and len(hour) == 2 and len(minute) == 2):
        raise ValueError("is not a clock time like 08:30")
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or (int(hour), int(minute)) > (int(last[:2]), int(last[3:])):
        raise ValueError(f"is not a clock time from 00:00 to {last}")
    return total
