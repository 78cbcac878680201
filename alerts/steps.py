"""Steps that the incident and the job store share; each happens inside its caller's transaction."""

import json
import uuid
from datetime import datetime
from typing import Any

from alerts.store import Connection

NAMESPACE = uuid.UUID("3a4c8c70-5a0e-5d0e-9a53-6e2f0b7f6c11")  # fixed for ever: incident and job ids hang on it
OPEN_STATES = ("verify", "confirmed", "dispatched")
OUTBOX_CHANNEL = "curbwatch_outbox"


def make_job(conn: Connection, incident_id: str, unit_id: str, *, urgent: bool) -> str:
    """Make an incident's job and its outbox row; the relay is told on commit."""
    job_id = str(uuid.uuid5(NAMESPACE, f"job/{incident_id}"))
    conn.execute(
        "insert into job (job_id, incident_id, unit_id, urgency) values (%s, %s, %s, %s) on conflict do nothing",
        (job_id, incident_id, unit_id, "urgent" if urgent else "normal"),
    )
    queue_again(conn, job_id)
    return job_id


def queue_again(conn: Connection, job_id: str) -> None:
    """Put a job in the outbox."""
    conn.execute("insert into outbox (job_id) values (%s)", (job_id,))
    conn.execute("select pg_notify(%s, '')", (OUTBOX_CHANNEL,))


def add_event(conn: Connection, incident_id: object, actor: str, what: str, detail: dict[str, Any]) -> None:
    """Append a step to an incident's record."""
    conn.execute(
        "insert into incident_event (incident_id, actor, what, detail) values (%s, %s, %s, %s::jsonb)",
        (incident_id, actor, what, json.dumps(detail, ensure_ascii=False)),
    )


def close_gone(conn: Connection, incident_id: uuid.UUID, at: datetime, **detail: str) -> None:
    """Close an incident whose thing is gone since ``at`` (captured time), and withdraw its job where nobody holds it.

    The caller holds the incident's lock, and the job's if there is one.
    """
    conn.execute("update incident set state = 'gone', closed_at = %s where incident_id = %s", (at, incident_id))
    conn.execute(
        "update job set state = 'withdrawn', ended_at = now() where incident_id = %s and state = 'queued'",
        (incident_id,),
    )
    add_event(conn, incident_id, "detector", "gone", {"at": at.isoformat()} | detail)


def hand_back(conn: Connection, incident_id: uuid.UUID, job_id: str) -> None:
    """Queue a job that nobody holds any more, or withdraw it where its object left while a crew was on its way.

    The caller holds both locks and has written that the job is queued.
    """
    row = conn.execute("select left_at from incident where incident_id = %s", (incident_id,)).fetchone()
    if row is not None and row["left_at"] is not None:
        close_gone(conn, incident_id, row["left_at"])
    else:
        queue_again(conn, job_id)
