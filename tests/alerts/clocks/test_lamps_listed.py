"""The lamp stands twice: in SQL, where the desk's list is made, and in the rule of clocks. They are one rule."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.clocks.projection import lamp_at
from alerts.desk.listing import LISTED
from alerts.incidents.store import IncidentStore
from alerts.record.steps import OPEN_STATES
from alerts.store import AlertDatabase
from tests.alerts.makers import picture, sighting

WORST = ("red", "yellow", "green")
PUT = (
    "insert into incident_clock (incident_id, stage, round, limit_id, started_at, yellow_at, due_at, ended_at, paused,"
    " limit_s, rule_version) values (%s, 'verify', 1, %s, now() - interval '9 h', %s, %s, %s, %s, 60, 'v')"
)


@dataclass(frozen=True)
class Drawn:
    """A clock: when it turns, in µs from now; None: it stands still."""

    yellow_us: int | None
    due_us: int | None
    ended: bool
    paused: bool


# The exact moment, one microsecond beside it on either side, and any.
MOMENTS = st.none() | st.sampled_from((-1, 0, 1)) | st.integers(-7_200_000_000, 7_200_000_000)
CLOCKS = st.lists(st.builds(Drawn, MOMENTS, MOMENTS, st.booleans(), st.booleans()), max_size=3)


def by_rule(clocks: list[Drawn], now: datetime) -> str | None:
    """The worst lamp of what runs and has a limit; None: nothing does."""

    def at(moment_us: int | None) -> datetime | None:
        return None if moment_us is None else now + timedelta(microseconds=moment_us)

    lamps = {
        lamp_at(at(one.yellow_us), at(one.due_us), now)
        for one in clocks
        if not one.ended and not one.paused and one.due_us is not None
    }
    return next((lamp for lamp in WORST if lamp in lamps), None)


@pytest.fixture
def seen(incidents: IncidentStore) -> str:
    return incidents.open_or_refresh(sighting(), None, picture("seen")).incident_id


@pytest.mark.servers
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clocks=CLOCKS)
def test_the_lists_lamp_is_that_of_the_rule_at_every_moment(
    database: AlertDatabase, seen: str, clocks: list[Drawn]
) -> None:
    with database.transaction() as conn:  # in which now() stands still
        row = conn.execute("select now() as at").fetchone()
        assert row is not None
        now: datetime = row["at"]
        conn.execute("delete from incident_clock where incident_id = %s", (seen,))
        for number, one in enumerate(clocks):
            turns = [None if us is None else now + timedelta(microseconds=us) for us in (one.yellow_us, one.due_us)]
            conn.execute(PUT, (seen, str(number), *turns, now if one.ended else None, one.paused))
        told = conn.execute(LISTED + "true", {"open": list(OPEN_STATES)}).fetchall()
    assert [row["lamp"] for row in told] == [by_rule(clocks, now)]
