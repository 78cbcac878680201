"""What people ask of clocks: what is over its limit now, and which cases were stuck on a day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from alerts.clocks.projection import Lamp
from alerts.rows import incident_row
from alerts.store import AlertDatabase
from schemas.incident import IncidentRow
from schemas.rules import Stage

OVERDUE_MAX = 1000  # in one list, unless somebody asks for more
# Running clocks that are red (``soon``: also yellow), the longest overdue first. Only those that are told are joined to
# their incidents: else every incident and job there ever was is read. In a list of one unit: by who has the job.
OVERDUE_CASES = """
select c.stage, c.round, c.limit_id, c.limit_name, c.started_at, c.due_at, c.limit_s, c.extensions,
    c.due_at < now() as late, now() as seen_at, coalesce(j.unit_id, i.unit_id) as held_by,
    coalesce(j.holder, '') as holder, i.*
from (
    select * from incident_clock
    where ended_at is null and not paused and (due_at < now() or (%(soon)s and yellow_at <= now())){of_unit}
    order by due_at, incident_id, stage, limit_id limit %(limit)s
) c join incident_view i using (incident_id) left join job j using (incident_id)
order by c.due_at, c.incident_id, c.stage, c.limit_id
"""
# ``union``, though no case is in both: by it the planner knows how many there are.
OF_UNIT = """ and incident_id in (
        select incident_id from job where unit_id = %(unit)s
        union select i.incident_id from incident i where i.unit_id = %(unit)s and i.closed_at is null
            and not exists (select from job j where j.incident_id = i.incident_id))"""
STUCK_CASES = """
select s.stage, s.round, s.at, s.detail, coalesce(j.unit_id, i.unit_id) as held_by, i.*
from sweep_entry s join incident_view i using (incident_id) left join job j using (incident_id)
where s.kind = 'stuck' and s.day = %s
order by s.detail ->> 'list', s.detail ->> 'due_at', s.incident_id, s.stage
"""


@dataclass(frozen=True, slots=True)
class OverdueCase:
    """One clock of one case. ``late_s``: s by the clock since its limit ran out, negative: until it does."""

    stage: Stage
    round: int
    limit_id: str
    limit_name: str
    lamp: Lamp
    started_at: datetime
    due_at: datetime
    late_s: float
    extensions: int
    unit_id: str
    holder: str
    incident: IncidentRow


@dataclass(frozen=True, slots=True)
class StuckCase:
    """One stage of one case on a day's list. ``due_at``: when its limit had run out."""

    kind: str
    stage: Stage
    round: int
    due_at: datetime | None
    listed_at: datetime
    unit_id: str
    incident: IncidentRow


class ClockReader:
    """Reads clocks and lists; every method is one transaction and raises SinkError when it did not happen."""

    def __init__(self, database: AlertDatabase) -> None:
        self._database = database

    def overdue(self, unit_id: str = "", *, soon: bool = False, limit: int = OVERDUE_MAX) -> list[OverdueCase]:
        """Running clocks that are red now, the longest overdue first; ``soon``: yellow ones too. Of a unit if given."""
        query = OVERDUE_CASES.format(of_unit=OF_UNIT if unit_id else "")
        with self._database.transaction() as conn:
            rows = conn.execute(query, {"unit": unit_id, "soon": soon, "limit": limit}).fetchall()
        return [_overdue(row) for row in rows]

    def stuck(self, day: date) -> list[StuckCase] | None:
        """The list of a day, by kind, then by how long they are over; None where it is not made, or not complete."""
        with self._database.transaction() as conn:
            if conn.execute("select 1 from sweep_day where day = %s", (day,)).fetchone() is None:
                return None
            rows = conn.execute(STUCK_CASES, (day,)).fetchall()
        return [_stuck(row) for row in rows]

    def now(self) -> datetime:
        """The database's time, in UTC."""
        with self._database.transaction() as conn:
            row = conn.execute("select now() as at").fetchone()
        found: datetime = (row or {})["at"]
        return found.astimezone(UTC)


def _overdue(row: dict[str, Any]) -> OverdueCase:
    return OverdueCase(
        stage=row["stage"],
        round=row["round"],
        limit_id=row["limit_id"],
        limit_name=row["limit_name"],
        lamp="red" if row["late"] else "yellow",
        started_at=row["started_at"],
        due_at=row["due_at"],
        late_s=(row["seen_at"] - row["due_at"]).total_seconds(),
        extensions=row["extensions"],
        unit_id=row["held_by"],
        holder=row["holder"],
        incident=incident_row(row),
    )


def _stuck(row: dict[str, Any]) -> StuckCase:
    due_at = row["detail"].get("due_at")
    return StuckCase(
        kind=row["detail"].get("list", ""),
        stage=row["stage"],
        round=row["round"],
        due_at=None if due_at is None else datetime.fromisoformat(due_at),
        listed_at=row["at"],
        unit_id=row["held_by"],
        incident=incident_row(row),
    )
