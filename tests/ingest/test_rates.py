"""A device may send at its rate, and what it kept for half a minute; no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rates import BURST_S, HeldRates, TokenBuckets


def passed(rate_per_s: float | None, times_s: list[float]) -> int:
    buckets = TokenBuckets()
    return sum(buckets.allow("v", rate_per_s, now_s) for now_s in times_s)


def test_a_device_without_a_rate_is_unlimited() -> None:
    assert passed(None, [0.0] * 10_000) == 10_000


def test_a_device_at_its_rate_is_never_refused() -> None:
    assert passed(20.0, [number / 20 for number in range(5000)]) == 5000


def test_a_device_far_above_its_rate_gets_its_rate_and_one_burst() -> None:  # G57
    assert passed(20.0, [number / 1000 for number in range(60_000)]) == pytest.approx(20 * (60 + BURST_S), abs=2)


def test_a_device_that_was_out_of_reach_may_send_what_it_kept() -> None:
    assert passed(1.0, [1000.0] * 30) == 30
    assert passed(1.0, [1000.0] * 31) == 30


def test_one_device_does_not_cost_another() -> None:
    buckets = TokenBuckets()
    assert sum(buckets.allow("loud", 1.0, 0.0) for _ in range(1000)) == 30
    assert all(buckets.allow(f"quiet-{number}", 1.0, 0.0) for number in range(100))


def test_a_rate_below_one_in_half_a_minute_still_lets_one_through() -> None:
    assert passed(0.001, [0.0, 1.0, 999.0, 1001.0]) == 2


def test_a_changed_rate_counts_from_the_next_message() -> None:
    buckets = TokenBuckets()
    assert sum(buckets.allow("v", 100.0, 0.0) for _ in range(10)) == 10
    assert sum(buckets.allow("v", 1.0, 0.0) for _ in range(100)) == 30


def test_a_clock_that_stepped_back_gives_no_second_burst() -> None:
    buckets = TokenBuckets()
    assert sum(buckets.allow("v", 1.0, 100.0) for _ in range(50)) == 30
    assert not buckets.allow("v", 1.0, 0.0)
    assert sum(buckets.allow("v", 1.0, 100.0) for _ in range(50)) == 0


def test_a_clock_that_stepped_back_costs_nobody_what_was_saved() -> None:
    buckets = TokenBuckets()
    assert buckets.allow("v", 1.0, 100.0)
    assert buckets.allow("v", 1.0, 0.0)


@given(st.floats(0.1, 100), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_no_stretch_of_time_passes_more_than_burst_and_rate(rate_per_s: float, gaps_s: list[float]) -> None:
    buckets = TokenBuckets()
    now_s, passes = 0.0, []
    for gap_s in gaps_s:
        now_s += gap_s
        if buckets.allow("v", rate_per_s, now_s):
            passes.append(now_s)
    burst = max(1.0, rate_per_s * BURST_S)
    for first in range(0, len(passes), 7):
        count = len(passes) - first
        assert count <= burst + rate_per_s * (passes[-1] - passes[first]) + 1e-6 + 1


def held(times_s: list[float], now_s: float, rate_per_s: float = 1.0, rates: HeldRates | None = None) -> int:
    """How many of these messages pass that come all at once, each with its own time."""
    rates = rates or HeldRates()
    return sum(rates.allow("v", rate_per_s, 7.0, lambda at=at_s: (at, now_s - at)) for at_s in times_s)  # type: ignore[misc]


def unasked() -> tuple[float, float] | None:
    raise AssertionError("a message's own time costs reading it")


def test_nothing_held_up_passes_nothing() -> None:
    assert held([], 1000.0) == 0


def test_what_a_device_sent_at_its_rate_passes_however_long_it_was_held_up() -> None:
    assert held([400.0 + number for number in range(601)], 1000.0) == 601


def test_what_a_device_sent_faster_than_its_rate_is_too_much_however_long_it_was_held_up() -> None:
    passes = held([400.0 + number / 10 for number in range(1000)], 1000.0)
    assert passes == pytest.approx(100 + 2 * BURST_S, abs=2)


def test_what_was_held_up_leaves_room_for_what_comes_live() -> None:
    rates = HeldRates()
    held([400.0 + number / 10 for number in range(1000)], 1000.0, rates=rates)
    rates = HeldRates()
    passes = 0
    for number in range(500):  # each second one that is live, and ten that were held up
        for late in range(10):
            at_s = 10.0 * number + late
            rates.allow("v", 1.0, 5000.0 + number, lambda at=at_s: (at, 6000.0 - at))  # type: ignore[misc]
        passes += rates.allow("v", 1.0, 5000.0 + number, lambda: (6000.0, 0.0))
    assert passes == 500


def test_a_message_without_a_time_counts_when_it_comes() -> None:
    rates = HeldRates()
    assert sum(rates.allow("v", 1.0, 7.0, lambda: None) for _ in range(100)) == 30


def test_a_clock_that_is_ahead_wins_nothing() -> None:
    assert held([1000.0 + number for number in range(300)], 1000.0) == 30


def test_a_device_that_keeps_to_its_rate_is_never_asked_for_its_time() -> None:
    rates = HeldRates()
    assert all(rates.allow("v", 2.0, number / 2, unasked) for number in range(1000))
    assert all(rates.allow("free", None, 0.0, unasked) for _ in range(1000))


def test_a_try_that_came_to_nothing_is_not_charged() -> None:
    rates = HeldRates()
    times_s = [400.0 + number for number in range(601)]
    for _ in range(5):
        assert held(times_s, 1000.0, rates=rates.trial()) == 601
    trial = rates.trial()
    assert held(times_s, 1000.0, rates=trial) == 601
    rates.accept(trial)
    assert held([400.0], 1000.0, rates=rates) == 1  # of what is left of both buckets
    assert held(times_s[:100], 1000.0, rates=rates) < 60


@given(
    st.floats(0.1, 100), st.lists(st.tuples(st.floats(0, 5), st.none() | st.floats(0, 1000)), min_size=1, max_size=200)
)
def test_no_made_up_times_pass_more_than_their_span_allows(
    rate_per_s: float, sent: list[tuple[float, float | None]]
) -> None:
    rates = HeldRates()
    now_s, passes = 0.0, 0
    for gap_s, own_s in sent:
        now_s += gap_s
        passes += rates.allow(
            "v",
            rate_per_s,
            now_s,
            lambda own=own_s: None if own is None else (own, 2000 - own),  # type: ignore[misc]
        )
    burst = max(1.0, rate_per_s * BURST_S)
    assert passes <= 2 * burst + rate_per_s * (now_s + 1000) + 1
