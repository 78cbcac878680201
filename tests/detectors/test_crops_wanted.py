import numpy as np
import pytest

from config.vision import VisionKnobs
from detectors.vision import crops_wanted
from detectors.vision.classify import POOL, fuse
from detectors.vision.features import NAMES
from detectors.vision.proposals import Blob
from detectors.vision.tracks import Track, pack, unpack
from schemas.detections import CLASSES, Evidence, Phase
from tests.detectors.test_tracks import S, logs, track

KNOBS = VisionKnobs()
FEATURES = np.zeros(len(NAMES), np.float32)


def looked_at(times: int = 3, **share: float) -> Track:
    one = track()
    for k in range(times):
        one.add(FEATURES, logs(**share), (1 + k) * S)
    return one


def test_nothing_is_wanted_of_what_was_not_looked_at_twice_or_has_left() -> None:
    assert not crops_wanted.wanted(track(), 9 * S, KNOBS)
    assert not crops_wanted.wanted(looked_at(1, waste=0.9), 9 * S, KNOBS)
    gone = looked_at(3, waste=0.9)
    gone.phase = Phase.GONE
    assert not crops_wanted.wanted(gone, 9 * S, KNOBS)
    hidden = looked_at(3, waste=0.9)
    hidden.absent_s = 1.0
    assert not crops_wanted.wanted(hidden, 9 * S, KNOBS)


def test_a_piece_of_what_may_be_waste_is_wanted_at_once_and_of_what_surely_is_not_never() -> None:
    assert crops_wanted.wanted(looked_at(3, waste=0.3), 9 * S, KNOBS)
    sure = {"vehicle": 0.99990, "waste": 0.00001, "stall": 0.00001}
    assert not crops_wanted.wanted(looked_at(3, **sure), 9 * S, KNOBS)


def test_pieces_are_spaced_and_bounded() -> None:
    one, asked = looked_at(3, waste=0.3), []
    for second in range(9, 200_000):
        if crops_wanted.wanted(one, second * S, KNOBS):
            crops_wanted.add(one, logs(waste=0.3, other=0.3), second * S)
            asked.append(second)
    assert len(asked) == crops_wanted.MOST
    gaps = np.diff(asked)
    assert gaps.min() >= KNOBS.propose_s
    assert (np.diff(gaps[2:]) > 0).all()


def test_a_piece_that_cannot_be_cut_is_not_asked_for_with_each_frame() -> None:
    one = looked_at(3, waste=0.3)
    asked = [second for second in range(100, 160) if crops_wanted.wanted(one, second * S, KNOBS)]
    assert asked[0] == 100
    assert np.diff(asked).min() >= KNOBS.propose_s


def test_no_more_is_asked_once_it_is_sure() -> None:
    one = looked_at(3, waste=0.999)
    for k in range(crops_wanted.SOON):
        crops_wanted.add(one, logs(waste=0.999), (10 + 20 * k) * S)
    assert not crops_wanted.wanted(one, 10_000 * S, KNOBS)


def test_both_opinions_count() -> None:
    one = looked_at(3, waste=0.5, other=0.4)
    alone = fuse(one.mean_logs()[None])[0]
    crops_wanted.add(one, logs(other=0.95), 20 * S)
    both = fuse(one.mean_logs()[None])[0]
    assert both[CLASSES.index("waste")] < alone[CLASSES.index("waste")]
    assert both == pytest.approx(fuse(POOL.logs(logs(waste=0.5, other=0.4), logs(other=0.95))[None])[0], abs=1e-5)


def test_evidence_names_who_carried_the_class() -> None:
    assert crops_wanted.evidence(looked_at(3, waste=0.9)) is Evidence.SHAPE
    by_piece = looked_at(3, waste=0.3, other=0.3)
    crops_wanted.add(by_piece, logs(waste=0.95), 20 * S)
    assert crops_wanted.evidence(by_piece) is Evidence.CROP
    by_shape = looked_at(3, vehicle=0.99)
    crops_wanted.add(by_shape, logs(vehicle=0.2, waste=0.2), 20 * S)
    assert crops_wanted.evidence(by_shape) is Evidence.SHAPE


def test_what_was_seen_of_another_thing_is_forgotten() -> None:
    one = looked_at(3, waste=0.9)
    crops_wanted.add(one, logs(waste=0.9), 20 * S)
    one.follow(Blob((10, 10, 60, 60), 3000.0, ()))
    assert one.crops == 0
    assert not one.crop_logs.any()


def test_pieces_survive_a_snapshot() -> None:
    one = looked_at(3, waste=0.9)
    crops_wanted.add(one, logs(waste=0.8), 20 * S)
    (back,) = unpack(pack([one]))
    assert (back.crops, back.crop_ns) == (1, 20 * S)
    assert back.crop_logs.tobytes() == one.crop_logs.tobytes()
