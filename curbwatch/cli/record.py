"""``curbwatch record``: what cameras send, kept as recordings that every instrument reads."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status

from config.load import load_config
from curbwatch.cli.app import app
from curbwatch.cli.output import refuse_unwritable, write_json
from curbwatch.cli.table import grouped, many
from curbwatch.database import session
from curbwatch.devices import LiveRegistry
from curbwatch.endpoints import standing
from curbwatch.parts.paths import home
from curbwatch.registry import load_registry
from curbwatch.telemetry import configure_logs
from curbwatch.tuning.record import Ring
from curbwatch.tuning.record_feed import FrameFeed, chosen
from curbwatch.tuning.record_labels import label
from schemas.errors import CurbwatchError, SetupError, UsageError

DESCRIBE_S = 5.0  # a killed process costs the pictures of so many seconds
WAIT_S = 0.5
KEEP_GB = 20.0


@dataclass(slots=True)
class _Said:
    """What was recorded, by camera, and where it went."""

    frames: dict[str, int]
    bytes: int = 0
    labelled: int = 0
    started_s: float = field(default_factory=time.monotonic)


@app.command("record")
def record(  # noqa: PLR0913  # one argument per option of the command line
    cameras: Annotated[list[str] | None, typer.Argument(metavar="CAMERA...", show_default=False)] = None,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the ring; without it recordings/ in the private folder.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every camera of the registry.")] = False,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="How long; without it until Ctrl-C.")] = None,
    keep_gb: Annotated[float, typer.Option(min=0.001, help="GB of pictures; the oldest folder goes first.")] = KEEP_GB,
    keep_hours: Annotated[float | None, typer.Option(min=0.1, help="Hours after which a folder goes.")] = None,
    labels: Annotated[bool, typer.Option("--labels", help="Write the incidents of that time into them.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the counts to this file.")] = None,
) -> None:
    """Keep the original pictures of cameras with their times and zones, beside a running system."""
    names = tuple(cameras or ())
    if bool(names) == every:
        raise UsageError("name cameras, or give --all" if not names else "give cameras or --all, not both")
    refuse_unwritable(json=json_path)
    settings = load_config(config)
    configure_logs(settings.log.model_copy(update={"level": "warning"}))
    endpoints = standing(settings)
    for what, url in (("broker", endpoints.broker_url), ("database", endpoints.database_url)):
        if not url:
            raise SetupError(f"no {what}: set {what}.url, or start the private one with `curbwatch parts up`")
    place = home() / "recordings" if out is None else out  # where `cases` looks
    ring = Ring(place, keep_bytes=round(keep_gb * 1e9), keep_s=None if keep_hours is None else keep_hours * 3600)
    with session(endpoints.database_url) as conn:
        load_registry(conn)  # without our tables: told with what makes them
    registry = LiveRegistry(endpoints.database_url)
    registry.start()
    try:
        wanted = chosen(registry, names)
        said = _Said(dict.fromkeys(wanted, 0))
        feed = FrameFeed(settings, endpoints, registry, wanted)
        _run(feed, ring, registry, said, minutes)
    finally:
        registry.stop()
    if labels:
        with session(endpoints.database_url) as conn:
            said.labelled = sum(label(folder, conn) for folder in ring.folders)
    _tell(said, ring, feed, place, json_path)


def _run(feed: FrameFeed, ring: Ring, registry: LiveRegistry, said: _Said, minutes: float | None) -> None:
    """Record until the time is over or a signal ends it; what came is written whatever ends it."""
    until_s = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    described_s = time.monotonic()
    with _ending() as ending, _shown() as shown:
        feed.start()
        try:
            while not ending.is_set() and (left_s := until_s - time.monotonic()) > 0:
                frame = feed.draw(time.time_ns(), min(WAIT_S, left_s))
                if frame is not None:
                    rule, view = registry.rules.get(frame.camera_id), registry.views.get(frame.camera_id)
                    ring.add(frame, view.zones if view else (), rule.period_s if rule else None)
                    said.frames[frame.camera_id] += 1
                    said.bytes += len(frame.jpeg)
                if time.monotonic() - described_s >= DESCRIBE_S:
                    described_s = time.monotonic()
                    ring.describe()
                if shown is not None:
                    shown.update(_line(said, feed))
        finally:
            feed.stop()
            ring.close()


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; afterwards they do what they did before."""
    ending = threading.Event()
    before = {number: signal.signal(number, lambda *_: ending.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown() -> Iterator[Status | None]:
    if not sys.stderr.isatty():
        yield None
        return
    with Console(stderr=True).status("") as status:
        yield status


def _line(said: _Said, feed: FrameFeed) -> str:
    frames, cameras = sum(said.frames.values()), sum(map(bool, said.frames.values()))
    state = "" if feed.connected else "; the broker is away"
    return f"{grouped(frames)} frames of {cameras} of {len(said.frames)} cameras, {said.bytes / 1e6:.1f} MB{state}"


def _tell(said: _Said, ring: Ring, feed: FrameFeed, out: Path, json_path: Path | None) -> None:
    frames, refused = sum(said.frames.values()), feed.tally.counts
    silent = sorted(camera_id for camera_id, count in said.frames.items() if not count)
    typer.echo(f"{many(frames, 'frame')} of {len(said.frames) - len(silent)} cameras, {said.bytes / 1e6:.1f} MB")
    typer.echo(f"{out}: {many(len(ring.folders), 'recording')}, {ring.size_bytes / 1e9:.3f} GB")
    for reason, count in sorted(refused.items()):
        typer.echo(f"left out: {count} {reason}", err=True)
    if silent:
        typer.echo(f"nothing came from {', '.join(silent[:10])}{' and others' * (len(silent) > 10)}", err=True)
    found: dict[str, Any] = {
        "frames": said.frames,
        "bytes": said.bytes,
        "refused": refused,
        "recordings": [str(folder) for folder in ring.folders],
        "removed": ring.removed,
        "labelled": said.labelled,
        "seconds": round(time.monotonic() - said.started_s, 1),
    }
    write_json(json_path, found)
    if frames == 0:
        raise CurbwatchError("nothing was recorded: see `curbwatch device list` for who is heard")
