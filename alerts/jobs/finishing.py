"""A crew's word that its job is dealt with, and what becomes of the case then."""

import uuid

from alerts.incidents.leaving import pass_check
from alerts.record.steps import record
from alerts.store import Connection
from schemas.record import Actor, State, What


def finish(conn: Connection, incident_id: uuid.UUID, actor: Actor, detail: dict[str, str]) -> int:
    """Note that the crew has dealt with it: the case waits for its check, or is closed where nobody checks; the step.

    A camera that told before the crew did that the thing left has checked it already.
    """
    row = conn.execute("select check_by from incident where incident_id = %s", (incident_id,)).fetchone()
    if row is not None and row["check_by"] != "none":
        seq = record(conn, incident_id, actor, What.FINISHED, detail, to=State.CHECKING)
        pass_check(conn, incident_id)
        return seq
    conn.execute("update incident set closed_at = now(), outcome = 'handled' where incident_id = %s", (incident_id,))
    seq = record(conn, incident_id, actor, What.FINISHED, detail)
    record(conn, incident_id, actor, What.DONE, {"how": "unchecked"}, to=State.DONE)
    return seq
