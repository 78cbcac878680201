"""``curbwatch run``: the real thing."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from config.load import load_config
from curbwatch.build import prepare
from curbwatch.cli.app import app
from curbwatch.endpoints import resolve
from curbwatch.forms_check import refuse_forms
from curbwatch.service import serve
from curbwatch.telemetry import Telemetry, configure_logs
from ingest.topics import TopicScheme


@app.command()
def run(
    config: Annotated[Path | None, typer.Option(help="TOML file; without one the defaults hold.")] = None,
) -> None:
    """Take frames and positions from the broker until SIGTERM; /healthz, /readyz, /metrics over HTTP.

    Servers that the configuration does not name are the private ones, started where they do not run.
    """
    settings = load_config(config)
    configure_logs(settings.log)
    refuse_forms(settings.codecs, TopicScheme(settings.site.topic_prefix, settings.site.site))
    site = prepare(settings, resolve(settings))
    asyncio.run(serve(site, Telemetry()))
