"""A wrong pack is refused with file, key and value: every fault at once."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.pack_read import FILES
from schemas.errors import ConfigError
from tests.config.small_pack import SMALL, PackFolder

ZONE = "[[0, 300], [400, 300], [400, 720], [0, 720]]"
GROUND = "[[104.64, 30.12], [104.6405, 30.12], [104.6405, 30.1205]]"
HOURS = 'from = "01:00"\nto = "08:30"'


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    return PackFolder(tmp_path)


def test_the_small_pack_is_right(folder: PackFolder) -> None:
    pack = folder.load()
    assert pack.warnings == ()
    assert pack.cameras["cam-2"].view.zones == ()
    assert len(pack.city.cells["512002001001001"].polygon) == 4


ZONE_KEY = "cameras.toml: camera[cam-1].zone[left].polygon: "


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        ("[[0, 300], [400, 300]]", "has 2 corners"),
        ("[]", "has 0 corners"),
        ("[[0, 300], [400, 720], [400, 300], [0, 720]]", "crosses itself"),
        ("[[0, 300], [1400, 300], [400, 720]]", "corner (1400, 300) lies outside the 1280 x 720 picture"),
        ("[[-1, 300], [400, 300], [400, 720]]", "lies outside"),
        ("[[0, 300], [100, 300], [400, 300]]", "has no area"),
        ("[[0, 300], [400, 300], [400, 300], [0, 720]]", "corner (400, 300) stands there more than once"),
        ("[[0, 300], [400, 300], [400, 720], [0, 300]]", "corner (0, 300) stands there more than once"),
        ("[[0, nan], [400, 300], [400, 720]]", "holds a NaN"),
        ("[[0, inf], [400, 300], [400, 720]]", "holds a NaN"),
        ("[[0.1, 0.2], [0.5, 0.2], [0.5, 0.9]]", "looks normalised"),
    ],
)
def test_a_zone_that_is_no_polygon_of_the_picture_is_refused(folder: PackFolder, polygon: str, expected: str) -> None:
    folder.edit("cameras.toml", ZONE, polygon)
    (fault,) = folder.faults()
    assert fault.startswith(ZONE_KEY)
    assert expected in fault


def test_a_mix_of_normalised_and_pixel_corners_is_refused(folder: PackFolder) -> None:
    folder.edit("cameras.toml", ZONE, "[[0.1, 0.2], [0.5, 0.2], [400, 0.9], [12, 40000]]")
    assert "lies outside" in folder.faults()[0]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        # time zones (C08) and the hour that does not exist
        ("city.toml", "Asia/Shanghai", "Asia/Shangai", "timezone = Asia/Shangai: is not a time zone … 'Asia/Shanghai'"),
        ("city.toml", "Asia/Shanghai", "../etc/passwd", "timezone = ../etc/passwd: is not a time zone"),
        ("city.toml", "Asia/Shanghai", "Europe", "timezone = Europe: is not a time zone"),
        # what names nothing, C09
        ("permits.toml", '"cam-1", "left"', '"cam-9", "left"', "p-1].camera_zones = cam-9: is not a camera"),
        ("permits.toml", '"cam-1", "left"', '"cam-1", "lft"', "= lft: is not a zone of cam-1; did you mean 'left'"),
        ("cameras.toml", '"u-1"', '"u-3"', "camera[cam-1].unit = u-3: is not in units.csv"),
        ("cameras.toml", "512002001001001", "512002001001002", "cell = 512002001001002: is not in cells.geojson"),
        ("cells.geojson", '"waste": "u-2"', '"waste": "u-5"', "units.waste = u-5: is not in units.csv"),
        ("vehicles.csv", "u-1", "u-7", "vehicles.csv:2: unit = u-7: is not in units.csv"),
        ("city.toml", '"06010"', '"06011"', "default_class.waste = 06011: is not in classes.csv"),
        ("city.toml", '"06010"', '"09006"', "default_class.waste = 09006: is a class of family stall"),
        ("city.toml", 'waste = "06010"', "", "default_class.waste: is missing"),
        ("cells.geojson", '"*": "u-1", ', "", "units: names no unit for stall"),
        # an id twice, C10
        ("cameras.toml", "cam-2", "cam-1", "cameras.toml: id = cam-1: is there twice"),
        ("vehicles.csv", "car-1", "cam-1", "vehicles.csv:2: id = cam-1: is there twice"),
        ("units.csv", "u-2,二", "u-1,二", "units.csv:3: unit_id = u-1: is there twice"),
        ("classes.csv", "06010,垃圾", "09006,垃圾", "classes.csv:5: code = 09006: is there twice"),
        # codes that are none
        ("cells.geojson", "512002001001001", "51200200100101", "= 51200200100101: is not a cell code of 15 digits"),
        ("cells.geojson", "512002001001001", "51200200100100A", "is not a cell code of 15 digits"),
        ("city.toml", "512002", "512003", "cell_id = 512002001001001: does not start with the district 512003"),
        (
            "cells.geojson",
            '"512002001001001"',
            '"512002001000001"',
            "= 512002001000001: street, community and cell count",
        ),
        ("city.toml", "512002", "990000", "district = 990000: no province has the code 99 (GB/T 2260)"),
        ("classes.csv", "06010,", "05010,", "code = 05010: class 05 is of parts; matters are 06 to 10, or local"),
        ("classes.csv", "06010,", "15010,", "code = 15010: class 15 is not given"),
        ("classes.csv", "09006,", "9006,", "code = 9006: has four digits"),
        ("classes.csv", "09006,", "51200209006,", "11-digit form … 09006"),
        ("classes.csv", "09006,", "04-06,", "code = 04-06: is not a code of five digits"),
        ("classes.csv", "09006,", "０９００６,", "is not a code of five digits"),
        # a number out of its range, C15
        ("classes.csv", "verify_first,2", "verify_first,0", "handle_h = 0: should be greater than 0"),
        ("classes.csv", "verify_first,2", "verify_first,nan", "handle_h = nan"),
        ("classes.csv", "verify_first,2", "maybe,2", "mode = maybe: should be 'verify_first' or 'direct'"),
        (
            "cameras.toml",
            "bearing_deg = 10",
            "bearing_deg = 360",
            "calibration.bearing_deg = 360: should be less than 360",
        ),
        ("cameras.toml", "horizon_row = 100.0", "horizon_row = 720.0", "horizon_row = 720.0: lies below"),
        ("cameras.toml", "px_per_m_slope = 0.2", "px_per_m_slope = 0", "px_per_m_slope = 0: should be greater than 0"),
        ("cameras.toml", "width = 1280", 'width = "1280"', "camera[cam-1].width = 1280: should be a valid intege"),
        ("cameras.toml", "lat = 30.1205", "lat = nan", "camera[cam-1].lat = nan"),
        ("vehicles.csv", "gcj02", "gcj2", "vehicles.csv:2: crs = gcj2: should be"),
        ("vehicles.csv", "car-1", "car 1", "vehicles.csv:2: id = car 1: "),
        # over midnight (C19), and the rest of a permit
        ("permits.toml", HOURS, 'from = "22:00"\nto = "02:00"', "the day on which they start, write 22:00 to 26:00"),
        ("permits.toml", HOURS, 'from = "08:00"\nto = "08:00"', "starts when it ends"),
        ("permits.toml", HOURS, 'from = "8:00"\nto = "09:00"', "from = 8:00: is not a clock time"),
        (
            "permits.toml",
            HOURS,
            'from = "22:00"\nto = "08:00"',
            "write 22:00 to 30:00 and, on the days … 06:00 to 08:00",
        ),
        ("permits.toml", HOURS, 'from = "08:00"\nto = "30:30"', "to = 30:30: is not a clock time from 00:00 to 30:00"),
        (
            "permits.toml",
            HOURS,
            'from = "24:00"\nto = "25:00"',
            "from = 24:00: is not a clock time from 00:00 to 23:59",
        ),
        ("permits.toml", HOURS, 'from = "05:00"\nto = "29:01"', "is longer than a day: all day is 00:00 to 24:00"),
        ("permits.toml", HOURS, 'from = "08:60"\nto = "09:30"', "from = 08:60: is not a clock time"),
        ("permits.toml", '"mon"', '"monday"', "hours[0].days[0] = monday: should be"),
        ("permits.toml", "polygon", 'classes = ["09007"]\npolygon', "p-1].classes = 09007: is not in classes.csv; did"),
        ("permits.toml", "polygon", 'classes = ["06010"]\npolygon', "p-1].classes = 06010: is a class of family waste"),
        ("permits.toml", "2026-01-01", "2027-01-01", "valid_from = 2027-01-01 to 2026-12-31: ends before it starts"),
        ("permits.toml", "2026-01-01", '"2026-01-01"', "valid_from = 2026-01-01: should be a valid date"),
        ("permits.toml", GROUND, "[[30.12, 104.64], [30.12, 104.6405], [30.1205, 104.6405]]", "are the two swapped"),
        ("permits.toml", GROUND, "[[400, 300], [500, 300], [500, 400]]", "is not longitude, latitude in degrees"),
        ("permits.toml", GROUND, "[[104.64, 30.12], [104.6405, 30.12]]", "p-1].polygon: has 2 corners"),
        # shapes of files
        ("permits.toml", "[[permit]]", "[[permits]]", "permits: unknown key: this file holds [[permit]] tables"),
        ("cameras.toml", 'unit = "u-1"', 'unt = "u-1"', "camera[cam-1].unt: unknown key; did you mean 'unit'"),
        ("cameras.toml", "height_m = 5", "heigth_m = 5", "calibration.heigth_m: unknown key; did you mean 'height_m'"),
        ("units.csv", "name_zh", "name_cn", "units.csv:2: name_cn: unknown key; did you mean 'name_"),
        ("units.csv", "u-2,二,Two", "u-2,二", "units.csv:3: u-2,二: has 2 cells, the header 3"),
        ("units.csv", "unit_id,name_zh,name_en", "a,b,c", "the first row must name the columns"),
        ("units.csv", "name_zh,name_en", "name_zh,name_zh", "name_zh: column is named twice"),
        ("units.csv", "u-1,一,One", 'u-1,一,"One', "is not CSV"),
        ("cells.geojson", '"Polygon"', '"MultiPolygon"', "geometry = MultiPolygon: is not a Polygon"),
        ("cells.geojson", '"FeatureCollection"', '"Feature"', "is not a GeoJSON FeatureCollection"),
        ("cells.geojson", "]}}\n]}", "]}}\n]", "cells.geojson:5: is not JSON"),
        ("cells.geojson", "[104.641,30.12]", "[NaN,30.12]", "polygon: holds a NaN"),
        ("cells.geojson", "[104.641,30.12]", '["a",30.12]', "cell[512002001001001].polygon[1][0] = a"),
    ],
)
def test_one_fault_is_named(folder: PackFolder, file: str, old: str, new: str, expected: str) -> None:
    folder.edit(file, old, new)
    faults = folder.faults()
    assert any(all(part in fault for part in expected.split(" … ")) for fault in faults), faults


VEHICLES = "id,kind,unit,crs\ncar-1,enforcement,u-1,gcj02\n"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("a:1 | a:1", "vehicles.csv:2: aliases = a:1: is an alias of car-1 already"),
        ("frigate:x", "vehicles.csv:2: aliases = frigate:x: is an alias of cam-2 already"),
        ("owntracks:cam-2", "vehicles.csv:2: aliases = owntracks:cam-2: cam-2 is the id of another device"),
        ("plain", "vehicles.csv:2: aliases[0] = plain:"),
        ("Own:x", "vehicles.csv:2: aliases[0] = Own:x:"),
    ],
)
def test_an_id_in_another_form_leads_to_one_device(folder: PackFolder, cells: str, expected: str) -> None:
    folder.edit("cameras.toml", 'id = "cam-2"', 'id = "cam-2"\naliases = ["frigate:x"]')
    folder.edit("vehicles.csv", VEHICLES, f"id,kind,aliases\ncar-1,muck,{cells}\n")
    assert [fault.startswith(expected) for fault in folder.faults()] == [True]
    (folder.path / "vehicles.csv").write_text("id,kind,aliases\ncar-1,muck,tb:Device A; 1|jt808:0139\n")
    assert folder.load().vehicles["car-1"].aliases == ("tb:Device A; 1", "jt808:0139")


def test_every_fault_is_reported_at_once(folder: PackFolder) -> None:
    folder.edit("city.toml", "Asia/Shanghai", "Mars/Base")
    folder.edit("classes.csv", "verify_first,2", "verify_first,-2")
    folder.edit("units.csv", "u-2,", "u 2,")
    folder.edit("cells.geojson", "[104.641,30.121]", "[104.64,30.121]")
    folder.edit("permits.toml", GROUND, "[]")
    folder.edit("permits.toml", '[["cam-1", "left"]]', "[]")
    folder.edit("cameras.toml", ZONE, "[[0, 0]]")
    folder.edit("cameras.toml", "height = 480", "height = 0")
    folder.edit("vehicles.csv", "enforcement", "police")
    files = [fault.partition(":")[0] for fault in folder.faults()]
    # The cell's unit u-2 is no fault of its own kind, but its row cannot be known under another name.
    assert set(files) == set(FILES)


def test_a_bad_row_does_not_make_its_references_faults(folder: PackFolder) -> None:
    folder.edit("units.csv", "u-1,一,One", "u-1,,One")
    folder.edit("cameras.toml", "height = 480", "height = 0")
    assert [fault.partition(":")[0] for fault in folder.faults()] == ["units.csv", "cameras.toml"]


@pytest.mark.parametrize("name", ["city.toml", "classes.csv", "units.csv", "cells.geojson"])
def test_an_empty_file_is_refused_where_something_must_be_said(folder: PackFolder, name: str) -> None:
    (folder.path / name).write_bytes(b"")
    assert any(fault.startswith(f"{name}: is empty") for fault in folder.faults())


def test_a_city_without_permits_cameras_and_vehicles_is_allowed(folder: PackFolder) -> None:
    for name in ("permits.toml", "cameras.toml", "vehicles.csv"):
        (folder.path / name).write_bytes(b"")
    pack = folder.load()
    assert (pack.city.permits, pack.cameras, pack.vehicles) == ((), {}, {})


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: PackFolder, name: str) -> None:
    (folder.path / name).unlink()
    assert any(fault == f"{name}: there is no such file" for fault in folder.faults())


def test_a_table_saved_by_a_spreadsheet_in_gbk_is_explained(folder: PackFolder) -> None:
    path = folder.path / "units.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("gbk"))
    assert any("is not UTF-8 (it looks like GBK" in fault for fault in folder.faults())


def test_byte_order_marks_and_windows_line_ends_are_accepted(folder: PackFolder) -> None:
    for name in FILES:
        path = folder.path / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    folder.load()


def test_a_million_zones_are_refused_by_size(folder: PackFolder) -> None:
    with (folder.path / "cameras.toml").open("a") as handle:
        handle.write('[[camera.zone]]\nname = "z"\npolygon = [[0, 0], [9, 0], [9, 9]]\n' * 1_000_000)
    faults = folder.faults()
    assert any("cameras.toml" in fault and "is larger than" in fault for fault in faults)


def test_too_many_zones_and_corners_are_refused(folder: PackFolder) -> None:
    zones = "".join(f'[[camera.zone]]\nname = "z{n}"\npolygon = [[0, 0], [9, 0], [9, {n + 1}]]\n' for n in range(65))
    with (folder.path / "cameras.toml").open("a") as handle:
        handle.write(zones)
    corners = [[round(640 + 100 * math.cos(a / 200), 3), round(360 + 100 * math.sin(a / 200), 3)] for a in range(600)]
    folder.edit("cameras.toml", ZONE, str(corners))
    faults = folder.faults()
    assert any("has 600 corners, at most 500" in fault for fault in faults)
    assert any("camera[cam-2].zone = 65 entries: should have at most 64" in fault for fault in faults)


def test_a_flood_of_faults_is_cut(folder: PackFolder) -> None:
    with (folder.path / "units.csv").open("a") as handle:
        handle.write("u x,一,One\n" * 1000)
    faults = folder.faults()
    assert len(faults) == 201
    assert "more faults" in faults[-1]


@pytest.mark.parametrize(
    ("start", "end", "refused"),
    [("02:30", "09:00", True), ("02:00", "09:00", True), ("01:00", "02:30", True), ("03:00", "09:00", False)],
)
def test_an_hour_the_clocks_leave_out_is_refused(folder: PackFolder, start: str, end: str, refused: bool) -> None:
    folder.edit("city.toml", "Asia/Shanghai", "Europe/Berlin")
    folder.edit("permits.toml", HOURS, f'from = "{start}"\nto = "{end}"')
    if refused:
        assert "does not exist on 2026-03-29, when the clocks go forward" in folder.faults()[0]
    else:
        folder.load()


def test_an_hour_left_out_on_another_weekday_is_no_fault(folder: PackFolder) -> None:
    folder.edit("city.toml", "Asia/Shanghai", "Europe/Berlin")
    folder.edit("permits.toml", HOURS, 'from = "02:30"\nto = "09:00"')
    folder.edit("permits.toml", ', "sun"', "")
    folder.load()


def test_overlapping_cells_are_a_warning(folder: PackFolder) -> None:
    cell = (folder.path / "cells.geojson").read_text(encoding="utf-8")
    feature = cell.partition('"features": [')[2].rpartition("\n]}")[0]
    second = feature.replace("512002001001001", "512002001001002").replace("104.641", "104.6405")
    (folder.path / "cells.geojson").write_text(cell.replace(feature, feature + "," + second), encoding="utf-8")
    assert [str(warning) for warning in folder.load().warnings] == [
        "cells.geojson: cell[512002001001001]: overlaps cell 512002001001002: a place belongs to one cell",
    ]


def test_the_version_is_a_digest_of_the_files(folder: PackFolder) -> None:
    before = folder.load().city.version
    assert folder.load().city.version == before
    folder.edit("classes.csv", "# source: nobody", "# source: somebody")
    assert folder.load().city.version != before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120)
@given(name=st.sampled_from(FILES), data=st.data())
def test_a_damaged_pack_loads_or_is_refused(folder: PackFolder, name: str, data: st.DataObject) -> None:
    original = SMALL[name].encode()
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 40)))
    patch = data.draw(
        st.one_of(st.binary(max_size=12), st.sampled_from([b"[", b"nan", b"1e999", b'"', b"{}", b"null"]))
    )
    (folder.path / name).write_bytes(original[:start] + patch + original[end:])
    try:
        folder.load()
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - most examples are refused, none may end otherwise
    finally:
        (folder.path / name).write_bytes(original)
