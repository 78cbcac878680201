"""A pack goes to other programs and comes back the same; what comes back wrong is refused, and nothing is written."""

import csv
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.faults import Faults
from config.pack import Pack, load_pack
from config.pack_rows import HoursRow, PermitRow
from config.pack_rules_rows import FixtureRow, ShopFrontRow
from config.pack_write import FORMULA, guard, toml_text, unguard
from config.reading import parse_toml
from curbwatch.pack_exchange import PLACES, TABLES, ZONES, export_pack, import_pack
from ingest.crs import gcj02_to_bd09, wgs84_to_gcj02
from schemas.errors import ConfigError, UsageError
from tests.config.small_pack import PackFolder
from tests.config.small_rules import with_rules

Feature = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    (tmp_path / "pack").mkdir()
    return with_rules(PackFolder(tmp_path / "pack"))


def same(one: Pack, other: Pack) -> bool:
    """Whether two packs say the same: all but the digest of their files."""
    said = [(replace(pack.city, version=""), pack.cameras, pack.vehicles, pack.lang) for pack in (one, other)]
    return said[0] == said[1]


def features(path: Path) -> list[Feature]:
    return list(json.loads(path.read_text(encoding="utf-8"))["features"])


def write(path: Path, found: list[Feature]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": found}), encoding="utf-8")
    return path


def exported(folder: PackFolder) -> Path:
    out = folder.path.parent / "out"
    export_pack(str(folder.path), out)
    return out


def sources(out: Path) -> list[Path]:
    return sorted(out.iterdir())


def brought_back(folder: PackFolder, *paths: Path, **more: Any) -> Pack:  # noqa: ANN401
    return import_pack(paths, str(folder.path), folder.path.parent / "back", **more)[0]


def test_a_pack_that_went_out_and_came_back_is_the_same_to_the_digest(folder: PackFolder) -> None:
    out = exported(folder)
    assert {path.name for path in sources(out)} == {*PLACES, ZONES, *TABLES}
    pack, files = import_pack(sources(out), str(folder.path), folder.path.parent / "back")
    assert (files, pack.city) == ((), folder.load().city)


def test_a_night_goes_out_and_comes_back(folder: PackFolder) -> None:
    path = exported(folder) / "permits.geojson"
    permits = features(path)
    permits[0]["properties"]["hours"][0]["to"] = "24:30"
    assert brought_back(folder, write(path, permits)).city.permits[0].hours[0].end_min == 1470


def test_the_example_goes_out_and_comes_back(tmp_path: Path) -> None:
    export_pack("yanjiang", tmp_path / "out")
    pack, files = import_pack(sources(tmp_path / "out"), "yanjiang", tmp_path / "back")
    assert (files, pack.city) == ((), load_pack(Path("yanjiang")).city)


def test_everything_comes_out_of_the_files_where_the_base_says_something_else(folder: PackFolder) -> None:
    """The base has the same cameras and crews, and else nothing of what is brought."""
    before, out = folder.load(), exported(folder)
    base = _bare(folder)
    pack, files = import_pack(sources(out), str(base), folder.path.parent / "back")
    assert "permits.toml" in files
    assert "fixtures.toml" in files
    assert replace(pack.city, version="", rules=before.city.rules) == replace(before.city, version="")
    kept = replace(before.city.rules, calendar=pack.city.rules.calendar, campaigns=(), duties=())
    assert pack.city.rules == kept  # calendar, campaigns and duties are no places and no tables


def _bare(folder: PackFolder) -> Path:
    path = folder.path.parent / "base"
    path.mkdir()
    base = PackFolder(path)
    (path / "permits.toml").write_bytes(b"")
    base.edit("units.csv", "u-2,二,Two", "u-2,两,Zwei")
    base.edit("cameras.toml", "[[0, 300], [400, 300], [400, 720], [0, 720]]", "[[0, 300], [400, 300], [400, 700]]")
    return path


def test_places_are_geojson_as_the_standard_wants_it(folder: PackFolder) -> None:
    folder.edit(
        "cells.geojson",
        "[104.641,30.12],[104.641,30.121],[104.64,30.121]",
        "[104.64,30.121],[104.641,30.121],[104.641,30.12]",
    )
    out = exported(folder)
    for name in (*PLACES, ZONES):
        for feature in features(out / name):
            assert feature["type"] == "Feature"
            if feature["geometry"] is None:
                continue
            (ring,) = feature["geometry"]["coordinates"]
            assert ring[0] == ring[-1]
            turn = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring))
            assert turn > 0  # counterclockwise
            assert all(104 < lon < 105 and 30 < lat < 31 for lon, lat in ring)


def test_a_zone_is_shown_on_the_ground_and_taken_in_pixels(folder: PackFolder) -> None:
    out = exported(folder)
    (zone,) = features(out / ZONES)
    assert zone["properties"] == {
        "camera": "cam-1",
        "name": "left",
        "polygon_px": [[0, 300], [400, 300], [400, 720], [0, 720]],
    }
    assert len(zone["geometry"]["coordinates"][0]) == 5
    zone["properties"]["polygon_px"][0] = [0, 400]
    zone["geometry"] = None
    pack = brought_back(folder, write(out / ZONES, [zone]))
    assert list(pack.cameras["cam-1"].view.zones[0].polygon) == [(0, 400), (400, 300), (400, 720), (0, 720)]
    assert pack.cameras["cam-1"].view.calibration == folder.load().cameras["cam-1"].view.calibration


def test_a_zone_of_the_sky_has_no_ground(folder: PackFolder) -> None:
    folder.edit("cameras.toml", "[[0, 300], [400, 300], [400, 720], [0, 720]]", "[[0, 90], [400, 30], [400, 99]]")
    assert features(exported(folder) / ZONES)[0]["geometry"] is None


def holed(feature: Feature) -> None:
    feature["geometry"]["coordinates"] *= 2


def swapped(feature: Feature) -> None:
    feature["geometry"]["coordinates"] = [[[y, x] for x, y in feature["geometry"]["coordinates"][0]]]


def of_two_parts(feature: Feature) -> None:
    feature["geometry"]["type"] = "MultiPolygon"


def saying(**values: object) -> Callable[[Feature], None]:
    """Edits properties; None takes one away."""
    return lambda feature: feature["properties"].update(values)


@pytest.mark.parametrize(
    ("name", "edit", "expected"),
    [
        ("cells.geojson", holed, "features[0].geometry = 2 rings: has holes: a place is one ring"),
        ("permits.geojson", holed, "features[0].geometry = 2 rings: has holes: a place is one ring"),
        ("permits.geojson", of_two_parts, "features[0].geometry = MultiPolygon: is not a Polygon"),
        ("permits.geojson", saying(valid_from="soon"), "permit[p-1].valid_from = soon: should be a valid date"),
        ("permits.geojson", saying(fill="red"), "permit[p-1].fill: unknown key"),
        ("permits.geojson", swapped, "permits.toml: permit[p-1].polygon: is not longitude, latitude … swapped?"),
        ("shopfronts.geojson", saying(party=None), "shop_front[s-1].party: is missing"),
        ("areas.geojson", saying(**{"class": "06099"}), "areas.toml: area[a-1].class = 06099: is not in classes.csv"),
        (ZONES, saying(camera="cam-7"), "features[0].camera = cam-7: is not a camera of cameras.toml"),
        (ZONES, saying(polygon_px=[[0, 0]]), "cameras.toml: camera[cam-1].zone[left].polygon: has 1 corners"),
    ],
)
def test_what_comes_back_wrong_is_refused_and_nothing_is_written(
    folder: PackFolder, name: str, edit: Callable[[Feature], None], expected: str
) -> None:
    out = exported(folder)
    found = features(out / name)
    edit(found[0])
    with pytest.raises(ConfigError) as caught:
        brought_back(folder, write(out / name, found))
    assert all(part in str(caught.value) for part in expected.split(" … ")), str(caught.value)
    assert not (folder.path.parent / "back").exists()


def test_a_place_may_come_back_without_ground_where_a_camera_sees_it(folder: PackFolder) -> None:
    out = exported(folder)
    found = features(out / "fixtures.geojson")
    found[0]["geometry"] = None
    pack = brought_back(folder, write(out / "fixtures.geojson", found))
    (fixture,) = pack.city.rules.fixtures
    assert (fixture.polygon, fixture.camera_boxes) == ((), (("cam-1", (10.0, 20.0, 30.0, 40.0)),))


def test_every_fault_of_every_file_is_told_at_once(folder: PackFolder) -> None:
    out = exported(folder)
    write(out / "permits.geojson", [{"type": "Feature"}])
    (out / "units.csv").write_text("unit_id,name_zh,name_en\nu 1,一,One\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        brought_back(folder, *sources(out))
    assert [fault.file for fault in caught.value.faults] == ["permits.geojson", "units.csv:2"]


def test_a_file_of_another_name_and_a_folder_in_use_are_refused(folder: PackFolder) -> None:
    out = exported(folder)
    with pytest.raises(UsageError, match=r"roads\.geojson: an import is one of cells\.geojson"):
        brought_back(folder, out / "roads.geojson")
    with pytest.raises(UsageError, match="is not empty: nothing is overwritten"):
        import_pack(sources(out), str(folder.path), folder.path)
    with pytest.raises(UsageError, match="is not empty"):
        export_pack(str(folder.path), out)
    with pytest.raises(UsageError, match="cannot be made"):
        export_pack(str(folder.path), out / "units.csv")


def shifted(found: list[Feature], crs: str) -> list[Feature]:
    """The same places as a map of another system has them."""
    for feature in found:
        if feature["geometry"]:
            lon, lat = wgs84_to_gcj02(*np.array(feature["geometry"]["coordinates"][0]).T)
            if crs == "bd09":
                lon, lat = gcj02_to_bd09(lon, lat)
            feature["geometry"]["coordinates"] = [[list(pair) for pair in zip(lon.tolist(), lat.tolist(), strict=True)]]
    return found


@pytest.mark.parametrize("crs", ["gcj02", "bd09"])
def test_places_in_another_system_are_stored_as_wgs84(folder: PackFolder, crs: Any) -> None:  # noqa: ANN401
    out = exported(folder)
    before = folder.load().city
    for name in ("cells.geojson", "permits.geojson"):
        write(out / name, shifted(features(out / name), crs))
    pack = brought_back(folder, out / "cells.geojson", out / "permits.geojson", crs=crs)
    for one, other in (
        (pack.city.permits[0].polygon, before.permits[0].polygon),
        (pack.city.cells["512002001001001"].polygon, before.cells["512002001001001"].polygon),
    ):
        assert np.abs(np.array(one) - np.array(other)).max() < 2e-8  # 2 mm


def test_a_spreadsheet_finds_no_formula_and_the_names_come_back(folder: PackFolder) -> None:
    """A17: a cell that begins with = + - @ or a tab is a text to a spreadsheet."""
    names = ['=HYPERLINK("http://x")', "+1", "-2", "@SUM(A1)", "'quoted", "plain", "o'clock"]
    rows = "".join(f'u-1{n},"{name.replace(chr(34), chr(34) * 2)}",N\n' for n, name in enumerate(names))
    with (folder.path / "units.csv").open("a", encoding="utf-8") as handle:
        handle.write(rows)
    out = exported(folder)
    with (out / "units.csv").open(encoding="utf-8-sig", newline="") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert not [cell for cell in cells if cell.startswith(FORMULA)]
    assert '\'=HYPERLINK("http://x")' in cells
    assert "o'clock" in cells
    (out / "units.csv").write_text((out / "units.csv").read_text(encoding="utf-8") + "u-9,九,Nine\n", encoding="utf-8")
    pack = brought_back(folder, out / "units.csv")
    assert [unit.name_zh for unit in pack.city.units.values()][2:] == [*names, "九"]


@given(st.text(max_size=6) | st.text(st.sampled_from("=+-@'\t\ra"), max_size=4))
def test_a_guarded_cell_comes_back_and_begins_no_formula(cell: str) -> None:
    assert unguard(guard(cell)) == cell
    assert unguard("'s " + cell) == "'s " + cell  # as people write
    assert not guard(cell).startswith(FORMULA)


NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
DAYS = st.lists(st.sampled_from(["mon", "wed", "sun", "holiday"]), min_size=1, unique=True)


@st.composite
def hours(draw: st.DrawFn) -> HoursRow:
    start, end = draw(st.integers(0, 11)), draw(st.integers(12, 23))
    return HoursRow.model_validate({"days": tuple(draw(DAYS)), "from": f"{start:02d}:00", "to": f"{end:02d}:30"})


SPAN = st.tuples(st.dates(date(2026, 1, 1), date(2030, 1, 1)), st.integers(0, 900))


@st.composite
def ring(draw: st.DrawFn, column: int) -> tuple[tuple[float, float], ...]:
    """A triangle of its own column of the district, either way round."""
    west, south = 104.6 + column / 100, draw(st.floats(30.1, 30.2))
    wide, high = draw(st.floats(1e-5, 9e-3)), draw(st.floats(1e-5, 9e-3))
    corners = ((west, south), (west + wide, south), (west + wide, south + high))
    return corners if draw(st.booleans()) else corners[::-1]


@st.composite
def places(draw: st.DrawFn) -> dict[str, str]:
    """Files of a pack with permits, fixtures and shop fronts of any names, places, hours and dates."""
    found: dict[str, str] = {}
    permits, fixtures, fronts = [], [], []
    for number in range(draw(st.integers(0, 3))):
        polygon, (first, days) = draw(ring(number)), draw(SPAN)
        base: Mapping[str, Any] = {"id": f"x-{number}", "name": draw(NAME), "polygon": polygon}
        dates = {"valid_from": first, "valid_to": date.fromordinal(first.toordinal() + days)}
        permits.append(PermitRow.model_validate({**base, **dates, "families": ("stall",), "hours": (draw(hours()),)}))
        box = {"camera": "cam-2", "box_px": (1.5, 2.0, draw(st.floats(0.5, 90.0)), 3.0)}
        boxes = (box,) if draw(st.booleans()) else ()
        families = tuple(draw(st.lists(st.sampled_from(["stall", "waste"]), min_size=1, unique=True)))
        fixtures.append(FixtureRow.model_validate({**base, "families": families, "box": boxes}))
        fronts.append(ShopFrontRow.model_validate({**base, "party": draw(NAME)}))
    for file, array, rows in (
        ("permits.toml", "permit", permits),
        ("fixtures.toml", "fixture", fixtures),
        ("shopfronts.toml", "shop_front", fronts),
    ):
        found[file] = toml_text(array, rows)
    return found


@settings(deadline=None, max_examples=40)
@given(places())
def test_any_places_go_out_and_come_back(texts: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        (path / "pack").mkdir()
        (path / "base").mkdir()
        pack = PackFolder(path / "pack")
        base = PackFolder(path / "base")
        (path / "base" / "permits.toml").write_bytes(b"")
        for name, text in texts.items():
            (pack.path / name).write_text(text, encoding="utf-8", newline="")
        before = pack.load()
        export_pack(str(pack.path), path / "out")
        after, _ = import_pack(sources(path / "out"), str(base.path), path / "back")
        assert same(before, after)
        export_pack(str(path / "back"), path / "again")
        for file in sources(path / "out"):
            assert (path / "again" / file.name).read_bytes() == file.read_bytes()


@given(st.dictionaries(st.sampled_from(["name", "party"]), NAME, min_size=2))
def test_any_text_is_written_as_toml_that_reads_back(values: dict[str, str]) -> None:
    row = ShopFrontRow.model_validate({"id": "s", **values})
    document = parse_toml(toml_text("shop_front", [row]), Faults(), "x")
    assert document is not None
    assert ShopFrontRow.model_validate(document["shop_front"][0]) == row


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = ("geometry", "properties", "coordinates", "camera", "polygon_px", "id", "hours", "valid_from", "box", "units")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    name=st.sampled_from((*PLACES, ZONES)),
    key=st.sampled_from(KEYS),
    value=JSON,
    crs=st.sampled_from(["wgs84", "bd09"]),
)
def test_any_feature_is_taken_or_refused(folder: PackFolder, name: str, key: str, value: object, crs: Any) -> None:  # noqa: ANN401
    out = folder.path.parent / "out"
    if not out.exists():
        exported(folder)
    with tempfile.TemporaryDirectory() as made:
        found = features(out / name)
        place = (
            (found[0]["geometry"] or found[0])
            if key == "coordinates"
            else found[0]
            if key in found[0]
            else found[0]["properties"]
        )
        place[key] = value
        try:
            import_pack([write(Path(made) / name, found)], str(folder.path), Path(made) / "back", crs=crs)
        except ConfigError as error:
            assert error.faults  # noqa: PT017 - most examples are refused, none may end otherwise
            assert not (Path(made) / "back").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(name=st.sampled_from((*PLACES, ZONES, *TABLES)), data=st.data())
def test_a_damaged_export_is_taken_or_refused(folder: PackFolder, name: str, data: st.DataObject) -> None:
    out = folder.path.parent / "out"
    if not out.exists():
        exported(folder)
    with tempfile.TemporaryDirectory() as made:
        original = (out / name).read_bytes()
        start = data.draw(st.integers(0, len(original)))
        patch = data.draw(
            st.binary(max_size=8) | st.sampled_from([b"[", b"NaN", b"1e999", b'"', b"{}", b"null", b"'="])
        )
        (Path(made) / name).write_bytes(original[:start] + patch + original[start + data.draw(st.integers(0, 30)) :])
        try:
            import_pack([Path(made) / name], str(folder.path), Path(made) / "back")
        except ConfigError as error:
            assert error.faults  # noqa: PT017 - most examples are refused, none may end otherwise
