"""``curbwatch incident export``: a bundle that proves one incident elsewhere."""

import json
from pathlib import Path
from typing import Annotated

import typer

from alerts.incidents.evidence import EvidenceFolder
from alerts.record import bundle
from curbwatch.cli.dispatch import ConfigFile, Json
from curbwatch.cli.incident import IncidentId, incident_app
from curbwatch.desk import open_desk


@incident_app.command("export")
def incident_export(
    incident_id: IncidentId,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help="Where to; replaced where it is there.")],
    head: Annotated[str, typer.Option("--head", help="Hash of a seal kept elsewhere, up to which to prove.")] = "",
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Write record, pictures, digests and seals of one incident, with a program that checks them without us."""
    with open_desk(config) as desk:
        evidence = EvidenceFolder(desk.site.evidence_dir) if desk.site.evidence_dir.is_dir() else None
        files = bundle.export(desk.database, evidence, incident_id, "".join(head.split()).lower())
    bundle.write(out, files)
    size = sum(map(len, files.values()))
    if as_json:
        typer.echo(json.dumps({"file": str(out), "files": sorted(files), "bytes": size}))
    else:
        typer.echo(f"{out}: {len(files)} files; check it with: python3 verify.py {out.name}")
