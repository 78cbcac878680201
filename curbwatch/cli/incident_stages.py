"""``curbwatch incident close|rework|suspend|resume|extend|self-handle``: a person's word on a case's stages."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from alerts.desk.actions import Given
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.evidence import EvidenceFolder
from curbwatch.cli.acting import Session, act, act_at, acts, until_of
from curbwatch.cli.incident import IncidentId, incident_app
from curbwatch.cli.words import reason_word
from curbwatch.desk import Desk, open_desk
from curbwatch.spoken import trouble_zh
from ingest.jpeg import inspect
from schemas.errors import FrameError, SaidError
from schemas.frame import Frame
from schemas.incident import EvidenceRecord
from schemas.units import ns_of

BY_HAND = "by-hand"  # the camera of a picture that a person took


@incident_app.command("close")
@acts
def incident_close(incident_id: IncidentId, *, session: Session) -> None:
    """Say that a crew's work passed its check (核查、结案). Not by who did the work."""
    act(incident_id, Wish(Act.CLOSE, text=session.text), session)


@incident_app.command("rework")
@acts
def incident_rework(incident_id: IncidentId, *, session: Session) -> None:
    """Say that a crew's work did not pass (返工); --text says why. The same job goes out again."""
    act(incident_id, Wish(Act.REWORK, text=session.text), session)


@incident_app.command("suspend")
@acts
def incident_suspend(
    incident_id: IncidentId,
    *,
    until: Annotated[str, typer.Option("--until", help="7d, or a time with its zone; else as long as may be.")] = "",
    session: Session,
) -> None:
    """Set a case aside that cannot be dealt with now (挂账); --text says why. Its clocks stand still."""
    with open_desk(session.config, session.lang) as desk:
        ends = until_of(until, datetime.now(UTC)) if until else None
        wish = Wish(Act.SUSPEND, text=session.text, until=ends, until_said=until)
        act_at(desk, incident_id, wish, desk.actor(session.person, session.token_file), session)


@incident_app.command("resume")
@acts
def incident_resume(incident_id: IncidentId, *, session: Session) -> None:
    """Let a suspended case go on where it was."""
    act(incident_id, Wish(Act.RESUME, text=session.text), session)


@incident_app.command("extend")
@acts
def incident_extend(
    incident_id: IncidentId,
    *,
    hours: Annotated[
        float, typer.Option("--hours", help="As its limit counts: of working time, or by the clock; needed.")
    ] = 0.0,
    session: Session,
) -> None:
    """Give the stage that runs more time (延时); --text says why. Once; again by a supervisor only."""
    act(incident_id, Wish(Act.EXTEND, text=session.text, working_h=hours), session)


@incident_app.command("self-handle")
@acts
def incident_self_handle(
    incident_id: IncidentId,
    *,
    after: Annotated[
        Path | None, typer.Option("--after", help="JPEG of the place when it was dealt with; needed.")
    ] = None,
    before: Annotated[Path | None, typer.Option("--before", help="JPEG from before; default: its own.")] = None,
    session: Session,
) -> None:
    """Say that it was dealt with on the spot (自处置), with pictures from before and after."""
    with open_desk(session.config, session.lang) as desk:
        actor = desk.actor(session.person, session.token_file)
        given = Given(
            before=None if before is None else _keep(desk, before), after=None if after is None else _keep(desk, after)
        )
        act_at(desk, incident_id, Wish(Act.SELF_HANDLE, text=session.text), actor, session, given)


def _keep(desk: Desk, path: Path) -> EvidenceRecord:
    """A person's picture, checked as a camera's is, its bytes on disk. Raises UsageError."""
    knobs = desk.site.config.intake
    try:
        if path.stat().st_size > knobs.frame_max_bytes:
            most = f"{knobs.frame_max_bytes} "
            raise SaidError(
                f"{path}: more than {most}bytes (intake.frame_max_bytes)",
                f"{path}:超过 {most}字节(intake.frame_max_bytes)",
            )
        data = path.read_bytes()
        header = inspect(data, max_bytes=knobs.frame_max_bytes, max_pixels=knobs.frame_max_pixels)
    except OSError as error:
        raise SaidError(f"{path}: cannot be read: {error.strerror}", f"{path}:无法读取:{trouble_zh(error)}") from None
    except FrameError as error:
        other = error.reason in {"format", "empty"}
        said = "it is no JPEG" if other else f"its JPEG is refused ({error})"
        chinese = "不是 JPEG 图片" if other else f"JPEG 被拒收({reason_word(error.reason, 'zh')})"
        raise SaidError(f"{path}: no picture that is taken: {said}", f"{path}:不能用作照片:{chinese}") from None
    now_ns = ns_of(datetime.now(UTC))
    frame = Frame(BY_HAND, now_ns, now_ns, data, header.width, header.height, stamped=False)
    return EvidenceFolder(desk.site.evidence_dir).keep(frame)
