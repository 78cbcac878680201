"""The same code from thirty frames a second to one in half an hour."""

import numpy as np
import pytest

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from detectors.vision.features import NAMES
from schemas.detections import Detections, Phase, SceneState
from tests.detectors.street import CAMERA, START_NS, Street, Thing, one

BOX = (60, 40, 24, 20)
KNOBS = VisionKnobs()
SLOW_S = [72.0, 600.0, 1800.0]
FIRST = 14  # frame that shows the thing first


def frames_of(street: Street, count: int, period_s: float, by: VisionDetector) -> list[Detections]:
    return [by.step(one(street, k * period_s)) for k in range(count)]


def shown(first: int, last: int, period_s: float) -> Street:
    """A street on which a thing stands from frame ``first`` to frame ``last``."""
    return Street((Thing(BOX, (first - 0.5) * period_s, (last + 0.5) * period_s),))


def phases(found: list[Detections], phase: Phase) -> list[int]:
    return [k for k, one_ in enumerate(found) if (one_.phase == phase).any()]


def detector(knobs: VisionKnobs = KNOBS) -> VisionDetector:
    return VisionDetector(knobs, {})


@pytest.mark.parametrize("period_s", SLOW_S)
def test_a_slow_camera_reports_a_thing_in_its_fifth_picture(period_s: float) -> None:
    found = frames_of(shown(FIRST, 99, period_s), FIRST + 8, period_s, detector())
    assert phases(found, Phase.STANDING)[0] == FIRST + KNOBS.sightings_min - 1


@pytest.mark.parametrize("period_s", SLOW_S)
def test_a_slow_camera_does_not_report_what_four_pictures_show(period_s: float) -> None:
    found = frames_of(shown(FIRST, FIRST + KNOBS.sightings_min - 2, period_s), FIRST + 14, period_s, detector())
    assert phases(found, Phase.STANDING) == []


@pytest.mark.parametrize("period_s", SLOW_S)
def test_a_slow_camera_says_since_which_picture_a_thing_stands(period_s: float) -> None:
    found = frames_of(shown(FIRST, 99, period_s), FIRST + 6, period_s, detector())[-1]
    assert (int(found.appeared_ns[0]) - START_NS) / 1e9 == pytest.approx(FIRST * period_s)
    assert found.dwell_s[0] == pytest.approx(5 * period_s)


@pytest.mark.parametrize("period_s", SLOW_S)
def test_a_slow_camera_says_once_that_a_thing_left_after_three_pictures_without_it(period_s: float) -> None:
    last = FIRST + 8
    found = frames_of(shown(FIRST, last, period_s), last + 10, period_s, detector())
    assert phases(found, Phase.GONE) == [last + 3]


@pytest.mark.parametrize("period_s", SLOW_S)
def test_a_slow_camera_knows_its_street_after_five_pictures(period_s: float) -> None:
    found = frames_of(Street(), 8, period_s, detector())
    assert [int(one_.scene[0]) for one_ in found] == [SceneState.WARMING] * 4 + [SceneState.OK] * 4


def test_thirty_frames_a_second_are_followed_by_the_same_seconds() -> None:
    period_s, knobs = 1 / 30, VisionKnobs(dwell_s=6.0, gone_s=4.0)
    street = Street((Thing(BOX, 6.0, 15.0),))
    found = frames_of(street, 30 * 22, period_s, detector(knobs))
    assert 12.0 <= phases(found, Phase.STANDING)[0] * period_s <= 14.0
    (gone,) = phases(found, Phase.GONE)
    assert phases(found, Phase.STANDING)[-1] == gone - 1
    assert 15.0 + knobs.gone_s <= gone * period_s <= 15.0 + knobs.gone_s + 2 * knobs.propose_s


@pytest.mark.parametrize("pause_s", [600.0, 7200.0, 86_400.0])
def test_a_first_picture_much_older_than_the_second_spoils_nothing(pause_s: float) -> None:
    by = detector()
    by.step(one(Street(), 0.0))
    street = Street((Thing(BOX, pause_s + 80.0),))
    found = [by.step(one(street, pause_s + 4.0 * k)) for k in range(60)]
    assert 80.0 + KNOBS.dwell_s <= 4.0 * phases(found, Phase.STANDING)[0] <= 80.0 + KNOBS.dwell_s + 12.0


def test_a_thing_that_came_during_a_pause_has_stood_since_its_end() -> None:
    by = detector()
    for k in range(30):
        by.step(one(Street(), 4.0 * k))
    street = Street((Thing(BOX, 3600.0),))
    found = [by.step(one(street, 7200.0 + 4.0 * k)) for k in range(40)]
    first = phases(found, Phase.STANDING)[0]
    assert KNOBS.dwell_s <= 4.0 * first <= KNOBS.dwell_s + 12.0
    assert int(found[first].appeared_ns[0]) >= START_NS + 7200 * 10**9


@pytest.mark.parametrize("period_s", [1.0, 4.0, *SLOW_S])
def test_features_are_finite_and_shares_are_shares_at_any_cadence(period_s: float) -> None:
    by, first = detector(), max(FIRST, int(60 / period_s))
    frames_of(shown(first, 999, period_s), first + max(6, int(90 / period_s)), period_s, by)
    ((_, features),) = by.features(CAMERA).items()
    assert np.isfinite(features).all()
    shares = [float(features[NAMES.index(name)]) for name in ("ring_activity", "row_activity", "bright", "dark")]
    assert min(shares) >= 0
    assert max(shares) <= 1
