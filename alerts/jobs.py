"""Jobs in the database: who owns which, for how long, and what waits in the outbox. PostgreSQL is the truth."""

import uuid
from dataclasses import dataclass
from typing import Any

from alerts.incidents import add_event, queue_again
from alerts.rows import job_row
from alerts.store import AlertDatabase, Connection
from schemas.errors import UsageError
from schemas.incident import Job

RELAY_LOCK = 0x72656C61  # one relay at a time on this database
JOB = (
    "select j.job_id, j.unit_id as job_unit_id, j.urgency, j.state as job_state, j.holder, j.lease_until, i.*"
    " from job j join incident_view i using (incident_id)"
)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One entry on its way to the queue. ``relay_seq`` is its place in the one order of all streams."""

    relay_seq: int
    job_id: str
    stream: str


class JobStore:
    """Leases and outbox; every method is one transaction and raises SinkError when it did not happen."""

    def __init__(self, database: AlertDatabase, *, lease_s: float) -> None:
        self._database = database
        self._lease_s = lease_s

    def take(self, job_id: str, person: str) -> Job | None:
        """Make ``person`` the owner if nobody is (compare and set); None where somebody else was first."""
        with self._database.transaction() as conn:
            taken = conn.execute(
                "update job set state = 'taken', holder = %(person)s, taken_at = now(),"
                " lease_until = now() + make_interval(secs => %(lease_s)s)"
                " where job_id::text = %(job_id)s and state = 'queued' returning incident_id",
                {"job_id": job_id, "person": person, "lease_s": self._lease_s},
            ).fetchone()
            if taken is None:
                return None
            add_event(conn, taken["incident_id"], person, "taken", {"job": job_id})
            return self._job(conn, job_id)

    def renew(self, person: str) -> int:
        """Renew every lease of a person; the number of jobs held."""
        with self._database.transaction() as conn:
            done = conn.execute(
                "update job set lease_until = now() + make_interval(secs => %s) where holder = %s and state = 'taken'",
                (self._lease_s, person),
            )
            return done.rowcount

    def done(self, job_id: str, person: str) -> Job:
        """The crew has dealt with it: job and incident end. Raises UsageError where this person does not hold it."""
        with self._database.transaction() as conn:
            incident_id = self._release(conn, job_id, person, "done")
            conn.execute("update job set ended_at = now() where job_id::text = %s", (job_id,))
            conn.execute("update incident set state = 'done', closed_at = now() where incident_id = %s", (incident_id,))
            add_event(conn, incident_id, person, "done", {"job": job_id})
            return self._job(conn, job_id)

    def reject(self, job_id: str, person: str, reason: str) -> Job:
        """Give a job back for others, with a reason. Raises UsageError where it is not held or no reason is given."""
        if not reason.strip():
            raise UsageError("a rejected job needs a reason: --reason TEXT")
        with self._database.transaction() as conn:
            incident_id = self._release(conn, job_id, person, "queued")
            conn.execute("update job set holder = '', reason = %s where job_id::text = %s", (reason, job_id))
            add_event(conn, incident_id, person, "rejected", {"job": job_id, "reason": reason})
            queue_again(conn, job_id)
            return self._job(conn, job_id)

    def of_unit(self, unit_id: str, *, limit: int = 100) -> list[Job]:
        """Queued and taken jobs of a unit, oldest first."""
        with self._database.transaction() as conn:
            rows = conn.execute(
                JOB + " where j.unit_id = %s and j.state in ('queued', 'taken')"
                " order by j.urgency desc, j.created_at limit %s",
                (unit_id, limit),
            ).fetchall()
        return [job_row(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Number of jobs by state."""
        with self._database.transaction() as conn:
            rows = conn.execute("select state, count(*) as n from job group by state").fetchall()
        return {row["state"]: int(row["n"]) for row in rows}

    def become_relay(self) -> bool:
        """Try to be the one relay; held until the connection ends."""
        with self._database.transaction() as conn:
            row = conn.execute("select pg_try_advisory_lock(%s) as held", (RELAY_LOCK,)).fetchone()
        return row is not None and bool(row["held"])

    def requeue_expired(self) -> int:
        """Take back jobs whose lease ran out and queue them again; how many."""
        with self._database.transaction() as conn:
            rows = conn.execute(
                "update job set state = 'queued', holder = '' where state = 'taken' and lease_until < now()"
                " returning job_id, incident_id"
            ).fetchall()
            for row in rows:
                add_event(conn, row["incident_id"], "relay", "lease_expired", {"job": str(row["job_id"])})
                queue_again(conn, str(row["job_id"]))
        return len(rows)

    def assign(self, limit: int = 100) -> int:
        """Give waiting outbox rows their place and stream, in the order in which they were made; how many.

        Never a cursor over serial numbers: a transaction that commits late would be skipped for ever.
        """
        with self._database.transaction() as conn:
            rows = conn.execute(
                "select o.outbox_id, j.unit_id, j.urgency from outbox o join job j using (job_id)"
                " where o.relay_seq is null order by o.outbox_id limit %s",
                (limit,),
            ).fetchall()
            if not rows:
                return 0
            state = conn.execute(
                "update relay_state set next_seq = next_seq + %s returning next_seq", (len(rows),)
            ).fetchone()
            first = (state or {"next_seq": 0})["next_seq"] - len(rows)
            for offset, row in enumerate(rows):
                conn.execute(
                    "update outbox set relay_seq = %s, stream = %s where outbox_id = %s",
                    (first + offset, stream_of(row["unit_id"], row["urgency"]), row["outbox_id"]),
                )
        return len(rows)

    def unsent(self, limit: int = 100) -> list[OutboxRow]:
        """Rows with a place that are not known to be sent, in order."""
        with self._database.transaction() as conn:
            rows = conn.execute(
                "select relay_seq, job_id, stream from outbox where relay_seq is not null and sent_at is null"
                " order by relay_seq limit %s",
                (limit,),
            ).fetchall()
        return [OutboxRow(int(row["relay_seq"]), str(row["job_id"]), row["stream"]) for row in rows]

    def sent(self, relay_seq: int) -> None:
        """Note that a row is in its stream."""
        with self._database.transaction() as conn:
            conn.execute("update outbox set sent_at = now() where relay_seq = %s", (relay_seq,))

    def confirmed_seq(self) -> dict[str, int]:
        """Highest relay_seq known to be sent in this epoch, by stream."""
        with self._database.transaction() as conn:
            rows = conn.execute(
                "select stream, max(relay_seq) as top from outbox, relay_state"
                " where sent_at is not null and relay_seq >= epoch_first_seq group by stream"
            ).fetchall()
        return {row["stream"]: int(row["top"]) for row in rows}

    def epoch(self) -> str:
        """The queue's epoch as PostgreSQL knows it; empty before the first."""
        with self._database.transaction() as conn:
            row = conn.execute("select epoch from relay_state").fetchone()
        return "" if row is None else str(row["epoch"])

    def new_epoch(self) -> str:
        """Begin anew after the queue lost its memory: every unfinished job gets a fresh outbox row."""
        epoch = uuid.uuid4().hex
        with self._database.transaction() as conn:
            conn.execute("update relay_state set epoch = %s, epoch_first_seq = next_seq", (epoch,))
            # What was on its way is superseded by the fresh rows.
            conn.execute("delete from outbox where sent_at is null")
            conn.execute(
                "insert into outbox (job_id)"
                " select job_id from job where state in ('queued', 'taken') order by created_at"
            )
        return epoch

    def _release(self, conn: Connection, job_id: str, person: str, state: str) -> Any:  # noqa: ANN401  # a uuid
        row = conn.execute(
            "update job set state = %s, lease_until = null where job_id::text = %s and holder = %s and state = 'taken'"
            " returning incident_id",
            (state, job_id, person),
        ).fetchone()
        if row is None:
            raise UsageError(f"job {job_id} is not held by {person}: see `curbwatch dispatch watch`")
        return row["incident_id"]

    def _job(self, conn: Connection, job_id: str) -> Job:
        row = conn.execute(JOB + " where j.job_id::text = %s", (job_id,)).fetchone()
        if row is None:
            raise UsageError(f"no job {job_id}")
        return job_row(row)


def stream_of(unit_id: str, urgency: str) -> str:
    """Name of a unit's stream: ``dispatch:{unit}:{urgent|normal}``."""
    return f"dispatch:{unit_id}:{urgency}"
