"""Every case has its number, however it became one; a lead has none."""

import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from tests.alerts.lives import confirm, later, leave, say
from tests.alerts.makers import sighting

pytestmark = pytest.mark.servers


def test_what_goes_out_by_itself_is_a_case_with_its_number_and_a_lead_has_none(
    incidents: IncidentStore, database: AlertDatabase, desk_url: str
) -> None:
    direct = say(incidents, sighting())
    late = say(incidents, sighting(grace_h=2, track_id=1, box_px=(0.0, 0.0, 50.0, 50.0)))
    lead = say(incidents, sighting(direct=False, track_id=2, box_px=(300.0, 0.0, 50.0, 50.0)))
    assert incidents.show(late.incident_id).case_no == ""
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute("update incident set grace_until = now() where incident_id = %s", (late.incident_id,))
    incidents.end_grace()
    leave(incidents, track_id=2)
    assert incidents.show(lead.incident_id).case_no == ""
    again = later(600, box_px=(300.0, 0.0, 50.0, 50.0))
    assert say(incidents, again).incident_id == lead.incident_id
    numbers = []
    for one in (direct, late, lead):
        row, last = incidents.show(one.incident_id), incidents.events(one.incident_id)[-1]
        assert row.case_no.startswith("512002"), last.what
        assert last.detail["case_no"] == row.case_no
        numbers.append(int(row.case_no[14:]))
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    confirm(database, waiting := say(incidents, sighting(direct=False, track_id=3, box_px=(500.0, 0.0, 50.0, 50.0))))
    assert int(incidents.show(waiting.incident_id).case_no[14:]) == numbers[2] + 1, "one sequence"
