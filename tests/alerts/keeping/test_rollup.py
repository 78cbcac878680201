"""Counts by hour and day are those of one look at everything, in whatever order things came."""

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import curbwatch.database as db
from alerts.keeping.rollup import COUNTS, DEVICES_APART, KEYS, MOVING_MPS, Rollup
from alerts.store import AlertDatabase

pytestmark = pytest.mark.servers

T0 = datetime(2026, 5, 4, 14, 0, tzinfo=UTC)  # two hours before midnight in Shanghai
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ZONE = "Asia/Shanghai"
POSITION = """
insert into position (device_id, ts, seq, received_at, lon, lat, raw_lon, raw_lat, crs, speed_mps)
values (%s, %s, %s, now(), 1, 1, 1, 1, 'wgs84', %s) on conflict do nothing
"""
SITE = "insert into site (cell_id, camera_id, box_px) values ('', '', '{0,0,1,1}') returning site_id"
INCIDENT = """
insert into incident (incident_id, family, site_id, class_code, state, camera_id, track_id, zone, cell_id, unit_id,
                      box_px, appeared_at, opened_at, last_seen_at, confidence, rule_version)
values (%s, 'stall', %s, %s, 'verify', %s, 1, '', 'c', 'u-1', '{0,0,1,1}', %s, %s, %s, 1, '')
"""
SIGHTING = """
insert into sighting (ts, camera_id, track_id, incident_id, family, confidence, dwell_s, box_px)
select %s, %s, %s, incident_id, 'stall', 1, 1, '{0,0,1,1}' from incident where incident_id = %s on conflict do nothing
"""
ONE_LOOK = f"""
with parts as (
    select date_bin('1 hour', s.ts, timestamptz 'epoch') as bucket, s.camera_id, i.class_code, i.cell_id, i.unit_id,
           'sightings' as what from sighting s join incident i using (incident_id)
    union all select date_bin('1 hour', opened_at, timestamptz 'epoch'), {KEYS}, 'opened' from incident
    union all select date_bin('1 hour', closed_at, timestamptz 'epoch'), {KEYS}, 'closed' from incident
    where closed_at is not null
    union all select date_bin('1 hour', closed_at, timestamptz 'epoch'), {KEYS}, outcome from incident
    where closed_at is not null)
select bucket, {KEYS}, {", ".join(f"count(*) filter (where what = '{name}')" for name in COUNTS)}
from parts group by bucket, {KEYS} order by 1, 2, 3, 4, 5
"""  # noqa: S608
POSITIONS_ONE_LOOK = f"""
select date_bin('1 hour', ts, timestamptz 'epoch'), device_id, count(*),
       count(*) filter (where speed_mps > {MOVING_MPS}), max(speed_mps), min(ts), max(ts)
from position group by 1, 2 order by 1, 2
"""  # noqa: S608


def rows(conn: db.Connection, query: str) -> list[tuple[Any, ...]]:
    return conn.execute(query).fetchall()


def by_day(hours: list[tuple[Any, ...]], keys: int) -> list[tuple[Any, ...]]:
    """Sums of incident hours by the day in Shanghai, with ``keys`` columns behind the bucket."""
    days: dict[tuple[Any, ...], list[int]] = {}
    for bucket, *rest in hours:
        key = ((bucket + timedelta(hours=8)).astimezone(UTC).date(), *rest[:keys])
        sums = days.setdefault(key, [0] * (len(rest) - keys))
        days[key] = [one + more for one, more in zip(sums, rest[keys:], strict=True)]
    return sorted((*key, *sums) for key, sums in days.items())


def assert_counts_hold(url: str) -> None:
    """The views say what one look at all rows says."""
    with db.connect(url) as conn:
        hours = rows(conn, ONE_LOOK)
        names = ", ".join(COUNTS)
        assert rows(conn, f"select bucket, {KEYS}, {names} from incident_hour order by 1, 2, 3, 4, 5") == hours  # noqa: S608
        assert rows(conn, f"select day, {KEYS}, {names} from incident_day order by 1, 2, 3, 4, 5") == by_day(hours, 4)  # noqa: S608
        positions = rows(conn, POSITIONS_ONE_LOOK)
        assert rows(conn, "select * from position_hour order by bucket, device_id") == positions
        days = rows(conn, "select day, device_id, positions, moving from position_day order by 1, 2")
        assert days == by_day([row[:4] for row in positions], 1)
        assert rows(conn, "select * from rollup_dirty where source = 'incident'") == []


def test_nothing_gives_no_counts(kept: AlertDatabase, kept_url: str) -> None:
    assert Rollup(kept, ZONE).do(NOW) == 0
    assert_counts_hold(kept_url)


def test_an_hour_of_positions_is_counted_when_it_is_over(kept: AlertDatabase, kept_url: str) -> None:
    now = datetime.now(UTC)
    with db.connect(kept_url, autocommit=True) as conn:
        conn.execute(POSITION, ("car", now, 1, 3.0))
        rollup = Rollup(kept, ZONE)
        assert rollup.do(now) == 0
        assert rows(conn, "select * from position_hour") == []
        assert rollup.do(now + timedelta(hours=1)) == 1
    assert_counts_hold(kept_url)


def test_a_transaction_that_commits_after_a_later_one_was_counted_is_counted_too(
    kept: AlertDatabase, kept_url: str
) -> None:
    rollup = Rollup(kept, ZONE)
    with db.connect(kept_url) as slow, db.connect(kept_url, autocommit=True) as quick:
        quick.execute(POSITION, ("car", T0, 3, 0.0))  # makes the chunk, for which others wait until it is committed
        slow.execute(POSITION, ("car", T0, 1, 3.0))
        quick.execute(POSITION, ("car", T0, 2, 0.0))
        assert rollup.do(NOW) > 0
        slow.commit()
    assert rollup.do(NOW) > 0
    assert_counts_hold(kept_url)
    with db.connect(kept_url) as conn:
        assert rows(conn, "select positions, moving from position_hour") == [(3, 1)]


def test_many_late_devices_of_an_hour_are_counted_like_a_few(kept: AlertDatabase, kept_url: str) -> None:
    with db.connect(kept_url, autocommit=True) as conn:
        for hour, cars in ((0, 3), (1, DEVICES_APART), (2, DEVICES_APART + 1)):
            for number in range(cars):
                conn.execute(POSITION, (f"car-{number}", T0 + timedelta(hours=hour), 1, 3.0))
        Rollup(kept, ZONE).do(NOW)
        conn.execute(POSITION, ("car-0", T0, 2, 0.0))
        Rollup(kept, ZONE).do(NOW)
    assert_counts_hold(kept_url)


def test_another_zone_makes_other_days(kept: AlertDatabase, kept_url: str) -> None:
    with db.connect(kept_url, autocommit=True) as conn:
        conn.execute(POSITION, ("car", T0 + timedelta(hours=3), 1, 3.0))  # 1:00 in Shanghai
        Rollup(kept, "UTC").do(NOW)
        assert rows(conn, "select day::text from position_day") == [("2026-05-04",)]
        Rollup(kept, ZONE).do(NOW)
        assert rows(conn, "select day::text from position_day where positions > 0") == [("2026-05-05",)]


def test_what_was_deleted_stays_counted(kept: AlertDatabase, kept_url: str) -> None:
    rollup = Rollup(kept, ZONE)
    with db.connect(kept_url, autocommit=True) as conn:
        site = rows(conn, SITE)[0][0]
        key = uuid.uuid4()
        conn.execute(INCIDENT, (key, site, "09006", "cam-1", T0, T0, T0))
        conn.execute(SIGHTING, (T0, "cam-1", 1, key))
        conn.execute(POSITION, ("car", T0, 1, 3.0))
        rollup.do(NOW)
        before = rows(conn, "select * from incident_hour"), rows(conn, "select * from position_hour")
        conn.execute("delete from sighting")
        conn.execute("delete from position")
        for name in ("sightings", "positions"):
            conn.execute(
                "insert into deleted_span values (%s, %s, %s)", (name, T0 - timedelta(days=1), T0 + timedelta(hours=1))
            )
        conn.execute(POSITION, ("car", T0, 2, 3.0))  # late by months
        conn.execute("update incident set closed_at = %s, outcome = 'void', state = 'void'", (T0,))
        rollup.do(NOW)
        after = rows(conn, "select sightings, opened, closed, void from incident_hour")
        assert after == [(1, 1, 1, 1)]
        assert rows(conn, "select * from position_hour") == before[1]


HOURS = st.integers(0, 4).map(lambda hour: timedelta(hours=hour, minutes=7 * hour))
CARS = st.sampled_from(["car-1", "car-2"])
STEPS = st.one_of(
    st.tuples(st.just("position"), CARS, HOURS, st.integers(0, 3), st.sampled_from([0.0, 3.0])),
    st.tuples(st.just("sighting"), st.integers(0, 2), HOURS, st.integers(0, 2)),
    st.tuples(st.just("open"), st.integers(0, 2), HOURS),
    st.tuples(st.just("reclass"), st.integers(0, 2), st.sampled_from(["09005", "09006"])),
    st.tuples(st.just("close"), st.integers(0, 2), HOURS, st.sampled_from(["handled", "gone", "void"])),
    st.tuples(st.just("reopen"), st.integers(0, 2)),
    st.tuples(st.just("count")),
    st.tuples(st.just("commit")),
)
EXAMPLES = itertools.count()


class Writer:
    """Does steps in one open transaction. Each has a day and incidents of its own: nobody can delete incidents."""

    def __init__(self, conn: db.Connection) -> None:
        self.conn = conn
        self.day = T0 + timedelta(days=next(EXAMPLES))
        self.sites = [rows(conn, SITE)[0][0] for _ in range(3)]
        self.keys = [uuid.uuid4() for _ in range(3)]
        conn.commit()

    def position(self, car: str, at: timedelta, seq: int, speed_mps: float) -> None:
        self.conn.execute(POSITION, (car, self.day + at, seq, speed_mps))

    def open(self, which: int, at: timedelta) -> None:
        values = (self.keys[which], self.sites[which], "09006", "cam-1", *[self.day + at] * 3)
        self.conn.execute(INCIDENT.rstrip() + " on conflict do nothing", values)

    def sighting(self, which: int, at: timedelta, track: int) -> None:
        self.conn.execute(SIGHTING, (self.day + at, "cam-1", track, self.keys[which]))

    def close(self, which: int, at: timedelta, outcome: str) -> None:
        query = "update incident set closed_at = %s, outcome = %s where incident_id = %s"
        self.conn.execute(query, (self.day + at, outcome, self.keys[which]))

    def reopen(self, which: int) -> None:
        query = "update incident set closed_at = null, outcome = '' where incident_id = %s"
        self.conn.execute(query, (self.keys[which],))

    def reclass(self, which: int, code: str) -> None:
        self.conn.execute("update incident set class_code = %s where incident_id = %s", (code, self.keys[which]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=20), st.booleans())
def test_any_order_of_arrivals_and_rounds_gives_what_one_look_at_the_end_gives(
    kept: AlertDatabase, kept_url: str, steps: list[tuple[Any, ...]], late: bool
) -> None:
    rollup = Rollup(kept, ZONE)
    with db.connect(kept_url) as conn:
        writer = Writer(conn)
        for what, *values in steps:
            if what == "count":
                rollup.do(NOW)  # while a transaction may be open
            elif what == "commit":
                conn.commit()
            else:
                getattr(writer, what)(*values)
        if late:
            rollup.do(NOW)
        conn.commit()
    rollup.do(NOW)
    assert_counts_hold(kept_url)
