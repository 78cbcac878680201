"""A sighting on its way in: to the incident of its track or its place, or to a new one. Within one transaction."""

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from alerts.incidents import going_on, leaving, near, pictures, quiet, sites
from alerts.incidents.case_numbers import Numbering, case_no
from alerts.incidents.effects import STANDS_S, Effect, Past, effect_of, unseen
from alerts.incidents.going_on import Pair
from alerts.incidents.locking import lock
from alerts.incidents.near import Places, Spot, spot_of
from alerts.incidents.sites import Reach, Rules
from alerts.record.steps import DETECTOR, NAMESPACE, OPEN_STATES, make_job, record
from alerts.store import Connection
from schemas.alarms import SOS
from schemas.incident import Opened, Sighting
from schemas.record import State, What
from schemas.units import M_PER_DEG, utc

Row = dict[str, Any]
# What a report has told of and no camera has seen yet; near by, in the same camera, or, where either has no point, in
# the same cell.
WAITING_REPORT = """
select * from incident
where family = %(family)s and opening_id is null and state = any(%(open)s)
    and tstzrange(appeared_at - %(hours)s, greatest(last_seen_at, reopened_at) + %(hours)s)
        && tstzrange(%(from)s, %(to)s, '[]')
    and (abs(lon - %(lon)s::float8) <= %(reach)s and abs(lat - %(lat)s::float8) <= %(reach)s
        or camera_id = %(camera)s
        or (lon is null or %(lon)s::float8 is null) and cell_id = %(cell)s and cell_id <> '')
order by incident_id for no key update
"""


def see(conn: Connection, sighting: Sighting, rules: Rules, pair: Pair | None) -> Opened | None:
    """Do what a sighting does; None where it needs its pictures and has none (``pair``): keep them and say it again.

    With pictures the caller holds the locks of its place. Saying the same sighting twice changes nothing.
    """
    known = incident_of_track(conn, sighting)
    if known is not None:
        return _seen(conn, lock(conn, known), sighting, rules, pair, same_track=True)
    if pair is not None:
        return _new_track(conn, sighting, rules, pair)
    return _quiet(conn, sighting, rules)


def past_of(conn: Connection, row: Row) -> Past:
    """What is known of an incident's life, for what a look at its place means."""
    state, finished = State(row["state"]), None
    if state is State.CHECKING:
        finished = going_on.last_finished(conn, row["incident_id"])
    # Times of one clock, the cameras': where no camera told that it left, it stood at least when it was last seen.
    stood_at = stood_until(row) if state is State.DONE else row["closed_at"]
    return Past(
        state=state,
        check=row["check_by"],
        finished_at=None if finished is None else finished["at"],
        ended_at=(row["left_at"] or stood_at) if state is State.DONE else stood_at,
        seen_leaving=state in {State.GONE, State.CORRECTED} or row["left_at"] is not None,
    )


def stood_until(row: Row) -> datetime:
    """Up to when an incident's thing surely stood: it was last seen then, or a person said that the case goes on."""
    seen_at: datetime = row["last_seen_at"]
    return seen_at if row["reopened_at"] is None else max(seen_at, row["reopened_at"])


def _new_track(conn: Connection, sighting: Sighting, rules: Rules, pair: Pair) -> Opened:
    spot = _spot(sighting)
    found = near.places(conn, spot, rules)
    sites.hold_joined(conn, found.joined)
    row = _standing(conn, sighting, near.open_ones(conn, sighting.family, spot, rules, found.joined), rules)
    if row is not None:
        return present_opened(_seen(conn, row, sighting, rules, pair))
    if (hushed := _quiet(conn, sighting, rules)) is not None:
        return hushed
    if (row := _last_ended(conn, sighting, rules, pair, found)) is not None:
        return present_opened(_seen(conn, row, sighting, rules, pair))
    site_id = sites.free(conn, sighting.family, found.nearest)
    if site_id is None:
        site_id = sites.make(conn, sighting.cell_id, sighting.camera_id, spot.point, sighting.box_px)
    if (row := _reported(conn, sighting, rules)) is not None:
        conn.execute("update incident set site_id = %s where incident_id = %s", (site_id, row["incident_id"]))
        return present_opened(_seen(conn, row, sighting, rules, pair))
    incident_id = _insert(conn, sighting, site_id, pair, rules.numbering())
    if incident_id is None:  # this very thing, said before, and its incident has ended since
        return present_opened(_seen(conn, lock(conn, id_for(sighting, site_id)), sighting, rules, pair))
    _note(conn, incident_id, sighting)
    if sighting.direct and not _grace(sighting):
        make_job(conn, str(incident_id), sighting.unit_id, urgent=sighting.urgent)
    return Opened(str(incident_id), opened=True, sighting=sighting)


def _spot(sighting: Sighting) -> Spot:
    return Spot(sighting.point, sighting.camera_id, sighting.box_px)


def present_opened(told: Opened | None) -> Opened:
    """What a sighting with pictures always gives."""
    if told is None:
        raise RuntimeError("a sighting with its pictures was not stored")
    return told


def _seen(
    conn: Connection, row: Row, sighting: Sighting, rules: Rules, pair: Pair | None, *, same_track: bool = False
) -> Opened | None:
    """Do to an incident, locked, what a sighting of its thing does; None where that needs pictures and has none."""
    incident_id: uuid.UUID = row["incident_id"]
    effect = _effect(conn, row, sighting, rules, pair)
    if effect is Effect.REOPEN and (hushed := _quiet(conn, sighting, rules, row)) is not None:
        return hushed
    if pair is None and effect in {Effect.REOPEN, Effect.REWORK}:
        return None
    if effect is Effect.REOPEN and (other := open_beside(conn, row, rules)) is not None:
        return _seen(conn, other, sighting, rules, pair)  # its place has another one by now
    told = Opened(str(incident_id), opened=False, sighting=sighting)
    if not _note(conn, incident_id, sighting):
        return told
    conn.execute(
        "update incident set last_seen_at = greatest(last_seen_at, %s), sightings = sightings + 1,"
        " confidence = greatest(confidence, %s) where incident_id = %s",
        (utc(sighting.captured_ns), sighting.confidence, incident_id),
    )
    due = False
    if effect is Effect.REFRESH:
        going_on.refresh(conn, row, sighting, pair, same_track=same_track)
        due = _picture_due(conn, row, sighting, rules)
    elif effect is Effect.REOPEN and pair is not None:
        sites.settle(conn, row)
        going_on.reopen(conn, row, sighting, pair, rules.numbering())
    elif effect is Effect.REWORK and pair is not None:
        going_on.rework(conn, row, sighting, pair)
    return replace(told, reopened=effect is Effect.REOPEN, reworked=effect is Effect.REWORK, wants_picture=due)


def _effect(conn: Connection, row: Row, sighting: Sighting, rules: Rules, pair: Pair | None) -> Effect:
    received_at = None if pair is None else utc(pair.opening.received_ns)
    times = (utc(sighting.appeared_ns), utc(sighting.captured_ns))
    return effect_of(past_of(conn, row), *times, rules.knobs, received_at)


def _quiet(conn: Connection, sighting: Sighting, rules: Rules, row: Row | None = None) -> Opened | None:
    """Note a sighting at a quiet place (where it is, or where ``row``'s thing stood) with the incident that was meant.

    It does not change that.
    """
    if not quiet.any_quiet(conn, sighting):
        return None
    last = quiet.meant(conn, _spot(sighting) if row is None else spot_of(row), sighting, rules)
    if last is None:
        return None
    _note(conn, last, sighting, quiet=True)
    return Opened(str(last), opened=False, sighting=sighting, quiet=True)


def _note(conn: Connection, incident_id: uuid.UUID, sighting: Sighting, *, quiet: bool = False) -> bool:
    """Keep a sighting with its incident; whether it is news."""
    row = conn.execute(
        "insert into sighting (ts, camera_id, track_id, incident_id, family, confidence, dwell_s, box_px, quiet)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing returning ts",
        (
            utc(sighting.captured_ns),
            sighting.camera_id,
            sighting.track_id,
            incident_id,
            sighting.family,
            sighting.confidence,
            sighting.dwell_s,
            [float(value) for value in sighting.box_px],
            quiet,
        ),
    ).fetchone()
    return row is not None


def incident_of_track(conn: Connection, sighting: Sighting) -> uuid.UUID | None:
    """The incident a track belongs to, in whatever state: one standing thing is one incident, whatever it looks like.

    Times must overlap: after a lost detector state, track numbers begin again.
    """
    row = conn.execute(
        "select incident_id from sighting where camera_id = %s and track_id = %s and ts >= %s and not quiet"
        " order by ts desc limit 1",
        (sighting.camera_id, sighting.track_id, utc(sighting.appeared_ns)),
    ).fetchone()
    return None if row is None else row["incident_id"]


def _standing(conn: Connection, sighting: Sighting, near_by: Iterable[uuid.UUID], rules: Rules) -> Row | None:
    """The open incident that a thing belongs to, of those ``near_by``, locked; None where it is to have its own.

    One that was not seen for ``STANDS_S``, or ``reopen_s`` where that is longer, before this thing appeared is not
    about it: its departure was never told. It is closed as of when it was last seen, unless a crew is on its way
    there, a person is to check it, or no camera ever saw it. A person who reopens it says that it goes on: it counts
    as seen then.
    """
    for incident_id in near_by:
        row = lock(conn, incident_id)
        if row["state"] not in OPEN_STATES:
            continue  # it ended at this moment
        if row["opening_id"] is None or (row["state"] == State.CHECKING and row["check_by"] != "camera"):
            return row
        stood_at, least_s = stood_until(row), max(STANDS_S, rules.knobs.reopen_s)
        if not unseen(stood_at, utc(sighting.appeared_ns), least_s) or leaving.job_held(conn, row["incident_id"]):
            return row
        if not leaving.end(conn, row, stood_at, None, why="unseen"):
            return row
    return None


def open_beside(conn: Connection, row: Row, reach: Reach) -> Row | None:
    """The open incident that what is seen where an ended one's thing stood belongs to, locked.

    A call for help is its vehicle's, wherever that is by now: no other vehicle's call is beside it.
    """
    if row["family"] == SOS:
        beside = near.open_at(conn, SOS, row["site_id"])
    else:
        spot = spot_of(row)
        beside = near.open_ones(conn, row["family"], spot, reach, near.places(conn, spot, reach).joined)
    for incident_id in beside:
        other = lock(conn, incident_id)
        if other["state"] in OPEN_STATES:
            return other
    return None


def _last_ended(conn: Connection, sighting: Sighting, rules: Rules, pair: Pair, found: Places) -> Row | None:
    """Of the incidents that ended here and to which this look may belong, the one that ended last, locked."""
    since = utc(sighting.appeared_ns) - timedelta(seconds=rules.knobs.reopen_s)
    rows = near.ended_ones(conn, sighting.family, _spot(sighting), rules, found.joined, since)
    rows = [row for row in rows if _effect(conn, row, sighting, rules, pair) is not Effect.NEW]
    if not rows:
        return None
    last = max(rows, key=lambda row: past_of(conn, row).ended_at or row["opened_at"])
    row = lock(conn, last["incident_id"])
    return row if _effect(conn, row, sighting, rules, pair) is not Effect.NEW else None


def _reported(conn: Connection, sighting: Sighting, rules: Rules) -> Row | None:
    """The nearest open incident of this family that somebody told of near by and no camera has seen, locked."""
    lon, lat = sighting.point or (None, None)
    rows = conn.execute(
        WAITING_REPORT,
        {
            "family": sighting.family,
            "open": list(OPEN_STATES),
            "hours": timedelta(hours=rules.knobs.attach_h),
            "from": utc(sighting.appeared_ns),
            "to": utc(sighting.captured_ns),
            "lon": lon,
            "lat": lat,
            "reach": 2 * rules.knobs.attach_m / M_PER_DEG,
            "camera": sighting.camera_id,
            "cell": sighting.cell_id,
        },
    ).fetchall()
    return near.told_of(rows, _spot(sighting), sighting.cell_id, rules)


def id_for(sighting: Sighting, site_id: int) -> uuid.UUID:
    """The id of the incident that a thing opens at a site: saying it twice is saying it once."""
    return uuid.uuid5(NAMESPACE, f"{sighting.camera_id}/{sighting.family}/{site_id}/{sighting.appeared_ns}")


def _grace(sighting: Sighting) -> bool:
    """Whether its party may put it right first; what is urgent does not wait for them."""
    return sighting.grace_h > 0 and not sighting.urgent


def _insert(conn: Connection, sighting: Sighting, site_id: int, pair: Pair, numbering: Numbering) -> uuid.UUID | None:
    """Insert an incident, with its number where it goes out at once; its id, None where it was there before."""
    incident_id = id_for(sighting, site_id)
    grace = _grace(sighting)
    state = State.GRACE if grace else State.DISPATCHED if sighting.direct else State.VERIFY
    lon, lat = sighting.point or (None, None)
    opened_at = utc(sighting.captured_ns)
    values = {
        "incident_id": incident_id,
        "family": sighting.family,
        "site_id": site_id,
        "class_code": sighting.class_code,
        "state": state,
        "camera_id": sighting.camera_id,
        "track_id": sighting.track_id,
        "zone": sighting.zone,
        "cell_id": sighting.cell_id,
        "unit_id": sighting.unit_id,
        "lon": lon,
        "lat": lat,
        "box_px": [float(value) for value in sighting.box_px],
        "preset": sighting.preset,
        "appeared_at": utc(sighting.appeared_ns),
        "opened_at": opened_at,
        "last_seen_at": opened_at,
        "confidence": sighting.confidence,
        "rule_version": sighting.rule_version,
        "check_by": sighting.check,
        "urgent": sighting.urgent,
        "direct": sighting.direct,
        "party": sighting.party,
        "grace_until": opened_at + timedelta(hours=sighting.grace_h) if grace else None,
    }
    if not insert(conn, values):
        return None
    before = pictures.attach(conn, incident_id, pair.before, "before")
    opening = pictures.attach(conn, incident_id, pair.opening, "opening")
    number = case_no(conn, values | {"case_no": ""}, numbering) if state is State.DISPATCHED else ""
    conn.execute(
        "update incident set before_id = %s, opening_id = %s, case_no = %s where incident_id = %s",
        (before, opening, number, incident_id),
    )
    detail: dict[str, Any] = {"class": sighting.class_code, "zone": sighting.zone, "source": "camera"}
    detail["rule"] = sighting.rule_version
    detail |= {"case_no": number} if number else {}
    detail |= {"grave": True} if sighting.grave else {}
    record(conn, incident_id, DETECTOR, What.OPENED, detail | pictures.named(conn, opening))
    return incident_id


def insert(conn: Connection, values: Row) -> bool:
    """Insert an incident's row; False where its id was there before."""
    names = ", ".join(values)
    marks = ", ".join(f"%({name})s" for name in values)
    row = conn.execute(
        f"insert into incident ({names}) values ({marks}) on conflict (incident_id) do nothing returning 1",  # noqa: S608
        values,
    ).fetchone()
    return row is not None


def _picture_due(conn: Connection, row: Row, sighting: Sighting, rules: Rules) -> bool:
    """Whether a second picture of a standing thing is due, from the camera of the first."""
    least = timedelta(minutes=rules.knobs.standing_min)
    seen_at = utc(sighting.captured_ns)
    if row["opening_id"] is None or sighting.camera_id != row["camera_id"] or seen_at - row["opened_at"] < least:
        return False
    since = pictures.standing_since(conn, row["incident_id"])
    return since is not None and seen_at - since >= least
