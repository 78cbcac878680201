import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.vision import classify
from detectors.vision.features import NAMES
from schemas.detections import CLASSES

FEATURES = arrays(np.float32, len(NAMES), elements=st.floats(-1e6, 1e6, width=32))


def test_the_weights_that_ship_fit_the_features_and_are_small() -> None:
    classifier = classify.load()
    assert classifier.mean.shape == (len(NAMES),)
    assert classifier.out.shape[-1] == len(CLASSES)
    members = (classifier.mean, classifier.scale, classifier.hidden, classifier.out)
    assert sum(array.nbytes for array in members) < 200_000
    assert all(np.isfinite(array).all() for array in members)


@given(FEATURES)
@settings(max_examples=80, deadline=None)
def test_probabilities_of_any_look_sum_to_one(features: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    logs = classify.load().log_posterior(features)
    assert logs.shape == (len(CLASSES),)
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-4)


def sized(wide_px: float, high_px: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    features = np.zeros(len(NAMES), np.float32)
    features[NAMES.index("log_width")], features[NAMES.index("log_height")] = np.log(wide_px), np.log(high_px)
    return features


@pytest.mark.parametrize(
    ("sides", "side_px"), [((7.9, 7.9), 7.9), ((40.0, 4.5), 40.0), ((4.5, 40.0), 40.0), ((320.0, 180.0), 320.0)]
)
def test_what_is_too_small_too_thin_or_fills_the_picture_is_other(sides: tuple[float, float], side_px: float) -> None:
    logs = np.exp(classify.look_logs(classify.load(), sized(*sides), side_px))
    assert logs.sum() == pytest.approx(1.0)
    assert CLASSES[int(logs.argmax())] == "other"


@pytest.mark.parametrize(("sides", "side_px"), [((8.0, 5.5), 8.0), ((320.0, 60.0), 320.0)])
def test_everything_between_is_judged_by_the_weights(sides: tuple[float, float], side_px: float) -> None:
    classifier, features = classify.load(), sized(*sides)
    assert classify.look_logs(classifier, features, side_px).tobytes() == classifier.log_posterior(features).tobytes()


def test_no_rows_fuse_to_no_rows() -> None:
    assert classify.fuse(np.zeros((0, len(CLASSES)))).shape == (0, len(CLASSES))


@given(arrays(np.float64, (3, len(CLASSES)), elements=st.floats(-13, 0)))
@settings(max_examples=80, deadline=None)
def test_fused_rows_sum_to_one_and_keep_their_order(logs: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    fused = classify.fuse(logs)
    assert fused.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    best = np.take_along_axis(fused, logs.argmax(axis=1)[:, None], axis=1)[:, 0]
    assert best == pytest.approx(fused.max(axis=1), abs=1e-6)


def test_one_sure_look_does_not_outweigh_many_others() -> None:
    sure = np.log(np.asarray([0.95, 0.01, 0.01, 0.01, 0.01, 0.01]))
    others = np.log(np.asarray([0.05, 0.75, 0.05, 0.05, 0.05, 0.05]))
    fused = classify.fuse(((sure + 4 * others) / 5)[None])[0]
    assert CLASSES[int(fused.argmax())] == "waste"
