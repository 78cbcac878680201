"""``curbwatch bench``: speed, each figure beside its baseline in one run."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from config.load import load_config
from config.service import LogKnobs
from curbwatch.bench import detector
from curbwatch.bench.desk import Pace, bench_desk
from curbwatch.bench.grid import bench_grid
from curbwatch.bench.lag import whole_run
from curbwatch.bench.latency import bench_latency
from curbwatch.bench.positions import bench_positions
from curbwatch.bench.rig import own_servers
from curbwatch.bench.soak import soak as run_soak
from curbwatch.cli.app import app
from curbwatch.cli.output import write_json
from curbwatch.endpoints import resolve
from curbwatch.telemetry import configure_logs
from schemas.errors import CurbwatchError

bench = typer.Typer(name="bench", no_args_is_help=True, help="Speed, each figure beside its baseline in one run.")
app.add_typer(bench)


@bench.command("detector")
@bench.command("frames", hidden=True)
def frames(
    *,
    cameras: Annotated[int, typer.Option(min=1, max=1000, help="How many cameras take turns.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long to measure, after drawing and warming up.")] = 20.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Decode and detect 720p frames of busy simulated streets, beside the bare decode and beside other models.

    ``bench frames`` is another name of it.
    """
    columns = (TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("drawing", total=detector.SCENES * detector.FRAMES)
        reels = detector.draw(tick=lambda: progress.advance(task))
        progress.update(task, description="measuring", total=None)
        found = detector.measure(reels, cameras, seconds)
    _show(found)
    write_json(json_path, found)


def _show(found: dict[str, Any]) -> None:
    low, middle, high = found["jpeg_kib"]
    gray_us = found["decode_gray4_us"]
    typer.echo(
        f"{found['cameras']} cameras, {found['scenes']} distinct scenes at different moments,"
        f" {found['things_per_hour']:.0f} things put down an hour in each: a busy street, not a market"
    )
    typer.echo(f"JPEG {low:.0f} to {high:.0f} KiB (median {middle:.0f}), {found['rounds']} rounds")
    typer.echo("processor time per frame:")
    for label, key in (
        ("decode gray 1/4", "decode_gray4_us"),
        ("decode to the grid", "decode_colour4_us"),
        ("detector", "detector_us"),
        ("pieces of originals", "crop_decode_us"),
        ("decode + detector", "decode_detect_us"),
    ):
        note = f"  {found['crops_per_frame']:.3f} a frame" if key == "crop_decode_us" else ""
        typer.echo(f"  {label:<26} {found[key]:7.0f} us  {found[key] / gray_us:5.2f}x{note}")
    typer.echo(
        f"  {'decode, isolated':<26} {found['decode_isolated_us']:7.0f} us  {found['isolation_ratio']:5.2f}x"
        f" of the same in process, {found['isolation_wall_ratio']:.2f}x by the wall's clock, batches of 8"
    )
    typer.echo("others, without a decode but the bare ones:")
    for name, ratio in found["baselines"].items():
        typer.echo(f"  {name:<26} {ratio * gray_us:7.0f} us  {ratio:5.2f}x")
    typer.echo(f"  {found['frames_per_s_core']:.0f} frames/s on one core, {found['bytes_per_camera']} bytes per camera")


@bench.command("positions")
def positions(
    *,
    messages: Annotated[int, typer.Option(min=1000, help="Messages in each run.")] = 40_000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each side; medians are compared.")] = 3,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Store positions before they are acknowledged, beside a bare paho subscriber; arrays beside COPY."""
    configure_logs(LogKnobs(level="warning"))
    endpoints = resolve(load_config(None))
    found = bench_positions(endpoints, messages=messages, rounds=rounds, say=_indented)
    found |= whole_run(endpoints, found["baseline_msgs_per_s"], messages=messages, say=_indented)
    typer.echo(f"one position per message: {found['curbwatch_msgs_per_s']:,} messages/s, stored before acknowledged")
    typer.echo(f"  bare paho subscriber: {found['baseline_msgs_per_s']:,} messages/s: ratio {found['ratio']:.2f}x")
    typer.echo(f"arrays of 100: {found['array_rows_per_s']:,} rows/s")
    typer.echo(f"  COPY + INSERT ON CONFLICT: {found['copy_rows_per_s']:,} rows/s: ratio {found['array_ratio']:.2f}x")
    for part in (found["guarded"], found["guarded"]["narrow"]):
        lag = part["latency_ms"]
        typer.echo(
            f"whole run, window {part['window']:,}: {part['msgs_per_s']:,} messages/s: ratio {part['ratio']:.2f}x"
        )
        typer.echo(
            f"  published to told that it is kept: p50 {lag['p50']:.0f} ms, p99 {lag['p99']:.0f} ms"
            f" at {lag['at_msgs_per_s']:,} messages/s"
        )
    write_json(json_path, found)


@bench.command("grid")
def grid(
    *,
    points: Annotated[int, typer.Option(min=1000, help="Points in each lookup.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Lookups each way; medians are compared.")] = 5,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Find the unit-grid cells of many points, beside an STRtree of shapely in the same run, on one core."""
    found = bench_grid(points, rounds)
    for city in found["cities"]:
        typer.echo(
            f"{city['cells']:,} cells: {city['points_per_s'] / 1e6:.1f} M points/s, STRtree + contains"
            f" {city['strtree_points_per_s'] / 1e6:.1f} M: ratio {city['ratio']:.1f}x;"
            f" built in {city['build_s']:.2f} s, the tree in {city['strtree_build_s']:.2f} s"
        )
        typer.echo(f"  {city['nowhere']:,} points in no cell, {city['differing']} of {points:,} answered otherwise")
    write_json(json_path, found)


@bench.command("latency")
def latency(
    *,
    seconds: Annotated[float, typer.Option(min=30.0, help="How long to play.")] = 120.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Measure from the picture that completes a dwell to the crew's queue, at 20 frames/s and 1 000 positions/s."""
    configure_logs(LogKnobs(level="warning"))
    with own_servers(_indented) as endpoints:
        found = bench_latency(endpoints, seconds=seconds, say=_indented)
    typer.echo(
        f"picture published to entry in the queue: p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms"
        f" ({found['jobs']} jobs)"
    )
    lag = found["position_lag_ms"]
    typer.echo(f"position published to told that it is kept: p50 {lag['p50']:.0f} ms, p99 {lag['p99']:.0f} ms")
    typer.echo(f"  at {found['frames_per_s']:.0f} frames/s and {found['positions_per_s']:,.0f} positions/s")
    write_json(json_path, found)


@bench.command("soak")
def soak(
    *,
    minutes: Annotated[float, typer.Option(min=0.5, help="How long; the slope is judged from 30 minutes on.")] = 60.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Run the whole system under a city's load and watch what grows and what lags; exit code 1 on a miss."""
    configure_logs(LogKnobs(level="warning"))
    with own_servers(typer.echo) as endpoints:
        found = run_soak(endpoints, minutes=minutes, say=typer.echo)
    memory, lag, open_files = found["rss_mb"], found["lag_ms"], found["descriptors"]
    slope = "not judged" if memory["slope_per_h"] is None else f"{memory['slope_per_h']:+.2f} MB an hour"
    typer.echo(f"{found['minutes']:.0f} minutes")
    typer.echo(f"  memory       at most {memory['max']:.0f} MB (limit 600); slope {slope} (limit 2)")
    typer.echo(f"  descriptors  {open_files['min']} to {open_files['max']}, growth {open_files['growth']:.0f}")
    typer.echo(
        f"  commit lag   p50 {lag['p50']:.0f} ms, p99 {lag['p99']:.0f} ms (limit 1000), at most {lag['max']:.0f}"
    )
    for kind in ("positions", "frames"):
        typer.echo(f"  {kind:<12} " + ", ".join(f"{count} {name}" for name, count in found[kind].items()))
    typer.echo(f"  incidents    {found['incidents']}, jobs {found['jobs']}")
    typer.echo(f"  generator    {found['generator_cores']:.0%} of a core")
    write_json(json_path, found)
    if found["misses"]:
        raise CurbwatchError("the soak missed: " + "; ".join(found["misses"]))
    typer.echo("kept everything it promises")


@bench.command("desk")
def desk(
    *,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long to act.")] = 60.0,
    actions_per_s: Annotated[float, typer.Option("--rate", min=10.0, help="Actions that are due each second.")] = 500.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the result to this file.")] = None,
) -> None:
    """Act on 5 000 open incidents with 50 crews at a fixed pace; exit code 1 where an action is lost or doubled."""
    configure_logs(LogKnobs(level="warning"))
    with own_servers(_indented) as endpoints:
        found = bench_desk(endpoints, pace=Pace(actions_per_s, seconds), say=_indented)
    typer.echo(
        f"{found['actions']:,} actions, {found['actions_per_s']:.0f}/s, on {found['open_incidents']:,} open incidents"
        f" with {found['crews']} crews: p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms"
    )
    for kind, told in found["by_kind"].items():
        typer.echo(f"  {kind:<12} {told['count']:7,}   p50 {told['p50_ms']:6.0f} ms   p99 {told['p99_ms']:6.0f} ms")
    typer.echo("processor time: " + ", ".join(f"{who} {cpu_s:.1f} s" for who, cpu_s in found["cpu_s"].items()))
    typer.echo("record: " + ", ".join(f"{count:,} {name}" for name, count in found["check"].items()))
    write_json(json_path, found)
    if found["misses"]:
        raise CurbwatchError("the desk missed: " + "; ".join(found["misses"]))


def _indented(line: str) -> None:
    typer.echo(f"  {line}")
