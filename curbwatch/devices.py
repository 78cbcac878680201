"""The registry as the running system sees it: read once, read again where it changed."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog

import curbwatch.database as db
from curbwatch.registry import Registry, fingerprint, load_registry
from ingest.rates import TokenBuckets
from schemas.device import DeviceRule
from schemas.errors import SinkError
from schemas.place import CameraView

log = structlog.get_logger()

CHANNEL = "curbwatch_registry"
WAIT_S = 1.0  # that a caller waits for a reading
AGAIN_S = 1.0  # between two tries of a database that is away
UNREAD_S = 5.0  # that strangers may hold up others while the database comes back
READS_PER_S = 1.0  # for strangers' sake, sustained: a new device is read at once, a stranger that goes on costs little


class LiveRegistry:
    """Implements ``ingest.devices.KnownDevices`` over the database; safe to use from any thread.

    One thread reads, whoever asks: a database that does not answer holds up that thread and nobody else. Changes are
    told by the database; asking is for what it could not tell.
    ``on_views(camera_ids)`` is called there with cameras whose zones or calibration changed.
    """

    def __init__(self, url: str, on_views: Callable[[Iterable[str]], None] | None = None) -> None:
        self._url = url
        self._on_views = on_views
        self._database = db.Lasting(url)
        self._print: tuple[object, ...] = ()
        self._registry = Registry({}, {}, {}, {})
        self._rules: dict[str, DeviceRule] = {}
        self._version = 0
        self._changed = threading.Condition()
        self._asked = False
        self._readings = TokenBuckets()
        self._tries = 0  # that have ended
        self._next_s = 0.0  # monotonic time before which it is not tried again; infinite while a reading is overdue
        self._trouble = ""  # of the last try
        self._since_s = math.inf  # monotonic time since which there is trouble
        self._stopping = threading.Event()
        self._threads = tuple(
            threading.Thread(target=target, name=f"registry-{name}", daemon=True)
            for name, target in (("reader", self._read_on), ("listener", self._listen))
        )

    @property
    def rules(self) -> Mapping[str, DeviceRule]:
        """Rules by device id and by alias, as of the last reading; ``rule.device_id`` tells an alias from an id."""
        return self._rules

    @property
    def views(self) -> Mapping[str, CameraView]:
        """Camera views by device id, as of the last reading."""
        return self._registry.views

    @property
    def names(self) -> Mapping[str, str]:
        """What a person calls each device."""
        return self._registry.names

    @property
    def alive(self) -> bool:
        """Whether it still follows the registry."""
        return all(thread.is_alive() for thread in self._threads)

    def refresh(self) -> bool:
        """Have the registry read again where it changed, and wait for it. True: there is news.

        False at once where it was asked too often. Raises SinkError where it cannot be read within a second, and at
        once where the last try failed or is overdue; after ``UNREAD_S`` of that it is False instead.
        """
        with self._changed:
            version, tries = self._version, self._tries
            asked = self._ask()
            if asked and not self._changed.wait_for(lambda: self._tries != tries, WAIT_S):
                self._end(f"registry: the database did not answer within {WAIT_S:.0f} s", math.inf)
            if self._trouble and time.monotonic() - self._since_s < UNREAD_S:
                raise SinkError(self._trouble, retryable=True, wait_s=AGAIN_S)
            return asked and self._version != version

    def ask(self) -> None:
        """Have the registry read again where it changed, as often as ``refresh`` does, and wait for nothing."""
        with self._changed:
            self._ask()

    def start(self) -> None:
        """Read the registry, then follow it. Raises SinkError where it cannot be read at first."""
        self._read()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Follow it no longer."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2 * WAIT_S)  # a reader that waits for a silent database ends with the process
        if not self._threads[0].is_alive():
            self._database.close()

    def _ask(self) -> bool:
        """Whether it may be read; the caller holds the lock."""
        now_s = time.monotonic()
        if now_s < self._next_s or not self._readings.allow("registry", READS_PER_S, now_s):
            return False
        self._asked = True
        self._changed.notify_all()
        return True

    def _end(self, trouble: str, next_s: float) -> None:
        """Tell whoever waits how a try ended; the caller holds the lock."""
        self._trouble, self._next_s = trouble, next_s
        self._tries += 1
        self._since_s = min(self._since_s, time.monotonic()) if trouble else math.inf
        self._changed.notify_all()

    def _read(self) -> None:
        with self._database.connection() as conn:
            now = fingerprint(conn)
            if now == self._print:
                return
            before, after = self._registry.views, load_registry(conn)
        self._registry, self._print = after, now
        self._rules = after.known()
        changed = [camera_id for camera_id, view in before.items() if after.views.get(camera_id) != view]
        log.info("registry_read", devices=len(after.rules), views_changed=len(changed))
        with self._changed:
            self._version += 1
        if changed and self._on_views is not None:
            self._on_views(changed)

    def _read_on(self) -> None:
        """Read whenever somebody asked; try again until it is done."""
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._asked or self._stopping.is_set())
                self._asked = False
            if self._stopping.is_set():
                return
            trouble = ""
            try:
                self._read()
            except SinkError as error:
                trouble = str(error)
            with self._changed:
                self._asked |= bool(trouble)
                self._end(trouble, time.monotonic() + AGAIN_S if trouble else 0.0)
            if trouble:
                self._stopping.wait(AGAIN_S)

    def _listen(self) -> None:
        unheard = False
        while not self._stopping.is_set():
            try:
                for noticed in db.notices(self._url, CHANNEL, poll_s=0.5):
                    if unheard:
                        log.info("registry_heard_again")
                        unheard = False
                    if self._stopping.is_set():
                        return
                    if noticed:
                        with self._changed:
                            self._asked = True
                            self._changed.notify_all()
            except SinkError as error:
                if not unheard:
                    log.warning("registry_unheard", error=str(error), effect="changes are read when it is back")
                    unheard = True
                self._stopping.wait(AGAIN_S)


class LiveViews(Mapping[str, CameraView]):
    """The registry's views as a mapping that is always of now, for the detectors."""

    def __init__(self, registry: LiveRegistry) -> None:
        self._registry = registry

    def __getitem__(self, camera_id: str) -> CameraView:
        """Return the view of one camera. Raises KeyError for an unknown one."""
        return self._registry.views[camera_id]

    def __iter__(self) -> Iterator[str]:
        """Iterate over camera ids."""
        return iter(self._registry.views)

    def __len__(self) -> int:
        """Number of cameras."""
        return len(self._registry.views)
