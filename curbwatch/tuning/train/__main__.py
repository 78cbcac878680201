"""``python -m curbwatch.tuning.train --data DIR``: collects looks, fits the class weights, says how good they are."""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import detectors.vision
from curbwatch.tuning.train import fit
from curbwatch.tuning.train.collect import Looks, stack
from curbwatch.tuning.train.gather import Amounts, sources
from detectors.vision.classify import WEIGHTS
from ingest.decode import one_thread
from schemas.detections import CLASSES
from schemas.errors import CurbwatchError

SPLITS = ("kept", "held")
ARRAYS = ("features", "labels", "groups", "sources")


def main() -> int:
    """Collect, fit on the kept split, print held-out figures, fit on everything, write. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m curbwatch.tuning.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the development data (shared/data)")
    parser.add_argument("--out", type=Path, default=Path(detectors.vision.__file__).with_name(WEIGHTS))
    parser.add_argument("--looks", type=Path, help="keep the collected looks here, and take them from here if they are")
    parser.add_argument("--without", default="", help="leave out sources whose name holds this: a place never seen")
    given = parser.parse_args()
    try:
        kept, held = _collect(given.data, given.looks)
    except CurbwatchError as error:
        sys.stderr.write(f"train: {error}\n")
        return error.exit_code
    if given.without:
        kept, held = (_but(looks, given.without) for looks in (kept, held))
    sys.stdout.write(f"{len(kept)} looks to learn from, {len(held)} held out\n")
    tried = fit.train(kept, fit.Plan())
    sys.stdout.write("held-out tracks, rows true, columns found:\n" + _table(fit.confusion(tried, held)))
    sys.stdout.write(_alerts(fit.judged(tried, held)))
    size = fit.write(fit.train(stack([kept, held]), fit.Plan()), given.out)
    sys.stdout.write(f"{given.out}: {size} bytes\n")
    return 0


def _but(looks: Looks, name: str) -> Looks:
    rows = np.char.find(looks.sources, name) < 0
    return Looks(looks.features[rows], looks.labels[rows], looks.groups[rows], looks.sources[rows])


def _collect(data: Path, file: Path | None) -> tuple[Looks, Looks]:
    if file is not None and file.exists():
        with np.load(file) as arrays:
            kept, held = (Looks(*(arrays[f"{split}_{name}"] for name in ARRAYS)) for split in SPLITS)
        return kept, held
    splits = []
    for held_out in (False, True):
        parts = []
        for name, run in sources(data, Amounts(), held=held_out):
            parts.append(run())
            sys.stdout.write(f"{name}: {len(parts[-1])}\n")
            sys.stdout.flush()
        splits.append(stack(parts))
    if file is not None:
        every = {
            f"{name}_{array}": getattr(looks, array)
            for name, looks in zip(SPLITS, splits, strict=True)
            for array in ARRAYS
        }
        np.savez_compressed(file, allow_pickle=False, **every)
    return splits[0], splits[1]


def _table(counts: NDArray[np.int64]) -> str:
    lines = [" " * 8 + "".join(f"{name:>8}" for name in CLASSES)]
    lines += [f"{name:>8}" + "".join(f"{count:8d}" for count in row) for name, row in zip(CLASSES, counts, strict=True)]
    return "\n".join(lines) + "\n"


def _alerts(tracks: list[tuple[int, NDArray[np.float32]]]) -> str:
    """What would be an alert at the default confidence, of all tracks."""
    lines = []
    for wanted in (0, 1):
        sure = [label for label, posterior in tracks if posterior.argmax() == wanted and posterior[wanted] >= 0.5]
        right, there = sum(label == wanted for label in sure), sum(label == wanted for label, _ in tracks)
        lines.append(f"{CLASSES[wanted]} at 0.5: {right} of {there} found, {len(sure) - right} wrong\n")
    return "".join(lines)


if __name__ == "__main__":
    one_thread()
    sys.exit(main())
