"""``curbwatch device list|strangers|accept|forget|health``: who speaks, who may, and how each does."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from alerts.messages import Lang
from alerts.wire import instant
from config.faults import nearest
from config.pack import Pack
from curbwatch.cli.app import app
from curbwatch.cli.dlq import say_replayed
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.output import escaped
from curbwatch.cli.table import clock, many, table
from curbwatch.cli.words import kind_word, state_word
from curbwatch.letters import Chosen
from curbwatch.office import Office, open_office
from curbwatch.strangers import Accepted, Wish, devices, forget, health, strangers
from schemas.device import Crs
from schemas.errors import SaidError

device_app = typer.Typer(no_args_is_help=True, help="Devices: the known, the strangers, and how each does.")
app.add_typer(device_app, name="device")

COUNTS = ("rate_per_min", "messages", "lag_ms", "skew_ms", "gaps", "duplicates", "shed", "rejected")


@device_app.command("list")
def device_list(*, config: ConfigFile = None, lang: Language = None, as_json: Json = False) -> None:
    """List the registry: id, kind, who entered it, state, when last heard, unit, coordinates, aliases."""
    with open_office(config, lang) as office:
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
def device_strangers(*, config: ConfigFile = None, lang: Language = None, as_json: Json = False) -> None:
    """List devices that speak and are not in the registry, newest first: form and id, kind, messages, topic."""
    with open_office(config, lang) as office:
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
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Enter a stranger in the registry: the running intake takes its next message. Says what may be replayed."""
    with open_office(config, lang) as office:
        _check(office.site.pack, unit, cell)
        wish = Wish(stranger, device_id, kind, unit, cell, crs, period_s, max_bytes)
        done = office.accept(wish)
        _say(asdict(done), _accepted(done, office.lang), as_json=as_json)
        if replay and done.letters and done.kind == "vehicle":
            chosen = Chosen(reason="unknown_device", device=done.letters_of)
            say_replayed(office.replay(chosen), office.lang, as_json=as_json)
        elif not as_json:
            for line in _afterwards(done, office.lang, cell=cell, replay=replay):
                typer.echo(line)


@device_app.command("forget")
def device_forget(
    asked: Annotated[str, typer.Argument(metavar="ID", help="A stranger, or a device that no city pack names.")],
    *,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Take a stranger out of the list, or a device out of the registry; if it speaks again it is a stranger."""
    with open_office(config, lang) as office:
        what = forget(office.conn, asked)
        said = f"{what} {asked} forgotten" if office.lang == "en" else f"已删除{kind_word(what, 'zh')} {asked}"
    _say({"forgotten": asked, "what": what}, said, as_json=as_json)


@device_app.command("health")
def device_health(
    asked: Annotated[str | None, typer.Argument(metavar="[ID]", help="This device only.")] = None,
    *,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show how each device does: state, rate, lag, clock, gaps, duplicates, shed, rejected."""
    with open_office(config, lang) as office:
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
            typer.echo(f"{asked} accepted, not heard yet" if office.lang == "en" else f"{asked} 已接纳,尚未收到过消息")
        else:
            for name, value in found[0].items():
                told = clock(value, office.zone) if isinstance(value, datetime) else _plain(value)
                typer.echo(f"{name:17} {state_word(value, office.lang) if name == 'state' else told}")


def _check(pack: Pack, unit: str, cell: str) -> None:
    for option, value, known in (("--unit", unit, pack.city.units), ("--cell", cell, pack.city.cells)):
        if value and value not in known:
            raise SaidError(
                f"{option} {value}: the city pack has none of this name{nearest(value, known)}",
                f"{option} {value}:城市包中没有此名{nearest(value, known, 'zh')}",
            )


def _accepted(done: Accepted, lang: Lang) -> str:
    if lang == "en":
        return f"{done.kind} {done.device_id} accepted" + (f", alias {done.alias}" if done.alias else "")
    return f"已接纳{kind_word(done.kind, lang)} {done.device_id}" + (f",别名 {done.alias}" if done.alias else "")


def _afterwards(done: Accepted, lang: Lang, *, cell: str, replay: bool) -> Iterator[str]:
    """What else to know of one that was accepted: whose its incidents are, and what was set aside of it."""
    english, count = lang == "en", done.letters
    if done.kind == "camera" and not cell:
        yield (
            "without --cell its incidents go to its --unit, else to the city pack's first"
            if english
            else "未给 --cell:其案件归 --unit 的单位,否则归城市包的第一个单位"
        )
    were = "was" if count == 1 else "were"
    if count and done.kind == "vehicle":
        verb = f"curbwatch dlq replay --device {done.letters_of}"
        yield f"{many(count, 'message')} {were} set aside: {verb}" if english else f"已搁置消息 {count} 条:{verb}"
    elif count:
        told = f"{many(count, 'picture')} {were} set aside, cut, and cannot be replayed"
        yield told if english else f"已搁置图片 {count} 张,已截断,不能重放"
    elif replay:
        came = f"0 messages are set aside; {done.messages} came"
        yield came if english else f"没有搁置的消息;共收到 {done.messages} 条"


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
