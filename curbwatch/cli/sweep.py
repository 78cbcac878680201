"""``curbwatch sweep``: which values of some knobs find most and report least wrongly."""

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from alerts.messages import Lang
from config.load import load_config
from curbwatch.cli.app import app
from curbwatch.cli.compare import named_items
from curbwatch.cli.evaluate import complain, with_dwell
from curbwatch.cli.output import refuse_unwritable, write_json
from curbwatch.cli.table import many
from curbwatch.tuning.compare import bench_of, refuse_detectors
from curbwatch.tuning.suites import NAMES
from curbwatch.tuning.sweep import FLAG, Axis, Point, points, read_axes, shown
from curbwatch.tuning.sweep_report import (
    RESULT_HEADS,
    best_first,
    check_plot,
    row,
    to_dict,
    value_of,
    word,
    write_plot,
)
from curbwatch.tuning.sweep_run import Outcome, Size, run, size_of, trial
from ingest.decode import one_thread
from schemas.errors import UsageError

SHOWN = 15  # rows in the terminal; the page and the JSON have them all
SETS = typer.Option(FLAG, help="Knob and values: vision.differs_grey=12..28:4, alerts.stall_confidence=0.3,0.5,0.7.")
PATHS = typer.Argument(metavar="PATH...", help="Folders with recordings (recording/1), searched to their depth.")


@app.command("sweep")
def sweep(  # noqa: PLR0913  # one argument per option of the command line
    paths: Annotated[list[Path] | None, PATHS] = None,
    *,
    sets: Annotated[list[str], SETS],
    suite: Annotated[list[str] | None, typer.Option(help=f"Also a suite: {', '.join(NAMES)}. Repeatable.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder that composites are made from; else a PATH.")] = None,
    draw: Annotated[int | None, typer.Option("--random", min=1, help="Only so many combinations, drawn.")] = None,
    seed: Annotated[int, typer.Option(help="With --random: the same seed draws the same ones.")] = 0,
    base: Annotated[Path | None, typer.Option(help="TOML file to start from; without one the defaults.")] = None,
    time_scale: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds between frames of clips without a time of their own.")
    ] = None,
    dwell: Annotated[float | None, typer.Option(min=1.0, help="Instead of vision.dwell_s.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Page (.html) or picture (.svg) with the Pareto front.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Recordings at once, each in its own process.")] = 1,
    lang: Annotated[Lang | None, typer.Option(help="Language of the page; without it site.lang.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Try values of knobs on recordings: each picture decoded once, recall against false alarms as a plot."""
    one_thread()
    config = load_config(base)
    if dwell is not None:
        config = with_dwell(config, dwell)
    axes = read_axes(sets)
    if dwell is not None and any(axis.key == "vision.dwell_s" for axis in axes):
        raise UsageError("--dwell and --set vision.dwell_s both say the dwell: give one of them")
    tried = points(config, axes, draw, seed)
    refuse_detectors(point.config for point in tried)
    check_plot(plot)
    refuse_unwritable(json=json_path)
    faults: list[dict[str, str]] = []
    items = named_items(paths or [], suite or [], data, faults)
    bench = bench_of(config, time_scale)
    size = size_of(items, tried)
    console = Console(stderr=True)
    _announce(console, size, trial(items, bench), jobs)
    with _progress(console) as progress:
        task = progress.add_task("", total=size.points * size.frames)

        def tick(name: str, looks: int) -> None:
            progress.update(task, advance=looks, description=name)

        outcomes = run(tried, items, bench, tick, faults, jobs)
    _show(outcomes, tried[0], axes, config.site.lang if lang is None else lang)
    write_json(json_path, to_dict(outcomes, axes, size) | {"faults": faults})
    if plot is not None:
        write_plot(plot, outcomes, axes, tried[0], size, config.site.lang if lang is None else lang)
        typer.echo(f"{plot}: {plot.stat().st_size / 1000:.0f} kB")
    complain(faults, len(outcomes[0].found["recordings"]))


def _announce(console: Console, size: Size, took_s: tuple[float, float] | None, jobs: int) -> None:
    console.print(
        f"{many(size.points, 'configuration')} in {many(size.replays, 'replay')} (alerts alone need none of their own)"
        f" of {many(size.recordings, 'recording')}: {many(size.frames, 'frame')} decoded once,"
        f" {many(size.looks, 'look')}, up to"
        f" {size.cache_bytes / 1e6:.0f} MB on disk",
        highlight=False,
    )
    if took_s is not None:
        total_s = (size.frames * took_s[0] + size.looks * took_s[1]) / min(jobs, size.recordings)
        console.print(f"about {_clock(total_s)} by a trial of the first frames", highlight=False)


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


def _show(outcomes: tuple[Outcome, ...], base: Point, axes: tuple[Axis, ...], lang: Lang) -> None:
    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in RESULT_HEADS:
        if name != "recall":  # it says what "found" does
            table.add_column(word(name, lang), justify="right", no_wrap=True)
    for axis in axes:
        table.add_column(axis.name.replace("_", " "), justify="right", overflow="fold")
    ordered = best_first(outcomes)
    for number, one in ordered[:SHOWN]:
        cells = list(row(number, one, axes, base))
        del cells[RESULT_HEADS.index("recall")]
        table.add_row(*("–" if cell is None else str(cell) for cell in cells))
    console.print(table)
    if len(ordered) > SHOWN:
        console.print(f"and {len(ordered) - SHOWN} more, in --plot and --json")
    if outcomes[0].recall is None:
        console.print("no events in these recordings: of recall they say nothing")
    said = ", ".join(f"{axis.key} = {shown(value_of(base, axis))}" for axis in axes)
    console.print(f"base: {said}", highlight=False)
