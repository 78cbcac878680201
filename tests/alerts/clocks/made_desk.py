"""Cases of a real database whose clocks run by the clock, and a time that tests set."""

from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.clocks.store import CityTime, Clocks
from alerts.clocks.sweep import Sweep, SweepRules
from alerts.incidents.store import IncidentStore
from alerts.record.steps import record
from alerts.store import AlertDatabase, Connection
from schemas.city import City
from schemas.meter import NullMeter
from schemas.record import Actor, State, What
from tests.alerts.clocks.made_city import ALWAYS, limit, limited
from tests.alerts.makers import picture, sighting

SOMEBODY = Actor("李雷", "officer")
HOUR = timedelta(hours=1)
HANDLED_IN_FOUR = limited(limit(unit="natural_h"), calendar=ALWAYS)


class Counted(NullMeter):
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.counted: dict[str, float] = {}
        self.gauges: dict[str, float] = {}

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        key = " ".join((name, *labels.values()))
        self.counted[key] = self.counted.get(key, 0) + amount

    def set(self, name: str, value: float, /, **labels: str) -> None:
        self.gauges[" ".join((name, *labels.values()))] = value


class Town:
    """Clocks and sweep of one city over one database; ``at`` is what the database's clock says, as far as they ask."""

    def __init__(self, database: AlertDatabase, city: City = HANDLED_IN_FOUR, **rules: Any) -> None:  # noqa: ANN401
        self.database = database
        self.city = city
        self.at = datetime.now(UTC)
        self.wall_off = timedelta(0)
        self.monotonic_s = 1000.0
        self.meter = Counted()
        self.rules = SweepRules(**({"sweep_at_min": 1440, "settle_s": 0.0} | rules))
        self.start()

    def start(self) -> None:
        """Begin anew, as a process that was restarted does."""
        time = CityTime(lambda: self.city, take_s=1800.0, sos_take_s=120.0)
        self.clocks = Clocks(self.database, time)
        self.sweep = Sweep(
            self.database,
            time,
            self.rules,
            self.meter,
            clock=self._now,
            monotonic_s=lambda: self.monotonic_s,
        )

    def _now(self, _: Connection) -> datetime:
        return self.at

    def pass_by(self, time: timedelta) -> None:
        """Let time pass on every clock."""
        self.at += time
        self.monotonic_s += time.total_seconds()

    def look(self, time: timedelta = timedelta(0)) -> int:
        """Let time pass, then do both chores; how much was told."""
        self.pass_by(time)
        self.clocks.do(self.at)
        return self.sweep.do(self.at + self.wall_off)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database.transaction() as conn:
            return [tuple(row.values()) for row in conn.execute(query, values).fetchall()]

    def entries(self) -> list[tuple[str, str, int, str]]:
        """What was told: kind, stage, round, limit, in their order."""
        return self.rows("select kind, stage, round, limit_id from sweep_entry order by at, kind, limit_id")

    def steps(self, what: What) -> list[dict[str, Any]]:
        """Details of the steps of one case each, in their order."""
        rows = self.rows("select detail from incident_event where what = %s order by at", what)
        return [row[0] for row in rows if row[0].get("why") != "digest"]

    def digests(self) -> list[dict[str, Any]]:
        """Details of the steps that tell of many cases at once."""
        return [row[0] for row in self.rows("select detail from incident_event where detail ->> 'why' = 'digest'")]


def opened(incidents: IncidentStore, track_id: int = 7, **changes: Any) -> str:  # noqa: ANN401
    """A case that was dispatched at once, at a place of its own."""
    box = (float(track_id * 150), 400.0, 100.0, 80.0)
    seen = sighting(track_id=track_id, box_px=box, **changes)
    return incidents.open_or_refresh(seen, None, picture(f"p{track_id}")).incident_id


def step(database: AlertDatabase, incident_id: str, what: What, to: State | None = None, **detail: Any) -> None:  # noqa: ANN401
    """Write a step as an action does."""
    with database.transaction() as conn:
        conn.execute("select 1 from incident where incident_id = %s for no key update", (incident_id,))
        record(conn, incident_id, SOMEBODY, what, detail, to=to)
