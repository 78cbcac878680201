"""What a model's finds mean for the class of one thing, and how that is pooled with what we think ourselves.

The rule is a logarithmic opinion pool (Genest and Zidek 1986): the pooled posterior is proportional to ours times the
model's, the latter to the power of ``weight``. It keeps its winner where both agree, and one that says nothing
(every class alike) changes nothing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.detections import CLASSES

SMALLEST = 1e-6  # no opinion is ever quite sure, so that another one can still be heard
FADE = 0.95  # weight of the older looks at each new one, as for our own (detectors/vision/tracks.py)
EVENTS = 2  # the first of CLASSES, stall and waste, can become incidents
SURE = 0.5  # probability from which a thing has its name

Logs = NDArray[np.float64]


def opinion(scores: NDArray[np.float64], known: NDArray[np.bool_], silence: float) -> Logs:
    """(6,) log probabilities after one look of the model.

    Args:
        scores: (6,) best score per class of what it found there, 0..1; 0 where it found nothing.
        known: (6,) classes that it can find at all.
        silence: 0..1, what a class that it knows and did not find keeps; 1: its silence says nothing.

    What the finds leave open (the product of their complements) is spread over the classes evenly, or with less for
    those it would have found.
    """
    spread = np.where(known, silence, 1.0) + SMALLEST
    rest = float(np.prod(1 - scores)) * spread / spread.sum()
    told = scores + rest
    return np.asarray(np.log(told / told.sum() + SMALLEST), np.float64)


def pool(posterior: NDArray[np.float32], logs: Logs, weight: float) -> NDArray[np.float32]:
    """(R, 6) of ours and (R, 6) log probabilities of the model to (R, 6) whose rows sum to 1; R may be 0."""
    if len(posterior) == 0:
        return posterior
    both = np.log(np.maximum(posterior.astype(np.float64), SMALLEST)) + weight * logs
    raised = np.exp(both - both.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def carried(posterior: NDArray[np.float32], logs: Logs, weight: float) -> NDArray[np.bool_]:
    """(R,) whether the model carried the pooled class: it adds more to the winner's lead than we do ourselves."""
    if len(posterior) == 0:
        return np.zeros(0, np.bool_)
    ours = np.log(np.maximum(posterior.astype(np.float64), SMALLEST))
    rows = np.arange(len(ours))
    both = ours + weight * logs
    order = np.argsort(-both, axis=1, kind="stable")
    first, second = order[:, 0], order[:, 1]
    told = weight * (logs[rows, first] - logs[rows, second])
    return np.asarray((told > 0) & (told > ours[rows, first] - ours[rows, second]), np.bool_)


def steady(posterior: NDArray[np.float32], named: int) -> NDArray[np.float32]:
    """(6,) in which a thing once called stall (0) or waste (1) is not called the other: it would be two incidents."""
    if named >= 0 and posterior[1 - named] > posterior[named]:
        posterior = posterior.copy()
        posterior[:EVENTS] = posterior[EVENTS - 1 :: -1]
    return posterior


def named_by(posterior: NDArray[np.float32]) -> int:
    """0 or 1 where a thing is surely a stall or waste, else -1."""
    return int(posterior[:EVENTS].argmax()) if posterior[:EVENTS].max() >= SURE else -1


def best_scores(classes: NDArray[np.int64], scores: Sequence[float] | NDArray[np.float32]) -> NDArray[np.float64]:
    """(6,) best score per class of CLASSES of some finds; zeros for none."""
    best = np.zeros(len(CLASSES), np.float64)
    np.maximum.at(best, classes, np.asarray(scores, np.float64))
    return best
