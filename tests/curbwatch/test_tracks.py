"""Tracks in the forms people have them; only positions with times count, and what does not is named."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curbwatch.tuning.tracks import (
    Fix,
    Parsed,
    find_tracks,
    free_id,
    read_barefoot,
    read_gpx,
    read_plt,
    read_table,
)
from schemas.errors import UsageError

DATA = Path(__file__).parents[3] / "shared/data"
PARSERS = (read_gpx, read_barefoot, read_table, read_plt)
NS = 1_000_000_000
HEADER = "lat,lng,datetime,uid\n"
PLT = "Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255,My Track,0,0,2,8421376\n0\n"
LON, LAT = st.floats(-180, 180), st.floats(-90, 90)
SECONDS = st.integers(0, 4_000_000_000)


def gpx(points: str) -> str:
    return f'<gpx version="1.1" creator="t"><trk><trkseg>{points}</trkseg></trk></gpx>'


@pytest.mark.parametrize("parse", PARSERS)
def test_an_empty_file_is_no_track(parse: Callable[[str], Parsed]) -> None:
    parsed = parse("")
    assert parsed.fixes == {}
    assert parsed.foreign


@pytest.mark.parametrize("text", [gpx(""), "[]", HEADER, PLT])
def test_a_file_without_rows_has_no_positions(text: str, tmp_path: Path) -> None:
    suffix = {"<": ".gpx", "[": ".json", "l": ".csv", "G": ".plt"}[text[0]]
    file = tmp_path / f"one{suffix}"
    file.write_text(text)
    tracks, skipped = find_tracks(file)
    assert tracks == []
    assert [item.path for item in skipped] == [file]


@given(st.text() | st.from_regex(r"[\[{<]?[a-z0-9,:\"{}\[\]<>/. \-\n]*"))
def test_no_text_raises(text: str) -> None:
    for parse in PARSERS:
        for head in ("", HEADER, PLT):
            parse(head + text)
    read_gpx(gpx(text))


@given(st.lists(st.tuples(LON, LAT, SECONDS)))
def test_barefoot_comes_back_as_it_was_written(rows: list[tuple[float, float, int]]) -> None:
    entries = [
        {
            "point": f"POINT({lon} {lat})",
            "time": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S%z"),
            "id": "\\x0001",
        }
        for lon, lat, seconds in rows
        if seconds
    ]
    parsed = read_barefoot(json.dumps(entries))
    assert parsed.fixes.get("", []) == [Fix(seconds * NS, lon, lat) for lon, lat, seconds in rows if seconds]
    assert parsed.faults == []


@given(st.lists(st.tuples(LON, LAT, SECONDS, st.sampled_from(["001", "005"]))))
def test_a_table_comes_back_as_it_was_written_by_person(rows: list[tuple[float, float, int, str]]) -> None:
    lines = [
        f"{lat},{lon},{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S},{uid}" for lon, lat, seconds, uid in rows
    ]
    parsed = read_table(HEADER + "\n".join(lines))
    for uid in ("001", "005"):
        expected = [Fix(seconds * NS, lon, lat) for lon, lat, seconds, name in rows if name == uid]
        assert parsed.fixes.get(uid, []) == expected
    assert parsed.faults == []


@given(st.lists(st.tuples(LON, LAT, st.integers(0, 3_000_000_000_000)), min_size=1))
def test_gpx_keeps_milliseconds(rows: list[tuple[float, float, int]]) -> None:
    points = "".join(
        f'<trkpt lat="{lat:.17f}" lon="{lon:.17f}"><time>'
        f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z</time></trkpt>"
        for lon, lat, ms in rows
    )
    fixes = read_gpx(gpx(points)).fixes[""]
    assert [fix.ts_ns for fix in fixes] == [ms * 1_000_000 for _, _, ms in rows]


def test_gpx_says_what_it_knows_and_no_more() -> None:
    points = """<trkpt lat="30.1" lon="104.6"><ele>382</ele><time>2026-05-04T07:30:00+08:00</time><sat>9</sat>
      </trkpt><trkpt lat="30.2" lon="104.7"/>
      <trkpt lat="30.2" lon="104.7"><time>2026-05-03T23:30:01.5Z</time></trkpt>"""
    parsed = read_gpx(gpx(points))
    assert parsed.fixes[""] == [
        Fix(1_777_851_000 * NS, 104.6, 30.1, alt_m=382.0, sat=9),
        Fix(1_777_851_001_500_000_000, 104.7, 30.2),
    ]
    assert parsed.timeless == 1


def test_gpx_1_0_carries_speed_and_course() -> None:
    text = """<gpx version="1.0" creator="t"><trk><trkseg><trkpt lat="1" lon="2"><time>2026-05-04T00:00:00Z</time>
      <course>271</course><speed>5.5</speed></trkpt></trkseg></trk></gpx>"""
    (fix,) = read_gpx(text).fixes[""]
    assert (fix.speed_mps, fix.heading_deg) == (5.5, 271)


def test_plt_is_in_feet_and_greenwich_time() -> None:
    text = PLT + "39.984702,116.318417,0,492,39744.1201851852,2008-10-23,02:53:04\n1,2,0,-777,0,2008-10-23,02:53:10\n"
    first, second = read_plt(text).fixes[""]
    assert (first.ts_ns, first.lon, first.lat) == (1_224_730_384 * NS, 116.318417, 39.984702)
    assert first.alt_m == pytest.approx(149.96, abs=0.01)
    assert second.alt_m is None


@pytest.mark.parametrize(
    ("parse", "text", "where"),
    [
        (read_table, HEADER + "1,2,2008-10-23 05:53:05,a\nx,2,2008-10-23 05:53:05,a", "line 3: could not convert"),
        (read_table, HEADER + "1,2,yesterday,a\n1,2,2008-10-23 05:53:05,a", "line 2: Invalid isoformat"),
        (read_table, HEADER + "1,2\n1,2,2008-10-23 05:53:05,a", "line 2: list index"),
        (read_table, HEADER + "91,2,2008-10-23 05:53:05,a\n1,2,2008-10-23 05:53:05,a", "line 2: lon 2.0, lat 91.0"),
        (read_table, HEADER + "nan,2,2008-10-23 05:53:05,a\n1,2,2008-10-23 05:53:05,a", "line 2: lon 2.0, lat nan"),
        (read_plt, PLT + "1,2\n1,2,0,0,0,2008-10-23,05:53:05", "line 7: list index"),
        (read_barefoot, '[{"point":"POINT(1)","time":"2014-09-10 06:54:07+0200"}, 3]', "entry 1: not enough values"),
        (read_barefoot, '[{"point":"POINT(1 2)","time":"2014-09-10 06:54:07"}]', "entry 1: a time without a zone"),
        (read_barefoot, '[{"point":"POINT(1 2)","time":[1]}]', "entry 1: "),
        (read_barefoot, '[{"point":"POINT(1 2)","time":1' + "0" * 400 + "}]", "entry 1: "),
    ],
)
def test_a_bad_row_is_named_and_costs_only_itself(parse: Callable[[str], Parsed], text: str, where: str) -> None:
    parsed = parse(text)
    assert parsed.faults[0].startswith(where)
    assert len(parsed.faults) <= 2


def test_a_good_row_beside_bad_ones_counts() -> None:
    parsed = read_table(HEADER + "x,y,z,a\n1,2,2008-10-23 05:53:05,a\n")
    assert [fix.lat for fix in parsed.fixes["a"]] == [1.0]
    assert len(parsed.faults) == 1


def test_ids_come_from_folder_and_file(tmp_path: Path) -> None:
    folder = tmp_path / "gps-mine"
    (folder / "Data/017/Trajectory").mkdir(parents=True)
    point = '<trkpt lat="1" lon="2"><time>2026-05-04T00:00:00Z</time></trkpt>'
    (folder / "tour 1.gpx").write_text(gpx(point))
    (folder / "tour-1.gpx").write_text(gpx(point))
    (folder / "all.txt.gz").write_bytes(gzip.compress(f"{HEADER}1,2,2008-10-23 05:53:05,001\n".encode()))
    for name in ("2008.plt", "2009.plt"):
        (folder / "Data/017/Trajectory" / name).write_text(PLT + "1,2,0,0,0,2008-10-23,05:53:05\n")
    tracks, skipped = find_tracks(folder)
    assert {track.device_id: len(track.fixes) for track in tracks} == {
        "Data-017": 2,
        "gps-mine-001": 1,
        "gps-mine-tour-1": 1,
        "gps-mine-tour-1-2": 1,
    }
    assert skipped == []


def test_two_vehicles_in_one_file_are_two_devices(tmp_path: Path) -> None:
    entries = [{"point": "POINT(1 2)", "time": "2014-09-10 06:54:07+0200", "id": name} for name in ("a", "b")]
    (tmp_path / "both.json").write_text(json.dumps(entries))
    tracks, _ = find_tracks(tmp_path)
    assert [track.device_id for track in tracks] == [f"{tmp_path.name}-both-{name}" for name in ("a", "b")]


def test_a_folder_may_hold_other_files(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("not a track")
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "route.geojson").write_text('{"coordinates": [[1, 2]]}')
    (tmp_path / ".hidden.gpx").write_text("x")
    clip = tmp_path / "seq-a"
    clip.mkdir()
    (clip / "recording.json").write_text("{}")
    (clip / "labels.csv").write_text("a,b")
    tracks, skipped = find_tracks(tmp_path)
    assert tracks == []
    assert [(item.path.name, item.reason) for item in skipped] == [
        ("route.geojson", "positions without times, or no positions")
    ]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x1f\x8b broken"])
def test_bytes_that_are_no_text_are_named(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "track.csv.gz"
    file.write_bytes(data)
    assert [item.reason[:14] for item in find_tracks(file)[1]] == ["cannot be read"]


def test_a_missing_path_is_one_clean_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file or folder"):
        find_tracks(tmp_path / "none")


@given(st.lists(st.text("ab-", min_size=1, max_size=64), max_size=30))
def test_ids_are_made_unique_and_stay_ids(names: list[str]) -> None:
    taken: list[str] = []
    for name in names:
        taken.append(free_id(name, taken))
    assert len(set(taken)) == len(names)
    assert all(len(name) <= 64 for name in taken)


@pytest.mark.data
def test_the_shared_tracks_count_as_their_readme_says() -> None:
    if not DATA.is_dir():
        pytest.skip(f"no shared data at {DATA}")
    found = {
        track.device_id: len(track.fixes) for folder in sorted(DATA.glob("gps-*")) for track in find_tracks(folder)[0]
    }
    assert found["gps-barefoot-x0001-001"] == 1194
    assert (found["gps-geolife-sample-001"], found["gps-geolife-sample-005"]) == (108_607, 109_046)
    assert sum(count for name, count in found.items() if "graphhopper" in name) == 347
