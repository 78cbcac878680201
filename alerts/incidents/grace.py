"""The grace in which a thing's party may put it right (劝诫): what did not become right by its end becomes a case."""

from datetime import datetime
from typing import Any

from alerts.deciding.permits import permit_for
from alerts.incidents.case_numbers import Numbering, case_no
from alerts.record.steps import DETECTOR, make_job, record
from alerts.store import Connection
from schemas.city import City
from schemas.record import State, What

MOST = 200  # incidents of one transaction


def end_grace(conn: Connection, numbering: Numbering, city: City | None = None) -> int:
    """Move incidents whose grace is over on by the database's clock: to a person, or to a crew; how many.

    ``numbering``: the city's, for what goes to a crew. Where a permit of ``city`` holds by now a person decides,
    whatever the class says: whether a stall that came too early is let off is no question of hours. Saying it twice
    changes nothing. One that is busy at this moment has its turn at the next call.
    """
    rows = conn.execute(
        "select incident_id, family, unit_id, urgent, direct, case_no, cell_id, camera_id, zone, lon, lat, now() as at"
        " from incident"
        " where state = 'grace' and grace_until <= now() order by grace_until limit %s for no key update skip locked",
        (MOST,),
    ).fetchall()
    for row in rows:
        permit_id = "" if city is None else _permit(city, row, row["at"])
        detail = {"permit": permit_id} if permit_id else {}
        direct = row["direct"] and not permit_id
        if direct:
            number = case_no(conn, row, numbering)
            conn.execute("update incident set case_no = %s where incident_id = %s", (number, row["incident_id"]))
            detail = {"unit": row["unit_id"], "case_no": number}
        state = State.DISPATCHED if direct else State.VERIFY
        record(conn, row["incident_id"], DETECTOR, What.GRACE_OVER, detail, to=state)
        if direct:
            make_job(conn, str(row["incident_id"]), row["unit_id"], urgent=row["urgent"])
    return len(rows)


def _permit(city: City, row: dict[str, Any], when: datetime) -> str:
    """The permit under which such a thing may stand there now, for whatever class of its family; empty: none."""
    point = None if row["lon"] is None else (row["lon"], row["lat"])
    codes = [code for code, case in city.classes.items() if case.family == row["family"]]
    permits = (permit_for(city, row["family"], when, point, row["camera_id"], row["zone"], code=code) for code in codes)
    return next((permit.permit_id for permit in permits if permit is not None), "")
