"""Fits the ensemble of small networks to labelled looks: plain numpy, Adam, fixed seeds, so it can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.train.collect import Looks
from detectors.vision.classify import Classifier, fuse
from detectors.vision.features import NAMES
from schemas.detections import CLASSES

Floats = NDArray[np.float32]
# A false alarm costs a crew's way, a miss costs one look more: what is no alert weighs more.
CLASS_WEIGHT: dict[str, float] = {"stall": 1.0, "waste": 1.0, "vehicle": 1.3, "bike": 1.3, "crowd": 1.3, "other": 1.6}
LOOKS_PER_TRACK = 6.0  # further looks at one thing add no weight: they are nearly the same
# A stall of 2 m is that wide where 27 m of street fill the picture; narrower, it cannot be told from a heap of bags.
STALL_MIN_PX = 24.0
LIMIT = 4.0  # features are clipped to this many standard deviations, as Classifier does
EVEN = 0.02  # label smoothing
NOISE = 0.3  # standard deviations added to the features of each batch
DECAY = 2e-3
BATCH = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is fitted: networks in the ensemble, hidden units of each, passes over the looks, first step size."""

    networks: int = 6
    units: int = 40
    passes: int = 16
    rate: float = 3e-3


def train(looks: Looks, plan: Plan) -> Classifier:
    """Fit an ensemble; the same looks and plan give the same numbers. Raises ValueError where there are no looks."""
    if not len(looks):
        raise ValueError("no looks to learn from")
    mean = looks.features.mean(axis=0)
    scale = looks.features.std(axis=0) + np.float32(1e-3)
    x = np.clip((looks.features - mean) / scale, -LIMIT, LIMIT).astype(np.float32)
    weights = weigh(looks)
    members = [_network(x, looks.labels, weights, plan, seed) for seed in range(plan.networks)]
    hidden, hidden_bias, out, out_bias = (np.stack(parts) for parts in zip(*members, strict=True))
    return Classifier(mean.astype(np.float32), scale.astype(np.float32), hidden, hidden_bias, out, out_bias)


def weigh(looks: Looks) -> Floats:
    """(L,) weight of each look, mean 1: tracks count alike beyond a few looks, classes alike but for CLASS_WEIGHT.

    Looks at stalls narrower than STALL_MIN_PX count nothing.
    """
    counts = np.bincount(looks.groups)[looks.groups]
    single = np.minimum(1.0, LOOKS_PER_TRACK / counts)
    narrow = looks.features[:, NAMES.index("log_width")] < np.log(STALL_MIN_PX)
    single[narrow & (looks.labels == CLASSES.index("stall"))] = 0.0
    mass = np.bincount(looks.labels, single, len(CLASSES))
    # The root of the frequency: rare classes are heard, and are not believed everywhere.
    by_class = np.asarray([CLASS_WEIGHT[name] for name in CLASSES]) / np.sqrt(np.maximum(mass, 1))
    weights = single * by_class[looks.labels]
    return np.asarray(weights / weights.mean(), np.float32)


def confusion(tracks: Sequence[tuple[int, Floats]]) -> NDArray[np.int64]:
    """(6, 6) counts of judged tracks: rows true, columns the most probable class."""
    table = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    for label, posterior in tracks:
        table[label, int(posterior.argmax())] += 1
    return table


def judged(classifier: Classifier, looks: Looks) -> list[tuple[int, Floats]]:
    """(class, (6,) posterior) of each track, as the detector would fuse its looks."""
    found = []
    order = np.argsort(looks.groups, kind="stable")
    bounds = np.flatnonzero(np.diff(looks.groups[order])) + 1
    for rows in np.split(order, bounds) if len(looks) else []:
        logs = np.mean([classifier.log_posterior(looks.features[row]) for row in rows[-12:]], axis=0)
        found.append((int(looks.labels[rows[-1]]), fuse(logs[None])[0]))
    return found


def write(classifier: Classifier, file: Path) -> int:
    """Write the weights as ``classify.load`` reads them; returns the bytes written."""
    with file.open("wb") as out:
        np.savez_compressed(
            out,
            names=np.asarray(NAMES),
            classes=np.asarray(CLASSES),
            mean=classifier.mean,
            scale=classifier.scale,
            hidden=classifier.hidden,
            hidden_bias=classifier.hidden_bias,
            out=classifier.out,
            out_bias=classifier.out_bias,
        )
    return file.stat().st_size


def _network(x: Floats, labels: NDArray[np.int64], weights: Floats, plan: Plan, seed: int) -> tuple[Floats, ...]:
    """One network's hidden, hidden_bias, out and out_bias."""
    rng = np.random.default_rng(seed)
    count, units, classes = x.shape[1], plan.units, len(CLASSES)
    values = [
        rng.normal(0, np.sqrt(2 / count), (count, units)).astype(np.float32),
        np.zeros(units, np.float32),
        rng.normal(0, np.sqrt(1 / units), (units, classes)).astype(np.float32),
        np.zeros(classes, np.float32),
    ]
    first, second = [np.zeros_like(value) for value in values], [np.zeros_like(value) for value in values]
    wanted = np.full((len(x), classes), EVEN / classes, np.float32)
    wanted[np.arange(len(x)), labels] += 1 - EVEN
    batches = max(1, len(x) // BATCH)
    step, total = 0, plan.passes * batches
    for _ in range(plan.passes):
        order = rng.permutation(len(x))
        for rows in np.array_split(order, batches):
            step += 1
            noisy = x[rows] + rng.normal(0, NOISE, (len(rows), count)).astype(np.float32)
            gradients = _gradients(values, noisy, wanted[rows], weights[rows])
            rate = plan.rate * 0.5 * (1 + np.cos(np.pi * step / total))
            for k, gradient in enumerate(gradients):
                first[k] += 0.1 * (gradient - first[k])
                second[k] += 0.001 * (gradient * gradient - second[k])
                stride = (first[k] / (1 - 0.9**step)) / (np.sqrt(second[k] / (1 - 0.999**step)) + 1e-8)
                values[k] -= np.float32(rate) * stride
    return tuple(values)


def _gradients(values: list[Floats], x: Floats, wanted: Floats, weights: Floats) -> list[Floats]:
    hidden, hidden_bias, out, out_bias = values
    layer = np.maximum(x @ hidden + hidden_bias, 0)
    scores = layer @ out + out_bias
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    error = (scores / scores.sum(axis=1, keepdims=True) - wanted) * weights[:, None] / len(x)
    back = (error @ out.T) * (layer > 0)
    return [x.T @ back + DECAY * hidden, back.sum(axis=0), layer.T @ error + DECAY * out, error.sum(axis=0)]
