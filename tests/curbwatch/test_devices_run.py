"""A stranger becomes a device while `curbwatch run` goes on: nothing is lost, nothing doubles."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import curbwatch.database as db
from curbwatch.pipeline import Pipeline
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from tests.devices import Devices
from tests.fix_service import Service, wait_until
from tests.fix_verbs import Verbs


def test_a_device_is_asked_to_send_again_once_and_not_by_each_of_its_names() -> None:
    car = DeviceRule("car", "vehicle")
    asked: list[str] = []
    pipeline = SimpleNamespace(
        _registry=SimpleNamespace(rules={"car": car, "owntracks:jane": car, "cam": DeviceRule("cam", "camera")}),
        _position_session=SimpleNamespace(publish=lambda topic, _payload: asked.append(topic)),
        _site=SimpleNamespace(scheme=TopicScheme("city/v1", "test")),
    )
    Pipeline._ask_again(pipeline)  # type: ignore[arg-type]
    assert asked == ["city/v1/test/vehicle/car/resync"]


@pytest.mark.servers
def test_a_stranger_is_set_aside_accepted_replayed_and_taken_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service.configure(intake={"client_id": f"intake-{service.site}", "health_s": 0.2})
    verbs = Verbs(monkeypatch, capsys, service.config)
    service.start()

    def count(query: str) -> int:
        with db.connect(service.database_url) as conn:
            row = conn.execute(query.encode()).fetchone()
        return int(row[0]) if row is not None else 0

    with Devices(service.servers, service.site) as devices:
        start_ms = time.time_ns() // 1_000_000 - 2000
        devices.send("vehicle/stranger-1/status", b"online", retain=True)
        for seq in range(20):
            devices.position("stranger-1", seq, start_ms + seq)
        wait_until("its letters", lambda: count("select count(*) from dead_letter") == 20)
        wait_until("the list", lambda: [row["messages"] for row in verbs.told("device", "strangers")] == [20])
        assert count("select count(*) from position") == 0
        assert service.metric("curbwatch_strangers") == 1

        done, replayed = verbs.told("device", "accept", "stranger-1", "--period", "60", "--replay")
        assert (done["letters"], replayed["replayed"], replayed["stored"]) == (20, 20, 20)
        assert count("select count(*) from position") == 20
        devices.position("stranger-1", 20, start_ms + 20)
        wait_until("its mark", lambda: devices.ack("stranger-1") == {"boot": "b1", "seq": 20})
        assert service.starts == 1

        for seq in (20, 22, 23):  # one again, and one is missing
            devices.position("stranger-1", seq, start_ms + seq)
        devices.send("vehicle/stranger-1/position", b"{no json")
        wait_until("its health", lambda: _messages(verbs) == 5)
        told = verbs.told("device", "health", "stranger-1")[0]
        counts = ("gaps", "duplicates", "rejected", "given_up", "boots")
        assert [told[name] for name in counts] == [1, 1, 1, 0, 1]
        assert (told["state"], told["lon"], told["lat"]) == ("online", 104.64, 30.12)
        assert 1900 <= told["lag_ms"] <= 60_000
        assert told["skew_ms"] <= -1900
        wait_until("the gauge", lambda: service.metric("curbwatch_devices_online", kind="vehicle") == 1)
        devices.send("vehicle/stranger-1/status", b"offline", retain=True)
        wait_until("its last will", lambda: _health(verbs, "state") == "offline")
        assert verbs.told("dlq", "replay", "--reason", "unknown_device")[0]["letters"] == 0
    assert service.stop() == 0
    assert count("select count(*) from position") == 23
    assert _messages(verbs) == 5


def _health(verbs: Verbs, name: str) -> object:
    rows = [row for row in verbs.told("device", "health") if row["device_id"] == "stranger-1"]
    return rows[0][name] if rows else None


def _messages(verbs: Verbs) -> int:
    return int(str(_health(verbs, "messages") or 0))
