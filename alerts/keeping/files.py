"""Deleting one picture's file while others may keep the same bytes again at this moment."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from alerts.durable import sync_folder
from alerts.incidents.evidence import EvidenceFolder
from schemas.errors import SinkError

GOING = ".gone-"  # prefix of a file that is being deleted; what a crash leaves is a temporary file
FRESH_S = 600.0  # a file that was written or kept again so lately is about to be named by a row


def remove_picture(folder: EvidenceFolder, digest: str, named: Callable[[], bool], *, fresh_s: float = FRESH_S) -> bool:
    """Delete the file of a picture that no row names; False where it is there after all, or again.

    ``EvidenceFolder.keep`` makes a file's time now where the bytes are there already, and writes them where they are
    not. So the file is taken out of its name first: who keeps the bytes later writes them anew; who kept them before
    left a fresh time, or a row that ``named`` finds. Then it is put back. Raises SinkError where the disk refuses.
    """
    path = folder.path(digest)
    going = path.with_name(f"{GOING}{path.name}")
    try:
        try:
            path.replace(going)
        except FileNotFoundError:
            going.unlink(missing_ok=True)
            return False
        if time.time() - going.stat().st_mtime < fresh_s or named():
            _put_back(going, path)
            return False
        going.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise SinkError(f"evidence {path} cannot be deleted: {error.strerror}", retryable=True, wait_s=1.0) from error
    return True


def _put_back(going: Path, path: Path) -> None:
    """Give a file its name back, unless another has it by now, with the same bytes."""
    with contextlib.suppress(FileExistsError):
        os.link(going, path)
    going.unlink()
    sync_folder(path.parent)
