"""Two permits for one place and time are refused; beside, before, after and for other things they are not."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.pack_hours import clock, same_time
from config.pack_rows import WEEKDAYS, HoursRow
from config.pack_rules import hours_from
from schemas.rules import WorkCalendar
from tests.config.small_pack import SMALL, PackFolder

GROUND = "[[104.64, 30.12], [104.6405, 30.12], [104.6405, 30.1205]]"
ZONES = '[["cam-1", "left"]]'
FIRST = SMALL["permits.toml"]
SECOND = FIRST.replace("p-1", "p-2")


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    return PackFolder(tmp_path)


def second(folder: PackFolder, *edits: tuple[str, str]) -> None:
    text = SECOND
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (folder.path / "permits.toml").write_text(FIRST + text, encoding="utf-8")


def test_overlapping_permits_are_refused_with_a_day_at_which_they_do(folder: PackFolder) -> None:
    second(folder, (ZONES, "[]"))
    assert folder.faults() == [
        "permits.toml: permit[p-2]: overlaps permit p-1 for stall in place and time: 2026-01-04 01:00 to 08:30"
    ]
    second(folder, (GROUND, "[]"))  # the same zone of a camera
    assert folder.faults() == [
        "permits.toml: permit[p-2]: overlaps permit p-1 for stall in place and time: 2026-01-04 01:00 to 08:30"
    ]


@pytest.mark.parametrize(
    "edits",
    [
        (('families = ["stall"]', 'families = ["waste"]'),),
        (('families = ["stall"]', 'families = ["stall"]\nclasses = ["09005"]'),),
        (('"mon", "sun"', '"tue"'),),
        (('"mon", "sun"', '"holiday"'),),
        (('from = "01:00"', 'from = "08:30"'), ('to = "08:30"', 'to = "09:00"')),
        (("valid_from = 2026-01-01", "valid_from = 2027-01-01"), ("valid_to = 2026-12-31", "valid_to = 2027-12-31")),
        # Dates that share a Tuesday alone, where the first permit holds on Mondays and Sundays.
        (("valid_from = 2026-01-01", "valid_from = 2026-01-06"), ("valid_to = 2026-12-31", "valid_to = 2026-01-10")),
        # Neighbours that share an edge, as one surveyor drew it and as two did: 4 cm of overlap along 20 m.
        ((GROUND, "[[104.6402, 30.12], [104.6405, 30.12], [104.6405, 30.1198]]"), (ZONES, "[]")),
        ((GROUND, "[[104.6403, 30.1200004], [104.6405, 30.1200004], [104.6405, 30.1198]]"), (ZONES, "[]")),
        ((GROUND, "[[104.64, 30.12], [104.6405, 30.1205], [104.64, 30.1205]]"), (ZONES, "[]")),
        ((GROUND, "[]"), (ZONES, '[["cam-2", "whole"]]')),
    ],
)
def test_permits_that_never_hold_together_are_no_fault(folder: PackFolder, edits: tuple[tuple[str, str], ...]) -> None:
    with (folder.path / "cameras.toml").open("a") as handle:
        handle.write('[[camera.zone]]\nname = "whole"\npolygon = [[0, 0], [9, 0], [9, 9]]\n')
    folder.edit("classes.csv", "09006,", "09005,店,Shop,stall,,4\n09006,")
    second(folder, *edits)
    text = (folder.path / "permits.toml").read_text(encoding="utf-8")
    first = text.replace('families = ["stall"]', 'families = ["stall"]\nclasses = ["09006"]', 1)
    (folder.path / "permits.toml").write_text(first, encoding="utf-8")
    folder.load()


def test_permits_for_the_same_class_overlap_and_one_for_all_overlaps_each(folder: PackFolder) -> None:
    for classes in ('\nclasses = ["09006"]', ""):
        second(folder, ('families = ["stall"]', 'families = ["stall"]' + classes))
        assert "overlaps permit p-1 for stall" in folder.faults()[0]


def test_a_holiday_is_no_monday_and_a_make_up_day_is_one(folder: PackFolder) -> None:
    """2026-02-16 is a Monday and a holiday, Saturday 2026-02-28 is worked like a Monday."""
    second(folder, ('"mon", "sun"', '"mon"'), ("2026-01-01", "2026-02-16"), ("2026-12-31", "2026-02-16"))
    assert "overlaps permit p-1" in folder.faults()[0]
    rest = '[[hours]]\ndays = ["mon"]\nfrom = "09:00"\nto = "17:00"\n'
    holiday = '[[holiday]]\ndate = 2026-02-16\nname = "春节"\n'
    (folder.path / "calendar.toml").write_text(rest + holiday, encoding="utf-8")
    folder.load()
    second(folder, ('"mon", "sun"', '"mon"'), ("2026-01-01", "2026-02-28"), ("2026-12-31", "2026-02-28"))
    folder.load()
    makeup = '[[makeup]]\ndate = 2026-02-28\nstands_for = "mon"\n'
    (folder.path / "calendar.toml").write_text(rest + holiday + makeup, encoding="utf-8")
    assert "2026-02-28 01:00 to 08:30" in folder.faults()[0]


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        # The first holds on Mondays and Sundays from 01:00 to 08:30.
        (
            (('"mon", "sun"', '"sun"'), ('from = "01:00"\nto = "08:30"', 'from = "22:00"\nto = "25:30"')),
            "01:00 to 01:30",
        ),
        (
            (('"mon", "sun"', '"sat"'), ('from = "01:00"\nto = "08:30"', 'from = "22:00"\nto = "30:00"')),
            "01:00 to 06:00",
        ),
        ((('"mon", "sun"', '"sun"'), ('from = "01:00"\nto = "08:30"', 'from = "22:00"\nto = "25:00"')), ""),
        ((('"mon", "sun"', '"mon"'), ('from = "01:00"\nto = "08:30"', 'from = "22:00"\nto = "30:00"')), ""),
    ],
)
def test_a_night_is_held_against_the_morning_after_it(
    folder: PackFolder, edits: tuple[tuple[str, str], ...], told: str
) -> None:
    second(folder, *edits)
    both = (folder.path / "permits.toml").read_text(encoding="utf-8")
    first, _, other = both.partition('[[permit]]\nid = "p-2"')
    for text in (both, f'[[permit]]\nid = "p-2"{other}{first}'):  # whichever stands first
        (folder.path / "permits.toml").write_text(text, encoding="utf-8")
        if told:
            assert told in folder.faults()[0]
        else:
            folder.load()


def test_a_rare_pair_of_days_is_found_however_late_it_comes(folder: PackFolder) -> None:
    """A holiday's night runs into the morning of a Monday: once, in the second year."""
    holiday = '[[holiday]]\ndate = 2027-12-26\nname = "圣"\n'
    (folder.path / "calendar.toml").write_text(holiday, encoding="utf-8")
    second(
        folder,
        ('"mon", "sun"', '"holiday"'),
        ('from = "01:00"\nto = "08:30"', 'from = "22:00"\nto = "26:00"'),
        ("2026-12-31", "2028-12-31"),
    )
    folder.load()
    text = (folder.path / "permits.toml").read_text(encoding="utf-8").replace("2026-12-31", "2028-12-31")
    (folder.path / "permits.toml").write_text(text, encoding="utf-8")
    assert folder.faults() == [
        "permits.toml: permit[p-2]: overlaps permit p-1 for stall in place and time: 2027-12-27 01:00 to 02:00"
    ]


DAYS = st.dates(date(2026, 5, 1), date(2026, 6, 15))
HOURS = st.tuples(st.frozensets(st.sampled_from(WEEKDAYS), min_size=1), st.integers(0, 23), st.integers(1, 24))


@dataclass(frozen=True)
class Rule:
    valid_from: date
    valid_to: date
    hours: tuple[HoursRow, ...]


def rules() -> st.SearchStrategy[Rule]:
    def made(first: date, days: int, spans: list[tuple[frozenset[str], int, int]]) -> Rule:
        rows = [
            {"days": tuple(kinds), "from": clock(start * 60), "to": clock(min(start + length, 30) * 60)}
            for kinds, start, length in spans
        ]
        return Rule(first, first + timedelta(days=days), tuple(map(HoursRow.model_validate, rows)))

    return st.builds(made, DAYS, st.integers(0, 30), st.lists(HOURS, min_size=1, max_size=3))


@settings(deadline=None, max_examples=30)
@given(rules(), rules(), st.dictionaries(DAYS, st.integers(0, 6), max_size=8), st.frozensets(DAYS, max_size=8))
def test_two_rules_are_held_together_at_the_first_hour_at_which_both_are_open(
    one: Rule, other: Rule, makeups: dict[date, int], holidays: frozenset[date]
) -> None:
    """The slow way: ask the calendar of every hour. Both ways round."""
    calendar = WorkCalendar(holidays=dict.fromkeys(holidays, "x"), makeup_days=makeups)

    hours_of = {rule: [hours_from(row) for row in rule.hours] for rule in (one, other)}

    def opened(rule: Rule, at: datetime) -> bool:
        return calendar.within(hours_of[rule], at, rule.valid_from, rule.valid_to)

    moments = (datetime(2026, 4, 30, 12) + timedelta(hours=hours) for hours in range(24 * 78))  # noqa: DTZ001
    first = next((at for at in moments if opened(one, at) and opened(other, at)), None)
    for told in (same_time(one, other, calendar), same_time(other, one, calendar)):
        assert bool(told) is (first is not None)
        assert first is None or told.startswith(str(first.date()))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    day=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    days=st.integers(0, 20),
    start=st.integers(0, 22),
    weekday=st.sampled_from(["mon", "tue", "sun"]),
)
def test_a_fault_is_told_when_and_only_when_a_minute_is_permitted_twice(
    folder: PackFolder, day: date, days: int, start: int, weekday: str
) -> None:
    end = day + timedelta(days=days)
    second(
        folder,
        ('"mon", "sun"', f'"{weekday}"'),
        ('from = "01:00"', f'from = "{start:02d}:00"'),
        ('to = "08:30"', f'to = "{start + 1:02d}:00"'),
        ("2026-01-01", str(day)),
        ("2026-12-31", str(end)),
    )
    together = [
        moment
        for offset in range(days + 1)
        if (moment := day + timedelta(days=offset)).year == 2026
        and moment.weekday() in {0, 6}
        and moment.strftime("%a").lower() == weekday
        and 1 <= start < 8.5
    ]
    if together:
        assert f"{together[0]} {start:02d}:00" in folder.faults()[0]
    else:
        folder.load()


UNDER = "[[104.6399, 30.1201], [104.63998, 30.1201], [104.63998, 30.1202], [104.6399, 30.1202]]"  # cam-1's zone "left"
BESIDE = "[[104.6401, 30.1201], [104.6402, 30.1201], [104.6402, 30.1202], [104.6401, 30.1202]]"


@pytest.mark.parametrize(("ground", "found"), [(UNDER, True), (BESIDE, False)])
def test_a_permit_on_the_ground_overlaps_one_by_a_zone_that_looks_at_it(
    folder: PackFolder, ground: str, found: bool
) -> None:
    by_zone, by_ground = FIRST.replace(GROUND, "[]"), SECOND.replace(GROUND, ground).replace(ZONES, "[]")
    for text in (by_zone + by_ground, by_ground + by_zone):
        (folder.path / "permits.toml").write_text(text, encoding="utf-8")
        if found:
            assert "for stall in place and time: 2026-01-04 01:00 to 08:30" in folder.faults()[0]
        else:
            folder.load()
    folder.edit(
        "cameras.toml", "[camera.calibration]", "[[camera.zone]]\nname = 'far'\npolygon = [[0, 0], [9, 0], [9, 9]]"
    )
    calibration = (folder.path / "cameras.toml").read_text(encoding="utf-8")
    for key in ("horizon_row", "px_per_m_slope", "lon = 104.64\n", "lat = 30.12\n", "bearing_deg", "height_m"):
        line = next(one for one in calibration.splitlines(keepends=True) if one.startswith(key))
        calibration = calibration.replace(line, "", 1)
    (folder.path / "cameras.toml").write_text(calibration, encoding="utf-8")
    folder.load()  # nobody knows what a camera without a calibration looks at


def test_two_fronts_on_one_ground_are_refused(folder: PackFolder) -> None:
    front = '[[shop_front]]\nid = "s-1"\nname = "S"\nparty = "P"\n'
    other = front.replace("s-1", "s-2").replace('"P"', '"Q"')
    file = folder.path / "shopfronts.toml"
    for one, two in ((f"polygon = {UNDER}\n",) * 2, (f"polygon = {UNDER}\n", f"camera_zones = {ZONES}\n")):
        file.write_text(front + one + other + two, encoding="utf-8")
        assert folder.faults() == [
            "shopfronts.toml: shop_front[s-2]: overlaps shop front s-1: one party answers for a place"
        ]
    file.write_text(front + f"polygon = {UNDER}\n" + other + f"polygon = {BESIDE}\n", encoding="utf-8")
    folder.load()


HEAD = "unit,cells,classes,days,from,to,valid_from,valid_to\n"


@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        ("u-1,,09006,,,,,", "u-2,,09006,,,,,", True),
        ("u-1,,,,,,,", "u-2,,,,,,,", True),
        ("u-1,512002|512002001,09006|06010,,,,,", "u-2,512002001,06010,,,,,", True),
        ("u-1,,,sat,22:00,30:00,,", "u-2,,,sun,05:00,08:00,,", True),
        ("u-1,,09006,,,,,2026-06-30", "u-2,,09006,,,,2026-06-30,", True),
        ("u-1,,09006,,,,,", "u-1,,09006,,,,,", False),  # the same crew twice
        ("u-1,,09006,,,,,", "u-2,,06010,,,,,", False),
        ("u-1,512002,09006,,,,,", "u-2,512002001,09006,,,,,", False),  # a longer beginning is more special
        ("u-1,,09006,,,,,", "u-2,,,,,,,", False),  # a class before all
        ("u-1,,09006,mon,08:00,12:00,,", "u-2,,09006,,,,,", False),  # hours before always
        ("u-1,,09006,mon,08:00,12:00,,", "u-2,,09006,mon,12:00,18:00,,", False),
        ("u-1,,,sat,22:00,30:00,,", "u-2,,,sun,06:00,08:00,,", False),
        ("u-1,,09006,,,,,2026-06-30", "u-2,,09006,,,,2026-07-01,", False),
    ],
)
def test_two_crews_that_are_named_alike_are_refused(folder: PackFolder, one: str, two: str, found: bool) -> None:
    for first, last in ((one, two), (two, one)):
        (folder.path / "responsibility.csv").write_text(f"{HEAD}{first}\n{last}\n", encoding="utf-8")
        if found:
            unit, other = last[:3], first[:3]
            (fault,) = folder.faults()
            said = f"responsibility.csv:3: unit = {unit}: is named no more specially than {other}: both for one class"
            assert fault.startswith(said)
        else:
            folder.load()


def test_a_wrong_hour_is_one_fault(folder: PackFolder) -> None:
    folder.edit("permits.toml", '"08:30"', '"31:00"')
    assert folder.faults() == ["permits.toml: permit[p-1].hours[0].to = 31:00: is not a clock time from 00:00 to 30:00"]
    folder.edit("permits.toml", '["mon", "sun"]', "[]")
    assert [fault.partition(" = ")[0] for fault in folder.faults()] == [
        "permits.toml: permit[p-1].hours[0].days",
        "permits.toml: permit[p-1].hours[0].to",
    ]
