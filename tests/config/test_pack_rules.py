"""A city's calendar, limits, people and exceptions are read as written, or refused with file, key and value."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.pack import load_pack
from schemas.errors import ConfigError
from schemas.hours import Hours
from schemas.rules import (
    HOLIDAY,
    Campaign,
    CityRules,
    Duty,
    PlacedFixture,
    Responsibility,
    ShopFront,
    StaffMember,
    TimeLimit,
)
from tests.config.small_pack import PackFolder
from tests.config.small_rules import RULES, with_rules

CORNERS = ((104.64, 30.12), (104.6401, 30.12), (104.6401, 30.1201))
GROUND = "[[104.64, 30.12], [104.6401, 30.12], [104.6401, 30.1201]]"
WORKDAYS = frozenset(range(5))


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    return with_rules(PackFolder(tmp_path))


def test_a_pack_without_these_files_rules_nothing(tmp_path: Path) -> None:
    assert PackFolder(tmp_path).load().city.rules == CityRules()


def test_empty_files_rule_nothing_either(tmp_path: Path) -> None:
    folder = PackFolder(tmp_path)
    for name in RULES:
        (tmp_path / name).write_bytes(b"")
    assert folder.load().city.rules == CityRules()


def test_each_file_alone_is_enough(tmp_path: Path) -> None:
    for name, text in RULES.items():
        folder = PackFolder(tmp_path)
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert folder.load().city.rules != CityRules()
        (tmp_path / name).unlink()


def test_what_the_files_say_is_what_the_city_rules(folder: PackFolder) -> None:
    rules = folder.load().city.rules
    assert rules.calendar.hours == (Hours(WORKDAYS, 540, 1020),)
    days = {date(2026, 9, 30): 2, date(2026, 10, 1): HOLIDAY, date(2026, 10, 10): 2, date(2026, 10, 11): 6}
    assert {day: rules.calendar.day_kind(day) for day in days} == days
    assert rules.limits[1] == TimeLimit(
        "stall", "handle", 2, "working_h", classes=frozenset({"09006"}), starts_from_min=480
    )
    assert (rules.limits[0].source, rules.limits[2].cells) == ("a source", ("512002001",))
    assert (rules.limits[4].valid_from, rules.limits[4].valid_to) == (date(2026, 7, 1), date.max)
    assert rules.responsibilities == (
        Responsibility("u-2", ("512002001",), frozenset({"06010"})),
        Responsibility(
            "u-2",
            ("512002001001001",),
            frozenset({"09006"}),
            (Hours(frozenset({5, 6, HOLIDAY}), 1080, 1440),),
            date(2026, 1, 1),
            date(2026, 12, 31),
        ),
    )
    year = (date(2026, 1, 1), date(2026, 12, 31))
    box = ("cam-1", (10.0, 20.0, 30.0, 40.0))
    assert rules.fixtures == (PlacedFixture("f-1", "F", frozenset({"stall", "waste"}), CORNERS, (box,), *year),)
    assert rules.shop_fronts == (ShopFront("s-1", "S", "P", (), frozenset({("cam-1", "left")})),)
    span = (date(2026, 3, 1), date(2026, 5, 31))
    assert rules.campaigns == (
        Campaign("c-1", "C", *span, frozenset({"06010"}), ("512002001",), dwell_factor=0.5, direct=True),
    )
    assert rules.duties == (
        Duty("u-1", (Hours(frozenset({0, 6, HOLIDAY}), 360, 1320),), ("car-1",), *year),
        Duty("u-2", (Hours(frozenset({0}), 0, 1440),)),
    )
    assert rules.staff == {
        "li": StaffMember("li", "李", "dispatcher"),
        "wang": StaffMember("wang", "王", "auxiliary", "u-1"),
    }


def test_a_class_says_who_checks_how_long_it_may_be_put_right_and_whether_it_is_grave(folder: PackFolder) -> None:
    row = folder.load().city.classes["09006"]
    assert (row.check, row.grace_h, row.grave) == ("none", 0.0, False)
    folder.edit("classes.csv", "mode,handle_h", "mode,handle_h,check,grace_h,grave")
    folder.edit("classes.csv", "verify_first,2", "verify_first,2,camera,0.5,true")
    folder.edit("classes.csv", "waste,,4", "waste,,4,person,,")
    classes = folder.load().city.classes
    assert [(row.check, row.grace_h, row.grave) for row in classes.values()] == [
        ("camera", 0.5, True),
        ("person", 0.0, False),
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        # calendar
        ("calendar.toml", "2026-10-10", "2026-10-12", "makeup[1].date = 2026-10-12: is no rest day … mon"),
        ("calendar.toml", "2026-10-10", "2026-10-01", "makeup[1].date = 2026-10-01: is a holiday too"),
        ("calendar.toml", '"wed"\n', '"sat"\n', "makeup[1].stands_for = sat: is a day without work"),
        ("calendar.toml", '"wed"\n', '"holiday"\n', "makeup[1].stands_for = holiday: should be"),
        ("calendar.toml", 'to = "17:00"', 'to = "08:00"', "hours[1] = 09:00 to 08:00: ends before it starts"),
        ("calendar.toml", "date = 2026-10-01", 'date = "2026-10-01"', "holiday[1].date = 2026-10-01: should be a vali"),
        ("calendar.toml", "[[holiday]]", "[[holidays]]", "holidays: unknown key: … [[hours]], [[holiday]], [[makeup]]"),
        ("calendar.toml", "[[holiday]]", "[holiday]", "holiday: is one table: write [[holiday]]"),
        # limits
        ("limits.csv", "stall,handle", "all,handle", "limits.csv:3: limit_id = all: is there twice"),
        ("limits.csv", "stall,handle", "stall,hande", "limits.csv:3: stage = hande: should be"),
        ("limits.csv", "2,working_h", "2,hours", "limits.csv:3: unit = hours: should be"),
        ("limits.csv", "2,working_h", "0,working_h", "limits.csv:3: amount = 0: should be greater than 0"),
        ("limits.csv", "2,working_h", "nan,working_h", "limits.csv:3: amount = nan"),
        ("limits.csv", "2,working_h", ",working_h", "limits.csv:3: amount: is missing"),
        ("limits.csv", ",08:00", ",8:00", "limits.csv:3: starts_from = 8:00: is not a clock time"),
        ("limits.csv", "09006|06010", "09006|06011", "limits.csv:5: classes = 06011: is not in classes.csv"),
        ("limits.csv", "512002001,1", "512003,1", "limits.csv:4: cells = 512003: begins no cell"),
        ("limits.csv", "2026-07-01", "2026-06-30", "limits.csv:6: limit_id = later: overlaps stop: … handle and stop"),
        ("limits.csv", "stall,handle,,09006", "stall,handle,,", "limits.csv:3: limit_id = stall: overlaps all"),
        ("limits.csv", "2026-01-01", "2026-12-01", "valid_from = 2026-12-01 to 2026-06-30: ends before it starts"),
        ("limits.csv", "2026-01-01", "2026/1/1", "limits.csv:5: valid_from = 2026/1/1: is not a date like"),
        ("limits.csv", "2026-01-01", "1767225600", "valid_from = 1767225600: is not a date like"),
        ("limits.csv", "2026-01-01", "2026-02-30", "limits.csv:5: valid_from = 2026-02-30"),
        # responsibilities
        ("responsibility.csv", "u-2,512002001,", "u-3,512002001,", "responsibility.csv:2: unit = u-3: is not in un"),
        (
            "responsibility.csv",
            ",24:00,",
            ",,",
            "responsibility.csv:3: days = sat|sun|holiday: days, from and to belon",
        ),
        ("responsibility.csv", "18:00,24:00", "22:00,02:00", ":3: from = 22:00 to 02:00: ends … write 22:00 to 26:00"),
        ("responsibility.csv", "sat|sun", "sat|sunday", "responsibility.csv:3: days[1] = sunday: should be"),
        ("responsibility.csv", "06010,,", "6010,,", "responsibility.csv:2: classes = 6010 … did you mean '06010'"),
        ("responsibility.csv", "2026-12-31", "2025-12-31", "responsibility.csv:3: valid_from = 2026-01-01 to 2025"),
        # fixtures
        ("fixtures.toml", '"cam-1"', '"cam-9"', "fixture[f-1].box[1].camera = cam-9: is not a camera"),
        ("fixtures.toml", "[10, 20, 30, 40]", "[10, 20, 30, 0]", "box[1].box_px = (10.0, 20.0, 30.0, 0.0): is x, y, w"),
        ("fixtures.toml", "[10, 20, 30, 40]", "[10, 20, nan, 4]", "box[1].box_px = (10.0, 20.0, nan, 4.0): is x, y, w"),
        ("fixtures.toml", "[10, 20, 30, 40]", "[1260, 0, 30, 40]", "lies outside the 1280 x 720 picture"),
        ("fixtures.toml", "[10, 20, 30, 40]", "[10, 20, 30]", "box[0].box_px[3]: is missing"),
        ("fixtures.toml", GROUND, "[[104.64, 30.12], [104.6401, 30.12]]", "fixture[f-1].polygon: has 2 corners"),
        ("fixtures.toml", "2026-12-31", "2025-12-31", "fixture[f-1].valid_from = 2026-01-01 to 2025-12-31: ends bef"),
        ("fixtures.toml", '"stall", ', '"truk", ', "fixture[f-1].families[0] = truk: should be"),
        # shop fronts
        ("shopfronts.toml", '"left"', '"lft"', "shop_front[s-1].camera_zones = lft: is not a zone of cam-1; did you m"),
        ("shopfronts.toml", '[["cam-1", "left"]]', "[]", "shop_front[s-1]: has no place"),
        ("shopfronts.toml", 'party = "P"', "", "shop_front[s-1].party: is missing"),
        # campaigns
        ("campaigns.toml", "0.5", "1.5", "campaign[c-1].dwell_factor = 1.5: should be less than or equal to 1"),
        ("campaigns.toml", "0.5", "0.01", "campaign[c-1].dwell_factor = 0.01: should be greater than or equal to 0.1"),
        ("campaigns.toml", "0.5", "nan", "campaign[c-1].dwell_factor = nan"),
        ("campaigns.toml", "06010", "06011", "campaign[c-1].classes = 06011: is not in classes.csv"),
        ("campaigns.toml", '"512002001"', '"5120029"', "campaign[c-1].cells = 5120029: begins no cell"),
        ("campaigns.toml", "2026-05-31", "2026-02-28", "campaign[c-1].valid_from = 2026-03-01 to 2026-02-28: ends"),
        ("campaigns.toml", "valid_to = 2026-05-31", "", "campaign[c-1].valid_to: is missing"),
        # duties
        (
            "duty.toml",
            "car-1",
            "car-2",
            "duty[1].vehicles = car-2: is not a vehicle of vehicles.csv; did you mean 'car",
        ),
        ("duty.toml", 'unit = "u-2"', 'unit = "u-7"', "duty[2].unit = u-7: is not in units.csv"),
        ("duty.toml", 'to = "22:00"', 'to = "06:00"', "duty[1].hours[1] = 06:00 to 06:00: starts when it ends"),
        ("duty.toml", '"holiday"', '"feast"', "duty[1].hours[0].days[2] = feast: should be"),
        ("duty.toml", "2026-12-31", "2025-12-31", "duty[1].valid_from = 2026-01-01 to 2025-12-31: ends before"),
        # staff
        ("staff.csv", "auxiliary", "helper", "staff.csv:3: role = helper: should be"),
        ("staff.csv", "wang", "li", "staff.csv:3: person_id = li: is there twice"),
        ("staff.csv", "u-1", "u-9", "staff.csv:3: unit = u-9: is not in units.csv"),
        # the class columns
        ("classes.csv", "mode,handle_h", "grave,handle_h", "grave = verify_first: should be a valid boolean"),
    ],
)
def test_one_fault_is_named(folder: PackFolder, file: str, old: str, new: str, expected: str) -> None:
    folder.edit(file, old, new)
    faults = folder.faults()
    assert all(fault.startswith(file) for fault in faults), faults
    assert any(all(part in fault for part in expected.split(" … ")) for fault in faults), faults


def test_an_id_twice_in_one_file_is_refused(folder: PackFolder) -> None:
    for name, identity in (("fixtures.toml", "f-1"), ("shopfronts.toml", "s-1"), ("campaigns.toml", "c-1")):
        (folder.path / name).write_text(RULES[name] * 2, encoding="utf-8")
        (fault,) = folder.faults()
        assert f"[{identity}].id = {identity}: is there twice" in fault
        (folder.path / name).write_text(RULES[name], encoding="utf-8")


def test_one_party_answers_for_a_place(folder: PackFolder) -> None:
    text = RULES["shopfronts.toml"]
    (folder.path / "shopfronts.toml").write_text(text + text.replace("s-1", "s-2"), encoding="utf-8")
    (fault,) = folder.faults()
    assert fault.startswith("shopfronts.toml: shop_front[s-2].camera_zones = cam-1/left: is the front of s-1 already")


def test_a_holiday_twice_is_refused(folder: PackFolder) -> None:
    folder.edit("calendar.toml", "[[makeup]]", '[[holiday]]\ndate = 2026-10-01\nname = "again"\n[[makeup]]')
    assert folder.faults() == ["calendar.toml: holiday[2].date = 2026-10-01: is there twice as a holiday"]


@pytest.mark.parametrize(
    ("file", "old", "new", "where"),
    [
        ("calendar.toml", '"fri"]\nfrom = "09:00"', '"sun"]\nfrom = "02:30"', "hours[1] = 02:30 to 17:00"),
        ("duty.toml", '"06:00"', '"02:30"', "duty[1].hours[1] = 02:30 to 22:00"),
        ("duty.toml", '"mon"]\nfrom = "00:00"', '"sun"]\nfrom = "02:30"', "duty[2].hours[1] = 02:30 to 24:00"),
        ("duty.toml", '"mon"]\nfrom = "00:00"', '"holiday"]\nfrom = "02:30"', "duty[2].hours[1] = 02:30 to 24:00"),
        ("responsibility.csv", "18:00,24:00", "00:00,02:30", "from = 00:00 to 02:30"),
        ("responsibility.csv", "18:00,24:00", "22:00,26:30", "from = 22:00 to 26:30"),  # Saturdays; Sunday has the gap
        ("limits.csv", "08:00", "02:30", "starts_from = 02:30"),
    ],
)
def test_a_time_that_the_clocks_leave_out_is_refused(
    folder: PackFolder, file: str, old: str, new: str, where: str
) -> None:
    folder.edit("city.toml", "Asia/Shanghai", "Europe/Berlin")
    folder.load()
    folder.edit(file, old, new)
    (fault,) = folder.faults()
    told = rf"{re.escape(where)}: ((02|26):30 )?does not exist on 2026-03-29, when the clocks go forward"
    assert re.search(told, fault)


def test_a_night_that_no_gap_meets_is_no_fault(folder: PackFolder) -> None:
    """Berlin: Sundays' nights end on Mondays, 27:00 is when the gap ends, and no night starts before valid_from."""
    folder.edit("city.toml", "Asia/Shanghai", "Europe/Berlin")
    for old, new in (("sat|sun|holiday,18:00,24:00", "sun,22:00,26:30"), ("sun,22:00,26:30", "sat,22:00,27:00")):
        folder.edit("responsibility.csv", old, new)
        folder.load()
    folder.edit("responsibility.csv", "27:00,2026-01-01,2026-12-31", "26:30,2026-03-29,2026-12-31")
    folder.load()
    folder.edit("responsibility.csv", "2026-03-29,2026-12-31", "2026-03-28,2026-03-28")
    assert "22:00 to 26:30: 26:30 does not exist on 2026-03-29" in folder.faults()[0]


def test_a_crew_that_the_roster_leaves_out_is_a_warning(folder: PackFolder) -> None:
    assert folder.load().warnings == ()
    folder.edit("duty.toml", 'unit = "u-2"', 'unit = "u-1"')
    assert [str(warning) for warning in folder.load().warnings] == [
        "units.csv:3: unit_id = u-2: has no hours in duty.toml: it counts as on duty at any time"
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_limits_are_held_against_all_others_in_whatever_order_they_stand(
    folder: PackFolder, order: tuple[int, ...]
) -> None:
    rows = (
        "long,check,,,,8,working_h,,2026-01-01,2026-12-31,\n",
        "short,check,,06010,,8,working_h,,2026-02-01,2026-02-28,\n",
        "late,check,,,,8,working_h,,2026-11-01,2027-12-31,\n",
    )
    with (folder.path / "limits.csv").open("a") as handle:
        handle.writelines(rows[number] for number in order)
    (fault,) = folder.faults()
    assert "limit_id = late: overlaps long: both limit stage check for one class" in fault


def test_a_short_limit_within_a_long_one_does_not_hide_it_from_a_later_one(folder: PackFolder) -> None:
    rows = ("long", "2026-01-01,2026-12-31"), ("short", "2026-02-01,2026-02-28"), ("late", "2026-11-01,2027-12-31")
    with (folder.path / "limits.csv").open("a") as handle:
        handle.writelines(f"{name},check,,,,8,working_h,,{span},\n" for name, span in rows)
    told = [fault.partition("limit_id = ")[2].partition(": both")[0] for fault in folder.faults()]
    assert told == ["short: overlaps long", "late: overlaps long"]


def test_where_no_older_code_is_named_the_rule_for_it_holds(folder: PackFolder) -> None:
    classes = folder.load().city.classes
    assert [(row.legacy_2013, row.legacy_cjt214) for row in classes.values()] == [("04-06", ""), ("01-10", "01-02")]
    folder.edit("classes.csv", "mode,handle_h", "mode,handle_h,legacy_2013,legacy_cjt214")
    folder.edit("classes.csv", "verify_first,2", "verify_first,2,44-06,05-01")
    folder.edit("classes.csv", "waste,,4", "waste,,4,,")
    classes = folder.load().city.classes
    assert [(row.legacy_2013, row.legacy_cjt214) for row in classes.values()] == [
        ("44-06", "05-01"),
        ("01-10", "01-02"),
    ]


def test_an_older_code_of_two_classes_is_a_warning(folder: PackFolder) -> None:
    folder.edit("classes.csv", "mode,handle_h", "mode,handle_h,legacy_2013")
    folder.edit("classes.csv", "verify_first,2", "verify_first,2,01-10")
    folder.edit("classes.csv", "waste,,4", "waste,,4,01-10")
    assert [str(warning) for warning in folder.load().warnings] == [
        "classes.csv:5: legacy_2013 = 01-10: means 09006 too: a neighbour's 01-10 is taken for that"
    ]


def test_two_people_of_one_name_are_a_warning(folder: PackFolder) -> None:
    with (folder.path / "staff.csv").open("a") as handle:
        handle.write("zhang-1,张伟,officer,u-1\nzhang-2,张伟,officer,u-2\n")
    (warning,) = folder.load().warnings
    assert "name = 张伟: is the name of zhang-1 too: at the desk they must use their ids, --as zhang-2" in str(warning)


def test_two_limits_of_which_one_is_more_special_or_later_are_no_fault(folder: PackFolder) -> None:
    """A class before all, a longer cell before a shorter, another thing asked, one after the other: all in the file."""
    assert len(folder.load().city.rules.limits) == 5


def test_many_limits_are_held_against_one_another_in_little_time(folder: PackFolder) -> None:
    rows = "".join(f"l{n},handle,n{n % 50},09006,,1,working_h,,20{n // 50:02d}-01-01,,\n" for n in range(4500))
    with (folder.path / "limits.csv").open("a") as handle:
        handle.write(rows)
    faults = folder.faults()
    assert len(faults) == 201  # each overlaps the one before it, and the first 200 are told


def test_the_version_is_a_digest_of_every_file_that_is_there(folder: PackFolder) -> None:
    seen = {folder.load().city.version}
    for name in RULES:
        (folder.path / name).write_text(RULES[name] + "\n", encoding="utf-8")
        seen.add(folder.load().city.version)
        (folder.path / name).unlink()
        seen.add(folder.load().city.version)
    assert len(seen) == 1 + 2 * len(RULES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)
@given(name=st.sampled_from(sorted(RULES)), data=st.data())
def test_a_damaged_file_loads_or_is_refused(folder: PackFolder, name: str, data: st.DataObject) -> None:
    original = RULES[name].encode()
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 40)))
    patch = data.draw(st.binary(max_size=12) | st.sampled_from([b"[", b"nan", b"1e999", b'"', b"{}", b"|", b"9999"]))
    (folder.path / name).write_bytes(original[:start] + patch + original[end:])
    try:
        folder.load()
    except ConfigError as error:
        assert error.faults  # noqa: PT017 - most examples are refused, none may end otherwise
    finally:
        (folder.path / name).write_bytes(original)


def test_the_example_rosters_a_crew_of_each_kind_at_every_minute_and_asks_to_check_its_days() -> None:
    pack = load_pack(Path("yanjiang"))
    rules = pack.city.rules
    for kind in ("enf", "san"):
        spans = [hours for duty in rules.duties if f"-{kind}-" in duty.unit_id for hours in duty.hours]
        for day in range(HOLIDAY + 1):
            for before in range(HOLIDAY + 1):
                covered = {
                    minute - passed
                    for asked, passed in ((day, 0), (before, 1440))
                    for hours in spans
                    if asked in hours.weekdays
                    for minute in range(hours.start_min, hours.end_min)
                }
                assert covered >= set(range(1440))
    assert {member.role for member in rules.staff.values()} >= {"auxiliary", "officer", "dispatcher", "duty_lead"}
    assert len(rules.calendar.makeup_days) == 6
    assert {day.year for day in rules.calendar.holidays} == {2026, 2027}
    assert "CHECK" in (pack.folder / "calendar.toml").read_text(encoding="utf-8")
    assert "CHECK" in (pack.folder / "limits.csv").read_text(encoding="utf-8")
    assert {row.check for row in pack.city.classes.values() if row.family != "truck"} == {"camera"}
    assert all(campaign.valid_to < date(2026, 11, 1) for campaign in rules.campaigns)
