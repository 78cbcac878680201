"""Whose task it is: the most special row of the pack that fits, then the cell's units, else nobody's."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.responsible import UNROUTED, unit_for
from schemas.city import City, GridCell
from schemas.hours import Hours
from schemas.rules import HOLIDAY, CityRules, Responsibility, WorkCalendar
from tests.alerts.makers import ALL_WEEK, CELL, SQUARE, city

NOON = datetime(2026, 5, 5, 4, 0, tzinfo=UTC)  # Tuesday 12:00 in Shanghai
MORNING = (Hours(ALL_WEEK, 6 * 60, 14 * 60),)
DISTRICT, STREET, COMMUNITY = CELL[:6], CELL[:9], CELL[:12]


def ruled(*rows: Responsibility, **changes: object) -> City:
    return city(rules=CityRules(responsibilities=rows, **changes))  # type: ignore[arg-type]


def unit(found: City, code: str = "09006", when: datetime = NOON, cell_id: str = CELL, own: str = "") -> str:
    return unit_for(found, found.classes[code], cell_id, when, own_unit=own)


def test_without_rows_the_cells_units_count_by_family() -> None:
    assert unit(city()) == "u-1"
    assert unit(city(), "06010") == "u-2"


def test_where_nobody_is_named_it_is_unrouted() -> None:
    assert unit(city(), cell_id="512002009009009") == UNROUTED
    assert unit(city(), cell_id="") == UNROUTED
    assert unit(city(cells={CELL: GridCell(CELL, "A", SQUARE)})) == UNROUTED
    assert unit(city(cells={CELL: GridCell(CELL, "A", SQUARE, {"waste": "u-2"})})) == UNROUTED


def test_a_cameras_own_unit_goes_before_everything() -> None:
    assert unit(ruled(Responsibility("u-3", cells=(CELL,))), own="u-9") == "u-9"


@pytest.mark.parametrize(
    ("special", "general"),
    [
        (Responsibility("u-3", cells=(CELL,)), Responsibility("u-4", cells=(COMMUNITY,))),
        (Responsibility("u-3", cells=(COMMUNITY,)), Responsibility("u-4", cells=(STREET,))),
        (Responsibility("u-3", cells=(STREET,)), Responsibility("u-4", cells=(DISTRICT,))),
        (Responsibility("u-3", cells=(DISTRICT,)), Responsibility("u-4")),
        (Responsibility("u-3", cells=("9", STREET)), Responsibility("u-4", cells=(DISTRICT, "9"))),
        (
            Responsibility("u-3", cells=(CELL,)),  # a longer prefix beats named classes and hours
            Responsibility("u-4", cells=(STREET,), classes=frozenset({"09006"}), hours=MORNING),
        ),
        (Responsibility("u-3", classes=frozenset({"09006"})), Responsibility("u-4")),
        (Responsibility("u-3", classes=frozenset({"09006"})), Responsibility("u-4", hours=MORNING)),
        (Responsibility("u-3", hours=MORNING), Responsibility("u-4")),
    ],
)
def test_the_more_special_row_wins_wherever_it_stands(special: Responsibility, general: Responsibility) -> None:
    assert unit(ruled(special, general)) == "u-3"
    assert unit(ruled(general, special)) == "u-3"


def test_of_two_alike_the_first_of_the_file_wins() -> None:
    assert unit(ruled(Responsibility("u-3", cells=(STREET,)), Responsibility("u-4", cells=(STREET,)))) == "u-3"
    assert unit(ruled(Responsibility("u-4", cells=(STREET,)), Responsibility("u-3", cells=(STREET,)))) == "u-4"


@pytest.mark.parametrize(
    "row",
    [
        Responsibility("u-3", cells=("512003",)),
        Responsibility("u-3", classes=frozenset({"06010"})),
        Responsibility("u-3", hours=(Hours(ALL_WEEK, 0, 12 * 60),)),  # until 12:00, and it is 12:00
        Responsibility("u-3", valid_to=date(2026, 5, 4)),
        Responsibility("u-3", valid_from=date(2026, 5, 6)),
    ],
)
def test_a_row_that_does_not_fit_leaves_it_to_the_cell(row: Responsibility) -> None:
    assert unit(ruled(row)) == "u-1"


def test_the_same_event_goes_to_the_old_unit_before_the_date_and_to_the_new_one_from_it() -> None:
    found = ruled(
        Responsibility("u-old", classes=frozenset({"09006"}), valid_to=date(2026, 6, 30)),
        Responsibility("u-new", classes=frozenset({"09006"}), valid_from=date(2026, 7, 1)),
    )
    assert unit(found, when=datetime(2026, 6, 30, 15, 59, 59, tzinfo=UTC)) == "u-old"  # 23:59:59 in Shanghai
    assert unit(found, when=datetime(2026, 6, 30, 16, 0, tzinfo=UTC)) == "u-new"  # 00:00 of 1 July


def test_a_night_is_the_units_of_the_day_on_which_it_starts() -> None:
    """The old squad has the night of its last day, the new one begins the evening after it."""
    night = (Hours(ALL_WEEK, 22 * 60, 30 * 60),)
    found = ruled(
        Responsibility("u-old", hours=night, valid_to=date(2026, 6, 30)),
        Responsibility("u-new", hours=night, valid_from=date(2026, 7, 1)),
    )
    asked = ["30 22:00", "30 23:59", "31 00:00", "31 05:59", "31 06:00", "31 22:00", "32 05:59"]
    hours = {at: (int(at[:2]) - 30) * 24 + int(at[3:5]) + int(at[6:]) / 60 for at in asked}
    midnight = datetime(2026, 6, 29, 16, 0, tzinfo=UTC)  # 00:00 of 30 June in Shanghai
    told = {at: unit(found, when=midnight + timedelta(hours=passed)) for at, passed in hours.items()}
    assert list(told.values()) == ["u-old"] * 4 + ["u-1"] + ["u-new"] * 2


def test_hours_follow_the_calendar() -> None:
    """A night crew of weekdays, and one of holidays."""
    calendar = WorkCalendar(holidays={date(2026, 5, 4): "劳动节"}, makeup_days={date(2026, 5, 9): 0})
    found = ruled(
        Responsibility("u-week", hours=(Hours(frozenset(range(5)), 0, 1440),)),
        Responsibility("u-rest", hours=(Hours(frozenset({5, 6, HOLIDAY}), 0, 1440),)),
        calendar=calendar,
    )
    days = {4: "u-rest", 5: "u-week", 8: "u-week", 9: "u-week", 10: "u-rest", 16: "u-rest"}
    assert {day: unit(found, when=datetime(2026, 5, day, 4, tzinfo=UTC)) for day in days} == days


@given(
    st.lists(
        st.builds(
            Responsibility,
            unit_id=st.sampled_from(["a", "b", "c"]),
            cells=st.lists(st.sampled_from([CELL, COMMUNITY, STREET, DISTRICT, "9"]), max_size=2).map(tuple),
            classes=st.sampled_from([frozenset[str](), frozenset({"09006"}), frozenset({"06010"})]),
            hours=st.sampled_from([(), MORNING]),
        ),
        max_size=6,
    )
)
def test_the_winner_is_no_less_special_than_any_other_that_fits(rows: list[Responsibility]) -> None:
    def special(row: Responsibility) -> tuple[int, bool, bool] | None:
        prefixes = [len(cell) for cell in row.cells if CELL.startswith(cell)]
        if (row.cells and not prefixes) or (row.classes and "09006" not in row.classes):
            return None
        return max(prefixes, default=-1), bool(row.classes), bool(row.hours)

    fitting = [(rank, -place, row.unit_id) for place, row in enumerate(rows) if (rank := special(row)) is not None]
    assert unit(ruled(*rows)) == (max(fitting)[2] if fitting else "u-1")
