"""The shipped example is a pack that works, and a pack is what the decision asks."""

from datetime import date
from pathlib import Path

import pytest
from shapely import Point, Polygon

from config.pack import SHIPPED, apply_modes, find_pack, load_pack
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


def test_over_midnight_is_two_entries_of_hours() -> None:
    permit = next(row for row in load_pack(Path("yanjiang")).city.permits if row.permit_id == "yj-permit-night")
    spans = {(hours.weekdays, hours.start_min, hours.end_min) for hours in permit.hours}
    assert (frozenset({4, 5}), 18 * 60, 1440) in spans
    assert (frozenset({5, 6}), 0, 60) in spans
    assert (permit.valid_from, permit.valid_to) == (date(2026, 4, 1), date(2026, 10, 31))


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
