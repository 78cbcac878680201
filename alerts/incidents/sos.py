"""Calls for help: a vehicle's alarm becomes an urgent incident at once, one open per vehicle (domain.md row 55)."""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog

from alerts.deciding.place import cell_of
from alerts.incidents.locking import call_key
from alerts.incidents.opening import insert
from alerts.record.steps import NAMESPACE, OPEN_STATES, make_job, record
from alerts.store import AlertDatabase, Connection
from schemas.alarms import SOS, SOS_CLASS, Call
from schemas.city import City
from schemas.errors import SinkError
from schemas.place import CameraView
from schemas.record import Actor, State, What
from schemas.units import utc

log = structlog.get_logger()

PRESSED_S = 600.0  # s by the device's clock for which a button that was never let go is one call, after it was ended
INTAKE = Actor("intake", "system")


class SosDesk:
    """Opens, and keeps fresh, the incidents of calls for help. Only a person ends one.

    Its incident has the vehicle's id where others have their camera's, and a site of the vehicle's own.
    """

    def __init__(self, database: AlertDatabase, city: Callable[[], City]) -> None:
        self._database = database
        self._city = city

    def hear(self, calls: Iterable[Call]) -> int:
        """Take calls, each as often as it comes; how many incidents were opened by them. No calls open none.

        Raises SinkError, retryable, where the database is away: the positions that brought them must not be
        acknowledged then. A call that the database refuses for good is logged, and holds nothing else up.
        """
        opened = 0
        for call in sorted(calls, key=lambda one: one.at_ns):
            try:
                opened += self._hear(call)
            except SinkError as error:
                if error.retryable:
                    raise
                log.exception("sos_refused", vehicle=call.vehicle_id, remedy="call the vehicle; please report this")
        return opened

    def _hear(self, call: Call) -> bool:
        at = utc(call.at_ns)
        with self._database.transaction() as conn:
            # Two positions of one vehicle at one moment, or two processes, must not make two of one call.
            conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", (call_key(call.vehicle_id),))
            site_id = _site(conn, call.vehicle_id)
            if site_id is not None and _known(conn, site_id, call, at):
                return False
            incident_id = self._open(conn, call, at, site_id)
        if incident_id is None:
            return False
        log.warning("sos", vehicle=call.vehicle_id, incident=str(incident_id))
        return True

    def _open(self, conn: Connection, call: Call, at: datetime, site_id: int | None) -> uuid.UUID | None:
        city = self._city()
        row = conn.execute("select unit_id, cell_id from device where device_id = %s", (call.vehicle_id,)).fetchone()
        unit_id = (row or {"unit_id": ""})["unit_id"] or next(iter(city.units), "")
        cell_id = cell_of(city, CameraView(call.vehicle_id), call.point)
        if site_id is None:
            site_id = _make_site(conn, call.vehicle_id, cell_id)
        incident_id = uuid.uuid5(NAMESPACE, f"sos/{call.vehicle_id}/{call.at_ns}")
        lon, lat = call.point or (None, None)
        values = {
            "incident_id": incident_id,
            "family": SOS,
            "site_id": site_id,
            "class_code": SOS_CLASS,
            "state": State.DISPATCHED,
            "camera_id": call.vehicle_id,
            "track_id": 0,
            "zone": "",
            "cell_id": cell_id,
            "unit_id": unit_id,
            "lon": lon,
            "lat": lat,
            "box_px": [0.0, 0.0, 0.0, 0.0],
            "appeared_at": at,
            "opened_at": at,
            "last_seen_at": at,
            "confidence": 1.0,
            "rule_version": city.version,
            "urgent": True,
            "direct": True,
            "source": "vehicle",
        }
        if not insert(conn, values):
            return None  # this very position, said before
        detail = {"class": SOS_CLASS, "source": "vehicle", "alarm": SOS, "rule": city.version}
        record(conn, incident_id, INTAKE, What.OPENED, detail)
        make_job(conn, str(incident_id), unit_id, urgent=True)
        return incident_id


def _site(conn: Connection, vehicle_id: str) -> int | None:
    row = conn.execute(
        "select site_id from site where camera_id = %s and lon is null order by site_id limit 1", (vehicle_id,)
    ).fetchone()
    return None if row is None else int(row["site_id"])


def _make_site(conn: Connection, vehicle_id: str, cell_id: str) -> int:
    """A site without a place: it drives about, and nothing that a camera sees is merged with it."""
    row = conn.execute(
        "insert into site (cell_id, camera_id, box_px) values (%s, %s, '{0,0,0,0}') returning site_id",
        (cell_id, vehicle_id),
    ).fetchone()
    return int((row or {"site_id": 0})["site_id"])


def _known(conn: Connection, site_id: int, call: Call, at: datetime) -> bool:
    """Whether a call belongs to an incident that is there; an open one is brought up to date.

    The times of the same device are compared, never its clock with ours: a slow clock must not swallow a call. What is
    from before the last one's end, as a message that comes twice, is no news.
    """
    lon, lat = call.point or (None, None)
    open_one = conn.execute(
        "update incident set sightings = sightings + 1,"
        " lon = case when last_seen_at <= %(at)s then coalesce(%(lon)s, lon) else lon end,"
        " lat = case when last_seen_at <= %(at)s then coalesce(%(lat)s, lat) else lat end,"
        " last_seen_at = greatest(last_seen_at, %(at)s)"
        " where family = 'sos' and site_id = %(site)s and state = any(%(open)s)"
        " returning incident_id, state, unit_id",
        {"at": at, "lon": lon, "lat": lat, "site": site_id, "open": list(OPEN_STATES)},
    ).fetchone()
    if open_one is not None:
        if open_one["state"] not in {State.DISPATCHED, State.HANDLING}:
            _send_again(conn, open_one)
        return True
    ended = conn.execute(
        "select incident_id, last_seen_at from incident where family = 'sos' and site_id = %s"
        " order by last_seen_at desc limit 1",
        (site_id,),
    ).fetchone()
    if ended is None:
        return False
    let_go = conn.execute(
        "select 1 from position where device_id = %s and ts > %s and ts < %s and not %s = any(alarms) limit 1",
        (call.vehicle_id, ended["last_seen_at"], at, SOS),
    ).fetchone()
    return let_go is None and at - ended["last_seen_at"] <= timedelta(seconds=PRESSED_S)


def _send_again(conn: Connection, row: dict[str, Any]) -> None:
    """Put the job of an open call in its queue, whoever laid the case aside: it calls on, and nobody is on the way."""
    record(conn, row["incident_id"], INTAKE, What.RESUMED, {"why": "calls"}, to=State.DISPATCHED)
    make_job(conn, str(row["incident_id"]), row["unit_id"], urgent=True)
