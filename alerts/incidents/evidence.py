"""Original bytes on disk, named by their SHA-256, before anybody is told."""

import hashlib
import os
from pathlib import Path

from alerts.durable import sync_folder, write_whole
from schemas.errors import SetupError, SinkError
from schemas.frame import Frame
from schemas.incident import EvidenceRecord


class EvidenceFolder:
    """Pictures as ``ab/cd/<sha256>.jpg``, never changed, readable by the owner only."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing. Raises SetupError where that cannot be."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            message = f"evidence folder {folder} cannot be made: {error.strerror}; set alerts.evidence_dir"
            raise SetupError(message) from error

    def keep(self, frame: Frame) -> EvidenceRecord:
        """Write a frame's bytes durably (file and folder synced) and return its record; twice is once.

        Raises SinkError (retryable) where the disk does not take it.
        """
        digest = hashlib.sha256(frame.jpeg).hexdigest()
        target = self.path(digest)
        try:
            if not self._there(target, len(frame.jpeg)):
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_whole(target, frame.jpeg)
            # Also where the bytes were there: whoever wrote them may not have come so far yet.
            for folder in (target.parent, target.parent.parent, self.folder):
                sync_folder(folder)
        except OSError as error:
            message = f"evidence {target} cannot be written: {error.strerror}; free space or set alerts.evidence_dir"
            raise SinkError(message, retryable=True, wait_s=1.0) from error
        return EvidenceRecord(
            digest, frame.camera_id, frame.captured_ns, frame.received_ns, len(frame.jpeg), frame.stamped
        )

    def path(self, sha256: str) -> Path:
        """Where the bytes with this digest lie. Raises ValueError for what is not a SHA-256."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self.folder / sha256[:2] / sha256[2:4] / f"{sha256}.jpg"

    def intact(self, sha256: str) -> bool:
        """Whether the bytes are there, can be read, and still have their digest."""
        try:
            return hashlib.sha256(self.path(sha256).read_bytes()).hexdigest() == sha256
        except OSError:
            return False

    def _there(self, target: Path, size_bytes: int) -> bool:
        """Whether the file is whole. Another size is what a broken disk left: the bytes at hand are written again.

        Its time becomes now: whoever deletes what nothing names sees that it is about to be named (alerts/keeping).
        """
        try:
            if target.stat().st_size != size_bytes:
                return False
            os.utime(target)
        except FileNotFoundError:
            return False
        return True
