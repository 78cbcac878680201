"""Whether a device is there: last will, silence, loops of starts."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.presence import SILENCE_MIN_S, STARTS, Life, Presence, limit_s, state_of
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.meter import NullMeter
from schemas.position import RawMessage

SCHEME = TopicScheme("city/v1", "test")
SECOND_NS = 1_000_000_000


class Registry:
    rules: Mapping[str, DeviceRule] = {
        "cam": DeviceRule("cam", "camera"),
        "car": DeviceRule("car", "vehicle"),
    }

    def refresh(self) -> bool:
        return False

    def ask(self) -> None:
        pass


class Said:
    def __init__(self) -> None:
        self.told: list[tuple[str, bool, int, bool]] = []

    def status(self, device_id: str, online: bool, now_ns: int, *, began: bool = True) -> None:
        self.told.append((device_id, online, now_ns, began))


def say(kind: str, device_id: str, body: bytes, leaf: str = "status", *, retain: bool = False) -> Said | None:
    said = Said()
    message = RawMessage(SCHEME.of(kind, device_id, leaf), body, 7, retain=retain)
    taken = Presence(SCHEME, Registry(), said, NullMeter()).put(message)
    return said if taken else None


def told(said: Said | None) -> list[tuple[str, bool, int, bool]]:
    assert said is not None
    return said.told


def test_a_device_says_that_it_is_there_or_not() -> None:
    assert told(say("camera", "cam", b"online")) == [("cam", True, 7, True)]
    assert told(say("vehicle", "car", b"offline")) == [("car", False, 7, True)]


def test_a_retained_status_counts_but_is_no_new_connect() -> None:
    assert told(say("camera", "cam", b"online", retain=True)) == [("cam", True, 7, False)]


def test_other_messages_are_somebody_elses() -> None:
    assert say("camera", "cam", b"online", leaf="frame") is None


@pytest.mark.parametrize(
    ("device_id", "body"), [("stranger", b"online"), ("cam", b"asleep"), ("cam", b""), ("car", b"online")]
)
def test_strangers_and_unknown_states_are_ignored(device_id: str, body: bytes) -> None:
    assert told(say("camera", device_id, body)) == []


def test_a_device_of_which_nothing_was_heard_has_time_before_it_is_silent() -> None:
    life = Life(100.0)
    assert state_of(life, 300.0, 400.0) is None
    assert state_of(life, 300.0, 400.1) == "silent"


def test_silence_counts_against_the_devices_own_period() -> None:
    assert limit_s(None, 300.0) == 300.0
    assert limit_s(60.0, 300.0) == 180.0
    assert limit_s(600.0, 300.0) == 1800.0
    assert limit_s(1.0, 300.0) == SILENCE_MIN_S
    life = Life(0.0)
    life.hear(SECOND_NS, 10.0)
    assert state_of(life, limit_s(60.0, 300.0), 190.0) == "online"
    assert state_of(life, limit_s(60.0, 300.0), 190.1) == "silent"
    life.hear(SECOND_NS, 191.0)
    assert state_of(life, limit_s(60.0, 300.0), 200.0) == "online"


def test_a_last_will_ends_it_at_once_and_a_later_message_begins_it_again() -> None:
    life = Life(0.0)
    life.say(SECOND_NS, 1.0, online=True)
    assert state_of(life, 300.0, 2.0) == "online"
    life.hear(2 * SECOND_NS, 2.0)
    life.say(3 * SECOND_NS, 3.0, online=False)
    life.hear(2 * SECOND_NS, 4.0)  # was received before the will, and stored after it
    assert state_of(life, 300.0, 5.0) == "offline"
    assert state_of(life, 300.0, 9999.0) == "offline"
    life.hear(4 * SECOND_NS, 10_000.0)
    assert state_of(life, 300.0, 10_000.0) == "online"


def test_a_retained_last_will_from_before_our_start_counts() -> None:
    life = Life(0.0)
    life.say(SECOND_NS, 0.0, online=False)
    assert state_of(life, 300.0, 0.0) == "offline"


@pytest.mark.parametrize("what", ["connects", "boots"])
def test_more_than_five_starts_in_a_minute_are_a_loop_until_a_minute_without(what: str) -> None:
    life = Life(0.0)
    for number in range(STARTS):
        life.say(number * SECOND_NS, float(number), online=True)
        assert state_of(life, 300.0, float(number)) == "online"
        life.begin("boots" if what == "boots" else "connects", number * 12 * SECOND_NS, 12.0 * number)
    life.say(61 * SECOND_NS, 61.0, online=False)
    assert state_of(life, 300.0, 61.0) == "flapping"
    assert state_of(life, 300.0, 60.0 + 60.1) == "offline"


def test_starts_of_long_ago_that_come_out_of_a_backlog_are_no_loop() -> None:
    life = Life(0.0)
    for day in range(STARTS):
        life.begin("boots", day * 86_400 * SECOND_NS, 1.0)
    life.hear(1, 1.0)
    assert state_of(life, 300.0, 1.0) == "online"


@given(st.lists(st.tuples(st.sampled_from(["hear", "on", "off"]), st.floats(0, 1000), st.integers(1, 10**12))))
def test_a_state_is_always_told_once_something_was_heard(events: list[tuple[str, float, int]]) -> None:
    life = Life(0.0)
    for what, now_s, at_ns in sorted(events, key=lambda event: event[1]):
        if what == "hear":
            life.hear(at_ns, now_s)
        else:
            life.say(at_ns, now_s, online=what == "on")
        expected = {"hear": {"online", "offline"}, "on": {"online"}, "off": {"offline", "online", "silent"}}[what]
        assert state_of(life, 300.0, now_s) in expected
    if events:
        assert state_of(life, 300.0, 2000.0) in {"silent", "offline"}
