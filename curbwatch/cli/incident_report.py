"""``curbwatch incident report``: a complaint, a patrol's or a vehicle's finding finds its incident, or opens one."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from alerts.messages import headline, report_name, state_name
from alerts.wire import incident_state, instant
from curbwatch.cli.explain import BoxText
from curbwatch.cli.incident import incident_app
from curbwatch.cli.options import ConfigFile, Json, Language, TokenFile
from curbwatch.desk import Desk, open_desk
from curbwatch.reports import Kind, Told, report_of
from curbwatch.tuning.explain import parse_box
from schemas.errors import SaidError
from schemas.incident import Reported
from schemas.record import Actor

EVENTS = {
    "opened": ("已登记,待现场核实", "opened: waits to be verified on the spot"),
    "attached": ("已并入在办事件", "attached to an open incident"),
    "known": ("该编号已登记", "this number is known"),
}

Enters = Annotated[str, typer.Option("--as", metavar="PERSON", help="Who enters it; or leave it to a token file.")]
Degrees = Annotated[float | None, typer.Option(help="Degrees, in --crs.")]


@incident_app.command("report")
def incident_report(  # noqa: PLR0913  # each is an option of the command line
    *,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Who tells of it; needed.")] = None,
    ref: Annotated[
        str, typer.Option("--ref", metavar="NO", help="Its number where it came from, needed; the same is once.")
    ] = "",
    person: Enters = "",
    family: Annotated[str, typer.Option("--family", help="stall, waste or truck; --class says it as well.")] = "",
    class_code: Annotated[
        str, typer.Option("--class", metavar="CODE", help="5 digits, all 11, 2013:04-06, cjt214:05-01.")
    ] = "",
    lon: Degrees = None,
    lat: Degrees = None,
    crs: Annotated[Literal["wgs84", "cgcs2000", "gcj02", "bd09"], typer.Option("--crs", help="Of lon, lat.")] = "wgs84",
    camera: Annotated[str, typer.Option("--camera", help="The camera in whose picture it is.")] = "",
    box: BoxText = None,
    cell: Annotated[str, typer.Option("--cell", help="The unit-grid cell, where nothing better is known.")] = "",
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="RFC 3339 with a zone; default: now.")] = "",
    text: Annotated[str, typer.Option("--text", help="What was said.")] = "",
    plate: Annotated[str, typer.Option("--plate", help="A vehicle's plate.")] = "",
    part: Annotated[str, typer.Option("--part", help="The part (部件) that it is about: 17 digits.")] = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Attach a complaint or finding to the open incident it tells of; where none is open, one opens that waits."""
    with open_desk(config, lang) as desk:
        told = Told(
            kind=_known(kind),
            ref=ref,
            at=_moment(at),
            family=family,
            class_code=class_code,
            lon=lon,
            lat=lat,
            crs=crs,
            camera_id=camera,
            box_px=None if box is None else parse_box(box),
            cell_id=cell,
            detail={key: value for key, value in (("text", text), ("plate", plate), ("part", part)) if value},
        )
        actor, city = _clerk(desk, person, token_file), desk.rules()
        found = desk.incidents.report(report_of(told, city, desk.atlas), actor)
        _tell(desk, found, told, as_json=as_json)


def _tell(desk: Desk, found: Reported, told: Told, *, as_json: bool) -> None:
    """Say what became of it."""
    event = "known" if found.known else "opened" if found.opened else "attached"
    row, now = desk.incidents.show(found.incident_id), datetime.now(UTC)
    title = headline(desk.site.cities.city(), desk.names, row, desk.lang, now)
    if as_json:
        said = {"event": event, "at": instant(now), "kind": told.kind, "ref": told.ref, "headline": title}
        typer.echo(json.dumps(said | {"incident": incident_state(row)}, ensure_ascii=False))
        return
    typer.echo(f"{EVENTS[event][desk.lang == 'en']}  {row.incident_id}")
    typer.echo(f"[{state_name(row.state, desk.lang)}] {title}")


def _known(kind: Kind | None) -> Kind:
    """Who tells of it. Raises UsageError where that was not said."""
    if kind is None:
        raise SaidError(
            f"who tells of it? --kind, one of: {', '.join(get_args(Kind))}",
            "谁报的?--kind,可用:" + ", ".join(f"{one}({report_name(one, 'zh')})" for one in get_args(Kind)),
        )
    return kind


def _clerk(desk: Desk, person: str, token_file: Path | None) -> Actor:
    """Who enters it. Raises UsageError as ``Desk.actor``, and for an auditor."""
    actor = desk.actor(person, token_file, unlisted="intake")
    if actor.role == "auditor":
        raise SaidError(
            f"{actor.name} is an auditor: they read, and report nothing", f"{actor.name}是审计员,只能查看,不能登记"
        )
    return actor


def _moment(text: str) -> datetime:
    """The moment that was given; now where none was. Raises UsageError for no moment, and one without a zone."""
    if not text:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise SaidError(
            f"--at {text}: a moment with its zone, as 2026-05-04T10:59:00+08:00",
            f"--at {text}:请写带时区的时间,如 2026-05-04T10:59:00+08:00",
        )
    return found
