"""Jobs that change hands by somebody's word: reassigned, escalated, set aside and fetched back. PostgreSQL only.

The job keeps its id: each move is one more outbox row for it.
"""

import uuid
from typing import Any

from alerts.desk.words import role_name
from alerts.jobs.duty import peers, units_on_duty
from alerts.jobs.nearest import choose
from alerts.jobs.pick import Picker, errand_of, settle
from alerts.jobs.store import JOB, no_job
from alerts.messages import state_name
from alerts.record.steps import RELAY, hand_back, queue_again, record
from alerts.record.text import refuse_text
from alerts.rows import job_row
from alerts.store import AlertDatabase, Connection, id_of
from schemas.dispatch import Choice, Why
from schemas.errors import SaidError
from schemas.incident import Job
from schemas.record import Actor, State, What

DECIDES_NOT = frozenset({"auxiliary", "auditor"})  # domain.md 6, row 95: auxiliary staff may not decide
UNTAKEN = ("dispatch", "handle")  # stages in which a job can wait for a crew
# Escalations of the sweep that nobody has acted on, of jobs that nobody took.
OPEN_ESCALATIONS = """
select s.incident_id, s.stage, s.round, s.limit_id, s.again, j.job_id
from sweep_entry s join job j using (incident_id)
left join job_escalation e using (incident_id, stage, round, limit_id, again)
where s.kind = 'escalated' and s.day > current_date - 31 and s.stage = any(%s) and e.incident_id is null
order by s.at, s.incident_id limit %s
"""


class JobMoves:
    """Moves jobs between units; every method is one transaction and raises SinkError when it did not happen."""

    def __init__(self, database: AlertDatabase, picker: Picker) -> None:
        self._database = database
        self._picker = picker

    def reassign(self, job_id: str, actor: Actor, unit_id: str, reason: str) -> Job:
        """Give a job that waits or is held to another unit, for a reason; whoever held it holds it no more.

        Raises UsageError where the job has ended, is that unit's already and waits there, the reason is missing, or
        the actor may not decide.
        """
        _may_decide(actor, reason, "reassigned")
        with self._database.transaction("reassign") as conn:
            row = _locked(conn, id_of(job_id, "a job"))
            if row["unit_id"] == unit_id and row["state"] == "queued":
                raise SaidError(f"job {job_id} waits at {unit_id} already", f"任务 {job_id} 已在 {unit_id} 待领取")
            move(conn, row, actor, Choice(unit_id, Why.REASSIGNED), {"reason": reason})
            return _job(conn, row["job_id"])

    def escalate(self, job_id: str, actor: Actor, reason: str) -> Job:
        """Send a job that nobody took to the next unit on duty, urgent; where there is none it stays, urgent.

        Raises UsageError where somebody holds it or it has ended, the reason is missing, or the actor may not decide.
        """
        _may_decide(actor, reason, "escalated")
        with self._database.transaction() as conn:
            row = _locked(conn, id_of(job_id, "a job"))
            if row["state"] != "queued":
                raise SaidError(
                    f"job {job_id} is with {row['holder']}: use `curbwatch dispatch reassign`",
                    f"任务 {job_id} 已由{row['holder']}领取:要换单位请用 `curbwatch dispatch reassign`",
                )
            self._escalate(conn, row, actor, {"reason": reason})
            return _job(conn, row["job_id"])

    def follow_sweep(self, limit: int = 100) -> int:
        """Escalate the jobs that the sweep of stuck cases escalated and nobody took; how many went on.

        Each entry of the sweep is acted on once, whatever became of its job meanwhile.
        """
        with self._database.transaction() as conn:
            entries = conn.execute(OPEN_ESCALATIONS, (list(UNTAKEN), limit)).fetchall()
        moved = 0
        for entry in entries:
            with self._database.transaction() as conn:
                row = find(conn, entry["job_id"])
                fresh = conn.execute(
                    "insert into job_escalation (incident_id, stage, round, limit_id, again)"
                    " values (%s, %s, %s, %s, %s) on conflict do nothing returning 1",
                    (entry["incident_id"], entry["stage"], entry["round"], entry["limit_id"], entry["again"]),
                ).fetchone()
                if fresh is None or row is None or row["state"] != "queued":
                    continue
                self._escalate(conn, row, RELAY, {"reason": "escalated", "stage": entry["stage"]})
                moved += 1
        return moved

    def stuck(self) -> list[Job]:
        """Jobs that are set aside, oldest first."""
        with self._database.transaction() as conn:
            rows = conn.execute(
                JOB + " where j.stuck <> '' and j.state = 'queued' order by j.created_at limit 1000"
            ).fetchall()
        return [job_row(row) for row in rows]

    def unstick(self, job_id: str, actor: Actor) -> Job:
        """Put a job that was set aside in the queue again, and say so in the record.

        Raises UsageError where it was not set aside, or the actor may not decide.
        """
        _refuse_role(actor, "queued again")
        key = id_of(job_id, "a job")
        with self._database.transaction() as conn:
            row = find(conn, key)
            if row is None or row["state"] != "queued" or not row["stuck"]:
                raise SaidError(
                    f"job {job_id} is not set aside: see `curbwatch dispatch dead`",
                    f"任务 {job_id} 并未滞留:见 `curbwatch dispatch dead`",
                )
            conn.execute("update job set stuck = '', stuck_deliveries = 0 where job_id = %s", (key,))
            record(conn, row["incident_id"], actor, What.NOTED, {"job": job_id, "why": "requeued"})
            queue_again(conn, job_id)
            return _job(conn, key)

    def _escalate(self, conn: Connection, row: dict[str, Any], actor: Actor, detail: dict[str, str]) -> None:
        city, now = self._picker.city(), self._picker.clock()
        able = peers(city, row["family"], row["class_code"])
        errand = errand_of(row, able, [*row["tried"], row["unit_id"]])
        fixes = self._picker.fixes(conn, now)
        found = choose(errand, units_on_duty(city, now), fixes, now, fresh_s=self._picker.fresh_s)
        conn.execute("update job set urgency = 'urgent' where job_id = %s", (row["job_id"],))
        if actor.role != RELAY.role:
            conn.execute("update incident set urgent = true where incident_id = %s", (row["incident_id"],))
        if found.why is not Why.NOBODY and found.unit_id != row["unit_id"]:
            move(conn, row, actor, Choice(found.unit_id, Why.ESCALATED, found.vehicle_id, found.distance_m), detail)
        else:
            _hurry(conn, row, actor, detail)


def move(conn: Connection, row: dict[str, Any], actor: Actor, choice: Choice, detail: dict[str, str]) -> None:
    """Let the job wait at its new unit; the row is as ``_locked`` gives it."""
    settle(conn, row["job_id"], choice)
    conn.execute(
        "update job set state = 'queued', holder = '', lease_until = null, taken_at = null, shown_at = null,"
        " stuck = '', stuck_deliveries = 0, tried = array_append(array_remove(tried, %(was)s), %(was)s)"
        " where job_id = %(key)s",
        {"was": row["unit_id"], "key": row["job_id"]},
    )
    job_id = str(row["job_id"])
    told: dict[str, Any] = {"job": job_id, "from": row["unit_id"], "to": choice.unit_id} | detail
    if row["holder"]:
        told["holder"] = row["holder"]
    if choice.distance_m is not None:
        told |= {"vehicle": choice.vehicle_id, "distance_m": round(choice.distance_m)}
    record(conn, row["incident_id"], actor, What.REASSIGNED, told, to=State.DISPATCHED)
    hand_back(conn, row["incident_id"], job_id)


def _hurry(conn: Connection, row: dict[str, Any], actor: Actor, detail: dict[str, str]) -> None:
    """Let the job wait at its unit before others. The record says so where a person asked: the sweep said so itself."""
    job_id = str(row["job_id"])
    conn.execute("update job set stuck = '', stuck_deliveries = 0 where job_id = %s", (job_id,))
    if actor.role != RELAY.role:
        told = {"job": job_id, "unit": row["unit_id"], "why": str(Why.NOBODY)} | detail
        record(conn, row["incident_id"], actor, What.ESCALATED, told)
    hand_back(conn, row["incident_id"], job_id)


def find(conn: Connection, key: uuid.UUID) -> dict[str, Any] | None:
    """A job with what is needed of its incident, both locked, the incident first; None where there is none."""
    incident = conn.execute(
        "select incident_id, family, class_code, camera_id, lon, lat, unit_id as responsible from incident"
        " where incident_id = (select incident_id from job where job_id = %s) for no key update",
        (key,),
    ).fetchone()
    job = conn.execute(
        "select job_id, unit_id, state, holder, tried, stuck from job where job_id = %s for update", (key,)
    ).fetchone()
    return None if incident is None or job is None else incident | job


def _locked(conn: Connection, key: uuid.UUID) -> dict[str, Any]:
    row = find(conn, key)
    if row is None:
        raise no_job(key)
    if row["state"] not in {"queued", "taken"}:
        ended = state_name(row["state"], "zh")
        raise SaidError(f"job {key} has ended ({row['state']})", f"任务 {key} 已结束({ended})")
    return row


def _job(conn: Connection, key: uuid.UUID) -> Job:
    return job_row(conn.execute(JOB + " where j.job_id = %s", (key,)).fetchone() or {})


def _refuse_role(actor: Actor, what: str) -> None:
    if actor.role in DECIDES_NOT:
        raise SaidError(
            f"{actor.name} is {actor.role} staff: jobs are {what} by those who may decide",
            f"{actor.name}是{role_name(actor.role, 'zh')},不能决定任务去向",
        )


def _may_decide(actor: Actor, reason: str, what: str) -> None:
    _refuse_role(actor, what)
    if not reason.strip():
        raise SaidError(f"a job is {what} for a reason: --reason TEXT", "须写明原因:--reason 文字")
    refuse_text(reason, "--reason")
