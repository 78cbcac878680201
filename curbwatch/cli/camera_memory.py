"""``curbwatch camera adoptions|orders|undo|ignore|fixture``: what entered a background, and a person's word on it."""

import json
import time
from datetime import datetime
from typing import Annotated, Any

import typer

from alerts.wire import instant
from curbwatch import feedback
from curbwatch.cli.camera import camera_app
from curbwatch.cli.options import ConfigFile, Json, Language, TokenFile, Who
from curbwatch.cli.output import escaped
from curbwatch.cli.table import clock, table
from curbwatch.office import Office, open_office
from schemas.errors import SaidError
from schemas.feedback import Fixture, Ignore, NativeBox, Undo
from schemas.units import ns_of, utc

LOOK_S = 0.2  # between two looks whether an order was carried out

Camera = Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many, newest first.")]
Box = Annotated[
    str, typer.Option("--box", metavar="X,Y,W,H[@VIEW]", help="In px of the original; the view, if it has names.")
]
Wait = Annotated[float, typer.Option("--wait", min=0, help="s to wait until the camera's next frame has it done.")]


@camera_app.command("adoptions")
def camera_adoptions(
    camera: Camera, *, limit: Limit = 50, config: ConfigFile = None, lang: Language = None, as_json: Json = False
) -> None:
    """List what entered a camera's background, newest first: number, when, why, where, whether it can be undone."""
    with open_office(config, lang) as office:
        feedback.refuse_unknown(office.conn, camera)
        _list(office, feedback.adoptions_of(office.conn, camera, limit), as_json=as_json)


@camera_app.command("orders")
def camera_orders(
    camera: Camera, *, limit: Limit = 50, config: ConfigFile = None, lang: Language = None, as_json: Json = False
) -> None:
    """List what people ordered of a camera, newest first: who, what, when, and what came of it."""
    with open_office(config, lang) as office:
        feedback.refuse_unknown(office.conn, camera)
        _list(office, feedback.orders_of(office.conn, camera, limit), as_json=as_json)


@camera_app.command("undo")
def camera_undo(  # noqa: PLR0913  # one argument per option of the command line
    camera: Camera,
    adoption: Annotated[int, typer.Argument(metavar="ADOPTION", help="Its number, as `adoptions` lists it.")],
    *,
    person: Who = "",
    token_file: TokenFile = None,
    wait_s: Wait = 5.0,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that what became background was real: it is looked for again, and counts from when it came."""
    with open_office(config, lang) as office:
        person = office.actor(person, token_file).name
        feedback.refuse_unknown(office.conn, camera)
        feedback.refuse_unlisted(office.conn, camera, adoption)
        _order(office, camera, person, (Undo(adoption), ""), wait_s, as_json=as_json)


@camera_app.command("ignore")
def camera_ignore(  # noqa: PLR0913  # one argument per option of the command line
    camera: Camera,
    *,
    person: Who = "",
    token_file: TokenFile = None,
    box: Box = "",
    incident: Annotated[str, typer.Option("--incident", metavar="ID", help="What this incident is about.")] = "",
    wait_s: Wait = 5.0,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that what stands there is nothing: it becomes background. Give a box, or an incident of this camera."""
    with open_office(config, lang) as office:
        if bool(box) == bool(incident):
            raise SaidError(
                "what shall be ignored? give --box or --incident, one of them",
                "要忽略什么?--box 和 --incident 给出其一",
            )
        person = office.actor(person, token_file).name
        if incident:
            what = _of_incident(office, camera, incident)
        else:
            place, preset = _box(box)
            what = Ignore(place), preset
        _order(office, camera, person, what, wait_s, as_json=as_json)


@camera_app.command("fixture")
def camera_fixture(  # noqa: PLR0913  # one argument per option of the command line
    camera: Camera,
    *,
    person: Who = "",
    token_file: TokenFile = None,
    box: Box,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="ISO 8601, in the city's time; default: for ever.")
    ] = "",
    wait_s: Wait = 5.0,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that what stands there may stand there: it is not reported while it does."""
    with open_office(config, lang) as office:
        person = office.actor(person, token_file).name
        place, preset = _box(box)
        what = Fixture(place, _moment(office, until) if until else None)
        _order(office, camera, person, (what, preset), wait_s, as_json=as_json)


def _order(
    office: Office, camera: str, person: str, what: tuple[Undo | Ignore | Fixture, str], wait_s: float, *, as_json: bool
) -> None:
    """Give an order (what, and in which view), and say what came of it within ``wait_s``.

    Raises UsageError where it could not be done.
    """
    number = feedback.give(office.conn, camera, person, *what)
    end_s = time.monotonic() + wait_s
    while (said := feedback.outcome(office.conn, number)) is None and time.monotonic() < end_s:
        time.sleep(LOOK_S)
    if said not in {None, feedback.DONE}:
        why = escaped(said or "")
        raise SaidError(f"order {number}: {why}", f"指令 {number} 未能执行:{why}")
    if as_json:
        typer.echo(json.dumps({"order_id": number, "camera_id": camera, "outcome": said}))
    elif said is None:
        see = f"`curbwatch camera orders {camera}`"
        english = f"order {number} waits for the next frame of {camera}: {see}"
        typer.echo(english if office.lang == "en" else f"指令 {number} 等待 {camera} 的下一帧:见 {see}")
    else:
        typer.echo(f"order {number}: {said}" if office.lang == "en" else f"指令 {number} 已执行")


def _of_incident(office: Office, camera: str, incident: str) -> tuple[Ignore, str]:
    place, what, preset = feedback.place_of(office.conn, incident)
    if place != camera:
        raise SaidError(f"incident {incident} is of camera {place}", f"案件 {incident} 属于相机 {place}")
    return what, preset


def _box(text: str) -> tuple[NativeBox, str]:
    """A box, and the view in which it lies; empty: none was named."""
    sides, _, preset = text.partition("@")
    try:
        x, y, w, h = (float(side) for side in sides.split(","))
    except ValueError:
        raise SaidError(
            f"--box {text!r}: give x,y,w,h in px, as 640,300,120,90 or 640,300,120,90@gate",
            f"--box {text!r}:请写 x,y,w,h,单位像素,如 640,300,120,90 或 640,300,120,90@gate",
        ) from None
    if not (w > 0 and h > 0 and all(abs(side) < 1e6 for side in (x, y, w, h))):
        raise SaidError(
            f"--box {text!r}: width and height must be above 0 px, all below 1000000",
            f"--box {text!r}:宽和高须大于 0 像素,各值须小于 1000000",
        )
    return (x, y, w, h), preset


def _moment(office: Office, text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 moment, which must be to come."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise SaidError(
            f"--until {text!r}: give date and time, as 2026-05-01T20:00",
            f"--until {text!r}:请写日期和时间,如 2026-05-01T20:00",
        ) from None
    when = when if when.tzinfo is not None else when.replace(tzinfo=office.zone)
    if when <= datetime.now(office.zone):
        raise SaidError(f"--until {text!r}: this is over already", f"--until {text!r}:该时间已过")
    return ns_of(when)


def _list(office: Office, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            told = {name: instant(value) if isinstance(value, datetime) else value for name, value in row.items()}
            typer.echo(json.dumps(told))
        return
    names = tuple(rows[0]) if rows else ()
    for line in table(names, [[_cell(office, value) for value in row.values()] for row in rows], office.lang):
        typer.echo(line)


def _cell(office: Office, value: object) -> str:
    if value is None or isinstance(value, datetime):
        return clock(value, office.zone)
    if isinstance(value, dict):
        return " ".join(_detail(office, name, part) for name, part in value.items() if part is not None and part != -1)
    if isinstance(value, list | tuple):
        return ",".join(f"{part:.0f}" for part in value)
    return str(value)


def _detail(office: Office, name: str, value: Any) -> str:  # noqa: ANN401  # plain JSON values
    told = utc(value) if name == "until_ns" else value
    return f"{name.removesuffix('_ns')}={_cell(office, told)}"
