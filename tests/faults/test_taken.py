"""Two clients of one id: the one whose session is taken says so, and does not take it back at once."""

import uuid

import pytest

from curbwatch.parts import Servers
from ingest.mqtt import MqttSession
from ingest.session_plan import SessionPlan
from tests.devices import Devices
from tests.fix_service import wait_until
from tests.ingest.tally import Tally
from tests.ingest.test_mqtt import USER


@pytest.mark.servers
def test_a_session_that_another_takes_is_named_and_comes_back(servers: Servers) -> None:
    site = f"t{uuid.uuid4().hex[:8]}"
    plan = SessionPlan(
        servers.broker_url,
        f"taken-{site}",
        USER,
        10,
        600,
        ((f"city/v1/{site}/vehicle/+/position", False),),
        reconnect_max_s=2.0,
    )
    secret = servers.password_files[USER].read_text().strip()
    meters = Tally(), Tally()
    heard: list[bytes] = []
    first, second = (
        MqttSession(plan, secret, meter, lambda message, _ticket: heard.append(message.payload)) for meter in meters
    )
    first.start()
    second.start()
    wait_until("the first to notice", lambda: meters[0].counts["sessions_taken"] == 1)
    second.stop()
    wait_until("the first to come back", lambda: first.connected)
    with Devices(servers, site) as devices:
        devices.send("vehicle/car/position", b"x")
        wait_until("its message", lambda: b"x" in heard)
    first.stop()
