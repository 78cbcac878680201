from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detectors.vision import memory
from detectors.vision.grid import Arena, chroma, luma, zone_mask
from schemas.place import ImageZone

SHAPE = (8, 16)
PLANE = (12, 16)
Plane = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
PLANES = arrays(np.uint8, PLANE)
LEVEL = st.integers(1, 127)
WEIGHT = st.integers(1, 255)


def distance(left: Plane, right: Plane) -> Plane:
    """Colour counts double, saturating at 255."""
    delta = np.abs(left.astype(int) - right.astype(int))
    delta[SHAPE[0] :] *= 2
    return np.asarray(np.minimum(delta, 255), np.uint8)


@given(PLANES, PLANES, PLANES, WEIGHT, LEVEL)
@settings(max_examples=150, deadline=None)
def test_a_vote_is_the_majority_vote_of_the_slow_reference(
    frame: Plane, candidate: Plane, votes: Plane, increment: int, grey: int
) -> None:
    apart = distance(frame, candidate) > grey
    wanted_votes = np.where(apart, np.maximum(votes.astype(int) - increment, 0), votes)
    taken = wanted_votes == 0
    wanted_candidate = np.where(taken, frame, candidate)
    wanted_votes = np.where(apart, wanted_votes, np.minimum(wanted_votes.astype(int) + increment, 255))
    got_candidate, got_votes = candidate.copy(), votes.copy()
    memory.vote(frame, got_candidate, got_votes, increment, grey, memory.Scratch(SHAPE))
    assert np.array_equal(got_candidate, wanted_candidate)
    assert np.array_equal(got_votes, wanted_votes)


@given(PLANES, PLANES, LEVEL)
@settings(max_examples=100, deadline=None)
def test_a_model_drifts_only_where_it_matches(frame: Plane, model: Plane, grey: int) -> None:
    apart = distance(frame, model) > grey
    got = model.copy()
    memory.drift(frame, got, grey, memory.Scratch(SHAPE))
    assert np.array_equal(got[apart], model[apart])
    blend = frame * memory.DRIFT + model * (1 - memory.DRIFT)
    assert np.abs(got[~apart] - blend[~apart]).max(initial=0) <= 0.5 + 1e-6


@given(PLANES, PLANES, PLANES, WEIGHT, LEVEL)
@settings(max_examples=100, deadline=None)
def test_following_what_a_vote_found_is_drifting(
    frame: Plane, candidate: Plane, votes: Plane, increment: int, grey: int
) -> None:
    work = memory.Scratch(SHAPE)
    memory.vote(frame, candidate, votes, increment, grey, work)
    slow, quick = candidate.copy(), candidate.copy()
    memory.follow(frame, quick, grey, work)
    memory.drift(frame, slow, grey, memory.Scratch(SHAPE))
    assert np.array_equal(quick, slow)


@given(PLANES, PLANES, PLANES, WEIGHT, LEVEL)
@settings(max_examples=100, deadline=None)
def test_pixels_like_the_background_are_capped_low_and_others_high(
    background: Plane, candidate: Plane, votes: Plane, limit: int, grey: int
) -> None:
    like = np.abs(candidate.astype(int) - background.astype(int)) <= grey
    got, work = votes.copy(), memory.Scratch(SHAPE)
    cv2.absdiff(candidate, background, dst=work.differs)
    most = limit + (255 - limit) // 2
    memory.cap(got, limit, most, grey, work)
    assert np.array_equal(got, np.minimum(votes, np.where(like, limit, most)))


@given(PLANES, PLANES, PLANES, WEIGHT, LEVEL, LEVEL)
@settings(max_examples=100, deadline=None)
def test_the_standing_mask_is_where_enough_votes_differ_from_the_background(
    background: Plane, candidate: Plane, votes: Plane, static: int, grey: int, colour: int
) -> None:
    work = memory.Scratch(SHAPE)
    cv2.absdiff(candidate, background, dst=work.differs)
    delta, stood = work.differs.copy(), votes >= static
    wanted = (luma(delta, SHAPE) > grey) & luma(stood.astype(np.uint8), SHAPE).astype(bool)
    for plane, cast in zip(chroma(delta, SHAPE), chroma(stood.astype(np.uint8), SHAPE), strict=True):
        wanted |= ((plane > colour) & (cast > 0)).repeat(2, axis=0).repeat(2, axis=1)
    got = memory.standing_mask(votes, static, grey, colour, work)
    if got is None:
        assert not wanted.any()
    else:
        assert np.array_equal(got > 0, wanted)


def test_what_is_seen_most_of_the_time_survives_what_passes() -> None:
    frame = np.full(PLANE, 200, np.uint8)
    passing = np.full(PLANE, 40, np.uint8)
    candidate, votes, work = frame.copy(), np.zeros(PLANE, np.uint8), memory.Scratch(SHAPE)
    for k in range(60):
        memory.vote(passing if k % 5 == 3 else frame, candidate, votes, 2, 14, work)
    assert (candidate == 200).all()
    assert (votes >= 20).all()


def test_a_slot_that_is_given_back_is_cleared_for_the_next_camera() -> None:
    arena = Arena((16, 16), capacity=1)
    first = arena.take()
    arena.state["begun"][first] = True
    second = arena.take()
    assert second != first
    arena.give(first)
    assert not arena.state["begun"][arena.take()]


def test_growing_keeps_what_was_there() -> None:
    arena = Arena((16, 16), capacity=1)
    slot = arena.take()
    arena.background[slot] = 77
    arena.take()
    assert (arena.background[slot] == 77).all()


@pytest.mark.parametrize("drop", ["background", "votes", "state"])
def test_a_slot_takes_only_arrays_of_its_own_shape(drop: str) -> None:
    arena = Arena((16, 16))
    arrays_: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = dict(arena.read(arena.take()))
    arrays_[drop] = arrays_[drop][..., :1]
    if drop == "state":
        del arrays_[drop]
    with pytest.raises(ValueError, match=drop):
        arena.write(arena.take(), arrays_)


def test_no_zone_is_the_whole_picture_and_a_zone_is_its_polygon() -> None:
    assert zone_mask((), (10, 20), (200, 100)) is None
    assert zone_mask((ImageZone("all", ()),), (10, 20), (200, 100)) is None
    mask = zone_mask((ImageZone("left", ((0, 0), (100, 0), (100, 100), (0, 100))),), (10, 20), (200, 100))
    assert mask is not None
    assert mask[:, :10].all()
    assert not mask[:, 11:].any()


@pytest.mark.parametrize("reader", [luma, chroma])
def test_planes_are_views(reader: Callable[[Plane, tuple[int, int]], object]) -> None:
    plane = np.zeros(PLANE, np.uint8)
    found = reader(plane, SHAPE)
    for part in found if isinstance(found, tuple) else (found,):
        assert isinstance(part, np.ndarray)
        assert np.shares_memory(part, plane)
