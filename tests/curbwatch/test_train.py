import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from curbwatch.tuning.train import fit
from curbwatch.tuning.train.collect import WINDOW_PX, Looks, stack
from curbwatch.tuning.train.cutouts import drawings, plain_things, veils
from curbwatch.tuning.train.cutouts import fit as scaled
from detectors.vision.features import NAMES
from schemas.detections import CLASSES

SMALL = fit.Plan(networks=2, units=8, passes=150)


def looks(count: int = 300) -> Looks:
    """Six clouds of features, one for each class, five looks to a track."""
    rng = np.random.default_rng(3)
    labels = np.arange(count) // 5 % len(CLASSES)
    features = rng.normal(0, 0.5, (count, len(NAMES))).astype(np.float32)
    features[np.arange(count), labels] += 4
    features[:, NAMES.index("log_width")] = np.log(40)
    return Looks(
        features,
        labels.astype(np.int64),
        (np.arange(count) // 5).astype(np.int64),
        np.full(count, "made"),
        np.full(count, 40, np.float32),
        np.where(np.arange(count) % 5 == 1, np.arange(count) // 5, -1),
        np.zeros(((count + 4) // 5, WINDOW_PX, WINDOW_PX, 3), np.uint8),
    )


def test_nothing_to_learn_from_is_said() -> None:
    assert len(stack([])) == 0
    assert fit.judged(fit.train(looks(), SMALL), stack([])) == []
    with pytest.raises(ValueError, match="no looks"):
        fit.train(stack([]), SMALL)


def test_tracks_of_several_runs_stay_apart() -> None:
    joined = stack([looks(10), stack([]), looks(10)])
    assert len(np.unique(joined.groups)) == 4
    assert joined.window[joined.window >= 0].tolist() == [0, 1, 2, 3]
    assert len(joined.windows) == 4


def test_what_can_be_told_apart_is_learned() -> None:
    table = fit.confusion(fit.judged(fit.train(looks(), SMALL), looks()))
    assert np.trace(table) == table.sum() == 60


def test_the_same_looks_give_the_same_file(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.npz", "b.npz")]
    for file in files:
        assert fit.write(fit.train(looks(), SMALL), file) < 200_000
    assert files[0].read_bytes() == files[1].read_bytes()
    with np.load(io.BytesIO(files[0].read_bytes())) as arrays:
        assert tuple(arrays["names"].tolist()) == NAMES
        assert tuple(arrays["classes"].tolist()) == CLASSES


def test_a_long_track_weighs_no_more_than_a_few_looks_and_narrow_stalls_nothing() -> None:
    few = looks(60)
    long = replace(few, labels=few.labels * 0 + 1, groups=few.groups * 0)
    alone = stack([long, looks(60)])
    weights = fit.weigh(alone)
    assert weights[:60].sum() < 0.5 * weights.sum()
    few.features[:, NAMES.index("log_width")] = np.log(20)
    assert (fit.weigh(few)[few.labels == 0] == 0).all()


def test_cut_outs_are_scaled_and_feathered() -> None:
    rng = np.random.default_rng(1)
    for cut in (*drawings(rng, 9), *veils(rng, 3), *plain_things(rng, 10)):
        assert cut.label in CLASSES
        picture, alpha = scaled(cut, 30, rng)
        assert picture.shape[:2] == alpha.shape
        assert picture.shape[1] == 30
        assert 0 <= float(alpha.min()) <= float(alpha.max()) <= 1.001
