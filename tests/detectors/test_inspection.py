"""What the memory holds can be read, changes nothing, and names why a class was chosen."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.vision import VisionKnobs
from detectors.vision import VisionDetector, classify
from detectors.vision.features import NAMES
from detectors.vision.inspection import contributions, feature_groups, group_contributions
from detectors.vision.verify import Verdict
from schemas.place import CameraView, ImageZone
from tests.detectors.street import CAMERA, Street, Thing, as_bytes, one

THING = Thing((60, 40, 24, 20), start_s=60.0)
BOX = (240.0, 160.0, 96.0, 80.0)  # the same in native px
ELSEWHERE = (0.0, 0.0, 60.0, 60.0)
KNOBS = VisionKnobs(dwell_s=40.0)


def played(street: Street, until_s: float, *, look: bool = False, zone: ImageZone | None = None) -> VisionDetector:
    view = CameraView(CAMERA, () if zone is None else (zone,))
    detector = VisionDetector(KNOBS, {CAMERA: view})
    for t in times(until_s):
        batch = one(street, t)
        detector.step(batch)
        if look:
            detector.inspect(CAMERA, BOX, batch.pixels[0])
    return detector


def times(until_s: float) -> Iterator[float]:
    return (2.0 * k for k in range(int(until_s / 2)))


def test_an_unknown_camera_has_nothing_to_look_into() -> None:
    assert VisionDetector(KNOBS, {}).inspect("nobody", BOX, None) is None


def test_a_standing_thing_is_seen_with_its_votes_its_verdict_and_its_track() -> None:
    street = Street((THING,))
    seen = played(street, 130.0).inspect(CAMERA, BOX, street.at(130.0))
    assert seen is not None
    assert seen.track is not None
    assert seen.track.seen == "present"
    assert seen.place.verdict is Verdict.OBJECT
    assert seen.place.standing_share > 0.6
    assert 40 < seen.place.votes_s < 80
    assert seen.verified[45, 70] == 255
    assert seen.differs[45, 70] >= KNOBS.differs_grey or seen.place.differs_grey > KNOBS.differs_grey


def test_an_empty_place_looks_like_its_background() -> None:
    street = Street((THING,))
    seen = played(street, 130.0).inspect(CAMERA, ELSEWHERE, street.at(130.0))
    assert seen is not None
    assert (seen.track, seen.place.verdict, seen.place.area_px) == (None, None, 0.0)
    assert seen.place.differing_share < 0.05
    assert len(seen.tracks) == 1


def test_something_that_has_just_come_is_in_the_frame_and_not_yet_in_the_memory() -> None:
    street = Street((THING,))
    seen = played(street, 60.0).inspect(CAMERA, BOX, street.at(64.0))
    assert seen is not None
    assert seen.place.frame_share > 0.6
    assert seen.place.differing_share < 0.05


def test_a_place_outside_the_zones_says_so() -> None:
    zone = ImageZone("left", ((0, 0), (120, 0), (120, 383), (0, 383)))
    street = Street((THING,))
    detector = played(street, 20.0, zone=zone)
    inside, outside = (detector.inspect(CAMERA, box, None) for box in ((10.0, 10.0, 80.0, 80.0), BOX))
    assert inside is not None
    assert outside is not None
    assert (inside.place.zone_share, outside.place.zone_share) == (1.0, 0.0)


def test_looking_changes_nothing() -> None:
    street = Street((THING,), shade=(100, 50, 30, 20), shade_s=80.0)
    plain, looked = played(street, 120.0), played(street, 120.0, look=True)
    assert plain.snapshot(CAMERA) == looked.snapshot(CAMERA)
    assert as_bytes(plain.step(one(street, 122.0))) == as_bytes(looked.step(one(street, 122.0)))


def test_pictures_are_copies_that_later_frames_leave_alone() -> None:
    street = Street((THING,))
    detector = played(street, 60.0)
    seen = detector.inspect(CAMERA, BOX, None)
    assert seen is not None
    kept = seen.candidate.copy(), seen.votes_s.copy(), seen.activity.copy()
    for t in range(60, 160, 2):
        detector.step(one(street, float(t)))
    for before, now in zip(kept, (seen.candidate, seen.votes_s, seen.activity), strict=True):
        np.testing.assert_array_equal(before, now)


@given(st.tuples(*[st.floats(-900, 1500) for _ in range(2)], *[st.floats(0.5, 2000) for _ in range(2)]))
def test_any_box_can_be_asked_about(box: tuple[float, float, float, float]) -> None:
    seen = SHOWN.inspect(CAMERA, box, None)
    assert seen is not None
    assert 0 <= seen.place.standing_share <= 1
    assert 0 <= seen.place.activity <= 1


SHOWN = played(Street((THING,)), 30.0)


@pytest.mark.parametrize("index", [0, 1, 5])
def test_a_feature_at_its_mean_contributes_nothing(index: int) -> None:
    classifier = classify.load()
    features = np.asarray(classifier.mean + 2 * classifier.scale, np.float32)
    features[3] = classifier.mean[3]
    assert contributions(classifier, features)[3, index] == pytest.approx(0, abs=1e-6)


def test_groups_hold_every_feature_once_and_all_together_are_the_whole() -> None:
    groups = feature_groups()
    assert sorted(row for rows in groups.values() for row in rows) == list(range(len(NAMES)))
    classifier = classify.load()
    rng = np.random.default_rng(3)
    features = np.asarray(classifier.mean + classifier.scale * rng.normal(size=len(NAMES)), np.float32)
    whole = group_contributions(classifier, features, {"all": list(range(len(NAMES)))})["all"]
    expected = classifier.log_posterior(features) - classifier.log_posterior(classifier.mean)
    np.testing.assert_allclose(whole, expected, rtol=1e-4, atol=1e-5)
