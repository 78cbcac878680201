"""Incidents in the database: one open row per family and site, with evidence, events, job and outbox."""

import json
import uuid
from typing import Any

from alerts.place import M_PER_DEG, distance_m
from alerts.rows import incident_row
from alerts.store import AlertDatabase, Connection
from schemas.errors import UsageError
from schemas.incident import Box, Departure, EvidenceRecord, IncidentRow, Opened, Sighting
from schemas.units import utc

NAMESPACE = uuid.UUID("3a4c8c70-5a0e-5d0e-9a53-6e2f0b7f6c11")  # fixed for ever: incident and job ids hang on it
OPEN_STATES = ("verify", "confirmed", "dispatched")
OUTBOX_CHANNEL = "curbwatch_outbox"


class IncidentStore:
    """Writes decisions; every method is one transaction and raises SinkError when it did not happen."""

    def __init__(self, database: AlertDatabase, *, merge_m: float, merge_iou: float) -> None:
        self._database = database
        self._merge_m = merge_m
        self._merge_iou = merge_iou

    def open_or_refresh(self, sighting: Sighting, before: EvidenceRecord | None, opening: EvidenceRecord) -> Opened:
        """Attach a sighting to its open incident, or open one, with job and outbox row where it is dispatched at once.

        Saying the same sighting twice changes nothing. The evidence must be on disk already.
        """
        with self._database.transaction() as conn:
            # Makers of sites of one cell wait for each other: two cameras must not make two sites of one thing.
            conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", (sighting.cell_id,))
            known = _incident_of_track(conn, sighting)
            if known is None:
                site_id = self._site(conn, sighting)
                known, opened = _insert(conn, sighting, site_id, before, opening)
            else:
                opened = False
            fresh = conn.execute(
                "insert into sighting (ts, camera_id, track_id, incident_id, family, confidence, dwell_s, box_px)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing returning ts",
                (
                    utc(sighting.captured_ns),
                    sighting.camera_id,
                    sighting.track_id,
                    known,
                    sighting.family,
                    sighting.confidence,
                    sighting.dwell_s,
                    list(sighting.box_px),
                ),
            ).fetchone()
            if fresh is not None and not opened:
                conn.execute(
                    "update incident set last_seen_at = greatest(last_seen_at, %s), sightings = sightings + 1,"
                    " confidence = greatest(confidence, %s) where incident_id = %s",
                    (utc(sighting.captured_ns), sighting.confidence, known),
                )
            if opened and sighting.direct:
                make_job(conn, str(known), sighting.unit_id, urgent=sighting.urgent)
        return Opened(str(known), opened, sighting)

    def depart(self, departure: Departure) -> str | None:
        """Close the open incident of a track whose object left; its id, or None where it has none.

        A job that nobody took yet is withdrawn; a crew that is on its way keeps its job and is not called back by a
        machine: the record says that the object left, and the crew closes.
        """
        with self._database.transaction() as conn:
            row = conn.execute(
                "select i.incident_id, j.state as job_state from incident i left join job j using (incident_id)"
                " where i.camera_id = %s and i.track_id = %s and i.state = any(%s) order by i.opened_at desc limit 1"
                " for update of i",
                (departure.camera_id, departure.track_id, list(OPEN_STATES)),
            ).fetchone()
            if row is None:
                return None
            incident_id, left_at = row["incident_id"], utc(departure.captured_ns)
            if row["job_state"] == "taken":
                add_event(conn, incident_id, "detector", "left", {"at": left_at.isoformat()})
                return str(incident_id)
            conn.execute(
                "update incident set state = 'gone', closed_at = %s where incident_id = %s", (left_at, incident_id)
            )
            conn.execute(
                "update job set state = 'withdrawn', ended_at = now() where incident_id = %s and state = 'queued'",
                (incident_id,),
            )
            add_event(conn, incident_id, "detector", "gone", {"at": left_at.isoformat()})
            return str(incident_id)

    def confirm(self, incident_id: str, person: str, *, urgent: bool = False) -> IncidentRow:
        """A person says that a waiting incident is real: its job goes out. Raises UsageError in any other state."""
        with self._database.transaction() as conn:
            row = conn.execute("select * from incident_view where incident_id::text = %s", (incident_id,)).fetchone()
            if row is None:
                raise UsageError(f"no incident {incident_id}: see `curbwatch incident list`")
            changed = conn.execute(
                "update incident set state = 'dispatched', decided_by = %s where incident_id = %s and state = 'verify'"
                " returning unit_id",
                (person, row["incident_id"]),
            ).fetchone()
            if changed is None:
                raise UsageError(f"incident {incident_id} is {row['state']}, not waiting for a decision")
            add_event(conn, row["incident_id"], person, "confirmed", {})
            make_job(conn, str(row["incident_id"]), changed["unit_id"], urgent=urgent)
        return self.show(incident_id)

    def show(self, incident_id: str) -> IncidentRow:
        """One incident. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            row = conn.execute("select * from incident_view where incident_id::text = %s", (incident_id,)).fetchone()
        if row is None:
            raise UsageError(f"no incident {incident_id}: see `curbwatch incident list`")
        return incident_row(row)

    def recent(self, limit: int = 50, *, state: str = "") -> list[IncidentRow]:
        """The newest incidents first, of one state where given."""
        with self._database.transaction() as conn:
            rows = conn.execute(
                "select * from incident_view where %(state)s in ('', state)"
                " order by opened_at desc, incident_id limit %(limit)s",
                {"state": state, "limit": limit},
            ).fetchall()
        return [incident_row(row) for row in rows]

    def _site(self, conn: Connection, sighting: Sighting) -> int:
        """Find the site of a sighting, or make one; under the cell's lock."""
        if sighting.point is not None:
            found = _near(conn, sighting.cell_id, sighting.point, self._merge_m)
        else:
            found = _overlapping(conn, sighting, self._merge_iou)
        if found is not None:
            return found
        lon, lat = sighting.point or (None, None)
        row = conn.execute(
            "insert into site (cell_id, camera_id, lon, lat, box_px) values (%s, %s, %s, %s, %s) returning site_id",
            (sighting.cell_id, sighting.camera_id, lon, lat, list(sighting.box_px)),
        ).fetchone()
        return int(_present(row)["site_id"])


def make_job(conn: Connection, incident_id: str, unit_id: str, *, urgent: bool) -> str:
    """Make an incident's job and its outbox row, inside the caller's transaction; the relay is told on commit."""
    job_id = str(uuid.uuid5(NAMESPACE, f"job/{incident_id}"))
    conn.execute(
        "insert into job (job_id, incident_id, unit_id, urgency) values (%s, %s, %s, %s) on conflict do nothing",
        (job_id, incident_id, unit_id, "urgent" if urgent else "normal"),
    )
    queue_again(conn, job_id)
    return job_id


def queue_again(conn: Connection, job_id: str) -> None:
    """Put a job in the outbox, inside the caller's transaction."""
    conn.execute("insert into outbox (job_id) values (%s)", (job_id,))
    conn.execute("select pg_notify(%s, '')", (OUTBOX_CHANNEL,))


def add_event(conn: Connection, incident_id: object, actor: str, what: str, detail: dict[str, Any]) -> None:
    """Append a step to an incident's record, inside the caller's transaction."""
    conn.execute(
        "insert into incident_event (incident_id, actor, what, detail) values (%s, %s, %s, %s::jsonb)",
        (incident_id, actor, what, json.dumps(detail, ensure_ascii=False)),
    )


def box_overlap(one: Box, other: Box) -> float:
    """Intersection over the smaller area, 0..1; 0 where a box has no area."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller > 0 else 0.0


def _incident_of_track(conn: Connection, sighting: Sighting) -> uuid.UUID | None:
    """The incident a track already opened, in whatever state: one standing thing is one incident.

    Times must overlap: after a lost detector state, track numbers begin again.
    """
    row = conn.execute(
        "select incident_id from incident where camera_id = %s and track_id = %s and family = %s"
        " and last_seen_at >= %s order by opened_at desc limit 1",
        (sighting.camera_id, sighting.track_id, sighting.family, utc(sighting.appeared_ns)),
    ).fetchone()
    return None if row is None else row["incident_id"]


def _insert(
    conn: Connection, sighting: Sighting, site_id: int, before: EvidenceRecord | None, opening: EvidenceRecord
) -> tuple[uuid.UUID, bool]:
    """Insert an incident unless its site has an open one of the family; its id, and whether it is new."""
    key = f"{sighting.camera_id}/{sighting.family}/{site_id}/{sighting.appeared_ns}"
    lon, lat = sighting.point or (None, None)
    row = conn.execute(
        "insert into incident (incident_id, family, site_id, class_code, state, camera_id, track_id, zone, cell_id,"
        " unit_id, lon, lat, box_px, appeared_at, opened_at, last_seen_at, confidence, before_id, opening_id,"
        " rule_version) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict do nothing returning incident_id",
        (
            uuid.uuid5(NAMESPACE, key),
            sighting.family,
            site_id,
            sighting.class_code,
            "dispatched" if sighting.direct else "verify",
            sighting.camera_id,
            sighting.track_id,
            sighting.zone,
            sighting.cell_id,
            sighting.unit_id,
            lon,
            lat,
            list(sighting.box_px),
            utc(sighting.appeared_ns),
            utc(sighting.captured_ns),
            utc(sighting.captured_ns),
            sighting.confidence,
            None if before is None else _evidence(conn, before),
            _evidence(conn, opening),
            sighting.rule_version,
        ),
    ).fetchone()
    if row is not None:
        add_event(conn, row["incident_id"], "detector", "opened", {"class": sighting.class_code, "zone": sighting.zone})
        return row["incident_id"], True
    held = conn.execute(
        "select incident_id from incident where (family = %s and site_id = %s and state = any(%s)) or incident_id = %s"
        " order by opened_at desc limit 1",
        (sighting.family, site_id, list(OPEN_STATES), uuid.uuid5(NAMESPACE, key)),
    ).fetchone()
    return _present(held)["incident_id"], False


def _evidence(conn: Connection, record: EvidenceRecord) -> int:
    row = conn.execute(
        "insert into evidence (sha256, camera_id, captured_at, received_at, size_bytes) values (%s, %s, %s, %s, %s)"
        " on conflict (sha256) do update set sha256 = excluded.sha256 returning evidence_id",
        (record.sha256, record.camera_id, utc(record.captured_ns), utc(record.received_ns), record.size_bytes),
    ).fetchone()
    return int(_present(row)["evidence_id"])


def _near(conn: Connection, cell_id: str, point: tuple[float, float], merge_m: float) -> int | None:
    """Nearest calibrated site of the cell within ``merge_m`` metres."""
    reach_deg = 2 * merge_m / M_PER_DEG  # a box that surely holds the circle at any latitude below 60 degrees
    rows = conn.execute(
        "select site_id, lon, lat from site where cell_id = %s and lon between %s and %s and lat between %s and %s",
        (cell_id, point[0] - reach_deg, point[0] + reach_deg, point[1] - reach_deg, point[1] + reach_deg),
    ).fetchall()
    measured = [(distance_m(point, (row["lon"], row["lat"])), int(row["site_id"])) for row in rows]
    distance, site_id = min(measured, default=(merge_m + 1, 0))
    return site_id if distance <= merge_m else None


def _overlapping(conn: Connection, sighting: Sighting, merge_iou: float) -> int | None:
    """Uncalibrated: the site of the same camera whose box overlaps most, at least ``merge_iou``."""
    rows = conn.execute(
        "select site_id, box_px from site where camera_id = %s and lon is null order by site_id desc limit 1000",
        (sighting.camera_id,),
    ).fetchall()
    measured = [(box_overlap(sighting.box_px, tuple(row["box_px"])), int(row["site_id"])) for row in rows]
    overlap, site_id = max(measured, default=(0.0, 0))
    return site_id if overlap >= merge_iou else None


def _present(row: dict[str, Any] | None) -> dict[str, Any]:
    if row is None:
        raise RuntimeError("a statement that must return a row returned none")
    return row
