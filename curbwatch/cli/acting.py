"""What the desk's verbs share: who acts, what was seen, and how the outcome is told."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from inspect import Signature, signature
from typing import Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.text import Text

from alerts.clocks.store import CityTime, running
from alerts.desk.actions import Acted, CaseActions, ChangedError, Given, RefusedError
from alerts.desk.lifecycle import Wish
from alerts.desk.reasons import VOIDS
from alerts.desk.words import ACTS
from alerts.incidents.sites import Reach
from alerts.messages import AGAIN, duration, headline, state_name
from alerts.wire import incident_state, instant
from curbwatch.cli.options import ConfigFile, Json, Key, Language, TokenFile, Version, Who, Words
from curbwatch.cli.output import escaped
from curbwatch.desk import Desk, open_desk
from curbwatch.letters import since_of
from schemas.errors import CurbwatchError, UsageError
from schemas.record import Actor, What

AHEAD = re.compile(r"(\d{1,6})([mhd])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How an act was called: each field is an option of every verb that ``acts``."""

    person: Who = ""
    text: Words = ""
    version: Version = None
    key: Key = ""
    token_file: TokenFile = None
    config: ConfigFile = None
    lang: Language = None
    as_json: Json = False

    def given(self) -> Given:
        """What comes with the wish."""
        return Given(self.version, self.key)


def acts(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a ``Session`` after its own; it gets them as its keyword ``session``."""
    own = [one for one in signature(verb).parameters.values() if one.name != "session"]
    shared = signature(Session).parameters
    options = [*own, *shared.values()]

    @wraps(verb)
    def called(**given: Any) -> None:  # noqa: ANN401  # what the options hold
        session = Session(**{name: given.pop(name) for name in shared})
        verb(**given, session=session)

    # What typer reads: the options of a command are its function's signature.
    called.__signature__ = Signature(options)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in options}
    return called


def act(incident_id: str, wish: Wish, session: Session, given: Given | None = None) -> Acted:
    """Do one thing to one incident, and tell what came of it. Raises UsageError or a refusal in the desk's language."""
    with open_desk(session.config, session.lang) as desk:
        actor = desk.actor(session.person, session.token_file)
        return act_at(desk, incident_id, wish, actor, session, given)


def act_at(  # what a verb was called with
    desk: Desk,
    incident_id: str,
    wish: Wish,
    actor: Actor,
    session: Session,
    given: Given | None = None,
    *,
    silent: bool = False,
) -> Acted:
    """As ``act``, at a desk that is open, by a person who is known; ``silent``: only refusals are told."""
    plain = session.given()
    given = plain if given is None else replace(given, version=plain.version, key=plain.key)
    try:
        acted = actions_of(desk).act(incident_id, wish, actor, given)
    except RefusedError as error:
        line = error.line(desk.lang, ZoneInfo(desk.site.pack.city.timezone))
        if session.as_json:
            _refused(error.refusal.code, line, incident_id)
        raise refused(line, error.exit_code) from None
    except ChangedError as error:
        line = error.line(desk.lang)
        if session.as_json:
            _refused("changed", line, incident_id)
        raise refused(line, error.exit_code) from None
    if not silent:
        tell(desk, acted, actor, wish, as_json=session.as_json)
    return acted


def actions_of(desk: Desk) -> CaseActions:
    """The acts on this desk's database."""
    config = desk.site.config
    return CaseActions(
        desk.database,
        desk.rules,
        quiet_s=config.incidents.quiet_s,
        reach=Reach(config.alerts.merge_m, config.alerts.merge_iou),
        suspend_most=timedelta(days=config.desk.suspend_days),
    )


def refused(line: str, exit_code: int) -> CurbwatchError:
    """A refusal as an error: 1 where somebody was first, 2 where it may not be."""
    error = CurbwatchError(line) if exit_code == 1 else UsageError(line)
    error.exit_code = exit_code
    return error


def tell(desk: Desk, acted: Acted, actor: Actor, wish: Wish, *, as_json: bool) -> None:
    """Say what came of an act."""
    now, row = datetime.now(UTC), acted.row
    told = headline(desk.site.pack.city, desk.names, row, desk.lang, now)
    until = _until(desk, acted)
    if as_json:
        event: dict[str, Any] = {
            "event": acted.what,
            "at": instant(now),
            "again": acted.again,
            "seq": acted.seq,
            "version": row.version,
            "case_no": row.case_no,
            "actor": actor.name,
            "role": actor.role,
            "proved": actor.proved,
            "headline": told,
            "until": instant(until),
            "incident": incident_state(row),
        }
        typer.echo(json.dumps(event, ensure_ascii=False))
        return
    english = desk.lang == "en"
    done = ACTS[wish.act][english]
    more = AGAIN[english] if acted.again else ""
    if acted.what == "void_asked":
        more = (
            (":须由另一人确认", ": a second person must say the same")[english] + _anew(acted, english=english) + more
        )
    line = Text.assemble((done, "bold"), more, "  ", f"[{state_name(row.state, desk.lang)}] ", escaped(told))
    console().print(line)
    if row.case_no:
        typer.echo(f"  {('案号', 'case')[english]} {row.case_no}")
    if until is not None:
        left = duration((until - now).total_seconds(), desk.lang)
        typer.echo(f"  {('至', 'until')[english]} {clock_of(desk, until)}  {('余', 'left ')[english]}{left}")


def _until(desk: Desk, acted: Acted) -> datetime | None:
    """Until when it is quiet or suspended, or has time now that it was given more; None: nothing of that."""
    if acted.what in {What.SNOOZED, What.SUSPENDED} and acted.detail.get("until"):
        return datetime.fromisoformat(str(acted.detail["until"]))
    if acted.what != What.EXTENDED:
        return None
    knobs = desk.site.config.desk
    time = CityTime(desk.site.cities.city, take_s=knobs.take_s, sos_take_s=knobs.sos_take_s)
    with desk.database.transaction() as conn:
        clocks = running(conn, acted.row.incident_id, time)
    return clocks[0].due_at if clocks else None


def _anew(acted: Acted, *, english: bool) -> str:
    """That somebody asked for another reason before, so that this asks anew; empty: nobody did."""
    before = VOIDS.get(str(acted.detail.get("instead_of", "")))
    if before is None:
        return ""
    if english:
        return f" (asked anew: the reason before was another one, {before.en})"
    return f"(理由与先前的“{before.zh}”不同,已重新提出)"


def console() -> Console:
    """Where people read: colours on a terminal, none in a pipe, and never a line broken by us."""
    return Console(soft_wrap=True, emoji=False, markup=False, highlight=False)


def clock_of(desk: Desk, when: datetime) -> str:
    """A moment on the city's clock."""
    return when.astimezone(ZoneInfo(desk.site.pack.city.timezone)).strftime("%Y-%m-%d %H:%M:%S")


def until_of(text: str, now: datetime) -> datetime:
    """A moment to come, as RFC 3339 with a zone, or as ``30m``, ``2h``, ``7d`` from ``now``. Raises UsageError."""
    ahead = AHEAD.fullmatch(text)
    if ahead is None:
        return since_of(text, now, "--until")
    return now + (now - since_of(text, now, "--until"))


def _refused(code: str, line: str, incident_id: str) -> None:
    told = {"event": "refused", "reason": code, "message": line, "incident_id": incident_id}
    typer.echo(json.dumps({**told, "at": instant(datetime.now(UTC))}, ensure_ascii=False))
