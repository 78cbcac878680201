"""The twenty bad configurations of the test catalogue (C01 to C20), each refused with file, key and value.

More of each kind: test_pack_faults.py, test_pack_rules.py, test_load.py, test_polygon.py.
"""

from pathlib import Path

import pytest

from config.keeping import KeepingKnobs
from config.load import load_config, read_config, secret_faults
from schemas.errors import ConfigError
from tests.config.small_pack import SMALL, PackFolder
from tests.curbwatch.test_pack_reload import Watched

ZONE = "[[0, 300], [400, 300], [400, 720], [0, 720]]"
ZONE_KEY = "cameras.toml: camera[cam-1].zone[left].polygon: "
HOURS = 'from = "01:00"\nto = "08:30"'


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    return PackFolder(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "curbwatch.toml"


def refused(file: Path, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(file, environment or {})
    return [str(fault) for fault in caught.value.faults]


def zone(folder: PackFolder, polygon: str) -> str:
    folder.edit("cameras.toml", ZONE, polygon)
    (fault,) = folder.faults()
    return fault


def test_c01_a_polygon_of_two_corners(folder: PackFolder) -> None:
    assert zone(folder, "[[0, 300], [400, 300]]") == ZONE_KEY + "has 2 corners, a polygon has at least 3"


def test_c02_a_polygon_that_crosses_itself(folder: PackFolder) -> None:
    fault = zone(folder, "[[0, 300], [400, 720], [400, 300], [0, 720]]")
    assert fault == ZONE_KEY + "crosses itself (Self-intersection[200 510])"


def test_c03_a_polygon_outside_the_picture(folder: PackFolder) -> None:
    fault = zone(folder, "[[0, 300], [1400, 300], [400, 720]]")
    assert fault == ZONE_KEY + "corner (1400, 300) lies outside the 1280 x 720 picture"


def test_c04_a_polygon_without_an_area(folder: PackFolder) -> None:
    fault = zone(folder, "[[0, 300], [100, 300], [400, 300]]")
    assert fault == ZONE_KEY + "has no area: its corners lie on one line"


def test_c05_a_corner_twice(folder: PackFolder) -> None:
    fault = zone(folder, "[[0, 300], [400, 300], [400, 300], [0, 720]]")
    assert fault == ZONE_KEY + "corner (400, 300) stands there more than once"


def test_c06_a_corner_that_is_no_number(folder: PackFolder) -> None:
    assert zone(folder, "[[0, nan], [400, 300], [400, 720]]") == ZONE_KEY + "holds a NaN or an infinite number"


def test_c07_corners_that_are_shares_of_the_picture_and_a_mix_of_both(folder: PackFolder) -> None:
    fault = zone(folder, "[[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]")
    assert fault == ZONE_KEY + "looks normalised to 0..1: corners are native pixels here"
    folder.edit("cameras.toml", "[[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]", "[[0.1, 0.2], [0.5, 0.2], [400, 40000]]")
    assert folder.faults() == [ZONE_KEY + "corner (400, 40000) lies outside the 1280 x 720 picture"]


def test_c08_a_time_zone_that_there_is_not_and_an_hour_that_the_clocks_leave_out(folder: PackFolder) -> None:
    folder.edit("city.toml", "Asia/Shanghai", "Asia/Shangai")
    assert folder.faults() == [
        "city.toml: timezone = Asia/Shangai: is not a time zone like Asia/Shanghai; did you mean 'Asia/Shanghai'?"
    ]
    folder.edit("city.toml", "Asia/Shangai", "Europe/Berlin")
    folder.edit("permits.toml", '"01:00"', '"02:30"')
    (fault,) = folder.faults()
    assert fault == (
        "permits.toml: permit[p-1].hours[1] = 02:30 to 08:30: 02:30 does not exist on 2026-03-29, when the clocks go"
        " forward: choose a time outside the gap"
    )


def test_c09_a_place_that_names_a_camera_and_a_zone_that_there_are_not(folder: PackFolder) -> None:
    folder.edit("permits.toml", '[["cam-1", "left"]]', '[["kam-1", "left"], ["cam-1", "lft"]]')
    assert folder.faults() == [
        "permits.toml: permit[p-1].camera_zones = kam-1: is not a camera of cameras.toml; did you mean 'cam-1'?",
        "permits.toml: permit[p-1].camera_zones = lft: is not a zone of cam-1; did you mean 'left'?",
    ]


def test_c10_an_id_twice(folder: PackFolder) -> None:
    folder.edit("units.csv", "u-2,二", "u-1,二")
    folder.edit("cells.geojson", ', "waste": "u-2"', "")
    assert folder.faults() == ["units.csv:3: unit_id = u-1: is there twice"]


def test_c11_an_empty_file(folder: PackFolder) -> None:
    (folder.path / "city.toml").write_bytes(b"")
    assert folder.faults() == ["city.toml: is empty"]


def test_c12_byte_order_marks_and_tabs_are_taken_and_a_tab_as_a_divider_is_not(folder: PackFolder) -> None:
    (folder.path / "units.csv").write_text("\ufeff" + SMALL["units.csv"].replace(",", ",\t"), encoding="utf-8")
    folder.load()
    (folder.path / "units.csv").write_text(SMALL["units.csv"].replace(",", "\t"), encoding="utf-8")
    fault = folder.faults()[0]
    assert fault.startswith("units.csv:1: unit_id\\x09name_zh\\x09name_en: the first row must name the columns")


def test_c13_yaml_with_anchors_or_objects_is_no_configuration(file: Path) -> None:
    file.write_text("a: &a [x, x]\nb: &b [*a, *a]\n")
    assert refused(file)[0].startswith(f"{file}:1: is not TOML: ")
    file.write_text("x = !!python/object:os.system\n")
    assert refused(file)[0].startswith(f"{file}:1: is not TOML: ")


def test_c14_a_million_zones(folder: PackFolder) -> None:
    with (folder.path / "cameras.toml").open("a") as handle:
        handle.write('[[camera.zone]]\nname = "z"\npolygon = [[0, 0], [9, 0], [9, 9]]\n' * 70_000)
    size = (folder.path / "cameras.toml").stat().st_size
    assert f"cameras.toml: {size} bytes: is larger than the 4000000 bytes accepted here" in folder.faults()


def test_c15_a_number_out_of_its_range(folder: PackFolder, file: Path) -> None:
    folder.edit("classes.csv", "verify_first,2", "verify_first,-2")
    assert folder.faults() == ["classes.csv:4: handle_h = -2: should be greater than 0"]
    file.write_text("[alerts]\nstall_confidence = 1.5\n")
    assert refused(file) == [f"{file}: alerts.stall_confidence = 1.5: should be less than or equal to 1"]


def test_c16_a_secret_that_every_user_can_read(tmp_path: Path, file: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@h/d\n")
    (tmp_path / "url").chmod(0o644)
    file.write_text('[database]\nurl_file = "url"\n')
    data, _ = read_config(file, {})
    (fault,) = secret_faults(data, str(file))
    told = f"{file}: database.url_file = {tmp_path}/url: every user can read this secret: chmod 600 it (mode 0644)"
    assert str(fault) == told


def test_c17_a_variable_that_is_not_there_empty_or_under_another_name(tmp_path: Path, file: Path) -> None:
    """A misspelt variable is a missing one, and one that leads nowhere is as good as missing."""
    file.write_text("")
    assert refused(file, {"CURBWATCH_DATABSE__URL": "x"}) == [
        "environment: CURBWATCH_DATABSE__URL: unknown variable; did you mean 'CURBWATCH_DATABASE__URL'?"
    ]
    (fault,) = refused(file, {"CURBWATCH_HTTP__PORT": ""})
    assert fault.startswith("environment: CURBWATCH_HTTP__PORT: should be a valid integer")
    data, faults = read_config(file, {"CURBWATCH_REDIS__URL_FILE": str(tmp_path / "none")})
    assert faults == ()
    (missing,) = secret_faults(data, "environment")
    assert str(missing) == f"environment: redis.url_file = {tmp_path}/none: there is no such file"


def test_c18_a_pack_that_is_written_while_it_is_loaded_never_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path)
    read = watched.folder.load

    def between(path: Path) -> object:
        assert path == tmp_path
        found = read()
        watched.folder.edit("vehicles.csv", "gcj02", "bd9")
        monkeypatch.undo()
        return found

    monkeypatch.setattr("curbwatch.pack_reload.load_pack", between)
    watched.folder.edit("permits.toml", '"01:00"', '"02:00"')
    assert watched.looks(4) == ["", "", "", "refused"]
    assert watched.opens_min == 60


def test_c19_hours_over_midnight(folder: PackFolder) -> None:
    folder.edit("permits.toml", HOURS, 'from = "22:00"\nto = "02:00"')
    (fault,) = folder.faults()
    assert fault == (
        "permits.toml: permit[p-1].hours[1] = 22:00 to 02:00: ends before it starts: hours over midnight belong to the"
        " day on which they start, write 22:00 to 26:00"
    )


def test_c20_nothing_is_kept_for_no_time(file: Path) -> None:
    for key in KeepingKnobs.model_fields:
        if key.endswith(("_days", "_hours")):
            file.write_text(f"[keeping]\n{key} = 0\n")
            assert refused(file) == [f"{file}: keeping.{key} = 0: should be greater than or equal to 1"]
