"""``curbwatch device where|track|passed``: where vehicles are, where one was, and which passed a place."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from alerts.incidents import vehicle_tracks as tracks
from alerts.wire import instant
from curbwatch.cli.device import device_app
from curbwatch.cli.options import ConfigFile, Json, Language
from curbwatch.cli.table import clock, table
from curbwatch.letters import since_of
from curbwatch.office import Office, open_stores
from schemas.errors import SaidError

Begin = Annotated[str, typer.Option("--from", help="30m, 2h, 1d, or a time with its zone.")]
End = Annotated[str, typer.Option("--to", help="The same; empty: now.")]
Radius = Annotated[float, typer.Option("--radius", min=1.0, max=100_000.0, help="m around the place.")]


@device_app.command("where")
def device_where(
    *,
    near: Annotated[str, typer.Option("--near", metavar="LON,LAT", help="Only those near this place.")] = "",
    radius: Radius = 500.0,
    fresh: Annotated[str, typer.Option("--fresh", help="With --near: heard of since then.")] = "10m",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show where every vehicle was last, or those near a place, nearest first."""
    with open_stores(config, lang) as (office, database):
        place = _place(near) if near else None
        if place is None:
            found = tracks.fleet(database)
        else:
            found = tracks.near(database, place, radius, since_of(fresh, datetime.now(UTC)))
        _show(
            office, ("device_id", "name", "unit_id", "state", "at", "lon", "lat", "distance_m"), found, as_json=as_json
        )


@device_app.command("track")
def device_track(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="The vehicle.")],
    *,
    begin: Begin = "1d",
    end: End = "",
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show where a vehicle was in a span of its own time, oldest first."""
    with open_stores(config, lang) as (office, database):
        found = tracks.track(database, device_id, *_span(begin, end))
        names = ("at", "lon", "lat", "speed_mps", "heading_deg", "ignition", "lift", "cover", "flags")
        _show(office, names, found, as_json=as_json)


@device_app.command("passed")
def device_passed(
    place: Annotated[str, typer.Argument(metavar="LON,LAT", help="The place, degrees WGS-84.")],
    *,
    begin: Begin = "2h",
    end: End = "",
    radius: Radius = 100.0,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Show which vehicles were near a place in a span, in the order in which they came."""
    with open_stores(config, lang) as (office, database):
        found = tracks.passed(database, _place(place), radius, *_span(begin, end))
        _show(office, ("device_id", "first_at", "last_at", "positions", "nearest_m"), found, as_json=as_json)


def _span(begin: str, end: str) -> tuple[datetime, datetime]:
    """Raises UsageError for what is no time, and where nothing lies between."""
    now = datetime.now(UTC)
    span = since_of(begin, now), since_of(end, now) if end else now
    if span[0] >= span[1]:
        raise SaidError(
            f"--from {begin} --to {end or 'now'}: nothing lies between: turn them round",
            f"--from {begin} --to {end or '现在'}:时段为空:请对调",
        )
    return span


def _place(text: str) -> tuple[float, float]:
    """Raises UsageError for what is no place on earth."""
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        lon = lat = float("nan")
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise SaidError(
            f"{text!r} is no place: write longitude and latitude in degrees WGS-84, as 104.645,30.125",
            f"{text!r} 不是地点:请写 WGS-84 经度和纬度,单位度,如 104.645,30.125",
        )
    return lon, lat


def _show(office: Office, names: Sequence[str], found: Sequence[Any], *, as_json: bool) -> None:
    if as_json:
        for one in found:
            told = {
                name: instant(value) if isinstance(value, datetime) else value for name, value in asdict(one).items()
            }
            typer.echo(json.dumps(told, ensure_ascii=False))
        return
    rows = [[_cell(office, getattr(one, name)) for name in names] for one in found]
    for line in table(names, rows, office.lang):
        typer.echo(line)


def _cell(office: Office, value: object) -> str:
    if isinstance(value, datetime):
        return clock(value, office.zone)
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return "-" if value is None else str(value)
