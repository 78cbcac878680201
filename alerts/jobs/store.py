"""Jobs in the database: who owns which, for how long, and what waits in the outbox. PostgreSQL is the truth."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from alerts import crash
from alerts.installation import next_epoch
from alerts.jobs.expired import take_back
from alerts.jobs.finishing import finish
from alerts.jobs.pick import Picker
from alerts.record import keys
from alerts.record.steps import hand_back, record
from alerts.rows import job_row
from alerts.store import AlertDatabase, Connection, id_of
from schemas.errors import SaidError
from schemas.incident import Job
from schemas.record import Actor, State, What

RELAY_LOCK = 0x72656C61  # one relay at a time on this database
JOB = (
    "select j.job_id, j.unit_id as job_unit_id, j.urgency as job_urgency, j.state as job_state, j.holder,"
    " j.lease_until, j.vehicle_id, j.distance_m, j.why, j.stuck, i.*"
    " from job j join incident_view i using (incident_id)"
)
# Calls for help, then what is urgent, then what waits longest.
FIRST = " order by i.family = 'sos' desc, j.urgency desc, j.created_at, j.job_id"
# Both are asked before every job that a crew takes, and nearly always find nothing: ids alone. Calls for help are few
# among the open incidents, which have an index by family; many jobs may wait at a unit.
UNSHOWN = (
    "select job_id from job where unit_id = %s and holder = %s and state = 'taken' and shown_at is null"
    " and taken_at <= now() - make_interval(secs => %s)"
)
CALLS = (
    "select j.job_id from incident i join job j using (incident_id) where i.family = 'sos' and i.state = 'dispatched'"
    " and j.unit_id = %s and j.state = 'queued' and j.stuck = '' order by j.created_at, j.job_id"
)
# Job by job: joined, all entries of the epoch are read, which of 600 000 with 2 000 open jobs took 0.55 s (so 0.02 s).
NEEDED = """
select m.stream, min(m.low) as low, max(m.high) as high
from job j, relay_state r, lateral (
    select o.stream, min(o.relay_seq) as low, max(o.relay_seq) as high from outbox o
    where o.job_id = j.job_id and o.sent_at is not null and o.relay_seq >= r.epoch_first_seq group by o.stream) m
where j.state in ('queued', 'taken') and j.stuck = '' group by m.stream
"""
OF_UNIT = JOB + " where j.unit_id = %s and j.state in ('queued', 'taken')" + FIRST + " limit %s"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One entry on its way to the queue. ``relay_seq`` is its place in the one order of all streams."""

    relay_seq: int
    job_id: str
    stream: str


@dataclass(frozen=True, slots=True)
class Span:
    """What a stream must still hold: the lowest and the highest place of its unfinished jobs."""

    first_seq: int
    last_seq: int


class JobStore:
    """Leases and outbox; every method is one transaction and raises SinkError when it did not happen."""

    def __init__(self, database: AlertDatabase, *, lease_s: float) -> None:
        self._database = database
        self._lease_s = lease_s
        self._known: dict[str, Actor] = {}

    def know(self, actor: Actor) -> None:
        """Write down what this person does in their own role, and whether a token proved them; others act as a crew."""
        self._known[actor.name] = actor

    @property
    def lease_s(self) -> float:
        """How long a job is owned without renewal, s."""
        return self._lease_s

    def take(self, job_id: str, person: str, *, again: bool = True, unit_id: str = "") -> Job | None:
        """Make ``person`` the owner if nobody is (compare and set); None where somebody else was first.

        ``unit_id``: only while it is this unit's; an entry of it may still lie in the stream of another. A lease that
        ran out owns nothing, whether or not the relay has noticed. A job that the person holds already is returned as
        it is, and None with ``again=False``. Also None where the job has ended or never was, and where its holder's
        lease ran out after the object had left: the relay withdraws it.
        """
        key = id_of(job_id, "a job")
        with self._database.transaction("take") as conn:
            _lock_incident(conn, key)
            held = conn.execute("select state, holder from job where job_id = %s for update", (key,)).fetchone()
            mine = held is not None and (held["state"], held["holder"]) == ("taken", person)
            taken = conn.execute(
                "update job set state = 'taken', holder = %(person)s, taken_at = now(), shown_at = null,"
                " lease_until = now() + make_interval(secs => %(lease_s)s), stuck = '', stuck_deliveries = 0"
                " where job_id = %(key)s and %(unit)s in ('', unit_id)"
                " and (state = 'queued' or (state = 'taken' and lease_until < now() and exists"
                " (select from incident i where i.incident_id = job.incident_id and i.left_at is null)))"
                " returning incident_id",
                {"key": key, "person": person, "lease_s": self._lease_s, "unit": unit_id},
            ).fetchone()
            if taken is None:
                return self._job(conn, key) if mine and again else None
            if held is not None and held["state"] == "taken":
                detail = {"job": job_id, "holder": held["holder"]}
                record(conn, taken["incident_id"], self._who(person), What.LEASE_EXPIRED, detail)
            record(conn, taken["incident_id"], self._who(person), What.TAKEN, {"job": job_id}, to=State.HANDLING)
            return self._job(conn, key)

    def renew(self, person: str) -> int:
        """Renew every lease of a person; the number of jobs held."""
        with self._database.transaction() as conn:
            done = conn.execute(
                "update job set lease_until = now() + make_interval(secs => %s) where holder = %s and state = 'taken'",
                (self._lease_s, person),
            )
            return done.rowcount

    def shown(self, job_id: str, person: str) -> None:
        """Note that the holder saw the job, so that it is not sent again; nothing where it is not held by them."""
        crash.at("take_before_shown")
        with self._database.single() as conn:
            conn.execute(
                "update job set shown_at = now() where job_id = %s and holder = %s and state = 'taken'",
                (id_of(job_id, "a job"), person),
            )
        crash.at("take_after_shown")

    def unshown(self, unit_id: str, person: str, *, older_s: float) -> list[Job]:
        """Jobs a person took ``older_s`` ago or earlier whose terminal never confirmed that it showed them."""
        with self._database.single() as conn:
            rows = conn.execute(UNSHOWN, (unit_id, person, older_s)).fetchall()
        if not rows:  # as nearly always, and a terminal asks before every job
            return []
        with self._database.single() as conn:
            rows = conn.execute(
                JOB + " where j.job_id = any(%s)" + FIRST, ([row["job_id"] for row in rows],)
            ).fetchall()
        return [job_row(row) for row in rows]

    def calls(self, unit_id: str) -> list[str]:
        """Ids of a unit's waiting jobs that are calls for help, oldest first; without those that are set aside."""
        with self._database.single() as conn:
            rows = conn.execute(CALLS, (unit_id,)).fetchall()
        return [str(row["job_id"]) for row in rows]

    def done(self, job_id: str, person: str, note: str = "", key: str = "") -> Job:
        """The crew has dealt with it: job and incident end; said twice by its holder, or under its ``key``, it is once.

        Raises UsageError where this person does not hold it, and for a key of another word.
        """
        job_key = id_of(job_id, "a job")
        keys.refuse_key(key)
        with self._database.transaction("done") as conn:
            _lock_incident(conn, job_key)
            before = self._job(conn, job_key)
            said = {"note": note.strip()}
            word = keys.Word(key, uuid.UUID(before.incident.incident_id), "done", self._who(person), said)
            if keys.said(conn, word) is not None or (before.state, before.holder) == ("done", person):
                return before
            incident_id = self._release(conn, job_key, person, "done")
            conn.execute("update job set ended_at = now() where job_id = %s", (job_key,))
            detail = {"job": job_id} | ({"note": note} if note.strip() else {})
            keys.keep(conn, word, finish(conn, incident_id, word.actor, detail))
            return self._job(conn, job_key)

    def reject(self, job_id: str, person: str, reason: str) -> Job:
        """Give a job back for others, with a reason; it is withdrawn where its object has left meanwhile.

        Raises UsageError where it is not held or no reason is given.
        """
        if not reason.strip():
            raise SaidError("a rejected job needs a reason: --reason TEXT", "退回任务须写明原因:--reason 文字")
        key = id_of(job_id, "a job")
        with self._database.transaction("reject") as conn:
            _lock_incident(conn, key)
            incident_id = self._release(conn, key, person, "queued")
            conn.execute("update job set holder = '', reason = %s where job_id = %s", (reason, key))
            detail = {"job": job_id, "reason": reason}
            record(conn, incident_id, self._who(person), What.REJECTED, detail, to=State.DISPATCHED)
            hand_back(conn, incident_id, job_id)
            return self._job(conn, key)

    def find(self, job_id: str) -> Job:
        """One job in whatever state. Raises UsageError where there is none of this id."""
        with self._database.single() as conn:
            return self._job(conn, id_of(job_id, "a job"))

    def of_incident(self, incident_id: str) -> Job | None:
        """The job of an incident; None where it was never dispatched."""
        with self._database.single() as conn:
            row = conn.execute(JOB + " where j.incident_id = %s", (id_of(incident_id, "an incident"),)).fetchone()
        return None if row is None else job_row(row)

    def of_unit(self, unit_id: str, *, limit: int = 100) -> list[Job]:
        """Queued and taken jobs of a unit, urgent first, then oldest first."""
        with self._database.single() as conn:
            rows = conn.execute(OF_UNIT, (unit_id, limit)).fetchall()
        return [job_row(row) for row in rows]

    def stranded(self, unit_id: str, *, older_s: float) -> list[Job]:
        """A unit's queued jobs that were made ``older_s`` ago or earlier, urgent first, then oldest first.

        One that no terminal gets past waits for a dispatcher instead.
        """
        with self._database.single() as conn:
            rows = conn.execute(
                JOB
                + " where j.unit_id = %s and j.state = 'queued' and j.created_at <= now() - make_interval(secs => %s)"
                " and j.stuck = ''" + FIRST + " limit 100",
                (unit_id, older_s),
            ).fetchall()
        return [job_row(row) for row in rows]

    def follow(self, unit_id: str, known: Collection[str], *, limit: int = 100) -> list[Job]:
        """As ``of_unit``, and behind them those of the ``known`` job ids that have ended since."""
        with self._database.transaction() as conn:
            rows = conn.execute(OF_UNIT, (unit_id, limit)).fetchall()
            missing = sorted(set(known) - {str(row["job_id"]) for row in rows})
            rows += conn.execute(JOB + " where j.job_id = any(%s::uuid[]) order by j.created_at", (missing,)).fetchall()
        return [job_row(row) for row in rows]

    def stick(self, job_id: str, reason: str, deliveries: int) -> bool:
        """Set a waiting job aside for a dispatcher: no terminal gets past it. False where it does not wait."""
        with self._database.transaction() as conn:
            done = conn.execute(
                "update job set stuck = %s, stuck_deliveries = %s where job_id = %s and state = 'queued'",
                (reason, deliveries, id_of(job_id, "a job")),
            )
            return done.rowcount == 1

    def lease_lost(self, job_id: str) -> bool:
        """Whether the last owner lost the job by time rather than giving it back."""
        with self._database.single() as conn:
            row = conn.execute(
                "select e.what from incident_event e join job j using (incident_id) where j.job_id = %s"
                " and e.what in ('rejected', 'reassigned', 'lease_expired') order by e.event_id desc limit 1",
                (id_of(job_id, "a job"),),
            ).fetchone()
        return row is not None and row["what"] == "lease_expired"

    def counts(self) -> dict[str, int]:
        """Number of jobs by state."""
        with self._database.single() as conn:
            rows = conn.execute("select state, count(*) as n from job group by state").fetchall()
        return {row["state"]: int(row["n"]) for row in rows}

    def set_aside(self) -> int:
        """Number of jobs that wait for a dispatcher because no terminal got past them."""
        with self._database.single() as conn:
            row = conn.execute("select count(*) as n from job where stuck <> '' and state = 'queued'").fetchone()
        return 0 if row is None else int(row["n"])

    def become_relay(self) -> bool:
        """Whether we are the one relay, trying to become it; asked before each round."""
        return self._database.leads(RELAY_LOCK)

    def requeue_expired(self) -> int:
        """Take back jobs whose lease ran out, some in one round; how many."""
        with self._database.transaction("requeue") as conn:
            return take_back(conn)

    def assign(self, limit: int = 100, *, picker: Picker | None = None) -> int:
        """Give waiting outbox rows their place and stream; how many. Calls for help first, then as they were made.

        With a ``picker`` each waiting job gets its unit now, by who is on duty and where. Never a cursor over serial
        numbers: a transaction that commits late would be skipped for ever.
        """
        with self._database.transaction("assign") as conn:
            # One at a time: a relay that lost its lock a moment ago must not give the same rows other places.
            conn.execute("select 1 from relay_state for update")
            rows = conn.execute(
                "select o.outbox_id, j.job_id, j.incident_id, j.unit_id, j.urgency from outbox o"
                " join job j using (job_id) join incident i using (incident_id)"
                " where o.relay_seq is null order by i.family = 'sos' desc, o.outbox_id limit %s",
                (limit,),
            ).fetchall()
            if not rows:
                return 0
            chosen = {} if picker is None else picker.pick(conn, [row["incident_id"] for row in rows])
            state = conn.execute(
                "update relay_state set next_seq = next_seq + %s returning next_seq", (len(rows),)
            ).fetchone()
            first = (state or {"next_seq": 0})["next_seq"] - len(rows)
            streams = [stream_of(chosen.get(str(row["job_id"]), row["unit_id"]), row["urgency"]) for row in rows]
            conn.execute(
                "update outbox o set relay_seq = place.seq, stream = place.stream"
                " from unnest(%s::bigint[], %s::bigint[], %s::text[]) as place (outbox_id, seq, stream)"
                " where o.outbox_id = place.outbox_id",
                ([row["outbox_id"] for row in rows], list(range(first, first + len(rows))), streams),
            )
        return len(rows)

    def unsent(self, limit: int = 100) -> list[OutboxRow]:
        """Rows with a place that are not known to be sent, in order."""
        with self._database.single() as conn:
            rows = conn.execute(
                "select relay_seq, job_id, stream from outbox where relay_seq is not null and sent_at is null"
                " order by relay_seq limit %s",
                (limit,),
            ).fetchall()
        return [OutboxRow(int(row["relay_seq"]), str(row["job_id"]), row["stream"]) for row in rows]

    def sent(self, relay_seqs: Collection[int]) -> None:
        """Note that rows are in their streams; none: nothing."""
        with self._database.transaction("sent") as conn:
            conn.execute("update outbox set sent_at = now() where relay_seq = any(%s)", (list(relay_seqs),))

    def confirmed_seq(self, streams: Collection[str]) -> dict[str, int]:
        """Highest relay_seq known to be sent in this epoch, by stream; those without one are left out."""
        with self._database.single() as conn:
            rows = conn.execute(
                "select s.stream, (select max(relay_seq) from outbox o where o.stream = s.stream"
                " and o.sent_at is not null and o.relay_seq >= r.epoch_first_seq) as top"
                " from unnest(%s::text[]) as s (stream), relay_state r",
                (sorted(streams),),
            ).fetchall()
        return {row["stream"]: int(row["top"]) for row in rows if row["top"] is not None}

    def needed(self) -> dict[str, Span]:
        """What each stream must still hold in this epoch, by what is known to be sent and is not finished."""
        with self._database.single() as conn:
            rows = conn.execute(NEEDED).fetchall()
        return {row["stream"]: Span(int(row["low"]), int(row["high"])) for row in rows}

    def epoch(self) -> str:
        """The queue's epoch as PostgreSQL knows it; empty before the first."""
        with self._database.single() as conn:
            row = conn.execute("select epoch from relay_state").fetchone()
        return "" if row is None else str(row["epoch"])

    def new_epoch(self, there: str = "") -> str:
        """Begin anew where the queue, of epoch ``there``, lost its memory: unfinished jobs get fresh outbox rows."""
        with self._database.transaction("epoch") as conn:
            epoch = next_epoch(conn, there)
            conn.execute("update relay_state set epoch = %s, epoch_first_seq = next_seq", (epoch,))
            # What was on its way is superseded by the fresh rows.
            conn.execute("delete from outbox where sent_at is null")
            conn.execute(
                "insert into outbox (job_id)"
                " select job_id from job where state in ('queued', 'taken') and stuck = '' order by created_at"
            )
        return epoch

    def _who(self, person: str) -> Actor:
        return self._known.get(person, Actor(person, "crew"))

    def _release(self, conn: Connection, key: uuid.UUID, person: str, state: str) -> uuid.UUID:
        row = conn.execute(
            "update job set state = %s, lease_until = null where job_id = %s and holder = %s and state = 'taken'"
            " returning incident_id",
            (state, key, person),
        ).fetchone()
        if row is None:
            raise SaidError(
                f"job {key} is not held by {person}: see `curbwatch dispatch watch`",
                f"任务 {key} 不在{person}手上:见 `curbwatch dispatch watch`",
            )
        incident_id: uuid.UUID = row["incident_id"]
        return incident_id

    def _job(self, conn: Connection, key: uuid.UUID) -> Job:
        row = conn.execute(JOB + " where j.job_id = %s", (key,)).fetchone()
        if row is None:
            raise no_job(key)
        return job_row(row)


def _lock_incident(conn: Connection, key: uuid.UUID) -> None:
    """Lock the incident of a job before the job, as everywhere: a departure may close it at this moment."""
    conn.execute(
        "select 1 from incident where incident_id = (select incident_id from job where job_id = %s) for no key update",
        (key,),
    )


def no_job(key: uuid.UUID) -> SaidError:
    """There is no job of this id."""
    return SaidError(f"no job {key}: see `curbwatch dispatch watch`", f"没有任务 {key}:见 `curbwatch dispatch watch`")


def stream_of(unit_id: str, urgency: str) -> str:
    """Name of a unit's stream: ``dispatch:{unit}:{urgent|normal}``."""
    return f"dispatch:{unit_id}:{urgency}"
