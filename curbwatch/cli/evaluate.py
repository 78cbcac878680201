"""``curbwatch evaluate``: what the detectors find in recordings, and what they wrongly report."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from config.load import load_config
from config.model import Config
from config.pack import apply_modes, load_pack
from curbwatch.cli.app import app
from curbwatch.cli.output import write_json
from curbwatch.tuning.composite import FIRST_FRAME, choices, waste_composite
from curbwatch.tuning.evaluate import BASELINE, Bench, evaluate, report
from curbwatch.tuning.recording import Recording, find_recordings
from curbwatch.tuning.score import Result
from curbwatch.tuning.suite import FRAMES, SUITES, build
from ingest.decode import one_thread
from schemas.errors import ConfigError, Fault, UsageError

COMPOSITES = 20
COMPOSITE_SCALE_S = 4.0
PATHS = typer.Argument(help="Folders with recordings (recording/1), searched to their depth.", show_default=False)


@app.command("evaluate")
def evaluate_recordings(
    paths: Annotated[list[Path] | None, PATHS] = None,
    *,
    suite: Annotated[str | None, typer.Option(help=f"Also a generated suite: {', '.join(SUITES)}.")] = None,
    time_scale: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds between frames of clips without a time of their own.")
    ] = None,
    dwell: Annotated[float | None, typer.Option(min=1.0, help="Instead of vision.dwell_s.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults.")] = None,
    composite: Annotated[
        bool, typer.Option("--composite", help="Also paste street waste into the parking clip of PATH, a data folder.")
    ] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Play recordings through the road's own code with a virtual clock and score what it would have opened."""
    one_thread()
    bench = _bench(config, dwell, time_scale)
    results: list[dict[str, Result]] = []
    with _progress() as progress:
        for recording in _recordings(paths or []):
            task = progress.add_task(recording.name, total=recording.count())
            results.append(evaluate(recording, bench, partial(progress.advance, task)))
            progress.remove_task(task)
        if composite:
            results.extend(_composites(paths or [], bench, progress))
        if suite is not None:
            results.extend(_suite(suite, bench, progress))
    if not results:
        named = ", ".join(map(str, paths or ())) or "no PATH given"
        raise UsageError(f"{named}: no recording.json there or below")
    found = report(results, bench)
    _show(found)
    write_json(json_path, found)


def _bench(path: Path | None, dwell_s: float | None, time_scale_s: float | None) -> Bench:
    config = load_config(path)
    if dwell_s is not None:
        config = with_dwell(config, dwell_s)
    city = apply_modes(load_pack(Path(config.site.pack)).city, config.alerts.direct_classes)
    return Bench(config, city, time_scale_s)


def with_dwell(config: Config, dwell_s: float) -> Config:
    """The configuration with another dwell. Raises ConfigError for one that no configuration may have."""
    if not 1.0 <= dwell_s <= 86_400:
        raise ConfigError((Fault("--dwell", "", str(dwell_s), "must be 1 to 86400 s"),))
    return config.model_copy(update={"vision": config.vision.model_copy(update={"dwell_s": dwell_s})})


def _recordings(paths: list[Path]) -> Iterator[Recording]:
    for path in paths:
        yield from find_recordings(path)


def _composites(paths: list[Path], bench: Bench, progress: Progress) -> Iterator[dict[str, Result]]:
    data = next((path for path in paths if (path / "waste-street-cn").is_dir()), None)
    if data is None:
        raise UsageError("--composite: no PATH holds waste-street-cn and the parking clip; name the data folder")
    scale_s = COMPOSITE_SCALE_S if bench.time_scale_s is None else bench.time_scale_s
    spread = Bench(bench.config, bench.city, scale_s, bench.baseline)
    task = progress.add_task("composites", total=COMPOSITES)
    for one in choices(data, COMPOSITES):
        with TemporaryDirectory(prefix="curbwatch-composite-") as folder:
            place = Path(folder) / f"composite-{one.picture[:40]}"
            made = waste_composite(data, one.picture, one.box_index, one.width_px, one.place, FIRST_FRAME, place)
            yield evaluate(made, spread)
        progress.advance(task)


def _suite(name: str, bench: Bench, progress: Progress) -> Iterator[dict[str, Result]]:
    if name not in SUITES:
        raise UsageError(f"--suite {name}: there are {', '.join(SUITES)}")
    for city in SUITES[name]:
        task = progress.add_task(city.name, total=2 * FRAMES)
        with TemporaryDirectory(prefix="curbwatch-suite-") as folder:
            made = build(city, Path(folder) / city.name, tick=partial(progress.advance, task))
            yield evaluate(made, bench, partial(progress.advance, task))
        progress.remove_task(task)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress


def _show(found: dict[str, Any]) -> None:
    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("recording", "hours", "events", "found", "false", "doubled", "standing", "unusable"):
        table.add_column(name, justify="left" if name == "recording" else "right", no_wrap=name != "recording")
    keys = ("events", "found", "false_alarms", "duplicates", "standing_found", "undecodable")
    for row in found["recordings"]:
        name = row["name"] + ("" if row["counted"] else " (listed, not judged)")
        table.add_row(name, f"{row['hours']:.2f}", *(str(row[key]) for key in keys))
    console.print(table)
    totals = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "hours", "events", "found", "95 %", "false", "per h", "doubled", "late", "p90"):
        totals.add_column(name, justify="right" if name else "left", no_wrap=True)
    rows = {"curbwatch": found, **({BASELINE: found["baseline"][BASELINE]} if found["baseline"] else {})}
    for name, row in rows.items():
        totals.add_row(name, *_total(row))
    console.print(totals)
    kinds = ", ".join(
        f"{kind}: {row['found']} of {row['events']} found, {row['right_class']} as {kind}"
        for kind, row in found["by_kind"].items()
    )
    console.print(f"{kinds}; dwell {found['dwell_s']:g} s; late = seconds beyond the dwell")


def _total(row: dict[str, Any]) -> tuple[str, ...]:
    def number(value: float | None, form: str = ".2f") -> str:
        return "–" if value is None else format(value, form)

    reach = "–" if row["recall_95"] is None else "{:.2f}–{:.2f}".format(*row["recall_95"])
    return (
        number(row["hours"]),
        str(row["events"]),
        str(row["found"]),
        reach,
        str(row["false_alarms"]),
        number(row["unwanted_per_hour"]),
        str(row["duplicates"]),
        number(row["delay_s"]["median"], ".0f"),
        number(row["delay_s"]["p90"], ".0f"),
    )
