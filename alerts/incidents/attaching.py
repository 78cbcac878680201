"""Complaints, patrols' and vehicles' findings: to the open incident they tell of, or to a new one. One transaction."""

import json
import uuid
from datetime import timedelta
from typing import Any

from alerts.incidents import near, sites
from alerts.incidents.locking import lock
from alerts.incidents.near import Places, Spot
from alerts.incidents.opening import insert
from alerts.incidents.sites import Rules
from alerts.messages import report_name
from alerts.record.steps import NAMESPACE, OPEN_STATES, record
from alerts.record.text import refuse_text
from alerts.store import Connection
from schemas.errors import SaidError
from schemas.incident import Report, Reported
from schemas.record import Actor, State, What
from schemas.units import M_PER_DEG

Row = dict[str, Any]
REF_MAX = 128  # characters of a number
AHEAD_MIN = 10  # minutes by which the clock of whoever tells may be ahead of the database's
MOST = 500  # open incidents near a report that are measured
# Open incidents it may tell of: near its point, in its camera, or, where either has no point, in its cell.
NEAR = """
select * from incident
where family = %(family)s and state = any(%(open)s)
    and %(at)s between appeared_at - %(hours)s and greatest(last_seen_at, reopened_at) + %(hours)s
    and (abs(lon - %(lon)s::float8) <= %(reach)s and abs(lat - %(lat)s::float8) <= %(reach)s
        or camera_id = %(camera)s and camera_id <> ''
        or (lon is null or %(lon)s::float8 is null) and cell_id = %(cell)s and cell_id <> '')
order by last_seen_at desc limit %(most)s
"""


def report(conn: Connection, told: Report, actor: Actor, rules: Rules) -> Reported:
    """Attach a report to the nearest open incident of its family, or open one that waits for a person on the spot.

    The same number twice is once. Raises UsageError where that is none, and for a moment that is still to come.
    """
    if not 0 < len(told.ref) <= REF_MAX or not told.ref.isprintable():
        raise SaidError(
            f"a {told.kind} needs its number, 1 to {REF_MAX} printable characters: --ref NO",
            f"{report_name(told.kind, 'zh')}须有编号,1 至 {REF_MAX} 个可见字符:--ref 编号",
        )
    for name, said in told.detail.items():
        refuse_text(str(said), f"--{name}")
    _refuse_ahead(conn, told)
    # Two at one moment, of one number or of one place, wait for each other; and so does a camera that sees it.
    keys = sites.lock_keys(told.camera_id, told.cell_id, told.point, rules.reach_m)
    sites.hold(conn, {*keys, *sites.wide_keys(told.camera_id, told.cell_id), f"{told.kind}/{told.ref}"})
    known = conn.execute(
        "select incident_id from attachment where kind = %s and ref = %s", (told.kind, told.ref)
    ).fetchone()
    if known is not None:
        return Reported(str(known["incident_id"]), opened=False, known=True)
    there = near.places(conn, _spot(told), rules)
    sites.hold_joined(conn, there.joined)  # before any row, as a camera does
    found = _nearest(conn, told, rules)
    incident_id = None if found is None else lock(conn, found)["incident_id"]
    if incident_id is not None and not _still_open(conn, incident_id):
        incident_id = None  # it ended at this moment
    opened = incident_id is None
    if incident_id is None:
        incident_id = _open(conn, told, actor, there)
    _keep(conn, incident_id, told)
    if not opened:
        record(conn, incident_id, actor, What.ATTACHED, {"kind": told.kind, "ref": told.ref})
    return Reported(str(incident_id), opened=opened, known=False)


def _refuse_ahead(conn: Connection, told: Report) -> None:
    """Raise UsageError for a report of a moment to come: nothing that is seen until then would belong to it."""
    row = conn.execute(
        "select 1 where %s > clock_timestamp() + make_interval(mins => %s)", (told.at, AHEAD_MIN)
    ).fetchone()
    if row is not None:
        raise SaidError(
            f"{told.kind} {told.ref} is of {told.at:%Y-%m-%d %H:%M%z}, which is still to come: give the moment at which"
            " it was told with its zone, --at 2026-05-04T10:59:00+08:00, or look at this machine's clock",
            f"{report_name(told.kind, 'zh')} {told.ref} 的时间 {told.at:%Y-%m-%d %H:%M%z} 尚未到:"
            "请给出带时区的接报时间,如 --at 2026-05-04T10:59:00+08:00,或检查本机时钟",
        )


def _still_open(conn: Connection, incident_id: uuid.UUID) -> bool:
    row = conn.execute("select state from incident where incident_id = %s", (incident_id,)).fetchone()
    return row is not None and row["state"] in OPEN_STATES


def _spot(told: Report) -> Spot:
    return Spot(told.point, told.camera_id, told.box_px)


def _nearest(conn: Connection, told: Report, rules: Rules) -> uuid.UUID | None:
    """The open incident that a report tells of; of those equally far the one seen last."""
    lon, lat = told.point or (None, None)
    rows = conn.execute(
        NEAR,
        {
            "family": told.family,
            "open": list(OPEN_STATES),
            "at": told.at,
            "hours": timedelta(hours=rules.knobs.attach_h),
            "lon": lon,
            "lat": lat,
            "reach": 2 * rules.knobs.attach_m / M_PER_DEG,
            "camera": told.camera_id,
            "cell": told.cell_id,
            "most": MOST,
        },
    ).fetchall()
    row = near.told_of(rows, _spot(told), told.cell_id, rules)
    return None if row is None else row["incident_id"]


def _open(conn: Connection, told: Report, actor: Actor, there: Places) -> uuid.UUID:
    """Open an incident that no camera has seen: it waits for a person, for whom a complaint is never enough."""
    # An open one has the place already, which was too long ago or too far to be this one.
    site_id = sites.free(conn, told.family, there.nearest)
    if site_id is None:
        site_id = sites.make(conn, told.cell_id, told.camera_id, told.point, told.box_px)
    incident_id = uuid.uuid5(NAMESPACE, f"report/{told.kind}/{told.ref}")
    lon, lat = told.point or (None, None)
    insert(
        conn,
        {
            "incident_id": incident_id,
            "family": told.family,
            "site_id": site_id,
            "class_code": told.class_code,
            "state": State.VERIFY,
            "camera_id": told.camera_id,
            "track_id": -1,
            "zone": "",
            "cell_id": told.cell_id,
            "unit_id": told.unit_id,
            "lon": lon,
            "lat": lat,
            "box_px": [float(value) for value in told.box_px or (0.0, 0.0, 0.0, 0.0)],
            "appeared_at": told.at,
            "opened_at": told.at,
            "last_seen_at": told.at,
            "sightings": 0,
            "confidence": 0.0,
            "rule_version": told.rule_version,
            "check_by": told.check,
            "urgent": told.urgent,
            "source": told.kind,
            "party": told.party,
        },
    )
    detail: dict[str, Any] = {"class": told.class_code, "zone": "", "source": told.kind, "ref": told.ref}
    detail["rule"] = told.rule_version
    detail |= {"grave": True} if told.grave else {}
    record(conn, incident_id, actor, What.OPENED, detail)
    return incident_id


def _keep(conn: Connection, incident_id: uuid.UUID, told: Report) -> None:
    lon, lat = told.point or (None, None)
    conn.execute(
        "insert into attachment (incident_id, kind, ref, at, lon, lat, detail)"
        " values (%s, %s, %s, %s, %s, %s, %s::jsonb)",
        (incident_id, told.kind, told.ref, told.at, lon, lat, json.dumps(dict(told.detail), ensure_ascii=False)),
    )
