"""Which standing objects are alerts, and that none is said twice or forgotten."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.decide import Decider, Decisions, FrameTimes
from config.alerts import AlertKnobs
from schemas.detections import CLASSES, Detections, Phase
from schemas.place import CameraView, ImageZone
from schemas.units import ns_of
from tests.alerts.makers import (
    ALL_WEEK,
    CALIBRATION,
    CELL,
    MONDAY_1059,
    SQUARE,
    S,
    city,
    departure,
    permit,
    standing,
    times,
    view,
)

VIEWS = {"cam-1": view()}
ELEVEN = permit((ALL_WEEK, 11 * 60, 21 * 60))


def decider(*permits: object, **knobs: float) -> Decider:
    return Decider(city(*permits), AlertKnobs(**knobs))  # type: ignore[arg-type]  # permits and plain numbers


def reason(found: Decisions) -> dict[str, int]:
    assert found.sightings == ()
    return dict(found.passed_over)


def test_nothing_seen_is_nothing_decided() -> None:
    assert decider().decide(
        Detections.empty(), FrameTimes((), np.zeros(0, np.int64), np.zeros((0, 2), np.int32)), {}
    ) == (Decisions(passed_over={}))


def test_a_standing_stall_is_a_sighting_with_everything_a_crew_needs() -> None:
    (found,) = decider().decide(standing(), times(), VIEWS).sightings
    assert (found.camera_id, found.track_id, found.family, found.class_code) == ("cam-1", 7, "stall", "09006")
    assert (found.zone, found.cell_id, found.unit_id, found.point) == ("left", CELL, "u-1", None)
    assert (found.captured_ns, found.appeared_ns, found.dwell_s) == (MONDAY_1059, MONDAY_1059 - 90 * S, 90.0)
    assert (found.direct, found.urgent, found.rule_version) == (False, False, "v1")
    assert found.confidence == pytest.approx(0.9)


def test_waste_is_direct_and_urgent_where_the_city_says_so() -> None:
    (found,) = decider().decide(standing(family="waste", box_px=(700, 400, 90, 80)), times(), VIEWS).sightings
    assert (found.class_code, found.zone, found.unit_id, found.direct, found.urgent) == (
        "06010",
        "bins",
        "u-2",
        True,
        True,
    )


def test_the_permit_opens_at_eleven() -> None:
    stall = standing()
    assert len(decider(ELEVEN).decide(stall, times(MONDAY_1059), VIEWS).sightings) == 1
    assert len(decider(ELEVEN).decide(stall, times(MONDAY_1059 + 59 * S), VIEWS).sightings) == 1
    assert reason(decider(ELEVEN).decide(stall, times(MONDAY_1059 + 60 * S), VIEWS)) == {"permit": 1}


def test_a_permit_for_stalls_does_not_excuse_waste() -> None:
    waste = standing(family="waste", box_px=(200, 400, 90, 80))
    assert len(decider(ELEVEN).decide(waste, times(MONDAY_1059 + 60 * S), VIEWS).sightings) == 1


def test_a_stall_that_outstays_its_permit_is_said_at_once() -> None:
    at_nine = ns_of(datetime(2026, 5, 4, 13, 0, tzinfo=UTC))  # 21:00 in Shanghai
    found = decider(ELEVEN)
    assert reason(found.decide(standing(), times(at_nine - 60 * S), VIEWS)) == {"permit": 1}
    assert len(found.decide(standing(), times(at_nine), VIEWS).sightings) == 1


@pytest.mark.parametrize("family", [name for name in CLASSES if name not in {"stall", "waste"}])
def test_other_things_are_passed_over_by_name(family: str) -> None:
    assert reason(decider().decide(standing(family=family), times(), VIEWS)) == {f"class_{family}": 1}


def test_a_family_the_city_does_not_ask_for_is_passed_over() -> None:
    only_stalls = Decider(city(default_class={"stall": "09006"}), AlertKnobs())
    waste = standing(family="waste", box_px=(700, 400, 90, 80))
    assert reason(only_stalls.decide(waste, times(), VIEWS)) == {"class_waste": 1}


def test_an_unsure_class_is_passed_over() -> None:
    strict = {"stall_confidence": 0.8, "sure_confidence": 0.8}
    assert reason(decider(**strict).decide(standing(confidence=0.7), times(), VIEWS)) == {"unsure": 1}
    assert len(decider(**strict).decide(standing(confidence=0.81), times(), VIEWS).sightings) == 1


def test_what_is_half_stall_and_half_waste_is_told_by_the_likelier() -> None:
    found = standing(confidence=0.5)
    found.posterior[0, CLASSES.index("waste")] = 0.45
    (told,) = decider().decide(found, times(), VIEWS).sightings
    assert (told.family, round(told.confidence, 2)) == ("stall", 0.95)


def test_a_thing_that_is_not_clear_is_told_when_it_has_stood_two_and_a_half_times_as_long() -> None:
    waiting = decider()
    assert reason(waiting.decide(standing(confidence=0.7, dwell_s=90.0), times(), VIEWS)) == {"unsure": 1}
    assert reason(waiting.decide(standing(confidence=0.7, dwell_s=224.0), times(), VIEWS)) == {"unsure": 1}
    assert len(waiting.decide(standing(confidence=0.7, dwell_s=225.0), times(), VIEWS).sightings) == 1


@pytest.mark.parametrize(
    ("box", "family", "zone"),
    [
        ((200, 400, 120, 150), "stall", "left"),
        ((200, 100, 120, 150), "stall", None),  # above the pavement
        ((700, 400, 120, 150), "stall", None),  # where only waste counts
        ((700, 400, 120, 150), "waste", "bins"),
        ((590, 400, 100, 150), "waste", "bins"),  # in both: the one that holds more
        ((500, 400, 110, 150), "waste", "left"),
        ((620, 400, 100, 150), "stall", None),  # a fifth of its foot inside
    ],
)
def test_the_zone_holds_most_of_the_foot(box: tuple[float, ...], family: str, zone: str | None) -> None:
    found = decider().decide(standing(box_px=box, family=family), times(), VIEWS)
    assert [sighting.zone for sighting in found.sightings] == ([] if zone is None else [zone])
    if zone is None:
        assert reason(found) == {"outside_zones": 1}


def test_without_zones_the_whole_picture_counts() -> None:
    for views in ({"cam-1": view(zones=())}, {}):
        (found,) = decider().decide(standing(box_px=(0, 0, 30, 30)), times(), views).sightings
        assert found.zone == "picture"


def test_a_class_may_ask_for_a_longer_dwell() -> None:
    patient = city()
    patient = replace(patient, classes=patient.classes | {"09006": replace(patient.classes["09006"], dwell_s=300.0)})
    found = Decider(patient, AlertKnobs())
    assert reason(found.decide(standing(dwell_s=299.0), times(), VIEWS)) == {"dwell": 1}
    assert len(found.decide(standing(dwell_s=300.0), times(), VIEWS).sightings) == 1


def test_goods_in_front_of_a_shop_are_another_class() -> None:
    (found,) = decider().decide(standing(), times(), {"cam-1": view(shop_front=True)}).sightings
    assert found.class_code == "09005"


def test_a_calibrated_camera_says_where_on_the_ground() -> None:
    views = {"cam-1": view(calibration=CALIBRATION, cell_id="")}
    (found,) = decider().decide(standing(), times(), views).sightings
    assert found.point is not None
    assert found.cell_id == CELL
    allowed = permit((ALL_WEEK, 0, 1440), polygon=SQUARE, camera_zones=frozenset())
    assert reason(decider(allowed).decide(standing(), times(), views)) == {"permit": 1}


def test_a_thing_is_said_once_per_refresh_after_it_was_stored() -> None:
    found = decider(refresh_s=60)
    (first,) = found.decide(standing(), times(), VIEWS).sightings
    found.stored(first)
    assert found.decide(standing(), times(MONDAY_1059 + 59 * S), VIEWS) == Decisions(passed_over={})
    assert len(found.decide(standing(), times(MONDAY_1059 + 60 * S), VIEWS).sightings) == 1


def test_things_that_ended_without_a_word_are_forgotten_and_so_are_cameras() -> None:
    found = decider(refresh_s=60)
    (first,) = found.decide(standing(), times(), VIEWS).sightings
    for k in range(100):
        found.stored(replace(first, track_id=k, captured_ns=MONDAY_1059 + k * 60 * S))
    found.stored(replace(first, camera_id="other"))
    assert len(found._stored_ns["cam-1"]) == 60
    found.forget(first.camera_id)
    found.forget("nobody")
    assert found._stored_ns == {"other": {first.track_id: first.captured_ns}}


def test_a_thing_that_was_not_stored_is_said_again_by_the_next_frame() -> None:
    found = decider(refresh_s=60)
    assert len(found.decide(standing(), times(), VIEWS).sightings) == 1
    assert len(found.decide(standing(), times(MONDAY_1059 + S), VIEWS).sightings) == 1


def test_maturing_says_nothing_and_leaving_says_so_once_more() -> None:
    found = decider(refresh_s=60)
    assert found.decide(standing(phase=Phase.MATURING), times(), VIEWS) == Decisions(passed_over={})
    (first,) = found.decide(standing(), times(), VIEWS).sightings
    found.stored(first)
    left = found.decide(standing(phase=Phase.GONE), times(MONDAY_1059 + 5 * S), VIEWS)
    assert left == Decisions(departures=(departure(5),), passed_over={})
    # A new thing under the same number, as after a lost detector state, is not taken for the old one.
    assert len(found.decide(standing(), times(MONDAY_1059 + 6 * S), VIEWS).sightings) == 1


@given(
    st.sampled_from(CLASSES),
    st.floats(0.2, 1.0),
    st.tuples(st.floats(-100, 1300), st.floats(-100, 800), st.floats(0, 400), st.floats(0, 400)),
    st.integers(0, 2 * 86400),
    st.floats(0, 1000),
)
def test_every_standing_row_is_one_sighting_or_one_reason(
    family: str, confidence: float, box: tuple[float, ...], later_s: int, dwell_s: float
) -> None:
    row = standing(family=family, confidence=confidence, box_px=box, dwell_s=dwell_s)
    views = {"cam-1": view(calibration=CALIBRATION)}
    found = decider(ELEVEN).decide(row, times(MONDAY_1059 + later_s * S), views)
    assert len(found.sightings) + sum(found.passed_over.values()) == 1
    assert all(sighting.family in {"stall", "waste"} for sighting in found.sightings)


@pytest.mark.parametrize(
    ("named", "told"),
    [("east", "sighting"), ("west", "outside_zones"), ("north", "preset"), ("", "preset")],
)
def test_a_zone_counts_only_in_the_view_in_which_it_is_drawn(named: str, told: str) -> None:
    whole = ((0.0, 0.0), (1280.0, 0.0), (1280.0, 720.0), (0.0, 720.0))
    corner = ((0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0))
    families = frozenset({"stall", "waste"})
    zones = (ImageZone("here", whole, families, "east"), ImageZone("there", corner, families, "west"))
    shown = CameraView("cam-1", zones, cell_id=CELL)
    found = decider().decide(standing(), replace(times(), presets=(named,)), {"cam-1": shown})
    assert ([one.zone for one in found.sightings], dict(found.passed_over)) == (
        (["here"], {}) if told == "sighting" else ([], {told: 1})
    )
