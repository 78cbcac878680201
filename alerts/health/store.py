"""Health events in the database: written as they begin and end, read back when a camera is first seen."""

from collections.abc import Sequence

from alerts.store import AlertDatabase
from schemas.health import HealthEvent, HealthKind
from schemas.units import ns_of, utc

PAST = 30  # newest events of a camera that a restart reads: more kinds than there are
PUT = """
insert into camera_event (camera_id, kind, since, until, value, note, times, sha256)
values (%(camera_id)s, %(kind)s, %(since)s, %(until)s, %(value)s, %(note)s, %(times)s, %(sha256)s)
on conflict (camera_id, kind, since) do update set
    until = excluded.until, value = excluded.value, note = excluded.note, times = excluded.times,
    sha256 = excluded.sha256, written_at = now()
"""
READ = """
select kind, since, until, value, note, times, sha256 from camera_event
where camera_id = %s order by event_id desc limit %s
"""


class HealthStore:
    """Table ``camera_event``. Any thread."""

    def __init__(self, database: AlertDatabase) -> None:
        self._database = database

    def put(self, events: Sequence[HealthEvent]) -> None:
        """Write events, each as it is now, in one transaction; twice is once. Raises SinkError."""
        if not events:
            return
        with self._database.transaction() as conn:
            for event in events:
                conn.execute(PUT, _row(event))

    def past(self, camera_id: str) -> list[HealthEvent]:
        """A camera's newest events, oldest first. Raises SinkError."""
        with self._database.transaction() as conn:
            rows = conn.execute(READ, (camera_id, PAST)).fetchall()
        return [
            HealthEvent(
                camera_id,
                HealthKind(row["kind"]),
                ns_of(row["since"]),
                None if row["until"] is None else ns_of(row["until"]),
                row["value"],
                row["note"],
                row["times"],
                row["sha256"],
            )
            for row in reversed(rows)
        ]


def _row(event: HealthEvent) -> dict[str, object]:
    return {
        "camera_id": event.camera_id,
        "kind": event.kind.value,
        "since": utc(event.since_ns),
        "until": None if event.until_ns is None else utc(event.until_ns),
        "value": event.value,
        "note": event.note,
        "times": event.times,
        "sha256": event.sha256,
    }
