"""The grace in which a thing's party may put it right (劝诫): what did not become right by its end becomes a case."""

from alerts.incidents.case_numbers import Numbering, case_no
from alerts.record.steps import DETECTOR, make_job, record
from alerts.store import Connection
from schemas.record import State, What

MOST = 200  # incidents of one transaction


def end_grace(conn: Connection, numbering: Numbering) -> int:
    """Move incidents whose grace is over on by the database's clock: to a person, or to a crew; how many.

    ``numbering``: the city's, for what goes to a crew. Saying it twice changes nothing. One that is busy
    at this moment has its turn at the next call.
    """
    rows = conn.execute(
        "select incident_id, unit_id, urgent, direct, case_no, cell_id from incident"
        " where state = 'grace' and grace_until <= now() order by grace_until limit %s for no key update skip locked",
        (MOST,),
    ).fetchall()
    for row in rows:
        detail = {}
        if row["direct"]:
            number = case_no(conn, row, numbering)
            conn.execute("update incident set case_no = %s where incident_id = %s", (number, row["incident_id"]))
            detail = {"unit": row["unit_id"], "case_no": number}
        state = State.DISPATCHED if row["direct"] else State.VERIFY
        record(conn, row["incident_id"], DETECTOR, What.GRACE_OVER, detail, to=state)
        if row["direct"]:
            make_job(conn, str(row["incident_id"]), row["unit_id"], urgent=row["urgent"])
    return len(rows)
