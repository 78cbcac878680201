"""`curbwatch run` tells other systems, the broker and a webhook, of a call for help; and what is refused before."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from typer.testing import CliRunner

import curbwatch.cli.check  # noqa: F401 - registers the verb
from curbwatch.cli.app import app
from curbwatch.parts import Servers
from ingest.mqtt import MqttSession
from ingest.session_plan import SessionPlan
from schemas.meter import NullMeter
from tests.alerts.outlets.hook_server import Hook, serving
from tests.devices import Devices
from tests.fix_service import Service, wait_until

USER = "intake-positions"
ROOT = Path(__file__).parents[2]


@contextmanager
def listening(servers: Servers, topics: str) -> Iterator[dict[str, tuple[bytes, bool]]]:
    """What another system sees on these topics: the newest body of each, and whether it was retained."""
    seen: dict[str, tuple[bytes, bool]] = {}
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set("intake-frames", servers.password_files["intake-frames"].read_text().strip())
    subscribed = threading.Event()

    def hear(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        seen[message.topic] = (bytes(message.payload), message.retain)

    def ask(*_arguments: object) -> None:
        client.subscribe(topics, qos=1)

    client.on_connect = ask
    client.on_subscribe = lambda *_arguments: subscribed.set()
    client.on_message = hear
    host, port = servers.broker_url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    assert subscribed.wait(20)
    yield seen
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def session(servers: Servers) -> Iterator[MqttSession]:
    plan = SessionPlan(
        url=servers.broker_url, client_id="kept", user=USER, window=10, expiry_s=0, topics=(("kept/x", False),)
    )
    made = MqttSession(plan, servers.password_files[USER].read_text().strip(), NullMeter(), lambda *_arguments: None)
    yield made
    made.stop()


@pytest.mark.servers
def test_a_message_is_kept_for_who_comes_later_and_what_the_broker_refuses_is_no_success(
    session: MqttSession, servers: Servers
) -> None:
    base = f"city/v1/{uuid.uuid4().hex[:8]}/incident"
    assert not session.publish_kept(f"{base}/a", b"1"), "nobody is connected"
    session.start()
    assert session.publish_kept(f"{base}/a", b"2")
    assert session.publish_kept(f"{base}/b", b"3", 1)
    assert not session.publish_kept("elsewhere/a", b"4"), "our user may not write there"
    assert session.publish_kept(f"{base}/a", b"5")
    time.sleep(1.2)
    with listening(servers, f"{base}/#") as seen:
        wait_until("the kept message", lambda: f"{base}/a" in seen)
    assert seen == {f"{base}/a": (b"5", True)}, "the broker forgot the other one"


@pytest.mark.servers
def test_a_call_for_help_is_handed_over_until_it_is_receipted_and_its_state_is_kept_at_the_broker(
    service: Service,
) -> None:
    schema = json.loads((ROOT / "schemas/wire/incident.v1.json").read_text("utf-8"))
    with serving(Hook(replies=[(503, {}, b"")])) as hook:
        police = {"name": "police-110", "url": hook.url, "families": ["sos"], "receipt": True, "secret_file": "key"}
        (service.folder / "key").write_text("word\n")
        (service.folder / "key").chmod(0o600)
        service.configure(http={"port": 0})
        written = service.config.read_text()
        table = "\n".join(f"{key} = {json.dumps(value)}" for key, value in police.items())
        knobs = '[outlets]\nallow_http = true\nallow_hosts = ["127.0.0.1"]\nwait_first_s = 0.2\nwait_max_s = 0.2\n'
        service.config.write_text(f"{written}{knobs}[[outlets.webhooks]]\n{table}\n")
        service.start()
        with Devices(service.servers, service.site) as devices:
            devices.position("yj-car-01", 0, time.time_ns() // 1_000_000, alarms=["sos"])
            wait_until("the first try", lambda: bool(hook.came))
        hook.replies = [(200, {"Receipt-Id": "110-7"}, b"{}")]
        wait_until("its receipt", lambda: service.metric("curbwatch_outlet_sent_total", outlet="police-110") >= 1)
        told: dict[str, Any] = json.loads(hook.came[0][1])
        assert (told["event"], told["incident"]["family"], told["incident"]["camera_id"]) == (
            "opened",
            "sos",
            "yj-car-01",
        )
        assert "Curbwatch-Signature" in hook.came[-1][0]
        with listening(service.servers, f"city/v1/{service.site}/incident/+") as seen:
            wait_until("the state", lambda: bool(seen))
            ((topic, (body, retained)),) = seen.items()
        state = json.loads(body)
        jsonschema.validate(state, schema)
        assert (topic, retained) == (f"city/v1/{service.site}/incident/{state['incident_id']}", True)
        assert state["state"] == "dispatched"
        assert service.stop() == 0


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        ('[[outlets.webhooks]]\nname = "a"\nurl = "http://x.example/"', "told without encryption"),
        ('[[outlets.webhooks]]\nname = "a"\nurl = "ftp://x.example/"', "url"),
        ('[[outlets.webhooks]]\nname = "mqtt"\nurl = "https://x.example/"', "the broker's name"),
        ('[[outlets.webhooks]]\nname = "a"\nurl = "https://x.example/"\nfamilies = ["stal"]', "there is no 'stal'"),
        ('[[outlets.webhooks]]\nname = "a"\nurl = "https://x.example/"\nsteps = ["opend"]', "steps"),
        ('[[outlets.webhooks]]\nname = "A b"\nurl = "https://x.example/"', "name"),
        ('[[outlets.webhooks]]\nname = "a"\nurl = "https://x.example/"\n' * 2, "two are called 'a'"),
        ('[[outlets.webhooks]]\nname = "a"\nurl = "https://x.example/"\nsecret_file = "none"', "there is no such file"),
        ("[outlets]\ntries_max = 0", "tries_max"),
        ("[outlets]\nwait_first_s = 50.0\nwait_max_s = 5.0", "wait_max_s is less"),
    ],
)
def test_a_faulty_outlet_is_refused_with_its_key(tmp_path: Path, knobs: str, said: str) -> None:
    path = tmp_path / "curbwatch.toml"
    path.write_text(knobs + "\n")
    result = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert (result.exit_code, result.exception is None or isinstance(result.exception, SystemExit)) != (0, True)
    shown = result.output + str(result.exception)
    assert "outlets" in shown
    assert said in shown
