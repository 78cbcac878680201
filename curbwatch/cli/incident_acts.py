"""``curbwatch incident confirm|file|void|…``: a person's word on a case."""

from datetime import UTC, datetime
from typing import Annotated

import typer

import curbwatch.database as db
from alerts.desk.lifecycle import Act, Wish
from alerts.desk.reasons import DOWNGRADES, VOIDS
from curbwatch import feedback
from curbwatch.cli.acting import Key, Session, TokenFile, Version, Who, Words, act, act_at, until_of
from curbwatch.cli.dispatch import ConfigFile, Json, Language, Teller
from curbwatch.cli.incident import IncidentId, incident_app
from curbwatch.desk import Desk, open_desk
from schemas.errors import CurbwatchError

OF_VOID = "A code: " + ", ".join(f"{code} ({reason.zh})" for code, reason in VOIDS.items()) + "."
OF_DOWNGRADE = "A code: " + ", ".join(f"{code} ({reason.zh})" for code, reason in DOWNGRADES.items()) + "."


@incident_app.command("confirm")
def incident_confirm(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    person: Who = "",
    urgent: Annotated[bool, typer.Option("--urgent", help="Put its job before the others.")] = False,
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that it is real: it is filed, and its job goes out (核实、立案、派遣)."""
    session = Session(person, token_file, config, lang, as_json, version, key)
    with open_desk(config, lang) as desk:
        actor = desk.actor(person, token_file)
        wish = Wish(Act.CONFIRM, text=text, urgent=urgent or None)
        acted = act_at(desk, incident_id, wish, actor, session, silent=True)
        job = desk.jobs.of_incident(acted.row.incident_id)
        if job is not None:
            more = {"again": acted.again, "version": acted.row.version, "case_no": acted.row.case_no}
            Teller(desk, as_json).job("confirmed", job, **more)


@incident_app.command("file")
def incident_file(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Make it a case without sending anybody yet (立案); ``confirm`` sends."""
    act(incident_id, Wish(Act.FILE, text=text), Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("void")
def incident_void(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    reason: Annotated[str, typer.Option("--reason", help=OF_VOID)] = "",
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that it is no case (作废). What is grave or was handled takes two people: the second says the same.

    Where nothing of the kind was there, the camera is told to ignore that place.
    """
    session = Session(person, token_file, config, lang, as_json, version, key)
    with open_desk(config, lang) as desk:
        actor = desk.actor(person, token_file)
        acted = act_at(desk, incident_id, Wish(Act.VOID, reason=reason, text=text), actor, session)
        if acted.what == "void" and not acted.again:
            _teach(desk, acted.row.incident_id, actor.name)


@incident_app.command("downgrade")
def incident_downgrade(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    reason: Annotated[str, typer.Option("--reason", help=OF_DOWNGRADE)] = "",
    class_code: Annotated[str, typer.Option("--class", help="What it is, five digits; default: as it is.")] = "",
    urgent: Annotated[bool | None, typer.Option("--urgent/--not-urgent", help="Whether its job goes first.")] = None,
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Call it another class of its family, or less urgent, for a reason."""
    wish = Wish(Act.DOWNGRADE, reason=reason, text=text, class_code=class_code, urgent=urgent)
    act(incident_id, wish, Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("snooze")
def incident_snooze(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    until: Annotated[str, typer.Option("--until", help="30m, 2h, 7d, or a time with its zone.")],
    urgent: Annotated[bool, typer.Option("--urgent", help="Also what is urgent there.")] = False,
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Let nothing of its kind be opened at its place until then; --text says why. The incident itself stays."""
    wish = Wish(Act.SNOOZE, text=text, until=until_of(until, datetime.now(UTC)), urgent=urgent or None)
    act(incident_id, wish, Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("merge")
def incident_merge(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    into: Annotated[str, typer.Option("--into", metavar="ID", help="The incident that goes on.")],
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that two are one thing (并案): sightings, pictures and complaints go over, the other one goes on."""
    wish = Wish(Act.MERGE, text=text, into=into)
    act(incident_id, wish, Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("reopen")
def incident_reopen(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Let an ended case go on; --text says why. One that was sent out goes to its unit again."""
    act(incident_id, Wish(Act.REOPEN, text=text), Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("note")
def incident_note(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    text: Words,
    person: Who = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Write something into the record that changes nothing: advice, what was seen. Auxiliary staff may."""
    act(incident_id, Wish(Act.NOTE, text=text), Session(person, token_file, config, lang, as_json, version, key))


def _teach(desk: Desk, incident_id: str, person: str) -> None:
    """Tell the camera to ignore what a person found not to be there; the reason in the record says which it was."""
    events = desk.incidents.events(incident_id)
    code = next((str(one.detail.get("reason", "")) for one in reversed(events) if one.what == "void"), "")
    row = desk.incidents.show(incident_id)
    if VOIDS[code].real or row.opening_sha256 is None:
        return
    try:
        with db.session(desk.site.endpoints.database_url, autocommit=True) as conn:
            camera_id, ignore, preset = feedback.place_of(conn, incident_id)
            feedback.give(conn, camera_id, person, ignore, preset)
    except CurbwatchError as error:
        # The case is void whatever becomes of that.
        retry = f"curbwatch camera ignore {row.camera_id} --incident {incident_id}"
        typer.echo(f"the camera was not told to ignore it: {error}; try `{retry}`", err=True)
