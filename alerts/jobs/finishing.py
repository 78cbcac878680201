"""A crew's word that its job is dealt with, and what becomes of the case then."""

import uuid

from alerts.incidents.leaving import pass_check
from alerts.record.steps import record
from alerts.store import Connection
from schemas.record import Actor, State, What


def finish(conn: Connection, incident_id: uuid.UUID, actor: Actor, detail: dict[str, str]) -> int:
    """Note that the crew has dealt with it: the case waits for its check, or is closed where nobody checks; the step.

    A camera that told before the crew did that the thing left has checked it already. A person checks what no camera
    ever saw, where one was to check, and whatever auxiliary staff say: they help, and end no case by their word.
    """
    row = conn.execute("select check_by, opening_id from incident where incident_id = %s", (incident_id,)).fetchone()
    check = "none" if row is None else str(row["check_by"])
    if actor.role == "auxiliary" or (check == "camera" and row is not None and row["opening_id"] is None):
        check = "person"
        conn.execute("update incident set check_by = 'person' where incident_id = %s", (incident_id,))
    if check != "none":
        seq = record(conn, incident_id, actor, What.FINISHED, detail, to=State.CHECKING)
        pass_check(conn, incident_id)
        return seq
    conn.execute("update incident set closed_at = now(), outcome = 'handled' where incident_id = %s", (incident_id,))
    seq = record(conn, incident_id, actor, What.FINISHED, detail)
    record(conn, incident_id, actor, What.DONE, {"how": "unchecked"}, to=State.DONE)
    return seq
