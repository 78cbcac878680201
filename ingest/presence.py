"""Which devices say they are online, from their retained status (last will). Thread-safe."""

import threading

from ingest.topics import TopicScheme
from schemas.meter import Meter
from schemas.position import RawMessage

STATES = {b"online": True, b"offline": False}


class Presence:
    """Keeps what each device last said of itself."""

    def __init__(self, scheme: TopicScheme, meter: Meter) -> None:
        self._scheme = scheme
        self._meter = meter
        self._online: dict[tuple[str, str], bool] = {}
        self._lock = threading.Lock()

    def put(self, message: RawMessage) -> bool:
        """Take a message if it is a status; False for any other, which is somebody else's."""
        topic = self._scheme.parse(message.topic)
        if topic is None or topic.leaf != "status":
            return False
        state = STATES.get(message.payload)
        if state is None:
            self._meter.add("messages_ignored", kind="status", reason="unknown_state")
            return True
        with self._lock:
            self._online[topic.kind, topic.device_id] = state
            online = sum(up for (kind, _), up in self._online.items() if kind == topic.kind)
        self._meter.set("devices_online", online, kind=topic.kind)
        return True

    def online(self, kind: str) -> frozenset[str]:
        """Ids of the devices of a kind that said they are online."""
        with self._lock:
            return frozenset(device_id for (of, device_id), up in self._online.items() if of == kind and up)
