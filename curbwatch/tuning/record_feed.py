"""Pictures of chosen cameras from the broker, gated and stamped by the intake's own code, beside a running intake.

A session of its own, that ends with the connection: another client id, nothing is kept for it, nothing is answered to
a camera, and a slow disk costs this feed its pictures and the broker nothing.
"""

import secrets
import socket
import threading
from collections import deque
from collections.abc import Collection
from urllib.parse import urlsplit

from config.model import Config
from curbwatch.devices import LiveRegistry
from curbwatch.endpoints import Endpoints
from ingest.cameras import FrameIntake, FrameOutlets
from ingest.mqtt import MqttSession
from ingest.pictures import PictureForms
from ingest.session_plan import DEFAULT_PORTS, SessionPlan
from ingest.slots import FrameSlots, Shed
from ingest.topics import TopicScheme
from schemas.errors import FeedError, UsageError
from schemas.frame import Frame

REACH_S = 3.0  # a broker that takes longer to say why is as good as away
WAITING_BYTES = 64_000_000  # of pictures between network and disk; beyond it the newest is left out and counted


class Tally:
    """A Meter that remembers how often a picture was refused or left out, by reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    @property
    def counts(self) -> dict[str, int]:
        """{reason: pictures}, as of now."""
        with self._lock:
            return dict(self._counts)

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Count what was refused and what was shed."""
        if name in {"frames_rejected", "frames_shed"}:
            with self._lock:
                reason = labels.get("reason", "")
                self._counts[reason] = self._counts.get(reason, 0) + int(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Ignore."""

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Ignore."""


class Everything(FrameSlots):
    """Slots in which every frame of the wanted cameras waits, in order, where the live ones keep the newest.

    Thread-safe, as the live ones are.
    """

    def __init__(self, cameras: Collection[str], max_bytes: int = WAITING_BYTES) -> None:
        super().__init__(wait_max_s=0.0, period_s=lambda _: 0.0, max_bytes=max_bytes)
        self._cameras = frozenset(cameras)
        self._room_bytes = max_bytes
        self._frames: deque[Frame] = deque()
        self._came = threading.Condition()

    def put(self, frame: Frame) -> list[Shed]:
        """Let a frame wait; it is shed (``memory``) where there is no room. Other cameras' are nobody's business."""
        if frame.camera_id not in self._cameras:
            return []
        with self._came:
            if self._room_bytes < len(frame.jpeg):
                return [(frame, "memory")]
            self._room_bytes -= len(frame.jpeg)
            self._frames.append(frame)
            self._came.notify()
        return []

    def draw(self, wait_s: float) -> Frame | None:
        """The frame that waits longest; None after ``wait_s`` without one."""
        with self._came:
            if not self._came.wait_for(lambda: bool(self._frames), wait_s):
                return None
            frame = self._frames.popleft()
            self._room_bytes += len(frame.jpeg)
            return frame


class FrameFeed:
    """What the cameras send from ``start`` to ``stop``, each once; ``draw`` gives it out."""

    def __init__(self, config: Config, endpoints: Endpoints, registry: LiveRegistry, cameras: Collection[str]) -> None:
        self.tally = Tally()
        self._url = endpoints.broker_url
        self._slots = Everything(cameras)
        scheme = TopicScheme(config.site.topic_prefix, config.site.site)
        forms = PictureForms(config.codecs)
        self._intake = FrameIntake(config.intake, scheme, forms, self._slots, registry, self.tally)
        # Foreign topics have no place for one camera's name: all are read where one of ours speaks so.
        aliased = any(alias != rule.device_id and rule.device_id in cameras for alias, rule in registry.rules.items())
        topics = [scheme.of("camera", camera_id, "frame") for camera_id in sorted(cameras)]
        plan = _plan(config, endpoints, (*topics, *(forms.filters if aliased else ())), forms.filters)
        password = endpoints.passwords.get(plan.user, "")
        self._session = MqttSession(plan, password, self.tally, self._intake.put)
        # Nothing is published: the running intake answers the cameras.
        self._intake.connect(FrameOutlets(self._session.finish, lambda _topic, _payload: None))

    @property
    def connected(self) -> bool:
        """Whether pictures can come."""
        return self._session.connected

    def start(self) -> None:
        """Connect. Raises FeedError, at once, where the broker refuses us or is not there."""
        self._session.start()
        if not self._session.connected:
            self._session.stop()
            raise FeedError(f"{_away(self._url)}; check broker.url, or `curbwatch parts up`")

    def draw(self, now_ns: int, wait_s: float) -> Frame | None:
        """The next picture; None after ``wait_s`` without one. Raises FeedError where the broker is given up."""
        if self._session.refusal:
            raise FeedError(self._session.refusal)
        frame = self._slots.draw(wait_s)
        if frame is None:
            self._intake.expire(now_ns)
        self._intake.letters()  # nobody writes them: they are the running intake's to keep
        return frame

    def stop(self) -> None:
        """Disconnect; the broker forgets the session."""
        self._session.stop()


def chosen(registry: LiveRegistry, names: Collection[str]) -> tuple[str, ...]:
    """The cameras of these names, each once; no names: all of the registry. Raises UsageError for one not there."""
    cameras = {rule.device_id for rule in registry.rules.values() if rule.kind == "camera"}
    missing = sorted(set(names) - cameras)
    if missing or not cameras:
        known = ", ".join(sorted(cameras)[:10]) or "none"
        more = f" and {len(cameras) - 10} more" if len(cameras) > 10 else ""
        raise UsageError(
            f"{', '.join(missing) or 'no CAMERA'}: not in the registry, which has the cameras {known}{more}: see"
            " `curbwatch device list`"
        )
    return tuple(sorted(set(names) or cameras))


def _away(url: str) -> str:
    """A broker's address without its password, and why nobody is reached there."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORTS[parts.scheme]
    try:
        socket.create_connection((host, port), timeout=REACH_S).close()
        why = "it takes no login there"
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    return f"broker {parts.scheme}://{host}:{port}: {why}"


def _plan(config: Config, endpoints: Endpoints, topics: tuple[str, ...], foreign: tuple[str, ...]) -> SessionPlan:
    broker = config.broker
    return SessionPlan(
        url=endpoints.broker_url,
        client_id=f"{config.intake.client_id}-{config.site.site}-record",
        # Drawn anew each time: two recorders, or one and the intake, never take each other's session.
        secret=f"-{secrets.token_hex(8)}",
        user=broker.frames_user,
        window=config.intake.frames_window,
        expiry_s=0,
        topics=tuple((topic, False) for topic in topics),
        keepalive_s=broker.keepalive_s,
        reconnect_max_s=broker.reconnect_max_s,
        ca_file=broker.ca_file,
        optional=foreign,
    )
