"""``curbwatch publish``: recordings and GPS tracks played to the broker, as the devices would."""

import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from config.load import load_config
from config.model import Config
from config.pack import Pack, load_pack
from curbwatch.cli.app import app
from curbwatch.cli.output import write_json
from curbwatch.database import migrate, session
from curbwatch.device import Broker, Client, Habits, new_boot
from curbwatch.endpoints import Endpoints, resolve
from curbwatch.registry import register_camera, register_vehicle
from curbwatch.tuning.publish import Pace, Summary, publish
from curbwatch.tuning.publish_plan import Plan, make_plan
from ingest.topics import TopicScheme
from schemas.errors import UsageError
from schemas.place import CameraView

TICK_S = 0.2
NAMED = 10
WORDS = {"timed_out": "timed out", "too_large": "too large"}


@app.command(name="publish")
def publish_(  # noqa: PLR0913  # one argument per option of the command line
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Recordings and tracks, files or folders.")],
    *,
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults.")] = None,
    register: Annotated[bool, typer.Option("--register", help="Enter the devices in the registry first.")] = False,
    unit: Annotated[str, typer.Option(help="With --register: the unit in charge.")] = "",
    speed: Annotated[float | None, typer.Option(help="Times the recorded pace; without it as fast as taken.")] = None,
    time_scale: Annotated[float | None, typer.Option(help="Seconds between frames of a clip without times.")] = None,
    ack_timeout: Annotated[float, typer.Option(help="Seconds an answer of the intake may take.")] = 30.0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the counts to this file.")] = None,
) -> None:
    """Play recordings and tracks to the broker, as their devices would, and count what became of them."""
    for name, value in (("--speed", speed), ("--time-scale", time_scale), ("--ack-timeout", ack_timeout)):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name} {value:g}: must be more than 0")
    if unit and not register:
        raise UsageError("--unit goes with --register")
    settings = load_config(config)
    plan = make_plan(paths, time_scale_s=time_scale)
    pack = load_pack(Path(settings.site.pack)) if register else None
    if pack is not None and unit and unit not in pack.city.units:
        raise UsageError(f"--unit {unit}: the city pack has {', '.join(pack.city.units) or 'no units'}")
    endpoints = resolve(settings)
    if pack is not None:
        enter(plan, endpoints.database_url, pack, unit)
    summary = asyncio.run(_play(plan, broker_of(endpoints, settings), settings, Pace(speed, time_scale, ack_timeout)))
    _show(plan, summary, json_path)


def broker_of(endpoints: Endpoints, settings: Config) -> Broker:
    """Return where played devices log in; without a password they log in without a user, or with the URL's."""
    user = endpoints.devices_user if endpoints.devices_password else ""
    return Broker(endpoints.broker_url, user, endpoints.devices_password, settings.broker.ca_file)


def enter(plan: Plan, database_url: str, pack: Pack, unit: str) -> None:
    """Enter the plan's devices in the registry: any age, any rate, uncalibrated, zones of the recording.

    The cell is the first that ``unit`` takes care of, else the pack's first; without a unit the cell says whose job
    it is. Raises SetupError or SinkError where the database does not
    take them.
    """
    cells = list(pack.city.cells.values())
    theirs = [cell for cell in cells if unit and unit in cell.units.values()]
    cell_id = (theirs or cells)[0].cell_id if cells else ""
    migrate(database_url)
    with session(database_url) as conn:
        for play in plan.cameras:
            view = CameraView(play.device_id, play.recording.zones, None, cell_id, unit)
            register_camera(conn, view, name=str(play.recording.folder.name))
        for track in plan.tracks:
            register_vehicle(conn, track.device_id, name=track.path.name, unit_id=unit)


async def _play(plan: Plan, broker: Broker, settings: Config, pace: Pace) -> Summary:
    scheme = TopicScheme(settings.site.topic_prefix, settings.site.site)
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    shown = Progress(*columns, console=console, transient=True) if sys.stderr.isatty() else nullcontext()
    habits = Habits(reconnect_max_s=settings.broker.reconnect_max_s)
    async with Client(broker, scheme, plan.devices, habits=habits) as client:
        with shown as progress:
            summary = Summary(new_boot(), cameras=len(plan.cameras), vehicles=len(plan.tracks))
            telling = asyncio.create_task(_tell(plan, summary, progress))
            try:
                return await publish(plan, client, pace, summary, note=lambda text: console.print(f"publish: {text}"))
            finally:
                telling.cancel()


async def _tell(plan: Plan, summary: Summary, progress: Progress | None) -> None:
    """Move the bars until cancelled."""
    if progress is None:
        return
    frames = progress.add_task("frames", total=plan.frames, visible=bool(plan.frames))
    positions = progress.add_task("positions", total=plan.positions, visible=bool(plan.positions))
    while True:
        progress.update(frames, completed=summary.frames["published"] + summary.frames["too_large"])
        progress.update(positions, completed=summary.positions["published"])
        await asyncio.sleep(TICK_S)


def _show(plan: Plan, summary: Summary, json_path: Path | None) -> None:
    counts = summary.to_dict()
    counts["skipped"] = [{"path": str(item.path), "reason": item.reason} for item in plan.skipped]
    for item in plan.skipped[:NAMED]:
        typer.echo(f"left out: {item.path}: {item.reason}", err=True)
    if len(plan.skipped) > NAMED:
        typer.echo(f"left out: {len(plan.skipped) - NAMED} more", err=True)
    for noun, count in (("frames", summary.cameras), ("positions", summary.vehicles)):
        if count:
            listed = ", ".join(f"{value} {WORDS.get(name, name)}" for name, value in counts[noun].items())
            typer.echo(f"{noun:9} of {count} devices: {listed}")
    for device_id, missing in summary.short.items():
        typer.echo(f"{device_id}: {missing} positions were not acknowledged", err=True)
    write_json(json_path, counts)
