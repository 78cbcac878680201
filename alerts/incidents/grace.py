"""The grace in which a thing's party may put it right (劝诫): what did not become right by its end becomes a case."""

from alerts.record.steps import DETECTOR, make_job, record
from alerts.store import Connection
from schemas.record import State, What

MOST = 200  # incidents of one transaction


def end_grace(conn: Connection) -> int:
    """Move incidents whose grace is over on by the database's clock: to a person, or to a crew; how many.

    Saying it twice changes nothing. One that is busy at this moment has its turn at the next call.
    """
    rows = conn.execute(
        "select incident_id, unit_id, urgent, direct from incident where state = 'grace' and grace_until <= now()"
        " order by grace_until limit %s for no key update skip locked",
        (MOST,),
    ).fetchall()
    for row in rows:
        detail = {"unit": row["unit_id"]} if row["direct"] else {}
        state = State.DISPATCHED if row["direct"] else State.VERIFY
        record(conn, row["incident_id"], DETECTOR, What.GRACE_OVER, detail, to=state)
        if row["direct"]:
            make_job(conn, str(row["incident_id"]), row["unit_id"], urgent=row["urgent"])
    return len(rows)
