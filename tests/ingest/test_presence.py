from collections.abc import Mapping

import pytest

from ingest.presence import Presence
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.meter import NullMeter
from schemas.position import RawMessage

SCHEME = TopicScheme("city/v1", "test")


class Registry:
    rules: Mapping[str, DeviceRule] = {
        "cam": DeviceRule("cam", "camera"),
        "car": DeviceRule("car", "vehicle"),
    }

    def refresh(self) -> bool:
        return False


@pytest.fixture
def presence() -> Presence:
    return Presence(SCHEME, Registry(), NullMeter())


def say(presence: Presence, kind: str, device_id: str, body: bytes, leaf: str = "status") -> bool:
    return presence.put(RawMessage(SCHEME.of(kind, device_id, leaf), body, 0))


def test_nobody_is_online_before_anybody_said_so(presence: Presence) -> None:
    assert presence.online("camera") == presence.online("vehicle") == frozenset()


def test_a_device_is_online_until_it_says_otherwise(presence: Presence) -> None:
    assert say(presence, "camera", "cam", b"online")
    assert say(presence, "vehicle", "car", b"online")
    assert say(presence, "vehicle", "car", b"online")
    assert presence.online("camera") == frozenset({"cam"})
    assert presence.online("vehicle") == frozenset({"car"})
    assert say(presence, "vehicle", "car", b"offline")
    assert presence.online("vehicle") == frozenset()


def test_other_messages_are_somebody_elses(presence: Presence) -> None:
    assert not say(presence, "camera", "cam", b"online", leaf="frame")


@pytest.mark.parametrize(("device_id", "body"), [("stranger", b"online"), ("cam", b"asleep"), ("cam", b"")])
def test_strangers_and_unknown_states_are_ignored(presence: Presence, device_id: str, body: bytes) -> None:
    assert say(presence, "camera", device_id, body)
    assert presence.online("camera") == frozenset()
