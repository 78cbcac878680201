"""The private folder: packages, servers, snapshots and evidence, never inside the clone."""

import contextlib
import fcntl
import os
import pwd
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import SetupError

SERVER_USER = "nobody"  # servers never run as root; this user exists on every Debian


@dataclass(frozen=True, slots=True)
class Identity:
    """The user that servers run as; ``None`` ids: the one we are."""

    uid: int | None
    gid: int | None

    def own(self, path: Path | int) -> None:
        """Give an open file, or a folder that is no link, to the server's user."""
        if self.uid is None or self.gid is None:
            return
        if isinstance(path, int):
            os.fchown(path, self.uid, self.gid)
        else:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


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
    """Create a folder with exactly this mode; missing parents are made traversable.

    A folder in which something lies keeps its mode, unless ``owner`` says that it is a server's own.
    """
    try:
        if not path.parent.exists():
            make_folder(path.parent, 0o755)
        try:
            path.mkdir(mode)
            made = True
        except FileExistsError:
            if not path.is_dir():
                raise
            # An empty one of ours was made for us, by `mktemp -d` as a rule.
            made = path.stat().st_uid == os.geteuid() and not any(path.iterdir())
        if made or owner is not None:
            path.chmod(mode)  # what the umask took away
        if owner is not None:
            owner.own(path)
    except OSError as error:
        message = f"cannot prepare folder {path}: {error.strerror}; set CURBWATCH_HOME to a folder you may write"
        raise SetupError(message) from error
    return path


def refuse_unreachable(path: Path, owner: Identity) -> None:
    """Raise SetupError where the servers' own user may not enter ``path`` or a folder above it."""
    if owner.uid is None:
        return
    for folder in (*reversed(path.parents), path):
        state = folder.stat()
        needed = stat.S_IXUSR if state.st_uid == owner.uid else stat.S_IXGRP if state.st_gid == owner.gid else 0
        if not state.st_mode & (needed or stat.S_IXOTH):
            message = (
                f"{folder} is closed to user {SERVER_USER!r}, as whom root's servers run: chmod o+x it, "
                "or name another folder (CURBWATCH_HOME, or --dir)"
            )
            raise SetupError(message)


def write_private(path: Path, text: str, owner: Identity | None = None) -> Path:
    """Write a file that only its owner may read; replaces atomically and follows no link.

    The folder of a file with an ``owner`` may belong to that user, who could put a link into root's way: such a
    folder must not be a link either. Raises SetupError where the file cannot be written.
    """
    nofollow = 0 if owner is None else os.O_NOFOLLOW
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | nofollow)
        try:
            _replace(folder, path.name, text, owner)
        finally:
            os.close(folder)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _replace(folder: int, name: str, text: str, owner: Identity | None) -> None:
    """Write ``name`` in an open folder under a name that nobody can foresee, then rename."""
    temporary = f".{name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, 0o600)
            if owner is not None:
                owner.own(descriptor)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


@contextlib.contextmanager
def locked(path: Path, *, busy: str = "") -> Iterator[None]:
    """Hold an flock: the kernel frees it when its holder dies, so it can never be stale.

    Waits while another holds it; with ``busy``, raises SetupError with these words instead.
    """
    descriptor = _lock(path, busy)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path, busy: str) -> int:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"cannot lock {path}: {error.strerror}; it belongs to another user or the disk is full"
            raise SetupError(message) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise SetupError(busy) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder removed it meanwhile: others lock another file by now
