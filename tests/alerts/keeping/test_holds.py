"""Holds: who, why, until when; told in the record, never without a reason."""

import pytest

from alerts.keeping import holds
from schemas.errors import UsageError
from schemas.record import Actor
from tests.alerts.keeping.world import DAY, NOW, World

# Of one edition: nothing here differs between them.
pytestmark = [pytest.mark.servers, pytest.mark.parametrize("kept_url", ["apache"], indirect=True)]
NOBODY = "00000000-0000-0000-0000-000000000000"
LI = Actor("李雷", "dispatcher")


def steps(world: World, incident_id: str) -> list[tuple[str, str, str]]:
    found = world.rows(
        "select actor, what, detail ->> 'reason' as why from incident_event where incident_id = %s order by seq",
        (incident_id,),
    )
    return [(row[0], row[1], row[2]) for row in found]


def test_nothing_is_held_at_first(world: World) -> None:
    with world.database.transaction() as conn:
        assert holds.holds(conn) == []
        assert not holds.held(conn, NOBODY)
        with pytest.raises(UsageError, match=f"no incident {NOBODY}"):
            holds.hold_incident(conn, NOBODY, LI, "why")


def test_a_hold_and_its_release_are_steps_of_the_record(world: World) -> None:
    incident = world.incident(DAY)
    with world.database.transaction() as conn:
        first = holds.hold_incident(conn, incident, LI, " the court asks ")
        holds.hold_incident(conn, incident, Actor("韩梅梅", "auditor"), "a complaint")
    with world.database.transaction() as conn:
        holds.release(conn, first, LI, "the court is done")
        assert holds.held(conn, incident)
        assert holds.release_incident(conn, incident, LI, "all of it") == 1
        assert not holds.held(conn, incident)
        assert [(hold.person, hold.released_by) for hold in holds.holds(conn, released=True)] == [
            ("韩梅梅", "李雷"),
            ("李雷", "李雷"),
        ]
    assert steps(world, incident) == [
        ("李雷", "held", "the court asks"),
        ("韩梅梅", "held", "a complaint"),
        ("李雷", "released", "the court is done"),
        ("李雷", "released", "all of it"),
    ]


def test_what_was_merged_into_a_held_incident_is_held(world: World) -> None:
    into = world.incident(DAY)
    other = world.incident(DAY, state="merged", merged_into=into)
    with world.database.transaction() as conn:
        holds.hold_incident(conn, into, LI, "the court asks")
        assert holds.held(conn, other)


def test_a_hold_needs_a_reason_a_device_and_a_span(world: World) -> None:
    incident = world.incident(DAY)
    world.device("cam-1")
    with world.database.transaction() as conn:
        for act in (holds.hold_incident, holds.release_incident):
            with pytest.raises(UsageError, match="reason" if act is holds.hold_incident else "not held"):
                act(conn, incident, LI, "  ")
        with pytest.raises(UsageError, match="turn them round"):
            holds.hold_device(conn, "cam-1", NOW, NOW, "李雷", "why")
        with pytest.raises(UsageError, match="no device 'cam-9'"):
            holds.hold_device(conn, "cam-9", NOW - DAY, NOW, "李雷", "why")
        with pytest.raises(UsageError, match="there is no hold 99"):
            holds.release(conn, 99, LI, "why")


def test_a_hold_is_released_once(world: World) -> None:
    world.device("cam-1")
    with world.database.transaction() as conn:
        number = holds.hold_device(conn, "cam-1", NOW - DAY, NOW, "李雷", "why")
        holds.release(conn, number, LI, "over")
        with pytest.raises(UsageError, match=f"ended hold {number}"):
            holds.release(conn, number, LI, "again")
