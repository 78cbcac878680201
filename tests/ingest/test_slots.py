"""Newest wins, cameras take turns, and every frame ends once."""

import threading
from collections import Counter
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.slots import FrameSlots
from schemas.frame import Frame

SECOND_NS = 1_000_000_000
PERIOD_S = 4.0
WAIT_MAX_S = 30.0
BYTES_MAX = 1000


def frame(
    camera: str, captured_s: float, *, received_s: float | None = None, boot: str = "", seq: int = 0, size: int = 4
) -> Frame:
    received = captured_s if received_s is None else received_s
    return Frame(camera, round(captured_s * 1e9), round(received * 1e9), bytes(size), 64, 48, seq=seq, boot=boot)


def slots(period_s: float = 0.0) -> FrameSlots:
    return FrameSlots(wait_max_s=WAIT_MAX_S, period_s=lambda _camera: period_s, max_bytes=BYTES_MAX)


def test_no_frames_are_taken_from_empty_slots() -> None:
    empty = slots()
    assert empty.take(10, 0) == ([], [])
    assert len(empty) == 0
    assert not empty.wait(0.0)


def test_the_newest_frame_of_a_camera_waits_and_the_older_is_shed() -> None:
    held = slots()
    old, new = frame("c", 1), frame("c", 2)
    assert held.put(old) == []
    assert held.put(new) == [(old, "newer_frame")]
    assert len(held) == 1
    assert held.take(10, 2 * SECOND_NS) == ([new], [])


def test_a_frame_that_was_overtaken_does_not_cost_the_newer_one() -> None:  # F45
    held = slots()
    new, late = frame("c", 2), frame("c", 1, received_s=3)
    held.put(new)
    assert held.put(late) == [(late, "newer_frame")]
    assert held.take(1, 3 * SECOND_NS) == ([new], [])


def test_a_camera_that_started_anew_is_not_measured_by_its_past() -> None:
    held = slots(PERIOD_S)
    held.put(frame("c", 100, boot="a"))
    held.take(1, 100 * SECOND_NS)
    held.put(frame("c", 200, boot="a", received_s=101))
    again = frame("c", 101, boot="b")
    assert held.put(again) == [(frame("c", 200, boot="a", received_s=101), "newer_frame")]
    assert held.take(1, 101 * SECOND_NS) == ([again], [])


def test_cameras_take_turns_whoever_sends_most() -> None:  # F44
    held = slots()
    order = []
    for second in range(0, 60, 2):
        for camera in ("a", "b", "c"):
            held.put(frame(camera, second))
            held.put(frame("a", second + 1, received_s=second))
        taken, _ = held.take(2, second * SECOND_NS)
        order += [one.camera_id for one in taken]
    turns = Counter(order)
    assert max(turns.values()) - min(turns.values()) <= 1
    assert {pair for pair in pairwise(order) if pair[0] == pair[1]} == set()


def test_a_replaced_frame_keeps_its_camera_in_turn() -> None:
    held = slots()
    held.put(frame("first", 1))
    held.put(frame("second", 1))
    held.put(frame("first", 2))
    assert [one.camera_id for one in held.take(2, 2 * SECOND_NS)[0]] == ["first", "second"]


def test_frames_within_the_period_are_decimated_by_the_cameras_own_clock() -> None:
    held = slots(PERIOD_S)
    passed = []
    for second in range(13):
        one = frame("c", second, received_s=1000)
        shed = held.put(one)
        assert shed in ([], [(one, "decimated")])
        passed += [second for _ in held.take(1, 1000 * SECOND_NS)[0]]
    assert passed == [0, 4, 8, 12]


def test_a_camera_that_sends_exactly_at_the_period_loses_nothing() -> None:
    held = slots(PERIOD_S)
    for number in range(20):
        jitter_s = 0.0004 * (number % 2)
        assert held.put(frame("c", number * PERIOD_S - jitter_s)) == []
        held.take(1, 0)


def test_a_clock_that_went_back_is_not_decimated_for_ever() -> None:
    held = slots(PERIOD_S)
    held.put(frame("c", 5000))
    held.take(1, 0)
    assert held.put(frame("c", 10)) == []


def test_the_period_may_shorten_while_something_matures() -> None:
    period_s = {"c": PERIOD_S}
    held = FrameSlots(wait_max_s=WAIT_MAX_S, period_s=period_s.__getitem__)
    held.put(frame("c", 0))
    held.take(1, 0)
    assert [reason for _, reason in held.put(frame("c", 1))] == ["decimated"]
    period_s["c"] = 1.0
    assert held.put(frame("c", 1.1)) == []


def test_a_frame_that_waited_too_long_is_shed_by_its_receipt_never_by_its_capture() -> None:
    held = slots()
    recorded = frame("recording", -100_000_000, received_s=100)
    stale = frame("stale", 131, received_s=100)
    held.put(stale)
    assert held.take(1, 131 * SECOND_NS) == ([], [(stale, "waited")])
    held.put(recorded)
    assert held.take(1, 130 * SECOND_NS) == ([recorded], [])


def test_a_shed_frame_does_not_use_up_a_place() -> None:
    held = slots()
    held.put(frame("stale", 0))
    held.put(frame("fresh", 100))
    taken, shed = held.take(1, 100 * SECOND_NS)
    assert [one.camera_id for one in taken] == ["fresh"]
    assert [(one.camera_id, reason) for one, reason in shed] == [("stale", "waited")]


def test_a_frame_that_has_no_room_is_shed_and_those_that_wait_stay() -> None:
    held = slots()
    first, large = frame("a", 1, size=600), frame("b", 1, size=401)
    assert held.put(first) == []
    assert held.put(large) == [(large, "memory")]
    assert held.put(frame("b", 2, size=400)) == []
    assert (len(held), held.size_bytes) == (2, BYTES_MAX)
    assert held.take(1, SECOND_NS)[0] == [first]
    assert held.put(frame("c", 3, size=600)) == []


def test_a_frame_that_is_as_large_as_the_one_it_replaces_always_has_room() -> None:
    held = slots()
    old, larger, new = frame("a", 1, size=BYTES_MAX), frame("a", 2, size=BYTES_MAX + 1), frame("a", 3, size=BYTES_MAX)
    held.put(old)
    assert held.put(larger) == [(larger, "memory")]
    assert held.put(new) == [(old, "newer_frame")]
    assert held.take(1, SECOND_NS) == ([new], [])
    assert held.size_bytes == 0


def test_only_a_frame_captured_before_one_that_came_is_an_old_one() -> None:  # F45
    held = slots()
    assert not held.newer_known(frame("a", 5))
    held.put(frame("a", 5, boot="x"))
    olds = [frame("a", 4, boot="x"), frame("a", 5, boot="x"), frame("a", 4, boot="y"), frame("b", 4, boot="x")]
    assert [held.newer_known(one) for one in olds] == [True, False, False, False]
    held.take(1, 5 * SECOND_NS)
    held.put(frame("a", 3, boot="x"))  # and it stays so when old ones were looked at
    held.take(1, 5 * SECOND_NS)
    assert [held.newer_known(one) for one in olds] == [True, False, False, False]


def test_who_waits_hears_of_a_frame_from_another_thread() -> None:
    held = slots()
    heard: list[bool] = []
    waiter = threading.Thread(target=lambda: heard.append(held.wait(30.0)))
    waiter.start()
    held.put(frame("c", 1))
    waiter.join()
    assert heard == [True]
    assert held.wait(0.0)


class EveryFrameEndsOnce(RuleBasedStateMachine):
    """received = taken + shed(reason) + waiting, whatever comes in whatever order; and it never takes more room."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = slots(PERIOD_S)
        self.now_s = 1000.0
        self.received = 0
        self.ended: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.waiting: dict[str, Frame] = {}
        self.captured_ns: dict[tuple[str, str], int] = {}

    def end(self, one: Frame, reason: str) -> None:
        self.ended[one.seq] += 1
        self.reasons[reason] += 1

    @rule(
        camera=st.sampled_from("abc"),
        boot=st.sampled_from(["", "x"]),
        behind_s=st.sampled_from([0, 0, 1, 50, -2]),
        size=st.sampled_from([0, 10, 10, 400, 500, BYTES_MAX, BYTES_MAX + 1]),
    )
    def put(self, camera: str, boot: str, behind_s: int, size: int) -> None:
        one = frame(camera, self.now_s - behind_s, received_s=self.now_s, boot=boot, seq=self.received, size=size)
        before = self.waiting.get(camera)
        self.received += 1
        shed = self.slots.put(one)
        assert len(shed) <= 1
        for lost, reason in shed:
            assert reason in {"decimated", "newer_frame", "memory"}
            assert lost in (one, before)
            if reason == "memory":
                assert size > (0 if before is None else len(before.jpeg))
            self.end(lost, reason)
        if one not in [lost for lost, _ in shed]:
            assert (before is None) == (not shed)
            self.waiting[camera] = one

    @rule(count=st.integers(0, 4))
    def take(self, count: int) -> None:
        taken, shed = self.slots.take(count, round(self.now_s * 1e9))
        assert len(taken) <= count
        for one in taken:
            assert self.now_s - one.received_ns / 1e9 <= WAIT_MAX_S
            self.end(one, "taken")
        for one, reason in shed:
            assert reason == "waited"
            assert self.now_s - one.received_ns / 1e9 > WAIT_MAX_S
            self.end(one, reason)
        for one in [*taken, *(lost for lost, _ in shed)]:
            assert self.waiting.pop(one.camera_id) == one

    @rule(step_s=st.sampled_from([0.5, 1.0, 4.0, 31.0]))
    def tick(self, step_s: float) -> None:
        self.now_s += step_s

    @invariant()
    def balances(self) -> None:
        assert self.received == sum(self.reasons.values()) + len(self.slots)
        assert len(self.slots) == len(self.waiting)
        assert set(self.ended.values()) <= {1}
        assert self.slots.size_bytes == sum(len(one.jpeg) for one in self.waiting.values()) <= BYTES_MAX


EveryFrameEndsOnce.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestEveryFrameEndsOnce = EveryFrameEndsOnce.TestCase
