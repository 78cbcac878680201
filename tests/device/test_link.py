"""The pause before the next connection."""

from hypothesis import given
from hypothesis import strategies as st

from curbwatch.device.link import pause_s


def test_the_limit_doubles_and_ends() -> None:
    assert [pause_s(failures, 30.0, 1.0) for failures in range(1, 9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 1))
def test_a_pause_is_anything_below_its_limit(failures: int, longest_s: float, dice: float) -> None:
    assert 0 <= pause_s(failures, longest_s, dice) <= longest_s
    assert pause_s(failures, longest_s, 0.0) == 0
