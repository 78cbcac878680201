"""The shipped example is a pack that works, and a pack is what the decision asks."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from shapely import Point, Polygon

from config.pack import SHIPPED, apply_modes, find_pack, load_pack
from config.pack_rows import minutes_of
from schemas.errors import ConfigError

FAMILIES = {"09001": "stall", "09005": "stall", "09006": "stall", "06010": "waste", "06011": "waste", "06014": "waste"}


def test_the_example_loads_without_a_warning() -> None:
    pack = load_pack(Path("yanjiang"))
    assert pack.warnings == ()
    assert (len(pack.city.cells), len(pack.cameras), len(pack.vehicles)) == (24, 8, 12)
    assert (len(pack.city.units), len(pack.city.permits)) == (4, 3)
    assert pack.lang == "zh"
    assert pack.city.timezone == "Asia/Shanghai"


def test_the_example_has_the_classes_and_their_codes() -> None:
    classes = load_pack(Path("yanjiang")).city.classes
    assert {code: row.family for code, row in classes.items()} == FAMILIES | {"06042": "waste", "08011": "truck"}
    for code, row in classes.items():
        # The 2013 lineage: class - 5, sub in two digits; all known pairs agree.
        assert row.legacy_2013 == f"{int(code[:2]) - 5:02d}-{int(code[2:]):02d}"
        assert row.name_zh
        assert row.name_en
        assert row.handle_h > 0
    assert {code for code, row in classes.items() if row.mode == "direct"} == {"06014"}


def test_the_example_stands_where_it_says() -> None:
    pack = load_pack(Path("yanjiang"))
    for cell_id, cell in pack.city.cells.items():
        assert len(cell_id) == 15
        assert cell_id.startswith("512002")
        assert all(104.627 < lon < 104.66 and 30.11 < lat < 30.14 for lon, lat in cell.polygon)
        assert {"stall", "waste", "*"} == set(cell.units)
    for camera in pack.cameras.values():
        assert Polygon(pack.city.cells[camera.view.cell_id].polygon).contains(Point(camera.lon, camera.lat))
        assert camera.view.zones


@pytest.mark.parametrize(
    ("day", "until"),
    [
        ("2026-05-08", "25:00"),  # Friday; the Saturday after it is worked
        ("2026-05-09", "22:30"),  # that Saturday, worked as a Tuesday; Sunday follows
        ("2026-10-07", "25:00"),  # the last day of a holiday
        ("2026-10-08", "22:30"),  # Thursday
        ("2026-09-19", "25:00"),  # Saturday; the Sunday after it is worked
        ("2026-09-20", "22:30"),  # that Sunday
        ("2026-10-09", "25:00"),  # Friday; the Saturday after it is worked
        ("2026-04-30", "22:30"),  # Thursday before a holiday
        ("2026-05-01", "25:00"),  # a holiday
        ("2026-10-31", "25:00"),  # Saturday, the last day of the permit
        ("2026-11-01", ""),
        ("2026-03-31", ""),
        ("2026-04-01", "22:30"),  # the first day
    ],
)
def test_the_examples_night_market_ends_with_the_night_whatever_day_it_ends_on(day: str, until: str) -> None:
    city = load_pack(Path("yanjiang")).city
    permit = next(row for row in city.permits if row.permit_id == "yj-permit-night")
    midnight = datetime.fromisoformat(day)
    opened = [
        minute
        for minute in range(12 * 60, 36 * 60)
        if city.rules.calendar.within(
            permit.hours, midnight + timedelta(minutes=minute), permit.valid_from, permit.valid_to
        )
    ]
    end = minutes_of(until) if until else 0
    assert opened == [*range(18 * 60, end)]


def test_a_vehicle_says_its_own_coordinate_system() -> None:
    vehicles = load_pack(Path("yanjiang")).vehicles
    assert [name for name, row in vehicles.items() if row.crs == "gcj02"] == ["yj-muck-03"]
    assert vehicles["yj-car-01"].max_age_s is None
    assert vehicles["yj-muck-04"].rate_per_s == 50


def test_a_pack_is_found_by_name_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_pack("yanjiang") == SHIPPED / "yanjiang"
    assert load_pack(SHIPPED / "yanjiang").city == load_pack(Path("yanjiang")).city
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_pack("mine") == Path("mine")


@pytest.mark.parametrize("name", ["", "yanjang", "../packs", "/nowhere", "a\0b", ".", "x" * 5000])
def test_a_name_that_is_no_pack_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_pack(Path(name)) if name == "." else find_pack(name)
    if name == "yanjang":
        assert "did you mean 'yanjiang'?" in str(caught.value)


def test_direct_classes_change_the_mode_and_the_rule_version() -> None:
    city = load_pack(Path("yanjiang")).city
    changed = apply_modes(city, ["09006", "06010"])
    assert {code for code, row in changed.classes.items() if row.mode == "direct"} == {"09006", "06010", "06014"}
    assert changed.version == f"{city.version}+direct:06010,09006"
    assert apply_modes(city, []) is city
    with pytest.raises(ConfigError, match=r"direct_classes = 9006: is not a class.*did you mean '09006'"):
        apply_modes(city, ["9006", "06010"])
