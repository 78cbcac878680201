"""What becomes of an incident when its thing is gone. Within one transaction, under the incident's lock."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

from alerts.incidents import pictures
from alerts.incidents.effects import STANDS_S
from alerts.incidents.locking import lock
from alerts.record.steps import DETECTOR, OPEN_STATES, close_gone, record, withdraw
from alerts.store import Connection
from schemas.incident import Departure
from schemas.record import State, What
from schemas.units import utc

Row = dict[str, Any]
# An incident, and whatever was merged into it: the tracks of those are its own, and their steps tell what has left.
WHOLE = """
with recursive whole as (
    select %(id)s::uuid as incident_id
    union select i.incident_id from incident i join whole w on i.merged_into = w.incident_id
) select incident_id from whole
"""
LEFT = f"""
select 1 from incident_event where incident_id in ({WHOLE}) and what = 'left' and detail = %(detail)s::jsonb
"""  # noqa: S608
# Another one is also what came later under the same number, after a lost detector state.
STANDING = f"""
select 1 from sighting s
where s.incident_id = %(id)s and s.ts > %(since)s and not s.quiet
    and ((s.camera_id, s.track_id) <> (%(camera)s, %(track)s) or s.ts > %(at)s)
    and not exists (select from incident_event e where e.incident_id in ({WHOLE}) and e.what = 'left'
        and e.detail ->> 'camera' = s.camera_id and (e.detail ->> 'track')::bigint = s.track_id
        and (e.detail ->> 'at')::timestamptz >= s.ts)
limit 1
"""  # noqa: S608


def of_departure(conn: Connection, departure: Departure) -> uuid.UUID | None:
    """The incident of a track whose object left; None where it has none.

    Not one from before it appeared: after a lost detector state, track numbers begin again.
    """
    row = conn.execute(
        "select coalesce(i.merged_into, i.incident_id) as incident_id from sighting s"
        " join incident i using (incident_id)"
        " where s.camera_id = %s and s.track_id = %s and s.ts between %s and %s and not s.quiet"
        " order by s.ts desc limit 1",
        (departure.camera_id, departure.track_id, utc(departure.appeared_ns), utc(departure.captured_ns)),
    ).fetchone()
    return None if row is None else row["incident_id"]


def is_open(conn: Connection, incident_id: uuid.UUID) -> bool:
    """Whether an incident is open now."""
    row = conn.execute("select state from incident where incident_id = %s", (incident_id,)).fetchone()
    return row is not None and row["state"] in OPEN_STATES


def depart(conn: Connection, departure: Departure) -> uuid.UUID | None:
    """Do what a departure does; the incident where this closed it. Saying it twice changes nothing."""
    incident_id = of_departure(conn, departure)
    if incident_id is None:
        return None
    row = lock(conn, incident_id)
    incident_id = row["incident_id"]  # it may have been merged while we waited
    if row["state"] not in OPEN_STATES:
        return None
    held = job_held(conn, incident_id)
    _note_left(conn, incident_id, departure)
    if _others_stand(conn, incident_id, departure):
        return None
    left_at = utc(departure.captured_ns)
    after_id = pictures.attach(conn, incident_id, departure.after, "after")
    if held:
        stay_left(conn, incident_id, left_at, after_id)
        return None
    return incident_id if end(conn, row, left_at, after_id) else None


def end(conn: Connection, row: Row, at: datetime, after_id: int | None, **detail: str) -> bool:
    """End an incident whose thing is gone since ``at`` (captured), by its state; whether it ended.

    In its grace its party put it right: it never was a case. What waits for a camera's check is checked by that, also
    where it was suspended meanwhile. What waits for a person's check goes on waiting, and they see that it left. Nobody
    holds its job.
    """
    incident_id, state = row["incident_id"], State(row["state"])
    if state is State.CHECKING or (state is State.SUSPENDED and _was(conn, incident_id) == State.CHECKING):
        stay_left(conn, incident_id, at, after_id)
        return row["check_by"] == "camera" and pass_check(conn, incident_id, **detail)
    conn.execute("update incident set after_id = %s where incident_id = %s", (after_id, incident_id))
    if state is not State.GRACE:
        close_gone(conn, incident_id, at, **detail)
        return True
    conn.execute("update incident set closed_at = %s, outcome = 'corrected' where incident_id = %s", (at, incident_id))
    withdraw(conn, incident_id)
    said = {"at": at.isoformat()} | detail | pictures.named(conn, after_id)
    record(conn, incident_id, DETECTOR, What.CORRECTED, said, to=State.CORRECTED)
    return True


def pass_check(conn: Connection, incident_id: uuid.UUID, **detail: str) -> bool:
    """Close a case in its check whose camera told that the thing left, before or after the crew's word; whether so.

    One that is suspended was in its check before.
    """
    row = conn.execute(
        "update incident set closed_at = now(), outcome = 'handled' where incident_id = %s and state = any(%s)"
        " and check_by = 'camera' and left_at is not null returning left_at, after_id",
        (incident_id, [State.CHECKING, State.SUSPENDED]),
    ).fetchone()
    if row is None:
        return False
    said = {"how": "camera", "at": row["left_at"].isoformat()} | detail | pictures.named(conn, row["after_id"])
    record(conn, incident_id, DETECTOR, What.DONE, said, to=State.DONE)
    return True


def _was(conn: Connection, incident_id: uuid.UUID) -> str:
    """The state that a suspended incident had; empty: its record does not say."""
    row = conn.execute(
        "select state from incident_event where incident_id = %s and state <> 'suspended'"
        " order by event_id desc limit 1",
        (incident_id,),
    ).fetchone()
    return "" if row is None else str(row["state"])


def stay_left(conn: Connection, incident_id: uuid.UUID, at: datetime, after_id: int | None) -> None:
    """Note that nothing stands at an incident any more, which others are to close."""
    conn.execute("update incident set left_at = %s, after_id = %s where incident_id = %s", (at, after_id, incident_id))


def job_held(conn: Connection, incident_id: uuid.UUID) -> bool:
    """Whether a crew holds the job of an incident; locked before it is judged: one may be taking it at this moment."""
    job = conn.execute("select state from job where incident_id = %s for update", (incident_id,)).fetchone()
    return job is not None and job["state"] == "taken"


def _note_left(conn: Connection, incident_id: uuid.UUID, departure: Departure) -> None:
    """Record that one track's object left, once."""
    at = utc(departure.captured_ns).isoformat()
    detail = {"camera": departure.camera_id, "track": departure.track_id, "at": at}
    known = conn.execute(LEFT, {"id": incident_id, "detail": json.dumps(detail)}).fetchone()
    if known is None:
        record(conn, incident_id, DETECTOR, What.LEFT, detail)


def _others_stand(conn: Connection, incident_id: uuid.UUID, departure: Departure) -> bool:
    """Whether another track of the incident was seen lately and has not left."""
    left_at = utc(departure.captured_ns)
    row = conn.execute(
        STANDING,
        {
            "id": incident_id,
            "since": left_at - timedelta(seconds=STANDS_S),
            "camera": departure.camera_id,
            "track": departure.track_id,
            "at": left_at,
        },
    ).fetchone()
    return row is not None
