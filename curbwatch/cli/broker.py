"""``curbwatch broker-config``: a broker's configuration, access list and credentials, from the registry."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from config.load import load_config
from config.model import Config
from config.pack import load_pack
from curbwatch.broker.kit import Written, write_kit
from curbwatch.broker.plan import Tls
from curbwatch.cli.app import app
from curbwatch.cli.output import write_json
from curbwatch.database import session
from curbwatch.endpoints import standing
from curbwatch.registry import load_registry
from schemas.errors import CurbwatchError, UsageError


class Make(StrEnum):
    """Which broker."""

    MOSQUITTO = "mosquitto"
    EMQX = "emqx"


@app.command(name="broker-config")
def broker_config(
    make: Annotated[Make, typer.Argument(help="Which broker.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder to write, at the place where the broker will read it.")],
    tls: Annotated[
        tuple[Path, Path, Path],
        typer.Option(metavar="CA CERT KEY", help="Files of the broker: its authority, its certificate, its key."),
    ],
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults.")] = None,
    mutual: Annotated[bool, typer.Option("--mutual", help="Devices show certificates; the common name is the id.")] = (
        False
    ),
    port: Annotated[int, typer.Option(min=1, max=65534, help="Of the devices; with --mutual the intake's is next.")] = (
        8883
    ),
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write what was done to this file.")] = None,
) -> None:
    """Write a broker's configuration, and a password for each device that has none; passwords are never printed.

    Devices are those of the city pack and, where the database answers, of the registry. Written again, it keeps what
    is there, adds new devices and removes those that are gone.
    """
    settings = load_config(config)
    known, whole = known_devices(settings)
    devices = set(known.values())
    aliases = {name: device_id for name, device_id in known.items() if name != device_id}
    ca, certificate, key = (str(path.absolute()) for path in tls)
    for file in (ca, certificate, key):
        if not Path(file).is_file():
            raise UsageError(f"--tls {file}: there is no such file")
    tls_files = Tls(ca, certificate, key, mutual)
    written = write_kit(make.value, settings, devices, out, tls=tls_files, port=port, revoke=whole, aliases=aliases)
    write_json(json_path, _report(make, written, devices, whole=whole))
    names = ", ".join(written.files)
    typer.echo(f"{written.folder}: {names}, credentials/ of {len(written.users)} users")
    typer.echo(f"{len(written.added)} made, {len(written.removed)} removed; load them into the broker")
    if not whole:
        typer.echo("the database was not asked: devices of the city pack only, and none removed", err=True)


def known_devices(config: Config) -> tuple[dict[str, str], bool]:
    """Return every device id and alias with the device it leads to, and whether the database was asked.

    The city pack's alone where it does not answer. Raises ConfigError where the pack has faults.
    """
    pack = load_pack(Path(config.site.pack))
    known = {name: device_id for device_id, one in pack.cameras.items() for name in (device_id, *one.aliases)}
    known |= {name: device_id for device_id, one in pack.vehicles.items() for name in (device_id, *one.aliases)}
    url = standing(config).database_url
    if not url:
        return known, False
    try:
        with session(url) as conn:
            return known | {name: rule.device_id for name, rule in load_registry(conn).known().items()}, True
    except CurbwatchError as error:
        typer.echo(f"warning: {error}", err=True)
        return known, False


def _report(make: Make, written: Written, devices: set[str], *, whole: bool) -> dict[str, object]:
    return {
        "broker": make.value,
        "folder": str(written.folder),
        "files": list(written.files),
        "devices": sorted(devices),
        "users": list(written.users),
        "added": list(written.added),
        "removed": list(written.removed),
        "database": "read" if whole else "not asked",
    }
