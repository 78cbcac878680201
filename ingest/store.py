"""The intake's PostgreSQL: positions, dead letters and marks of one batch in one transaction."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, LiteralString

import psycopg
import structlog
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from ingest.letters import (
    DETAIL_MAX,
    DEVICES_WEIGHED,
    LETTER,
    LETTER_BYTES,
    SHARE,
    WHOLE,
    Admitted,
    Room,
    columns,
    folded,
)
from ingest.marks import Key, Standing
from ingest.watchdog import bounded
from schemas.errors import SinkError
from schemas.links import DATABASE_LINK
from schemas.meter import Meter
from schemas.position import DeadLetter, PositionRows

log = structlog.get_logger()

# Columns of the staging table in the order of PositionRows; times travel as whole microseconds, because COPY of
# integers costs a fraction of COPY of datetimes.
STAGED = {
    "device_id": "text",
    "ts_us": "int8",
    "boot": "text",
    "seq": "int8",
    "item_hash": "int8",
    "received_us": "int8",
    "lon": "float8",
    "lat": "float8",
    "raw_lon": "float8",
    "raw_lat": "float8",
    "crs": "text",
    "speed_mps": "float4",
    "heading_deg": "float4",
    "alt_m": "float4",
    "acc_m": "float4",
    "sat": "int2",
    "ignition": "bool",
    "lift": "bool",
    "cover": "bool",
    "load": "float4",
    "alarms": "text[]",
    "flags": "int4",
    "form": "text",
    "raw_speed": "float4",
    "extra": "jsonb",
}
STAGE = "create temp table position_in ({}) on commit delete rows".format(
    ", ".join(f"{name} {kind}" for name, kind in STAGED.items())
)
COPY = f"copy position_in ({', '.join(STAGED)}) from stdin (format binary)"
UPSERT = """
insert into position (device_id, ts, boot, seq, item_hash, received_at, lon, lat, raw_lon, raw_lat, crs, speed_mps,
                      heading_deg, alt_m, acc_m, sat, ignition, lift, cover, load, alarms, flags, form, raw_speed,
                      extra)
select device_id, timestamptz 'epoch' + ts_us * interval '1 microsecond', boot, seq, item_hash,
       timestamptz 'epoch' + received_us * interval '1 microsecond', lon, lat, raw_lon, raw_lat, crs, speed_mps,
       heading_deg, alt_m, acc_m, sat, ignition, lift, cover, load, alarms, flags, form, raw_speed, extra
from position_in
on conflict do nothing
"""
MARK = """
insert into device_mark (device_id, boot, mark) values (%s, %s, %s)
on conflict (device_id, boot) do update set mark = greatest(device_mark.mark, excluded.mark), updated_at = now()
"""
REPLAYED = "update dead_letter set replayed_at = now() where id = any(%s) and replayed_at is null"
# The size on disk costs nothing to ask, but does not shrink when letters are taken out: at the start, and where there
# seems to be no room, the letters are measured.
DISK_SIZE = "select pg_total_relation_size('dead_letter')"
LETTER_SIZE = f"(pg_column_size(payload) + pg_column_size(properties) + {LETTER_BYTES})::bigint"
MEASURE = f"""
with each as (
    select device_id, coalesce(sum({LETTER_SIZE}) filter (where replayed_at is null), 0) as waiting,
           sum({LETTER_SIZE}) as taken
    from dead_letter group by device_id)
select device_id, waiting::bigint, (sum(taken) over ())::bigint from each order by waiting desc limit %s
"""  # noqa: S608  # constants
# What was replayed is stored elsewhere.
DISCARD = f"""
with old as (select id from dead_letter where replayed_at is not null order by id limit %s),
gone as (delete from dead_letter using old where dead_letter.id = old.id returning {LETTER_SIZE} as size_bytes)
select coalesce(sum(size_bytes), 0)::bigint from gone
"""  # noqa: S608  # constants
# A server that does not let us in for so long is away: there is a spool for that.
LINK = DATABASE_LINK | {"connect_timeout": 3}
TRANSACTION_S = 20.0  # longer than the largest batch takes; a server that stands still answers neither yes nor no
LOOK_S, FULL_LOOK_S = 10.0, 60.0  # between two looks at the size; between two measurements
DISCARDED = 20_000  # replayed letters at once


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch.

    Attributes:
        inserted: new rows.
        duplicate: rows known before.
        refused: rows the database would not have: dead letters now.
        letters_capped: dead letters dropped because there are too many already.
        letters_device_capped: of these, those of a device that has too many.
        letters_refused: dead letters the database would not have.
    """

    inserted: int = 0
    duplicate: int = 0
    refused: int = 0
    letters_capped: int = 0
    letters_device_capped: int = 0
    letters_refused: int = 0

    def count_dropped(self, meter: Meter) -> None:
        """Count the dead letters that were not kept."""
        if self.letters_capped > self.letters_device_capped:
            meter.add("dead_letters_dropped", self.letters_capped - self.letters_device_capped, reason="cap")
        if self.letters_device_capped:
            meter.add("dead_letters_dropped", self.letters_device_capped, reason="device_cap")
        if self.letters_refused:
            meter.add("dead_letters_dropped", self.letters_refused, reason="refused")


class IntakeStore:
    """One connection that comes back; used from one thread at a time.

    Every method is one transaction, durable when it returns, and raises SinkError when it did not happen: retryable
    where the server went away, or is not as it should be. ``payload_bytes`` are kept of a dead letter, more of those
    that may be replayed; ``cap_bytes`` of all of them together, beyond which those that were replayed are discarded,
    and then new ones dropped, as those of a device beyond its share are.
    """

    def __init__(self, url: str, *, payload_bytes: int, cap_bytes: int = 1_000_000_000) -> None:
        self._url = url
        self._payload_bytes = payload_bytes
        self._room = Room(cap_bytes)
        self._look_s = 0.0  # monotonic time from which the size on disk is to be asked again
        self._measure_s = 0.0  # from which the letters may be measured again
        self._slack_bytes: int | None = None  # of the size on disk, what is no letter
        self._conn: psycopg.Connection | None = None

    def write(
        self,
        rows: PositionRows,
        letters: Sequence[DeadLetter],
        marks: Mapping[Key, Standing] | None = None,
        *,
        replayed: Sequence[int] = (),
    ) -> Stored:
        """Store a batch. Rows that are known already (a redelivery) change nothing; empty batches neither.

        A row that the database refuses (it should not exist: the codec checks) costs itself, as a dead letter of
        reason ``store``, and never its neighbours; a dead letter that it refuses is dropped. ``replayed`` are ids of
        the dead letters that the batch was made of.
        """
        admitted = self._within_cap(folded([self._shortened(letter) for letter in letters]))
        kept = admitted.kept
        try:
            stored = self._once(rows, kept, marks or {}, replayed)
        except SinkError as error:
            if error.retryable:
                raise
            stored = self._apart(rows, kept, marks or {}, replayed)
        self._room.take(kept)
        return replace(stored, letters_capped=admitted.capped, letters_device_capped=admitted.device_capped)

    def marks_of(self, keys: Sequence[Key]) -> dict[Key, int]:
        """Return stored marks of these (device, boot) pairs; pairs without one are left out."""
        if not keys:
            return {}
        devices, boots = zip(*keys, strict=True)
        query = (
            "select m.device_id, m.boot, m.mark from device_mark m"
            " join unnest(%s::text[], %s::text[]) as k (device_id, boot) using (device_id, boot)"
        )
        try:
            conn = self._connected()
            with bounded(conn.fileno(), TRANSACTION_S):
                found = conn.execute(query, (list(devices), list(boots))).fetchall()
        except psycopg.Error as error:
            raise self._failed(error) from error
        return {(device_id, boot): mark for device_id, boot, mark in found}

    def alive(self) -> bool:
        """Whether the server answers on a connection of its own."""
        try:
            with psycopg.connect(self._url, connect_timeout=2) as conn:
                conn.execute("select 1")
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _once(
        self,
        rows: PositionRows,
        letters: Sequence[DeadLetter],
        marks: Mapping[Key, Standing],
        replayed: Sequence[int] = (),
    ) -> Stored:
        inserted = 0
        try:
            conn = self._connected()
            with bounded(conn.fileno(), TRANSACTION_S), conn.transaction(), conn.cursor() as cursor:
                if len(rows):
                    with cursor.copy(COPY) as copy:
                        copy.set_types(list(STAGED.values()))
                        for row in _staged(rows):
                            copy.write_row(row)
                    cursor.execute(UPSERT)
                    inserted = cursor.rowcount
                if replayed:
                    cursor.execute(REPLAYED, (list(replayed),))
                if letters:
                    cursor.executemany(LETTER, [columns(letter) for letter in letters])
                moved = [(device_id, boot, at.mark) for (device_id, boot), at in marks.items() if at.mark >= 0]
                if moved:
                    cursor.executemany(MARK, sorted(moved))
        except psycopg.Error as error:
            raise self._failed(error) from error
        return Stored(inserted, len(rows) - inserted)

    def _apart(
        self,
        rows: PositionRows,
        letters: Sequence[DeadLetter],
        marks: Mapping[Key, Standing],
        replayed: Sequence[int],
    ) -> Stored:
        """Store one by one what a batch would not take; the marks follow, so that a crash repeats it."""
        inserted, refused = 0, list(letters)
        for index in range(len(rows)):
            one = PositionRows(**{f.name: [getattr(rows, f.name)[index]] for f in fields(rows)})
            try:
                inserted += self._once(one, (), {}).inserted
            except SinkError as error:
                if error.retryable:
                    raise
                told = {f.name: getattr(one, f.name)[0] for f in fields(one)}
                payload = json.dumps(told, ensure_ascii=True, default=str).encode()
                letter = DeadLetter(one.received_ns[0], "", one.device_id[0], "store", str(error)[:DETAIL_MAX], payload)
                refused.append(self._shortened(letter))
        lost = self._letters_apart(refused)
        try:
            self._once(PositionRows(), (), marks, replayed)
        except SinkError as error:
            raise SinkError(str(error), retryable=True, wait_s=5.0) from error
        count = len(refused) - len(letters)
        return Stored(inserted, len(rows) - inserted - count, count, letters_refused=lost)

    def _letters_apart(self, letters: Sequence[DeadLetter]) -> int:
        """Store dead letters one by one; how many the database would not have."""
        lost = []
        for letter in letters:
            try:
                self._once(PositionRows(), (letter,), {})
            except SinkError as error:
                if error.retryable:
                    raise
                lost.append((letter, str(error)))
        for letter, said in lost:
            log.error("dead_letter_refused", device=letter.device_id, reason=letter.reason, error=said)
        return sum(letter.times for letter, _ in lost)

    def _within_cap(self, letters: Sequence[DeadLetter]) -> Admitted:
        """The letters there is room for, in order, and how many others came."""
        if not letters:
            return Admitted([])
        now_s = time.monotonic()
        if now_s >= self._look_s:
            self._look()
            self._look_s = now_s + LOOK_S
        admitted = self._room.judge(letters)
        if admitted.capped and now_s >= self._measure_s:
            self._measure_s = now_s + (LOOK_S if self._measure() else FULL_LOOK_S)
            admitted = self._room.judge(letters)
            if admitted.device_capped:
                log.error(
                    "dead_letters_device_full", remedy="curbwatch dlq list; drop, or replay, those of one --device"
                )
            if admitted.capped > admitted.device_capped:
                remedy = "curbwatch dlq list; drop a --reason or a --device, or raise intake.dead_letter_cap_bytes"
                log.error("dead_letters_full", cap_bytes=self._room.cap_bytes, remedy=remedy)
        return admitted

    def _look(self) -> None:
        """See what others wrote meanwhile, by the size on disk; at the start, what there is."""
        if self._slack_bytes is None:
            self._measure()
        else:
            beyond = self._asked(DISK_SIZE)[0][0] - self._slack_bytes
            self._room.free_bytes = min(self._room.free_bytes, self._room.cap_bytes - beyond)

    def _measure(self) -> int:
        """Ask what dead letters take, and discard replayed ones where there is little room; bytes of these."""
        found, cap_bytes = self._asked(MEASURE, DEVICES_WEIGHED), self._room.cap_bytes
        taken = found[0][2] if found else 0
        discarded = int(self._asked(DISCARD, DISCARDED)[0][0]) if taken > cap_bytes * (1 - SHARE) else 0
        self._slack_bytes = self._asked(DISK_SIZE)[0][0] - taken + discarded
        self._room.measured(cap_bytes - taken + discarded, [row[:2] for row in found])
        return discarded

    def _asked(self, query: LiteralString, *values: int) -> list[tuple[Any, ...]]:
        try:
            conn = self._connected()
            with bounded(conn.fileno(), TRANSACTION_S):
                return conn.execute(query, values).fetchall()
        except psycopg.Error as error:
            raise self._failed(error) from error

    def _shortened(self, letter: DeadLetter) -> DeadLetter:
        """The letter as it is kept, with size and digest of all that came."""
        if letter.reason in WHOLE:
            return letter.cut(len(letter.payload))
        return replace(letter.cut(self._payload_bytes), properties=())

    def _connected(self) -> psycopg.Connection:
        if self._conn is None or self._conn.closed:
            conn = psycopg.connect(
                make_conninfo(self._url, **LINK),
                autocommit=True,
                application_name="curbwatch-intake",
                # Acknowledged means: survives a power loss.
                options="-c synchronous_commit=on",
            )
            conn.execute(STAGE)
            self._conn = conn
        return self._conn

    def _failed(self, error: psycopg.Error) -> SinkError:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        away = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if away or self._conn is None or self._conn.closed:
            self.close()
            return SinkError(f"database: {said}", retryable=True, wait_s=0.5)
        # A missing table or privilege, or a server that only reads: no fault of what is written. A trigger's is.
        unfit = isinstance(error, psycopg.ProgrammingError | psycopg.errors.ReadOnlySqlTransaction)
        return SinkError(
            f"database refused: {said}", retryable=unfit and not isinstance(error, psycopg.errors.RaiseException)
        )


def _staged(rows: PositionRows) -> "zip[tuple[object, ...]]":
    return zip(
        rows.device_id,
        [ns // 1000 for ns in rows.ts_ns],
        rows.boot,
        rows.seq,
        rows.item_hash,
        [ns // 1000 for ns in rows.received_ns],
        rows.lon,
        rows.lat,
        rows.raw_lon,
        rows.raw_lat,
        rows.crs,
        rows.speed_mps,
        rows.heading_deg,
        rows.alt_m,
        rows.acc_m,
        rows.sat,
        rows.ignition,
        rows.lift,
        rows.cover,
        rows.load,
        map(list, rows.alarms),
        rows.flags,
        rows.form,
        rows.raw_speed,
        [None if extra is None else Jsonb(extra) for extra in rows.extra],
        strict=True,
    )
