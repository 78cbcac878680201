"""The pack's rules in a decision: exceptions, classes, campaigns, whose task it is, and a pack that changes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from alerts.deciding.decide import Decider, Decisions
from alerts.deciding.responsible import UNROUTED
from config.alerts import AlertKnobs
from schemas.city import CaseClass, City, Permit
from schemas.detections import Phase
from schemas.incident import Sighting
from schemas.rules import Campaign, CityRules, ClassArea, PlacedFixture, Responsibility, ShopFront, WorkCalendar
from schemas.units import ns_of
from tests.alerts.makers import (
    ALL_WEEK,
    CALIBRATION,
    CELL,
    MONDAY_1059,
    SQUARE,
    S,
    city,
    permit,
    standing,
    times,
    view,
)

VIEWS = {"cam-1": view()}
ON_GROUND = {"cam-1": view(calibration=CALIBRATION)}
ELEVEN = permit((ALL_WEEK, 11 * 60, 21 * 60))
MAY = (date(2026, 5, 4), date(2026, 5, 10))
HERE = frozenset({("cam-1", "left")})


def ruled(*permits: Permit, classes: tuple[CaseClass, ...] = (), **rules: object) -> City:
    whole = city(*permits, rules=CityRules(**rules))  # type: ignore[arg-type]
    return replace(whole, classes=whole.classes | {case.code: case for case in classes})


def at(clock: str) -> int:
    """Ns of a time in May 2026 in Shanghai, as ``4 10:59``."""
    day, _, clock = clock.partition(" ")
    return ns_of(datetime.fromisoformat(f"2026-05-{int(day):02d}T{clock}+08:00"))


def told(found: City, captured_ns: int = MONDAY_1059, views: object = None, **row: object) -> Decisions:
    chosen = VIEWS if views is None else views
    return Decider(found, AlertKnobs()).decide(standing(**row), times(captured_ns), chosen)  # type: ignore[arg-type]


def only(found: Decisions) -> Sighting:
    (sighting,) = found.sightings
    return sighting


def test_a_permit_is_read_on_the_day_as_it_is_worked() -> None:
    calendar = WorkCalendar(holidays={date(2026, 5, 4): "劳动节"}, makeup_days={date(2026, 5, 9): 0})
    found = ruled(permit((frozenset({0}), 11 * 60, 21 * 60)), calendar=calendar)
    assert len(told(found, at("4 12:00")).sightings) == 1  # a holiday Monday
    assert told(found, at("9 12:00")).passed_over == {"permit": 1}  # a Saturday worked as a Monday
    assert told(found, at("11 12:00")).passed_over == {"permit": 1}


def test_a_fixture_is_passed_over_by_its_box_and_on_its_ground() -> None:
    box = PlacedFixture("f-1", "报刊亭", frozenset({"stall"}), camera_boxes=(("cam-1", (200.0, 400.0, 120.0, 150.0)),))
    assert told(ruled(fixtures=(box,))).passed_over == {"fixture": 1}
    assert len(told(ruled(fixtures=(box,)), family="waste").sightings) == 1
    ground = PlacedFixture("f-2", "报刊亭", frozenset({"stall"}), polygon=SQUARE)
    assert told(ruled(fixtures=(ground,)), views=ON_GROUND).passed_over == {"fixture": 1}


def test_goods_on_a_shop_front_are_09005_and_name_its_party() -> None:
    front = ShopFront("s-1", "面馆", "王记面馆", camera_zones=HERE)
    found = only(told(ruled(shop_fronts=(front,))))
    assert (found.class_code, found.party) == ("09005", "王记面馆")


def test_a_market_for_vendors_does_not_excuse_a_shop_that_spills_over_onto_it() -> None:
    vendors = permit((ALL_WEEK, 0, 1440), classes=frozenset({"09006"}))
    assert told(ruled(vendors)).passed_over == {"permit": 1}
    front = ShopFront("s-1", "面馆", "王记面馆", camera_zones=HERE)
    assert only(told(ruled(vendors, shop_fronts=(front,)))).class_code == "09005"


def test_an_open_market_for_vendors_excuses_them_where_the_pack_has_a_class_for_markets() -> None:
    vendors = permit((ALL_WEEK, 11 * 60, 21 * 60), classes=frozenset({"09006"}))
    market = CaseClass("09002", "早夜市", "Market outside its hours", "stall")
    found = ruled(vendors, classes=(market,))
    assert only(told(found, at("4 10:59"))).class_code == "09002"
    assert told(found, at("4 11:00")).passed_over == {"permit": 1}


def test_waste_on_a_shop_front_is_waste_and_names_nobody() -> None:
    front = ShopFront("s-1", "面馆", "王记面馆", camera_zones=HERE)
    found = only(told(ruled(shop_fronts=(front,)), family="waste"))
    assert (found.class_code, found.party) == ("06010", "")


def test_a_shop_whose_class_the_pack_lacks_names_nobody() -> None:
    found = ruled(shop_fronts=(ShopFront("s-1", "面馆", "王记面馆", camera_zones=HERE),))
    found = replace(found, classes={code: case for code, case in found.classes.items() if code != "09005"})
    assert (only(told(found)).class_code, only(told(found)).party) == ("09006", "")


def test_a_stall_on_a_markets_ground_before_it_opens_is_the_markets_affair() -> None:
    market = CaseClass("09002", "早（夜）市管理问题", "Market out of hours", "stall")
    assert only(told(ruled(ELEVEN, classes=(market,)))).class_code == "09002"
    assert only(told(ruled(ELEVEN))).class_code == "09006"
    over = permit((ALL_WEEK, 11 * 60, 21 * 60), valid_to=date(2026, 5, 3))
    assert only(told(ruled(over, classes=(market,)))).class_code == "09006"


def test_litter_in_a_green_belt_and_waste_around_a_bin_have_their_own_classes() -> None:
    green, bin_ = CaseClass("06017", "绿地脏乱", "Litter", "waste"), CaseClass("06042", "满溢", "Full bin", "waste")
    areas = (ClassArea("a-1", "绿化带", "06017", polygon=SQUARE), ClassArea("a-2", "收集点", "06042", (), HERE))
    found = ruled(classes=(green, bin_), areas=areas)
    assert only(told(found, views=ON_GROUND, family="waste")).class_code == "06017"
    assert only(told(found, family="waste")).class_code == "06042"
    assert only(told(found)).class_code == "09006"


def test_a_heap_is_told_by_its_width_on_the_ground_or_by_a_day_of_standing() -> None:
    heap = CaseClass("06011", "积存垃圾渣土", "Heap", "waste")
    found = ruled(classes=(heap,))
    wide = (100.0, 400.0, 220.0, 150.0)  # its foot is 400 rows below the horizon, where 67 px are a metre
    assert only(told(found, views=ON_GROUND, family="waste", box_px=wide)).class_code == "06011"
    assert only(told(found, family="waste", box_px=wide)).class_code == "06010"
    since_ns = MONDAY_1059 - 24 * 3600 * S
    assert only(told(found, family="waste", appeared_ns=since_ns)).class_code == "06011"
    assert only(told(found, family="waste", appeared_ns=since_ns + S)).class_code == "06010"


def test_waste_that_a_trucks_track_explains_is_a_spill() -> None:
    spill = CaseClass("06014", "道路遗撒", "Spill", "waste", mode="direct", urgent=True)
    asked = []

    def witness(point: tuple[float, float], appeared_ns: int) -> bool:
        asked.append((point, appeared_ns))
        return True

    deciding = Decider(ruled(classes=(spill,)), AlertKnobs(), spilled=witness)
    found = only(deciding.decide(standing(family="waste"), times(), ON_GROUND))
    assert (found.class_code, found.direct, found.urgent) == ("06014", True, True)
    assert asked == [(found.point, found.appeared_ns)]
    assert only(told(ruled(classes=(spill,)), views=ON_GROUND, family="waste")).class_code == "06010"
    # Without a place on the ground nobody is asked; a stall is never spilled.
    deciding.decide(standing(family="waste"), times(), VIEWS)
    deciding.decide(standing(), times(), ON_GROUND)
    assert len(asked) == 1


@pytest.mark.parametrize(("day", "held"), [(3, False), (4, True), (10, True), (11, False)])
def test_a_campaign_makes_a_class_quicker_direct_and_urgent_until_it_ends(day: int, held: bool) -> None:
    slow = CaseClass("09006", "占道经营", "Stall", "stall", dwell_s=600.0)
    effort = Campaign("c-1", "专项整治", *MAY, dwell_factor=0.5, direct=True, urgent=True)
    found = ruled(classes=(slow,), campaigns=(effort,))
    when = at(f"{day} 12:00")
    assert told(found, when, dwell_s=299.0).passed_over == {"dwell": 1}
    if held:
        sighting = only(told(found, when, dwell_s=300.0))
        assert (sighting.direct, sighting.urgent) == (True, True)
    else:
        assert told(found, when, dwell_s=599.0).passed_over == {"dwell": 1}
        sighting = only(told(found, when, dwell_s=600.0))
        assert (sighting.direct, sighting.urgent) == (False, False)


def test_the_same_event_on_either_side_of_a_date_goes_to_the_old_and_the_new_unit() -> None:
    found = ruled(
        responsibilities=(
            Responsibility("u-old", valid_to=date(2026, 5, 4)),
            Responsibility("u-new", valid_from=date(2026, 5, 5)),
        )
    )
    assert only(told(found, at("4 23:59"))).unit_id == "u-old"
    assert only(told(found, at("5 00:00"))).unit_id == "u-new"


def test_what_nobody_is_responsible_for_is_counted_and_waits_for_a_person() -> None:
    found = told(city(), views={"cam-1": view(cell_id="")}, family="waste")
    assert (only(found).unit_id, only(found).direct, only(found).urgent) == (UNROUTED, False, True)
    assert found.unrouted == 1
    routed = told(city(), family="waste")
    assert (only(routed).unit_id, only(routed).direct, routed.unrouted) == ("u-2", True, 0)


def deciding(*permits: Permit) -> Decider:
    return Decider(city(*permits), AlertKnobs(refresh_s=60))


def test_a_thing_that_stood_under_a_permit_is_an_alert_when_the_permit_expires() -> None:
    last = permit((ALL_WEEK, 0, 1440), valid_to=date(2026, 5, 4))
    found = deciding(last)
    assert found.decide(standing(), times(at("4 23:59")), VIEWS).passed_over == {"permit": 1}
    assert len(found.decide(standing(), times(at("5 00:00")), VIEWS).sightings) == 1


def test_a_thing_that_is_an_alert_when_a_permit_begins_is_counted_once_and_left_to_a_person() -> None:
    found = deciding(ELEVEN)
    found.stored(only(found.decide(standing(), times(MONDAY_1059), VIEWS)))
    assert found.decide(standing(), times(MONDAY_1059 + 60 * S), VIEWS) == Decisions(passed_over={"permit_began": 1})
    assert found.decide(standing(), times(MONDAY_1059 + 61 * S), VIEWS) == Decisions(passed_over={"permit": 1})
    # It is said when it leaves, so that its incident closes; and it is an alert again when the permit ends.
    assert len(found.decide(standing(phase=Phase.GONE), times(MONDAY_1059 + 62 * S), VIEWS).departures) == 1
    assert len(found.decide(standing(), times(at("4 21:00")), VIEWS).sightings) == 1


def test_a_slow_cameras_alert_is_remembered_until_the_permit_begins() -> None:
    found = deciding(ELEVEN)
    found.stored(only(found.decide(standing(), times(MONDAY_1059 - 1800 * S), VIEWS)))
    found.stored(replace(only(found.decide(standing(track_id=8), times(), VIEWS)), track_id=8))
    assert found.decide(standing(), times(MONDAY_1059 + 60 * S), VIEWS).passed_over == {"permit_began": 1}


def test_another_pack_decides_from_the_next_frame_on_and_forgets_nothing() -> None:
    found = deciding()
    found.stored(only(found.decide(standing(), times(), VIEWS)))
    found.adopt(replace(city(ELEVEN), version="v2"))
    # Within the refresh nothing is said: that it was stored is still known.
    assert found.decide(standing(), times(MONDAY_1059 + 59 * S), VIEWS) == Decisions(passed_over={})
    assert found.decide(standing(), times(MONDAY_1059 + 61 * S), VIEWS).passed_over == {"permit_began": 1}
    found.adopt(replace(city(), version="v3"))
    assert only(found.decide(standing(), times(MONDAY_1059 + 62 * S), VIEWS)).rule_version == "v3"


def test_another_pack_keeps_the_patience_with_what_is_not_clear() -> None:
    found = deciding()
    assert found.decide(standing(confidence=0.7, dwell_s=90.0), times(), VIEWS).passed_over == {"unsure": 1}
    found.adopt(replace(city(), version="v2"))
    assert len(found.decide(standing(confidence=0.7, dwell_s=225.0), times(), VIEWS).sightings) == 1


def test_another_packs_cells_count_at_once() -> None:
    found = deciding()
    assert only(found.decide(standing(), times(), ON_GROUND)).cell_id == CELL
    other = CELL[:-1] + "2"
    moved = city()
    found.adopt(replace(moved, cells={other: replace(moved.cells[CELL], cell_id=other)}))
    assert only(found.decide(standing(), times(MONDAY_1059 + S), ON_GROUND)).cell_id == other


def test_the_dates_of_rules_are_the_citys_own() -> None:
    """Half past eleven in the evening in Shanghai is the same day there, and the next one in Auckland."""
    night = datetime(2026, 5, 10, 15, 30, tzinfo=UTC)
    effort = Campaign("c-1", "专项整治", *MAY, urgent=True)
    found = ruled(campaigns=(effort,))
    assert only(told(found, ns_of(night))).urgent
    assert not only(told(found, ns_of(night + timedelta(minutes=30)))).urgent
    assert not only(told(replace(found, timezone="Pacific/Auckland"), ns_of(night))).urgent
