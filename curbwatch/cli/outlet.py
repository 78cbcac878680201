"""``curbwatch outlet list|retry``: what other systems were told, and what they would not take."""

import json
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from alerts.outlets.store import OutletStore, Told
from alerts.wire import instant
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.table import clock, table
from curbwatch.desk import open_desk
from schemas.errors import SaidError

outlet_app = typer.Typer(no_args_is_help=True, help="Other systems: what they were told, and what waits for them.")
app.add_typer(outlet_app, name="outlet")

COLUMNS = ("outlet", "incident_id", "seq", "what", "state", "tries", "next_try", "status", "receipt", "error")


class MessageState(StrEnum):
    """Where a message to another system is."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"


Outlet = Annotated[str, typer.Option("--outlet", metavar="NAME", help="Only this one.")]
Incident = Annotated[str, typer.Option("--incident", metavar="ID", help="Only of this incident.")]


@outlet_app.command("list")
def outlet_list(
    *,
    outlet: Outlet = "",
    incident: Incident = "",
    state: Annotated[MessageState | None, typer.Option("--state", help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many, newest first.")] = 50,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List messages to other systems, newest first: step, tries, the last answer, the other side's receipt."""
    with open_desk(config, lang) as desk:
        found = OutletStore(desk.database).listed(outlet=outlet, state=state or "", incident_id=incident, limit=limit)
        if as_json:
            for one in found:
                typer.echo(json.dumps(_plain(one), ensure_ascii=False))
            return
        zone = ZoneInfo(desk.site.pack.city.timezone)
        rows = [[_shown(getattr(one, name), zone) for name in COLUMNS] for one in found]
        for line in table(COLUMNS, rows, desk.lang):
            typer.echo(line)


@outlet_app.command("retry")
def outlet_retry(
    *,
    outlet: Outlet = "",
    incident: Incident = "",
    everything: Annotated[bool, typer.Option("--all", help="Of every outlet and incident.")] = False,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Try again what was given up, and at once what waits."""
    with open_desk(config, lang) as desk:
        if not (outlet or incident or everything):
            raise SaidError(
                "try what again? --outlet NAME, --incident ID or --all",
                "要重新发送什么?--outlet 名称、--incident 编号或 --all",
            )
        count = OutletStore(desk.database).retry(outlet=outlet, incident_id=incident)
        if as_json:
            typer.echo(json.dumps({"event": "retried", "messages": count}))
        else:
            typer.echo(f"messages to try again: {count}" if desk.lang == "en" else f"重新发送: {count} 条")


def _plain(one: Told) -> dict[str, Any]:
    return {key: instant(value) if isinstance(value, datetime) else value for key, value in asdict(one).items()}


def _shown(value: object, zone: ZoneInfo) -> str:
    if isinstance(value, datetime):
        return clock(value, zone)
    return "-" if value in {None, ""} else str(value)
