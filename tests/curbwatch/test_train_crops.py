from pathlib import Path

import numpy as np
import pytest

from curbwatch.tuning.train import crop_figures, crop_samples, pooling
from curbwatch.tuning.train.collect import ANY_OTHER, nothing
from curbwatch.tuning.train.crop_bank import WINDOW_PX, Bank, Sprite, Window, boxes_of, empty_windows
from curbwatch.tuning.train.crop_samples import Shelf
from curbwatch.tuning.train.gather import in_first_half, split
from detectors.vision.crops import INPUT_PX, KINDS
from schemas.detections import CLASSES

RNG = np.random.default_rng(2)


def bank() -> Bank:
    """One window, cut-out and frame of each kind in each half, of random pixels."""
    found = Bank([], [], [], [])
    for second in (False, True):
        for kind in (ANY_OTHER, *range(len(KINDS))):
            pixels = RNG.integers(0, 255, (WINDOW_PX, WINDOW_PX, 3)).astype(np.uint8)
            found.windows.append(Window(pixels, kind, (1.0, 0.5), second))
            if kind >= 0:
                found.sprites.append(Sprite(pixels[:40, :60], np.ones((40, 60), np.float32), kind, kind == 1, second))
        found.frames.append((RNG.integers(0, 255, (240, 320, 3)).astype(np.uint8), second))
        found.carts.append(Window(found.windows[-1].picture, 0, (1.0, 1.0), second))
    return found


def test_without_looks_the_other_samples_are_drawn() -> None:
    pictures, kinds = crop_samples.batch(Shelf.of(bank(), nothing(), (False,)), np.random.default_rng(1), 200)
    assert pictures.shape == (200, INPUT_PX, INPUT_PX, 3)
    assert set(kinds.tolist()) <= {ANY_OTHER, *range(len(KINDS))}
    assert {ANY_OTHER, KINDS.index("waste"), KINDS.index("stall"), KINDS.index("bin")} <= set(kinds.tolist())


def test_the_same_seed_draws_the_same_samples() -> None:
    shelf = Shelf.of(bank(), nothing(), (False, True))
    first, second = (crop_samples.batch(shelf, np.random.default_rng(4), 50) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tolist() == second[1].tolist()


def test_a_half_holds_nothing_of_the_other() -> None:
    whole = bank()
    shelf = Shelf.of(whole, nothing(), (True,))
    kept = [id(one.picture) for windows in shelf.windows.values() for one in windows]
    assert not {id(one.picture) for one in whole.windows if not one.second} & set(kept)
    assert len(shelf.frames) == len(shelf.carts) == 1


def test_one_camera_is_in_one_half_whatever_its_recording() -> None:
    assert in_first_half("seq-ucsd-ped2-01", 30) == in_first_half("seq-ucsd-ped2-09", 33)
    assert in_first_half("seq-slow-nyc-avenue-east-1min", 1) == in_first_half("seq-slow-nyc-avenue-west-1min", 2)
    items = list(range(16))
    assert sorted(split(items, second=False) + split(items, second=True)) == items
    assert split([], second=True) == []


def test_photographs_give_their_boxes_and_places_without_any(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.jpg"), np.full((300, 300, 3), 120, np.uint8))
    labels = tmp_path / "labels" / "a.txt"
    labels.write_text("0 0.5 0.5 0.2 0.1\n1 0.2 0.2 0.01 0.01\n", encoding="utf-8")
    ((kept, sprite),) = boxes_of(labels)
    assert (kept.kind, kept.sides) == (KINDS.index("waste"), (1.0, 0.5))
    assert sprite is not None
    assert sprite.alpha.shape == sprite.picture.shape[:2]
    assert {one.kind for one in empty_windows(labels, np.random.default_rng(1), 3)} == {ANY_OTHER}
    assert list(boxes_of(tmp_path / "labels" / "b.txt")) == []


def test_ranks_are_those_of_the_scores() -> None:
    rest = np.linspace(0, 0.5, 100).astype(np.float32)
    assert crop_figures.ranked(np.asarray([0.6, 0.9], np.float32), rest) == (1.0, 1.0)
    assert crop_figures.ranked(rest, rest)[0] == pytest.approx(0.5)
    assert np.isnan(crop_figures.ranked(rest[:0], rest)).all()


def test_the_pool_believes_whoever_is_right() -> None:
    truth = np.arange(120) % len(CLASSES)
    right = np.log(np.full((120, len(CLASSES)), 0.02) + 0.88 * np.eye(len(CLASSES))[truth])
    wrong = np.log(np.random.default_rng(1).dirichlet(np.ones(len(CLASSES)), 120))
    none = nothing()
    tracks = pooling.Judged(wrong, right, truth, np.full(120, "made"), np.full(120, 20, np.float32), none.windows)
    pool = pooling.fitted(tracks)
    assert pool.crop > 3 * abs(pool.hand)
    assert "fitted pool" in pooling.told(tracks, pool)
