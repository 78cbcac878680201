"""Detector states on disk: what a camera knew must survive a restart of the process."""

from collections.abc import Callable
from pathlib import Path

import structlog

from alerts.durable import write_whole
from curbwatch.detector_choice import fitting
from detectors.base import Detector
from schemas.errors import SetupError

log = structlog.get_logger()


class SnapshotFolder:
    """One file per camera, written as temporary file, fsync, rename. Not thread-safe: one shard owns it.

    Snapshots never expire by age: a detector checks them against the first new frame. Only cameras that changed since
    their last one are written. They show the street, so only the owner may read them. Raises SetupError where the
    folder cannot be made.
    """

    def __init__(self, folder: Path, *, every_s: float, monotonic_s: Callable[[], float]) -> None:
        self._folder = folder
        self._every_s = every_s
        self._monotonic_s = monotonic_s
        self._written_s: dict[str, float] = {}  # camera -> when it was last written, or first seen
        self._changed: dict[str, None] = {}  # cameras that changed since, in the order in which they did
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            message = f"snapshot folder {folder} cannot be made: {error.strerror}; set engine.snapshot_dir"
            raise SetupError(message) from error

    def restore(self, detector: Detector, camera_id: str) -> bool:
        """Give a camera its last state back. False where there is none or it is not readable, which is logged."""
        self._written_s[camera_id] = self._monotonic_s()
        try:
            detector.restore(camera_id, fitting(detector, self._file(camera_id).read_bytes()))
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            log.warning(
                "snapshot_unusable", camera=camera_id, error=str(error), remedy="the background is learned anew"
            )
            return False
        return True

    def forget(self, camera_id: str) -> None:
        """Drop what is noted of a camera; its last state stays on disk."""
        self._written_s.pop(camera_id, None)
        self._changed.pop(camera_id, None)

    def keep(self, detector: Detector, camera_id: str, *, at_once: bool = False) -> bool:
        """Note that a camera changed, and write its state if it is due or something opened; True if written."""
        self._changed[camera_id] = None
        now_s = self._monotonic_s()
        if not at_once and now_s - self._written_s.get(camera_id, now_s) < self._every_s:
            return False
        return self._write(detector, camera_id)

    def keep_due(self, detector: Detector) -> None:
        """Write cameras that changed and from which nothing has come since, each when it is due."""
        now_s = self._monotonic_s()
        for camera_id in tuple(self._changed):
            if now_s - self._written_s.get(camera_id, now_s) >= self._every_s:
                self._write(detector, camera_id)

    def keep_all(self, detector: Detector) -> None:
        """Write every camera that changed since its last snapshot."""
        for camera_id in sorted(self._changed):
            self._write(detector, camera_id)

    def _write(self, detector: Detector, camera_id: str) -> bool:
        self._written_s[camera_id] = self._monotonic_s()
        self._changed.pop(camera_id, None)
        state = detector.snapshot(camera_id)
        if not state:
            return False
        target = self._file(camera_id)
        try:
            write_whole(target, state)
        except OSError as error:
            log.warning("snapshot_failed", camera=camera_id, file=str(target), error=str(error))
            self._changed[camera_id] = None
            return False
        return True

    def _file(self, camera_id: str) -> Path:
        return self._folder / f"{camera_id}.state"
