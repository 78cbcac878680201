"""A bundle that proves one incident elsewhere: record, pictures, seals, and the program that checks them."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from importlib import resources
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.reading import view
from alerts.record.canonical import entries_hash
from alerts.record.standalone import BUNDLE, MANIFEST, RECORD, SEALS
from alerts.rows import incident_row
from alerts.store import AlertDatabase, Connection
from alerts.wire import incident_state
from schemas.errors import SaidError, SinkError

FETCHED = 2000  # rows in memory at a time, beside what the bundle keeps of them
AT_US = "(extract(epoch from {}) * 1000000)::bigint as at_us"
ROWS = f"""
select coalesce(seq, 0) as seq, {AT_US.format("at")}, actor, role, proved, what, state, detail::text as detail,
    encode(coalesce(prev_hash, ''), 'hex') as prev_hash, encode(coalesce(hash, ''), 'hex') as hash
from incident_event where incident_id = %s order by event_id
"""  # noqa: S608
PICTURES = """
select min(p.role) as role, array_agg(p.role order by p.role) as roles, e.evidence_id, e.sha256,
    encode(e.salt, 'hex') as salt, e.camera_id, e.captured_at, e.received_at
from incident_evidence p join evidence e using (evidence_id) where p.incident_id = %s
group by e.evidence_id order by e.evidence_id
"""
LAST_SEAL = "select max(seal_id) as seal_id from seal_entry where incident_id = %s"
LINKS = f"""
select s.seal_id, {AT_US.format("s.sealed_at")}, encode(s.prev_hash, 'hex') as prev_hash,
    encode(s.hash, 'hex') as hash, e.incident_id, e.seq, e.hash as held
from seal s left join seal_entry e using (seal_id) where s.seal_id >= %s order by s.seal_id, e.incident_id
"""  # noqa: S608


def export(
    database: AlertDatabase, evidence: EvidenceFolder | None, incident_id: str, head: str = ""
) -> dict[str, bytes]:
    """Name and bytes of every file of an incident's bundle, as of one moment.

    ``head``: hash of the seal up to which the seals are wanted; empty: the newest. ``evidence`` None: no pictures here.
    Raises UsageError for an unknown incident, or where no seal from its own on has this hash; SinkError.
    """
    with database.transaction() as conn:
        conn.execute("set transaction isolation level repeatable read, read only")
        row = view(conn, incident_id)
        key = row["incident_id"]
        files = {RECORD: _record(conn, str(key)), SEALS: _seals(conn, str(key), head)}
        pictures = list(_pictures(conn, str(key), evidence, files))
    manifest = {
        "format": BUNDLE,
        "incident_id": str(key),
        "incident": incident_state(incident_row(row)),
        "pictures": pictures,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }
    files[MANIFEST] = (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()
    files["verify.py"] = verifier()
    return files


def write(path: Path, files: dict[str, bytes]) -> None:
    """Write a bundle, whole or not at all. Raises UsageError where the file cannot be written."""
    made = path.with_name(f".{path.name}.new")
    try:
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, data in files.items():
                bundle.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        made.replace(path)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise SaidError(
            f"--out {path}: cannot be written: {error.strerror}", f"--out {path}:无法写入:{error.strerror}"
        ) from None


def verifier() -> bytes:
    """The stand-alone checker, one file of the standard library."""
    folder = resources.files("alerts.record")
    parts = [(folder / name).read_text("utf-8") for name in ("canonical.py", "standalone.py")]
    kept = [line for line in parts[1].splitlines(keepends=True) if not line.startswith("from alerts.")]
    return (parts[0] + "\n\n" + "".join(kept)).encode()


def _record(conn: Connection, incident_id: str) -> bytes:
    """A row a line; the detail stands as the database has it, so that no number is written otherwise."""
    lines = []
    for row in conn.execute(ROWS, (incident_id,)).fetchall():
        detail = row.pop("detail")
        rest = json.dumps({"incident_id": incident_id} | row, ensure_ascii=False)
        lines.append(f'{rest[:-1]}, "detail": {detail}}}\n')
    return "".join(lines).encode()


def _pictures(
    conn: Connection, incident_id: str, evidence: EvidenceFolder | None, files: dict[str, bytes]
) -> Iterator[dict[str, Any]]:
    for row in conn.execute(PICTURES, (incident_id,)).fetchall():
        name = f"pictures/{row['evidence_id']}-{row['role']}.jpg"
        try:
            data = None if evidence is None else evidence.path(row["sha256"]).read_bytes()
        except FileNotFoundError:
            data = None
        except OSError as error:
            raise SinkError(f"{row['sha256']}: cannot be read: {error.strerror}", retryable=True) from error
        if data is not None:
            files[name] = data
        at = {moment: row.pop(moment).isoformat() for moment in ("captured_at", "received_at")}
        yield row | at | {"file": name if data is not None else ""}


def _seals(conn: Connection, incident_id: str, head: str) -> bytes:
    """The last seal that holds the incident with all it holds, and those after it."""
    last = conn.execute(LAST_SEAL, (incident_id,)).fetchone()
    if last is None or last["seal_id"] is None:
        if head:
            raise SaidError(
                "no seal holds this incident yet: `curbwatch run` seals each second",
                "尚无封存记录包含此案件:`curbwatch run` 每秒封存一次",
            )
        return b""
    lines, found = [], not head
    with conn.cursor("bundle_seals") as cursor:
        cursor.itersize = FETCHED
        cursor.execute(LINKS, (last["seal_id"],))
        for seal_id, rows in groupby(cursor, key=itemgetter("seal_id")):
            seal, entries = _one_seal(rows)
            if seal_id == last["seal_id"]:
                seal["entries"] = [[name, seq, digest.hex()] for name, seq, digest in entries]
            lines.append(json.dumps(seal) + "\n")
            if head and seal["hash"] == head:
                found = True
                break
    if not found:
        raise SaidError(
            f"--head {head}: no seal from this incident's own on has this hash",
            f"--head {head}:自此案件的封存记录起,没有封存记录的哈希与此相同",
        )
    return "".join(lines).encode()


def _one_seal(rows: Iterator[dict[str, Any]]) -> tuple[dict[str, Any], list[tuple[str, int, bytes]]]:
    """A seal with the hash of what it holds, and what that is."""
    seal: dict[str, Any] = {}
    entries: list[tuple[str, int, bytes]] = []
    for row in rows:
        seal = {name: row[name] for name in ("seal_id", "at_us", "prev_hash", "hash")}
        if row["held"] is not None:
            entries.append((str(row["incident_id"]), int(row["seq"]), bytes(row["held"])))
    return seal | {"entries_hash": entries_hash(entries).hex()}, entries
