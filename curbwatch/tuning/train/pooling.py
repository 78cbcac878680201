"""How hand features and crop classifier are pooled: judged on what neither has seen, two weights and a bias fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curbwatch.tuning.train.collect import WINDOW_PX, Looks
from detectors.vision.classify import POOL, Classifier, Pool, fuse
from detectors.vision.crops import INPUT_PX, CropNet
from schemas.detections import CLASSES

STEPS, RATE = 400, 0.05
DRAWN_TO = 0.02  # how strongly the bias is drawn to none
LATEST = 12  # looks of a track whose mean log probability counts

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """T tracks that neither has seen: (T, 6) mean log probabilities of both, (T,) truth, source, size, last window."""

    hand: Floats
    crop: Floats
    labels: NDArray[np.int64]
    sources: NDArray[np.str_]
    sizes: NDArray[np.float32]
    windows: NDArray[np.uint8]


def judged(hand: Classifier, net: CropNet, looks: Looks) -> Judged:
    """Judge each track of which a window was kept, as the detector would."""
    margin = (WINDOW_PX - INPUT_PX) // 2
    kept = looks.windows[:, margin : margin + INPUT_PX, margin : margin + INPUT_PX]
    crops = np.log(np.maximum(net.posterior(list(kept)).astype(np.float64), 1e-4))
    order = np.argsort(looks.groups, kind="stable")
    rows = []
    for track in np.split(order, np.flatnonzero(np.diff(looks.groups[order])) + 1) if len(looks) else []:
        pieces = looks.window[track][looks.window[track] >= 0]
        if len(pieces):
            logs = np.mean([hand.log_posterior(looks.features[row]) for row in track[-LATEST:]], axis=0)
            rows.append((logs, crops[pieces].mean(axis=0), track[-1], pieces[-1]))
    last = np.asarray([row[2] for row in rows], np.int64)
    return Judged(
        np.asarray([row[0] for row in rows]).reshape(-1, len(CLASSES)),
        np.asarray([row[1] for row in rows]).reshape(-1, len(CLASSES)),
        looks.labels[last],
        looks.sources[last],
        looks.sizes[last],
        kept[[row[3] for row in rows]],
    )


def joined(parts: Sequence[Judged]) -> Judged:
    """Tracks of several runs."""
    names = ("hand", "crop", "labels", "sources", "sizes", "windows")
    return Judged(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def fitted(tracks: Judged) -> Pool:
    """The pool that makes the true classes most probable, classes counted alike by the root of their number."""
    counts = np.bincount(tracks.labels, minlength=len(CLASSES))
    weights = (1 / np.sqrt(np.maximum(counts, 1)))[tracks.labels]
    weights = weights / weights.sum()
    truth = np.eye(len(CLASSES))[tracks.labels]
    values = np.asarray([0.5, 0.5, *np.zeros(len(CLASSES))])
    mean, square = np.zeros_like(values), np.zeros_like(values)
    for step in range(1, STEPS + 1):
        off = (_posterior(values, tracks) - truth) * weights[:, None]
        bias = off.sum(axis=0) + DRAWN_TO * values[2:]
        gradient = np.concatenate([[(off * tracks.hand).sum(), (off * tracks.crop).sum()], bias])
        mean += 0.1 * (gradient - mean)
        square += 0.01 * (gradient * gradient - square)
        values -= RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return Pool(float(values[0]), float(values[1]), tuple(float(value) for value in values[2:]))


def told(tracks: Judged, pool: Pool) -> str:
    """Both alone and pooled, as the detector has it now and as fitted here."""
    ways = {
        "hand features": fuse(tracks.hand),
        "crop classifier": fuse(tracks.crop),
        "pooled as the detector does": fuse(POOL.logs(tracks.hand, tracks.crop)),
        "pooled as fitted here": fuse(pool.logs(tracks.hand, tracks.crop)),
    }
    lines = [f"fitted pool: hand {pool.hand:.3f}, crop {pool.crop:.3f}, bias {np.round(pool.bias, 2).tolist()}"]
    for name, posterior in ways.items():
        lines.append(f"{name}: held-out tracks, rows true, columns found")
        found = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
        np.add.at(found, (tracks.labels, posterior.argmax(axis=1)), 1)
        lines += [f"{label:>8}" + "".join(f"{n:7d}" for n in row) for label, row in zip(CLASSES, found, strict=True)]
    return "\n".join(lines) + "\n"


def _posterior(values: Floats, tracks: Judged) -> Floats:
    scores = values[0] * tracks.hand + values[1] * tracks.crop + values[2:]
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
