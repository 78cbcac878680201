"""``curbwatch parts up|down|status``: the private servers."""

import json
from pathlib import Path
from typing import Annotated

import typer

from config.faults import masked
from curbwatch.cli.app import app
from curbwatch.parts import Servers, addresses, down, status, up
from curbwatch.parts.paths import write_private

parts_app = typer.Typer(no_args_is_help=True, help="The private servers: TimescaleDB, Mosquitto, Valkey.")
app.add_typer(parts_app, name="parts")

Dir = Annotated[Path | None, typer.Option("--dir", help="The instance's folder.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the full addresses here, readable by you only.")]


@parts_app.command("up")
def parts_up(directory: Dir = None, json_file: Json = None) -> None:
    """Start what does not run; the first time the packages are fetched."""
    servers = up(directory, progress=lambda message: typer.echo(message, err=True))
    _show(servers, json_file)


@parts_app.command("down")
def parts_down(directory: Dir = None) -> None:
    """Stop all of them; nothing stays behind but the data."""
    down(directory)
    typer.echo("stopped")


@parts_app.command("status")
def parts_status(directory: Dir = None, json_file: Json = None) -> None:
    """Say which run; exit code 1 where one does not."""
    found = status(directory)
    for name, running in found.items():
        typer.echo(f"{name:10} {'running' if running else 'stopped'}")
    if not all(found.values()):
        raise typer.Exit(1)
    _show(addresses(directory), json_file)


def _show(servers: Servers, json_file: Path | None) -> None:
    typer.echo(f"database   {masked(servers.database_url)}")
    typer.echo(f"broker     {servers.broker_url}")
    typer.echo(f"queue      {masked(servers.redis_url)}")
    if json_file is not None:
        told = {
            "database_url": servers.database_url,
            "broker_url": servers.broker_url,
            "redis_url": servers.redis_url,
            "password_files": {user: str(path) for user, path in servers.password_files.items()},
        }
        write_private(json_file, json.dumps(told, indent=1) + "\n")
