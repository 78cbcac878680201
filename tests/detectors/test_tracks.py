import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.vision.camera import Camera, _owner
from detectors.vision.classify import fuse
from detectors.vision.features import NAMES
from detectors.vision.grid import Arena
from detectors.vision.proposals import Blob
from detectors.vision.tracks import QUICK, Track, captured, mark, pack, unpack
from schemas.detections import CLASSES, Phase

S = 10**9
FEATURES = np.zeros(len(NAMES), np.float32)


def track(**more: object) -> Track:
    plain = {"id": 7, "box": (10, 10, 20, 20), "area": 300.0, "appeared_ns": 5 * S, "seen_ns": 9 * S}
    return Track(**{**plain, **more})  # type: ignore[arg-type]


def logs(**share: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rest = (1 - sum(share.values())) / (len(CLASSES) - len(share))
    return np.asarray(np.log([share.get(name, rest) for name in CLASSES]), np.float64)


def called(one: Track) -> str:
    return CLASSES[int(fuse(one.mean_logs()[None])[0].argmax())]


def blob(area: float, box: tuple[int, int, int, int]) -> Blob:
    return Blob(box, area, ())


def test_no_tracks_pack_to_no_rows() -> None:
    assert unpack(pack([])) == []


def test_rows_of_another_type_are_refused() -> None:
    with pytest.raises(ValueError, match="another type"):
        unpack(np.zeros(2, [("id", "i8")]))


def test_what_stands_and_was_called_waste_is_not_called_a_stall_later() -> None:
    one = track(phase=Phase.STANDING)
    one.add(FEATURES, logs(waste=0.8), S)
    for k in range(12):
        one.add(FEATURES, logs(stall=0.9), (2 + k) * S)
    assert called(one) == "waste"


def test_it_may_still_turn_out_to_be_a_vehicle() -> None:
    one = track(phase=Phase.STANDING)
    one.add(FEATURES, logs(waste=0.8), S)
    for k in range(12):
        one.add(FEATURES, logs(vehicle=0.9), (2 + k) * S)
    assert called(one) == "vehicle"


def test_before_it_stands_its_name_is_open() -> None:
    one = track()
    one.add(FEATURES, logs(waste=0.8), S)
    for k in range(4):
        one.add(FEATURES, logs(stall=0.9), (2 + k) * S)
    one.phase = Phase.STANDING
    one.name()
    assert called(one) == "stall"


def test_a_box_that_changes_much_is_believed_the_second_time_and_forgets_its_looks() -> None:
    one = track(phase=Phase.STANDING)
    one.add(FEATURES, logs(other=0.9), S)
    one.follow(blob(900.0, (0, 0, 40, 40)))
    assert one.box == (10, 10, 20, 20)
    one.follow(blob(910.0, (0, 0, 41, 40)))
    assert (one.box, one.looks) == ((0, 0, 41, 40), 0)


@pytest.mark.parametrize(
    ("names", "kept"),
    [((-1, -1), [0]), ((-1, 1), [1]), ((1, -1), [0]), ((0, 1), [0, 1])],
)
def test_one_thing_is_one_track_and_what_has_a_name_stays(names: tuple[int, int], kept: list[int]) -> None:
    arena = Arena((32, 32))
    camera = Camera(arena, arena.take(), (32, 32))
    camera.tracks = [track(id=k, phase=Phase.STANDING, named=named) for k, named in enumerate(names)]
    owner = _owner(camera, blob(300.0, (10, 10, 20, 20)), 0.0)
    assert owner is not None
    assert owner.id == kept[0]
    assert [one.id for one in camera.tracks] == kept


def test_the_first_looks_come_at_once_and_later_ones_seldom() -> None:
    one = track()
    assert one.due(10 * S, 8.0)
    for _ in range(QUICK):
        one.add(FEATURES, logs(waste=0.5), 10 * S)
    assert not one.due(17 * S, 8.0)
    assert one.due(18 * S, 8.0)


@given(st.lists(st.tuples(st.floats(0.1, 20), st.floats(0.1, 200)), min_size=1, max_size=60), st.floats(0, 300))
@settings(max_examples=80, deadline=None)
def test_votes_turn_back_into_captured_time_in_order(steps: list[tuple[float, float]], age_s: float) -> None:
    marks_s, marks_ns = np.zeros(48), np.zeros(48, np.int64)
    clock_s, now_ns = 0.0, 1000 * S
    for vote_s, gap_s in steps:
        clock_s, now_ns = clock_s + vote_s, now_ns + round(gap_s * S)
        mark(marks_s, marks_ns, clock_s, now_ns)
    then = captured(now_ns, clock_s, age_s, marks_s, marks_ns)
    assert then <= captured(now_ns, clock_s, age_s / 2, marks_s, marks_ns) <= now_ns
    assert captured(now_ns, clock_s, 0.0, marks_s, marks_ns) == now_ns


@given(st.integers(0, 2**40), st.sampled_from([Phase.MATURING, Phase.STANDING]), st.integers(-1, 1))
@settings(max_examples=40, deadline=None)
def test_a_packed_track_is_the_same_track(number: int, phase: Phase, named: int) -> None:
    (again,) = unpack(pack([track(id=number, phase=phase, named=named, logs=np.arange(6.0))]))
    assert (again.id, again.phase, again.named, again.box, again.area) == (
        number,
        phase,
        named,
        (10, 10, 20, 20),
        300.0,
    )
    assert again.logs.tolist() == list(range(6))
