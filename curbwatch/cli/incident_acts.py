"""``curbwatch incident confirm|file|void|…``: a person's word on a case."""

from datetime import UTC, datetime
from typing import Annotated

import typer

import curbwatch.database as db
from alerts.desk.lifecycle import Act, Wish
from alerts.desk.reasons import DOWNGRADES, VOIDS
from curbwatch import feedback
from curbwatch.cli.acting import Session, act, act_at, acts, until_of
from curbwatch.cli.dispatch import Teller
from curbwatch.cli.incident import IncidentId, incident_app
from curbwatch.desk import Desk, open_desk
from schemas.errors import CurbwatchError, SaidError

OF_VOID = "A code: " + ", ".join(f"{code} ({reason.zh})" for code, reason in VOIDS.items()) + "."
OF_DOWNGRADE = "A code: " + ", ".join(f"{code} ({reason.zh})" for code, reason in DOWNGRADES.items()) + "."


@incident_app.command("confirm")
@acts
def incident_confirm(
    incident_id: IncidentId,
    *,
    urgent: Annotated[bool, typer.Option("--urgent", help="Put its job before the others.")] = False,
    session: Session,
) -> None:
    """Say that it is real: it is filed, and its job goes out (核实、立案、派遣)."""
    with open_desk(session.config, session.lang) as desk:
        actor = desk.actor(session.person, session.token_file)
        wish = Wish(Act.CONFIRM, text=session.text, urgent=urgent or None)
        acted = act_at(desk, incident_id, wish, actor, session, silent=True)
        job = desk.jobs.of_incident(acted.row.incident_id)
        if job is not None:
            more = {"again": acted.again, "version": acted.row.version, "case_no": acted.row.case_no}
            Teller(desk, session.as_json).job("confirmed", job, **more)


@incident_app.command("file")
@acts
def incident_file(incident_id: IncidentId, *, session: Session) -> None:
    """Make it a case without sending anybody yet (立案); ``confirm`` sends."""
    act(incident_id, Wish(Act.FILE, text=session.text), session)


@incident_app.command("void")
@acts
def incident_void(
    incident_id: IncidentId,
    *,
    reason: Annotated[str, typer.Option("--reason", help=OF_VOID)] = "",
    session: Session,
) -> None:
    """Say that it is no case (作废). What is grave or was handled takes two people: the second says the same.

    Where nothing of the kind was there, the camera is told to ignore that place.
    """
    with open_desk(session.config, session.lang) as desk:
        actor = desk.actor(session.person, session.token_file)
        acted = act_at(desk, incident_id, Wish(Act.VOID, reason=reason, text=session.text), actor, session)
        if acted.what == "void" and not acted.again:
            _teach(desk, acted.row.incident_id, actor.name)


@incident_app.command("downgrade")
@acts
def incident_downgrade(
    incident_id: IncidentId,
    *,
    reason: Annotated[str, typer.Option("--reason", help=OF_DOWNGRADE)] = "",
    class_code: Annotated[str, typer.Option("--class", help="What it is, five digits; default: as it is.")] = "",
    urgent: Annotated[bool | None, typer.Option("--urgent/--not-urgent", help="Whether its job goes first.")] = None,
    session: Session,
) -> None:
    """Call it another class of its family, or less urgent, for a reason."""
    act(incident_id, Wish(Act.DOWNGRADE, reason, session.text, class_code=class_code, urgent=urgent), session)


@incident_app.command("snooze")
@acts
def incident_snooze(
    incident_id: IncidentId,
    *,
    until: Annotated[str, typer.Option("--until", help="30m, 2h, 7d, or a time with its zone; needed.")] = "",
    urgent: Annotated[bool, typer.Option("--urgent", help="Also what is urgent there.")] = False,
    session: Session,
) -> None:
    """Let nothing of its kind be opened at its place until then; --text says why. The incident itself stays."""
    with open_desk(session.config, session.lang) as desk:
        ends = until_of(until, datetime.now(UTC)) if until else None
        wish = Wish(Act.SNOOZE, text=session.text, until=ends, until_said=until, urgent=urgent or None)
        act_at(desk, incident_id, wish, desk.actor(session.person, session.token_file), session)


@incident_app.command("wake")
@acts
def incident_wake(incident_id: IncidentId, *, session: Session) -> None:
    """End the quiet at its place, whoever asked for it: things of its kind open there again."""
    act(incident_id, Wish(Act.WAKE, text=session.text), session)


@incident_app.command("merge")
@acts
def incident_merge(
    incident_id: IncidentId,
    *,
    into: Annotated[str, typer.Option("--into", metavar="ID", help="The incident that goes on; needed.")] = "",
    session: Session,
) -> None:
    """Say that two are one thing (并案): sightings, pictures and complaints go over, the other one goes on."""
    act(incident_id, Wish(Act.MERGE, text=session.text, into=into), session)


@incident_app.command("reopen")
@acts
def incident_reopen(incident_id: IncidentId, *, session: Session) -> None:
    """Let an ended case go on; --text says why. One that was sent out goes to its unit again."""
    act(incident_id, Wish(Act.REOPEN, text=session.text), session)


@incident_app.command("note")
@acts
def incident_note(incident_id: IncidentId, *, session: Session) -> None:
    """Write something into the record that changes nothing: advice, what was seen. Auxiliary staff may."""
    act(incident_id, Wish(Act.NOTE, text=session.text), session)


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
        english = f"the camera was not told to ignore it: {error}; try `{retry}`"
        said = error.line(desk.lang) if isinstance(error, SaidError) else str(error)
        typer.echo(english if desk.lang == "en" else f"未能通知相机忽略此处:{said};可执行 `{retry}`", err=True)
