"""``curbwatch device list|strangers|accept|forget|health``: who speaks, who may, and how each does."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from alerts.wire import instant
from config.faults import nearest
from config.pack import Pack
from curbwatch.cli.app import app
from curbwatch.cli.dispatch import ConfigFile
from curbwatch.cli.dlq import say_replayed
from curbwatch.cli.output import escaped
from curbwatch.cli.table import clock, many, table
from curbwatch.cli.words import state_word
from curbwatch.letters import Chosen
from curbwatch.office import Office, open_office
from curbwatch.strangers import Wish, devices, forget, health, strangers
from schemas.device import Crs
from schemas.errors import UsageError

device_app = typer.Typer(no_args_is_help=True, help="Devices: the known, the strangers, and how each does.")
app.add_typer(device_app, name="device")

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, one object a line.")]
COUNTS = ("rate_per_min", "messages", "lag_ms", "skew_ms", "gaps", "duplicates", "shed", "rejected")


@device_app.command("list")
def device_list(*, config: ConfigFile = None, as_json: Json = False) -> None:
    """List the registry: id, kind, who entered it, state, when last heard, unit, coordinates, aliases."""
    with open_office(config) as office:
        known = devices(office.conn)
        if as_json:
            _print(known)
            return
        rows = [
            (
                row["device_id"],
                row["kind"],
                row["source"],
                state_word(row["state"], office.lang),
                clock(row["last_seen_at"], office.zone),
                row["unit_id"] or "-",
                row["crs"],
                " ".join(row["aliases"]),
            )
            for row in known
        ]
        _list(office, ("id", "kind", "source", "state", "last_seen_at", "unit_id", "crs", "aliases"), rows)


@device_app.command("strangers")
def device_strangers(*, config: ConfigFile = None, as_json: Json = False) -> None:
    """List devices that speak and are not in the registry, newest first: form and id, kind, messages, topic."""
    with open_office(config) as office:
        found = strangers(office.conn)
        if as_json:
            _print(asdict(one) for one in found)
            return
        zone = office.zone
        rows = [
            (
                one.alias,
                one.kind,
                one.messages,
                clock(one.first_seen_at, zone),
                clock(one.last_seen_at, zone),
                one.topic,
            )
            for one in found
        ]
        _list(office, ("alias", "kind", "messages", "first_seen_at", "last_seen_at", "topic"), rows)


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
            typer.echo(f"{_were(done.letters, 'message')} set aside: curbwatch dlq replay --device {done.letters_of}")
        elif not as_json:
            typer.echo(f"{_were(done.letters, 'picture')} set aside, cut, and cannot be replayed")


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
        found = health(office.conn, asked)
        if as_json:
            _print(found)
        elif asked is None:
            rows = [
                (
                    row["device_id"],
                    clock(row["last_seen_at"], office.zone),
                    state_word(row["state"], office.lang),
                    *(_plain(row[name]) for name in COUNTS),
                )
                for row in found
            ]
            _list(office, ("id", "last_seen_at", "state", *COUNTS), rows)
        elif not found:
            typer.echo(f"{asked} accepted, not heard yet")
        else:
            for name, value in found[0].items():
                told = clock(value, office.zone) if isinstance(value, datetime) else _plain(value)
                typer.echo(f"{name:17} {state_word(value, office.lang) if name == 'state' else told}")


def _check(pack: Pack, unit: str, cell: str) -> None:
    for option, value, known in (("--unit", unit, pack.city.units), ("--cell", cell, pack.city.cells)):
        if value and value not in known:
            raise UsageError(f"{option} {value}: the city pack has none of this name{nearest(value, known)}")


def _were(count: int, one: str) -> str:
    return f"{many(count, one)} {'was' if count == 1 else 'were'}"


def _list(office: Office, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for line in table(names, rows, office.lang):
        typer.echo(line)


def _print(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        told = {name: instant(value) if isinstance(value, datetime) else value for name, value in row.items()}
        typer.echo(json.dumps(told))


def _say(row: dict[str, Any], line: str, *, as_json: bool) -> None:
    if as_json:
        _print([row])
    else:
        typer.echo(escaped(line))


def _plain(value: object) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else escaped(str(value))
