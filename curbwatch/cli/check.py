"""``curbwatch check``: every fault of a configuration and its city pack at once."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from alerts.clocks.limits import uncounted
from alerts.clocks.worktime import WorkTime
from config.faults import Faults
from config.load import load_config, read_config, secret_faults
from config.model import Config
from config.pack import Pack, apply_modes, load_pack
from config.service import SiteKnobs
from curbwatch.cli.app import app
from curbwatch.cli.output import write_json
from curbwatch.detector_choice import examine_detector
from curbwatch.doctor.here import unusable
from curbwatch.forms_check import form_faults
from ingest.topics import TopicScheme
from schemas.errors import ConfigError, Fault


@app.command()
def check(
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults are checked.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the findings to this file.")] = None,
) -> None:
    """Check a configuration and its city pack; prints every fault and ends with 2 where there is one."""
    settings, pack, faults = examine(config)
    told, wrong = _detector(read_config(config)[0], str(config or "environment"))
    faults += wrong
    warnings = _warnings(settings, pack, str(config or "environment"))
    write_json(json_path, _report(pack, faults, warnings))
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    for fault in faults:
        typer.echo(str(fault), err=True)
    if faults:
        typer.echo(f"curbwatch check: {len(faults)} {'fault' if len(faults) == 1 else 'faults'}", err=True)
        raise typer.Exit(ConfigError.exit_code)
    if pack is not None and settings is not None:
        counts = ", ".join(f"{count} {noun}" for noun, count in _counts(pack).items())
        typer.echo(f"OK: site {settings.site.site}, city pack {pack.city.name}: {counts}")
        if told:
            typer.echo(told)


def examine(path: Path | None) -> tuple[Config | None, Pack | None, tuple[Fault, ...]]:
    """Load a configuration and its pack as ``run`` would; what could not be loaded is None. Raises nothing.

    A broken configuration does not hide the faults of its secret files and of its pack.
    """
    data, faults = read_config(path)
    faults += secret_faults(data, str(path or "environment")) + _folder_faults(data, str(path or "environment"))
    name = data.get("site", {}).get("pack", SiteKnobs().pack)
    codes = data.get("alerts", {}).get("direct_classes", ())
    pack: Pack | None = None
    try:
        pack = load_pack(Path(name if isinstance(name, str) else SiteKnobs().pack))
        apply_modes(pack.city, [code for code in codes if isinstance(code, str)] if isinstance(codes, tuple) else [])
    except ConfigError as error:
        faults += tuple(_placed(str(name), fault, str(path or "environment")) for fault in error.faults)
    faults += form_faults(data.get("codecs", {}), _scheme(data.get("site", {})), str(path or "environment"))
    return None if faults else load_config(path), pack, faults


def _detector(data: Mapping[str, Any], file: str) -> tuple[str, tuple[Fault, ...]]:
    """What there is to tell of the detector, and its faults; nothing where its own knobs are wrong, which is told."""
    found = Faults()
    settings = found.validate(Config, {key: data[key] for key in ("vision", "model") if key in data}, file)
    return ("", ()) if settings is None else examine_detector(settings, file)


def _folder_faults(data: Mapping[str, Mapping[str, Any]], file: str) -> tuple[Fault, ...]:
    """Folders of the configuration in which `run` could not write."""
    named = [
        (f"{section}.{key}", value)
        for section, table in data.items()
        for key, value in table.items()
        if key.endswith("_dir") and isinstance(value, str) and value
    ]
    return tuple(Fault(file, key, value, wrong) for key, value in named if (wrong := unusable(Path(value))))


def _scheme(site: Mapping[str, Any]) -> TopicScheme:
    """Our own topics; where the configuration does not say them well, the default's."""
    prefix, name = site.get("topic_prefix"), site.get("site")
    known = SiteKnobs()
    return TopicScheme(
        prefix if isinstance(prefix, str) else known.topic_prefix, name if isinstance(name, str) else known.site
    )


def _warnings(settings: Config | None, pack: Pack | None, file: str) -> list[Fault]:
    """What is allowed but looks like a mistake, in the pack and in what the configuration gives its cameras."""
    if pack is None:
        return []
    city = pack.city
    uncountable = uncounted(city, WorkTime(city.rules.calendar, city.timezone))
    found = [_placed(pack.folder.name, warning) for warning in (*pack.warnings, *uncountable)]
    if settings is not None and len(pack.cameras) > (fit := settings.alerts.before_cameras):
        told = (
            f"holds two pictures of {fit} cameras, the pack has {len(pack.cameras)}: incidents may have none of before"
        )
        found.append(Fault(file, "alerts.before_ring_bytes", str(settings.alerts.before_ring_bytes), told))
    return found


def _placed(pack: str, fault: Fault, config: str = "config") -> Fault:
    """Name the pack in front of a file of its folder, and the configuration where a key of its is at fault."""
    file = config if fault.file == "config" else f"{pack}/{fault.file}"
    return Fault(file, fault.key, fault.value, fault.message)


def _counts(pack: Pack) -> dict[str, int]:
    city = pack.city
    return {
        "classes": len(city.classes),
        "units": len(city.units),
        "cells": len(city.cells),
        "permits": len(city.permits),
        "cameras": len(pack.cameras),
        "zones": sum(len(camera.view.zones) for camera in pack.cameras.values()),
        "vehicles": len(pack.vehicles),
    }


def _report(pack: Pack | None, faults: Iterable[Fault], warnings: Iterable[Fault]) -> dict[str, Any]:
    listed = [{"file": f.file, "key": f.key, "value": f.value, "message": f.message} for f in faults]
    told = [str(warning) for warning in warnings]
    return {"ok": not listed, "faults": listed, "warnings": told, "counts": _counts(pack) if pack else {}}
