"""How sure is sure enough: a clear class at once, another when what passes has left."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.deciding.patience import Patience
from config.alerts import AlertKnobs

SECONDS = st.floats(1, 1e6)


def test_a_track_that_is_seen_first_must_be_clear() -> None:
    assert Patience(AlertKnobs()).least("cam", 1, 90.0, "waste") == 0.85


def test_after_two_and_a_half_times_the_first_dwell_less_is_enough() -> None:
    patience = Patience(AlertKnobs())
    patience.least("cam", 1, 90.0, "waste")
    assert patience.least("cam", 1, 224.0, "waste") == 0.85
    assert patience.least("cam", 1, 225.0, "waste") == 0.6
    assert patience.least("cam", 2, 225.0, "waste") == 0.85  # another track
    assert patience.least("other", 1, 225.0, "waste") == 0.85


def test_a_slow_camera_waits_ten_minutes_more_and_no_longer() -> None:
    patience = Patience(AlertKnobs())
    patience.least("cam", 1, 2400.0, "stall")
    assert patience.least("cam", 1, 2999.0, "stall") == 0.85
    assert patience.least("cam", 1, 3000.0, "stall") == 0.6


def test_what_was_forgotten_begins_anew() -> None:
    patience = Patience(AlertKnobs())
    for track in (1, 2):
        patience.least("cam", track, 90.0, "waste")
    patience.forget("cam", 1)
    patience.forget("elsewhere")
    assert patience.least("cam", 1, 300.0, "waste") == 0.85
    assert patience.least("cam", 2, 300.0, "waste") == 0.6
    patience.forget("cam")
    assert patience.least("cam", 2, 300.0, "waste") == 0.85


def test_a_city_that_asks_for_more_than_sure_gets_it() -> None:
    assert Patience(AlertKnobs(waste_confidence=0.95)).least("cam", 1, 90.0, "waste") == 0.95


@given(first_s=SECONDS, more_s=SECONDS, later_s=SECONDS)
def test_what_is_asked_never_grows_while_a_thing_stands(first_s: float, more_s: float, later_s: float) -> None:
    patience = Patience(AlertKnobs())
    asked = [patience.least("cam", 1, first_s + more, "stall") for more in (0.0, more_s, more_s + later_s)]
    assert asked == sorted(asked, reverse=True)
    assert patience.least("cam", 1, first_s + 600.0, "stall") == 0.6
