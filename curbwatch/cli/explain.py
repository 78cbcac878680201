"""``curbwatch explain EVENT``: why something was reported at a place, or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from alerts.messages import Lang
from config.load import load_config
from config.pack import apply_modes, load_pack
from curbwatch.cli.app import app
from curbwatch.cli.evaluate import with_dwell
from curbwatch.cli.options import ConfigFile, Language
from curbwatch.cli.output import escaped, refuse_unwritable
from curbwatch.desk import open_desk
from curbwatch.tuning.cases_incident import Kept, case_of, incident, recordings_dir
from curbwatch.tuning.cases_keep import BEFORE_S, cut
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.explain import (
    GIVE_BOX,
    Asked,
    Explained,
    alerts_of,
    explain,
    moment_of,
    numbered,
    one_recording,
    parse,
    parse_box,
    refuse_outside,
)
from curbwatch.tuning.explain_events import each_event
from curbwatch.tuning.explain_kept import kept_lines, kept_page, kept_strip
from curbwatch.tuning.explain_page import explained_page
from curbwatch.tuning.explain_text import event_line, place_and_time, sentences
from curbwatch.tuning.recording import Recording, read_recording
from curbwatch.tuning.replay import Alert
from curbwatch.tuning.report import write_page
from curbwatch.tuning.strip import strip, write_png
from detectors.vision import classify
from ingest.decode import one_thread
from schemas.errors import UsageError
from schemas.incident import Box

EventText = Annotated[
    str,
    typer.Argument(
        metavar="EVENT",
        help="RECORDING#N: its alert N, from 0; RECORDING@FRAME or @TIME with --box; RECORDING; or an incident's id.",
        show_default=False,
    ),
]
TimeScale = Annotated[float | None, typer.Option(min=0.001, help="Seconds between frames of clips without a time.")]
Dwell = Annotated[float | None, typer.Option(min=1.0, help="Instead of vision.dwell_s.")]
BoxText = Annotated[str | None, typer.Option("--box", metavar="X,Y,W,H", help="The place, px of the picture.")]

Recordings = Annotated[
    Path | None,
    typer.Option(
        "--frames", help="Folder that `record` writes, for incidents; default: recordings/ in the private one."
    ),
]


@app.command("explain")
def explain_event(  # noqa: PLR0913  # one argument per option of the command line
    event: EventText,
    *,
    box: BoxText = None,
    time_scale: TimeScale = None,
    dwell: Dwell = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML page to this file.")] = None,
    strip_path: Annotated[Path | None, typer.Option("--strip", help="Write a PNG strip to this file.")] = None,
    recordings: Recordings = None,
    config: ConfigFile = None,
    lang: Language = None,
) -> None:
    """Say why something was reported, or nothing: pictures, votes, masks, class and every feature's part in it."""
    one_thread()
    refuse_unwritable(report=report, strip=strip_path)
    asked = parse(event)
    bench, zone, tongue = setting(config, dwell, time_scale, lang)
    if asked is not None and asked == Asked(asked.recording):
        _every_event(one_recording(asked.recording), bench, tongue, zone)
        return
    classifier = classify.load()
    if asked is None:
        told: Explained | Kept = _of_incident(event, config, recordings, bench)
    else:
        told = told_of(asked, bench, None if box is None else parse_box(box))
    if isinstance(told, Kept):
        lines = kept_lines(told, tongue, zone)
    else:
        lines = [place_and_time(told, tongue, zone), *sentences(told, classifier, tongue, zone)]
    for line in lines:
        typer.echo(escaped(line))
    if strip_path is not None:
        write_png(strip_path, kept_strip(told) if isinstance(told, Kept) else strip(told))
    if report is not None:
        page = (
            kept_page(told, tongue, zone) if isinstance(told, Kept) else explained_page(told, classifier, tongue, zone)
        )
        write_page(report, page)


def _every_event(recording: Recording, bench: Bench, lang: Lang, zone: ZoneInfo) -> None:
    """One line for each event of a recording. Raises UsageError where it has none."""
    if not recording.events:
        raise UsageError(f"{recording.folder}: names no events; ask for an alert (#N) or a place (@FRAME --box …)")
    with progress(recording.name, recording.count()) as tick:
        fared = each_event(recording, bench, tick)
    for one in fared:
        typer.echo(escaped(event_line(one, lang, zone)))


def told_of(asked: Asked, bench: Bench, box: Box | None) -> Explained:
    """Explain an alert or a moment of a recording. Raises UsageError where there is no such alert, or no place."""
    recording = one_recording(asked.recording)
    if asked.number < 0 and box is None:
        raise UsageError(f"{asked.recording}@…: {GIVE_BOX}")
    if box is not None:
        refuse_outside(box, recording.size)
    with progress(recording.name, recording.count()) as tick:
        if box is not None and asked.number < 0:
            return explain(recording, bench, box, moment_of(asked, recording, bench.time_scale_s), tick=tick)
        alert = numbered(alerts_of(recording, bench, tick), asked.number, str(asked.recording))
        return explain(recording, bench, box or alert.box_px, alert.opened_ns, alert, tick)


def _of_incident(incident_id: str, config: Path | None, recordings: Path | None, bench: Bench) -> Explained | Kept:
    """Explain an incident from recorded frames, or give what is stored of it where there are none."""
    with open_desk(config) as desk:
        kept = incident(desk, incident_id, recordings_dir(recordings))
    if not kept.recorded:
        return kept
    case = case_of(kept, bench.config.vision.dwell_s)
    with TemporaryDirectory(prefix="curbwatch-explain-") as folder:
        place = Path(folder) / case.camera_id
        place.mkdir()
        cut(place, case, kept.source, bench, BEFORE_S[0])
        recording = read_recording(place)
        alert = Alert(case.family, case.box_px, case.opened_ns, case.appeared_ns, kept.row.confidence)
        return explain(recording, bench, case.box_px, case.opened_ns, alert, view=kept.view)


@contextmanager
def progress(name: str, total: int) -> Iterator[Callable[[], None]]:
    """Show on standard error how far a replay has come; yields what is called once a frame."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(name, total=total)

        def tick() -> None:
            shown.advance(task)

        yield tick


def setting(
    path: Path | None, dwell_s: float | None, time_scale_s: float | None, lang: Lang | None
) -> tuple[Bench, ZoneInfo, Lang]:
    """What a replay is judged by, the city's time, and the language."""
    config = load_config(path)
    if dwell_s is not None:
        config = with_dwell(config, dwell_s)
    city = apply_modes(load_pack(Path(config.site.pack)).city, config.alerts.direct_classes)
    return Bench(config, city, time_scale_s), ZoneInfo(city.timezone), lang or config.site.lang
