"""Clocks in the database: worked out again for every case whose record has grown, and for all when the pack changes."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from alerts.clocks.limits import uncounted
from alerts.clocks.projection import Clock, clocks_of
from alerts.clocks.stages import Step, Suspension, round_of, stages_of, suspension_of, waiting_since
from alerts.clocks.worktime import DutyTime, Measure, NaturalTime, WorkTime
from alerts.record.steps import OPEN_STATES
from alerts.store import AlertDatabase, Connection
from schemas.alarms import SOS
from schemas.city import City
from schemas.errors import ConfigError

log = structlog.get_logger()

BATCH = 50  # incidents locked at once: their actions wait as long as one batch takes
BATCHES = 20  # of one turn, so that other chores have theirs
SOON = timedelta(days=30)  # ahead of a new year that its holidays should be in the calendar

CASE = (
    "select incident_id, family, class_code, cell_id, state, chain_seq, clocked_seq,"
    " coalesce((select j.unit_id from job j where j.incident_id = i.incident_id), i.unit_id) as unit_id,"
    " urgent or exists (select from job j where j.incident_id = i.incident_id and j.urgency = 'urgent') as urgent"
    " from incident i"
)
GROWN = CASE + " where chain_seq > clocked_seq order by incident_id limit %s for no key update skip locked"
NAMED = CASE + " where incident_id = any(%s) order by incident_id for no key update"
OPEN_AFTER = CASE + " where state = any(%s) and incident_id > %s order by incident_id limit %s for no key update"
STEPS = (
    "select incident_id, seq, at, what, state, detail from incident_event where incident_id = any(%s)"
    " order by incident_id, seq nulls first, event_id"
)
COLUMNS = tuple(field.name for field in fields(Clock))
INSERT = (
    f"insert into incident_clock (incident_id, {', '.join(COLUMNS)})"  # noqa: S608  # names of our own columns
    f" values (%(incident_id)s, {', '.join(f'%({name})s' for name in COLUMNS)})"
)
DELETE = "delete from incident_clock where incident_id = %s and stage = %s and round = %s"
WAITS = (
    "insert into incident_wait as w (incident_id, round, since, due_at) values (%s, %s, %s, %s)"
    " on conflict (incident_id) do update set round = excluded.round, since = excluded.since, due_at = excluded.due_at"
    " where (w.round, w.since, w.due_at) is distinct from (excluded.round, excluded.since, excluded.due_at)"
)

WORKED_OUT = "update incident set clocked_seq = chain_seq where incident_id = any(%s) and clocked_seq <> chain_seq"

Group = tuple[str, int]  # stage, round


@dataclass(frozen=True, slots=True)
class Case:
    """One incident, locked, with its clocks as they are now.

    ``unit_id``: the unit that has its job, else the one that is to have it. ``sos``: somebody calls for help.
    ``waits_since``, ``waits_until``: since when it waits for a crew, and when that has lasted too long; None: it does
    not wait. ``suspension``: None: it is not suspended.
    """

    incident_id: uuid.UUID
    unit_id: str
    state: str
    round: int
    sos: bool
    clocks: tuple[Clock, ...]
    waits_since: datetime | None
    waits_until: datetime | None
    suspension: Suspension | None


class CityTime:
    """The working time of the city that holds now; reckoned again when the pack changes.

    ``take_s``: how long a job may wait for a crew, s: by the clock where it is urgent, else of its unit's duty hours;
    of one of which no roster speaks, of working time, or by the clock where nobody has working hours. ``sos_take_s``: a
    call for help, by the clock.
    """

    def __init__(self, city: Callable[[], City], *, take_s: float, sos_take_s: float) -> None:
        self._city = city
        self._take_s = take_s
        self._sos_take_s = sos_take_s
        self._held: tuple[City, WorkTime] | None = None
        self._duties: dict[str, Measure] = {}

    def now(self) -> tuple[City, WorkTime]:
        """The city and its working time."""
        city = self._city()
        if self._held is None or self._held[0] is not city:
            work = WorkTime(city.rules.calendar, city.timezone)
            for fault in uncounted(city, work):
                log.warning("limit_without_hours", fault=str(fault), rule_version=city.version)
            self._held, self._duties = (city, work), {}
        return self._held

    def waits_until(self, since: datetime, unit_id: str, *, urgent: bool, sos: bool) -> datetime:
        """When a job that waits at a unit since then has waited too long."""
        if urgent or sos:
            return NaturalTime().add(since, self._sos_take_s if sos else self._take_s)
        city, work = self.now()
        usual: Measure = work if work.works else NaturalTime()
        if unit_id not in self._duties:
            own = [duty for duty in city.rules.duties if duty.unit_id == unit_id]
            self._duties[unit_id] = DutyTime(own, city.rules.calendar, city.timezone) if own else usual
        try:
            return self._duties[unit_id].add(since, self._take_s)
        except ConfigError:  # its rosters have ended: it is never on duty again
            return usual.add(since, self._take_s)


class Clocks:
    """The chore ``clocks``. Each batch is one transaction; saying it twice changes nothing."""

    def __init__(self, database: AlertDatabase, time: CityTime) -> None:
        self._database = database
        self._time = time
        self._done = ""  # rule version by which all running clocks are known to be
        self._after = uuid.UUID(int=0)  # how far the running clocks of another version are worked out again
        self._turning = ""
        self._years: set[tuple[str, int]] = set()

    def do(self, now: datetime) -> int:
        """Work out the clocks of every case whose record has grown; how many. Raises SinkError."""
        self._tell_years(now)
        worked = self._turn()
        for _ in range(BATCHES):
            with self._database.transaction("clock") as conn:
                done = len(refresh(conn, conn.execute(GROWN, (BATCH,)).fetchall(), self._time))
            worked += done
            if done < BATCH:
                break
        return worked

    def _turn(self) -> int:
        """Work out running clocks by a pack that is new; how many. What has ended stays as it was judged."""
        version = self._time.now()[0].version
        if version == self._done:
            return 0
        if version != self._turning:
            self._turning, self._after = version, uuid.UUID(int=0)
        worked = 0
        for _ in range(BATCHES):
            with self._database.transaction("clock") as conn:
                held = conn.execute("select rule_version from clock_state").fetchone()
                rows: list[dict[str, Any]] = []
                if held is None or held["rule_version"] != version:
                    rows = conn.execute(OPEN_AFTER, (list(OPEN_STATES), self._after, BATCH)).fetchall()
                    refresh(conn, rows, self._time)
                if len(rows) < BATCH:
                    conn.execute(
                        "update clock_state set rule_version = %s where rule_version <> %s", (version, version)
                    )
            worked += len(rows)
            if len(rows) < BATCH:
                self._done = version
                break
            self._after = rows[-1]["incident_id"]
        return worked

    def _tell_years(self, now: datetime) -> None:
        """Say once where the calendar has no holidays for this year, or for the one that comes soon."""
        city, work = self._time.now()
        for year in {work.day_of(now).year, work.day_of(now + SOON).year}:
            if work.works and not work.lists(year) and (city.version, year) not in self._years:
                self._years.add((city.version, year))
                remedy = "enter its holidays and make-up days in calendar.toml"
                log.warning("calendar_year_unlisted", year=year, effect="plain weekdays are worked", remedy=remedy)


def running(conn: Connection, incident_id: str, time: CityTime) -> list[Clock]:
    """The clocks of one incident that run to a limit, the nearest first, worked out now; none of one there is not."""
    rows = conn.execute(NAMED, ([uuid.UUID(incident_id)],)).fetchall()
    clocks = [clock for case in refresh(conn, rows, time) for clock in case.clocks if clock.ended_at is None]
    dated = [(clock.due_at, at, clock) for at, clock in enumerate(clocks) if clock.due_at is not None]
    return [clock for _, _, clock in sorted(dated)]


def refresh(conn: Connection, rows: Sequence[dict[str, Any]], time: CityTime) -> list[Case]:
    """Work out the clocks of incidents and write what changed; their cases, in the order of ``rows``.

    ``rows`` are of ``CASE`` and locked. Stages that had ended before the step up to which an incident was worked out
    keep their rows, whatever pack holds now.
    """
    ids = [row["incident_id"] for row in rows]
    if not ids:
        return []
    steps: dict[uuid.UUID, list[Step]] = {key: [] for key in ids}
    known: dict[uuid.UUID, list[Step]] = {key: [] for key in ids}
    until = {row["incident_id"]: row["clocked_seq"] for row in rows}
    for row in conn.execute(STEPS, (ids,)).fetchall():
        key = row["incident_id"]
        step = Step(row["at"].astimezone(UTC), row["what"], row["state"], row["detail"])
        steps[key].append(step)
        if until[key] and (row["seq"] or 0) <= until[key]:
            known[key].append(step)
    held: dict[uuid.UUID, list[Clock]] = {key: [] for key in ids}
    for row in conn.execute("select * from incident_clock where incident_id = any(%s)", (ids,)).fetchall():
        held[row["incident_id"]].append(_clock_of(row))
    changes = _Changes(ids)
    found = []
    for row in rows:
        key, record = row["incident_id"], steps[row["incident_id"]]
        city, work = time.now()
        fresh = clocks_of(record, row["class_code"], row["cell_id"], city, work, held[key])
        clocks = changes.note(key, held[key], fresh, kept=_judged(known[key], record))
        since, number = waiting_since(record), round_of(record)
        waits_until, unit_id, sos = None, row["unit_id"], row["family"] == SOS
        if since is not None:
            waits_until = time.waits_until(since, unit_id, urgent=row["urgent"], sos=sos)
            changes.waits.append((key, number, since, waits_until))
        still = suspension_of(record, row["class_code"])
        if still is not None:
            changes.waits.append((key, number, still.since, still.until))
        found.append(Case(key, unit_id, row["state"], number, sos, clocks, since, waits_until, still))
    changes.write(conn)
    return found


class _Changes:
    """What becomes of the rows of some incidents."""

    def __init__(self, ids: list[uuid.UUID]) -> None:
        self.waits: list[tuple[uuid.UUID, int, datetime, datetime]] = []
        self._ids = ids
        self._drops: list[tuple[uuid.UUID, str, int]] = []
        self._adds: list[dict[str, Any]] = []

    def note(
        self, key: uuid.UUID, held: Iterable[Clock], fresh: Iterable[Clock], *, kept: set[Group]
    ) -> tuple[Clock, ...]:
        """Compare the rows that one incident has with those it should have; the clocks it has afterwards."""
        old, new = _grouped(held), _grouped(fresh)
        for group in old.keys() | new.keys():
            was, shall = old.get(group, []), new.get(group, [])
            if group in kept:
                new[group] = was
            elif was != shall:
                self._drops.append((key, *group))
                self._adds += [{"incident_id": key, **asdict(clock)} for clock in shall]
        return tuple(clock for clocks in new.values() for clock in clocks)

    def write(self, conn: Connection) -> None:
        """Write it down, and that the incidents are worked out up to their last step."""
        with conn.cursor() as cursor:
            for statement, rows in ((DELETE, self._drops), (INSERT, self._adds), (WAITS, self.waits)):
                if rows:
                    cursor.executemany(statement, rows)
        idle = list(set(self._ids) - {key for key, *_ in self.waits})
        conn.execute("delete from incident_wait where incident_id = any(%s)", (idle,))
        conn.execute(WORKED_OUT, (self._ids,))


def _judged(known: list[Step], record: list[Step]) -> set[Group]:
    """Stages that had ended by the steps that were known, and are ended by that very step still."""
    if not known:
        return set()
    before = {(span.stage, span.round): span.ended_at for span in stages_of(known, "")}
    return {
        (span.stage, span.round)
        for span in stages_of(record, "")
        if span.ended_at is not None and before.get((span.stage, span.round)) == span.ended_at
    }


def _grouped(clocks: Iterable[Clock]) -> dict[Group, list[Clock]]:
    found: dict[Group, list[Clock]] = {}
    for clock in sorted(clocks, key=lambda clock: clock.limit_id):
        found.setdefault((clock.stage, clock.round), []).append(clock)
    return found


def _clock_of(row: dict[str, Any]) -> Clock:
    """One row of ``incident_clock``; moments in UTC, whatever zone the connection has."""
    values: dict[str, Any] = {name: row[name] for name in COLUMNS}
    for name in ("started_at", "yellow_at", "due_at", "ended_at"):
        values[name] = None if values[name] is None else values[name].astimezone(UTC)
    return Clock(**values)
