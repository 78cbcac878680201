"""Original bytes on disk, named by their SHA-256, before anybody is told."""

import hashlib
import os
import tempfile
from pathlib import Path

from schemas.errors import SinkError
from schemas.frame import Frame
from schemas.incident import EvidenceRecord


class EvidenceFolder:
    """Pictures as ``ab/cd/<sha256>.jpg``, never changed, readable by the owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(self, frame: Frame) -> EvidenceRecord:
        """Write a frame's bytes durably (file and folder synced) and return its record; twice is once.

        Raises SinkError (retryable) where the disk does not take it.
        """
        digest = hashlib.sha256(frame.jpeg).hexdigest()
        target = self.path(digest)
        if not target.is_file():
            try:
                self._write(target, frame.jpeg)
            except OSError as error:
                message = (
                    f"evidence {target} cannot be written: {error.strerror}; free space or set alerts.evidence_dir"
                )
                raise SinkError(message, retryable=True, wait_s=1.0) from error
        return EvidenceRecord(digest, frame.camera_id, frame.captured_ns, frame.received_ns, len(frame.jpeg))

    def path(self, sha256: str) -> Path:
        """Where the bytes with this digest lie. Raises ValueError for what is not a SHA-256."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self.folder / sha256[:2] / sha256[2:4] / f"{sha256}.jpg"

    def intact(self, sha256: str) -> bool:
        """Whether the bytes are there and still have their digest."""
        path = self.path(sha256)
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def _write(self, target: Path, data: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        for folder in (target.parent, target.parent.parent, self.folder):
            _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """A new name survives a power loss only when its folder is synced too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
