"""Keeps the cameras' health events: writes what the shards tell, and reads what an earlier process knew of a camera."""

import threading
from collections import deque

import structlog

from alerts.health.store import HealthStore
from schemas.errors import SinkError
from schemas.health import HealthEvent
from schemas.meter import Meter

log = structlog.get_logger()

WAITING_MAX = 1024  # events that wait for the database; beyond it the oldest go
POLL_S = 0.5  # between two looks at what was told
AGAIN_S, AGAIN_MAX_S = 1.0, 30.0  # between two tries of a database that is away: twice as long each time


class CameraHealthKeeper:
    """One thread that talks with the database, so that no shard waits for it.

    ``tell``, ``ask`` and ``answer`` are the shards', from any thread.
    """

    def __init__(self, store: HealthStore, meter: Meter) -> None:
        self._store = store
        self._meter = meter
        self._lock = threading.Lock()
        self._waiting: deque[HealthEvent] = deque()
        self._asked: set[str] = set()
        self._pasts: dict[str, list[HealthEvent]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera-health-keeper", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Write what was told last, and end; what the database does not take is lost, counted and logged."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self.keep()
        except SinkError as error:
            with self._lock:
                self._drop(len(self._waiting), str(error))
                self._waiting.clear()

    def tell(self, event: HealthEvent) -> None:
        """Let an event, as it is now, be written."""
        with self._lock:
            self._waiting.append(event)
            self._bound()

    def ask(self, camera_id: str) -> None:
        """Let the past of a camera be read, before any event of it is told."""
        with self._lock:
            self._asked.add(camera_id)

    def answer(self, camera_id: str) -> list[HealthEvent] | None:
        """The past of a camera, oldest first, once; None: it is not read yet, or nobody asked."""
        with self._lock:
            return self._pasts.pop(camera_id, None)

    def keep(self) -> None:
        """Read and write what is due. Raises SinkError where the database is away; nothing is lost then."""
        with self._lock:  # both at once: a past must not hold what is told after it was asked for
            waiting, asked = list(self._waiting), sorted(self._asked)
            self._waiting.clear()
        try:
            for camera_id in asked:
                past = self._past(camera_id)
                with self._lock:
                    self._pasts[camera_id] = past
                    self._asked.discard(camera_id)
            if waiting:
                self._store.put(waiting)
        except SinkError as error:
            with self._lock:
                if error.retryable:
                    self._waiting.extendleft(reversed(waiting))
                    self._bound()
                else:
                    self._drop(len(waiting), str(error))
            if error.retryable:
                raise

    def _run(self) -> None:
        again_s = AGAIN_S
        while not self._stopping.wait(POLL_S):
            try:
                self.keep()
                again_s = AGAIN_S
            except SinkError as error:
                if again_s == AGAIN_S:
                    log.warning("camera_events_wait", error=str(error), effect="they are written when it is back")
                self._stopping.wait(again_s)
                again_s = min(AGAIN_MAX_S, 2 * again_s)

    def _past(self, camera_id: str) -> list[HealthEvent]:
        try:
            return self._store.past(camera_id)
        except SinkError as error:
            if error.retryable:
                raise
            log.warning("camera_past_unknown", camera=camera_id, error=str(error), effect="its events begin anew")
            return []

    def _bound(self) -> None:
        while len(self._waiting) > WAITING_MAX:
            self._waiting.popleft()
            self._drop(1, "too many wait: bring the database back")

    def _drop(self, count: int, error: str) -> None:
        if count:
            self._meter.add("camera_events_dropped", count)
            log.error("camera_events_dropped", count=count, error=error)
