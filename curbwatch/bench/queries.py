"""``bench queries``: the commonest questions on ten million positions, cold and warm, each with its plans.

The questions are asked through the product's own functions; what they send to the database is overheard, and its plans
are asked for afterwards. Nothing here repeats a statement of theirs.
"""

import json
import os
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import curbwatch.database as db
from alerts.clocks.reading import ClockReader
from alerts.desk.listing import Asked, listed
from alerts.incidents import vehicle_tracks as tracks
from alerts.incidents.store import IncidentStore
from alerts.keeping.rollup import Rollup
from alerts.kpi.period import Period
from alerts.kpi.report import as_json, report_of
from alerts.kpi.store import Known, KpiStore
from alerts.store import AlertDatabase, Connection
from config.kpi import load_formulas
from config.pack import load_pack
from curbwatch.bench.queries_fill import City, fill
from curbwatch.letters import Chosen
from curbwatch.letters import listed as letters_listed
from curbwatch.parts import Servers, down, up
from schemas.errors import SetupError, SinkError
from schemas.incident import Departure
from schemas.kpi import Formulas
from schemas.units import ns_of

GOAL_MS = 200.0
COLD = 3  # times a question is asked cold; the median counts
WARM = 5  # times a warm question is asked; the median counts
ROWS = 10_000_000
DATABASE = "bench_queries"
ZONE = "Asia/Shanghai"
PLACE = (104.645, 30.125)

Question = Callable[[AlertDatabase], object]


@dataclass(slots=True)
class Overheard:
    """Statements that went through a connection, with their values."""

    statements: list[tuple[str, Any]] = field(default_factory=list)


class Listening(AlertDatabase):
    """The alerts' database, and everything it was asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.heard = Overheard()

    @contextmanager
    def transaction(self, step: str = "") -> Iterator[Connection]:
        """As the alerts' own."""
        with super().transaction(step) as conn:
            yield cast("Connection", _Spy(conn, self.heard))


class _Spy:
    """Hands everything on, and notes what ``execute`` was given."""

    def __init__(self, conn: Connection, heard: Overheard) -> None:
        self._conn, self._heard = conn, heard

    def execute(self, query: str, values: Any = None) -> Any:  # noqa: ANN401  # psycopg's own
        self._heard.statements.append((query, values))
        return self._conn.execute(query, values)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever else a connection has
        return getattr(self._conn, name)


@dataclass(frozen=True, slots=True)
class Asking:
    """The questions, and what they are about."""

    city: City
    url: str

    @property
    def questions(self) -> dict[str, Question]:
        """Each question by name, in the order in which it is told."""
        now, old = self.city.now, self.city.now - timedelta(days=30)
        incident_id = str(
            uuid.UUID(self._one("select incident_id::text from incident order by opened_at desc offset 50"))
        )
        cell = self._one("select cell_id from incident order by opened_at desc offset 50")
        month = Period(*month_of(now.date()), ZONE)
        kpi, formulas, gone = _kpi(), load_formulas(), self._departure(incident_id)
        return {
            "latest position of all vehicles": tracks.fleet,
            "one vehicle's day": lambda base: tracks.track(base, "car-7", old, old + timedelta(days=1)),
            "vehicles within 500 m now": lambda base: tracks.near(base, PLACE, 500.0, now - timedelta(minutes=10)),
            "who passed a place in an hour": lambda base: tracks.passed(
                base, PLACE, 200.0, old, old + timedelta(hours=1)
            ),
            "incidents of a cell": lambda base: listed(base, Asked(cell=cell)),
            "incidents of a district": lambda base: listed(base, Asked(cell=cell[:12])),
            "open incidents of a unit": lambda base: listed(base, Asked(unit="unit-3", open_only=True)),
            "overdue now": lambda base: ClockReader(base).overdue("unit-3"),
            "one incident with its record": lambda base: _whole(_store(base), incident_id),
            "is the case of a track that left open": lambda base: _store(base).awaits(gone),
            "cases at this place in 30 days": lambda base: _store(base).repeats(incident_id),
            "an hour counted anew": lambda base: _recount(base, old),
            "dead letters, newest": _letters,
            "KPI month, closed before": lambda base: _report(kpi(base).known(month), formulas),
        }

    def _departure(self, incident_id: str) -> Departure:
        """The track by which an incident was opened leaves an hour later."""
        with db.connect(self.url) as conn:
            row = conn.execute(
                "select camera_id, track_id, opened_at from incident where incident_id = %s", (incident_id,)
            ).fetchone()
        if row is None:
            raise SetupError(f"the filled city has no incident {incident_id}")
        camera_id, track_id, opened_at = row
        return Departure(camera_id, track_id, ns_of(opened_at + timedelta(hours=1)), ns_of(opened_at))

    def _one(self, query: str) -> str:
        with db.connect(self.url) as conn:
            row = conn.execute(query + " limit 1").fetchone()
        return str(row[0]) if row is not None else ""


def bench_queries(folder: Path, *, rows: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Fill a server of its own in ``folder`` (kept, and used again where it was filled before) and ask everything.

    Cold: the server is started anew, its files' pages are given back to the system (those alone: other programs keep
    theirs), and the question is the first after the connection. Raises SetupError, SinkError.
    """
    servers = up(folder, progress=say)
    try:
        city, url = _filled(folder, servers, rows, say)
        asking = Asking(city, url)
        close_ms = _timed(lambda: _close_month(url, city))[0]
        say(f"a month of KPI worked out and closed: {close_ms:.0f} ms")
        found = {}
        for name, question in asking.questions.items():
            found[name] = _ask(folder, asking, question)
            cold, warm = found[name]["cold_ms"], found[name]["warm_ms"]
            say(f"{name:34} cold {cold:7.1f} ms, warm {warm:7.1f} ms{'' if cold <= GOAL_MS else '  above the goal'}")
    finally:
        down(folder)
    return {
        "positions": city.positions,
        "sightings": city.sightings,
        "incidents": city.incidents,
        "goal_ms": GOAL_MS,
        "kpi_close_ms": round(close_ms, 1),
        "questions": found,
    }


def month_of(today: date) -> tuple[date, date]:
    """First and last day of the calendar month before today's."""
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def forget_pages(folder: Path) -> int:
    """Give the system's cached pages of every file below a folder back; how many files. Nothing runs there now."""
    count = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            count += 1
    return count


def _filled(folder: Path, servers: Servers, rows: int, say: Callable[[str], None]) -> tuple[City, str]:
    """The filled city and its address."""
    note = folder / "city.json"
    url = urlsplit(servers.database_url)._replace(path=f"/{DATABASE}").geturl()
    if note.is_file():
        told = json.loads(note.read_text())
        begin, now = (datetime.fromisoformat(told[name]) for name in ("begin", "now"))
        return City(told["positions"], told["sightings"], told["incidents"], begin, now), url
    db.migrate(db.fresh_database(servers.database_url, DATABASE))
    with db.session(url, autocommit=True) as conn:
        city = fill(conn, positions=rows, say=say)
    _count(url, city, say)
    told = {name: getattr(city, name) for name in City.__dataclass_fields__}
    note.write_text(json.dumps(told, default=datetime.isoformat))
    return city, url


def _count(url: str, city: City, say: Callable[[str], None]) -> None:
    """Count every hour, as the chores do."""
    base, started_s, hours = AlertDatabase(url), time.perf_counter(), 0
    try:
        rollup = Rollup(base, ZONE)
        while found := rollup.do(city.now + timedelta(hours=2)):
            hours += found
    finally:
        base.close()
    say(f"{hours} hours counted: {time.perf_counter() - started_s:.0f} s")


def _ask(folder: Path, asking: Asking, question: Question) -> dict[str, Any]:
    """Ask one question cold, then warm, then for the plans of what it sent, cold as well."""
    colds = [_cold(folder, question, asking.url) for _ in range(COLD)]
    cold_ms, answer = statistics.median(ms for ms, _ in colds), colds[0][1]
    base = Listening(asking.url)
    try:
        question(base)
        base.heard.statements.clear()
        question(base)
        heard = list(base.heard.statements)
        warm_ms = statistics.median(_timed(lambda: question(base))[0] for _ in range(WARM))
    finally:
        base.close()
    plans: list[dict[str, Any]] = []
    _cold(folder, lambda base: plans.extend(_plans(base, heard)), asking.url)
    return {
        "cold_ms": round(cold_ms, 1),
        "colds_ms": [round(ms, 1) for ms, _ in colds],
        "warm_ms": round(warm_ms, 2),
        "answers": len(answer) if isinstance(answer, list) else 1,
        "plans": plans,
    }


def _cold(folder: Path, work: Callable[[AlertDatabase], object], url: str) -> tuple[float, object]:
    """Do ``work`` as the first thing after a start with nothing in memory; its time in ms, and what it gave."""
    down(folder)
    forget_pages(folder)
    up(folder)
    base = AlertDatabase(url)
    try:
        for _ in range(100):
            with suppress(SinkError), base.transaction() as conn:
                conn.execute("select 1")
                break
            time.sleep(0.1)
        return _timed(lambda: work(base))
    finally:
        base.close()


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    started_s = time.perf_counter()
    found = work()
    return (time.perf_counter() - started_s) * 1000, found


def _plans(base: AlertDatabase, heard: list[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    """Plan of each statement, executed and rolled back."""
    for query, values in heard:
        if query.lstrip().lower().startswith(("select", "with")) and "advisory" not in query:
            with suppress(_RollBackError), base.transaction() as conn:
                rows = conn.execute(f"explain (analyze, buffers) {query}", values).fetchall()
                yield {"sql": " ".join(query.split()), "plan": [row["QUERY PLAN"] for row in rows]}
                raise _RollBackError


class _RollBackError(Exception):
    """Ends a transaction that was only to be looked at."""


def _store(base: AlertDatabase) -> IncidentStore:
    return IncidentStore(base, merge_m=3.0, merge_iou=0.3)


def _whole(store: IncidentStore, incident_id: str) -> list[object]:
    return [store.show(incident_id), store.events(incident_id), store.evidence(incident_id)]


def _kpi() -> Callable[[AlertDatabase], KpiStore]:
    """The store over a database; its city is read here, before anything is timed."""
    city = load_pack(Path("yanjiang")).city
    return lambda base: KpiStore(base, lambda: city)


def _report(known: Known, formulas: Formulas) -> str:
    return as_json(report_of(known.facts, formulas, known.period, "unit", closed=known.closed))


def _close_month(url: str, city: City) -> None:
    base = AlertDatabase(url)
    try:
        _kpi()(base).known(Period(*month_of(city.now.date()), ZONE))
    finally:
        base.close()


def _recount(base: AlertDatabase, at: datetime) -> int:
    with base.transaction() as conn:
        hour = at.replace(minute=0, second=0, microsecond=0)
        conn.execute("insert into rollup_dirty (source, bucket) values ('incident', %s)", (hour,))
    return Rollup(base, ZONE, budget_s=0.0).do(at + timedelta(minutes=1))


def _letters(base: AlertDatabase) -> list[object]:
    with base.transaction() as conn:
        return list(letters_listed(cast("db.Connection", _Tuples(conn)), Chosen(), 50))


class _Tuples:
    """The alerts' connection for what reads rows by their place."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def execute(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:  # noqa: ANN401  # psycopg's own
        return [tuple(row.values()) for row in self._conn.execute(query, values)]
