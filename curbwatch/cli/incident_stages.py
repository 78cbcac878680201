"""``curbwatch incident close|rework|suspend|resume|extend|self-handle``: a person's word on a case's stages."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from alerts.desk.actions import Given
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.evidence import EvidenceFolder
from curbwatch.cli.acting import Key, Session, TokenFile, Version, Who, Words, act, act_at, until_of
from curbwatch.cli.dispatch import ConfigFile, Json, Language
from curbwatch.cli.incident import IncidentId, incident_app
from curbwatch.desk import Desk, open_desk
from ingest.jpeg import inspect
from schemas.errors import FrameError, UsageError
from schemas.frame import Frame
from schemas.incident import EvidenceRecord
from schemas.units import ns_of

BY_HAND = "by-hand"  # the camera of a picture that a person took


@incident_app.command("close")
def incident_close(  # noqa: PLR0913  # one argument per option of the command line
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
    """Say that a crew's work passed its check (核查、结案). Not by who did the work."""
    act(incident_id, Wish(Act.CLOSE, text=text), Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("rework")
def incident_rework(  # noqa: PLR0913  # one argument per option of the command line
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
    """Say that a crew's work did not pass (返工); --text says why. The same job goes out again."""
    act(incident_id, Wish(Act.REWORK, text=text), Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("suspend")
def incident_suspend(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    until: Annotated[str, typer.Option("--until", help="7d, or a time with its zone; else as long as may be.")] = "",
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Set a case aside that cannot be dealt with now (挂账); --text says why. Its clocks stand still."""
    wish = Wish(Act.SUSPEND, text=text, until=until_of(until, datetime.now(UTC)) if until else None)
    act(incident_id, wish, Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("resume")
def incident_resume(  # noqa: PLR0913  # one argument per option of the command line
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
    """Let a suspended case go on where it was."""
    act(incident_id, Wish(Act.RESUME, text=text), Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("extend")
def incident_extend(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    hours: Annotated[float, typer.Option("--hours", help="As its limit counts: of working time, or by the clock.")],
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Give the stage that runs more time (延时); --text says why. Once; again by a supervisor only."""
    wish = Wish(Act.EXTEND, text=text, working_h=hours)
    act(incident_id, wish, Session(person, token_file, config, lang, as_json, version, key))


@incident_app.command("self-handle")
def incident_self_handle(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    after: Annotated[Path, typer.Option("--after", help="JPEG of the place when it was dealt with.")],
    before: Annotated[Path | None, typer.Option("--before", help="JPEG from before; default: its own.")] = None,
    person: Who = "",
    text: Words = "",
    version: Version = None,
    key: Key = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Say that it was dealt with on the spot (自处置), with pictures from before and after."""
    session = Session(person, token_file, config, lang, as_json, version, key)
    with open_desk(config, lang) as desk:
        actor = desk.actor(person, token_file)
        given = Given(before=None if before is None else _keep(desk, before), after=_keep(desk, after))
        act_at(desk, incident_id, Wish(Act.SELF_HANDLE, text=text), actor, session, given)


def _keep(desk: Desk, path: Path) -> EvidenceRecord:
    """A person's picture, checked as a camera's is, its bytes on disk. Raises UsageError."""
    knobs = desk.site.config.intake
    try:
        if path.stat().st_size > knobs.frame_max_bytes:
            raise UsageError(f"{path}: more than {knobs.frame_max_bytes} bytes (intake.frame_max_bytes)")
        data = path.read_bytes()
        header = inspect(data, max_bytes=knobs.frame_max_bytes, max_pixels=knobs.frame_max_pixels)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except FrameError as error:
        said = "it is no JPEG" if error.reason in {"format", "empty"} else f"its JPEG is refused ({error})"
        raise UsageError(f"{path}: no picture that is taken: {said}") from None
    now_ns = ns_of(datetime.now(UTC))
    frame = Frame(BY_HAND, now_ns, now_ns, data, header.width, header.height, stamped=False)
    return EvidenceFolder(desk.site.evidence_dir).keep(frame)
