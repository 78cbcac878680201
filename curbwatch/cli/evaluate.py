"""``curbwatch evaluate``: what the detectors find in recordings, and what they wrongly report."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from alerts.messages import Lang
from config.load import load_config
from config.model import Config
from config.pack import apply_modes, load_pack
from curbwatch.cli.app import app
from curbwatch.cli.output import escaped, refuse_unwritable, write_json
from curbwatch.cli.table import many
from curbwatch.tuning.evaluate import BASELINE, OURS, Bench, evaluate, report
from curbwatch.tuning.evaluation_report import Made, Shot, evaluation_page, shots, word
from curbwatch.tuning.recording import Recording, read_recording, recording_folders
from curbwatch.tuning.report import write_page
from curbwatch.tuning.score import Result
from curbwatch.tuning.suites import COMPOSITES, NAMES, Item, Tick, data_folder, items
from ingest.decode import one_thread
from schemas.errors import ConfigError, CurbwatchError, Fault, FrameError, UsageError

PATHS = typer.Argument(help="Folders with recordings (recording/1), searched to their depth.", show_default=False)
FAULTS_SHOWN = 20


@app.command("evaluate")
def evaluate_recordings(  # noqa: PLR0913  # one argument per option of the command line
    paths: Annotated[list[Path] | None, PATHS] = None,
    *,
    suite: Annotated[list[str] | None, typer.Option(help=f"Also a suite: {', '.join(NAMES)}. Repeatable.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder that composites are made from; else a PATH.")] = None,
    time_scale: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds between frames of clips without a time of their own.")
    ] = None,
    dwell: Annotated[float | None, typer.Option(min=1.0, help="Instead of vision.dwell_s.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults.")] = None,
    baseline: Annotated[bool, typer.Option(help="Whether two MOG2 models look at the same frames.")] = True,
    report_path: Annotated[
        Path | None, typer.Option("--report", help="Also write a page with every alert to this file.")
    ] = None,
    lang: Annotated[Lang | None, typer.Option(help="Language of table and page; without it site.lang.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Play recordings through the road's own code with a virtual clock and score what it would have opened.

    A recording that cannot be read or played is named and left out; the exit code is 1 then.
    """
    one_thread()
    refuse_unwritable(report=report_path, json=json_path)
    bench = _bench(config, dwell, time_scale, baseline=baseline)
    faults: list[dict[str, str]] = []
    results: list[dict[str, Result]] = []
    rows: list[Shot] | None = None if report_path is None else []
    with _progress() as progress:
        for item in items_of(paths or [], suite or [], data, faults):
            results += _judged(item, bench, progress, faults, rows)
    if not results and not faults:
        named = ", ".join(map(str, paths or ())) or "no PATH given"
        raise UsageError(f"{named}: no recording.json there or below")
    result = report(results, bench) | {"faults": faults}
    tongue = lang or bench.config.site.lang
    write_json(json_path, result)
    if report_path is not None and rows is not None:
        places = [*map(str, paths or ()), *(suite or ())]
        write_page(report_path, evaluation_page(result, rows, tongue, _made(bench, config, places, dwell, tongue)))
    if results:
        _show(result, tongue)
    complain(faults, sum(one[OURS].played.analysed > 0 for one in results))


def _bench(path: Path | None, dwell_s: float | None, time_scale_s: float | None, *, baseline: bool) -> Bench:
    config = load_config(path)
    if dwell_s is not None:
        config = with_dwell(config, dwell_s)
    city = apply_modes(load_pack(Path(config.site.pack)).city, config.alerts.direct_classes)
    return Bench(config, city, time_scale_s, baseline)


def _made(bench: Bench, config: Path | None, named: list[str], dwell_s: float | None, lang: Lang) -> Made:
    """What the page says of its making."""
    given = (("--time-scale", bench.time_scale_s), ("--dwell", dwell_s))
    options = [f"{flag} {value:g}" for flag, value in given if value is not None]
    options += [] if config is None else [f"--config {quote(str(config))}"]
    scale = word("as_recorded", lang) if bench.time_scale_s is None else f"{bench.time_scale_s:g} s"
    rows = (
        ("dwell", f"{bench.config.vision.dwell_s:g} s"),
        ("time_scale", scale),
        ("configuration", word("defaults", lang) if config is None else str(config)),
        ("paths", ", ".join(named)),
        ("date", datetime.now(UTC).astimezone().isoformat(timespec="minutes")),
        ("version", version("curbwatch")),
    )
    return Made(" ".join(options), rows)


def with_dwell(config: Config, dwell_s: float) -> Config:
    """The configuration with another dwell. Raises ConfigError for one that no configuration may have."""
    if not 1.0 <= dwell_s <= 86_400:
        raise ConfigError((Fault("--dwell", "", str(dwell_s), "must be 1 to 86400 s"),))
    return config.model_copy(update={"vision": config.vision.model_copy(update={"dwell_s": dwell_s})})


def items_of(paths: list[Path], suites: list[str], data: Path | None, faults: list[dict[str, str]]) -> Iterator[Item]:
    """What is to be judged: the recordings of the paths, then the suites; a broken recording becomes a fault.

    Raises UsageError for a path or a suite that does not exist, or where a suite lacks the data folder.
    """
    unknown = [name for name in suites if name not in NAMES]
    if unknown:
        items(unknown[0], None)
    for path in paths:
        for folder in recording_folders(path):
            try:
                recording = read_recording(folder)
            except UsageError as error:
                faults.append({"path": str(folder), "error": str(error)})
                continue
            yield Item(recording.name, recording.count(), partial(_there, recording))
    for name in suites:
        yield from items(name, (data or data_folder(paths)) if name in COMPOSITES else None)


def _there(recording: Recording, _: Tick) -> AbstractContextManager[Recording]:
    return nullcontext(recording)


def _judged(
    item: Item, bench: Bench, progress: Progress, faults: list[dict[str, str]], rows: list[Shot] | None
) -> list[dict[str, Result]]:
    """The scores of one recording, its alerts' pictures to ``rows``; none, and a fault, where it cannot be played."""
    place = item.name
    task = progress.add_task(item.name, total=item.frames or None)
    tick = partial(progress.advance, task)
    try:
        with item.open(tick) as recording:
            progress.reset(task, total=item.frames or None)  # what was drawn until now is played now
            place = str(recording.folder)
            found = evaluate(recording, bench, tick)
            note_backwards(recording)
            if not found[OURS].played.analysed:
                faults.append({"path": place, "error": f"{place}: {_unseen(found[OURS].played.frames)}"})
            if rows is not None:
                rows += shots(recording, found[OURS])
    except (UsageError, FrameError, OSError) as error:
        text = str(error)
        faults.append({"path": place, "error": text if place in text else f"{place}: {text}"})
        return []
    finally:
        progress.remove_task(task)
    return [found]


def _unseen(frames: int) -> str:
    return f"none of its {many(frames, 'picture')} can be used" if frames else "has no frames"


def note_backwards(recording: Recording) -> None:
    """Say on standard error where a recording's stamps run backwards: the detector leaves such frames out."""
    late = recording.backwards()
    if late:
        told = f"the stamps of {many(len(late), 'frame')} run backwards, the first at frame {late[0]}: left out as late"
        typer.echo(f"note: {escaped(str(recording.folder))}: {told}", err=True)


def complain(faults: list[dict[str, str]], judged: int) -> None:
    """Name what could not be judged, beside ``judged`` recordings. Raises CurbwatchError where there is something."""
    if not faults:
        return
    for fault in faults[:FAULTS_SHOWN]:
        typer.echo(f"not evaluated: {escaped(fault['error'])}", err=True)
    if judged:
        raise CurbwatchError(f"{len(faults)} of the recordings could not be evaluated; the others were")
    raise CurbwatchError(f"no recording could be evaluated: {many(len(faults), 'fault')}")


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress


def _show(found: dict[str, Any], lang: Lang) -> None:
    console = Console()
    keys = ("events", "found", "false_alarms", "duplicates", "standing_found")
    heads = tuple(word(key, lang) for key in ("hours", *keys, "unusable"))
    table = _table(word("recording", lang), heads)
    for row in found["recordings"]:
        name = row["name"] + ("" if row["counted"] else word("unjudged", lang))
        table.add_row(name, f"{row['hours']:.2f}", *(str(row[key]) for key in (*keys, "undecodable")))
    console.print(table)
    heads = ("hours", "events", "found", "interval", "false_alarms", "per_h", "duplicates", "late_s", "p90_s")
    heads = tuple(word(key, lang) for key in heads)
    parts = {word(name, lang): row for name, row in found["by_condition"].items() if len(found["by_condition"]) > 1}
    widths = {f"{name} px": row for name, row in found["by_width_px"].items() if row["events"]}
    totals = {"curbwatch": found, **({BASELINE: found["baseline"][BASELINE]} if found["baseline"] else {})}
    for rows in (parts, widths, totals):
        if rows:
            split = _table("", heads)
            for name, row in rows.items():
                split.add_row(name, *_total(row))
            console.print(split)
    for line in _words(found, lang):
        console.print(line, highlight=False)


def _words(found: dict[str, Any], lang: Lang) -> Iterator[str]:
    """What the tables do not say."""
    kinds = [
        word("of_kind", lang).format(kind=word(kind, lang), **row)
        for kind, row in found["by_kind"].items()
        if row["events"]
    ]
    yield "; ".join([*kinds, word("late_is", lang).format(found["dwell_s"])])
    closing, health = found["close_s"], found["health_events"]
    if closing["ended"]:
        half = "" if closing["median"] is None else word("half", lang).format(closing["median"])
        yield word("closed", lang).format(**closing) + half
    if health:
        yield word("health", lang) + ": " + ", ".join(f"{name} {count}" for name, count in health.items())


def _table(first: str, heads: tuple[str, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for name in heads:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _total(row: dict[str, Any]) -> tuple[str, ...]:
    def number(value: float | None, form: str = ".2f") -> str:
        return "–" if value is None else format(value, form)

    reach = "–" if row["recall_95"] is None else "{:.2f}–{:.2f}".format(*row["recall_95"])
    return (
        number(row.get("hours")),
        str(row["events"]),
        str(row["found"]),
        reach,
        str(row.get("false_alarms", "–")),
        number(row.get("unwanted_per_hour")),
        str(row["duplicates"]),
        number(row["delay_s"]["median"], ".0f"),
        number(row["delay_s"]["p90"], ".0f"),
    )
