"""A device may send at its rate, and what it kept for half a minute; no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rates import BURST_S, TokenBuckets


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
