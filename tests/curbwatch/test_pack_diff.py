"""What changes from one pack to another is said in words: for which place, crew and class, and from what to what."""

import json
import sys
from pathlib import Path

import pytest

from config.pack import load_pack
from curbwatch.__main__ import main
from curbwatch.pack_diff import Change, changes
from curbwatch.pack_words import KEYS, TABLES, counted, words
from tests.config.small_pack import PackFolder
from tests.config.small_rules import RULES, with_rules


@pytest.fixture
def before(tmp_path: Path) -> PackFolder:
    (tmp_path / "before").mkdir()
    return with_rules(PackFolder(tmp_path / "before"))


@pytest.fixture
def after(tmp_path: Path) -> PackFolder:
    (tmp_path / "after").mkdir()
    return with_rules(PackFolder(tmp_path / "after"))


def said(before: PackFolder, after: PackFolder, lang: str = "en") -> list[str]:
    return words(changes(before.load(), after.load()), "zh" if lang == "zh" else "en")


def test_two_packs_that_say_the_same_differ_in_nothing(before: PackFolder, after: PackFolder) -> None:
    after.edit("classes.csv", "# source: nobody", "# source: somebody")
    assert changes(before.load(), after.load()) == ()
    assert said(before, after) == ["both packs say the same"]
    assert said(before, after, "zh") == ["两个城市包内容相同"]


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("permits.toml", '"08:30"', '"09:30"', "permit p-1 P: hours mon,sun 01:00-08:30 → mon,sun 01:00-09:30"),
        ("permits.toml", "2026-12-31", "2027-12-31", "permit p-1 P: valid_to 2026-12-31 → 2027-12-31"),
        ("permits.toml", "polygon", 'classes = ["09006"]\npolygon', "permit p-1 P: classes * → 09006"),
        ("permits.toml", 'name = "P"', 'name = "Q"', "permit p-1 Q: name P → Q"),
        ("cells.geojson", '"waste": "u-2"', '"waste": "u-1"', "cell 512002001001001: waste goes from u-2 to u-1"),
        ("cells.geojson", ', "waste": "u-2"', "", "cell 512002001001001: waste goes from u-2 to -"),
        ("limits.csv", "2,working_h", "3,working_h", "limit stall: amount 2 working_h → 3 working_h"),
        ("limits.csv", "08:00", "07:30", "limit stall: starts_from 08:00 → 07:30"),
        ("limits.csv", "a source", "another", "limit all: source a source → another"),
        ("classes.csv", "verify_first,2", "direct,2", "class 09006 占: mode verify_first → direct"),
        ("city.toml", "Asia/Shanghai", "Asia/Urumqi", "city city T: timezone Asia/Shanghai → Asia/Urumqi"),
        ("units.csv", "Two", "Zwei", "crew u-2 二: name_en Two → Zwei"),
        ("vehicles.csv", "gcj02", "wgs84", "vehicle car-1: crs gcj02 → wgs84"),
        ("cameras.toml", 'name = "left"', 'name = "left"\nfamilies = ["waste"]', "for stall, waste → 0 300, "),
        ("cameras.toml", "bearing_deg = 10", "bearing_deg = 11", "camera cam-1 C: calibration Calibration("),
        ("fixtures.toml", "[10, 20, 30, 40]", "[10, 20, 30, 41]", "fixture f-1 F: box cam-1 10 20 30 40 → cam-1 10 20"),
        ("fixtures.toml", "[104.6401, 30.1201]", "[104.6402, 30.1201]", "fixture f-1 F: polygon 54 m² ("),
        ("shopfronts.toml", 'party = "P"', 'party = "Q"', "shop front s-1 S: party P → Q"),
        ("areas.toml", "06010", "09006", "area a-1 A: class 06010 → 09006"),
        ("campaigns.toml", "2026-05-31", "2026-06-30", "campaign c-1 C: valid_to 2026-05-31 → 2026-06-30"),
        (
            "calendar.toml",
            '"17:00"',
            '"18:00"',
            "working hours calendar: hours mon-fri 09:00-17:00 → mon-fri 09:00-18:0",
        ),
        ("calendar.toml", '"wed"\n', '"thu"\n', "make-up workday 2026-10-10: stands_for wed → thu"),
        ("staff.csv", "auxiliary", "officer", "person wang 王: role auxiliary → officer"),
    ],
)
def test_what_changes_is_said_in_one_line(
    before: PackFolder, after: PackFolder, file: str, old: str, new: str, line: str
) -> None:
    after.edit(file, old, new)
    (told,) = said(before, after)
    assert line in told
    (back,) = said(after, before)
    assert back != told


def test_what_is_new_and_what_is_gone_says_what_it_says(before: PackFolder, after: PackFolder) -> None:
    after.edit("responsibility.csv", "sat|sun|holiday", "sat|sun")
    after.edit("calendar.toml", '[[holiday]]\ndate = 2026-10-01\nname = "国庆节"\n', "")
    assert said(before, after) == [
        (
            "removed responsibility u-2: classes 09006; cells 512002001001001; hours sat,sun,holiday 18:00-24:00;"
            " valid_from 2026-01-01; valid_to 2026-12-31"
        ),
        (
            "added responsibility u-2: classes 09006; cells 512002001001001; hours sat,sun 18:00-24:00;"
            " valid_from 2026-01-01; valid_to 2026-12-31"
        ),
        "removed holiday 2026-10-01 国庆节",
    ]
    assert said(before, after, "zh")[2] == "取消 节假日 2026-10-01 国庆节"


def test_cells_that_change_hands_alike_are_told_together() -> None:
    moved = [
        Change("cell", f"51200200100100{n}", "A", "changed", {"units.stall": ("u-1", "u-2"), "units.*": ("u-1", "u-3")})
        for n in range(1, 8)
    ]
    listed = ", ".join(f"51200200100100{n}" for n in range(1, 6))
    assert words(moved, "en") == [
        f"cell {listed} and 2 more: stall goes from u-1 to u-2",
        f"cell {listed} and 2 more: all others goes from u-1 to u-3",
    ]
    assert words(moved[:1], "zh") == [
        "网格 512002001001001：stall 由 u-1 改为 u-2 负责",
        "网格 512002001001001：其他 由 u-1 改为 u-3 负责",
    ]


def test_each_table_has_words_and_is_counted(before: PackFolder, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    found = changes(PackFolder(tmp_path / "bare").load(), before.load())
    counts = counted(found)
    assert sum(sum(one.values()) for one in counts.values()) == len(found) == 18
    assert counts["limit"] == {"added": 5}
    assert counted(changes(before.load(), load_pack(Path("yanjiang")))).keys() == TABLES.keys()
    assert all(key in KEYS for change in found for key in change.fields)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["curbwatch", "pack", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_the_verbs_show_compare_export_and_import(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    before: PackFolder,
    after: PackFolder,
    tmp_path: Path,
) -> None:
    after.edit("permits.toml", '"08:30"', '"09:30"')
    one, other, file = str(before.path), str(after.path), tmp_path / "found.json"
    line = "permit p-1 P: hours mon,sun 01:00-08:30 → mon,sun 01:00-09:30\n"
    assert run(monkeypatch, capsys, "diff", one, other, "--lang", "en", "--json", str(file)) == (0, line, "")
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["counts"] == {"permit": {"changed": 1}}
    (change,) = written["changes"]
    assert change["fields"]["hours"] == {"before": "mon,sun 01:00-08:30", "after": "mon,sun 01:00-09:30"}
    assert written["before"] == before.load().city.version

    out = tmp_path / "out"
    status, told, _ = run(monkeypatch, capsys, "export", other, str(out))
    assert status == 0
    assert sorted(told.splitlines()) == sorted(str(path) for path in out.iterdir())
    back = tmp_path / "back"
    imported = ("import", str(out), "--base", one, "--out", str(back), "--lang", "en", "--json", str(file))
    assert run(monkeypatch, capsys, *imported) == (0, line, "")
    assert json.loads(file.read_text(encoding="utf-8"))["files"] == ["permits.toml"]
    assert (back / "cameras.toml").read_bytes() == (before.path / "cameras.toml").read_bytes()

    status, told, _ = run(monkeypatch, capsys, "show", str(back), "--table", "permit", "--lang", "zh")
    assert status == 0
    assert told.startswith("疏导点 p-1 P：对象 stall，时段 mon,sun 01:00-09:30，起始日期 2026-01-01")
    status, told, _ = run(monkeypatch, capsys, "show", str(back), "--json", str(file))
    assert status == 0
    assert len(told.splitlines()) == 1 + sum(len(rows) for rows in json.loads(file.read_text())["tables"].values())
    assert json.loads(file.read_text())["tables"]["class"][0]["matter_code"] == "51200209006"


def test_the_verbs_refuse_in_clean_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], before: PackFolder, tmp_path: Path
) -> None:
    good, empty = str(before.path), tmp_path / "empty"
    empty.mkdir()
    status, _, err = run(monkeypatch, capsys, "show", good, "--table", "people")
    assert (status, "--table people: one of city, class" in err) == (2, True)
    status, _, err = run(monkeypatch, capsys, "import", str(empty), "--base", good, "--out", str(tmp_path / "x"))
    assert (status, err) == (2, f"curbwatch: {empty}: holds no file to import\n")
    status, _, err = run(monkeypatch, capsys, "diff", good, "nowhere")
    assert (status, "site.pack = nowhere: is neither a folder nor a shipped pack" in err) == (2, True)
    before.edit("permits.toml", '"08:30"', '"00:30"')
    for arguments in (("show", good), ("diff", good, good), ("export", good, str(tmp_path / "y"))):
        status, out, err = run(monkeypatch, capsys, *arguments)
        assert (status, out) == (2, "")
        assert err.startswith(f"curbwatch: {good}/permits.toml: permit[p-1].hours[1] = 01:00 to 00:30: ends before")
    assert not (tmp_path / "y").exists()


def test_a_name_with_an_escape_sequence_reaches_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], before: PackFolder
) -> None:
    (before.path / "shopfronts.toml").write_text(RULES["shopfronts.toml"].replace('"S"', '"S\\u001b[2J"'))
    status, out, _ = run(monkeypatch, capsys, "show", str(before.path), "--table", "shop_front")
    assert (status, "\x1b" in out, "S\\x1b[2J" in out) == (0, False, True)
