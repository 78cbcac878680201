"""Cases with their records in a database, at the times a test wants: the record's own helper writes the present."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence

from alerts.kpi.facts import Told
from alerts.store import Connection
from tests.alerts.kpi.may import steps_of
from tests.alerts.makers import CELL

NAMES = uuid.UUID("5f9d1c2e-0f7a-4c56-9d5e-0f6f3d1b2a11")


def id_of(name: str) -> str:
    """The incident id of a case of ``may.CASES``."""
    return str(uuid.uuid5(NAMES, name))


def enter(conn: Connection, name: str, steps: Sequence[Told] = (), **changes: object) -> None:
    """Write one case of ``may.CASES`` with its steps, or with others."""
    steps = steps or steps_of(name)
    row: dict[str, object] = {
        "incident_id": id_of(name),
        "family": "stall",
        "class_code": "09006",
        "state": steps[-1].state,
        "camera_id": "cam-1",
        "track_id": 7,
        "zone": "left",
        "cell_id": CELL,
        "unit_id": "u-1",
        "box_px": [0.0, 0.0, 1.0, 1.0],
        "appeared_at": steps[0].at,
        "opened_at": steps[0].at,
        "last_seen_at": steps[0].at,
        "confidence": 0.9,
        "rule_version": "v1",
        "created_at": steps[0].at,
        "decided_by": "王芳",
    } | changes
    made = conn.execute(
        "insert into site (cell_id, camera_id, box_px) values (%s, 'cam-1', '{0,0,1,1}') returning site_id", (CELL,)
    ).fetchone()
    assert made is not None
    row["site_id"] = made["site_id"]
    insert(conn, "incident", row)
    write(conn, name, steps, first=1)


def insert(conn: Connection, table: str, row: Mapping[str, object]) -> None:
    """Write one row."""
    names = ", ".join(row)
    conn.execute(f"insert into {table} ({names}) values ({', '.join(f'%({key})s' for key in row)})", row)  # noqa: S608


def write(conn: Connection, name: str, steps: Iterable[Told], *, first: int) -> None:
    """Append steps with their own times."""
    for seq, step in enumerate(steps, start=first):
        conn.execute(
            "insert into incident_event (incident_id, seq, at, actor, role, what, state, detail, prev_hash, hash)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s)",
            (
                *(id_of(name), seq, step.at, "王芳", step.role, step.what, step.state, json.dumps(dict(step.detail))),
                *(bytes(32), bytes(32)),
            ),
        )
