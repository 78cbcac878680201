"""Drawings of left things: whole, solid, many-coloured, and the same for the same seed."""

import numpy as np

from curbwatch.tuning.train.left import WIDTH_PX, left_things


def test_none_are_drawn_where_none_are_asked_for() -> None:
    assert list(left_things(np.random.default_rng(1), 0)) == []


def test_each_drawing_is_waste_solid_in_the_middle_and_open_at_its_edge() -> None:
    for cut in left_things(np.random.default_rng(1), 24):
        assert (cut.label, cut.width_px) == ("waste", WIDTH_PX)
        assert cut.alpha is not None
        assert cut.picture.shape == (*cut.alpha.shape, 3)
        rows, columns = cut.alpha.shape
        middle = cut.alpha[rows // 3 : 2 * rows // 3, columns // 3 : 2 * columns // 3]
        assert middle.mean() > 0.5
        assert cut.alpha[0].min() < 0.1


def test_the_same_seed_draws_the_same_things() -> None:
    first, again = (list(left_things(np.random.default_rng(5), 7)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.picture, other.picture)
    means = [one.picture.mean() for one in first]
    assert max(means) - min(means) > 20
