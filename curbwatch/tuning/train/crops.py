"""``python -m curbwatch.tuning.train.crops --data DIR --looks FILE``: fits the crop classifier; needs ``[train]``.

Fits to each half of the cameras and cut-outs, says how good that is on the other half, fits how it is pooled with the
hand features, then fits to everything, writes the network, and says how good that is on the tune split of street waste.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import detectors.vision
from curbwatch.tuning.train import crop_figures, crop_fit, crop_samples, fit, pooling
from curbwatch.tuning.train.__main__ import collect_halves
from curbwatch.tuning.train.collect import Looks, stack
from curbwatch.tuning.train.crop_bank import Bank, Window, read_bank
from curbwatch.tuning.train.crop_gallery import keep_failures
from curbwatch.tuning.train.crop_samples import Shelf
from detectors.vision.crops import FACTS, KINDS, NETWORK, CropNet
from ingest.decode import one_thread
from schemas.errors import CurbwatchError

HALVES = {"first": (False,), "second": (True,), "everything": (False, True)}


def main() -> int:
    """Fit, say how good it is, write. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m curbwatch.tuning.train.crops", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the development data (shared/data)")
    parser.add_argument("--looks", type=Path, required=True, help="looks as curbwatch.tuning.train --looks keeps them")
    parser.add_argument("--out", type=Path, default=Path(detectors.vision.__file__).parent, help="folder to write to")
    parser.add_argument("--samples", type=int, default=crop_fit.CropPlan().samples, help="learned from, in each fit")
    parser.add_argument("--halves", type=Path, help="also keep the networks of the halves in this folder")
    parser.add_argument(
        "--gallery", type=Path, help="write pictures of the worst mistakes here, outside the repository"
    )
    given = parser.parse_args()
    try:
        bank, halves, tune = read_bank(given.data), collect_halves(given.data, given.looks), _tune(given.data)
    except CurbwatchError as error:
        sys.stderr.write(f"train: {error}\n")
        return error.exit_code
    plan = crop_fit.CropPlan(samples=given.samples)
    held = []
    for index, name in enumerate(("first", "second")):
        network = _fitted(bank, halves[index], name, plan)
        if given.halves is not None:
            _write(network, given.halves / name)
        hand = fit.train(halves[index], fit.Plan())
        held.append(pooling.judged(hand, CropNet(network), halves[1 - index]))
    judged = pooling.joined(held)
    pool = pooling.fitted(judged)
    sys.stdout.write(pooling.told(judged, pool))
    network = _fitted(bank, stack(halves), "everything", plan)
    _write(network, given.out)
    net = CropNet(network)
    sys.stdout.write(crop_figures.told(lambda pictures: net.posterior(list(pictures)), tune))
    if given.gallery is not None:
        keep_failures(given.gallery, net, tune, judged)
    return 0


def _tune(data: Path) -> list[Window]:
    return crop_figures.tune_windows(data)


def _fitted(bank: Bank, looks: Looks, name: str, plan: crop_fit.CropPlan) -> bytes:
    shelf, rng = Shelf.of(bank, looks, HALVES[name]), np.random.default_rng(plan.seed)

    def draw(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        return crop_samples.batch(shelf, rng, count)

    sys.stdout.write(f"fitting to {name}\n")
    return crop_fit.as_onnx(crop_fit.fit(draw, plan))


def _write(network: bytes, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NETWORK).write_bytes(network)
    digest = hashlib.sha256(network).hexdigest()
    scores = crop_fit.by_onnxruntime(network, crop_figures.patterns())
    facts = {"sha256": digest, "kinds": list(KINDS), "pattern_scores": np.round(scores.astype(float), 5).tolist()}
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{folder / NETWORK}: {len(network)} bytes, SHA-256 {digest}\n")


if __name__ == "__main__":
    one_thread()
    sys.exit(main())
