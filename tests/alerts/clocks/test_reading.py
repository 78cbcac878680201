"""Whose cases are over a limit: by who has the job, else by who is responsible."""

import pytest

from alerts.clocks.reading import ClockReader
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from tests.alerts.clocks.made_city import ALWAYS, limit, limited
from tests.alerts.clocks.made_desk import Town, opened

pytestmark = pytest.mark.servers
UNITS = ("u-1", "u-2", "u-3", "u-4")


def test_a_case_is_on_the_list_of_whoever_has_it_and_on_no_other(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    reader = ClockReader(database)
    assert [reader.overdue(unit) for unit in ("", *UNITS)] == [[], [], [], [], []]
    town = Town(
        database, limited(*(limit(s, stage=s, unit="natural_h") for s in ("verify", "handle")), calendar=ALWAYS)
    )
    names = {
        opened(incidents, 1, unit_id="u-1"): "had",
        opened(incidents, 2, unit_id="u-1"): "moved",
        opened(incidents, 3, unit_id="u-3", direct=False): "lead",
        opened(incidents, 4, unit_id="u-3"): "in time",
    }
    ids = {name: incident_id for incident_id, name in names.items()}
    town.look()
    with database.transaction() as conn:
        conn.execute("update job set unit_id = 'u-2' where incident_id = %s", (ids["moved"],))
        for hours, name in enumerate(("moved", "lead", "had"), start=1):
            conn.execute(
                "update incident_clock set due_at = now() - make_interval(hours => %s) where incident_id = %s",
                (hours, ids[name]),
            )

    def listed(unit: str, limit: int = 1000, *, soon: bool = False) -> list[tuple[str, str]]:
        found = reader.overdue(unit, limit=limit, soon=soon)
        assert all((case.late_s > 0) == (case.lamp == "red") for case in found)
        return [(names[case.incident.incident_id], case.unit_id) for case in found]

    everybodys = [("had", "u-1"), ("lead", "u-3"), ("moved", "u-2")]
    assert listed("") == everybodys
    assert listed("", limit=2) == everybodys[:2]
    assert [listed(unit) for unit in UNITS] == [everybodys[:1], everybodys[2:], everybodys[1:2], []]
    assert listed("u-1", limit=1) == everybodys[:1]
    with database.transaction() as conn:
        conn.execute("update incident_clock set yellow_at = now() where incident_id = %s", (ids["in time"],))
    assert listed("u-3", soon=True) == [("lead", "u-3"), ("in time", "u-3")]
