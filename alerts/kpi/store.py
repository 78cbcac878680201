"""Facts of a period out of the database; those of a closed one are written once, so that no later change moves it."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.clocks.projection import Clock, clocks_of
from alerts.clocks.worktime import WorkTime
from alerts.keeping.health_log import HOLDS_S, SAMPLES, Sample, uptime
from alerts.kpi.facts import Case, Told, clocks_at, fact_of, known_by, untaken_of
from alerts.kpi.period import Period, month_before
from alerts.kpi.report import Facts, digest_of, facts_from, facts_text, in_order
from alerts.record.steps import OPEN_STATES
from alerts.store import AlertDatabase, Connection
from schemas.city import City
from schemas.errors import SaidError, SinkError
from schemas.kpi import COUNTING, Fact

BATCH = 500  # cases read together
LOCK = 0x6B70_6900  # who closes a period closes it alone
# Cases with a step in the period, and those that went through it without one.
CASES = """
select incident_id, class_code, cell_id, camera_id, unit_id, source, rule_version from incident
where family <> 'sos' and incident_id in (
    select incident_id from incident_event where at >= %(begin)s and at < %(end)s
    union
    select i.incident_id from incident i where i.created_at < %(begin)s and (i.state = any(%(open)s)
        or exists (select from incident_event e where e.incident_id = i.incident_id and e.at >= %(end)s)))
order by incident_id
"""
STEPS = """
select incident_id, at, role, what, state, detail from incident_event where incident_id = any(%s)
order by incident_id, seq nulls first, event_id
"""
CLOCKS = "select * from incident_clock where incident_id = any(%s) order by incident_id, stage, round, limit_id"
CAMERAS = """
select device_id from device where kind = 'camera'
union
select device_id from device_health_log where kind = 'camera' and ts >= %(begin)s and ts < %(end)s
order by 1
"""
SAMPLE = """
select incident_id, family, class_code, cell_id, camera_id, lon, lat, appeared_at, opened_at, closed_at,
       before_sha256, opening_sha256, after_sha256
from incident_view where incident_id = any(%s)
"""
CLOCK_COLUMNS = tuple(field.name for field in fields(Clock))


@dataclass(frozen=True, slots=True)
class Known:
    """Facts of a period, and the city pack that it was closed under; ``closed`` False: it is not over.

    ``counting``: that of ``schemas.kpi.COUNTING`` when it was closed.
    """

    period: Period
    facts: Facts
    rule_version: str
    closed: bool
    counting: int = COUNTING


class KpiStore:
    """Reads and closes periods. ``city`` gives the city that holds now."""

    def __init__(self, database: AlertDatabase, city: Callable[[], City]) -> None:
        self._database = database
        self._city = city

    def known(self, period: Period, *, so_far: bool = False) -> Known:
        """What is known of a period: closed on first asking once it is over, and the same for ever after.

        ``so_far``: of one that is not over, what is known by now, which is not kept. Raises UsageError where it is not
        over otherwise; SinkError, not retryable, where its facts are not those that were written.
        """
        with self._database.transaction() as conn:
            conn.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
            kept = _kept(conn, period)
            if kept is not None:
                return kept
            now = _now(conn)
            over = period.over(now)
            if not over and not so_far:
                raise SaidError(
                    f"the period until {period.last} is not over yet, its report would change:"
                    " --so-far shows it as it is by now",
                    f"截至 {period.last} 的考核期尚未结束,数字还会变:用 --so-far 可看目前的情况",
                )
            if now < period.begin:
                raise SaidError(
                    f"the period from {period.first} has not begun yet", f"自 {period.first} 起的考核期尚未开始"
                )
            span = (period.begin, min(period.end, now))
            city = self._city()
            cases = list(_cases(conn, *span, city))
            facts = Facts(
                cases=in_order(fact for fact, _ in cases if fact is not None),
                cameras=in_order(_cameras(conn, *span)),
                untaken=in_order(fact for _, untaken in cases for fact in untaken),
            )
            known = Known(period, facts, city.version, over)
            if over:
                _keep(conn, known)
            return known

    def close_month(self, now: datetime) -> int:
        """Close the calendar month before this one, once; 1 where it was done just now. Raises SinkError."""
        city = self._city()
        zone = ZoneInfo(city.timezone)
        period = month_before(now.astimezone(zone).date(), city.timezone)
        with self._database.transaction() as conn:
            begun = conn.execute("select 1 from incident where created_at < %s limit 1", (period.end,)).fetchone()
            if begun is None or not period.over(_now(conn)) or _row(conn, period) is not None:
                return 0
        return int(self.known(period).closed)

    def pictures(self, incident_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What a sample shows of cases by id: class, place, times and pictures; nothing of who decided, or how."""
        with self._database.transaction() as conn:
            rows = conn.execute(SAMPLE, ([uuid.UUID(one) for one in incident_ids],)).fetchall()
        return {str(row["incident_id"]): row for row in rows}


def _now(conn: Connection) -> datetime:
    """The database's time."""
    row = conn.execute("select clock_timestamp() as now").fetchone()
    if row is None:
        raise RuntimeError("a statement that must return a row returned none")
    now: datetime = row["now"]
    return now


def _cases(
    conn: Connection, begin: datetime, end: datetime, city: City
) -> Iterator[tuple[Fact | None, tuple[Fact, ...]]]:
    """Facts of every case between two moments: its own, where it counts, and those of units that let it lie."""
    span = {"begin": begin, "end": end, "open": list(OPEN_STATES)}
    rows = conn.execute(CASES, span).fetchall()
    work = WorkTime(city.rules.calendar, city.timezone)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        ids = [row["incident_id"] for row in batch]
        steps: dict[uuid.UUID, list[Told]] = {key: [] for key in ids}
        for row in conn.execute(STEPS, (ids,)).fetchall():
            told = Told(row["at"].astimezone(UTC), row["what"], row["state"], row["detail"], row["role"])
            steps[row["incident_id"]].append(told)
        clocks: dict[uuid.UUID, list[Clock]] = {key: [] for key in ids}
        for row in conn.execute(CLOCKS, (ids,)).fetchall():
            clocks[row["incident_id"]].append(_clock(row))
        for row in batch:
            key = row["incident_id"]
            known = known_by(steps[key], end)
            fresh = clocks_of(known, row["class_code"], row["cell_id"], city, work)
            case = Case(**{**row, "incident_id": str(key)})
            held = clocks_at(known, case.class_code, clocks[key], fresh)
            yield fact_of(case, known, held, begin, end), untaken_of(case, known, begin, end)


def _cameras(conn: Connection, begin: datetime, end: datetime) -> Iterator[Fact]:
    """How each camera did between two moments, in whole seconds; none of which nothing is known."""
    span = {"begin": begin, "end": end}
    for camera in conn.execute(CAMERAS, span).fetchall():
        device = camera["device_id"]
        rows = conn.execute(SAMPLES, span | {"device": device, "holds_s": HOLDS_S}).fetchall()
        found = uptime([Sample(row["ts"], row["state"]) for row in rows], begin, end)
        counts = {
            "up_s": round(found.up_s),
            "down_s": round(found.down_s),
            "known_s": round(found.up_s) + round(found.down_s),
            "gaps": sum(gap.state != "unknown" for gap in found.gaps),
        }
        if counts["known_s"]:
            kept = {name: number for name, number in counts.items() if number}
            yield Fact(device, "", "", "", device, "", {}, kept)


def _row(conn: Connection, period: Period, columns: str = "1") -> dict[str, Any] | None:
    return conn.execute(
        f"select {columns} from kpi_period where first_day = %s and last_day = %s",  # noqa: S608  # our own
        (period.first, period.last),
    ).fetchone()


def _kept(conn: Connection, period: Period) -> Known | None:
    """A period that was closed before; None where it was not."""
    row = _row(conn, period, "zone, rule_version, sha256, facts, counting")
    if row is None:
        return None
    try:
        facts = facts_from(row["facts"]) if digest_of(row["facts"]) == row["sha256"] else None
    except ValueError:  # whoever wrote it knew how to make a digest
        facts = None
    if facts is None:
        raise SinkError(
            f"the facts of {period.first} to {period.last} are not those that were written when it was closed:"
            " look at kpi_period, or bring a backup back",
            f"{period.first} 至 {period.last} 的封账数据与封账时写入的不符,可能被改动:请核查 kpi_period,或从备份恢复",
            retryable=False,
        )
    return Known(replace(period, zone=row["zone"]), facts, row["rule_version"], closed=True, counting=row["counting"])


def _keep(conn: Connection, known: Known) -> None:
    text = facts_text(known.facts)
    conn.execute(
        "insert into kpi_period (first_day, last_day, zone, rule_version, counting, sha256, facts)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        (
            *(known.period.first, known.period.last, known.period.zone, known.rule_version, known.counting),
            *(digest_of(text), text),
        ),
    )


def _clock(row: dict[str, Any]) -> Clock:
    values = {name: row[name] for name in CLOCK_COLUMNS}
    for name in ("started_at", "yellow_at", "due_at", "ended_at"):
        values[name] = None if values[name] is None else values[name].astimezone(UTC)
    return Clock(**values)
