"""``curbwatch doctor``: what breaks the promise here, and what to do about it."""

from pathlib import Path
from typing import Annotated

import typer

from config.load import load_config
from curbwatch.cli.app import app
from curbwatch.cli.output import write_json
from curbwatch.doctor.broker import look_at_broker
from curbwatch.doctor.database import look_at_database
from curbwatch.doctor.finding import Finding, Level, count, report
from curbwatch.doctor.here import look_here
from curbwatch.doctor.jobqueue import look_at_queue
from curbwatch.doctor.probe import probe
from curbwatch.endpoints import standing

BROKEN = 2  # exit code where a promise is broken


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the findings to this file.")] = None,
    try_it: Annotated[
        bool, typer.Option("--probe", help="Also try the broker: rights, queue, window, message size; some seconds.")
    ] = False,
) -> None:
    """Look at broker, database, queue and this machine; name what breaks the promise. Starts and changes nothing."""
    settings = load_config(config)
    endpoints = standing(settings)
    findings = [
        *look_at_broker(settings, endpoints),
        *(probe(settings, endpoints) if try_it else ()),
        *look_at_database(endpoints.database_url),
        *look_at_queue(endpoints.redis_url, endpoints.database_url),
        *look_here(settings),
    ]
    write_json(json_path, report(findings))
    for finding in findings:
        typer.echo(_line(finding))
    faults, warnings = count(findings, Level.FAULT), count(findings, Level.WARN)
    told = f"{faults} fault{'' if faults == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
    typer.echo(f"curbwatch doctor: {told}", err=bool(faults))
    if faults:
        raise typer.Exit(BROKEN)


def _line(finding: Finding) -> str:
    told = f"{finding.level.value:6}{finding.area:9} {finding.name}: {finding.seen}"
    return told + (f"\n      → {finding.remedy}" if finding.remedy else "")
