"""The chore ``sweep``: turns lamps, lists stuck cases and lets unheld jobs go on, each once, in the record and told."""

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from alerts.clocks.escalation import (
    SUSPENDED,
    TAKE,
    Key,
    Kind,
    Told,
    Turn,
    both,
    call_again,
    chief,
    in_hand,
    lead,
    stuck_stages,
    turns,
    whose,
)
from alerts.clocks.guard import ClockGuard, Look
from alerts.clocks.projection import Clock
from alerts.clocks.store import NAMED, WORKED_OUT, Case, CityTime, refresh
from alerts.clocks.worktime import NaturalTime
from alerts.record.steps import record
from alerts.store import AlertDatabase, Connection
from schemas.meter import Meter
from schemas.record import Actor, What

log = structlog.get_logger()

CLOCK = Actor("clock", "system")
BATCH = 50  # cases locked at once
CASES_MAX = 100  # named in a digest; the others are counted
# Cases of which a lamp may have to turn, whose job nobody took, or whose suspension is over; judged again under lock.
TURNING = """
select c.incident_id from incident_clock c
where c.ended_at is null and not c.paused and c.yellow_at <= %(now)s and c.due_at >= %(now)s
    and not exists (select from sweep_entry s where s.kind = 'yellow' and (s.incident_id, s.stage, s.round, s.limit_id,
        s.again) = (c.incident_id, c.stage, c.round, c.limit_id, c.extensions))
union
select c.incident_id from incident_clock c
where c.ended_at is null and not c.paused and c.due_at < %(now)s
    and not exists (select from sweep_entry s where s.kind = 'red' and (s.incident_id, s.stage, s.round, s.limit_id,
        s.again) = (c.incident_id, c.stage, c.round, c.limit_id, c.extensions))
union
select w.incident_id from incident_wait w join job j using (incident_id) join incident i using (incident_id)
where w.due_at < %(now)s and j.state = 'queued'
    and (i.family = 'sos' or not exists (select from sweep_entry s where s.kind = 'escalated' and s.stage = 'handle'
        and (s.incident_id, s.round, s.limit_id) = (w.incident_id, w.round, %(take)s || j.unit_id)))
union
select w.incident_id from incident_wait w join incident i using (incident_id)
where w.due_at < %(now)s and i.state = 'suspended' and not exists (select from sweep_entry s
    where s.kind = 'red' and s.limit_id = %(suspended)s and s.incident_id = w.incident_id
        and (s.detail ->> 'suspended_at')::timestamptz = w.since)
"""
# Cases that were told to be late and of which the supervisor has not heard.
LATE = """
select c.incident_id, c.due_at from incident_clock c
where c.ended_at is null and not c.paused and c.due_at <= %s
    and not exists (select from sweep_entry s where s.kind = 'escalated' and (s.incident_id, s.stage, s.round,
        s.limit_id, s.again) = (c.incident_id, c.stage, c.round, c.limit_id, c.extensions))
"""
STUCK = """
select c.incident_id from incident_clock c
where c.ended_at is null and not c.paused and c.due_at < %(now)s and not exists (select from sweep_entry s
    where (s.incident_id, s.stage, s.round, s.kind) = (c.incident_id, c.stage, c.round, 'stuck')
    and s.limit_id = '' and s.again >= c.extensions)
union
select w.incident_id from incident_wait w join incident i using (incident_id)
where w.due_at < %(now)s and i.state = 'suspended' and not exists (select from sweep_entry s
    where s.kind = 'stuck' and s.limit_id = %(suspended)s and s.incident_id = w.incident_id
        and (s.detail ->> 'suspended_at')::timestamptz = w.since)
"""
ENTER = (
    "insert into sweep_entry (incident_id, stage, round, limit_id, kind, again, at, day, detail)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)"
)
DIGEST = (
    "insert into clock_digest (unit_id, cases) values (%s, 1) on conflict (unit_id) where told_at is null"
    " do update set cases = clock_digest.cases + 1 returning digest_id"
)
CALLED = (
    "select coalesce(max((detail ->> 'times')::integer) filter (where detail ->> 'since' = %s), 0) as times,"
    " count(*) as ever from sweep_entry"
    " where incident_id = %s and stage = 'handle' and round = %s and limit_id = %s and kind = 'escalated'"
)
QUEUED = "select job_id from job where incident_id = %s and state = 'queued'"
TOLD = "update clock_digest set told_at = now() where digest_id = %s and told_at is null returning unit_id"
TOGETHER = (
    "select incident_id from sweep_entry where detail ? 'digest' and detail ->> 'digest' = %s"
    " group by incident_id order by min(detail ->> 'due_at'), incident_id"
)
OVERDUE = "select count(*) as n from incident_clock where ended_at is null and not paused and due_at < %s"


@dataclass(frozen=True, slots=True)
class SweepRules:
    """Knobs of the sweep.

    ``chief_h``: working hours after its limit at which the supervisor hears of a case (by the clock where nobody has
    working hours). ``sweep_at_min``: minute of the city's day at which the list of stuck cases is made. ``settle_s``:
    how long a moved clock holds lamps. ``digest_after_s``: what turned longer ago than that is told in one message.
    """

    chief_h: float = 4.0
    sweep_at_min: int = 510
    settle_s: float = 300.0
    digest_after_s: float = 300.0


def database_now(conn: Connection) -> datetime:
    """The database's time, in UTC."""
    row = conn.execute("select clock_timestamp() as at").fetchone()
    found: datetime = (row or {})["at"]
    return found.astimezone(UTC)


class Sweep:
    """Tells what turned, once for each stage, round, limit, and extension of that.

    The row of ``sweep_entry`` and the step of the record are one transaction, and the row is unique. People are told by
    whoever reads the record. ``clock`` and ``monotonic_s`` are what tests set.
    """

    def __init__(
        self,
        database: AlertDatabase,
        time_of: CityTime,
        rules: SweepRules,
        meter: Meter,
        *,
        clock: Callable[[Connection], datetime] = database_now,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._time = time_of
        self._rules = rules
        self._meter = meter
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._guard = ClockGuard(rules.settle_s, meter)

    def do(self, now: datetime) -> int:
        """Tell what turned, and make the day's list when it is time; how much was told. ``now``: our own clock.

        Raises SinkError.
        """
        with self._database.transaction() as conn:
            held = conn.execute("select looked_at from clock_state").fetchone()
            trusted = None if held is None or held["looked_at"] is None else held["looked_at"].astimezone(UTC)
            at = self._clock(conn)
        if not self._guard.steady(Look(now, at, self._monotonic_s()), trusted):
            return 0
        told = self._each(self._turning(at), at, self._turn) + self._list(at)
        self._tell_digests()
        with self._database.transaction() as conn:
            conn.execute("update clock_state set looked_at = %s", (at,))
            row = conn.execute(OVERDUE, (at,)).fetchone()
        self._meter.set("clocks_overdue", (row or {"n": 0})["n"])
        return told

    def _turning(self, at: datetime) -> set[uuid.UUID]:
        """Cases of which something may have to be told."""
        with self._database.transaction() as conn:
            asked = {"now": at, "take": TAKE, "suspended": SUSPENDED}
            found = {row["incident_id"] for row in conn.execute(TURNING, asked).fetchall()}
            # Working hours are never more than those of the clock.
            late = conn.execute(LATE, (at - timedelta(hours=self._rules.chief_h),)).fetchall()
        return found | {row["incident_id"] for row in late if self._chief_at(row["due_at"]) <= at}

    def _chief_at(self, due_at: datetime) -> datetime:
        """When the supervisor hears of what was due then."""
        _, work = self._time.now()
        return (work if work.works else NaturalTime()).add(due_at, self._rules.chief_h * 3600)

    def _each(self, ids: set[uuid.UUID], at: datetime, judge: Callable[[Connection, Case, datetime], int]) -> int:
        """Judge each case under its lock, by its record as it is then."""
        told, ordered = 0, sorted(ids)
        for first in range(0, len(ordered), BATCH):
            with self._database.transaction("sweep") as conn:
                rows = conn.execute(NAMED, (ordered[first : first + BATCH],)).fetchall()
                told += sum(judge(conn, case, at) for case in refresh(conn, rows, self._time))
                # Their clocks know of our own steps: none of these moves one.
                conn.execute(WORKED_OUT, ([row["incident_id"] for row in rows],))
        return told

    def _turn(self, conn: Connection, case: Case, at: datetime) -> int:
        """Turn the lamps of one case, and escalate its job where nobody took it in time."""
        told = _told(conn, case)
        due = turns(case.clocks, told, at, self._chief_at)
        turned = sum(self._enter(conn, case, turn, at) for turn in due)
        return turned + self._untaken(conn, case, told, at) + self._forgotten(conn, case, told, at)

    def _enter(self, conn: Connection, case: Case, turn: Turn, at: datetime) -> int:
        city, _ = self._time.now()
        clock, stage = turn.clock, turn.clock.stage
        to = (in_hand if turn.kind == "yellow" else lead)(city, stage, case.unit_id)
        if turn.kind == "escalated":
            to = chief(city)
        detail = {"limit": clock.limit_id, "lamp": "yellow" if turn.kind == "yellow" else "red"} | _due(clock)
        detail |= {"name": clock.limit_name} if clock.limit_name else {}
        return self._write(conn, case, _Entry(turn.key, turn.turned_at, to, detail), at)

    def _untaken(self, conn: Connection, case: Case, told: set[Key], at: datetime) -> int:
        """Escalate a job that has waited too long at its unit, once for each unit and round."""
        if case.waits_until is None or at <= case.waits_until:
            return 0
        job = conn.execute(QUEUED, (case.incident_id,)).fetchone()
        if job is None:
            return 0
        key: Key = ("handle", case.round, TAKE + case.unit_id, "escalated", 0)
        detail = {"limit": "take", "why": "untaken", "job": str(job["job_id"]), "unit": case.unit_id}
        if case.sos:
            return self._unanswered(conn, case, key, detail, at)
        if key in told:
            return 0
        to = lead(self._time.now()[0], "handle", case.unit_id)
        return self._write(conn, case, _Entry(key, case.waits_until, to, detail), at)

    def _unanswered(self, conn: Connection, case: Case, key: Key, detail: dict[str, Any], at: datetime) -> int:
        """Tell lead and supervisor of a call for help that nobody takes, and again for as long as nobody does."""
        if case.waits_since is None or case.waits_until is None:
            return 0
        since = case.waits_since.isoformat()
        times, turned_at = call_again(case.waits_since, case.waits_until - case.waits_since, at) or (0, at)
        told = conn.execute(CALLED, (since, case.incident_id, case.round, key[2])).fetchone() or {"times": 0, "ever": 0}
        if told["times"] >= times:
            return 0
        detail |= {"why": "still_untaken" if told["times"] else "untaken", "since": since, "times": times}
        city, _ = self._time.now()
        to = both(lead(city, "handle", case.unit_id), chief(city))
        entry = _Entry((*key[:4], told["ever"]), turned_at, to, detail, alone=True)
        return self._write(conn, case, entry, at)

    def _forgotten(self, conn: Connection, case: Case, told: set[Key], at: datetime) -> int:
        """Tell the lead that a suspension is over and the case still suspended: only a person resumes it. Once each."""
        found = _past(case, at, "red")
        if found is None or _said(told, found[0]):
            return 0
        key, until, detail = found
        to = lead(self._time.now()[0], key[0], case.unit_id)
        return self._write(conn, case, _Entry(key, until, to, detail | {"why": "forgotten"}), at)

    def _list(self, at: datetime) -> int:
        """Make the list of stuck cases where the city's clock says that it is time, and the day has none."""
        _, work = self._time.now()
        day = work.day_of(at)
        if work.minute_of(at) < self._rules.sweep_at_min:
            return 0
        with self._database.transaction() as conn:
            if conn.execute("select 1 from sweep_day where day = %s", (day,)).fetchone() is not None:
                return 0
            ids = {row["incident_id"] for row in conn.execute(STUCK, {"now": at, "suspended": SUSPENDED}).fetchall()}
        listed = self._each(ids, at, self._put_on_list)
        with self._database.transaction() as conn:
            conn.execute(
                "insert into sweep_day (day, cases) select %(day)s, count(distinct incident_id) from sweep_entry"
                " where day = %(day)s and kind = 'stuck' on conflict do nothing",
                {"day": day},
            )
        log.info("stuck_listed", day=day.isoformat(), stages=listed)
        return listed

    def _put_on_list(self, conn: Connection, case: Case, at: datetime) -> int:
        city, work = self._time.now()
        told, listed = _told(conn, case), 0
        today, past = {"why": "stuck", "day": work.day_of(at).isoformat()}, _past(case, at, "stuck")
        if past is not None and not _said(told, past[0]):
            detail = past[2] | today | {"list": "forgotten"}
            listed += self._write(conn, case, _Entry(past[0], at, chief(city), detail), at)
        for (stage, number), (kind, clock) in stuck_stages(case.clocks, case.state, at).items():
            key: Key = (stage, number, "", "stuck", clock.extensions)
            if not _said(told, key):
                detail = {"limit": clock.limit_id, "list": kind} | today | _due(clock)
                listed += self._write(conn, case, _Entry(key, at, chief(city), detail), at)
        return listed

    def _write(self, conn: Connection, case: Case, entry: "_Entry", at: datetime) -> int:
        """Enter one thing that was not told before, and record it. What is late goes into its unit's digest."""
        stage, number, limit_id, kind, again = entry.key
        detail = {"stage": stage, "round": number, **entry.detail, "to": entry.to.role, "people": [*entry.to.people]}
        if at - entry.turned_at > timedelta(seconds=self._rules.digest_after_s) and not entry.alone:
            row = conn.execute(DIGEST, (whose(stage, case.unit_id),)).fetchone()
            detail |= {"digest": (row or {})["digest_id"], "quiet": True}
        day, told = self._time.now()[1].day_of(at), json.dumps(detail, ensure_ascii=False)
        conn.execute(ENTER, (case.incident_id, stage, number, limit_id, kind, again, at, day, told))
        record(conn, case.incident_id, CLOCK, What.URGED if kind == "yellow" else What.ESCALATED, detail)
        self._meter.add("lamps_turned", kind=kind)
        return 1

    def _tell_digests(self) -> None:
        """Tell each unit in one step what turned while it could not be told: in the record of its oldest such case."""
        with self._database.transaction() as conn:
            rows = conn.execute("select digest_id from clock_digest where told_at is null order by 1").fetchall()
        for row in rows:
            with self._database.transaction("sweep") as conn:
                self._tell_digest(conn, row["digest_id"])

    def _tell_digest(self, conn: Connection, digest_id: int) -> None:
        city, _ = self._time.now()
        told = conn.execute(TOLD, (digest_id,)).fetchone()
        cases = [row["incident_id"] for row in conn.execute(TOGETHER, (str(digest_id),)).fetchall()]
        if told is None or not cases:
            return
        to = lead(city, "handle" if told["unit_id"] else "file", told["unit_id"])
        detail: dict[str, Any] = {"why": "digest", "digest": digest_id, "unit": told["unit_id"], "count": len(cases)}
        detail |= {"cases": [str(case) for case in cases[:CASES_MAX]], "to": to.role, "people": [*to.people]}
        conn.execute(NAMED, (cases[:1],))
        record(conn, cases[0], CLOCK, What.ESCALATED, detail)
        log.warning("overdue_digest", unit=told["unit_id"] or "bureau", cases=len(cases), digest=digest_id)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One thing to tell: what it is told once by, when it came to be so, who is told, and what.

    ``alone``: by itself, however long ago it turned.
    """

    key: Key
    turned_at: datetime
    to: Told
    detail: dict[str, Any]
    alone: bool = False


def _due(clock: Clock) -> dict[str, str]:
    return {} if clock.due_at is None else {"due_at": clock.due_at.isoformat()}


def _past(case: Case, at: datetime, kind: Kind) -> tuple[Key, datetime, dict[str, Any]] | None:
    """What to tell of a suspension that is over: its key, when it ended, what; None where none is."""
    still = case.suspension
    if still is None or at <= still.until:
        return None
    detail = {"limit": SUSPENDED, "due_at": still.until.isoformat(), "suspended_at": still.since.isoformat()}
    return (still.stage, case.round, SUSPENDED, kind, still.times), still.until, detail


def _said(told: Iterable[Key], key: Key) -> bool:
    """Whether this was told, or what came to be so later."""
    return any(one[:4] == key[:4] and one[4] >= key[4] for one in told)


def _told(conn: Connection, case: Case) -> set[Key]:
    rows: Iterable[dict[str, Any]] = conn.execute(
        "select stage, round, limit_id, kind, again from sweep_entry where incident_id = %s", (case.incident_id,)
    ).fetchall()
    return {(row["stage"], row["round"], row["limit_id"], row["kind"], row["again"]) for row in rows}
