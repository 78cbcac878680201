"""The rows of one incident's record, as they are hashed."""

from typing import Any

from alerts.incidents.reading import view
from alerts.record.canonical import ZERO, parsed
from alerts.store import AlertDatabase, Connection
from alerts.wire import instant
from schemas.record import RecordRow

ROWS = """
select incident_id, coalesce(seq, 0) as seq, at, actor, role, proved, what, state, detail::text as detail, prev_hash,
    hash
from incident_event where incident_id = %s order by event_id
"""


def rows_of(database: AlertDatabase, incident_id: str) -> list[RecordRow]:
    """Every row, oldest first; those from before the chain have number 0 and no hash. Raises UsageError, SinkError."""
    with database.transaction() as conn:
        return read_rows(conn, incident_id)


def read_rows(conn: Connection, incident_id: str) -> list[RecordRow]:
    """As ``rows_of``, inside the caller's transaction."""
    key = view(conn, incident_id)["incident_id"]
    return [
        RecordRow(
            **row
            | {
                "incident_id": str(row["incident_id"]),
                "detail": parsed(row["detail"]),
                "prev_hash": row["prev_hash"] or ZERO,
                "hash": row["hash"] or b"",
            }
        )
        for row in conn.execute(ROWS, (key,)).fetchall()
    ]


def row_json(row: RecordRow) -> dict[str, Any]:
    """One row as JSON, its hashes in hexadecimal digits; numbers of the detail as they are written."""
    return {
        "incident_id": row.incident_id,
        "seq": row.seq,
        "at": instant(row.at),
        "actor": row.actor,
        "role": row.role,
        "proved": row.proved,
        "what": row.what,
        "state": row.state,
        "detail": plain(row.detail),
        "prev_hash": row.prev_hash.hex(),
        "hash": row.hash.hex(),
    }


def plain(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """The value with numbers that ``json`` writes: whole ones as such, the others as the nearest that there are."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return int(value) if value == int(value) else float(value)
