"""Writes down how each device does: what the intake's book says, every few seconds, in one transaction."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import structlog

import curbwatch.database as db
from ingest.health import COUNTED, Health, HealthBook, Stranger, Sweep
from ingest.quality import LastFix
from schemas.errors import SinkError
from schemas.meter import Meter

log = structlog.get_logger()

MARKS_DAYS = 90  # a start of a device that nothing came of for so long is over
STRANGERS_KEPT = 10_000  # rows of device_stranger; more are counted only
KINDS = ("camera", "vehicle")

# The join leaves out what the registry has dropped meanwhile.
HEALTH = """
insert into device_health (device_id, kind, state, last_seen_at, last_captured_at, lon, lat, rate_per_min, lag_ms,
                           skew_ms, messages, gaps, duplicates, shed, rejected, given_up, boots, last_boot)
select device_id, r.kind, state, timestamptz 'epoch' + seen_us * interval '1 microsecond',
       timestamptz 'epoch' + captured_us * interval '1 microsecond', lon, lat, rate_per_min, lag_ms, skew_ms,
       messages, gaps, duplicates, shed, rejected, given_up, boots, last_boot
from jsonb_to_recordset(%s::jsonb) as r (
    device_id text, kind text, state text, seen_us bigint, captured_us bigint, lon float8, lat float8,
    rate_per_min float8, lag_ms float8, skew_ms float8, messages bigint, gaps bigint, duplicates bigint, shed bigint,
    rejected bigint, given_up bigint, boots bigint, last_boot text)
join device using (device_id)
on conflict (device_id) do update set
    kind = excluded.kind, state = excluded.state,
    last_seen_at = coalesce(excluded.last_seen_at, device_health.last_seen_at),
    last_captured_at = coalesce(excluded.last_captured_at, device_health.last_captured_at),
    lon = coalesce(excluded.lon, device_health.lon), lat = coalesce(excluded.lat, device_health.lat),
    rate_per_min = excluded.rate_per_min, lag_ms = coalesce(excluded.lag_ms, device_health.lag_ms),
    skew_ms = coalesce(excluded.skew_ms, device_health.skew_ms), messages = excluded.messages, gaps = excluded.gaps,
    duplicates = excluded.duplicates, shed = excluded.shed, rejected = excluded.rejected,
    given_up = excluded.given_up, boots = excluded.boots,
    last_boot = coalesce(excluded.last_boot, device_health.last_boot), updated_at = now()
"""
# Those accepted meanwhile are no strangers any more. Returns how many messages were of strangers beyond those kept, and
# how many strangers there are.
STRANGERS = """
with alias as (select unnest(aliases) as name from device),
room as (select greatest(0, %(kept)s - count(*)) as free from device_stranger),
heard as (
    select r.*, timestamptz 'epoch' + first_us * interval '1 microsecond' as first_at,
           timestamptz 'epoch' + last_us * interval '1 microsecond' as last_at
    from jsonb_to_recordset(%(heard)s::jsonb) as r (
        form text, foreign_id text, device_id text, kind text, topic text, first_us bigint, last_us bigint,
        messages bigint)
    where not exists (select from device d where d.device_id = r.device_id)
      and not exists (select from alias where alias.name = r.form || ':' || r.foreign_id)),
fresh as (
    select *, row_number() over (order by first_us) as number from heard h
    where not exists (
        select from device_stranger s where (s.form, s.foreign_id) = (h.form, h.foreign_id))),
taken as (
    insert into device_stranger (form, foreign_id, device_id, kind, topic, first_seen_at, last_seen_at, messages)
    select form, foreign_id, device_id, kind, topic, first_at, last_at, messages
    from fresh, room where number <= free
    on conflict do nothing returning 1),
renewed as (
    update device_stranger s set topic = h.topic, last_seen_at = h.last_at, messages = s.messages + h.messages
    from heard h where (s.form, s.foreign_id) = (h.form, h.foreign_id) returning 1)
select (select coalesce(sum(messages), 0)::bigint from fresh, room where number > free),
       (select count(*) from device_stranger) + (select count(*) from taken)
"""


class HealthKeeper:
    """Sweeps the book in a thread of its own. What the database does not take is written with the next sweep."""

    def __init__(self, url: str, book: HealthBook, meter: Meter, *, every_s: float) -> None:
        self._database = db.Lasting(url)
        self._book = book
        self._meter = meter
        self._every_s = every_s
        self._base: dict[str, dict[str, int]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health-keeper", daemon=True)

    def start(self) -> None:
        """Take over what was counted before, forget old starts' marks, then begin. Raises SinkError where it cannot."""
        query = "select device_id, last_boot, messages, gaps, duplicates, shed, rejected, given_up, boots"
        boots = {}
        with self._database.connection() as conn:
            conn.execute("delete from device_mark where updated_at < now() - %s * interval '1 day'", (MARKS_DAYS,))
            for device_id, boot, *counts in conn.execute(f"{query} from device_health"):
                self._base[device_id] = dict(zip(COUNTED, counts, strict=True))
                if boot is not None:
                    boots[device_id] = boot
        self._book.resume(boots)
        self._thread.start()

    def last_fixes(self) -> list[LastFix]:
        """Where each vehicle was last, by the database: what its next position is measured by. Raises SinkError."""
        query = (
            "select device_id, extract(epoch from last_captured_at), lon, lat, coalesce(last_boot, '')"
            " from device_health where lon is not null and last_captured_at is not null"
        )
        with self._database.connection() as conn:
            return [
                LastFix(device_id, int(epoch_s * 1_000_000_000), lon, lat, boot)
                for device_id, epoch_s, lon, lat, boot in conn.execute(query)
            ]

    @property
    def alive(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Write once more, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
            self.keep()
        self._database.close()

    def keep(self) -> None:
        """Sweep once and write what changed."""
        sweep = self._book.sweep()
        for device_id in sweep.alarms:
            log.warning("device_flapping", device=device_id, remedy="look at its power and its network")
        for kind in KINDS:
            self._meter.set("devices_online", sweep.states.get((kind, "online"), 0), kind=kind)
            self._meter.set("devices_silent", sweep.states.get((kind, "silent"), 0), kind=kind)
            self._meter.set("devices_flapping", sweep.states.get((kind, "flapping"), 0), kind=kind)
        try:
            passed_over = sweep.passed_over + self._write(sweep)
        except SinkError as error:
            log.warning("health_waits", error=str(error))
            self._book.again([row.device_id for row in sweep.changed], sweep.strangers)
            passed_over = sweep.passed_over
        if passed_over:
            self._meter.add("stranger_messages_uncounted", passed_over)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            self.keep()

    def _write(self, sweep: Sweep) -> int:
        """Write a sweep; how many messages were of strangers that are not kept. Raises SinkError."""
        if not sweep.changed and not sweep.strangers:
            return 0
        with self._database.connection() as conn, conn.transaction():
            if sweep.changed:
                conn.execute(HEALTH, (json.dumps([self._told(row) for row in sweep.changed]),))
            if not sweep.strangers:
                return 0
            row = conn.execute(STRANGERS, {"kept": STRANGERS_KEPT, "heard": _heard(sweep.strangers)}).fetchone()
        passed_over, strangers = row or (0, 0)
        self._meter.set("strangers", strangers)
        return int(passed_over)

    def _told(self, row: Health) -> dict[str, Any]:
        base = self._base.get(row.device_id, {})
        lon, lat = row.place or (None, None)
        return {
            "device_id": row.device_id,
            "kind": row.kind,
            "state": row.state,
            "seen_us": None if row.seen_ns is None else row.seen_ns // 1000,
            "captured_us": None if row.captured_ns is None else row.captured_ns // 1000,
            "lon": lon,
            "lat": lat,
            "rate_per_min": row.rate_per_min,
            "lag_ms": row.lag_ms,
            "skew_ms": row.skew_ms,
            "last_boot": row.last_boot,
        } | {name: base.get(name, 0) + count for name, count in row.counts.items()}


def _heard(strangers: Sequence[Stranger]) -> str:
    # PostgreSQL holds no NUL; a device may have sent one.
    return json.dumps(
        [
            {
                "form": one.form,
                "foreign_id": one.foreign_id.replace("\0", "\\0"),
                "device_id": one.device_id,
                "kind": one.kind,
                "topic": one.topic.replace("\0", "\\0"),
                "first_us": one.first_ns // 1000,
                "last_us": one.last_ns // 1000,
                "messages": one.messages,
            }
            for one in strangers
        ]
    )
