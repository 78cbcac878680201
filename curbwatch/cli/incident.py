"""``curbwatch incident list|show|confirm``: what was seen, what is known of it, and a person's word."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from alerts.evidence import EvidenceFolder
from alerts.messages import headline, state_name
from alerts.wire import incident_state, instant, job_state
from curbwatch.case_facts import facts_of_case, picture_json
from curbwatch.cli.app import app
from curbwatch.cli.dispatch import ConfigFile, Json, Language, Person, Teller
from curbwatch.desk import Desk, open_desk
from curbwatch.people import person_of
from curbwatch.reports import Kind
from schemas.errors import UsageError
from schemas.incident import IncidentEvent, IncidentRow
from schemas.record import State

incident_app = typer.Typer(no_args_is_help=True, help="Incidents: list, look at one, confirm one.")
app.add_typer(incident_app, name="incident")

IncidentId = Annotated[str, typer.Argument(metavar="ID", help="The incident's id.")]


@incident_app.command("list")
def incident_list(
    *,
    state: Annotated[State | None, typer.Option("--state", help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many, newest first.")] = 50,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List incidents, newest first: when opened, state, id, what and where."""
    with open_desk(config, lang) as desk:
        now = datetime.now(UTC)
        for row in desk.incidents.recent(limit, state=state or ""):
            if as_json:
                typer.echo(json.dumps(_stated(desk, row, now), ensure_ascii=False))
            else:
                typer.echo(f"{_clock(desk, row.opened_at)}  {row.incident_id}  {_titled(desk, row, now)}")


@incident_app.command("show")
def incident_show(
    incident_id: Annotated[str, typer.Argument(metavar="[ID]", help="The incident's id.")] = "",
    *,
    ref: Annotated[str, typer.Option("--ref", metavar="NO", help="Instead: a complaint's or finding's own.")] = "",
    kind: Annotated[Kind | None, typer.Option("--kind", help="Whose number that is, where two use it.")] = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show everything that is known of one incident: facts, job, pictures with their digests, reports, every step."""
    if bool(incident_id) == bool(ref):
        raise UsageError("show which? an ID, or --ref NO of a complaint or finding")
    with open_desk(config, lang) as desk:
        now = datetime.now(UTC)
        incident_id = incident_id or desk.incidents.of_ref(ref, kind or "")
        row = desk.incidents.show(incident_id)
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
        for key, value in asdict(row).items():
            shown = _clock(desk, value) if isinstance(value, datetime) else "-" if value in {None, ""} else value
            typer.echo(f"  {key:15} {shown}")
        if job is not None:
            typer.echo(f"job             {job.job_id}  {state_name(job.state, desk.lang)} {job.urgency} {job.holder}")
        for picture in pictures:
            whole = "intact" if picture["intact"] else "NOT INTACT OR MISSING"
            typer.echo(f"{picture['role']:15} sha256 {picture['sha256']}  {picture['size_bytes']} bytes  {whole}")
            typer.echo(f"{'':15} {picture['path'] or f'no folder {desk.site.evidence_dir}'}")
        for line in facts.lines(desk.lang, lambda when: _clock(desk, when)):
            typer.echo(line)
        for event in events:
            detail = " ".join(f"{key}={value}" for key, value in event.detail.items())
            typer.echo(f"{_clock(desk, event.at)}  {event.actor:12} {event.what:14} {detail}".rstrip())


@incident_app.command("confirm")
def incident_confirm(
    incident_id: IncidentId,
    *,
    person: Person,
    urgent: Annotated[bool, typer.Option("--urgent", help="Put its job before the others.")] = False,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that a waiting incident is real: its job goes out. The name goes into the record."""
    person = person_of(person)
    with open_desk(config, lang) as desk:
        code = desk.incidents.show(incident_id).class_code
        case = desk.site.pack.city.classes.get(code)
        desk.incidents.confirm(incident_id, person, urgent=urgent or (case is not None and case.urgent))
        job = desk.jobs.of_incident(incident_id)
        if job is not None:
            Teller(desk, as_json).job("confirmed", job)


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
