"""``curbwatch staff list|token|revoke``: who acts here, and the files that show it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from alerts.desk.words import role_name
from alerts.wire import instant
from curbwatch.cli.acting import clock_of
from curbwatch.cli.app import app
from curbwatch.cli.options import ConfigFile, Json, Language, TokenFile, Who
from curbwatch.cli.table import table
from curbwatch.desk import Desk, open_desk
from schemas.record import Actor

staff_app = typer.Typer(no_args_is_help=True, help="People: who they are, and the files that show it.")
app.add_typer(staff_app, name="staff")

PersonName = Annotated[str, typer.Argument(metavar="PERSON", help="Id or name, as in the pack's staff.csv.")]


@staff_app.command("list")
def staff_list(*, config: ConfigFile = None, lang: Language = None, as_json: Json = False) -> None:
    """List the people of the pack: id, name, role, unit, and since when they have a token."""
    with open_desk(config, lang) as desk:
        since = desk.people.tokens_since()
        staff = [desk.people.staff[person_id] for person_id in sorted(desk.people.staff)]
        if as_json:
            for one in staff:
                told = {"person_id": one.person_id, "name": one.name, "role": one.role, "unit_id": one.unit_id}
                typer.echo(json.dumps(told | {"token_since": instant(since.get(one.person_id))}, ensure_ascii=False))
            return
        rows = [
            (
                one.person_id,
                one.name,
                role_name(one.role, desk.lang),
                one.unit_id or "-",
                clock_of(desk, since[one.person_id]) if one.person_id in since else "-",
            )
            for one in staff
        ]
        for line in table(("id", "person", "role", "unit_id", "token"), rows, desk.lang):
            typer.echo(line)
        if refused := desk.people.refusals():
            said = f"{refused} tries with a wrong token in the last day"
            typer.echo(said if desk.lang == "en" else f"最近一天令牌校验失败 {refused} 次")


@staff_app.command("token")
def staff_token(
    person: PersonName,
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Where to; default: where the desk looks for it.")] = None,
    maker: Who = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
) -> None:
    """Write the file that shows who PERSON is; those they had count no more. Only its digest is kept here."""
    with open_desk(config, lang) as desk:
        path = desk.people.make_token(desk.people.person(person), _maker(desk, maker, token_file), out)
        typer.echo(str(path))


@staff_app.command("revoke")
def staff_revoke(
    person: PersonName,
    *,
    maker: Who = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """End every token of PERSON, at once."""
    with open_desk(config, lang) as desk:
        ended = desk.people.end_tokens(desk.people.person(person), _maker(desk, maker, token_file))
        said = f"{ended} ended" if desk.lang == "en" else f"已注销 {ended} 个令牌"
        typer.echo(json.dumps({"ended": ended}) if as_json else said)


def _maker(desk: Desk, maker: str, token_file: Path | None) -> Actor:
    """Who makes or ends a token; until that is for supervisors only, whoever has the configuration may."""
    if not maker and token_file is None and not desk.people.guarded():
        return Actor("administrator", "system")
    return desk.actor(maker, token_file)
