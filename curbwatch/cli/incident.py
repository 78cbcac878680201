"""``curbwatch incident list|show|log``: what was seen, and what is known of it."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from alerts.desk.card import card
from alerts.desk.listing import Asked, Listed, listed
from alerts.incidents.evidence import EvidenceFolder
from alerts.messages import duration, headline, job_state_name, state_name, unit_name
from alerts.record.reading import row_json, rows_of
from alerts.record.words import PARTS, actor_name, step_words
from alerts.wire import incident_state, instant, job_state
from curbwatch.case_facts import facts_of_case, picture_json, picture_lines
from curbwatch.cli.acting import console
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.output import escaped
from curbwatch.cli.words import NONE
from curbwatch.desk import Desk, open_desk
from curbwatch.letters import since_of
from curbwatch.reports import Kind
from schemas.errors import SaidError
from schemas.incident import IncidentEvent, IncidentRow
from schemas.record import State

incident_app = typer.Typer(no_args_is_help=True, help="Incidents: list them, look at one, decide.")
app.add_typer(incident_app, name="incident")

IncidentId = Annotated[str, typer.Argument(metavar="ID", help="Its id, the first 8 digits of it, or its case number.")]


@incident_app.command("list")
def incident_list(  # noqa: PLR0913  # one argument per option of the command line
    *,
    state: Annotated[State | None, typer.Option("--state", help="Only those in this state.")] = None,
    unit: Annotated[str, typer.Option("--unit", help="Whose job it is.")] = "",
    cell: Annotated[str, typer.Option("--cell", help="A cell, or the first digits of one.")] = "",
    class_code: Annotated[str, typer.Option("--class", help="Five digits.")] = "",
    camera: Annotated[str, typer.Option("--camera", help="Its camera.")] = "",
    since: Annotated[str, typer.Option("--since", help="Opened since: 2h, 7d, or a time with its zone.")] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="A limit has run out.")] = False,
    unrouted: Annotated[bool, typer.Option("--unrouted", help="Open, and nobody has its job or will.")] = False,
    past: Annotated[bool, typer.Option("--suspended-past", help="Suspended until a time that is past.")] = False,
    still: Annotated[bool, typer.Option("--open", help="What has not ended.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many.")] = 50,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List incidents, newest first; with `--state verify` as they wait for a person: urgent, then oldest first."""
    with open_desk(config, lang) as desk:
        now = datetime.now(UTC)
        asked = Asked(
            state=state or "",
            unit=desk.unit(unit) if unit else "",
            cell=cell,
            class_code=class_code,
            camera=camera,
            since=since_of(since, now) if since else None,
            overdue=overdue,
            unrouted=unrouted,
            open_only=still,
            suspended_past=past,
            limit=limit,
        )
        out = console()
        found = listed(desk.database, asked, desk.incidents.rules)
        for one in found:
            if as_json:
                typer.echo(json.dumps(_listed_json(desk, one, now), ensure_ascii=False))
            else:
                out.print(_line(desk, one, now))
        if not found and not as_json:
            typer.echo(NONE[desk.lang == "en"])


@incident_app.command("show")
def incident_show(
    incident_id: Annotated[str, typer.Argument(metavar="[ID]", help="As for the other verbs.")] = "",
    *,
    ref: Annotated[str, typer.Option("--ref", metavar="NO", help="Instead: a complaint's or finding's own.")] = "",
    kind: Annotated[Kind | None, typer.Option("--kind", help="Whose number that is, where two use it.")] = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show everything that is known of one incident: facts, job, pictures with their digests, reports, every step."""
    with open_desk(config, lang) as desk:
        if bool(incident_id) == bool(ref):
            raise SaidError(
                "show which? an ID, or --ref NO of a complaint or finding",
                "要看哪一件?请给出案件编号,或用 --ref 给出投诉或上报的编号",
            )
        now = datetime.now(UTC)
        incident_id = incident_id or desk.incidents.of_ref(ref, kind or "")
        row = desk.incidents.show(incident_id)
        incident_id = row.incident_id
        job = desk.jobs.of_incident(incident_id)
        folder = EvidenceFolder(desk.site.evidence_dir) if desk.site.evidence_dir.is_dir() else None
        facts = facts_of_case(desk.incidents, incident_id, folder)
        pictures = [picture_json(picture, folder) for picture in facts.pictures]
        events = desk.incidents.events(incident_id)
        if as_json:
            known = {"incident": _stated(desk, row, now), "job": None if job is None else job_state(job)}
            more = {"evidence": pictures, "events": [_step(event) for event in events]}
            typer.echo(json.dumps(known | more | facts.as_json(desk.lang), ensure_ascii=False))
            return
        typer.echo(_titled(desk, row, now))
        for line in card(desk.site.pack.city, desk.names, row, desk.lang):
            typer.echo(f"  {escaped(line)}")
        if job is not None:
            holder = f"  @{escaped(job.holder)}" if job.holder else ""
            word = ("任务", "job")[desk.lang == "en"]
            whose = unit_name(desk.site.pack.city, job.unit_id, desk.lang)
            told = f"{job_state_name(job.state, desk.lang)}  {escaped(whose)}{holder}"
            typer.echo(f"  {word} {job.job_id}  {told}")
        for picture in pictures:
            for line in picture_lines(picture, desk.lang, str(desk.site.evidence_dir)):
                typer.echo(line)
        for line in facts.lines(desk.lang, lambda when: _clock(desk, when)):
            typer.echo(line)
        out = console()
        for event in events:
            out.print(_told(desk, event))


@incident_app.command("log")
def incident_log(
    incident_id: IncidentId, *, config: ConfigFile = None, lang: Language = None, as_json: Json = False
) -> None:
    """Print the rows of an incident's record as they are hashed: number, moment, who, what, state, hash, detail."""
    with open_desk(config, lang) as desk:
        for row in rows_of(desk.database, incident_id):
            if as_json:
                typer.echo(json.dumps(row_json(row), ensure_ascii=False))
                continue
            head = f"{row.seq:4} {_clock(desk, row.at)}  {escaped(row.actor)} ({row.role})  {row.what} → {row.state}"
            typer.echo(f"{head}  {row.hash.hex()[:16]}")
            if row.detail:
                typer.echo(f"     {escaped(json.dumps(row_json(row)['detail'], ensure_ascii=False))}")


def _stated(desk: Desk, row: IncidentRow, now: datetime) -> dict[str, Any]:
    return incident_state(row) | {
        "decided_by": row.decided_by,
        "sightings": row.sightings,
        "headline": headline(desk.site.pack.city, desk.names, row, desk.lang, now),
    }


def _titled(desk: Desk, row: IncidentRow, now: datetime) -> str:
    told = headline(desk.site.pack.city, desk.names, row, desk.lang, now)
    return f"[{state_name(row.state, desk.lang)}] {told}"


def _clock(desk: Desk, when: datetime) -> str:
    return when.astimezone(ZoneInfo(desk.site.pack.city.timezone)).strftime("%Y-%m-%d %H:%M:%S")


def _step(event: IncidentEvent) -> dict[str, Any]:
    return {"at": instant(event.at), "actor": event.actor, "what": event.what, "detail": dict(event.detail)}


def _told(desk: Desk, event: IncidentEvent) -> Text:
    """A step as a person reads it."""
    city = desk.site.pack.city
    role = "system" if event.actor in PARTS else ""
    said = step_words(city, event.what, event.detail, desk.lang)
    return Text.assemble(
        (_clock(desk, event.at), "dim"),
        "  ",
        (escaped(actor_name(event.actor, role, desk.lang)), "bold"),
        "  ",
        escaped(said),
    )


def _line(desk: Desk, one: Listed, now: datetime) -> Text:
    """One incident on one line: lamp, when, id, state, what and where."""
    lamp = ("●", one.lamp) if one.lamp else ("○", "dim")
    due = ""
    if one.due_at is not None:
        left_s = (one.due_at - now).total_seconds()
        late = ("超", "late ") if left_s < 0 else ("余", "left ")
        due = f"  {late[desk.lang == 'en']}{duration(abs(left_s), desk.lang)}"
    urgent = ("!", "bold red") if one.row.urgent else (" ", "")
    who = f"  @{escaped(one.holder)}" if one.job_state == "taken" else ""
    when, title = _clock(desk, one.row.opened_at), escaped(_titled(desk, one.row, now))
    second = ("  待另一人确认作废", "  to be voided by a second person")[desk.lang == "en"] if one.void_asked else ""
    return Text.assemble(
        lamp, urgent, f" {when}  {one.row.incident_id}  {title}", (due, one.lamp), who, (second, "bold")
    )


def _listed_json(desk: Desk, one: Listed, now: datetime) -> dict[str, Any]:
    return _stated(desk, one.row, now) | {
        "version": one.row.version,
        "case_no": one.row.case_no,
        "urgent": one.row.urgent,
        "lamp": one.lamp,
        "due_at": instant(one.due_at),
        "holder": one.holder,
        "held_by": one.held_by,
        "quiet": one.quiet,
        "void_asked": one.void_asked,
    }
