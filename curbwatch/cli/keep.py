"""``curbwatch keep show|run|hold|release``: how long things are kept, what goes, and what must not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from alerts.desk.lifecycle import Act, not_theirs
from alerts.desk.words import refusal_line
from alerts.keeping import holds as legal
from alerts.messages import Lang
from alerts.store import AlertDatabase
from alerts.wire import instant
from curbwatch.chores import CHORES_LOCK
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language, TokenFile, Who
from curbwatch.cli.table import clock, grouped, table
from curbwatch.cli.words import data_word
from curbwatch.keeping import Keeping, make_keeping
from curbwatch.letters import since_of
from curbwatch.office import Office, open_stores
from schemas.errors import CurbwatchError, SaidError
from schemas.record import Actor

keep_app = typer.Typer(no_args_is_help=True, help="How long things are kept, and what nobody may delete.")
app.add_typer(keep_app, name="keep")

HOLD_HEADS = ("hold", "held", "person", "reason", "since", "released_at")

Reason = Annotated[str, typer.Option("--reason", help="Why: it is written down; needed.")]


@dataclass(frozen=True, slots=True)
class Keeper:
    """What the verbs work with."""

    office: Office
    database: AlertDatabase
    keeping: Keeping

    def actor(self, act: Act, person: str, token_file: Path | None) -> Actor:
        """Who holds or releases something: whoever may at the desk. Raises UsageError."""
        actor = self.office.actor(person, token_file)
        refusal = not_theirs(act, actor)
        if refusal is not None:
            raise SaidError(refusal_line(refusal, act, "en"), refusal_line(refusal, act, "zh"))
        return actor


@keep_app.command("show")
def keep_show(
    *,
    released: Annotated[bool, typer.Option("--released", help="Holds that ended, too.")] = False,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show each class of data with its term, what of it would go now, and the holds."""
    with _keeper(config, lang) as keeper:
        now, knobs = datetime.now(UTC), keeper.office.site.config.keeping
        waiting = keeper.keeping.waiting(now)
        with keeper.database.transaction() as conn:
            found = legal.holds(conn, released=released)
        terms = {name: getattr(knobs, f"{name}_days") for name in waiting}
        if as_json:
            told = {"terms_days": terms, "waiting": waiting, "holds": [_told(hold) for hold in found]}
            typer.echo(json.dumps(told, ensure_ascii=False))
            return
        lang, zone = keeper.office.lang, keeper.office.zone
        rows = [(data_word(name, lang), terms[name], grouped(waiting[name])) for name in terms]
        for line in table(("data", "days", "due"), rows, lang):
            typer.echo(line)
        typer.echo("")
        held = [
            (hold.hold_id, _of(hold), hold.person, hold.reason, clock(hold.since, zone), clock(hold.released_at, zone))
            for hold in found
        ]
        for line in table(HOLD_HEADS, held, lang):
            typer.echo(line)


@keep_app.command("run")
def keep_run(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; say what would go.")] = False,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Count what is not counted and delete what is over its term, all of it at once; `run` does it bit by bit."""
    with _keeper(config, lang) as keeper:
        now = datetime.now(UTC)
        if dry_run:
            done: dict[str, Any] = keeper.keeping.waiting(now) | {"dry_run": True}
        elif keeper.database.leads(CHORES_LOCK):
            done = keeper.keeping.run(now, lambda line: typer.echo(line, err=True))
        else:
            english = "a `curbwatch run` does this just now, every half minute: see `keep show`, or end that one first"
            chinese = "`curbwatch run` 正在清理,每半分钟一次:见 `keep show`,或先停止它"
            raise CurbwatchError(english if keeper.office.lang == "en" else chinese)
        tongue = keeper.office.lang
    if as_json:
        typer.echo(json.dumps(done))
    else:
        for name, count in done.items():
            typer.echo(f"{data_word(name, tongue):14} {grouped(count)}")


@keep_app.command("hold")
def keep_hold(  # noqa: PLR0913  # one argument per option of the command line
    *,
    person: Who = "",
    token_file: TokenFile = None,
    reason: Reason = "",
    incident: Annotated[str, typer.Option("--incident", help="Hold this incident, its pictures and sightings.")] = "",
    device: Annotated[str, typer.Option("--device", help="Hold what this device told from --from to --to.")] = "",
    begin: Annotated[str, typer.Option("--from", help="7d, or a time with its zone.")] = "",
    end: Annotated[str, typer.Option("--to", help="The same; empty: now.")] = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Hold something, so that it is not deleted until the hold is released. The record says who and why."""
    with _keeper(config, lang) as keeper:
        if bool(incident) == bool(device) or (device and not begin) or (incident and (begin or end)):
            raise SaidError(
                "say --incident ID, or --device ID with --from and --to",
                "请给出 --incident 编号,或 --device 编号及 --from 和 --to",
            )
        now = datetime.now(UTC)
        span = (since_of(begin, now), since_of(end, now) if end else now) if device else (now, now)
        actor = keeper.actor(Act.HOLD, person, token_file)
        with keeper.database.transaction() as conn:
            if incident:
                hold_id = legal.hold_incident(conn, incident, actor, reason)
            else:
                hold_id = legal.hold_device(conn, device, *span, actor.name, reason)
        said = f"hold {hold_id}" if keeper.office.lang == "en" else f"已保全,编号 {hold_id}"
    typer.echo(json.dumps({"hold": hold_id}) if as_json else said)


@keep_app.command("release")
def keep_release(
    hold_id: Annotated[int, typer.Argument(metavar="HOLD", help="Its number: see `keep show`.")],
    *,
    person: Who = "",
    token_file: TokenFile = None,
    reason: Reason = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """End a hold; what is over its term then goes at the next turn."""
    with _keeper(config, lang) as keeper:
        actor = keeper.actor(Act.RELEASE, person, token_file)
        with keeper.database.transaction() as conn:
            legal.release(conn, hold_id, actor, reason)
        said = f"hold {hold_id} released" if keeper.office.lang == "en" else f"保全 {hold_id} 已解除"
    typer.echo(json.dumps({"released": hold_id}) if as_json else said)


@contextmanager
def _keeper(config: Path | None, lang: Lang | None) -> Iterator[Keeper]:
    with open_stores(config, lang) as (office, database):
        site = office.site
        yield Keeper(office, database, make_keeping(database, site.config, office.zone.key, site.edition))


def _of(hold: legal.Hold) -> str:
    """What is held, on one line."""
    if hold.incident_id is not None or hold.from_at is None or hold.to_at is None:
        return str(hold.incident_id)
    return f"{hold.device_id} {instant(hold.from_at)}/{instant(hold.to_at)}"


def _told(hold: legal.Hold) -> dict[str, Any]:
    names = hold.__dataclass_fields__
    values = {name: getattr(hold, name) for name in names}
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in values.items()}
