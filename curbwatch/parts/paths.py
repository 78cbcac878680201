"""The private folder: packages, servers, snapshots and evidence, never inside the clone."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import SetupError

SERVER_USER = "nobody"  # servers never run as root; this user exists on every Debian


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that servers run as; ``None`` ids: the one we are."""

    uid: int | None
    gid: int | None

    def own(self, path: Path) -> None:
        """Give a file or folder to the server's user."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def home() -> Path:
    """Return ``$CURBWATCH_HOME``, else /var/cache/curbwatch for root and ~/.cache/curbwatch for others.

    Root's folder lies outside /root because the servers' own user must reach it.
    """
    given = os.environ.get("CURBWATCH_HOME", "")
    if given:
        return Path(given).absolute()
    return Path("/var/cache/curbwatch") if os.geteuid() == 0 else Path.home() / ".cache" / "curbwatch"


def identity() -> Identity:
    """Who the servers run as: the caller, or ``nobody`` where the caller is root."""
    if os.geteuid() != 0:
        return Identity(None, None)
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError as error:
        message = f"user {SERVER_USER!r} is missing and servers do not run as root; create it, or run as another user"
        raise SetupError(message) from error
    return Identity(entry.pw_uid, entry.pw_gid)


def make_folder(path: Path, mode: int, owner: Identity | None = None) -> Path:
    """Create a folder with exactly this mode; a missing parent is made traversable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        if owner is not None:
            owner.own(path)
    except OSError as error:
        message = f"cannot prepare folder {path}: {error.strerror}; set CURBWATCH_HOME to a folder you may write"
        raise SetupError(message) from error
    return path


def write_private(path: Path, text: str, owner: Identity | None = None) -> Path:
    """Write a file that only its owner may read; replaces atomically."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.chmod(0o600)
    if owner is not None:
        owner.own(temporary)
    temporary.replace(path)
    return path
