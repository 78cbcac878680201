"""``curbwatch dispatch show``: one job on one page: what, where, how long, pictures, and what happened so far."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import typer

from alerts.incidents.evidence import EvidenceFolder
from alerts.jobs.board import BoardRow, board_of
from alerts.messages import job_lines, job_state_name
from alerts.record.words import PARTS, actor_name, step_words
from alerts.wire import instant
from curbwatch.board import Painter
from curbwatch.build import make_picker
from curbwatch.case_facts import picture_json, role_name
from curbwatch.cli.dispatch import JobId, dispatch_app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.output import escaped
from curbwatch.desk import Desk, open_desk
from schemas.incident import IncidentRow, Job


@dispatch_app.command("show")
def dispatch_show(job: JobId, *, config: ConfigFile = None, lang: Language = None, as_json: Json = False) -> None:
    """Show one job: what, where with a link for a map, its limit, who has it and why, its pictures, every step."""
    with open_desk(config, lang) as desk:
        now, found = datetime.now(UTC), desk.jobs.find(job)
        if not as_json:
            typer.echo("\n".join(shown_lines(desk, found, now)))
            return
        incident_id = found.incident.incident_id
        steps = desk.incidents.events(incident_id)
        told: dict[str, Any] = desk.job_event("shown", found, now) | {
            "geo": geo(found.incident),
            "pictures": [picture_json(one, _folder(desk)) for one in desk.incidents.pictures(incident_id)],
            "events": [
                {"at": instant(step.at), "actor": step.actor, "what": step.what, "detail": dict(step.detail)}
                for step in steps
            ],
        }
        typer.echo(json.dumps(told, ensure_ascii=False))


def geo(incident: IncidentRow) -> str:
    """Where it is as a link that map programs open, RFC 5870, WGS-84; empty: not known."""
    if incident.lon is None or incident.lat is None:
        return ""
    return f"geo:{incident.lat:.6f},{incident.lon:.6f}"


def shown_lines(desk: Desk, job: Job, now: datetime, reader: str = "") -> list[str]:
    """The page as lines: big facts first; ``reader`` is shown how to end what they hold."""
    english, city = desk.lang == "en", desk.site.pack.city
    zone = ZoneInfo(city.timezone)
    first, *rest = job_lines(city, desk.names, job, desk.lang, now, reader)
    holder = f" @{job.holder}" if job.holder else ""
    lines = [first, f"  [{job_state_name('stuck' if job.stuck else job.state, desk.lang)}]{holder}", *rest]
    row = _row(desk, job)
    if row.due_at is not None:
        lines.append("  " + Painter(city, desk.names, job.unit_id, desk.lang).limit(row, now))
    if place := geo(job.incident):
        lines.append(("  地图 ", "  map ")[english] + place)
    folder = _folder(desk)
    for one in desk.incidents.pictures(job.incident.incident_id):
        digest = one.record.sha256
        lines.append(f"  {role_name(one.role, desk.lang)}  {digest if folder is None else folder.path(digest)}")
    for step in desk.incidents.events(job.incident.incident_id):
        who = actor_name(step.actor, "system" if step.actor in PARTS else "", desk.lang)
        said = step_words(city, step.what, step.detail, desk.lang)
        lines.append(f"  {step.at.astimezone(zone):%m-%d %H:%M:%S}  {who}  {said}")
    return [escaped(line) for line in lines]


def _row(desk: Desk, job: Job) -> BoardRow:
    """The job as the board has it; without a limit where it has ended."""
    rows = board_of(desk.database, make_picker(desk.site), job.unit_id)
    return next((row for row in rows if row.job.job_id == job.job_id), BoardRow(job))


def _folder(desk: Desk) -> EvidenceFolder | None:
    """Where pictures are; None where that is not this machine."""
    return EvidenceFolder(desk.site.evidence_dir) if desk.site.evidence_dir.is_dir() else None
