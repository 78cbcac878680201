"""docs/city-pack.md shows a pack that loads, and names every key there is."""

import re
from datetime import date
from pathlib import Path

import pytest

from config.pack_read import FILES, OPTIONAL
from config.pack_rows import CameraRow, CellRow, CityRow, ClassRow, PermitRow, UnitRow, VehicleRow
from config.pack_rules_rows import (
    AreaRow,
    CampaignRow,
    DutyRow,
    FixtureBoxRow,
    FixtureRow,
    HolidayRow,
    LimitRow,
    MakeupRow,
    ResponsibilityRow,
    ShopFrontRow,
    StaffRow,
)
from tests.config.small_pack import PackFolder

PAGE = (Path(__file__).parents[2] / "docs" / "city-pack.md").read_text(encoding="utf-8")
ROWS = (CityRow, ClassRow, UnitRow, CellRow, PermitRow, CameraRow, VehicleRow)
RULES = (HolidayRow, MakeupRow, LimitRow, ResponsibilityRow, FixtureRow, FixtureBoxRow)
MORE = (ShopFrontRow, AreaRow, CampaignRow, DutyRow, StaffRow)


def block(title: str) -> str:
    """The first fenced block of a chapter."""
    return PAGE.split(f"## {title}\n", 1)[1].split("```", 2)[1].partition("\n")[2]


@pytest.mark.parametrize("name", FILES + OPTIONAL)
def test_every_file_has_a_chapter(name: str) -> None:
    assert f"\n## {name}\n" in PAGE


@pytest.mark.parametrize("row", ROWS + RULES + MORE)
def test_every_key_is_named(row: type[CityRow]) -> None:
    names = {field.alias or name for name, field in row.model_fields.items()}
    assert {name for name in names if not re.search(rf"\b{name}\b", PAGE)} == set()


def test_the_blocks_of_the_page_make_a_pack(tmp_path: Path) -> None:
    folder = PackFolder(tmp_path)
    (tmp_path / "city.toml").write_text(block("city.toml"), encoding="utf-8")
    (tmp_path / "permits.toml").write_text(block("permits.toml"), encoding="utf-8")
    (tmp_path / "cameras.toml").write_text(block("cameras.toml"), encoding="utf-8")
    feature = block("cells.geojson")
    for name in OPTIONAL:
        if name.endswith(".toml"):
            (tmp_path / name).write_text(block(name), encoding="utf-8")
    features = feature + "," + feature.replace("512002001001001", "512002001003004").replace("30.12", "30.13")
    cells = f'{{"type": "FeatureCollection", "features": [{features}]}}'
    (tmp_path / "cells.geojson").write_text(cells, encoding="utf-8")
    folder.edit("classes.csv", "06010,垃圾", "08011,渣土车,Truck,truck,,8\n06010,垃圾")
    folder.edit("units.csv", "u-1,一,One", "u-1,一,One\nyj-enf-1,一,One\nyj-san-1,二,Two")
    pack = folder.load()
    assert pack.cameras["cam-08"].view.calibration is not None
    assert pack.city.permits[0].permit_id == "night-market"
    rules = pack.city.rules
    assert (len(rules.fixtures), len(rules.shop_fronts), len(rules.campaigns), len(rules.duties)) == (1, 1, 1, 1)
    assert [area.class_code for area in rules.areas] == ["06010"]
    assert rules.calendar.day_kind(date(2026, 10, 10)) == 2
