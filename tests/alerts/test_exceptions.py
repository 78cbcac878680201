"""What a pack says of a place: fixtures, shop fronts, ground with a class, and efforts that end by date."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.exceptions import (
    Effort,
    Spot,
    area_class,
    box_iou,
    effort_for,
    fixture_at,
    front_at,
    longest_prefix,
)
from schemas.city import City
from schemas.incident import Box
from schemas.rules import Campaign, CityRules, ClassArea, PlacedFixture, ShopFront
from tests.alerts.makers import CELL, SQUARE, city

DAY = date(2026, 5, 4)
BOX = (200.0, 400.0, 120.0, 150.0)
INSIDE, OUTSIDE = (104.6405, 30.1205), (104.65, 30.1205)
PIXELS = st.integers(0, 300).map(float)
BOXES = st.tuples(PIXELS, PIXELS, PIXELS, PIXELS)


def spot(point: tuple[float, float] | None = None, **changes: object) -> Spot:
    return Spot(**({"point": point, "camera_id": "cam-1", "zone": "left", "box": BOX} | changes))  # type: ignore[arg-type]


def ruled(**rules: object) -> City:
    return city(rules=CityRules(**rules))  # type: ignore[arg-type]


def kiosk(**changes: object) -> City:
    whole: dict[str, object] = {"fixture_id": "f-1", "name": "报刊亭", "families": frozenset({"stall"})}
    return ruled(fixtures=(PlacedFixture(**(whole | changes)),))  # type: ignore[arg-type]


def fixture(found: City, where: Spot, family: str = "stall", day: date = DAY) -> bool:
    return fixture_at(found, family, day, where, 0.5) is not None


def test_a_city_without_rules_excepts_nothing() -> None:
    assert not fixture(city(), spot(INSIDE))
    assert front_at(city(), spot(INSIDE)) is None
    assert area_class(city(), "waste", spot(INSIDE)) == ""
    assert effort_for(city(), city().classes["09006"], CELL, DAY) == Effort()


def test_a_fixture_on_the_ground_is_known_by_the_point() -> None:
    found = kiosk(polygon=SQUARE)
    assert fixture(found, spot(INSIDE))
    assert not fixture(found, spot(OUTSIDE))
    assert not fixture(found, spot(None))
    assert not fixture(found, spot(INSIDE), family="waste")


def test_a_fixture_in_a_picture_is_known_by_its_box_and_camera() -> None:
    found = kiosk(camera_boxes=(("cam-1", (210.0, 400.0, 120.0, 150.0)),))
    assert fixture(found, spot())
    assert not fixture(found, spot(camera_id="cam-2"))
    assert not fixture(found, spot(box=(500.0, 400.0, 120.0, 150.0)))


def test_a_heap_that_grew_beside_a_bin_is_not_the_bin() -> None:
    found = kiosk(families=frozenset({"waste"}), camera_boxes=(("cam-1", (200.0, 400.0, 60.0, 150.0)),))
    assert fixture(found, spot(box=(200.0, 400.0, 70.0, 150.0)), family="waste")
    assert not fixture(found, spot(box=(200.0, 400.0, 130.0, 150.0)), family="waste")


@pytest.mark.parametrize(("day", "expected"), [(3, False), (4, True), (10, True), (11, False)])
def test_a_fixture_counts_from_its_first_day_to_its_last(day: int, expected: bool) -> None:
    found = kiosk(polygon=SQUARE, valid_from=date(2026, 5, 4), valid_to=date(2026, 5, 10))
    assert fixture(found, spot(INSIDE), day=date(2026, 5, day)) is expected


def test_a_shop_front_is_ground_or_a_cameras_zone() -> None:
    ground = ShopFront("s-1", "面馆", "王记面馆", polygon=SQUARE)
    zone = ShopFront("s-2", "五金店", "老李五金", camera_zones=frozenset({("cam-1", "left")}))
    found = ruled(shop_fronts=(ground, zone))
    assert front_at(found, spot(INSIDE)) == ground
    assert front_at(found, spot(OUTSIDE)) == zone
    assert front_at(found, spot(OUTSIDE, zone="right")) is None


def test_ground_has_a_class_for_the_family_of_that_class_only() -> None:
    found = ruled(areas=(ClassArea("a-1", "绿化带", "06010", polygon=SQUARE), ClassArea("a-2", "?", "99999", SQUARE)))
    assert area_class(found, "waste", spot(INSIDE)) == "06010"
    assert area_class(found, "stall", spot(INSIDE)) == ""
    assert area_class(found, "waste", spot(OUTSIDE)) == ""


def campaign(**changes: object) -> Campaign:
    whole: dict[str, object] = {
        "campaign_id": "c-1",
        "name": "占道经营专项整治",
        "valid_from": date(2026, 5, 4),
        "valid_to": date(2026, 5, 10),
        "dwell_factor": 0.5,
        "urgent": True,
    }
    return Campaign(**(whole | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("day", "held"), [(3, False), (4, True), (10, True), (11, False)])
def test_a_campaign_begins_and_ends_by_date_without_anybodys_doing(day: int, held: bool) -> None:
    found = ruled(campaigns=(campaign(),))
    effort = effort_for(found, found.classes["09006"], CELL, date(2026, 5, day))
    assert effort == (Effort(0.5, urgent=True) if held else Effort())


def test_a_campaign_is_for_its_classes_and_cells() -> None:
    found = ruled(campaigns=(campaign(classes=frozenset({"09006"}), cells=("512002001",)),))
    assert effort_for(found, found.classes["09006"], CELL, DAY).urgent
    assert not effort_for(found, found.classes["09005"], CELL, DAY).urgent
    assert not effort_for(found, found.classes["09006"], "512002002001001", DAY).urgent
    assert not effort_for(found, found.classes["09006"], "", DAY).urgent


def test_of_several_campaigns_the_shortest_dwell_counts_and_what_any_asks_for() -> None:
    found = ruled(campaigns=(campaign(), campaign(dwell_factor=0.8, direct=True, urgent=False)))
    assert effort_for(found, found.classes["09006"], CELL, DAY) == Effort(0.5, direct=True, urgent=True)


def test_the_longest_prefix_is_measured() -> None:
    assert longest_prefix((), CELL) == -1
    assert longest_prefix(("512002", "512002001", "9"), CELL) == 9
    assert longest_prefix(("", "9"), CELL) == 0


@given(BOXES, BOXES)
def test_overlap_is_a_share_and_the_same_both_ways(one: Box, other: Box) -> None:
    assert 0 <= box_iou(one, other) <= 1
    assert box_iou(one, other) == box_iou(other, one)
    assert box_iou(one, one) == (1.0 if one[2] * one[3] else 0.0)
