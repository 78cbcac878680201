"""A case's bundle for its party (当事人): the record without other people's, pictures of nothing but the thing.

The full bundle, for the hearing, is ``bundle.export``. Nothing of an original goes into this one but the pixels inside
the thing's box; what cannot be decoded, or is not the file that was kept, is left out and told.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.reading import view
from alerts.record.bundle import AT_US, PICTURES, ROWS, verifier
from alerts.record.bundle_rows import is_blinded, name_of, party_incident, party_row
from alerts.record.bundle_words import page, why_words
from alerts.record.canonical import parsed
from alerts.record.redaction import (
    LEVELS,
    MARGIN_PX,
    MARGIN_SHARE,
    METHOD,
    Pixels,
    Region,
    block_px,
    pixelated,
    shown_region,
    shown_share,
)
from alerts.record.standalone import COPY, MANIFEST, RECORD, REDACTION
from alerts.rows import incident_row
from alerts.store import AlertDatabase, Connection
from alerts.wire import incident_state, instant
from schemas.city import City
from schemas.errors import FrameError, SinkError
from schemas.record import Actor

README = "read-me.txt"
ROLES_OF_PLACE = frozenset({"before", "after"})  # the thing is not in it: what counts is where it stood
# The thing's own box in a picture: of the look at the very frame. A thing may have had two tracks at a time.
OWN_BOXES = """
select distinct box_px from sighting
where incident_id = any(%(ids)s) and camera_id = %(camera)s and ts = %(at)s and not quiet
"""
NEAREST_BOX = """
select box_px from sighting where incident_id = any(%(ids)s) and camera_id = %(camera)s and not quiet
order by abs(extract(epoch from ts - %(at)s)) limit 1
"""
SEALED = f"""
select e.seal_id, {AT_US.format("s.sealed_at")}, encode(s.hash, 'hex') as hash, e.seq, encode(e.hash, 'hex') as head
from seal_entry e join seal s using (seal_id) where e.incident_id = %s order by e.seal_id desc limit 1
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Codec:
    """JPEG to (H, W, 3) uint8 BGR, which raises FrameError, and back, with nothing in it but the pixels."""

    decode: Callable[[bytes], Pixels]
    encode: Callable[[Pixels], bytes]


@dataclass(frozen=True, slots=True)
class Making:
    """Who makes a copy, when, with which software."""

    actor: Actor
    at: datetime
    software: str


def export_copy(
    database: AlertDatabase,
    evidence: EvidenceFolder | None,
    incident_id: str,
    city: City,
    making: Making,
    codec: Codec,
) -> dict[str, bytes]:
    """Name and bytes of every file of the party's copy of an incident, as of one moment; originals are only read.

    ``evidence`` None: no pictures here. Raises UsageError for an unknown incident, SinkError.
    """
    with database.transaction() as conn:
        conn.execute("set transaction isolation level repeatable read, read only")
        row = view(conn, incident_id)
        key = row["incident_id"]
        full = [one | {"detail": parsed(one["detail"])} for one in conn.execute(ROWS, (key,)).fetchall()]
        sealed = _sealed(conn, key, full)
        pictures = [_with_boxes(conn, row, one) for one in conn.execute(PICTURES, (key,)).fetchall()]
    files: dict[str, bytes] = {}
    state = incident_state(incident_row(row))
    told = {
        "format": "curbwatch/redaction/1",
        "case": name_of(state),
        "made_at": instant(making.at),
        "made_by": {"name": making.actor.name, "role": making.actor.role, "proved": making.actor.proved},
        "software": making.software,
        "pictures": [_redacted(one, evidence, codec, files) for one in pictures],
    }
    rows, incident = [party_row(one) for one in full], party_incident(state)
    files[RECORD] = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows).encode()
    files[REDACTION] = _written(told)
    files[README] = page(city, incident, rows, told).encode()
    manifest = {
        "format": COPY,
        "made_for": "party",
        "case": told["case"],
        "incident": incident,
        "sealed": sealed,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }
    return files | {MANIFEST: _written(manifest), "verify.py": verifier()}


def _written(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _sealed(conn: Connection, key: object, rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The newest seal that holds the incident, up to which row, and that row's hash; None where it may not be told.

    That one hash alone: of two, the steps between could be found out by trying.
    """
    found = conn.execute(SEALED, (key,)).fetchone()
    if found is None or not is_blinded(row for row in rows if 0 < row["seq"] <= found["seq"]):
        return None
    return found


def _with_boxes(conn: Connection, incident: dict[str, Any], picture: dict[str, Any]) -> dict[str, Any]:
    """A picture with the boxes of the thing in it; none where that is not known.

    Before and after the thing it is where the same camera saw it next in time; a camera that names its views may have
    looked elsewhere, so there it is not known.
    """
    asked = {
        "ids": [one for one in (incident["incident_id"], incident["merged_into"]) if one is not None],
        "camera": picture["camera_id"],
        "at": picture["captured_at"],
    }
    rows = conn.execute(OWN_BOXES, asked).fetchall()
    if not rows and picture["role"] in ROLES_OF_PLACE and not incident["preset"]:
        rows = conn.execute(NEAREST_BOX, asked).fetchall()
    return picture | {"boxes": [tuple(row["box_px"]) for row in rows]}


def _redacted(
    picture: dict[str, Any], evidence: EvidenceFolder | None, codec: Codec, files: dict[str, bytes]
) -> dict[str, Any]:
    """Put the copy of a picture among the files; what redaction.json says of it."""
    said: dict[str, Any] = {
        "evidence_id": picture["evidence_id"],
        "role": picture["role"],
        "camera_id": picture["camera_id"],
        "captured_at": instant(picture["captured_at"]),
        "received_at": instant(picture["received_at"]),
        "original_sha256": picture["sha256"],
        "file": "",
    }
    data, why = _original(evidence, picture["sha256"])
    if why:
        return said | {"why": why_words(why)}
    try:
        pixels = codec.decode(data)
        height, width = pixels.shape[:2]
        shown = [one for box in picture["boxes"] if (one := shown_region(box, width, height)) is not None]
        copy = codec.encode(pixelated(pixels, shown))
    except FrameError:
        return said | {"why": why_words("unreadable")}
    said["file"] = f"pictures/{picture['evidence_id']}-{picture['role']}-copy.jpg"
    files[said["file"]] = copy
    return said | _how(shown, width, height) | {"why": why_words("" if shown else "no_box")}


def _original(evidence: EvidenceFolder | None, sha256: str) -> tuple[bytes, str]:
    """The original's bytes, or why there are none."""
    try:
        data = b"" if evidence is None else evidence.path(sha256).read_bytes()
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise SinkError(f"{sha256}: cannot be read: {error.strerror}", retryable=True) from error
    if not data:
        return b"", "gone"
    return (data, "") if hashlib.sha256(data).hexdigest() == sha256 else (b"", "changed")


def _how(shown: Sequence[Region], width: int, height: int) -> dict[str, Any]:
    """What was done to a picture: in native px of the original."""
    return {
        "width": width,
        "height": height,
        "shown": [dict(zip("xywh", one, strict=True)) for one in shown],
        "shown_share": round(shown_share(shown, width, height), 4),
        "method": METHOD,
        "block_px": block_px(width, height),
        "levels": LEVELS,
        "margin": {"share": MARGIN_SHARE, "least_px": MARGIN_PX},
        "metadata": "dropped",
    }
