"""Writes a broker's configuration and its credentials into a folder."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from config.model import Config
from curbwatch.broker import emqx, mosquitto
from curbwatch.broker.credentials import keep
from curbwatch.broker.foreign import foreign_forms
from curbwatch.broker.plan import PROBE_USER, Tls, make_plan, rights
from curbwatch.parts.paths import Identity, make_folder, write_private
from schemas.errors import UsageError

Make = Literal["mosquitto", "emqx"]
DATA = "/var/lib/mosquitto"  # where Debian's Mosquitto keeps its sessions


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: paths, and user names; no passwords."""

    folder: Path
    files: tuple[str, ...]
    users: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


def write_kit(  # noqa: PLR0913  # each is one decision of the operator
    make: Make,
    config: Config,
    devices: Iterable[str],
    folder: Path,
    *,
    tls: Tls,
    port: int = 8883,
    host: str = "",
    data: str = DATA,
    revoke: bool = True,
    aliases: Mapping[str, str] | None = None,
) -> Written:
    """Write configuration, access list, hashed passwords, and one credential file for each user.

    Written again, it keeps every password, makes those of new devices and, with ``revoke``, removes those of devices
    that are no longer there. Raises UsageError for a path or an id that cannot stand in a configuration, SetupError
    where the folder cannot be written, ConfigError for a form that does not exist, or a credential file that others can
    read. ``aliases``: ``{form}:{id there}`` to device.
    """
    folder = folder.absolute()
    for path in (str(folder), data, tls.authority, tls.certificate, tls.key):
        _refuse_path(path)
    foreign, gateways = foreign_forms(config.codecs)
    plan = make_plan(
        config,
        devices,
        tls=tls,
        folder=str(folder),
        data=data,
        port=port,
        host=host,
        foreign=foreign,
        gateways=gateways,
        aliases=aliases,
    )
    make_folder(folder, 0o755)
    credentials = keep(folder / "credentials", plan.users, _named_files(config), revoke=revoke)
    kit = emqx if make == "emqx" else mosquitto
    before = folder / kit.PASSWORDS
    texts = {
        kit.CONFIG: kit.settings(plan),
        kit.ACCESS: emqx.access(rights(plan), plan.devices) if make == "emqx" else mosquitto.access(rights(plan)),
        kit.PASSWORDS: kit.passwords(credentials.passwords, before.read_text("utf-8") if before.is_file() else ""),
    }
    for name, text in texts.items():
        write_private(folder / name, text, _owner_of(folder / name))
    return Written(folder, tuple(texts), plan.users, credentials.added, credentials.removed)


def _named_files(config: Config) -> dict[str, Path]:
    """Password files that the configuration names, by user."""
    broker = config.broker
    files = (
        (broker.positions_user, broker.positions_password_file),
        (broker.frames_user, broker.frames_password_file),
        (PROBE_USER, broker.doctor_password_file),
    )
    return {user: Path(file) for user, file in files if file}


def _owner_of(file: Path) -> Identity | None:
    """Whose a file is that is written again: once given to the broker's user it stays with it. None: ours."""
    if os.geteuid() != 0 or not file.is_file():
        return None
    state = file.stat()
    return Identity(state.st_uid, state.st_gid)


def _refuse_path(path: str) -> None:
    """Mosquitto reads a line to its end and takes no quotes; a line end in a path would be a setting of its own."""
    if not path.startswith("/") or not path.isprintable() or path != path.strip():
        raise UsageError(f"path {path!r}: must begin with / and hold no control characters or blanks at its ends")
