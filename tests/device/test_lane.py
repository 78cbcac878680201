"""What a vehicle sends again, and when: exactly what is neither acknowledged nor on its way."""

import json
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from curbwatch.device.lane import Item, Lane
from curbwatch.device.messages import Entry, Habits, in_arrays, position_message, read_ack
from curbwatch.device.outbox import MemoryOutbox


def entries(count: int, boot: str = "b1", first: int = 0) -> list[Entry]:
    return [Entry(boot, seq, json.dumps({"seq": seq, "boot": boot}).encode()) for seq in range(first, first + count)]


def lane(max_bytes: int = 1_000_000, **habits: float) -> Lane:
    knobs = Habits(resend_s=10.0, resend_max_s=30.0, array_bytes=int(habits.get("array_bytes", 65_536)))
    return Lane("car-1", "t", MemoryOutbox(max_bytes), knobs, spread=lambda: 1.0)


def keep(road: Lane, some: list[Entry], now_s: float = 0.0) -> list[Item]:
    return road.queue(some, road.outbox.append(some), now_s)


def said(road: Lane, item: Item) -> tuple[list[int], int | None]:
    """Which ``seq`` an item carries, and the oldest it names."""
    outgoing = road.message(item)
    assert outgoing is not None
    body = json.loads(outgoing.payload)
    oldest = dict(outgoing.properties).get("oldest")
    seqs = [one["seq"] for one in (body if isinstance(body, list) else [body])]
    return seqs, None if oldest is None else int(oldest)


def test_nothing_kept_sends_nothing() -> None:
    road = lane()
    assert (keep(road, []), road.again(0.0), road.overdue(1e9)) == ([], [], [])
    assert road.heard("b1", 5, 0.0)
    assert road.marks == {"b1": 5}


def test_one_is_an_object_and_several_are_an_array() -> None:
    assert position_message("t", entries(1)).payload == entries(1)[0].body
    assert json.loads(position_message("t", entries(2)).payload) == [json.loads(one.body) for one in entries(2)]


def test_what_is_handed_over_goes_as_it_came_and_says_no_oldest() -> None:
    road = lane()
    assert [said(road, item) for item in keep(road, entries(3))] == [([0, 1, 2], None)]
    assert [said(road, item) for item in keep(road, entries(1, first=3))] == [([3], None)]


def test_an_array_that_is_too_long_is_split() -> None:
    road = lane(array_bytes=100)
    sent = [said(road, item)[0] for item in keep(road, entries(10))]
    assert [seq for seqs in sent for seq in seqs] == list(range(10))
    assert max(len(seqs) for seqs in sent) == 3


def test_after_a_connection_all_that_is_not_acknowledged_goes_again_joined_and_says_the_oldest() -> None:
    road = lane()
    for one in entries(250):
        for item in keep(road, [one]):
            road.done(item)
    road.heard("b1", 9, 1.0)
    assert [said(road, item) for item in road.again(2.0)] == [
        (list(range(10, 110)), 10),
        (list(range(110, 210)), 10),
        (list(range(210, 250)), 10),
    ]


def test_what_is_on_its_way_is_not_queued_twice() -> None:
    road = lane()
    (first,) = keep(road, entries(1))
    keep(road, entries(1, first=1))
    road.done(first)
    assert [said(road, item)[0] for item in road.again(0.0)] == [[0]]
    assert road.again(0.0) == []


def test_positions_of_two_starts_are_not_joined() -> None:
    road = lane()
    for some in (entries(2), entries(2, "b2")):
        for item in keep(road, some):
            road.done(item)
    assert [said(road, item) for item in road.again(0.0)] == [([0, 1], 0), ([0, 1], 0)]


def test_what_was_acknowledged_while_it_waited_is_not_sent() -> None:
    road = lane()
    (item,) = keep(road, entries(2))
    road.heard("b1", 0, 0.0)
    assert said(road, item) == ([1], None)
    road.heard("b1", 1, 0.0)
    assert road.message(item) is None


def test_a_full_outbox_says_the_oldest_with_the_next_message() -> None:
    road = lane(max_bytes=70)
    items = [item for one in entries(4) for item in keep(road, [one])]
    assert [road.message(item) for item in items[:2]] == [None, None]
    assert [said(road, item) for item in items[2:]] == [([2], 2), ([3], 2)]
    road.heard("b1", 2, 0.0)
    assert said(road, items[3]) == ([3], None)


def test_a_mark_that_comes_late_lets_nothing_go() -> None:
    road = lane()
    keep(road, entries(10))
    assert (road.heard("b1", 5, 0.0), road.heard("b1", 3, 0.0), road.heard("b1", 5, 0.0)) == (True, False, False)
    assert (len(road.outbox), road.marks) == (4, {"b1": 5})


def test_without_news_it_goes_again_and_each_time_the_wait_is_longer() -> None:
    road = lane()
    for item in keep(road, entries(2)):
        road.done(item)
    sent_s = []
    for now_s in range(130):
        for item in road.overdue(float(now_s)):
            assert said(road, item) == ([0, 1], 0)
            sent_s.append(now_s)
            road.done(item)
    assert sent_s == [10, 30, 60, 90, 120]


def test_news_begin_the_wait_anew_and_all_of_it_ends_it() -> None:
    road = lane()
    for item in keep(road, entries(3)):
        road.done(item)
    assert road.overdue(9.0) == []
    road.heard("b1", 0, 9.0)
    assert road.overdue(18.5) == []
    assert [said(road, item) for item in road.overdue(19.0)] == [([1, 2], 1)]
    road.heard("b1", 2, 20.0)
    assert road.overdue(1e9) == []


def test_each_start_has_a_wait_of_its_own() -> None:
    road = lane()
    for item in keep(road, entries(1, "old")):
        road.done(item)
    for seq in range(20):
        for item in keep(road, entries(1, "new", first=seq), float(seq)):
            road.done(item)
        road.heard("new", seq, float(seq))
    assert [item.boot for item in road.overdue(20.0)] == ["old"]


def test_what_is_still_being_sent_is_not_overdue() -> None:
    road = lane()
    (item,) = keep(road, entries(1))
    assert road.overdue(11.0) == []
    road.done(item)
    assert road.overdue(20.9) == []
    assert len(road.overdue(21.0)) == 1


def test_what_costs_the_connection_waits_for_the_time_out_and_is_never_lost() -> None:
    road = lane()
    (bad,) = keep(road, entries(1))
    (good,) = keep(road, entries(1, first=1))
    road.done(good)
    road.park(bad)
    assert [said(road, item)[0] for item in road.again(0.0)] == [[1]]
    for item in road.again(0.0):
        road.done(item)
    road.waiting.clear()
    assert [said(road, item)[0] for item in road.overdue(10.0)] == [[0, 1]]


@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 500), st.integers(1, 10))
def test_arrays_hold_everything_and_only_a_single_one_is_too_long(sizes: list[int], limit: int, most: int) -> None:
    counts = in_arrays(sizes, limit, most)
    assert sum(counts) == len(sizes)
    assert all(0 < count <= most for count in counts)
    for count, end in zip(counts, accumulate(counts), strict=True):
        part = sizes[end - count : end]
        assert count == 1 or sum(part) + len(part) + 1 <= limit


@given(st.binary(max_size=60), st.sampled_from(["camera", "vehicle"]))
def test_no_bytes_raise(body: bytes, kind: str) -> None:
    read_ack(body, kind)


def test_noise_is_no_acknowledgement() -> None:
    for noise in (b"", b"[]", b'{"boot": 1, "seq": 1}', b"\xff", b"[" * 100_000, b'{"boot":"b","seq":1.5}'):
        assert (read_ack(noise, "vehicle"), read_ack(noise, "camera")) == (None, None)
