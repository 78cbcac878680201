"""How an operator's model counts: pooled with ours by a stated rule, and not at all where it has nothing to say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.onnx.opinion import best_scores, carried, named_by, opinion, pool, steady
from schemas.detections import CLASSES

STALL, WASTE, VEHICLE, _, _, OTHER = range(len(CLASSES))
KNOWN = np.asarray([True, True, True, False, False, False])
SHARES = st.lists(st.floats(0.001, 1), min_size=6, max_size=6).map(
    lambda s: np.asarray([s], np.float32) / np.float32(sum(s))
)
SCORES = st.lists(st.floats(0, 1), min_size=6, max_size=6).map(np.asarray)


def scores(**found: float) -> NDArray[np.float64]:
    return np.asarray([found.get(name, 0.0) for name in CLASSES])


def test_no_rows_are_pooled_to_none() -> None:
    none = np.zeros((0, 6), np.float32)
    assert pool(none, np.zeros((0, 6)), 1.0).shape == (0, 6)
    assert carried(none, np.zeros((0, 6)), 1.0).shape == (0,)
    assert best_scores(np.zeros(0, np.int64), []).tolist() == [0] * 6


@given(SHARES, SCORES, st.floats(0, 3), st.floats(0, 1))
def test_the_pooled_rows_sum_to_one(
    ours: NDArray[np.float32], found: NDArray[np.float64], weight: float, silence: float
) -> None:
    pooled = pool(ours, opinion(found, KNOWN, silence)[None], weight)
    assert np.isfinite(pooled).all()
    assert pooled.sum() == pytest.approx(1, abs=1e-5)


@given(SHARES, st.floats(0, 3))
def test_a_model_that_found_nothing_changes_nothing(ours: NDArray[np.float32], weight: float) -> None:
    silent = opinion(scores(), KNOWN, 1.0)[None]
    assert np.allclose(pool(ours, silent, weight), ours, atol=1e-5)
    assert not carried(ours, silent, weight).any()


@given(SHARES, SCORES)
def test_a_model_without_weight_changes_nothing(ours: NDArray[np.float32], found: NDArray[np.float64]) -> None:
    assert np.allclose(pool(ours, opinion(found, KNOWN, 1.0)[None], 0.0), ours, atol=1e-5)


@given(st.integers(0, 5), st.floats(0.05, 0.95))
def test_where_both_agree_the_class_is_surer_than_either(index: int, score: float) -> None:
    ours = np.full((1, 6), 0.12, np.float32)
    ours[0, index] = 0.4
    told = np.zeros(6)
    told[index] = score
    pooled = pool(ours, opinion(told, KNOWN, 1.0)[None], 1.0)[0]
    assert pooled[index] > max(ours[0, index], np.exp(opinion(told, KNOWN, 1.0)[index])) - 1e-6


def test_a_sure_find_turns_an_unsure_opinion_of_ours_and_is_named() -> None:
    ours = np.asarray([[0.1, 0.2, 0.1, 0.1, 0.1, 0.4]], np.float32)
    told = opinion(scores(waste=0.8), KNOWN, 1.0)[None]
    assert pool(ours, told, 1.0)[0].argmax() == WASTE
    assert carried(ours, told, 1.0).tolist() == [True]


def test_what_we_were_sure_of_ourselves_is_not_the_models_merit() -> None:
    ours = np.asarray([[0.01, 0.95, 0.01, 0.01, 0.01, 0.01]], np.float32)
    told = opinion(scores(waste=0.4), KNOWN, 1.0)[None]
    assert pool(ours, told, 1.0)[0].argmax() == WASTE
    assert carried(ours, told, 1.0).tolist() == [False]


def test_silence_takes_from_the_classes_that_the_model_knows_as_far_as_it_may() -> None:
    ours = np.asarray([[0.1, 0.5, 0.05, 0.05, 0.05, 0.25]], np.float32)
    pooled = pool(ours, opinion(scores(), KNOWN, 0.2)[None], 1.0)[0]
    assert pooled.argmax() == OTHER
    assert pooled[WASTE] < ours[0, WASTE]


def test_two_classes_at_one_place_share_it() -> None:
    told = np.exp(opinion(scores(stall=0.8, vehicle=0.4), KNOWN, 1.0))
    assert told[STALL] > told[VEHICLE] > told[OTHER]


def test_of_several_finds_of_a_class_the_best_counts() -> None:
    assert best_scores(np.asarray([1, 1, 0]), [0.3, 0.7, 0.2]).tolist() == pytest.approx([0.2, 0.7, 0, 0, 0, 0])


def test_what_was_called_waste_is_not_called_a_stall_later() -> None:
    posterior = np.asarray([0.6, 0.3, 0.1, 0, 0, 0], np.float32)
    assert steady(posterior, WASTE).tolist() == pytest.approx([0.3, 0.6, 0.1, 0, 0, 0])
    assert steady(posterior, STALL).tolist() == posterior.tolist()
    assert steady(posterior, -1).tolist() == posterior.tolist()


def test_a_thing_is_named_once_it_is_surely_a_stall_or_waste() -> None:
    assert named_by(np.asarray([0.2, 0.6, 0.2, 0, 0, 0], np.float32)) == WASTE
    assert named_by(np.asarray([0.49, 0.11, 0.4, 0, 0, 0], np.float32)) == -1
    assert named_by(np.asarray([0, 0, 1, 0, 0, 0], np.float32)) == -1
