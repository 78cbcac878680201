"""Options that many verbs have, with their help."""

from pathlib import Path
from typing import Annotated

import typer

from alerts.messages import Lang

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file; without one the defaults hold.")]
Language = Annotated[Lang | None, typer.Option("--lang", help="Names and sentences; default: the configuration's.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, one object a line.")]
Who = Annotated[str, typer.Option("--as", metavar="PERSON", help="Who decides; may be left out with a token file.")]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="The file that shows who that is.")]
Version = Annotated[
    int | None, typer.Option("--version", min=0, help="Steps you have seen: refused if there are more.")
]
Key = Annotated[str, typer.Option("--key", help="The same key again does it once, and answers the same.")]
Words = Annotated[str, typer.Option("--text", help="In your own words; goes into the record.")]
