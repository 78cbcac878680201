"""``curbwatch incident export``: a bundle that proves one incident elsewhere, or its party's copy."""

import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from alerts.desk.words import role_name
from alerts.incidents.evidence import EvidenceFolder
from alerts.record import bundle
from alerts.record.bundle_party import Codec, Making, export_copy
from alerts.record.redaction import Pixels
from alerts.record.standalone import MANIFEST, REDACTION
from curbwatch.cli.incident import IncidentId, incident_app
from curbwatch.cli.options import ConfigFile, Json, Language, TokenFile
from curbwatch.desk import Desk, open_desk
from ingest.decode import decode_full, encode_copy
from ingest.jpeg import inspect
from schemas.errors import SaidError
from schemas.record import Actor

HAND_OUT = frozenset({"duty_lead", "dispatcher", "officer", "supervisor"})  # roles that may give a copy to a party


@incident_app.command("export")
def incident_export(  # noqa: PLR0913  # one argument per option of the command line
    incident_id: IncidentId,
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help="Where to; replaced where it is there.")],
    made_for: Annotated[
        Literal["hearing", "party"],
        typer.Option("--for", help="hearing: everything, with originals. party: nobody else's face, plate or name."),
    ] = "hearing",
    head: Annotated[str, typer.Option("--head", help="Hash of a seal kept elsewhere, up to which to prove.")] = "",
    person: Annotated[
        str, typer.Option("--as", metavar="PERSON", help="Who makes a party's copy; or leave it to a token file.")
    ] = "",
    token_file: TokenFile = None,
    config: ConfigFile = None,
    lang: Language = None,
    as_json: Json = False,
) -> None:
    """Write record, pictures, digests and seals of one incident, with a program that checks them without us."""
    with open_desk(config, lang) as desk:
        evidence = EvidenceFolder(desk.site.evidence_dir) if desk.site.evidence_dir.is_dir() else None
        if made_for == "party":
            files = _copy(desk, evidence, incident_id, head, _maker(desk, person, token_file))
        else:
            files = bundle.export(desk.database, evidence, incident_id, "".join(head.split()).lower())
        spoken = desk.lang
        bundle.write(out, files)
    told: dict[str, Any] = {"file": str(out), "files": sorted(files), "bytes": sum(map(len, files.values()))}
    said = [
        f"{out}: {len(files)} files; check it with: python3 verify.py {out.name}"
        if spoken == "en"
        else f"{out}:{len(files)} 个文件;核对:python3 verify.py {out.name}"
    ]
    if made_for == "party":
        told |= {"for": "party", "manifest_sha256": hashlib.sha256(files[MANIFEST]).hexdigest()}
        told["pictures"] = json.loads(files[REDACTION])["pictures"]
        said += _said_of_copy(told, english=spoken == "en")
    for line in [json.dumps(told, ensure_ascii=False)] if as_json else said:
        typer.echo(line)


def _maker(desk: Desk, person: str, token_file: Path | None) -> Actor:
    """Who makes the copy. Raises UsageError for nobody, and for those who may not hand anything out."""
    actor = desk.actor(person, token_file)
    if actor.role not in HAND_OUT:
        english, chinese = role_name(actor.role, "en"), role_name(actor.role, "zh")
        raise SaidError(
            f"{actor.name} is {english}, who may not hand out a case: duty lead, dispatcher, officer, supervisor may",
            f"{actor.name}是{chinese},不能向当事人提供案卷;值班长、派遣员、执法队员、督查可以",
        )
    return actor


def _copy(desk: Desk, evidence: EvidenceFolder | None, incident_id: str, head: str, actor: Actor) -> dict[str, bytes]:
    if head:
        raise SaidError(
            "--head is for the full bundle: a party's copy holds no seals; leave one of the two out",
            "--head 用于完整案卷;当事人副本不含封存链,请去掉其中一项",
        )
    knobs = desk.site.config.intake

    def decode(jpeg: bytes) -> Pixels:
        inspect(jpeg, max_bytes=knobs.frame_max_bytes, max_pixels=knobs.frame_max_pixels)
        return decode_full(jpeg)

    making = Making(actor, datetime.now(UTC), f"curbwatch {version('curbwatch')}")
    codec = Codec(decode, encode_copy)
    return export_copy(desk.database, evidence, incident_id, desk.site.cities.city(), making, codec)


def _said_of_copy(told: dict[str, Any], *, english: bool) -> list[str]:
    """What whoever hands it over must know: the pictures that are not as they would be expected, and to look at all."""
    lines = [
        f"  {one['file'] or one['evidence_id']} ({one['role']}): {one['why']['en' if english else 'zh']}"
        for one in told["pictures"]
        if one["why"]
    ]
    digest = told["manifest_sha256"]
    if english:
        lines += [
            f"  sha256 of its manifest, for the receipt: {digest}",
            "  look at every picture before you hand it over: other people inside the thing's box are not hidden",
        ]
    else:
        lines += [
            f"  清单摘要(请写入送达回证):{digest}",
            "  提供前请逐张查看照片:目标框内如有他人,未作处理",
        ]
    return lines
