"""``curbwatch incident overdue|stuck``: what is over its limit now, and a day's list of stuck cases."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from alerts.clocks.escalation import whose
from alerts.clocks.reading import OVERDUE_MAX, ClockReader, OverdueCase, StuckCase
from alerts.clocks.words import BUREAU, lamp_name, list_name, stage_name
from alerts.messages import duration, headline, unit_name
from alerts.wire import incident_state, instant
from curbwatch.cli.incident import incident_app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.table import table
from curbwatch.desk import Desk, open_desk
from schemas.errors import CurbwatchError, SaidError
from schemas.incident import IncidentRow

OVERDUE = ("lamp", "late", "stage", "due_at", "unit_id", "incident_id", "what")  # columns for a person
STUCK = ("list", "stage", "due_at", "unit_id", "incident_id", "what")
UNTIL = ("还剩", "left: ")


@incident_app.command("overdue")
def incident_overdue(
    *,
    unit: Annotated[str, typer.Option("--unit", help="Cases of this unit only.")] = "",
    soon: Annotated[bool, typer.Option("--soon", help="Also what has used up 80 % of its limit.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many.")] = OVERDUE_MAX,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List the cases that are over a limit now, the longest overdue first: by how much, stage, unit, what and where."""
    with open_desk(config, lang) as desk:
        reader = ClockReader(desk.database)
        cases = reader.overdue(desk.unit(unit) if unit else "", soon=soon, limit=limit)
        if len(cases) == limit:
            english = f"the first {limit} only: --limit N for more"
            typer.echo(english if desk.lang == "en" else f"只列出前 {limit} 件:用 --limit 数量 看更多", err=True)
        if as_json:
            for case in cases:
                typer.echo(json.dumps(_overdue(desk, case), ensure_ascii=False))
            return
        now = reader.now()
        rows = [
            (
                lamp_name(case.lamp, desk.lang),
                _late(case, desk),
                _stage(desk, case.stage, case.limit_name),
                _clock(desk, case),
                _whose(desk, case),
                *_what(desk, case.incident, now),
            )
            for case in cases
        ]
        _tell(OVERDUE, rows, desk)


@incident_app.command("stuck")
def incident_stuck(
    *,
    day: Annotated[str, typer.Option("--day", metavar="DATE", help="YYYY-MM-DD; default: today.")] = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """List the cases that were stuck on a day: not decided, not handled, not closed. Ends with 1 before it is made."""
    with open_desk(config, lang) as desk:
        reader = ClockReader(desk.database)
        asked = _day(day) if day else reader.now().astimezone(_zone(desk)).date()
        cases = reader.stuck(asked)
        if cases is None:
            at = desk.site.config.desk.sweep_at
            english = f"no list of {asked}: it is made at {at} of each day while `curbwatch run` runs"
            chinese = f"没有 {asked} 的清单:`curbwatch run` 运行时每天 {at} 生成"
            raise CurbwatchError(english if desk.lang == "en" else chinese)
        if as_json:
            for case in cases:
                typer.echo(json.dumps(_stuck(desk, case), ensure_ascii=False))
            return
        now = reader.now()
        rows = [
            (
                list_name(case.kind, desk.lang),
                _stage(desk, case.stage, ""),
                _clock(desk, case),
                _whose(desk, case),
                *_what(desk, case.incident, now),
            )
            for case in cases
        ]
        _tell(STUCK, rows, desk)


def _tell(names: Sequence[str], rows: Sequence[Sequence[object]], desk: Desk) -> None:
    for line in table(names, rows, desk.lang):
        typer.echo(line)


def _overdue(desk: Desk, case: OverdueCase) -> dict[str, Any]:
    return {
        "lamp": case.lamp,
        "stage": case.stage,
        "round": case.round,
        "limit_id": case.limit_id,
        "limit_name": case.limit_name,
        "started_at": instant(case.started_at),
        "due_at": instant(case.due_at),
        "late_s": round(case.late_s, 3),
        "extensions": case.extensions,
        "unit_id": case.unit_id,
        "unit_name": unit_name(desk.site.pack.city, case.unit_id, desk.lang),
        "holder": case.holder,
        "incident": incident_state(case.incident),
    }


def _stuck(desk: Desk, case: StuckCase) -> dict[str, Any]:
    return {
        "list": case.kind,
        "stage": case.stage,
        "round": case.round,
        "due_at": instant(case.due_at),
        "listed_at": instant(case.listed_at),
        "unit_id": case.unit_id,
        "unit_name": unit_name(desk.site.pack.city, case.unit_id, desk.lang),
        "incident": incident_state(case.incident),
    }


def _late(case: OverdueCase, desk: Desk) -> str:
    shown = duration(abs(case.late_s), desk.lang)
    return shown if case.late_s >= 0 else UNTIL[desk.lang == "en"] + shown


def _stage(desk: Desk, stage: str, name: str) -> str:
    shown = stage_name(stage, desk.lang)
    return f"{shown}/{name}" if name else shown


def _whose(desk: Desk, case: OverdueCase | StuckCase) -> str:
    """The unit it is due from, with who has the job; or the bureau."""
    if not whose(case.stage, case.unit_id):
        return BUREAU[desk.lang == "en"]
    holder = case.holder if isinstance(case, OverdueCase) else ""
    return unit_name(desk.site.pack.city, case.unit_id, desk.lang) + (f" @{holder}" if holder else "")


def _what(desk: Desk, incident: IncidentRow, now: datetime) -> tuple[str, str]:
    return incident.incident_id, headline(desk.site.pack.city, desk.names, incident, desk.lang, now)


def _clock(desk: Desk, case: OverdueCase | StuckCase) -> str:
    return "-" if case.due_at is None else case.due_at.astimezone(_zone(desk)).strftime("%m-%d %H:%M")


def _zone(desk: Desk) -> ZoneInfo:
    return ZoneInfo(desk.site.pack.city.timezone)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SaidError(f"--day {text!r}: write it as 2026-09-21", f"--day {text!r}:请写成 2026-09-21") from None
