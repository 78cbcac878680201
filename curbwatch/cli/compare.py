"""``curbwatch compare``: what a second configuration finds, loses and wrongly reports beside a first one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from alerts.messages import Lang
from config.load import load_config
from config.model import Config
from curbwatch.cli.app import app
from curbwatch.cli.evaluate import complain, items_of, with_dwell
from curbwatch.cli.output import refuse_unwritable, write_json
from curbwatch.tuning.compare import DEFAULTS, Pair, bench_of, compare, refuse_detectors, to_dict
from curbwatch.tuning.compare_report import COLUMNS, by_recording, document, figures, plain_headline, word
from curbwatch.tuning.evaluate import Bench
from curbwatch.tuning.report import write_page
from curbwatch.tuning.suites import NAMES, Item
from curbwatch.tuning.sweep import shown
from curbwatch.tuning.sweep_run import CANNOT
from ingest.decode import one_thread
from schemas.errors import UsageError

FIRST = typer.Argument(metavar="A", help=f"TOML file of the first configuration; {DEFAULTS}: no file.")
SECOND = typer.Argument(metavar="B", help="TOML file of the second one.")
PATHS = typer.Argument(metavar="PATH...", help="Folders with recordings (recording/1), searched to their depth.")


@app.command("compare")
def compare_(  # noqa: PLR0913  # one argument per option of the command line
    first: Annotated[Path, FIRST],
    second: Annotated[Path, SECOND],
    paths: Annotated[list[Path] | None, PATHS] = None,
    *,
    suite: Annotated[list[str] | None, typer.Option(help=f"Also a suite: {', '.join(NAMES)}. Repeatable.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder that composites are made from; else a PATH.")] = None,
    time_scale: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds between frames of clips without a time of their own.")
    ] = None,
    dwell: Annotated[float | None, typer.Option(min=1.0, help="Instead of both files' vision.dwell_s.")] = None,
    report: Annotated[Path | None, typer.Option(help="Page with the pictures of every difference.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
    lang: Annotated[Lang | None, typer.Option(help="Language of page and tables; without it B's site.lang.")] = None,
) -> None:
    """Play recordings through two configurations, each picture decoded once, and show what differs."""
    one_thread()
    refuse_unwritable(report=report, json=json_path)
    configs = _config(first, dwell), _config(second, dwell)
    refuse_detectors(configs)
    benches = bench_of(configs[0], time_scale), bench_of(configs[1], time_scale)
    faults: list[dict[str, str]] = []
    items = named_items(paths or [], suite or [], data, faults)
    tongue = configs[1].site.lang if lang is None else lang
    pairs = _pairs(items, benches, faults)
    found = to_dict(pairs, configs, (str(first), str(second))) | {"faults": faults}
    _show(found, tongue)
    write_json(json_path, found)
    if report is not None:
        write_page(report, document(found, pairs, tongue, _options(time_scale, dwell)))
        typer.echo(f"{report}: {report.stat().st_size / 1000:.0f} kB")
    complain(faults, len(pairs))


def named_items(paths: list[Path], suites: list[str], data: Path | None, faults: list[dict[str, str]]) -> list[Item]:
    """What is to be played: recordings of the paths, then the suites; a broken recording becomes a fault.

    Raises UsageError where there is none at all.
    """
    found = list(items_of(paths, suites, data, faults))
    if not found and not faults:
        named = ", ".join(map(str, paths)) or "no PATH and no --suite given"
        raise UsageError(f"{named}: no recording.json there or below")
    return found


def _pairs(items: list[Item], benches: tuple[Bench, Bench], faults: list[dict[str, str]]) -> list[Pair]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    pairs: list[Pair] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=2 * sum(item.frames for item in items))
        for item in items:
            progress.update(task, description=item.name)
            try:
                with item.open(lambda: None) as recording:
                    pairs.append(compare(recording, benches, lambda looks: progress.advance(task, looks)))
            except CANNOT as error:
                faults.append({"path": item.name, "error": f"{item.name}: {error}"})
    return pairs


def _config(path: Path, dwell_s: float | None) -> Config:
    config = load_config(None if str(path) == DEFAULTS else path)
    return config if dwell_s is None else with_dwell(config, dwell_s)


def _options(time_scale_s: float | None, dwell_s: float | None) -> str:
    """The replay's options as they were given, for the next command."""
    given = (("--time-scale", time_scale_s), ("--dwell", dwell_s))
    return " ".join(f"{flag} {value:g}" for flag, value in given if value is not None)


def _show(found: dict[str, Any], lang: Lang) -> None:
    console = Console()
    for one in found["knobs"]:
        console.print(f"{one['key']}: {shown(one['a'])} → {shown(one['b'])}", highlight=False)
    heads = ("", *(word(side, lang) for side in ("first", "second", "change")))
    console.print(_table(heads, figures(found, lang)))
    rows = by_recording(found)
    if rows:
        console.print(_table((word("recording", lang), *(word(key, lang) for key in COLUMNS)), rows))
    console.print(plain_headline(found, lang), highlight=False)


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(heads):
        table.add_column(name, justify="right" if number else "left", no_wrap=bool(number))
    for row in rows:
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    return table
