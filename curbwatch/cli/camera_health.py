"""``curbwatch camera health``: what is the matter with each camera, since when, and what was."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import typer

from alerts.wire import instant
from curbwatch.camera_health import cameras, events
from curbwatch.cli.camera import camera_app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.table import clock, table
from curbwatch.cli.words import health_word, state_word
from curbwatch.feedback import refuse_unknown
from curbwatch.office import Office, open_office

Asked = Annotated[str | None, typer.Argument(metavar="[CAMERA]", help="This camera only.")]
History = Annotated[bool, typer.Option("--events", help="What was, newest first, in place of what is.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many events.")]

CAMERA = ("camera_id", "health", "since", "note", "state", "last_seen_at")  # columns of a list for a person
EVENT = ("camera_id", "health", "since", "until", "value", "times", "note", "sha256")
TIMES = frozenset({"since", "until", "last_seen_at"})


@camera_app.command("health")
def camera_health(
    asked: Asked = None,
    *,
    history: History = False,
    limit: Limit = 50,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show what is the matter with each camera and since when; `--events`: what was."""
    with open_office(config, lang) as office:
        if asked is not None:
            refuse_unknown(office.conn, asked)
        rows = events(office.conn, asked, limit) if history else cameras(office.conn, asked)
        if as_json:
            _print(rows)
        else:
            _list(office, rows, history=history)


def _list(office: Office, rows: Iterable[dict[str, Any]], *, history: bool) -> None:
    names = EVENT if history else CAMERA
    cells = [[_cell(office, row, name) for name in names] for row in rows]
    for line in table(names, cells, office.lang):
        typer.echo(line)


def _cell(office: Office, row: dict[str, Any], name: str) -> str:
    value = row["kind" if name == "health" else "link" if name == "state" else name]
    if name == "health":
        return health_word(value or "ok", office.lang)
    if name == "state":
        return state_word(value, office.lang)
    if name in TIMES:
        return clock(value, office.zone)
    if name == "value":
        return f"{value:.3g}"
    return str(value)[:12] if name == "sha256" and value else str(value or "-")


def _print(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        told = {name: instant(value) if isinstance(value, datetime) else value for name, value in row.items()}
        typer.echo(json.dumps(told, ensure_ascii=False))
