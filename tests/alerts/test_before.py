"""The last picture before a thing came is at hand, and the memory for it is bounded."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alerts.incidents.before import STALE_S, BeforeRing
from tests.alerts.makers import S, frame


def test_an_empty_ring_has_no_picture() -> None:
    ring = BeforeRing(8, 10.0, 40.0, 1_000_000)
    assert ring.before("cam-1", 10**19) is None
    assert ring.size_bytes == 0


def test_the_newest_picture_that_is_surely_of_before_is_chosen() -> None:
    ring = BeforeRing(8, 10.0, 40.0, 1_000_000)
    for second in range(0, 60, 10):
        ring.add(frame(captured_ns=second * S))
    found = ring.before("cam-1", 35 * S)
    assert found is not None
    assert found.captured_ns == 20 * S  # at 30 s it may have stood there, hidden by somebody
    assert ring.before("cam-1", 0) is None
    assert ring.before("cam-2", 35 * S) is None


def test_a_picture_shortly_before_is_better_than_none() -> None:
    ring = BeforeRing(8, 10.0, 40.0, 1_000_000)
    ring.add(frame(captured_ns=30 * S))
    assert ring.before("cam-1", 35 * S) == frame(captured_ns=30 * S)


def test_a_forgotten_camera_leaves_its_room_to_others() -> None:
    ring = BeforeRing(8, 10.0, 40.0, 1_000_000)
    ring.add(frame(captured_ns=30 * S))
    ring.forget("cam-1")
    ring.forget("nobody")
    assert (ring.size_bytes, ring._rings) == (0, {})


def test_a_clock_that_was_set_back_starts_anew() -> None:
    ring = BeforeRing(8, 10.0, 40.0, 1_000_000)
    ring.add(frame(captured_ns=500 * S))
    ring.add(frame(captured_ns=100 * S))
    assert ring.before("cam-1", 600 * S) == frame(captured_ns=100 * S)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 200)), max_size=60), st.integers(1, 5), st.integers(0, 90)
)
def test_a_ring_is_bounded_ordered_and_spaced(frames: list[tuple[str, int]], frames_max: int, max_bytes: int) -> None:
    ring = BeforeRing(frames_max, 10.0, 30.0, max_bytes)
    for camera_id, second in frames:
        ring.add(frame(b"x" * 10, second * S, camera_id))
        assert ring.size_bytes <= min(2 * frames_max * 10, max_bytes)
        assert ring.size_bytes == sum(len(kept.jpeg) for some in ring._rings.values() for kept in some)
    for camera_id in "ab":
        kept = [kept.captured_ns for kept in ring._rings.get(camera_id, ())]
        assert all(later - earlier >= 10 * S for earlier, later in pairwise(kept))


def test_where_memory_is_short_every_camera_keeps_its_only_picture() -> None:
    ring = BeforeRing(8, 10.0, 40.0, max_bytes=50)
    for second in range(0, 50, 10):
        ring.add(frame(b"x" * 10, second * S, "cam-1"))
    ring.add(frame(b"x" * 10, 45 * S, "cam-2"))
    ring.add(frame(b"x" * 10, 45 * S, "cam-3"))
    assert [kept.captured_ns // S for kept in ring._rings["cam-1"]] == [0, 20, 40]
    assert ring.before("cam-2", 60 * S) is not None
    assert ring.before("cam-3", 60 * S) is not None


def test_where_one_picture_fits_it_gives_way_only_once_it_is_stale() -> None:
    ring = BeforeRing(8, 10.0, 40.0, max_bytes=10)
    for second in range(0, round(STALE_S) + 200, 100):
        ring.add(frame(b"x" * 10, second * S))
        (kept,) = ring._rings["cam-1"]
        assert kept.captured_ns // S == (second if second > STALE_S else 0)


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 10)), min_size=1, max_size=6),
    st.integers(2, 4),
    st.data(),
)
def test_as_long_as_two_pictures_of_each_camera_fit_each_has_one_from_before_the_dwell(
    cameras: list[tuple[int, int]], pictures: int, data: st.DataObject
) -> None:
    dwell_s, spacing_s = 80, 20  # eight pictures reach back two dwells
    ring = BeforeRing(8, spacing_s, dwell_s, max_bytes=pictures * sum(size for _, size in cameras))
    sent = sorted(
        (second, index)
        for index, (period_s, _) in enumerate(cameras)
        for second in range(data.draw(st.integers(0, 100)), 1000, period_s)
    )
    first: dict[int, int] = {}
    for second, index in sent:
        ring.add(frame(b"x" * cameras[index][1], second * S, str(index)))
        assert ring.size_bytes <= ring.max_bytes
        if second - first.setdefault(index, second) > dwell_s + spacing_s:
            found = ring.before(str(index), (second - dwell_s) * S)
            assert found is not None
            # Surely of before, and not long before.
            assert spacing_s < second - dwell_s - found.captured_ns / S <= dwell_s + 3 * spacing_s
