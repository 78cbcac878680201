"""``curbwatch dispatch watch|take|done|reject``: a crew's terminal."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from time import monotonic
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from alerts.messages import AGAIN, STAYED, after_done, event_line, job_lines, job_state_name
from alerts.record.text import refuse_text
from alerts.wire import instant
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Key, Language, TokenFile, Who
from curbwatch.crew import Crew, Taken, Watch
from curbwatch.desk import Desk, open_desk
from schemas.errors import SinkError
from schemas.incident import Job

dispatch_app = typer.Typer(no_args_is_help=True, help="Jobs: a crew sees, takes, ends or gives them back.")
app.add_typer(dispatch_app, name="dispatch")

LOOK_S = 1.0  # between two looks of `watch` at the database
DRAW_S = 0.5  # between two tries of `take --wait`

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
Person = Annotated[str, typer.Option("--as", metavar="PERSON", help="Who decides: it goes into the record.")]
Unit = Annotated[
    str,
    typer.Option(
        "--unit", help="Whose jobs, id or name; default: the unit of PERSON in staff.csv, or the only one there is."
    ),
]


@dataclass(frozen=True, slots=True)
class Teller:
    """Says what happened, to a person or to a program; ``person``: who is told, empty: who holds nothing."""

    desk: Desk
    as_json: bool
    person: str = ""

    def job(self, event: str, job: Job, **more: Any) -> None:  # noqa: ANN401  # plain JSON values
        """Say what happened to a job; one that an escalation did not move (``moved``) is told as such."""
        now = datetime.now(UTC)
        if self.as_json:
            _line(self.desk.job_event(event, job, now) | more)
            return
        state = f" ({job_state_name(job.state, self.desk.lang)})" if event == "not_taken" else ""
        holder = f" @{job.holder}" if job.holder else ""
        english = self.desk.lang == "en"
        word = STAYED[english] if more.get("moved") is False else event_line(event, self.desk.lang)
        again = AGAIN[english] if more.get("again") else ""
        typer.echo(f"{self._clock(now)} {word}{again}{state}{holder}")
        for line in job_lines(self.desk.site.pack.city, self.desk.names, job, self.desk.lang, now, self.person):
            typer.echo(line)
        if event == "done" and (then := after_done(job.incident, self.desk.lang)):
            typer.echo(f"  {then}")

    def plain(self, event: str, **more: Any) -> None:  # noqa: ANN401  # plain JSON values
        """Say something that is about no job."""
        now = datetime.now(UTC)
        if self.as_json:
            _line({"event": event, "at": instant(now)} | more)
        else:
            detail = f": {more['message']}" if "message" in more else ""
            typer.echo(f"{self._clock(now)} {event_line(event, self.desk.lang)}{detail}")

    def _clock(self, now: datetime) -> str:
        return now.astimezone(ZoneInfo(self.desk.site.pack.city.timezone)).strftime("%H:%M:%S")


@dispatch_app.command("take")
def dispatch_take(  # noqa: PLR0913  # one argument per option of the command line
    job: Annotated[str, typer.Argument(metavar="JOB", help="This job; without it the next one of the unit.")] = "",
    *,
    person: Who = "",
    token_file: TokenFile = None,
    unit: Unit = "",
    wait_s: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for a job.")] = 0.0,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Take a job for PERSON: the next of the unit, urgent first, or the named one. Ends with 1 where none is had."""
    with open_desk(config, lang) as desk:
        person = desk.crew(person, token_file)
        teller = Teller(desk, as_json, person)
        if job:
            taken = desk.jobs.take(job, person)
            found = None if taken is None else Taken(taken)
        else:
            found = _next(desk, desk.unit(unit, person), person, wait_s)
        if found is not None:
            teller.job("taken", found.job, again=found.again)
            # Told after it was printed: a terminal that died in between gets the job again.
            desk.jobs.shown(found.job.job_id, person)
            return
        if job:
            teller.job("not_taken", desk.jobs.find(job))
        else:
            teller.plain("none")
    raise typer.Exit(1)


@dispatch_app.command("watch")
def dispatch_watch(
    *,
    person: Annotated[str, typer.Option("--as", metavar="PERSON", help="Whose leases to renew while it runs.")] = "",
    token_file: TokenFile = None,
    unit: Unit = "",
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="End by itself after so long.")] = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show the unit's jobs as they come and go, take none; keep the leases of PERSON alive. Ends on Ctrl-C, SIGTERM."""
    with stopping() as stop, open_desk(config, lang) as desk:
        person = desk.crew(person, token_file) if person or token_file else ""
        teller = Teller(desk, as_json, person)
        watch = Watch(desk.jobs, desk.unit(unit, person), person, monotonic_s=monotonic)
        ends_s = None if seconds is None else monotonic() + seconds
        away = False
        while not stop.is_set():
            away = _look(watch, teller, away=away)
            left_s = LOOK_S if ends_s is None else min(LOOK_S, ends_s - monotonic())
            if left_s <= 0:
                break
            stop.wait(left_s)
        teller.plain("stopped")


@dispatch_app.command("done")
def dispatch_done(  # noqa: PLR0913  # one argument per option of the command line
    job: JobId,
    *,
    person: Who = "",
    token_file: TokenFile = None,
    note: Annotated[str, typer.Option("--note", help="What was done; goes into the record.")] = "",
    key: Key = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that the job which PERSON holds is dealt with. Its incident ends, or waits for its check (核查)."""
    with open_desk(config, lang) as desk:
        refuse_text(note, "--note")
        person = desk.crew(person, token_file)
        Teller(desk, as_json).job("done", desk.jobs.done(job, person, note, key))


@dispatch_app.command("reject")
def dispatch_reject(
    job: JobId,
    *,
    person: Who = "",
    token_file: TokenFile = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; goes into the record; needed.")] = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Give the job which PERSON holds back to the unit's queue, with a reason."""
    with open_desk(config, lang) as desk:
        refuse_text(reason, "--reason")
        person = desk.crew(person, token_file)
        Teller(desk, as_json).job("rejected", desk.jobs.reject(job, person, reason), reason=reason)


@contextmanager
def stopping() -> Iterator[Event]:
    """Lend an event that SIGINT and SIGTERM set, instead of ending the process in the middle of something."""
    stop = Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda _number, _frame: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def crew_of(desk: Desk, unit_id: str, person: str) -> Crew:
    """A crew's terminal as the configuration has it."""
    knobs = desk.site.config.dispatch
    return Crew(
        desk.jobs, desk.queue, unit_id, person, resend_s=knobs.claim_idle_s, deliveries_max=knobs.deliveries_max
    )


def _next(desk: Desk, unit_id: str, person: str, wait_s: float) -> Taken | None:
    crew = crew_of(desk, unit_id, person)
    ends_s = monotonic() + wait_s
    with stopping() as stop:
        while True:
            found = crew.take_next()
            left_s = ends_s - monotonic()
            if found is not None or left_s <= 0 or stop.wait(min(DRAW_S, left_s)):
                return found


def _look(watch: Watch, teller: Teller, *, away: bool) -> bool:
    """Look once; whether the database is away."""
    try:
        found = watch.look()
    except SinkError as error:
        if not away:
            teller.plain("trouble", message=str(error))
        return True
    if away:
        teller.plain("back")
    for change in found:
        teller.job(change.event, change.job)
    return False


def _line(event: dict[str, Any]) -> None:
    typer.echo(json.dumps(event, ensure_ascii=False))
