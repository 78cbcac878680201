"""Rows at the end of their term: whole chunks where TimescaleDB has them and nothing in them must stay, else by hours.

The database's own retention policies are the Community edition's, and know no legal hold.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.keeping.holds import DEVICE_HELD, INCIDENT_HELD
from alerts.record.steps import OPEN_STATES
from alerts.store import AlertDatabase, Connection
from config.keeping import KeepingKnobs

KEEPING_LOCK = 0x6B656570  # held together by backups, alone by whoever deletes
SLICE = timedelta(hours=1)  # of rows in one transaction: nobody waits long for it
WALKED = 1000  # rows that are looked at in one transaction where nothing but a look tells what may go
AGAIN_S = 1800.0  # after which a class of which nothing was left to delete is looked at again
# A place under a hold of its own, or a thing that is not over, or one that was entered only lately (a recording).
SIGHTING_STAYS = f"""
exists (select from incident i where i.incident_id = t.incident_id
        and (i.state = any(%(open)s) or i.created_at >= %(cutoff)s or {INCIDENT_HELD}))
"""


@dataclass(frozen=True, slots=True)
class Term:
    """One class of rows.

    Attributes:
        name: as ``curbwatch keep show`` calls it, and as knobs do with ``_days``.
        table: where they are; ``time`` is the column that their age counts from.
        stays: condition on ``t`` under which one stays although it is old.
        dirty: source of ``rollup_dirty`` that must be counted before they go; empty: none.
        tells: setting in which the table's trigger wants to be told the term, d; empty: it has no such trigger.
        key: by which rows are walked of which most stay for ever: to look for the oldest that may go is to look at all,
            and again for each of their hours. Empty: by hours.
    """

    name: str
    table: str
    time: str
    stays: str
    dirty: str = ""
    tells: str = ""
    key: str = ""


HELD = f"exists (select from incident i where i.incident_id = t.incident_id and {INCIDENT_HELD})"
OPEN_OR_HELD = f"""
exists (select from incident i where i.incident_id = t.incident_id and (i.state = any(%(open)s) or {INCIDENT_HELD}))
"""
# A place that led elsewhere, by a person's word, still does. One that nothing names is left by what took another place.
NAMED = """
(t.same_as is not null or exists (select from incident i where i.site_id = t.site_id)
    or exists (select from site o where o.same_as = t.site_id)
    or exists (select from site_quiet q where q.site_id = t.site_id))
"""
# What is assessed by whole months, quarters and years is the same for ever; there are few of them.
WHOLE_MONTHS = "(extract(day from t.first_day) = 1 and extract(day from t.last_day + 1) = 1)"
TERMS = (
    Term(
        "positions",
        "position",
        "ts",
        "(t.received_at >= %(cutoff)s or " + DEVICE_HELD.format(device="t.device_id", at="t.ts") + ")",
        "position",
    ),
    Term(
        "sightings",
        "sighting",
        "ts",
        "(" + SIGHTING_STAYS + " or " + DEVICE_HELD.format(device="t.camera_id", at="t.ts") + ")",
        "incident",
    ),
    Term("device_health", "device_health_log", "ts", DEVICE_HELD.format(device="t.device_id", at="t.ts")),
    Term(
        "camera_events",
        "camera_event",
        "until",
        # Its picture goes first: nothing may point to a file that nobody would find again.
        "(t.written_at >= %(cutoff)s or t.sha256 <> '' or "
        + DEVICE_HELD.format(device="t.camera_id", at="t.since")
        + ")",
    ),
    Term("camera_events", "vision_order", "applied_at", "false"),
    Term(
        "letters",
        "dead_letter",
        "last_at",
        "(t.received_at >= %(cutoff)s or " + DEVICE_HELD.format(device="t.device_id", at="t.received_at") + ")",
    ),
    Term(
        "traces",
        "outbox",
        "sent_at",
        "exists (select from job j where j.job_id = t.job_id and j.state in ('queued', 'taken'))",
    ),
    Term("traces", "outlet_message", "sent_at", "t.state <> 'sent'"),
    Term("traces", "token_refusal", "at", "false"),
    Term("traces", "vision_adoption", "written_at", "false"),
    Term("traces", "clock_digest", "told_at", "false"),
    # What was captured while it was quiet may come late; the step that said so stays in the record.
    Term("traces", "site_quiet", "until", "false"),
    Term("keys", "action_key", "at", HELD, tells="curbwatch.keys_days"),
    # A day whose list is not whole any more has none. What was told of an open case is what it is told once by.
    Term("stuck", "sweep_day", "made_at", "false"),
    Term("stuck", "sweep_entry", "at", OPEN_OR_HELD),
    # After its entry: an entry of which nobody knows that it was acted on would be acted on again.
    Term(
        "stuck",
        "job_escalation",
        "at",
        "exists (select from sweep_entry s where (s.incident_id, s.stage, s.round, s.limit_id, s.again)"
        " = (t.incident_id, t.stage, t.round, t.limit_id, t.again))",
    ),
    Term("kpi", "kpi_period", "closed_at", WHOLE_MONTHS),
    Term("hours", "tally_incident_hour", "bucket", "false"),
    Term("hours", "tally_position_hour", "bucket", "false"),
    # After all others: a walk may take more than one turn.
    Term("traces", "site", "created_at", NAMED, key="site_id"),
)
CHUNKS = """
select range_start, range_end from timescaledb_information.chunks
where hypertable_schema = current_schema() and hypertable_name = %(table)s and range_end <= %(cutoff)s
order by range_start
"""
SPAN = """
insert into deleted_span (class, from_at, to_at) values (%(name)s, %(begin)s, %(end)s)
on conflict (class, from_at) do update set to_at = greatest(deleted_span.to_at, excluded.to_at)
"""
LONGER_SPAN = """
update deleted_span set to_at = greatest(to_at, %(end)s)
where class = %(name)s and from_at <= %(begin)s and to_at >= %(begin)s
"""


class Retention:
    """Deletes what is older than its term, a little at each turn. One process at a time: the chores' lock."""

    def __init__(
        self,
        database: AlertDatabase,
        knobs: KeepingKnobs,
        *,
        hypertables: bool,
        budget_s: float = 0.5,
    ) -> None:
        """``hypertables``: TimescaleDB is there."""
        self._database = database
        self._knobs = knobs
        self._hypertables = hypertables
        self._budget_s = budget_s
        self._again_s: dict[str, float] = {}  # table -> monotonic time from which it is looked at again
        self._walked: dict[str, int] = {}  # table -> key up to which it has been walked, as long as that is not over

    @property
    def walking(self) -> bool:
        """Whether a walk goes on at the next ``do``, although nothing was deleted by the last one."""
        return bool(self._walked)

    def do(self, now: datetime) -> int:
        """Delete what is due, for ``budget_s`` at most; the number of rows and chunks. Raises SinkError."""
        until_s, done = time.monotonic() + self._budget_s, 0
        for term in TERMS:
            while time.monotonic() < until_s and self._due(term):
                deleted = self._turn(term, now)
                if deleted is None:
                    self._again_s[term.table] = time.monotonic() + AGAIN_S
                    self._walked.pop(term.table, None)
                    break
                done += deleted
        return done

    def waiting(self, now: datetime) -> dict[str, int]:
        """Rows that would be deleted now, by class; what is held or not counted yet is left out. Raises SinkError."""
        found: dict[str, int] = {}
        with self._database.transaction() as conn:
            for term in TERMS:
                row = conn.execute(
                    f"select count(*) as n from {term.table} t where t.{term.time} < %(cutoff)s and not {term.stays}",  # noqa: S608  # constants
                    self._values(term, now),
                ).fetchone()
                found[term.name] = found.get(term.name, 0) + (int(row["n"]) if row is not None else 0)
        return found

    def cutoff(self, name: str, now: datetime) -> datetime:
        """Moment before which rows of a class go: its term ago, on the full day, so that each goes once a day."""
        return (now - timedelta(days=self._days(name))).replace(hour=0, minute=0, second=0, microsecond=0)

    def _days(self, name: str) -> int:
        days: int = getattr(self._knobs, f"{name}_days")
        return days

    def _due(self, term: Term) -> bool:
        return time.monotonic() >= self._again_s.get(term.table, 0.0)

    def _values(self, term: Term, now: datetime) -> dict[str, object]:
        return {"cutoff": self.cutoff(term.name, now), "open": list(OPEN_STATES), "name": term.name}

    def _turn(self, term: Term, now: datetime) -> int | None:
        """Delete one chunk, or the rows of one hour, or of one step of a walk; how many rows or chunks.

        None where nothing is left for now.
        """
        values = self._values(term, now)
        with self._database.transaction() as conn:
            if not may_delete(conn):
                return None
            if term.key:
                return self._walk(conn, term, values)
            dropped = self._drop_chunk(conn, term, values) if self._hypertables else 0
            return dropped or self._delete(conn, term, values) or None

    def _drop_chunk(self, conn: Connection, term: Term, values: Mapping[str, object]) -> int:
        """Drop the oldest chunk of which nothing must stay; 1, or 0 where there is none."""
        for chunk in conn.execute(CHUNKS, {**values, "table": term.table}).fetchall():
            span = {**values, "begin": chunk["range_start"], "end": chunk["range_end"]}
            kept = conn.execute(
                f"select 1 from {term.table} t where t.{term.time} >= %(begin)s and t.{term.time} < %(end)s"  # noqa: S608  # constants
                f" and {term.stays} limit 1",
                span,
            ).fetchone()
            if kept is None and self._counted(conn, term, span):
                # Nobody waits behind us for long; what could not be had now is had at the next turn.
                conn.execute("set local lock_timeout = '1s'")
                conn.execute(
                    "select drop_chunks(%(table)s::regclass, older_than => %(end)s, newer_than => %(begin)s)",
                    {**span, "table": term.table},
                )
                note_deleted(conn, term.name, chunk["range_start"], chunk["range_end"])
                return 1
        return 0

    def _delete(self, conn: Connection, term: Term, values: Mapping[str, object]) -> int:
        """Delete the rows of the oldest hour that has any; how many."""
        old = f"t.{term.time} < %(cutoff)s and not {term.stays}"
        row = conn.execute(
            f"select date_bin('1 hour', min(t.{term.time}), timestamptz 'epoch') as begin"  # noqa: S608  # constants
            f" from {term.table} t where {old}",
            values,
        ).fetchone()
        if row is None or row["begin"] is None:
            return 0
        span = {**values, "begin": row["begin"], "end": row["begin"] + SLICE}
        if not self._counted(conn, term, span):
            return 0
        if term.tells:
            conn.execute("select set_config(%s, %s, true)", (term.tells, str(self._days(term.name))))
        deleted = conn.execute(
            f"delete from {term.table} t where t.{term.time} >= %(begin)s and t.{term.time} < %(end)s and {old}",  # noqa: S608  # constants
            span,
        ).rowcount
        note_deleted(conn, term.name, row["begin"], row["begin"] + SLICE)
        return deleted

    def _walk(self, conn: Connection, term: Term, values: Mapping[str, object]) -> int | None:
        """Delete what may go of the next ``WALKED`` rows by their key; how many. None where there are no more."""
        span = {**values, "after": self._walked.get(term.table, 0), "most": WALKED}
        row = conn.execute(
            f"select max({term.key}) as last from (select {term.key} from {term.table} where {term.key} > %(after)s"  # noqa: S608  # constants
            f" order by {term.key} limit %(most)s) w",
            span,
        ).fetchone()
        if row is None or row["last"] is None:
            return None
        self._walked[term.table] = row["last"]
        # One that somebody holds is about to be named. One that was named since this statement began is seen by the
        # next, and can be named no more once it is locked.
        rows = conn.execute(
            f"select t.{term.key} as key from {term.table} t where t.{term.time} < %(cutoff)s and not {term.stays}"  # noqa: S608  # constants
            f" and t.{term.key} > %(after)s and t.{term.key} <= %(last)s for update of t skip locked",
            span | {"last": row["last"]},
        ).fetchall()
        return conn.execute(
            f"delete from {term.table} t where t.{term.key} = any(%(keys)s) and not {term.stays}",  # noqa: S608  # constants
            span | {"keys": [row["key"] for row in rows]},
        ).rowcount

    def _counted(self, conn: Connection, term: Term, span: Mapping[str, object]) -> bool:
        """Whether every hour of a span is counted: afterwards it cannot be."""
        if not term.dirty:
            return True
        found = conn.execute(
            "select 1 from rollup_dirty where source = %(source)s and bucket < %(end)s"
            " and bucket > %(begin)s::timestamptz - interval '1 hour' limit 1",
            {**span, "source": term.dirty},
        ).fetchone()
        return found is None


def may_delete(conn: Connection) -> bool:
    """Whether nobody makes a backup now; if so, none begins before the caller's transaction ends."""
    row = conn.execute("select pg_try_advisory_xact_lock(%s) as free", (KEEPING_LOCK,)).fetchone()
    return row is not None and bool(row["free"])


def note_deleted(conn: Connection, name: str, begin: datetime, end: datetime) -> None:
    """Note that rows of a class were deleted in a span: what was counted there is not counted anew."""
    values = {"name": name, "begin": begin, "end": end}
    if not conn.execute(LONGER_SPAN, values).rowcount:
        conn.execute(SPAN, values)
