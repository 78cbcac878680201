"""Clocks and captions that a camera writes into its picture are nothing on the street; what lies at its edge is."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from config.vision import VisionKnobs
from detectors.vision import VisionDetector
from detectors.vision.overlay import is_writing
from schemas.frame import FrameBatch
from tests.detectors.street import CAMERA, START_NS, Street, Thing, ground, one, pattern, standing

Picture = NDArray[np.uint8]
KNOBS = VisionKnobs(dwell_s=20.0)
ROWS, COLUMNS = 180, 320


def street() -> Picture:
    """A larger piece of the made-up paving."""
    return np.asarray(cv2.resize(ground(0), (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC), np.uint8)


def written(picture: Picture, text: str, at: tuple[int, int] = (6, 14)) -> Picture:
    """White letters with a black rim, as cameras write them, drawn at twice the size and reduced."""
    big = np.asarray(cv2.resize(picture, (2 * COLUMNS, 2 * ROWS), interpolation=cv2.INTER_NEAREST), np.uint8)
    corner = (2 * at[0], 2 * at[1])
    for grey, thick in ((20, 4), (240, 2)):
        cv2.putText(big, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (grey,) * 3, thick, cv2.LINE_AA)
    return np.asarray(cv2.resize(big, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA), np.uint8)


def opened(draw: Callable[[Picture, int], Picture], frames: int = 60) -> int:
    """How many things stood at one time or another."""
    by, most = VisionDetector(KNOBS, {}), 0
    for k in range(frames):
        rng = np.random.default_rng(k)
        noisy = street() + rng.normal(0, 1.5, (ROWS, COLUMNS, 3))
        picture = draw(np.clip(noisy, 0, 255).astype(np.uint8), k)
        at_ns = np.asarray([START_NS + 4 * k * 10**9], np.int64)
        size = np.asarray([(1280, 720)], np.int32)
        batch = FrameBatch((CAMERA,), at_ns, picture[None], size, np.asarray([k + 1], np.uint32))
        most = max(most, standing(by.step(batch)))
    return most


def test_a_plain_picture_is_no_writing() -> None:
    plain = np.zeros((ROWS, COLUMNS), np.uint8)
    assert not is_writing(plain, plain, (0, 0, 20, 8))


@pytest.mark.parametrize("row", [14, ROWS - 6])
def test_a_clock_that_moves_on_opens_nothing(row: int) -> None:
    assert opened(lambda picture, k: written(picture, f"07:{10 + k // 15}:{k * 4 % 60:02d}", (6, row))) == 0


def test_a_caption_that_comes_and_stays_opens_nothing() -> None:
    assert opened(lambda picture, k: written(picture, "GATE 12 MARKET") if k > 20 else picture) == 0


def test_the_same_words_in_the_middle_of_the_street_are_a_thing() -> None:
    assert opened(lambda picture, k: written(picture, "GATE 12 MARKET", (60, 100)) if k > 20 else picture) > 0


def test_a_thing_at_the_lower_edge_is_still_found() -> None:
    def put(picture: Picture, k: int) -> Picture:
        if k > 20:
            picture[ROWS - 20 : ROWS - 4, 120:150] = pattern(3, (16, 30))
        return picture

    assert opened(put) == 1


def test_a_thing_at_the_lower_edge_of_a_small_picture_is_still_found() -> None:
    by, low = VisionDetector(KNOBS, {}), Thing((60, 82, 24, 14), 40.0)
    for k in range(40):
        found = by.step(one(Street((low,)), 4.0 * k))
    assert standing(found) == 1


@pytest.mark.parametrize("top", [4, ROWS - 22])
def test_a_thing_before_a_fence_at_the_edge_of_the_picture_is_still_found(top: int) -> None:
    """Light and dark bars of 2 px before it came, small light and dark faces in their place."""

    def fenced(picture: Picture, k: int) -> Picture:
        rough = picture // 2 + np.random.default_rng(3).normal(0, 8, (ROWS, COLUMNS, 1))
        picture[:] = np.clip(rough + (np.arange(COLUMNS) // 2 % 2 * 90 + 10)[None, :, None], 0, 255)
        if k > 20:
            faces = np.random.default_rng(9).choice([70.0, 165.0], (9, 17)).repeat(2, 0).repeat(2, 1)
            picture[top : top + 18, 100:134] = faces[..., None] * (0.55, 0.75, 1.0) + (0, 20, 0)
        return picture

    assert opened(fenced) == 1


@given(arrays(np.uint8, (24, 32)), arrays(np.uint8, (24, 32)), st.tuples(*[st.integers(0, 31)] * 4))
@settings(max_examples=80, deadline=None)
def test_no_box_whatever_is_an_error(was: Picture, now: Picture, sides: tuple[int, int, int, int]) -> None:
    x, y, w, h = sides[0], sides[1] % 24, 1 + sides[2], 1 + sides[3]
    assert is_writing(was, now, (x, y, min(w, 32 - x), min(h, 24 - y))) in {True, False}


@given(st.integers(0, 200), st.integers(16, 60), st.integers(6, 20))
@settings(max_examples=40, deadline=None)
def test_a_heap_with_a_few_large_faces_is_no_writing(seed: int, w: int, h: int) -> None:
    rng = np.random.default_rng(seed)
    now = ground(1)[:, :, 0].copy()
    faces = rng.uniform(30, 220, (2, 3))
    now[96 - h : 96, 40 : 40 + w] = cv2.resize(faces, (w, h), interpolation=cv2.INTER_LINEAR)
    assert not is_writing(ground(1)[:, :, 0], now, (40, 96 - h, w, h))
