"""An emergency is said at once, and not with every position that repeats it."""

from ingest.emergencies import AGAIN_S, KNOWN_MAX, Emergencies
from ingest.quality import Alarm


def test_no_alarm_is_no_news() -> None:
    assert Emergencies().news([], 0.0) == []
    assert Emergencies().news([Alarm("car", ("low_battery",), 0)], 0.0) == []


def test_an_emergency_is_news_once_in_ten_minutes_and_another_one_at_once() -> None:
    said = Emergencies()
    assert said.news([Alarm("car", ("sos", "low_battery"), 0)] * 2, 5.0) == [("car", ("sos",))]
    assert said.news([Alarm("car", ("sos",), 0), Alarm("van", ("sos",), 0)], 6.0) == [("van", ("sos",))]
    assert said.news([Alarm("car", ("sos", "collision"), 0)], 7.0) == [("car", ("collision",))]
    assert said.news([Alarm("car", ("sos",), 0)], 5.0 + AGAIN_S) == [("car", ("sos",))]


def test_what_is_remembered_is_bounded() -> None:
    said = Emergencies()
    said.news([Alarm(f"car-{number}", ("sos",), 0) for number in range(KNOWN_MAX + 5)], 1.0)
    assert len(said._said_s) == KNOWN_MAX
