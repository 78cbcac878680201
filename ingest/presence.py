"""Which known devices say they are online, from their retained status (last will). Thread-safe."""

import threading

from ingest.devices import KnownDevices
from ingest.topics import TopicScheme
from schemas.meter import Meter
from schemas.position import RawMessage

STATES = {b"online": True, b"offline": False}


class Presence:
    """Keeps what each known device last said of itself."""

    def __init__(self, scheme: TopicScheme, devices: KnownDevices, meter: Meter) -> None:
        self._scheme = scheme
        self._devices = devices
        self._meter = meter
        self._online: dict[str, set[str]] = {"camera": set(), "vehicle": set()}
        self._lock = threading.Lock()

    def put(self, message: RawMessage) -> bool:
        """Take a message if it is a status; False for any other, which is somebody else's."""
        topic = self._scheme.parse(message.topic)
        if topic is None or topic.leaf != "status":
            return False
        state = STATES.get(message.payload)
        if state is None or topic.device_id not in self._devices.rules:
            reason = "unknown_state" if state is None else "unknown_device"
            self._meter.add("messages_ignored", kind="status", reason=reason)
            return True
        with self._lock:
            online = self._online[topic.kind]
            online.add(topic.device_id) if state else online.discard(topic.device_id)
            count = len(online)
        self._meter.set("devices_online", count, kind=topic.kind)
        return True

    def online(self, kind: str) -> frozenset[str]:
        """Ids of the known devices of a kind that said they are online."""
        with self._lock:
            return frozenset(self._online[kind])
