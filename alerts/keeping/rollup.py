"""Counts by hour and day in tables of their own: what changed since is counted anew, whenever it came.

Whoever changes a row notes its hour in ``rollup_dirty`` in the same transaction (triggers, schemas/sql/0019). A round
takes notes away and counts their hours: a note that it sees belongs to rows that it sees, and one that commits later is
still there for the next round. So no order of arrivals and rounds can lose or double a row, which a mark by time or
number could.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from alerts.store import AlertDatabase, Connection

HOUR = timedelta(hours=1)
DAY_LENGTHS = timedelta(hours=26)  # longer than any day
DEVICES_APART = 20  # late ones of an hour that are looked up one by one; of more the whole hour is read
MOVING_MPS = 5 / 3.6  # 5 km/h: slower is a receiver's noise or a walk
KEYS = "camera_id, class_code, cell_id, unit_id"
COUNTS = ("sightings", "opened", "closed", "handled", "self_handled", "gone", "corrected", "void", "merged")
POSITION_COUNTS = "positions, moving, speed_max_mps, first_at, last_at"
ENDS = COUNTS[3:]  # outcomes of schemas.incident.IncidentRow

NEXT = """
select distinct bucket from rollup_dirty where source = %(source)s and bucket <= %(newest)s
order by bucket limit %(most)s
"""
TAKE = """
with taken as (
    delete from rollup_dirty where source = %(source)s and bucket = any(%(buckets)s) returning bucket, device_id)
select bucket, array_agg(distinct device_id) as devices from taken group by bucket order by bucket
"""
DELETED = """
select 1 from deleted_span where class = %(class)s and from_at < %(end)s and to_at > %(bucket)s limit 1
"""


def _ends(prefix: str) -> str:
    return ", ".join(f"({prefix}outcome = '{end}')::int" for end in ENDS)


def _sums() -> str:
    return ", ".join(f"sum({name})::bigint as {name}" for name in COUNTS)


def _same(one: str, other: str, keys: str) -> str:
    columns = keys.split(", ")
    return f"({', '.join(f'{one}.{name}' for name in columns)}) = ({', '.join(f'{other}.{name}' for name in columns)})"


def _instead(table: str, time_column: str, keys: str, counts: str) -> str:
    """Put what ``fresh`` holds in place of a table's rows of one time; rows that stay as they are cost nothing."""
    names = counts.split(", ")
    changed = f"({', '.join(f't.{name}' for name in names)}) is distinct from"
    return f"""
gone as (
    delete from {table} g where g.{time_column} = %({time_column})s
    and not exists (select from fresh f where {_same("f", "g", keys)}))
insert into {table} as t ({time_column}, {keys}, {counts})
select %({time_column})s, {keys}, {counts} from fresh
on conflict ({time_column}, {keys}) do update set {", ".join(f"{name} = excluded.{name}" for name in names)}
where {changed} ({", ".join(f"excluded.{name}" for name in names)})
"""  # noqa: S608  # constants


INCIDENT_HOUR = f"""
with parts ({KEYS}, {", ".join(COUNTS)}) as (
    select s.camera_id, i.class_code, i.cell_id, i.unit_id, 1, 0, 0, 0, 0, 0, 0, 0, 0
    from sighting s join incident i using (incident_id)
    where s.ts >= %(bucket)s and s.ts < %(end)s and not %(deleted)s
    union all
    select {KEYS}, sightings, 0, 0, 0, 0, 0, 0, 0, 0 from tally_incident_hour
    where bucket = %(bucket)s and sightings > 0 and %(deleted)s
    union all
    select {KEYS}, 0, 1, 0, 0, 0, 0, 0, 0, 0 from incident where opened_at >= %(bucket)s and opened_at < %(end)s
    union all
    select {KEYS}, 0, 0, 1, {_ends("")} from incident where closed_at >= %(bucket)s and closed_at < %(end)s),
fresh as (select {KEYS}, {_sums()} from parts group by {KEYS}),
""" + _instead("tally_incident_hour", "bucket", KEYS, ", ".join(COUNTS))  # noqa: S608  # constants
INCIDENT_DAY = f"""
with fresh as (
    select {KEYS}, {_sums()} from tally_incident_hour
    where bucket >= %(begin)s and bucket < %(end)s and (bucket at time zone %(zone)s)::date = %(day)s group by {KEYS}),
""" + _instead("tally_incident_day", "day", KEYS, ", ".join(COUNTS))  # noqa: S608  # constants
POSITION_HOUR = (
    f"""
with fresh as (
    select device_id, count(*) as positions, count(*) filter (where speed_mps > {MOVING_MPS}) as moving,
           max(speed_mps) as speed_max_mps, min(ts) as first_at, max(ts) as last_at
    from position where ts >= %(bucket)s and ts < %(end)s and %(device)s in ('', device_id) group by device_id),
"""  # noqa: S608  # constants
    + _instead("tally_position_hour", "bucket", "device_id", POSITION_COUNTS).replace(
        "and not exists", "and %(device)s in ('', g.device_id) and not exists"
    )
)
# The same for one device by its own index: the planner does not see through the condition above.
POSITION_HOUR_OF_ONE = POSITION_HOUR.replace("%(device)s in ('', device_id)", "device_id = %(device)s")
POSITION_DAY = """
with fresh as (
    select device_id, sum(positions)::bigint as positions, sum(moving)::bigint as moving,
           max(speed_max_mps) as speed_max_mps, min(first_at) as first_at, max(last_at) as last_at
    from tally_position_hour
    where bucket >= %(begin)s and bucket < %(end)s and (bucket at time zone %(zone)s)::date = %(day)s
    group by device_id),
""" + _instead("tally_position_day", "day", "device_id", POSITION_COUNTS)  # noqa: S608  # constants
DAYS = {"incident": INCIDENT_DAY, "position": POSITION_DAY}


class Rollup:
    """Keeps the counts true. One process at a time: the chores' lock sees to that.

    ``zone``: IANA name, whose days the days are; an hour belongs to the day in which it begins.
    """

    def __init__(self, database: AlertDatabase, zone: str, *, budget_s: float = 0.5) -> None:
        self._database = database
        self._zone = zone
        self._budget_s = budget_s
        self._moved_in = False  # whether the days are known to be this zone's

    def do(self, now: datetime) -> int:
        """Count what was noted, for ``budget_s`` at most; how many hours. Raises SinkError; nothing is lost then.

        An hour of positions is counted when it is over; incidents at once.
        """
        self._move_in()
        until_s, done = time.monotonic() + self._budget_s, 0
        while (found := self._turn(now)) and time.monotonic() < until_s:
            done += found
        return done + found

    def _turn(self, now: datetime) -> int:
        with self._database.transaction() as conn:
            notes = _take(conn, "incident", now, 24)
            days = {_day(conn, note["bucket"], self._zone) for note in notes if _count_incidents(conn, note["bucket"])}
            _count_days(conn, "incident", days, self._zone)
        with self._database.transaction() as conn:
            ended = _take(conn, "position", now - HOUR, 1)  # may be a lot of work
            days = {_day(conn, note["bucket"], self._zone) for note in ended if _count_positions(conn, **note)}
            _count_days(conn, "position", days, self._zone)
        return len(notes) + len(ended)

    def _move_in(self) -> None:
        """Make the days those of our zone, where they are another's."""
        if self._moved_in:
            return
        with self._database.transaction() as conn:
            moved = conn.execute("update rollup_zone set zone = %(zone)s where zone <> %(zone)s", {"zone": self._zone})
            if moved.rowcount:
                for source in DAYS:
                    _recount_all_days(conn, source, self._zone)
        self._moved_in = True


def _take(conn: Connection, source: str, newest: datetime, most: int) -> list[dict[str, Any]]:
    """Take the notes of the oldest hours away; each hour with the devices they name."""
    rows = conn.execute(NEXT, {"source": source, "newest": newest, "most": most}).fetchall()
    if not rows:
        return []
    return conn.execute(TAKE, {"source": source, "buckets": [row["bucket"] for row in rows]}).fetchall()


def _deleted(conn: Connection, name: str, bucket: datetime) -> bool:
    values = {"class": name, "bucket": bucket, "end": bucket + HOUR}
    return conn.execute(DELETED, values).fetchone() is not None


def _count_incidents(conn: Connection, bucket: datetime) -> bool:
    """Count an hour anew; False where its counts have been deleted. Sightings that were deleted count as they did."""
    if _deleted(conn, "hours", bucket):
        return False
    values = {"bucket": bucket, "end": bucket + HOUR, "deleted": _deleted(conn, "sightings", bucket)}
    conn.execute(INCIDENT_HOUR, values)
    return True


def _count_positions(conn: Connection, bucket: datetime, devices: Sequence[str]) -> bool:
    """Count an hour anew, of these devices or all; False where positions of it have been deleted: it stays as it is."""
    if _deleted(conn, "hours", bucket) or _deleted(conn, "positions", bucket):
        return False
    all_of_them = "" in devices or len(devices) > DEVICES_APART
    for device_id in ("",) if all_of_them else devices:
        values = {"bucket": bucket, "end": bucket + HOUR, "device": device_id}
        conn.execute(POSITION_HOUR_OF_ONE if device_id else POSITION_HOUR, values)
    return True


def _day(conn: Connection, bucket: datetime, zone: str) -> Any:  # noqa: ANN401  # a date
    row = conn.execute("select (%s::timestamptz at time zone %s)::date as day", (bucket, zone)).fetchone()
    return None if row is None else row["day"]


def _count_days(conn: Connection, source: str, days: set[Any], zone: str) -> None:
    for day in sorted(days):
        row = conn.execute("select %s::date::timestamp at time zone %s as begin", (day, zone)).fetchone()
        begin: datetime = (row or {})["begin"]
        values = {"day": day, "zone": zone, "begin": begin - HOUR, "end": begin + DAY_LENGTHS}
        conn.execute(DAYS[source], values)


def _recount_all_days(conn: Connection, source: str, zone: str) -> None:
    """All days anew from the hours that are there; days before the first hour stay."""
    hours, days = f"tally_{source}_hour", f"tally_{source}_day"
    rows = conn.execute(
        f"select (bucket at time zone %(zone)s)::date as day from {hours} union"  # noqa: S608  # constants
        f" select day from {days} where day >= (select (min(bucket) at time zone %(zone)s)::date - 1 from {hours})",
        {"zone": zone},
    ).fetchall()
    _count_days(conn, source, {row["day"] for row in rows}, zone)
