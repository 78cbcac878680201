"""Class probabilities of one look: an ensemble of small two-layer networks over the hand features."""

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from detectors.vision.features import NAMES
from schemas.detections import CLASSES

CLASSED_PX = 8.0  # longer side on a grid 320 px wide below which a class is a guess (vision.md 5): it is then ``other``
SHORT_PX = 5.0  # the same of the shorter side: an edge that moved, a strip of light
# Box on a grid 320 px wide: what is larger is a turned camera or another light, however much it looks like a thing.
LARGEST_PX = 0.4 * 320 * 180
WEIGHTS = "weights.npz"  # made by curbwatch/tuning/train; holds numbers only

HEIGHT, WIDTH = NAMES.index("log_height"), NAMES.index("log_width")


@dataclass(frozen=True, slots=True)
class Pool:
    """A log-opinion pool: the logarithms of two opinions, each times its weight, and a bias for each class."""

    hand: float
    crop: float
    bias: tuple[float, ...]

    def logs(self, hand: NDArray[np.float64], crop: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 6) pooled logs, not normed, of the mean log probabilities of hand features and crop classifier."""
        return np.asarray(self.hand * hand + self.crop * crop + np.asarray(self.bias))


# Near what curbwatch.tuning.train.crops fits to tracks that neither of the two has seen (0.80, 0.41), with more for the
# classifier, which ships learned from twice as much as there, and less bias against waste (the fit says -0.6), whose
# negatives are chosen hard: docs/model-card.md.
POOL = Pool(hand=0.7, crop=0.6, bias=(0.0, 0.0, 0.4, 0.1, -0.3, 0.0))


@dataclass(frozen=True, slots=True)
class Classifier:
    """E networks with one hidden layer of K units over F standardised features.

    Attributes:
        mean, scale: (F,) float32, of the training set.
        hidden, hidden_bias: (E, F, K) and (E, K) float32.
        out, out_bias: (E, K, 6) and (E, 6) float32.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    out: NDArray[np.float32]
    out_bias: NDArray[np.float32]

    def log_posterior(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(6,) log probabilities over CLASSES of one look's (F,) features: the mean of the networks' probabilities."""
        x = np.clip((features - self.mean) / self.scale, -4, 4)
        layer = np.maximum(x @ self.hidden + self.hidden_bias, 0)
        scores = (layer[:, None] @ self.out)[:, 0] + self.out_bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = (scores / scores.sum(axis=1, keepdims=True)).mean(axis=0)
        return np.asarray(np.log(probabilities.astype(np.float64) + 1e-6))


def look_logs(classifier: Classifier, features: NDArray[np.float32], side_px: float) -> NDArray[np.float64]:
    """(6,) log probabilities of one look at a thing whose longer side is ``side_px`` on a grid 320 px wide."""
    high, wide = float(features[HEIGHT]), float(features[WIDTH])
    if side_px >= CLASSED_PX and min(high, wide) >= np.log(SHORT_PX) and high + wide <= np.log(LARGEST_PX):
        return classifier.log_posterior(features)
    probabilities = np.full(len(CLASSES), 0.01)
    probabilities[CLASSES.index("other")] = 0.95
    return np.asarray(np.log(probabilities), np.float64)


def load() -> Classifier:
    """Read the weights that ship with the package. Raises ValueError where they fit other features or classes."""
    with resources.files("detectors.vision").joinpath(WEIGHTS).open("rb") as file, np.load(file) as arrays:
        names, classes = tuple(arrays["names"].tolist()), tuple(arrays["classes"].tolist())
        if names != NAMES or classes != CLASSES:
            raise ValueError(f"{WEIGHTS} was made for other features or classes; run curbwatch.tuning.train again")
        keys = ("mean", "scale", "hidden", "hidden_bias", "out", "out_bias")
        return Classifier(*(np.asarray(arrays[key], np.float32) for key in keys))


def fuse(logs: NDArray[np.float64]) -> NDArray[np.float32]:
    """(R, 6) mean log probabilities to posteriors whose rows sum to 1; R may be 0."""
    raised = np.exp(logs - logs.max(axis=1, keepdims=True)) if len(logs) else np.zeros((0, len(CLASSES)))
    return np.asarray(raised / np.maximum(raised.sum(axis=1, keepdims=True), 1e-12), np.float32)
