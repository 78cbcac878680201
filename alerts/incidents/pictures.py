"""The pictures of an incident in the database: rows of evidence, each with the part it plays."""

import uuid
from datetime import datetime
from typing import Any

from alerts.rows import evidence_row
from alerts.store import Connection
from schemas.incident import EvidenceRecord, Picture
from schemas.units import utc

# What the record says of a picture: its row, and its digest under a salt that goes with the picture's row, so that
# afterwards nothing names the bytes that were deleted.
NAMED = "encode(sha256(salt || decode(sha256, 'hex')), 'hex')"
ORDER = "array_position(array['before', 'opening', 'standing', 'back', 'rework', 'after'], p.role)"


def put(conn: Connection, picture: EvidenceRecord) -> int:
    """Note a picture whose bytes are on disk; twice is once. Its evidence id."""
    row = conn.execute(
        "insert into evidence (sha256, camera_id, captured_at, received_at, size_bytes, stamped)"
        " values (%s, %s, %s, %s, %s, %s)"
        " on conflict (sha256) do update set sha256 = excluded.sha256 returning evidence_id",
        (
            picture.sha256,
            picture.camera_id,
            utc(picture.captured_ns),
            utc(picture.received_ns),
            picture.size_bytes,
            picture.stamped,
        ),
    ).fetchone()
    if row is None:
        raise RuntimeError("a statement that must return a row returned none")
    return int(row["evidence_id"])


def attach(conn: Connection, incident_id: uuid.UUID, picture: EvidenceRecord | None, role: str) -> int | None:
    """Give a picture to an incident, in a role; its evidence id, None where there is no picture."""
    if picture is None:
        return None
    evidence_id = put(conn, picture)
    conn.execute(
        "insert into incident_evidence (incident_id, evidence_id, role, at) values (%s, %s, %s, %s)"
        " on conflict do nothing",
        (incident_id, evidence_id, role, utc(picture.captured_ns)),
    )
    return evidence_id


def named(conn: Connection, evidence_id: int | None, key: str = "evidence") -> dict[str, Any]:
    """What a step of the record says of a picture: ``{key: id, "digest": salted}``; nothing where there is none."""
    if evidence_id is None:
        return {}
    row = conn.execute(
        f"select {NAMED} as digest from evidence where evidence_id = %s",  # noqa: S608
        (evidence_id,),
    ).fetchone()
    return {} if row is None else {key: evidence_id, "digest": row["digest"]}


def of_incident(conn: Connection, incident_id: uuid.UUID) -> list[Picture]:
    """All pictures of an incident: the place before, the opening one, and the others in the order of capture."""
    rows = conn.execute(
        "select p.role, e.* from incident_evidence p join evidence e using (evidence_id) where p.incident_id = %s"  # noqa: S608
        f" order by p.role not in ('before', 'opening'), p.at, {ORDER}, e.evidence_id",
        (incident_id,),
    ).fetchall()
    return [Picture(row["role"], evidence_row(row)) for row in rows]


def standing_since(conn: Connection, incident_id: uuid.UUID) -> datetime | None:
    """When the first picture of an incident's thing was captured, since it came or came back.

    None where a second one was taken since, or where there is none.
    """
    row = conn.execute(
        "select max(at) filter (where role in ('opening', 'back')) as first, max(at) filter (where role = 'standing')"
        " as second from incident_evidence where incident_id = %s",
        (incident_id,),
    ).fetchone()
    if row is None or row["first"] is None or (row["second"] is not None and row["second"] > row["first"]):
        return None
    first: datetime = row["first"]
    return first
