"""Whether a device is there: by its retained status (last will), by its silence, and by how often it begins anew."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from ingest.devices import KnownDevices
from ingest.topics import TopicScheme
from schemas.meter import Meter
from schemas.position import RawMessage

STATES = {b"online": True, b"offline": False}
PERIODS = 3  # a device may miss two of its messages
SILENCE_MIN_S = 10.0  # less is the jitter of a mobile network, and of our own batches
STARTS, STARTS_S = 6, 60.0  # so many starts within a minute are a loop (reliability 2)

State: TypeAlias = Literal["online", "offline", "silent", "flapping"]


@dataclass(slots=True)
class Life:
    """What one device's presence is told from. ``heard_s`` is monotonic, at first when it began to be watched."""

    heard_s: float
    heard_ns: int = 0
    online: bool | None = None
    said_ns: int = 0
    told: State | None = None
    alarmed_s: float = float("-inf")
    connects: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=STARTS))
    boots: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=STARTS))

    def hear(self, received_ns: int, now_s: float) -> None:
        """Note a message."""
        self.heard_s, self.heard_ns = now_s, max(self.heard_ns, received_ns)

    def say(self, received_ns: int, now_s: float, *, online: bool) -> None:
        """Note its status."""
        self.online, self.said_ns = online, received_ns
        if online:
            self.heard_s = now_s

    def begin(self, what: Literal["connects", "boots"], at_ns: int, now_s: float) -> None:
        """Note that it began anew at ``at_ns``, of which we hear ``now_s``."""
        (self.connects if what == "connects" else self.boots).append((now_s, at_ns))


def limit_s(period_s: float | None, silence_s: float) -> float:
    """How long a device may be quiet: three of its own periods; ``silence_s`` where its period is not known."""
    return silence_s if period_s is None else max(PERIODS * period_s, SILENCE_MIN_S)


def state_of(life: Life, quiet_max_s: float, now_s: float) -> State | None:
    """Return the state of a device; None while nothing was heard of it and there is time. ``now_s`` is monotonic.

    A loop of starts is told before anything else, because such a device comes and goes; what it sent after its last
    will was heard is a sign of life.
    """
    if _loops(life.connects, now_s) or _loops(life.boots, now_s):
        return "flapping"
    if life.online is False and life.said_ns >= life.heard_ns:
        return "offline"
    if now_s - life.heard_s > quiet_max_s:
        return "silent"
    return "online" if life.heard_ns or life.online else None


def _loops(starts: deque[tuple[float, int]], now_s: float) -> bool:
    """Whether the last starts lie within a minute, by our clock and by their own: a backlog may bring old ones."""
    if len(starts) < STARTS or now_s - starts[-1][0] > STARTS_S:
        return False
    times_ns = [at_ns for _, at_ns in starts]
    return max(times_ns) - min(times_ns) <= STARTS_S * 1e9


class StatusBook(Protocol):
    """Where a status is noted: ``ingest.health.HealthBook``."""

    def status(self, device_id: str, online: bool, now_ns: int, *, began: bool = True) -> None:
        """Note it."""


class Presence:
    """Reads the status messages of our own topics. Thread-safe."""

    def __init__(self, scheme: TopicScheme, devices: KnownDevices, book: StatusBook, meter: Meter) -> None:
        self._scheme = scheme
        self._devices = devices
        self._book = book
        self._meter = meter

    def put(self, message: RawMessage) -> bool:
        """Take a message if it is a status; False for any other, which is somebody else's."""
        topic = self._scheme.parse(message.topic)
        if topic is None or topic.leaf != "status":
            return False
        online = STATES.get(message.payload)
        rule = self._devices.rules.get(topic.device_id)
        if online is None or rule is None or rule.kind != topic.kind:
            reason = "unknown_state" if online is None else "unknown_device"
            self._meter.add("messages_ignored", kind="status", reason=reason)
        else:
            # A retained one is what the device said once, told again because we have connected.
            self._book.status(topic.device_id, online, message.received_ns, began=not message.retain)
        return True
