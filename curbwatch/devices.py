"""The registry as the running system sees it: read once, read again where it changed."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

import structlog

import curbwatch.database as db
from curbwatch.registry import Registry, fingerprint, load_registry
from schemas.device import DeviceRule
from schemas.errors import SinkError
from schemas.place import CameraView

log = structlog.get_logger()

CHANNEL = "curbwatch_registry"


class LiveRegistry:
    """Implements ``ingest.devices.KnownDevices`` over the database; safe to use from any thread.

    ``on_views(camera_ids)`` is called, in the thread that noticed, with cameras whose zones or calibration changed.
    """

    def __init__(self, url: str, on_views: Callable[[Iterable[str]], None] | None = None) -> None:
        self._url = url
        self._on_views = on_views
        self._database = db.Lasting(url)
        self._lock = threading.Lock()
        self._print: tuple[object, ...] = ()
        self._registry = Registry({}, {}, {})
        self._stopping = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="registry", daemon=True)

    @property
    def rules(self) -> Mapping[str, DeviceRule]:
        """Rules by device id, as of the last reading."""
        return self._registry.rules

    @property
    def views(self) -> Mapping[str, CameraView]:
        """Camera views by device id, as of the last reading."""
        return self._registry.views

    @property
    def names(self) -> Mapping[str, str]:
        """What a person calls each device."""
        return self._registry.names

    def refresh(self) -> bool:
        """Read the registry again where it changed. True: there is news. Raises SinkError."""
        with self._lock:
            with self._database.connection() as conn:
                now = fingerprint(conn)
                if now == self._print:
                    return False
                before, self._registry = self._registry.views, load_registry(conn)
                self._print = now
            after = self._registry.views
        changed = [camera_id for camera_id, view in before.items() if after.get(camera_id) != view]
        log.info("registry_read", devices=len(self._registry.rules), views_changed=len(changed))
        if changed and self._on_views is not None:
            self._on_views(changed)
        return True

    def start(self) -> None:
        """Read the registry, then listen for changes. Raises SinkError where it cannot be read at first."""
        self.refresh()
        self._listener.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        if self._listener.is_alive():
            self._listener.join()
        with self._lock:
            self._database.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                for noticed in db.notices(self._url, CHANNEL, poll_s=0.5):
                    if self._stopping.is_set():
                        return
                    if noticed:
                        self.refresh()
            except SinkError as error:
                log.warning("registry_unheard", error=str(error), effect="changes are read when it is back")
                self._stopping.wait(error.wait_s)


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
