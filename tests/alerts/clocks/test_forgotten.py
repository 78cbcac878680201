"""Suspensions past their end: told once each, and on the list. On a real database."""

from datetime import timedelta

import pytest

from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase
from schemas.record import State, What
from tests.alerts.clocks.made_desk import HOUR, Town, opened, step

pytestmark = pytest.mark.servers


def suspend(town: Town, incident_id: str, hours: float, **more: str) -> str:
    """Suspend a case for some hours from now by the town's clock; until when."""
    until = (town.at + timedelta(hours=hours)).isoformat()
    step(town.database, incident_id, What.SUSPENDED, State.SUSPENDED, until=until, reason="施工", **more)
    return until


def told(town: Town) -> list[tuple[str, str, int]]:
    return town.rows("select kind, stage, again::int from sweep_entry order by at, kind")


def test_the_lead_hears_once_of_each_suspension_that_is_over(database: AlertDatabase, incidents: IncidentStore) -> None:
    town = Town(database)
    incident_id = opened(incidents)
    until = suspend(town, incident_id, 10)
    assert town.look(9.9 * HOUR) == 0
    assert town.look(0.15 * HOUR) == town.look(0.15 * HOUR) + 1 == 1
    (detail,) = town.steps(What.ESCALATED)
    assert (detail["why"], detail["to"], detail["people"]) == ("forgotten", "duty_lead", ["p-lead"])
    assert (detail["due_at"][:19], detail["stage"]) == (until[:19], "handle")
    assert town.look(500 * HOUR) == 0
    step(database, incident_id, What.RESUMED, State.DISPATCHED)
    suspend(town, incident_id, 24)
    assert town.look(23 * HOUR) == 0
    assert town.look(1.1 * HOUR) == 1
    assert told(town) == [("red", "handle", 1), ("red", "handle", 2)]
    assert town.rows("select kind from sweep_entry where kind = 'escalated'") == []


def test_one_that_was_resumed_in_time_or_says_no_end_is_not_missed(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    town = Town(database)
    resumed, endless, ended = (opened(incidents, track_id) for track_id in (1, 2, 3))
    for incident_id in (resumed, ended):
        suspend(town, incident_id, 10)
    town.look()
    step(database, resumed, What.RESUMED, State.FILED)
    step(database, endless, What.SUSPENDED, State.SUSPENDED, reason="施工")
    step(database, ended, What.VOID, State.VOID)
    assert town.look(1000 * HOUR) == 0


def test_it_is_on_one_days_list_of_its_own_kind_and_its_stage_may_be_on_another(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    town = Town(database, sweep_at_min=0, chief_h=1000.0)
    incident_id = opened(incidents)
    suspend(town, incident_id, 10)
    for _ in range(3):
        town.look(24 * HOUR)
    lists = "select detail ->> 'list' from sweep_entry where kind = 'stuck' order by at"
    assert town.rows(lists) == [("forgotten",)]
    assert town.rows("select sum(cases) from sweep_day") == [(1,)]
    step(database, incident_id, What.RESUMED, State.HANDLING)
    for _ in range(2):
        town.look(24 * HOUR)
    assert town.rows(lists) == [("forgotten",), ("unclosed",)]
    suspend(town, incident_id, 1)
    for _ in range(2):
        town.look(24 * HOUR)
    assert town.rows(lists) == [("forgotten",), ("unclosed",), ("forgotten",)]
