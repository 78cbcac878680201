"""``curbwatch backup DIR`` and ``curbwatch restore DIR``."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from config.load import load_config
from config.pack import find_pack
from curbwatch.backup import Places, make_backup, restore
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json
from curbwatch.cli.table import grouped, many
from curbwatch.endpoints import standing
from curbwatch.keeping import evidence_dir, snapshot_dir
from curbwatch.telemetry import configure_logs
from schemas.errors import SetupError

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The backup's folder.")]


@app.command("backup")
def backup(folder: Folder, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Copy database, pictures, learned backgrounds, configuration and pack into an empty DIR, while `run` goes on."""
    url, places = _site(config)
    body = make_backup(url, folder, places, _tell)
    _say(body, as_json=as_json, head=f"backup of {body['made_at']} in {folder}")


@app.command("restore")
def restore_(folder: Folder, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Check a backup and bring it back into an empty database and empty folders, then verify the record."""
    url, places = _site(config)
    body, audit = restore(url, folder, places, _tell)
    body |= {"record_rows": audit.rows, "record_seals": audit.seals}
    _say(body, as_json=as_json, head=f"backup of {body['made_at']} restored; the record of {audit.rows} steps verifies")
    typer.echo(f"configuration and pack are in {folder}/config and {folder}/pack, and were not put anywhere", err=True)


def _site(path: Path | None) -> tuple[str, Places]:
    """Address of the database and places of the files. Raises CurbwatchError."""
    config = load_config(path)
    configure_logs(config.log)
    endpoints = standing(config)
    if not endpoints.database_url:
        raise SetupError("no database: name it in the configuration ([database] url), or run `curbwatch parts up`")
    pack = find_pack(config.site.pack)
    return endpoints.database_url, Places(evidence_dir(config), snapshot_dir(config), path, pack)


def _say(body: dict[str, Any], *, as_json: bool, head: str) -> None:
    rows = sum(facts["rows"] for facts in body["tables"].values())
    pictures = sum(name.startswith("evidence/") for name in body["files"])
    size_bytes = sum(size for size, _ in body["files"].values())
    told: dict[str, Any] = {key: body[key] for key in ("made_at", "curbwatch", "schema", "edition") if key in body}
    told |= {"rows": rows, "pictures": pictures, "missing": len(body.get("missing", ())), "bytes": size_bytes}
    told |= {key: body[key] for key in ("record_rows", "record_seals") if key in body}
    if as_json:
        typer.echo(json.dumps(told))
    else:
        typer.echo(head)
        typer.echo(f"{many(rows, 'row')}, {many(pictures, 'picture')}, {grouped(size_bytes)} bytes")


def _tell(line: str) -> None:
    typer.echo(line, err=True)
