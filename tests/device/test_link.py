"""How often, and how soon, a lost connection is followed by the next."""

from hypothesis import given
from hypothesis import strategies as st

from curbwatch.device.link import in_a_row, pause_s


def test_the_limit_doubles_and_ends() -> None:
    assert [pause_s(failures, 30.0, 1.0) for failures in range(1, 9)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_connection_that_stood_begins_anew_and_one_that_was_cut_at_once_does_not() -> None:
    assert (in_a_row(0, 0.0), in_a_row(5, 0.0), in_a_row(5, 9.9), in_a_row(5, 10.0)) == (1, 6, 6, 1)


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 1))
def test_a_pause_is_anything_below_its_limit(failures: int, longest_s: float, dice: float) -> None:
    assert 0 <= pause_s(failures, longest_s, dice) <= longest_s
    assert pause_s(failures, longest_s, 0.0) == 0
