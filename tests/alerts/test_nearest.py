"""Which unit gets a job, and why: rosters, positions, a call for help. No servers."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.jobs.duty import duties_at, peers, units_on_duty
from alerts.jobs.nearest import choose
from schemas.dispatch import Choice, Errand, Fix, Why
from schemas.hours import Hours
from schemas.rules import HOLIDAY, CityRules, Duty, Responsibility, WorkCalendar
from schemas.units import M_PER_DEG
from tests.alerts.makers import ALL_WEEK, city

MONDAY_9 = datetime(2026, 5, 4, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai
PLACE = (104.64, 30.12)
ANYBODY = {"u-1": frozenset[str](), "u-2": frozenset[str](), "u-3": frozenset[str]()}
ERRAND = Errand("u-1", frozenset({"u-1", "u-2"}), PLACE)
DAY = Hours(frozenset(range(5)), 8 * 60, 18 * 60)


def fix(vehicle_id: str, unit_id: str, north_m: float, age_s: float = 10.0) -> Fix:
    """A vehicle so many metres north of the place, heard of so long ago."""
    point = (PLACE[0], PLACE[1] + north_m / M_PER_DEG)
    return Fix(vehicle_id, unit_id, point, MONDAY_9 - timedelta(seconds=age_s))


def chosen(errand: Errand, on_duty: dict[str, frozenset[str]], *fixes: Fix) -> tuple[str, str, str, int | None]:
    """Unit, reason, vehicle and whole metres."""
    one = choose(errand, on_duty, fixes, MONDAY_9, fresh_s=300)
    return one.unit_id, one.why, one.vehicle_id, None if one.distance_m is None else round(one.distance_m)


def test_nobody_on_duty_leaves_a_job_with_the_responsible_unit() -> None:
    assert chosen(ERRAND, {}) == ("u-1", "nobody", "", None)
    assert chosen(ERRAND, {"u-3": frozenset()}, fix("c-3", "u-3", 10)) == ("u-1", "nobody", "", None)


def test_the_responsible_unit_gets_it_while_on_duty_though_another_is_nearer() -> None:
    assert chosen(ERRAND, ANYBODY) == ("u-1", "responsible", "", None)
    cars = (fix("c-2", "u-2", 10), fix("c-1", "u-1", 400), fix("c-9", "u-1", 500))
    assert chosen(ERRAND, ANYBODY, *cars) == ("u-1", "responsible", "c-1", 400)


def test_off_duty_the_nearest_of_its_kind_gets_it() -> None:
    on_duty = {"u-2": frozenset[str](), "u-3": frozenset[str](), "u-4": frozenset[str]()}
    errand = replace(ERRAND, peers=frozenset({"u-1", "u-2", "u-4"}))
    cars = (fix("c-3", "u-3", 5), fix("c-2", "u-2", 900), fix("c-4", "u-4", 300))
    assert chosen(errand, on_duty, *cars) == ("u-4", "nearest", "c-4", 300)


def test_an_old_position_says_nothing() -> None:
    on_duty = {"u-2": frozenset[str](), "u-4": frozenset[str]()}
    errand = replace(ERRAND, peers=frozenset({"u-2", "u-4"}))
    cars = (fix("c-4", "u-4", 300, age_s=301), fix("c-2", "u-2", 900, age_s=300))
    assert chosen(errand, on_duty, *cars) == ("u-2", "nearest", "c-2", 900)
    assert chosen(errand, on_duty, cars[0]) == ("u-2", "on_duty", "", None)


def test_only_the_vehicles_of_the_roster_count_where_it_names_some() -> None:
    on_duty = {"u-2": frozenset({"night-car"})}
    assert chosen(ERRAND, on_duty, fix("day-car", "u-2", 5), fix("night-car", "", 800)) == (
        "u-2",
        "nearest",
        "night-car",
        800,
    )


def test_a_place_that_is_not_known_has_no_nearest() -> None:
    errand = replace(ERRAND, place=None)
    assert chosen(errand, {"u-2": frozenset()}, fix("c-2", "u-2", 5)) == ("u-2", "on_duty", "", None)


def test_a_call_for_help_goes_to_the_nearest_of_all_and_not_to_the_caller() -> None:
    call = Errand("u-1", frozenset(), PLACE, sos=True, caller="c-1")
    cars = (fix("c-1", "u-1", 0), fix("c-3", "u-3", 200), fix("c-2", "u-2", 300))
    assert chosen(call, ANYBODY, *cars) == ("u-3", "nearest_any", "c-3", 200)
    assert chosen(call, ANYBODY, cars[0]) == ("u-1", "on_duty", "", None)
    assert chosen(call, {}, cars[0]) == ("u-1", "nobody", "", None)


def test_units_that_did_not_take_it_are_passed_over() -> None:
    errand = replace(ERRAND, without=frozenset({"u-1"}))
    assert chosen(errand, ANYBODY, fix("c-1", "u-1", 1), fix("c-2", "u-2", 700)) == ("u-2", "nearest", "c-2", 700)
    assert chosen(replace(errand, without=frozenset({"u-1", "u-2"})), ANYBODY)[1] == "nobody"


@given(
    st.dictionaries(st.sampled_from("abcd"), st.just(frozenset[str]())),
    st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1e4), st.floats(0, 600)), max_size=8),
    st.frozensets(st.sampled_from("abcd")),
    st.booleans(),
)
def test_whoever_is_chosen_is_able_or_responsible_and_no_nearer_one_was(
    on_duty: dict[str, frozenset[str]], cars: list[tuple[str, float, float]], able: frozenset[str], sos: bool
) -> None:
    errand = Errand("a", able, PLACE, sos=sos)
    fixes = [fix(f"car-{index}", unit, metres, age) for index, (unit, metres, age) in enumerate(cars)]
    one: Choice = choose(errand, on_duty, fixes, MONDAY_9, fresh_s=300)
    assert one == choose(errand, on_duty, fixes[::-1], MONDAY_9, fresh_s=300)
    assert one.unit_id == "a" or (one.unit_id in on_duty and (sos or one.unit_id in able))
    if one.why in {Why.NEAREST, Why.NEAREST_ANY}:
        assert one.distance_m is not None
        rivals = [m for u, m, age in cars if age <= 300 and u in on_duty and (sos or u in able)]
        assert one.distance_m <= min(rivals) + 0.1


@pytest.mark.parametrize(
    ("at", "units"),
    [
        (MONDAY_9, {"u-1"}),
        (MONDAY_9.replace(hour=10), set()),  # 18:00: the day ends exclusive
        (MONDAY_9 - timedelta(hours=1, minutes=1), set()),  # 07:59
        (MONDAY_9 - timedelta(days=1), {"u-2"}),  # Sunday
        (MONDAY_9 - timedelta(days=3), {"u-2"}),  # 1 May, a Friday and a holiday
        (MONDAY_9 + timedelta(days=5), {"u-1"}),  # Saturday 9 May is worked as a Friday
        (MONDAY_9 + timedelta(days=300), set()),  # the rosters have ended
    ],
)
def test_a_roster_holds_by_the_days_as_the_city_works_them(at: datetime, units: set[str]) -> None:
    calendar = WorkCalendar(holidays={date(2026, 5, 1): "劳动节"}, makeup_days={date(2026, 5, 9): 4})
    rest = Hours(frozenset({5, 6, HOLIDAY}), 0, 1440)
    last = date(2026, 12, 31)
    duties = (Duty("u-1", (DAY,), ("car-1",), valid_to=last), Duty("u-2", (rest,), valid_to=last))
    rules = CityRules(calendar=calendar, duties=duties)
    assert {duty.unit_id for duty in duties_at(city(rules=rules), at)} == units
    assert set(units_on_duty(city(rules=rules), at)) == units


def test_a_night_shift_is_on_duty_until_its_end_whatever_day_that_is() -> None:
    """Of Fridays, until 06:00: the Saturday after 8 May is worked, and the roster ends with Friday 15 May."""
    calendar = WorkCalendar(makeup_days={date(2026, 5, 9): 0})
    night = Duty("u-1", (Hours(frozenset({4}), 22 * 60, 30 * 60),), valid_to=date(2026, 5, 15))
    found = city(rules=CityRules(calendar=calendar, duties=(night,)))
    for days in (4, 11):
        ten = MONDAY_9 + timedelta(days=days, hours=13)
        on_duty = {hour for hour in range(-30, 30) if duties_at(found, ten + timedelta(hours=hour))}
        assert on_duty == set(range(8)), days


def test_a_unit_without_a_roster_is_always_on_duty() -> None:
    assert units_on_duty(city(), MONDAY_9) == {"u-1": frozenset(), "u-2": frozenset()}
    nights = Duty("u-1", (Hours(ALL_WEEK, 0, 60),), ("car-1",))
    more = replace(nights, vehicles=("car-2",))
    rules = CityRules(duties=(nights, more))
    assert units_on_duty(city(rules=rules), MONDAY_9) == {"u-2": frozenset()}
    midnight = MONDAY_9 - timedelta(hours=9)
    assert units_on_duty(city(rules=rules), midnight)["u-1"] == {"car-1", "car-2"}


def test_units_of_a_kind_are_those_that_do_the_same_work_somewhere() -> None:
    assert peers(city(), "waste", "06010") == {"u-2"}
    assert peers(city(), "stall", "09006") == {"u-1"}
    rules = (Responsibility("u-9", classes=frozenset({"06010"})), Responsibility("u-8"))
    assert peers(city(rules=CityRules(responsibilities=rules)), "waste", "06010") == {"u-2", "u-9"}
    assert peers(city(cells={}), "waste", "06010") == frozenset()
