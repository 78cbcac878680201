"""A camera that ends the decoder time and again waits, ever longer, and never for ever."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.decode_blame import FREE, WAIT_MAX_S, WAIT_S, Blame


def died(blame: Blame, times: int, now_s: float = 0.0) -> None:
    for _ in range(times):
        blame.died("cam", now_s)


def test_a_camera_that_did_nothing_never_waits() -> None:
    blame = Blame()
    blame.decoded("cam")
    assert not blame.waits("cam", 0.0)
    assert blame.deaths == {}


def test_bad_luck_costs_nothing_and_the_next_costs_a_while() -> None:
    blame = Blame()
    died(blame, FREE)
    assert not blame.waits("cam", 0.0)
    died(blame, 1)
    assert blame.waits("cam", WAIT_S - 0.1)
    assert not blame.waits("cam", WAIT_S)
    assert not blame.waits("other", 0.0)


def test_one_sound_picture_is_enough_to_start_anew() -> None:
    blame = Blame()
    died(blame, FREE + 3)
    blame.decoded("cam")
    died(blame, FREE)
    assert not blame.waits("cam", 0.0)


@given(st.integers(1, 5000), st.floats(0, 1e9))
def test_the_wait_grows_to_its_limit(times: int, now_s: float) -> None:
    blame = Blame()
    died(blame, times, now_s)
    assert not blame.waits("cam", now_s + WAIT_MAX_S + 1)
    assert blame.waits("cam", now_s + WAIT_S / 2) == (times > FREE)
    assert len(blame.deaths) == 1
