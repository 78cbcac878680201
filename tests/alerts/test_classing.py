"""What is confused with what, in the words of the catalogue's rules."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.classing import Circumstances, class_code, width_m
from config.alerts import AlertKnobs
from schemas.city import CaseClass, City
from tests.alerts.makers import CALIBRATION, city

KNOBS = AlertKnobs()
EXTRA = (
    CaseClass("09002", "早（夜）市管理问题", "Market out of hours", "stall"),
    CaseClass("06011", "积存垃圾渣土", "Accumulated waste", "waste"),
    CaseClass("06014", "道路遗撒", "Spill on the road", "waste"),
    CaseClass("06017", "绿地脏乱", "Litter in a green belt", "waste"),
    CaseClass("06042", "垃圾箱满溢", "Overflowing bin", "waste"),
)
WHOLE = city(classes=city().classes | {case.code: case for case in EXTRA})


def waste(found: City = WHOLE, **known: object) -> str:
    return class_code(found, "waste", Circumstances(**known), KNOBS)  # type: ignore[arg-type]


def stall(found: City = WHOLE, **known: object) -> str:
    return class_code(found, "stall", Circumstances(**known), KNOBS)  # type: ignore[arg-type]


def test_where_nothing_is_known_the_packs_default_counts() -> None:
    assert (waste(), stall()) == ("06010", "09006")


def test_waste_around_a_bin_is_06042_and_not_06010() -> None:
    assert waste(area_code="06042") == "06042"


def test_litter_in_a_green_belt_is_06017() -> None:
    assert waste(area_code="06017") == "06017"


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({"width_m": 2.9}, "06010"),
        ({"width_m": 3.0}, "06011"),
        ({"stood_s": 24 * 3600 - 1.0}, "06010"),
        ({"stood_s": 24 * 3600.0}, "06011"),
        ({"width_m": None, "stood_s": 60.0}, "06010"),
    ],
)
def test_a_large_or_long_standing_heap_is_06011_and_small_loose_waste_06010(
    known: dict[str, float | None], code: str
) -> None:
    assert class_code(WHOLE, "waste", replace(Circumstances(), **known), KNOBS) == code  # type: ignore[arg-type]


def test_waste_is_a_spill_only_with_a_trucks_track() -> None:
    assert waste(width_m=8.0, stood_s=1e6) == "06011"
    assert waste(spilled=True) == "06014"
    assert waste(spilled=True, area_code="06017", width_m=8.0) == "06014"


def test_a_large_heap_in_a_green_belt_is_the_green_belts() -> None:
    assert waste(area_code="06017", width_m=8.0) == "06017"


def test_goods_out_of_a_fixed_shop_are_09005_and_a_vendor_without_one_09006() -> None:
    assert stall(at_shop=True) == "09005"
    assert stall() == "09006"


def test_a_stall_on_a_markets_ground_outside_its_hours_is_09002() -> None:
    assert stall(at_market=True) == "09002"
    assert stall(at_market=True, at_shop=True) == "09005"


def test_rules_whose_class_the_pack_lacks_or_has_elsewhere_count_as_not_there() -> None:
    bare = city()
    assert waste(bare, spilled=True, area_code="06042", width_m=9.0) == "06010"
    assert stall(bare, at_market=True) == "09006"
    odd = city(classes=bare.classes | {"06011": CaseClass("06011", "x", "x", "truck")})
    assert waste(odd, width_m=9.0) == "06010"
    assert stall(WHOLE, area_code="06042") == "09006"


@given(
    st.builds(
        Circumstances,
        at_shop=st.booleans(),
        at_market=st.booleans(),
        area_code=st.sampled_from(["", "06017", "06042", "09005", "99999"]),
        spilled=st.booleans(),
        width_m=st.none() | st.floats(0, 50),
        stood_s=st.floats(0, 1e7),
    ),
    st.sampled_from(["stall", "waste"]),
    st.sets(st.sampled_from(sorted(WHOLE.classes.keys() - {"09006", "06010"}))),
)
def test_a_thing_always_has_a_class_of_its_own_family(seen: Circumstances, family: str, left_out: set[str]) -> None:
    found = replace(WHOLE, classes={code: case for code, case in WHOLE.classes.items() if code not in left_out})
    assert found.classes[class_code(found, family, seen, KNOBS)].family == family


def test_width_is_told_by_the_foots_row_and_only_on_the_ground() -> None:
    assert width_m(None, (0, 0, 100, 100)) is None
    # 300 rows below the horizon a metre is 300 / 6 = 50 px.
    assert width_m(CALIBRATION, (100.0, 400.0, 150.0, 50.0)) == pytest.approx(3.0)
    assert width_m(CALIBRATION, (100.0, 100.0, 150.0, 51.0)) is None
