import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from detectors.vision.assembly import gap, join, overlap, union
from detectors.vision.proposals import CLOSE, OPEN, Blob, Crop, find_blobs
from detectors.vision.verify import Verdict, judge, look

SIDE = 40
Picture = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def paving(strength: float = 10.0) -> Picture:
    rng = np.random.default_rng(4)
    return np.clip(110 + rng.normal(0, strength, (SIDE, SIDE)), 0, 255).astype(np.uint8)


def thing() -> Picture:
    rng = np.random.default_rng(5)
    return np.asarray(cv2.resize(rng.integers(20, 230, (6, 6)).astype(np.uint8), (20, 20)), np.uint8)


def crop(background: Picture, candidate: Picture, colour: int = 128) -> Crop:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[10:30, 10:30] = 255
    old = np.full((2, SIDE // 2, SIDE // 2), 128, np.uint8)
    new = old.copy()
    new[:, 5:15, 5:15] = colour
    return Crop(0, 0, background, candidate, mask, old, new, candidate, np.full_like(mask, 100))


def with_thing(picture: Picture) -> Picture:
    out = picture.copy()
    out[10:30, 10:30] = thing()
    return out


def verdict(one: Crop) -> Verdict:
    return judge(look(one), ncc_light=0.55, ghost_margin=0.12)


def test_something_new_on_paving_is_an_object() -> None:
    assert verdict(crop(paving(), with_thing(paving()), colour=150)) is Verdict.OBJECT


def test_what_the_background_shows_and_the_street_does_not_has_left() -> None:
    assert verdict(crop(with_thing(paving()), paving())) is Verdict.GHOST


def lit(picture: Picture, factor: float) -> Picture:
    """Other light with a soft edge on the inner part of the picture."""
    share = np.ones((SIDE, SIDE), np.float32)
    share[10:30, 10:30] = factor
    return np.asarray(np.clip(picture * cv2.blur(share, (9, 9)), 0, 255), np.uint8)


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_paving_in_another_light_is_light(factor: float) -> None:
    assert verdict(crop(paving(), lit(paving(), factor))) is Verdict.LIGHT


def test_smooth_ground_darker_by_about_one_ratio_is_shade() -> None:
    ground = paving(0.8)
    assert verdict(crop(ground, lit(ground, 0.75))) is Verdict.SHADE


def test_a_busy_thing_on_a_speck_of_the_ground_is_not_taken_for_light() -> None:
    ground = np.full((SIDE, SIDE), 90, np.uint8)
    ground[18:21, 18:21] = 130
    new = ground.copy()
    new[18:21, 18:21] = 255
    assert look(crop(ground, new)).ncc > 0.55
    assert verdict(crop(ground, new, colour=140)) is Verdict.OBJECT


def test_a_blob_of_one_colour_pixel_can_be_looked_at() -> None:
    one = crop(paving(), with_thing(paving()))
    one.mask[:] = 0
    one.mask[11, 11] = 255
    assert np.isfinite([getattr(look(one), name) for name in look(one).__dataclass_fields__]).all()


def test_blobs_smaller_than_the_least_area_are_left_out() -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[5:8, 5:8] = 255
    mask[20:40, 20:40] = 255
    assert [blob.box for blob in find_blobs(mask, 18)] == [(20, 20, 20, 20)]


def test_an_empty_mask_has_no_blobs() -> None:
    assert find_blobs(np.zeros((60, 80), np.uint8), 1) == []


@given(arrays(np.bool_, (24, 30), elements=st.booleans(), fill=st.just(False)))
@settings(max_examples=150, deadline=None)
def test_blobs_are_those_of_the_plain_opening_and_closing(marks: NDArray[np.bool_]) -> None:
    mask = marks.astype(np.uint8) * 255
    plain = cv2.dilate(cv2.erode(mask, OPEN, anchor=(0, 0)), OPEN, anchor=(1, 1))
    closed = cv2.morphologyEx(plain, cv2.MORPH_CLOSE, CLOSE)
    wanted, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    assert [blob.box for blob in find_blobs(mask, 1)] == [cv2.boundingRect(outline) for outline in wanted]


def blob(x: int, y: int, w: int, h: int) -> Blob:
    return Blob((x, y, w, h), float(w * h), (np.asarray([[[x, y]]], np.int32),))


def test_parts_of_one_thing_are_joined_and_neighbours_are_not() -> None:
    assert join([]) == []
    top, table, far = blob(10, 10, 30, 10), blob(12, 22, 26, 12), blob(100, 10, 10, 10)
    joined = join([top, far, table])
    assert [one.box for one in joined] == [(10, 10, 30, 24), (100, 10, 10, 10)]
    assert joined[0].area == top.area + table.area


def test_boxes_measure_each_other() -> None:
    assert union((0, 0, 10, 10), (20, 5, 5, 10)) == (0, 0, 25, 15)
    assert gap((0, 0, 10, 10), (13, 14, 5, 5)) == 5.0
    assert overlap((0, 0, 10, 10), (5, 0, 20, 10)) == 0.5
    assert overlap((0, 0, 10, 10), (50, 50, 5, 5)) == 0.0
