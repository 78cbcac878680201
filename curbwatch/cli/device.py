"""``curbwatch device list|strangers|accept|forget|health``: who speaks, who may, and how each does."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer

from alerts.wire import instant
from config.faults import nearest
from config.pack import Pack
from curbwatch.cli.app import app
from curbwatch.cli.dispatch import ConfigFile
from curbwatch.cli.dlq import say_replayed
from curbwatch.cli.output import escaped
from curbwatch.letters import Chosen
from curbwatch.office import open_office
from curbwatch.strangers import Wish, devices, forget, health, strangers
from schemas.device import Crs
from schemas.errors import UsageError

device_app = typer.Typer(no_args_is_help=True, help="Devices: the known, the strangers, and how each does.")
app.add_typer(device_app, name="device")

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, one object a line.")]
HEALTH = ("state", "rate_per_min", "messages", "lag_ms", "skew_ms", "gaps", "duplicates", "shed", "rejected")


@device_app.command("list")
def device_list(*, config: ConfigFile = None, as_json: Json = False) -> None:
    """List the registry: id, kind, who entered it, state, when last heard, unit, coordinates, aliases."""
    with open_office(config) as office:
        for row in devices(office.conn):
            heard = _clock(row["last_seen_at"])
            line = f"{row['device_id']:24} {row['kind']:8} {row['source']:9} {row['state'] or '-':9} {heard:20}"
            _say(row, f"{line} {row['unit_id'] or '-':12} {row['crs']:9} {' '.join(row['aliases'])}", as_json=as_json)


@device_app.command("strangers")
def device_strangers(*, config: ConfigFile = None, as_json: Json = False) -> None:
    """List devices that speak and are not in the registry, newest first: form and id, kind, messages, topic."""
    with open_office(config) as office:
        for one in strangers(office.conn):
            when = f"{_clock(one.first_seen_at)} to {_clock(one.last_seen_at)}"
            line = f"{one.alias:40} {one.kind:8} {one.messages:8} {when} {one.topic}"
            _say(asdict(one), line, as_json=as_json)


@device_app.command("accept")
def device_accept(  # noqa: PLR0913  # one argument per option of the command line
    stranger: Annotated[str, typer.Argument(metavar="ID", help="As `strangers` lists it, with or without its form.")],
    *,
    device_id: Annotated[str, typer.Option("--as", metavar="NEW_ID", help="Its id here; foreign forms only.")] = "",
    kind: Annotated[Literal["camera", "vehicle", ""], typer.Option(help="For one that has not spoken yet.")] = "",
    unit: Annotated[str, typer.Option(help="Its crew.")] = "",
    cell: Annotated[str, typer.Option(help="The cell a camera stands for.")] = "",
    crs: Annotated[Crs, typer.Option(help="Coordinates it sends.")] = "wgs84",
    period_s: Annotated[float | None, typer.Option("--period", min=0.1, help="s between its messages.")] = None,
    max_bytes: Annotated[int | None, typer.Option(min=100, help="Its largest message.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Replay at once what was set aside of it.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Enter a stranger in the registry: the running intake takes its next message. Says what may be replayed."""
    with open_office(config) as office:
        _check(office.site.pack, unit, cell)
        wish = Wish(stranger, device_id, kind, unit, cell, crs, period_s, max_bytes)
        done = office.accept(wish)
        alias = f", alias {done.alias}" if done.alias else ""
        _say(asdict(done), f"{done.kind} {done.device_id} accepted{alias}", as_json=as_json)
        if done.kind == "camera" and not cell and not as_json:
            typer.echo("without --cell its incidents go to its --unit, else to the city pack's first")
        if not done.letters:
            if replay and not as_json:
                typer.echo(f"0 messages are set aside; {done.messages} came")
            return
        chosen = Chosen(reason="unknown_device", device=done.letters_of)
        if replay and done.kind == "vehicle":
            say_replayed(office.replay(chosen), as_json=as_json)
        elif not as_json and done.kind == "vehicle":
            typer.echo(f"{done.letters} messages were set aside: curbwatch dlq replay --device {done.letters_of}")
        elif not as_json:
            typer.echo(f"{done.letters} pictures were set aside: they are cut, and cannot be replayed")


@device_app.command("forget")
def device_forget(
    asked: Annotated[str, typer.Argument(metavar="ID", help="A stranger, or a device that no city pack names.")],
    *,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Take a stranger out of the list, or a device out of the registry; if it speaks again it is a stranger."""
    with open_office(config) as office:
        what = forget(office.conn, asked)
    _say({"forgotten": asked, "what": what}, f"{what} {asked} forgotten", as_json=as_json)


@device_app.command("health")
def device_health(
    asked: Annotated[str | None, typer.Argument(metavar="[ID]", help="This device only.")] = None,
    *,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show how each device does: state, rate, lag, clock, gaps, duplicates, shed, rejected."""
    with open_office(config) as office:
        for row in health(office.conn, asked):
            if asked is not None and not as_json:
                for name, value in row.items():
                    typer.echo(f"{name:17} {_clock(value) if isinstance(value, datetime) else _plain(value)}")
                continue
            told = " ".join(f"{name}={_plain(row[name])}" for name in HEALTH)
            _say(row, f"{row['device_id']:24} {_clock(row['last_seen_at']):20} {told}", as_json=as_json)


def _check(pack: Pack, unit: str, cell: str) -> None:
    for option, value, known in (("--unit", unit, pack.city.units), ("--cell", cell, pack.city.cells)):
        if value and value not in known:
            raise UsageError(f"{option} {value}: the city pack has none of this name{nearest(value, known)}")


def _say(row: dict[str, Any], line: str, *, as_json: bool) -> None:
    told = {name: instant(value) if isinstance(value, datetime) else value for name, value in row.items()}
    typer.echo(json.dumps(told) if as_json else escaped(line).rstrip())


def _plain(value: object) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else escaped(str(value))


def _clock(when: datetime | None) -> str:
    return "-" if when is None else when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
