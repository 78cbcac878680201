"""``curbwatch bench queries``: the commonest questions on ten million positions, cold and warm."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from config.service import LogKnobs
from curbwatch.bench.queries import ROWS, bench_queries
from curbwatch.cli.bench import bench
from curbwatch.cli.output import refuse_unwritable, write_json
from curbwatch.parts.paths import home
from curbwatch.telemetry import configure_logs


@bench.command("queries")
def queries(
    *,
    rows: Annotated[int, typer.Option(min=10_000, help="Positions; a tenth as many sightings.")] = ROWS,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Keep the filled server here, and use it again; default: removed.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write figures and plans to this file.")] = None,
) -> None:
    """Fill a server of its own with ninety days of a city, then ask what is asked most, cold and warm.

    Ten million positions take about 4 GB of disk and a quarter of an hour.
    """
    configure_logs(LogKnobs(level="warning"))
    refuse_unwritable(json=json_path)
    place = folder or home() / "bench-queries"
    try:
        found = bench_queries(place, rows=rows, say=typer.echo)
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
    above = [name for name, one in found["questions"].items() if one["cold_ms"] > found["goal_ms"]]
    typer.echo(f"{len(found['questions'])} questions, {len(above)} above {found['goal_ms']:.0f} ms cold")
    write_json(json_path, found)
