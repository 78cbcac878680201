"""Which limits hold for a case."""

from dataclasses import replace
from datetime import date

from alerts.clocks.limits import limits_for, uncounted
from alerts.clocks.worktime import WorkTime
from schemas.rules import Stage, TimeLimit, WorkCalendar
from tests.alerts.clocks.made_city import OFFICE_TIME, limit, limited, local
from tests.alerts.makers import CELL

BEGUN = local("09-21 09:00")


def held(*limits: TimeLimit, stage: Stage = "handle", code: str = "06010", begun: str = "09-21 09:00") -> list[str]:
    return [found.limit_id for found in limits_for(limited(*limits), OFFICE_TIME, stage, code, CELL, local(begun))]


def test_a_pack_without_limits_has_the_classs_own_for_handling_and_none_for_the_rest() -> None:
    assert held() == ["class/06010"]
    assert held(stage="verify") == held(stage="check") == []
    assert held(code="99999") == []
    (own,) = limits_for(limited(), OFFICE_TIME, "handle", "06010", CELL, BEGUN)
    assert (own.amount, own.unit, own.name) == (24.0, "working_h", "")


def test_a_call_for_help_is_handled_by_the_clock_unless_a_limit_names_it() -> None:
    (own,) = limits_for(limited(limit("all")), OFFICE_TIME, "handle", "99001", CELL, BEGUN)
    assert (own.limit_id, own.amount, own.unit) == ("class/99001", 0.5, "natural_h")
    assert held(limit("all"), limit("sos", classes=frozenset({"99001"})), code="99001") == ["sos"]
    assert held(limit("v", stage="verify"), stage="verify", code="99001") == ["v"]
    named = limited()
    named = replace(named, classes=named.classes | {"99001": replace(named.classes["06010"], code="99001", handle_h=2)})
    (own,) = limits_for(named, OFFICE_TIME, "handle", "99001", CELL, BEGUN)
    assert (own.amount, own.unit) == (2, "natural_h")


def test_the_longest_fitting_cell_prefix_holds_whatever_the_others_name() -> None:
    city = limit("city", classes=frozenset({"06010"}))
    street = limit("street", cells=("999", CELL[:9]))
    elsewhere = limit("elsewhere", cells=("512002009",))
    assert held(city, street, elsewhere) == held(elsewhere, street, city) == ["street"]
    assert held(city, elsewhere) == ["city"]
    assert held(elsewhere) == ["class/06010"]


def test_of_two_for_the_same_ground_the_one_that_names_the_class_holds() -> None:
    everything, waste = limit("all"), limit("waste", classes=frozenset({"06010"}))
    assert held(everything, waste) == held(waste, everything) == ["waste"]
    assert held(everything, waste, code="09006") == ["all"]
    assert held(waste, code="09006") == ["class/09006"]


def test_a_class_may_have_several_limits_by_name() -> None:
    stop = limit("stop", name="stop")
    penalise, remove = (
        limit(name, name=name, amount=days, unit="working_d") for name, days in (("b", 7.0), ("c", 20.0))
    )
    assert held(remove, stop, penalise) == ["b", "c", "stop"]


def test_a_limit_counts_for_stages_that_begin_on_its_days_by_the_citys_clock() -> None:
    old = limit("old", valid_to=date(2026, 9, 20))
    new = limit("new", valid_from=date(2026, 9, 21))
    assert held(old, new, begun="09-20 23:59") == ["old"]
    assert held(old, new, begun="09-21 00:00") == ["new"]  # 20 September 16:00 in UTC
    assert held(old, begun="09-21 00:00") == ["class/06010"]
    assert held(limit("always"), new) == ["new"]  # of two that fit alike the one that came into force later


def test_limits_in_working_time_without_working_hours_are_named_with_their_remedy() -> None:
    nothing = WorkTime(WorkCalendar(), "Asia/Shanghai")
    assert uncounted(limited(limit()), OFFICE_TIME) == ()
    pack = limited(limit("h"), limit("d", unit="working_d", stage="check"), limit("n", unit="natural_h"))
    assert [fault.key for fault in uncounted(pack, nothing)] == ["h", "d"]
    assert "limits.csv: h = 4 working_h: counts working time" in str(uncounted(pack, nothing)[0])
    assert [str(fault.key) for fault in uncounted(limited(), nothing)] == ["handle_h"]
