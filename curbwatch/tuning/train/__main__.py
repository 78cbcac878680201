"""``python -m curbwatch.tuning.train --data DIR``: collects looks, fits the class weights, says how good they are."""

import argparse
import sys
from dataclasses import fields, replace
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

HALVES = ("first", "second")
ARRAYS = tuple(f.name for f in fields(Looks))


def main() -> int:
    """Collect, fit to each half, judge it by the other, fit to everything, write. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m curbwatch.tuning.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the development data (shared/data)")
    parser.add_argument("--out", type=Path, default=Path(detectors.vision.__file__).with_name(WEIGHTS))
    parser.add_argument("--looks", type=Path, help="keep the collected looks here, and take them from here if they are")
    parser.add_argument("--without", default="", help="leave out sources whose name holds this: a place never seen")
    given = parser.parse_args()
    try:
        halves = collect_halves(given.data, given.looks)
    except CurbwatchError as error:
        sys.stderr.write(f"train: {error}\n")
        return error.exit_code
    if given.without:
        halves = (_but(halves[0], given.without), _but(halves[1], given.without))
    sys.stdout.write(
        f"{len(halves[0])} and {len(halves[1])} looks; each half judged by what was learned from the other\n"
    )
    tracks = []
    for mine, other in (halves, halves[::-1]):
        tracks += fit.judged(fit.train(mine, fit.Plan()), other)
    sys.stdout.write("tracks, rows true, columns found:\n" + _table(fit.confusion(tracks)))
    sys.stdout.write(_alerts(tracks))
    size = fit.write(fit.train(stack(halves), fit.Plan()), given.out)
    sys.stdout.write(f"{given.out}: {size} bytes\n")
    return 0


def _but(looks: Looks, name: str) -> Looks:
    rows = np.char.find(looks.sources, name) < 0
    return replace(looks, **{f.name: getattr(looks, f.name)[rows] for f in fields(Looks) if f.name != "windows"})


def collect_halves(data: Path, file: Path | None) -> tuple[Looks, Looks]:
    """Looks of both halves, from ``file`` where it is, else collected and kept there. Raises UsageError."""
    if file is not None and file.exists():
        with np.load(file) as arrays:
            first, second = (Looks(*(arrays[f"{half}_{name}"] for name in ARRAYS)) for half in HALVES)
        return first, second
    halves = []
    for index, half in enumerate(HALVES):
        parts = []
        for name, run in sources(data, Amounts(), second=bool(index)):
            parts.append(run())
            sys.stdout.write(f"{half} {name}: {len(parts[-1])}\n")
            sys.stdout.flush()
        halves.append(stack(parts))
    if file is not None:
        every = {
            f"{half}_{array}": getattr(looks, array)
            for half, looks in zip(HALVES, halves, strict=True)
            for array in ARRAYS
        }
        np.savez(file, allow_pickle=False, **every)
    return halves[0], halves[1]


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
