"""Steps that the incident and the job store share; each happens inside its caller's transaction."""

import json
import uuid
from datetime import datetime
from typing import Any

from alerts.incidents import pictures
from alerts.record.canonical import ZERO, link, parsed, row_value
from alerts.store import Connection
from schemas.dispatch import Why
from schemas.record import OPEN, Actor, State, What
from schemas.units import ns_of

NAMESPACE = uuid.UUID("3a4c8c70-5a0e-5d0e-9a53-6e2f0b7f6c11")  # fixed for ever: incident and job ids hang on it
OPEN_STATES = tuple(sorted(OPEN))
OUTBOX_CHANNEL = "curbwatch_outbox"
KEPT = frozenset({Why.REASSIGNED, Why.ESCALATED})  # somebody gave it to this unit: no position and no rule changes that
ITS_OWN = frozenset({"", Why.RESPONSIBLE, Why.NOBODY})  # reasons that hold for the responsible unit alone
# Where a chain stands, under its lock; not now(): two that wait for one another must be told in the order they came.
BEFORE = """
select incident_id, chain_seq, chain_head, state, clock_timestamp() as at
from incident where incident_id = %s for no key update
"""
APPEND = """
with step as (
    insert into incident_event (incident_id, seq, at, actor, role, proved, what, state, detail, prev_hash, hash)
    values (%(incident_id)s, %(seq)s, %(at)s, %(actor)s, %(role)s, %(proved)s, %(what)s, %(state)s,
        %(detail)s::jsonb, %(before)s, %(hash)s)
)
update incident set chain_seq = %(seq)s, chain_head = %(hash)s, state = %(state)s where incident_id = %(incident_id)s
"""
DETECTOR = Actor("detector", "system")
RELAY = Actor("relay", "system")


def make_job(conn: Connection, incident_id: str, unit_id: str, *, urgent: bool) -> str:
    """Make an incident's job and its outbox row, or put the one it had back in its queue; the relay is told on commit.

    ``unit_id`` is responsible there. A job that was there goes back to the unit that somebody, or its place, gave it
    to; one that its unit had as the responsible one goes to who is that now, chosen afresh. The caller holds the
    incident's lock. A job that a crew holds stays theirs.
    """
    job_id = str(uuid.uuid5(NAMESPACE, f"job/{incident_id}"))
    values = {"unit": unit_id, "urgency": "urgent" if urgent else "normal", "job": job_id, "incident": incident_id}
    known = conn.execute("select unit_id, why from job where job_id = %(job)s for update", values).fetchone()
    if known is None:
        conn.execute(
            "insert into job (unit_id, urgency, job_id, incident_id)"
            " values (%(unit)s, %(urgency)s, %(job)s, %(incident)s)",
            values,
        )
        queue_again(conn, job_id)
        return job_id
    conn.execute("update job set urgency = %(urgency)s where job_id = %(job)s and state <> 'taken'", values)
    if known["why"] in ITS_OWN and known["unit_id"] != unit_id:
        conn.execute(
            "update job set unit_id = %(unit)s, why = '', vehicle_id = '', distance_m = null"
            " where job_id = %(job)s and state <> 'taken'",
            values,
        )
    requeue(conn, job_id)
    return job_id


def follow(conn: Connection, incident_id: object, unit_id: str) -> bool:
    """Let a case's waiting job go along to the unit that is responsible from now on; whether one did, and is queued.

    Its unit is chosen afresh. One that somebody gave to a unit, and one that a crew holds, stays. The caller holds the
    incident's lock.
    """
    moved = conn.execute(
        "update job set unit_id = %s, why = '', vehicle_id = '', distance_m = null, stuck = ''"
        " where incident_id = %s and state = 'queued' and why <> all(%s) returning job_id",
        (unit_id, incident_id, sorted(KEPT)),
    ).fetchone()
    if moved is None:
        return False
    queue_again(conn, str(moved["job_id"]))
    return True


def queue_again(conn: Connection, job_id: str) -> None:
    """Put a job in the outbox."""
    conn.execute("insert into outbox (job_id) values (%s)", (job_id,))
    conn.execute("select pg_notify(%s, '')", (OUTBOX_CHANNEL,))


def record(
    conn: Connection, incident_id: object, actor: Actor, what: What, detail: dict[str, Any], *, to: State | None = None
) -> int:
    """Append a step to an incident's record, and move the incident to state ``to`` where given; the step's number.

    The caller holds the incident's row lock, so that steps of one incident come one after the other. The moment is the
    database's. Raises ValueError for a detail that is not JSON.
    """
    row = conn.execute(BEFORE, (incident_id,)).fetchone()
    if row is None:
        raise RuntimeError(f"no incident {incident_id} to write a step of")
    before: bytes = row["chain_head"] or ZERO
    text = json.dumps(detail, ensure_ascii=False, allow_nan=False)
    step = {
        "incident_id": str(row["incident_id"]),
        "seq": int(row["chain_seq"]) + 1,
        "at_us": ns_of(row["at"]) // 1000,
        "actor": actor.name,
        "role": actor.role,
        "proved": actor.proved,
        "what": str(what),
        "state": str(to or row["state"]),
        "detail": parsed(text),
    }
    head = link(before, row_value(step))
    conn.execute(APPEND, step | {"at": row["at"], "detail": text, "before": before, "hash": head})
    return int(step["seq"])


def close_gone(conn: Connection, incident_id: uuid.UUID, at: datetime, **detail: str) -> None:
    """Close an incident whose thing is gone since ``at`` (captured time), and withdraw its job where nobody holds it.

    The caller holds the incident's lock, and the job's if there is one. The step names the after-picture, if any.
    """
    row = conn.execute(
        "update incident set closed_at = %s, outcome = 'gone' where incident_id = %s returning after_id",
        (at, incident_id),
    ).fetchone()
    withdraw(conn, incident_id)
    after = pictures.named(conn, None if row is None else row["after_id"])
    record(conn, incident_id, DETECTOR, What.GONE, {"at": at.isoformat()} | detail | after, to=State.GONE)


def withdraw(conn: Connection, incident_id: object) -> None:
    """End the job of an incident where nobody has it; its entry in the queue leads to nothing."""
    conn.execute(
        "update job set state = 'withdrawn', ended_at = now() where incident_id = %s and state = 'queued'",
        (incident_id,),
    )


def call_back(conn: Connection, incident_id: object) -> str:
    """End the job of an incident by a person's word, whoever has it; its holder, empty where nobody had it.

    The caller holds the incident's lock and writes the step.
    """
    row = conn.execute(
        "select job_id, holder, state from job where incident_id = %s and state in ('queued', 'taken') for update",
        (incident_id,),
    ).fetchone()
    if row is None:
        return ""
    conn.execute(
        "update job set state = 'withdrawn', ended_at = now(), holder = '', lease_until = null where job_id = %s",
        (row["job_id"],),
    )
    return str(row["holder"]) if row["state"] == "taken" else ""


def hand_back(conn: Connection, incident_id: uuid.UUID, job_id: str) -> None:
    """Queue a job that nobody holds any more, or withdraw it where its object left while a crew was on its way.

    The caller holds both locks and has written that the job is queued.
    """
    row = conn.execute("select left_at from incident where incident_id = %s", (incident_id,)).fetchone()
    if row is not None and row["left_at"] is not None:
        close_gone(conn, incident_id, row["left_at"])
    else:
        queue_again(conn, job_id)


def requeue(conn: Connection, job_id: str) -> None:
    """Put a job back in the queue of its unit under its own id, also one that has ended: rework, or a reopened case.

    Nobody holds it then; one that a crew holds stays theirs. The caller holds the incident's lock and writes the step.
    """
    again = conn.execute(
        "update job set state = 'queued', holder = '', lease_until = null, taken_at = null, shown_at = null,"
        " ended_at = null, reason = '', stuck = '', tried = '{}' where job_id = %s and state <> 'taken' returning 1",
        (job_id,),
    ).fetchone()
    if again is not None:
        queue_again(conn, job_id)
