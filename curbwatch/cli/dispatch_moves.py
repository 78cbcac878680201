"""``curbwatch dispatch reassign|escalate|dead``: a dispatcher's word on a job."""

from typing import Annotated

import typer

from curbwatch.cli.dispatch import JobId, Teller, Unit, dispatch_app
from curbwatch.cli.options import ConfigFile, Json, Language, TokenFile, Who
from curbwatch.desk import open_desk
from schemas.errors import SaidError

Reason = Annotated[str, typer.Option("--reason", help="Why; goes into the record; needed.")]


@dispatch_app.command("reassign")
def dispatch_reassign(  # noqa: PLR0913  # one argument per option of the command line
    job: JobId,
    *,
    person: Who = "",
    token_file: TokenFile = None,
    to: Annotated[str, typer.Option("--to", metavar="UNIT", help="The unit that gets it; needed.")] = "",
    reason: Reason = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Give a job that waits or is held to another unit. Whoever held it holds it no more."""
    with open_desk(config, lang) as desk:
        if not to:
            listed = ", ".join(sorted(desk.units))
            raise SaidError(f"to which unit? --to UNIT, one of: {listed}", f"改派给哪个单位?--to 单位,可用:{listed}")
        moved = desk.moves.reassign(job, desk.actor(person, token_file), desk.unit(to), reason)
        Teller(desk, as_json).job("reassigned", moved, reason=reason)


@dispatch_app.command("escalate")
def dispatch_escalate(
    job: JobId,
    *,
    person: Who = "",
    token_file: TokenFile = None,
    reason: Reason = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Send a job that nobody took to the next unit on duty, before the others; the sweep does so by itself."""
    with open_desk(config, lang) as desk:
        before = desk.jobs.find(job).unit_id
        moved = desk.moves.escalate(job, desk.actor(person, token_file), reason)
        Teller(desk, as_json).job("escalated", moved, reason=reason, moved=moved.unit_id != before)


@dispatch_app.command("dead")
def dispatch_dead(
    *,
    requeue: Annotated[
        str, typer.Option("--requeue", metavar="JOB", help="Put this one in the queue again; --as says who.")
    ] = "",
    person: Who = "",
    token_file: TokenFile = None,
    unit: Unit = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List the jobs that were set aside because no terminal got past them, and queue entries that lead to no job."""
    with open_desk(config, lang) as desk:
        teller = Teller(desk, as_json)
        if requeue:
            teller.job("requeued", desk.moves.unstick(requeue, desk.actor(person, token_file)))
            return
        units = [desk.unit(unit)] if unit else sorted(desk.units)
        found = [job for job in desk.moves.stuck() if job.unit_id in units]
        for job in found:
            teller.job("dead", job)
        stray = [(one, dead) for one in units for dead in desk.queue.buried(one) if dead.reason == "unreadable"]
        for unit_id, dead in stray:
            teller.plain("stray", unit_id=unit_id, message=f"{unit_id} {dead.job_id!r}")
        if not found and not stray and not as_json:
            typer.echo("no job is set aside" if desk.lang == "en" else "没有滞留任务")
