"""A small city that keeps things: devices, incidents with pictures on disk, and how old they are."""

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alerts.incidents.evidence import EvidenceFolder
from alerts.store import AlertDatabase
from schemas.units import ns_of
from tests.alerts.makers import frame

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class World:
    """Rows by SQL, so that they can be as old as a test wants them."""

    def __init__(self, database: AlertDatabase, folder: Path) -> None:
        self.database = database
        self.evidence = EvidenceFolder(folder)

    def rows(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:  # noqa: ANN401
        with self.database.transaction() as conn:
            found = conn.execute(query, values)
            return [tuple(row.values()) for row in found.fetchall()] if found.description else []

    def count(self, table: str) -> int:
        return int(self.rows(f"select count(*) as n from {table}")[0][0])  # noqa: S608

    def device(self, device_id: str, kind: str = "camera") -> None:
        self.rows("insert into device (device_id, kind, source) values (%s, %s, 'pack')", (device_id, kind))

    def position(self, device_id: str, at: datetime, *, received: datetime | None = None, seq: int = 1) -> None:
        self.rows(
            "insert into position (device_id, ts, seq, received_at, lon, lat, raw_lon, raw_lat, crs)"
            " values (%s, %s, %s, %s, 1, 1, 1, 1, 'wgs84')",
            (device_id, at, seq, received or at),
        )

    def picture(self, name: str, age: timedelta, camera_id: str = "cam-1") -> str:
        """A picture on disk and its row; its digest. Its file is as old as it."""
        digest = self.file(name, age)
        at = NOW - age
        self.rows(
            "insert into evidence (sha256, camera_id, captured_at, received_at, size_bytes)"
            " values (%s, %s, %s, %s, %s)",
            (digest, camera_id, at, at, self.evidence.path(digest).stat().st_size),
        )
        return digest

    def file(self, name: str, age: timedelta) -> str:
        """A picture on disk that no row names."""
        record = self.evidence.keep(frame(b"\xff\xd8" + name.encode() + b"\xff\xd9", ns_of(NOW - age)))
        then = (NOW - age).timestamp()
        os.utime(self.evidence.path(record.sha256), (then, then))
        return record.sha256

    def incident(self, age: timedelta, opening: str = "", *, closed: bool = True, **more: Any) -> str:  # noqa: ANN401
        """An incident that ended ``age`` ago and was entered then, with its opening picture; its id."""
        at, key = NOW - age, str(uuid.uuid4())
        site = self.rows("insert into site (cell_id, camera_id, box_px) values ('', '', '{0,0,1,1}') returning site_id")
        picture = self.rows("select evidence_id from evidence where sha256 = %s", (opening,))
        values = {
            "incident_id": key,
            "family": "stall",
            "site_id": site[0][0],
            "class_code": "09006",
            "state": "done" if closed else "verify",
            "camera_id": "cam-1",
            "track_id": 1,
            "zone": "",
            "cell_id": "",
            "unit_id": "u-1",
            "box_px": [0, 0, 1, 1],
            "appeared_at": at,
            "opened_at": at,
            "last_seen_at": at,
            "closed_at": at if closed else None,
            "outcome": "handled" if closed else "",
            "confidence": 1,
            "rule_version": "",
            "created_at": at,
            "opening_id": picture[0][0] if picture else None,
        } | more
        names = ", ".join(values)
        marks = ", ".join(f"%({name})s" for name in values)
        self.rows(f"insert into incident ({names}) values ({marks})", values)  # noqa: S608
        if picture:
            self.rows(
                "insert into incident_evidence (incident_id, evidence_id, role, at) values (%s, %s, 'opening', %s)",
                (key, picture[0][0], at),
            )
        return key

    def sighting(self, incident_id: str, at: datetime, track: int = 1) -> None:
        self.rows(
            "insert into sighting (ts, camera_id, track_id, incident_id, family, confidence, dwell_s, box_px)"
            " values (%s, 'cam-1', %s, %s, 'stall', 1, 1, '{0,0,1,1}')",
            (at, track, incident_id),
        )

    def event(self, digest: str, age: timedelta, *, lasts: bool = False) -> None:
        """A camera event with its picture, that ended ``age`` ago."""
        at = NOW - age
        self.rows(
            "insert into camera_event (camera_id, kind, since, until, value, sha256, written_at)"
            " values ('cam-1', 'covered', %s, %s, 1, %s, %s)",
            (at - DAY, None if lasts else at, digest, at),
        )

    def letter(self, payload: bytes, age: timedelta) -> None:
        at = NOW - age
        self.rows(
            "insert into dead_letter (received_at, last_at, topic, reason, size_bytes, payload_sha256, payload)"
            " values (%s, %s, 't', 'topic', 1, sha256(%s), %s)",
            (at, at, payload, payload),
        )
