"""Pieces of original pictures: what is cut, how it is asked for, and how what it tells takes its place."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.crops import PIECE_MAX_PX, PIECE_MIN_PX, REDUCTIONS, WHOLE, CropBatch, around, wishes_of
from schemas.detections import CLASSES, Detections
from schemas.frame import FrameBatch

SIDES = st.integers(16, 8000)


def batch(count: int) -> FrameBatch:
    return FrameBatch(
        camera_ids=tuple(f"cam-{k}" for k in range(count)),
        captured_ns=np.arange(count, dtype=np.int64) + 7,
        pixels=np.zeros((count, 180, 320, 3), np.uint8),
        native_px=np.tile(np.asarray([[1280, 720]], np.int32), (count, 1)),
        crc32=np.zeros(count, np.uint32),
    )


def rows(frames: list[int], tracks: list[int], family: str = "waste") -> Detections:
    count = len(frames)
    posterior = np.zeros((count, len(CLASSES)), np.float32)
    posterior[:, CLASSES.index(family)] = 1
    return Detections(
        scene=np.zeros(3, np.uint8),
        frame=np.asarray(frames, np.int32),
        track_id=np.asarray(tracks, np.int64),
        phase=np.zeros(count, np.uint8),
        box_px=np.tile(np.asarray([[100, 200, 40, 30]], np.float32), (count, 1)),
        appeared_ns=np.zeros(count, np.int64),
        dwell_s=np.zeros(count, np.float32),
        posterior=posterior,
        evidence=np.zeros(count, np.uint8),
        wanted=np.ones(count, np.bool_),
        wanted_frame=np.zeros(3, np.bool_),
    )


def test_a_step_that_wants_nothing_has_no_wishes() -> None:
    assert wishes_of(Detections.empty(3), batch(3)) == []
    crops = CropBatch.of(batch(3), [], [])
    assert len(crops) == 0
    assert crops.box_px.shape == crops.piece_px.shape == (0, 4)


def test_wishes_name_the_frame_the_track_and_what_to_cut() -> None:
    wishes = wishes_of(rows([2, 0], [5, 6]), batch(3))
    assert [(wish.frame, wish.track_id) for wish in wishes] == [(2, 5), (0, 6)]
    x, y, w, h = wishes[0].piece.box_px
    assert (x, y) == (80, 180)
    assert (w, h) == (80, 70)
    crops = CropBatch.of(batch(3), wishes, [np.zeros((70, 80, 3), np.uint8)] * 2)
    assert crops.camera_ids == ("cam-2", "cam-0")
    assert crops.captured_ns.tolist() == [9, 7]
    assert crops.where(np.asarray([False, True])).track_id.tolist() == [6]


def test_a_whole_picture_can_be_wanted() -> None:
    found = Detections.empty(2)
    found.wanted_frame[1] = True
    (wish,) = wishes_of(found, batch(2))
    assert (wish.frame, wish.track_id, wish.piece.box_px, wish.piece.reduction) == (1, WHOLE, (0, 0, 1280, 720), 1)


def test_rows_that_were_looked_at_closer_take_the_place_of_the_old_ones() -> None:
    old, newer = rows([0, 1, 2], [1, 1, 2]), rows([1, 2], [1, 9], "stall")
    told = old.replaced(newer)
    assert told.frame.tolist() == [0, 1, 2, 2]
    assert told.track_id.tolist() == [1, 1, 2, 9]
    assert [CLASSES[k] for k in told.posterior.argmax(axis=1)] == ["waste", "stall", "waste", "stall"]
    assert not told.wanted.any()
    assert len(told.scene) == len(told.wanted_frame) == 3


def test_nothing_new_changes_no_row() -> None:
    old = rows([0, 1], [1, 2])
    told = old.replaced(Detections.empty())
    assert told.track_id.tolist() == [1, 2]
    assert not told.wanted.any()


@given(
    x=st.floats(-50, 8000),
    y=st.floats(-50, 8000),
    w=st.floats(0.5, 4000),
    h=st.floats(0.5, 4000),
    native=st.tuples(SIDES, SIDES),
)
def test_a_piece_lies_within_its_picture_and_is_never_empty(
    x: float, y: float, w: float, h: float, native: tuple[int, int]
) -> None:
    piece = around((x, y, w, h), native)
    left, top, wide, high = piece.box_px
    assert left >= 0
    assert top >= 0
    assert min(PIECE_MIN_PX, native[0]) <= wide <= native[0] - left
    assert min(PIECE_MIN_PX, native[1]) <= high <= native[1] - top
    assert piece.reduction in REDUCTIONS
    assert piece.reduction == 1 or max(wide, high) > PIECE_MAX_PX * piece.reduction / 2
