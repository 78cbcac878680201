"""Incidents in the database: one open row per family and site, with evidence, events, job and outbox."""

import json
import math
import uuid
from datetime import datetime, timedelta
from typing import Any

from alerts.place import distance_m
from alerts.rows import event_row, evidence_row, incident_row
from alerts.steps import DETECTOR, NAMESPACE, OPEN_STATES, close_gone, make_job, record
from alerts.store import AlertDatabase, Connection, id_of
from schemas.errors import UsageError
from schemas.incident import Box, Departure, EvidenceRecord, IncidentEvent, IncidentRow, Opened, Sighting
from schemas.record import Actor, State, What
from schemas.units import M_PER_DEG, utc

TILE_DEG = 0.001  # about 100 m: makers of sites wait for each other within a tile, not within the city
STANDS_S = 600.0  # captured s after its last sighting for which a thing that has not been seen leaving counts as there


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
        with self._database.transaction("open") as conn:
            # Makers of sites of one place wait for each other: two cameras must not make two sites of one thing.
            for key in lock_keys(sighting, self._merge_m):
                conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", (key,))
            known = _incident_of_track(conn, sighting)
            if known is None:
                site_id = self._site(conn, sighting)
                known, opened = _insert(conn, sighting, site_id, before, opening)
            else:
                opened = False
            _attach(conn, known, sighting, opened=opened)
            if opened and sighting.direct:
                make_job(conn, str(known), sighting.unit_id, urgent=sighting.urgent)
        return Opened(str(known), opened, sighting)

    def refresh(self, sighting: Sighting) -> Opened | None:
        """Attach a sighting of a track that has an incident; None where it has none: keep its evidence and open one."""
        with self._database.transaction() as conn:
            known = _incident_of_track(conn, sighting)
            if known is None:
                return None
            _attach(conn, known, sighting, opened=False)
        return Opened(str(known), opened=False, sighting=sighting)

    def depart(self, departure: Departure) -> str | None:
        """Close the incident of a track whose object left; its id where this closed it, else None.

        It stays open while another track that was merged into it still stands. A job that nobody took yet is
        withdrawn; a crew that is on its way keeps its job and is not called back by a machine: the record says that
        the object left, and the crew closes; given back, the job is withdrawn. Saying the same departure twice
        changes nothing.
        """
        left_at = utc(departure.captured_ns)
        with self._database.transaction("depart") as conn:
            # Not before it appeared: after a lost detector state, track numbers begin again.
            row = conn.execute(
                "select incident_id from sighting where camera_id = %s and track_id = %s and ts between %s and %s"
                " order by ts desc limit 1",
                (departure.camera_id, departure.track_id, utc(departure.appeared_ns), left_at),
            ).fetchone()
            if row is None or not _open(conn, row["incident_id"]):
                return None
            incident_id = row["incident_id"]
            held = _job_held(conn, incident_id)
            _note_left(conn, incident_id, departure)
            if _others_stand(conn, incident_id, departure):
                return None
            if held:
                conn.execute("update incident set left_at = %s where incident_id = %s", (left_at, incident_id))
                return None
            close_gone(conn, incident_id, left_at)
            return str(incident_id)

    def confirm(self, incident_id: str, person: str, *, urgent: bool = False) -> IncidentRow:
        """A person says that a waiting incident is real: its job goes out. Raises UsageError in any other state."""
        with self._database.transaction("confirm") as conn:
            row = _view(conn, incident_id)
            # The condition, not the row read above, decides: another person may confirm at this moment.
            changed = conn.execute(
                "update incident set decided_by = %s where incident_id = %s and state = 'verify' returning unit_id",
                (person, row["incident_id"]),
            ).fetchone()
            if changed is None:
                state = _view(conn, incident_id)["state"]
                raise UsageError(f"incident {incident_id} is {state}, not waiting for a decision")
            actor = Actor(person, "dispatcher")
            record(conn, row["incident_id"], actor, What.CONFIRMED, {"urgent": urgent}, to=State.DISPATCHED)
            make_job(conn, str(row["incident_id"]), changed["unit_id"], urgent=urgent)
        return self.show(incident_id)

    def show(self, incident_id: str) -> IncidentRow:
        """One incident. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            return incident_row(_view(conn, incident_id))

    def events(self, incident_id: str) -> list[IncidentEvent]:
        """Every step of an incident, oldest first. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            found = _view(conn, incident_id)["incident_id"]
            rows = conn.execute(
                "select at, actor, what, detail from incident_event where incident_id = %s order by event_id", (found,)
            ).fetchall()
        return [event_row(row) for row in rows]

    def evidence(self, incident_id: str) -> list[EvidenceRecord]:
        """The pictures of an incident, the one before first. Raises UsageError where there is none of this id."""
        with self._database.transaction() as conn:
            found = _view(conn, incident_id)
            rows = conn.execute(
                "select * from evidence where evidence_id = any(%s) order by evidence_id = %s desc",
                ([found["before_id"], found["opening_id"]], found["before_id"]),
            ).fetchall()
        return [evidence_row(row) for row in rows]

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
        """Find the site of a sighting, or make one; under the locks of its place."""
        if sighting.point is not None:
            found = _near(conn, sighting.point, self._merge_m)
        else:
            found = _overlapping(conn, sighting, self._merge_iou)
        if found is not None:
            return found
        lon, lat = sighting.point or (None, None)
        row = conn.execute(
            "insert into site (cell_id, camera_id, lon, lat, box_px) values (%s, %s, %s, %s, %s) returning site_id",
            (sighting.cell_id, sighting.camera_id, lon, lat, [float(value) for value in sighting.box_px]),
        ).fetchone()
        return int(_present(row)["site_id"])


def box_overlap(one: Box, other: Box) -> float:
    """Intersection over the smaller area, 0..1; 0 where a box has no area."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    smaller = min(one[2] * one[3], other[2] * other[3])
    return max(width, 0.0) * max(height, 0.0) / smaller if smaller > 0 else 0.0


def lock_keys(sighting: Sighting, merge_m: float) -> list[str]:
    """Name what a maker of a site at this place must hold: of any two whose sites may be one, a key is the same.

    A calibrated sighting names the tiles within ``merge_m`` of its point, sorted, so that two makers never wait for
    each other crosswise; an uncalibrated one, which only merges with its own camera's, names the camera.
    """
    if sighting.point is None:
        return [f"camera/{sighting.camera_id}"]
    lon, lat = sighting.point
    reach_deg = merge_m / M_PER_DEG
    columns = _tiles(lon, reach_deg / max(math.cos(math.radians(lat)), 0.01))
    return sorted(f"tile/{column}/{row}" for column in columns for row in _tiles(lat, reach_deg))


def unseen(last_seen_at: datetime, appeared_at: datetime) -> bool:
    """Whether a thing was last seen so long before another one appeared at its place that it must have left."""
    return appeared_at - last_seen_at > timedelta(seconds=STANDS_S)


def _tiles(degrees: float, reach_deg: float) -> range:
    return range(math.floor((degrees - reach_deg) / TILE_DEG), math.floor((degrees + reach_deg) / TILE_DEG) + 1)


def _view(conn: Connection, incident_id: str) -> dict[str, Any]:
    """Row of ``incident_view``. Raises UsageError where there is none."""
    key = id_of(incident_id, "an incident")
    row = conn.execute("select * from incident_view where incident_id = %s", (key,)).fetchone()
    if row is None:
        raise UsageError(f"no incident {incident_id}: see `curbwatch incident list`")
    return row


def _open(conn: Connection, incident_id: uuid.UUID) -> bool:
    """Whether an incident is open; if so, nobody else changes it before the caller's transaction ends.

    Whoever locks an incident and its job locks the incident first.
    """
    row = conn.execute("select state from incident where incident_id = %s for no key update", (incident_id,)).fetchone()
    return row is not None and row["state"] in OPEN_STATES


def _job_held(conn: Connection, incident_id: uuid.UUID) -> bool:
    """Whether a crew holds the job of an incident; locked before it is judged: one may be taking it at this moment."""
    job = conn.execute("select state from job where incident_id = %s for update", (incident_id,)).fetchone()
    return job is not None and job["state"] == "taken"


def _note_left(conn: Connection, incident_id: uuid.UUID, departure: Departure) -> None:
    """Record that one track's object left, once."""
    at = utc(departure.captured_ns).isoformat()
    detail = {"camera": departure.camera_id, "track": departure.track_id, "at": at}
    known = conn.execute(
        "select 1 from incident_event where incident_id = %s and what = 'left' and detail = %s::jsonb",
        (incident_id, json.dumps(detail)),
    ).fetchone()
    if known is None:
        record(conn, incident_id, DETECTOR, What.LEFT, detail)


def _others_stand(conn: Connection, incident_id: uuid.UUID, departure: Departure) -> bool:
    """Whether another track of the incident was seen lately and has not left.

    Another one is also what came later under the same number, after a lost detector state.
    """
    left_at = utc(departure.captured_ns)
    seen_after = left_at - timedelta(seconds=STANDS_S)
    row = conn.execute(
        "select 1 from sighting s where s.incident_id = %s and s.ts > %s"
        " and ((s.camera_id, s.track_id) <> (%s, %s) or s.ts > %s)"
        " and not exists (select from incident_event e where e.incident_id = s.incident_id and e.what = 'left'"
        " and e.detail ->> 'camera' = s.camera_id and (e.detail ->> 'track')::bigint = s.track_id"
        " and (e.detail ->> 'at')::timestamptz >= s.ts) limit 1",
        (incident_id, seen_after, departure.camera_id, departure.track_id, left_at),
    ).fetchone()
    return row is not None


def _attach(conn: Connection, incident_id: uuid.UUID, sighting: Sighting, *, opened: bool) -> None:
    """Note a sighting of an incident; one that is noted already changes nothing."""
    fresh = conn.execute(
        "insert into sighting (ts, camera_id, track_id, incident_id, family, confidence, dwell_s, box_px)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing returning ts",
        (
            utc(sighting.captured_ns),
            sighting.camera_id,
            sighting.track_id,
            incident_id,
            sighting.family,
            sighting.confidence,
            sighting.dwell_s,
            [float(value) for value in sighting.box_px],
        ),
    ).fetchone()
    if fresh is None or opened:
        return
    seen_at = utc(sighting.captured_ns)
    conn.execute(
        "update incident set last_seen_at = greatest(last_seen_at, %s), sightings = sightings + 1,"
        " confidence = greatest(confidence, %s) where incident_id = %s",
        (seen_at, sighting.confidence, incident_id),
    )
    back = conn.execute(
        "update incident set left_at = null where incident_id = %s and left_at < %s and state = any(%s) returning 1",
        (incident_id, seen_at, list(OPEN_STATES)),
    ).fetchone()
    if back is not None:
        detail = {"camera": sighting.camera_id, "track": sighting.track_id, "at": seen_at.isoformat()}
        record(conn, incident_id, DETECTOR, What.BACK, detail)


def _incident_of_track(conn: Connection, sighting: Sighting) -> uuid.UUID | None:
    """The incident a track belongs to, in whatever state: one standing thing is one incident, whatever it looks like.

    Times must overlap: after a lost detector state, track numbers begin again.
    """
    row = conn.execute(
        "select incident_id from sighting where camera_id = %s and track_id = %s and ts >= %s order by ts desc limit 1",
        (sighting.camera_id, sighting.track_id, utc(sighting.appeared_ns)),
    ).fetchone()
    return None if row is None else row["incident_id"]


def _insert(
    conn: Connection, sighting: Sighting, site_id: int, before: EvidenceRecord | None, opening: EvidenceRecord
) -> tuple[uuid.UUID, bool]:
    """Insert an incident unless its site has an open one of the family; its id, and whether it is new."""
    held = _standing(conn, sighting, site_id)
    if held is not None:
        return held, False
    key = f"{sighting.camera_id}/{sighting.family}/{site_id}/{sighting.appeared_ns}"
    incident_id = uuid.uuid5(NAMESPACE, key)
    lon, lat = sighting.point or (None, None)
    row = conn.execute(
        "insert into incident (incident_id, family, site_id, class_code, state, camera_id, track_id, zone, cell_id,"
        " unit_id, lon, lat, box_px, appeared_at, opened_at, last_seen_at, confidence, before_id, opening_id,"
        " rule_version, check_by, urgent, party)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " on conflict (incident_id) do nothing returning incident_id",
        (
            incident_id,
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
            [float(value) for value in sighting.box_px],
            utc(sighting.appeared_ns),
            utc(sighting.captured_ns),
            utc(sighting.captured_ns),
            sighting.confidence,
            None if before is None else _evidence(conn, before),
            _evidence(conn, opening),
            sighting.rule_version,
            sighting.check,
            sighting.urgent,
            sighting.party,
        ),
    ).fetchone()
    if row is None:
        return incident_id, False  # this very thing, said before, and its incident has ended since
    record(conn, incident_id, DETECTOR, What.OPENED, {"class": sighting.class_code, "zone": sighting.zone})
    return incident_id, True


def _standing(conn: Connection, sighting: Sighting, site_id: int) -> uuid.UUID | None:
    """The open incident that a thing at this site belongs to, locked; None where it is to have its own.

    One that was not seen for ``STANDS_S`` before this thing appeared is not about it: its departure was never told.
    It is closed as of when it was last seen, unless a crew is on its way there.
    """
    row = conn.execute(
        "select incident_id, last_seen_at from incident where family = %s and site_id = %s and state = any(%s)"
        " for no key update",
        (sighting.family, site_id, list(OPEN_STATES)),
    ).fetchone()
    if row is None:
        return None
    incident_id: uuid.UUID = row["incident_id"]
    if not unseen(row["last_seen_at"], utc(sighting.appeared_ns)) or _job_held(conn, incident_id):
        return incident_id
    close_gone(conn, incident_id, row["last_seen_at"], why="unseen")
    return None


def _evidence(conn: Connection, record: EvidenceRecord) -> int:
    row = conn.execute(
        "insert into evidence (sha256, camera_id, captured_at, received_at, size_bytes) values (%s, %s, %s, %s, %s)"
        " on conflict (sha256) do update set sha256 = excluded.sha256 returning evidence_id",
        (record.sha256, record.camera_id, utc(record.captured_ns), utc(record.received_ns), record.size_bytes),
    ).fetchone()
    return int(_present(row)["evidence_id"])


def _near(conn: Connection, point: tuple[float, float], merge_m: float) -> int | None:
    """Nearest calibrated site within ``merge_m`` metres, on either side of a cell's border."""
    reach_deg = 2 * merge_m / M_PER_DEG  # a box that surely holds the circle at any latitude below 60 degrees
    rows = conn.execute(
        "select site_id, lon, lat from site where lon between %s and %s and lat between %s and %s",
        (point[0] - reach_deg, point[0] + reach_deg, point[1] - reach_deg, point[1] + reach_deg),
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
