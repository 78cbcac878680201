"""What another look changes of an incident: it goes on, comes back, or goes to its crew again. One transaction."""

import uuid
from dataclasses import dataclass
from typing import Any

from alerts.incidents import pictures
from alerts.incidents.case_numbers import Numbering, case_no
from alerts.record.steps import DETECTOR, follow, make_job, record
from alerts.store import Connection
from schemas.incident import EvidenceRecord, Sighting
from schemas.record import State, What
from schemas.units import utc

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """The pictures of a sighting, on disk by now: the place before the thing came, and the thing."""

    before: EvidenceRecord | None
    opening: EvidenceRecord


def last_finished(conn: Connection, incident_id: uuid.UUID) -> Row | None:
    """When a crew last said that it is dealt with, and who."""
    return conn.execute(
        "select at, actor from incident_event where incident_id = %s and what = 'finished'"
        " order by event_id desc limit 1",
        (incident_id,),
    ).fetchone()


def refresh(conn: Connection, row: Row, sighting: Sighting, pair: Pair | None, *, same_track: bool) -> None:
    """An open incident whose thing is seen: back where it had left, with pictures where it had none, better known."""
    _back(conn, row, sighting)
    if row["opening_id"] is None and pair is not None:
        _bring_pictures(conn, row, sighting, pair)
    elif same_track:
        _reclass(conn, row, sighting)


def _back(conn: Connection, row: Row, sighting: Sighting) -> None:
    """Something stands again where a crew is on its way to, or a person is to look."""
    seen_at = utc(sighting.captured_ns)
    if row["left_at"] is None or row["left_at"] >= seen_at:
        return
    conn.execute("update incident set left_at = null, after_id = null where incident_id = %s", (row["incident_id"],))
    record(conn, row["incident_id"], DETECTOR, What.BACK, looked(sighting))


def looked(sighting: Sighting) -> dict[str, Any]:
    """What the record says of a look: camera, track, when."""
    at = utc(sighting.captured_ns).isoformat()
    return {"camera": sighting.camera_id, "track": sighting.track_id, "at": at}


def _show_at(conn: Connection, incident_id: uuid.UUID, sighting: Sighting) -> None:
    """Say where the thing is to be seen now: in this camera, this view, this box."""
    conn.execute(
        "update incident set camera_id = %s, track_id = %s, zone = %s, preset = %s, box_px = %s where incident_id = %s",
        (
            sighting.camera_id,
            sighting.track_id,
            sighting.zone,
            sighting.preset,
            [float(value) for value in sighting.box_px],
            incident_id,
        ),
    )


def _bring_pictures(conn: Connection, row: Row, sighting: Sighting, pair: Pair) -> None:
    """A camera sees what somebody had told of: it brings place, pictures and certainty; who decides stays."""
    incident_id = row["incident_id"]
    before = pictures.attach(conn, incident_id, pair.before, "before")
    opening = pictures.attach(conn, incident_id, pair.opening, "opening")
    lon, lat = sighting.point or (row["lon"], row["lat"])
    conn.execute(
        "update incident set before_id = %s, opening_id = %s, lon = %s, lat = %s, cell_id = %s,"
        " appeared_at = least(appeared_at, %s), party = case party when '' then %s else party end"
        " where incident_id = %s",
        (
            before,
            opening,
            lon,
            lat,
            sighting.cell_id or row["cell_id"],
            utc(sighting.appeared_ns),
            sighting.party,
            incident_id,
        ),
    )
    _show_at(conn, incident_id, sighting)
    detail = looked(sighting) | {"role": "opening"} | pictures.named(conn, opening)
    record(conn, incident_id, DETECTOR, What.EVIDENCE, detail)


def _reclass(conn: Connection, row: Row, sighting: Sighting) -> None:
    """A later look at the same thing that is at least as sure calls it another class of its family.

    A class that it once was does not come back: two that are alike would take turns. What a person called it stays.
    """
    if sighting.family != row["family"] or sighting.class_code == row["class_code"]:
        return
    if sighting.confidence < row["confidence"] - 1e-6:  # stored in single precision
        return
    told = conn.execute(
        "select 1 from incident_event where incident_id = %s and what = 'reclassed'"
        " and (role <> 'system' or detail ->> 'from' = %s) limit 1",
        (row["incident_id"], sighting.class_code),
    ).fetchone()
    if told is not None:
        return
    unit_id = sighting.unit_id or row["unit_id"]
    conn.execute(
        "update incident set class_code = %s, check_by = %s, unit_id = %s, rule_version = %s where incident_id = %s",
        (sighting.class_code, sighting.check, unit_id, sighting.rule_version, row["incident_id"]),
    )
    detail = looked(sighting) | {"from": row["class_code"], "to": sighting.class_code, "reason": "seen_better"}
    detail["rule"] = sighting.rule_version
    detail |= {"grave": True} if sighting.grave else {}
    if unit_id != row["unit_id"]:
        detail["to_unit"] = unit_id
        follow(conn, row["incident_id"], unit_id)
    record(conn, row["incident_id"], DETECTOR, What.RECLASSED, detail)


def reopen(conn: Connection, row: Row, sighting: Sighting, pair: Pair, numbering: Numbering) -> None:
    """What had ended goes on: its thing is there again, or one camera took for gone what another still sees.

    ``numbering``: the city's, for what is a case from now on.
    """
    incident_id = row["incident_id"]
    done = row["state"] == State.DONE
    number = case_no(conn, row, numbering) if sighting.direct else str(row["case_no"])
    picture = pictures.attach(conn, incident_id, pair.opening, "back")
    conn.execute(
        "update incident set closed_at = null, left_at = null, after_id = null, outcome = '', decided_by = '',"
        " reopenings = reopenings + 1, reworks = reworks + %s, unit_id = %s, direct = %s, case_no = %s,"
        " rule_version = %s where incident_id = %s",
        (int(done), sighting.unit_id, sighting.direct, number, sighting.rule_version, incident_id),
    )
    _show_at(conn, incident_id, sighting)
    why = "back" if utc(sighting.appeared_ns) > row["closed_at"] else "still_there"
    detail = looked(sighting) | {"why": why, "was": row["state"], "rework": done} | pictures.named(conn, picture)
    detail |= {"rule": sighting.rule_version} | ({"case_no": number} if sighting.direct else {})
    record(conn, incident_id, DETECTOR, What.REOPENED, detail, to=State.DISPATCHED if sighting.direct else State.VERIFY)
    if sighting.direct:
        make_job(conn, str(incident_id), sighting.unit_id, urgent=sighting.urgent)


def rework(conn: Connection, row: Row, sighting: Sighting, pair: Pair) -> None:
    """It stands there still, though a crew said that it is dealt with: the same job goes out again (返工)."""
    incident_id = row["incident_id"]
    finished = last_finished(conn, incident_id)
    picture = pictures.attach(conn, incident_id, pair.opening, "rework")
    conn.execute(
        "update incident set reworks = reworks + 1, left_at = null, after_id = null where incident_id = %s",
        (incident_id,),
    )
    detail = looked(sighting) | {"reason": "still_there", "finished_by": "" if finished is None else finished["actor"]}
    record(conn, incident_id, DETECTOR, What.REWORK, detail | pictures.named(conn, picture), to=State.DISPATCHED)
    make_job(conn, str(incident_id), row["unit_id"], urgent=row["urgent"])
