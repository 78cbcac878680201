"""One password file for each user: kept where it is there, made where it is missing, removed with its user."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.load import read_secret
from curbwatch.parts.paths import make_folder, write_private
from ingest.topics import DEVICE_ID
from schemas.errors import SetupError


@dataclass(frozen=True, slots=True)
class Credentials:
    """What stands now. Never printed: ``passwords`` maps user to password and is not shown."""

    passwords: dict[str, str] = field(repr=False)
    added: tuple[str, ...]
    removed: tuple[str, ...]


def keep(folder: Path, users: Iterable[str], given: Mapping[str, Path], *, revoke: bool) -> Credentials:
    """Make ``folder`` hold one file of mode 0600 for each user, and return every password.

    ``given`` names files that hold a user's password elsewhere; one that is missing there is made here. ``revoke``:
    files of users that are no longer named are removed; other files are left alone. Raises SetupError where the
    folder cannot be written, ConfigError where a file cannot be read or other users can read it.
    """
    make_folder(folder, 0o700)
    passwords: dict[str, str] = {}
    added: list[str] = []
    for user in users:
        elsewhere = given.get(user)
        file = elsewhere if elsewhere is not None and elsewhere.exists() else folder / user
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24) + "\n")
            added.append(user)
        passwords[user] = read_secret(file)
    gone = sorted(path for path in folder.iterdir() if path.name not in passwords and _is_ours(path)) if revoke else []
    for path in gone:
        try:
            path.unlink()
        except OSError as error:
            raise SetupError(f"{path} cannot be removed: {error.strerror}") from error
    return Credentials(passwords, tuple(added), tuple(path.name for path in gone))


def _is_ours(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and DEVICE_ID.fullmatch(path.name) is not None
