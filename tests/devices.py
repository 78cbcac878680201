"""Bare devices for the tests: a paho client that publishes at QoS 1 and hears what the intake says to it."""

import json
import threading
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from curbwatch.parts import Servers


class Devices:
    """Publishes for any device of a site; ``acks`` are the bodies of …/ack by topic, ``pubacked`` counts PUBACKs."""

    def __init__(self, servers: Servers, site: str, *, user: str = "devices", window: int = 200) -> None:
        self.base = f"city/v1/{site}"
        self.acks: dict[str, list[dict[str, Any]]] = {}
        self.heard: list[tuple[str, bytes]] = []
        self.pubacked = 0
        self._changed = threading.Condition()
        self._window = window
        self._open = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(user, servers.password_files[user].read_text().strip())
        self._client.on_message = self._hear
        self._client.on_publish = self._published
        heard = threading.Semaphore(0)
        self._client.on_subscribe = lambda *_told: heard.release()
        address = urlsplit(servers.broker_url)
        self._client.connect(address.hostname or "", address.port or 0)
        self._client.loop_start()
        # In one request, and waited for: what a service says as soon as it starts is not kept by the broker.
        topics = [(f"{self.base}/{kind}/+/{leaf}", 1) for kind in ("camera", "vehicle") for leaf in ("ack", "resync")]
        self._client.subscribe(topics)
        assert heard.acquire(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, **properties: str) -> None:
        """Publish below the site; waits while a window of messages is not acknowledged by the broker."""
        if qos:
            with self._changed:
                assert self._changed.wait_for(lambda: self._open < self._window, 60)
                self._open += 1
        carried = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        carried.UserProperty = list(properties.items())
        self._client.publish(f"{self.base}/{topic}", payload, qos=qos, retain=retain, properties=carried)

    def position(self, device_id: str, seq: int, ts_ms: int, **more: Any) -> None:  # noqa: ANN401
        """Publish one native position."""
        body = {"ts": ts_ms, "lon": 104.64, "lat": 30.12, "seq": seq, "boot": "b1"} | more
        self.send(f"vehicle/{device_id}/position", json.dumps(body).encode())

    def settled(self, wait_s: float = 60) -> bool:
        """Wait until the broker has acknowledged everything."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, wait_s)

    def ack(self, device_id: str, kind: str = "vehicle") -> dict[str, Any]:
        """Return the newest acknowledgement of a device; empty: none yet."""
        with self._changed:
            told = self.acks.get(f"{self.base}/{kind}/{device_id}/ack")
            return told[-1] if told else {}

    def _hear(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.heard.append((message.topic, bytes(message.payload)))
            if message.topic.endswith("/ack"):
                self.acks.setdefault(message.topic, []).append(json.loads(message.payload))
            self._changed.notify_all()

    def _published(self, *_told: object) -> None:
        with self._changed:
            self.pubacked += 1
            self._open = max(0, self._open - 1)
            self._changed.notify_all()
