"""A backup on disk: its manifest, and whether it is whole.

``manifest.json`` lists every file with size and SHA-256, and carries the digest of itself. It is written last, so a
folder without one, or with the marker ``INCOMPLETE``, is no backup.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import structlog

from alerts.durable import sync_folder, write_whole
from schemas.errors import UsageError

log = structlog.get_logger()

FORM = "curbwatch-backup/1"
MANIFEST, INCOMPLETE = "manifest.json", "INCOMPLETE"
EVIDENCE = "evidence"  # folder of pictures in a backup, laid out as the original one
CHUNK_BYTES = 1 << 20

Progress = Callable[[str], None]


def digest_of(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 of a file. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def sealed(body: dict[str, Any]) -> bytes:
    """A manifest as it is written: the body, and the SHA-256 of its canonical form."""
    return json.dumps({"sha256": body_digest(body), "body": body}, ensure_ascii=False, indent=1).encode() + b"\n"


def body_digest(body: dict[str, Any]) -> str:
    """SHA-256 of a body with sorted keys and no blanks."""
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def write_manifest(folder: Path, body: dict[str, Any]) -> None:
    """Write the manifest durably. Raises OSError."""
    write_whole(folder / MANIFEST, sealed(body))
    sync_folder(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The body of a backup's manifest. Raises UsageError for what is no backup, not a whole one, or changed."""
    if (folder / INCOMPLETE).exists():
        raise UsageError(f"{folder}: this backup was interrupted and is not whole: remove it and make another")
    try:
        found = json.loads((folder / MANIFEST).read_bytes())
        body = found["body"]
        fits = found["sha256"] == body_digest(body)
        form = body["form"]
    except FileNotFoundError:
        raise UsageError(f"{folder}: there is no backup here ({MANIFEST} is missing)") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / MANIFEST}: cannot be read: {error}") from None
    if not fits:
        raise UsageError(f"{folder / MANIFEST}: was changed after it was written: do not trust this backup")
    if form != FORM:
        raise UsageError(f"{folder / MANIFEST}: is of form {form!r}, this Curbwatch reads {FORM!r}")
    checked: dict[str, Any] = body
    return checked


def faults_of(folder: Path, body: dict[str, Any], tell: Progress) -> Iterator[str]:
    """Everything in a backup that is not as its manifest says, one line each; nothing for a whole one."""
    files: dict[str, list[Any]] = body["files"]
    for count, (name, (size, digest)) in enumerate(sorted(files.items()), start=1):
        path = folder / name
        try:
            found = digest_of(path)
        except OSError as error:
            yield f"{path}: {error.strerror}"
            continue
        if found != (size, digest):
            yield f"{path}: {'was changed' if found[0] == size else f'has {found[0]} bytes, not {size}'}"
        if count % 1000 == 0:
            tell(f"{count} of {len(files)} files are as they were")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or (path.is_file() and name != MANIFEST and name not in files):
            yield f"{path}: is not of this backup"


def take_picture(source: Path, target: Path) -> None:
    """Give a picture, which nobody ever changes, a second name, or copy it where that cannot be. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        copy(source, target)


def copy(source: Path, target: Path) -> None:
    """Copy a file for its owner alone, durably: what is later changed in place stays as it was here. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with source.open("rb") as old:  # first: of a source that is gone nothing is left
        target.unlink(missing_ok=True)
        target.touch(mode=0o600, exist_ok=False)
        with target.open("wb") as new:
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())


def evidence_name(digest: str) -> str:
    """Where a picture is in a backup."""
    return f"{EVIDENCE}/{digest[:2]}/{digest[2:4]}/{digest}.jpg"
