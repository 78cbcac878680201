"""``up``, ``down`` and ``status`` of the three private servers."""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from curbwatch.parts.mosquitto import USERS, Mosquitto
from curbwatch.parts.packages import ensure_packages
from curbwatch.parts.paths import home, identity, locked, make_folder, refuse_unreachable, write_private
from curbwatch.parts.postgres import DATABASE, ROLE, Postgres
from curbwatch.parts.process import LOOPBACK, free_port
from curbwatch.parts.valkey import Valkey
from schemas.errors import SetupError

# First choices, away from the usual 5432, 1883 and 6379 that the machine may have taken.
PORTS = {"postgres": 54817, "mosquitto": 18817, "valkey": 63817}


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses of the running servers. URLs carry passwords: never print or log them.

    ``password_files`` maps broker users (``intake-positions``, ``intake-frames``, ``devices``) to their files.
    """

    database_url: str = field(repr=False)
    broker_url: str
    redis_url: str = field(repr=False)
    password_files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Instance:
    folder: Path
    postgres: Postgres
    mosquitto: Mosquitto
    valkey: Valkey


def _quiet(_message: str) -> None:
    """Say nothing."""


def up(directory: Path | None = None, *, progress: Callable[[str], None] = _quiet) -> Servers:
    """Start what does not run and return the addresses; what a killed ``up`` left is taken over or made anew.

    ``directory`` is the instance's folder (default: ``servers`` in the private folder); the unpacked packages are
    shared by all instances. Raises SetupError with the remedy.
    """
    folder = _folder(directory)
    make_folder(home(), 0o755)
    make_folder(folder, 0o711)
    _refuse_strange(folder)
    for needed in (home(), folder):
        refuse_unreachable(needed, identity())
    with locked(home() / "packages.lock"):
        root = ensure_packages(home() / "packages", progress)
    with locked(folder / "lock"):
        instance = _instance(folder, root)
        state = _state(folder)
        secret: dict[str, str] = state["passwords"]
        ports: dict[str, int] = state["ports"]
        if not instance.postgres.running(ports["postgres"]):
            progress("starting PostgreSQL with TimescaleDB")
            ports["postgres"] = instance.postgres.start(ports["postgres"], secret["postgres"], secret[ROLE])
        if not instance.mosquitto.running(ports["mosquitto"]):
            progress("starting Mosquitto")
            ports["mosquitto"] = free_port(ports["mosquitto"])
            instance.mosquitto.start(ports["mosquitto"], {user: secret[user] for user in USERS})
        if not instance.valkey.running(ports["valkey"]):
            progress("starting Valkey")
            ports["valkey"] = free_port(ports["valkey"])
            instance.valkey.start(ports["valkey"], secret["valkey"])
        write_private(folder / "state.json", json.dumps(state, indent=1))
        return _servers(folder, state)


def down(directory: Path | None = None) -> None:
    """Stop all three and leave no process and no lock. Nothing running, and a folder that is none of ours, are fine."""
    folder = _folder(directory)
    if not (folder / "state.json").is_file():  # /etc/mosquitto/mosquitto.conf would be the system's own broker
        return
    with locked(folder / "lock"):
        instance = _instance(folder, home() / "packages" / "root")
        instance.mosquitto.stop()
        instance.valkey.stop()
        instance.postgres.stop()
        (folder / "lock").unlink(missing_ok=True)


def status(directory: Path | None = None) -> dict[str, bool]:
    """Which of the three run and listen."""
    folder = _folder(directory)
    if not (folder / "state.json").is_file():
        return dict.fromkeys(PORTS, False)
    instance = _instance(folder, home() / "packages" / "root")
    ports = _state(folder)["ports"]
    return {
        "postgres": instance.postgres.running(ports["postgres"]),
        "mosquitto": instance.mosquitto.running(ports["mosquitto"]),
        "valkey": instance.valkey.running(ports["valkey"]),
    }


def addresses(directory: Path | None = None) -> Servers:
    """Addresses of servers that were started before. Raises SetupError where none were."""
    folder = _folder(directory)
    if not (folder / "state.json").is_file():
        raise SetupError(f"no servers in {folder}: run `curbwatch parts up`")
    return _servers(folder, _state(folder))


def _folder(directory: Path | None) -> Path:
    return (home() / "servers" if directory is None else directory).absolute()


def _refuse_strange(folder: Path) -> None:
    """Where there is no state yet, a folder with the name of a server's (/var/lib/mosquitto) is somebody else's."""
    strange = [name for name in PORTS if (folder / name).exists()]
    if strange and not (folder / "state.json").is_file():
        raise SetupError(f"{folder / strange[0]} was there before and is not ours: name an empty folder with --dir")


def _instance(folder: Path, root: Path) -> _Instance:
    owner = identity()
    return _Instance(
        folder,
        Postgres(folder / "postgres", root, owner),
        Mosquitto(folder / "mosquitto", root, owner),
        Valkey(folder / "valkey", root, owner),
    )


def _state(folder: Path) -> dict[str, dict]:  # type: ignore[type-arg]  # two small maps, one of str and one of int
    try:
        state: dict[str, dict] = json.loads((folder / "state.json").read_text())  # type: ignore[type-arg]
    except FileNotFoundError:
        # Other folders have no wish: two that are made at one moment would both find the same first choice free.
        own = folder == _folder(None)
        state = {"ports": dict(PORTS) if own else dict.fromkeys(PORTS, 0), "passwords": {}}
    except (OSError, ValueError) as error:
        raise SetupError(
            f"{folder / 'state.json'} cannot be read ({error}): remove the folder and try again"
        ) from error
    secret_folder = make_folder(folder / "secrets", 0o700)
    for user in ("postgres", ROLE, "valkey", *USERS):
        if (
            user not in state["passwords"]
        ):  # its file may be there: of a user that came later, seen before the next `up`
            kept = secret_folder / user
            known = kept.read_text().strip() if user in USERS and kept.is_file() else ""
            state["passwords"][user] = known or secrets.token_urlsafe(24)
        if user in USERS and not (secret_folder / user).is_file():
            write_private(secret_folder / user, state["passwords"][user] + "\n")
    # Kept before the first server is made: a killed first `up` must not forget the password it gave.
    if not (folder / "state.json").is_file():
        write_private(folder / "state.json", json.dumps(state, indent=1))
    return state


def _servers(folder: Path, state: dict[str, dict]) -> Servers:  # type: ignore[type-arg]
    ports, secret = state["ports"], state["passwords"]
    return Servers(
        database_url=f"postgresql://{ROLE}:{secret[ROLE]}@{LOOPBACK}:{ports['postgres']}/{DATABASE}",
        broker_url=f"mqtt://{LOOPBACK}:{ports['mosquitto']}",
        redis_url=f"redis://:{secret['valkey']}@{LOOPBACK}:{ports['valkey']}/0",
        password_files={user: folder / "secrets" / user for user in USERS},
    )
