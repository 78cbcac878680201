"""Leases that ran out: their jobs go back to the queue. Within the relay's transaction."""

from alerts.record.steps import RELAY, hand_back, record
from alerts.store import Connection
from schemas.record import State, What

TAKEN_BACK_MAX = 200  # jobs in one transaction, whose incidents are locked meanwhile; the next round goes on
# Incidents before their jobs, as everywhere; one that is busy now is looked at in the next round.
INCIDENTS = """
select i.incident_id from incident i join job j using (incident_id)
where j.state = 'taken' and j.lease_until < now() order by j.lease_until limit %s for no key update of i skip locked
"""
JOBS = """
select job_id, incident_id, holder from job where incident_id = any(%s)
and state = 'taken' and lease_until < now() for update skip locked
"""


def take_back(conn: Connection) -> int:
    """Take back jobs whose lease ran out, the longest ago first; how many.

    They are queued again, or withdrawn where nothing stands any more.
    """
    found = conn.execute(INCIDENTS, (TAKEN_BACK_MAX,)).fetchall()
    rows = conn.execute(JOBS, ([row["incident_id"] for row in found],)).fetchall()
    for row in rows:
        job_id = str(row["job_id"])
        conn.execute("update job set state = 'queued', holder = '', lease_until = null where job_id = %s", (job_id,))
        detail = {"job": job_id, "holder": row["holder"]}
        record(conn, row["incident_id"], RELAY, What.LEASE_EXPIRED, detail, to=State.DISPATCHED)
        hand_back(conn, row["incident_id"], job_id)
    return len(rows)
