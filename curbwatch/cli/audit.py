"""``curbwatch audit verify|head|voids``: whether the record is as it was written, and who voided how much."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from alerts.desk.actions import CaseActions
from alerts.desk.reasons import VOIDS
from alerts.desk.words import role_name
from alerts.record.audit import verify
from alerts.record.seals import newest_seal
from alerts.record.words import audit_lines
from alerts.store import AlertDatabase
from alerts.wire import instant
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.table import clock, grouped, table
from curbwatch.letters import since_of
from curbwatch.office import open_stores
from schemas.errors import SaidError

audit_app = typer.Typer(no_args_is_help=True, help="The record: whether it is as it was written.")
app.add_typer(audit_app, name="audit")


@audit_app.command("verify")
def audit_verify(
    *,
    head: Annotated[
        str, typer.Option("--head", help="A seal's hash that was kept elsewhere must still be there.")
    ] = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Check every row, chain and seal of the record. Ends with 1 where anything is not as it was written."""
    head = re.sub(r"\s", "", head).lower()
    with open_stores(config, lang) as (office, database):
        if head and not re.fullmatch(r"[0-9a-f]{64}", head):
            raise SaidError(
                "--head: 64 hexadecimal digits, as `curbwatch audit head` prints them",
                "--head:64 位十六进制数,即 `curbwatch audit head` 所示",
            )
        with _progress(database) as tell:
            audit = verify(database, head=head, tell=tell)
        tongue = office.lang
    if as_json:
        told = asdict(audit) | {"findings": [asdict(finding) for finding in audit.findings]}
        typer.echo(json.dumps({"ok": not audit.findings} | told, ensure_ascii=False))
    else:
        for line in audit_lines(audit, tongue):
            typer.echo(line)
    if audit.findings:
        raise typer.Exit(1)


@audit_app.command("head")
def audit_head(*, config: ConfigFile = None, lang: Language = None, as_json: Json = False) -> None:
    """Print the newest seal, to be kept elsewhere: on paper, on another machine. Ends with 1 where there is none."""
    with open_stores(config, lang) as (office, database):
        seal = newest_seal(database)
        if seal is None:
            english = "no seal yet: `curbwatch run` seals the record each second"
            typer.echo(english if office.lang == "en" else "尚无封存:`curbwatch run` 每秒封存一次记录", err=True)
            raise typer.Exit(1)
        if as_json:
            at = instant(seal.sealed_at)
            typer.echo(json.dumps({"seal": seal.seal_id, "sealed_at": at, "hash": seal.hash.hex()}))
            return
        number, when = grouped(seal.seal_id), clock(seal.sealed_at, office.zone)
        typer.echo(f"seal {number} of {when}" if office.lang == "en" else f"封存 {number},{when}")
        digits = seal.hash.hex()
        typer.echo("  " + " ".join(digits[at : at + 8] for at in range(0, 32, 8)))
        typer.echo("  " + " ".join(digits[at : at + 8] for at in range(32, 64, 8)))


@audit_app.command("voids")
def audit_voids(
    *,
    since: Annotated[str, typer.Option("--since", help="30d, or a time with its zone.")] = "30d",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Count who voided how many cases, for which reason, and who asked a second person to."""
    with open_stores(config, lang) as (office, database):
        rows = CaseActions(database, lambda: office.site.pack.city).voids(since_of(since, datetime.now(UTC)))
        if as_json:
            for row in rows:
                typer.echo(json.dumps(row, ensure_ascii=False))
            return
        told = [
            (
                row["actor"],
                role_name(row["role"], office.lang),
                _reason(row["reason"], office.lang == "en"),
                row["count"],
                row["asked"],
            )
            for row in rows
        ]
        for line in table(("person", "role", "reason", "voided", "asked"), told, office.lang):
            typer.echo(line)


def _reason(code: str, english: bool) -> str:
    known = VOIDS.get(code)
    if known is None:
        return code
    return known.en if english else known.zh


@contextmanager
def _progress(database: AlertDatabase) -> Iterator[Callable[[int], None]]:
    """How far it is, on standard error of a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _rows: None
        return
    with database.transaction() as conn:
        row = conn.execute("select greatest(reltuples, 0)::bigint as n from pg_class where relname = 'incident_event'")
        found = row.fetchone()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("record", total=None if found is None or not found["n"] else int(found["n"]))
        yield lambda rows: progress.update(task, completed=rows)
