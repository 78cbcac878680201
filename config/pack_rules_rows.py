"""The rows of a city pack's optional files, as written: what a city rules beyond classes and cells."""

import re
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from config.pack_rows import DayKind, DeviceId, Family, Ground, HoursRow, Row, Text, Weekday, end_text, start_text
from schemas.rules import AmountUnit, Role, Stage

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(cell: object) -> object:
    """A date in a CSV cell: pydantic alone would take a number for seconds since 1970."""
    if isinstance(cell, str) and not DAY.fullmatch(cell):
        raise ValueError("is not a date like 2026-10-01")
    return cell


def _apart(cell: object) -> object:
    """A cell of a CSV file holds several, divided by ``|``."""
    return tuple(part.strip() for part in cell.split("|") if part.strip()) if isinstance(cell, str) else cell


Day = Annotated[date, BeforeValidator(_day)]
Start = Annotated[str, BeforeValidator(start_text)]
End = Annotated[str, BeforeValidator(end_text)]
Many = Annotated[tuple[str, ...], BeforeValidator(_apart), Field(max_length=64)]
Share = Annotated[float, Field(ge=0.1, le=1, allow_inf_nan=False)]


class HolidayRow(Row):
    """One ``[[holiday]]`` table of calendar.toml."""

    day: date = Field(alias="date")
    name: Text


class MakeupRow(Row):
    """One ``[[makeup]]`` table of calendar.toml: a rest day that is worked like another weekday (调休上班)."""

    day: date = Field(alias="date")
    stands_for: Weekday


class LimitRow(Row):
    """One row of limits.csv."""

    limit_id: DeviceId
    stage: Stage
    name: str = Field(default="", max_length=64)
    classes: Many = ()
    cells: Many = ()
    amount: float = Field(gt=0, le=10_000, allow_inf_nan=False)
    unit: AmountUnit
    starts_from: Start = ""
    valid_from: Day = date.min
    valid_to: Day = date.max
    source: str = Field(default="", max_length=200)


class ResponsibilityRow(Row):
    """One row of responsibility.csv: ``days``, ``from`` and ``to`` are given together, or none of them."""

    unit: str
    cells: Many = ()
    classes: Many = ()
    days: Annotated[tuple[DayKind, ...], BeforeValidator(_apart)] = ()
    start: Start = Field(default="", alias="from")
    end: End = Field(default="", alias="to")
    valid_from: Day = date.min
    valid_to: Day = date.max


class FixtureBoxRow(Row):
    """One ``[[fixture.box]]`` table: where the fixture stands in a camera's picture, native px."""

    camera: str
    box_px: tuple[float, float, float, float]  # x, y, w, h


class FixtureRow(Row):
    """One ``[[fixture]]`` table of fixtures.toml."""

    fixture_id: DeviceId = Field(alias="id")
    name: Text
    families: tuple[Family, ...] = Field(min_length=1)
    polygon: Ground = ()
    boxes: tuple[FixtureBoxRow, ...] = Field(default=(), max_length=64, alias="box")
    valid_from: date = date.min
    valid_to: date = date.max


class ShopFrontRow(Row):
    """One ``[[shop_front]]`` table of shopfronts.toml."""

    front_id: DeviceId = Field(alias="id")
    name: Text
    party: Text
    polygon: Ground = ()
    camera_zones: tuple[tuple[str, str], ...] = ()


class AreaRow(Row):
    """One ``[[area]]`` table of areas.toml."""

    area_id: DeviceId = Field(alias="id")
    name: Text
    class_code: str = Field(alias="class")
    polygon: Ground = ()
    camera_zones: tuple[tuple[str, str], ...] = ()


class CampaignRow(Row):
    """One ``[[campaign]]`` table of campaigns.toml."""

    campaign_id: DeviceId = Field(alias="id")
    name: Text
    valid_from: date
    valid_to: date
    classes: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    dwell_factor: Share = 1.0
    direct: bool = False
    urgent: bool = False


class DutyRow(Row):
    """One ``[[duty]]`` table of duty.toml."""

    unit: str
    vehicles: tuple[str, ...] = ()
    valid_from: date = date.min
    valid_to: date = date.max
    hours: tuple[HoursRow, ...] = Field(min_length=1, max_length=50)


class StaffRow(Row):
    """One row of staff.csv."""

    person_id: DeviceId
    name: Text
    role: Role
    unit: str = ""
