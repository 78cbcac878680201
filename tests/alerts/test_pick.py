"""The relay picks the unit by roster and live position, and the record says why. On real servers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import curbwatch.database as db
from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.pick import Picker
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from schemas.city import City
from schemas.hours import Hours
from schemas.incident import Job
from schemas.meter import NullMeter
from schemas.rules import HOLIDAY, CityRules, Duty
from tests.alerts.makers import city, picture, sighting

pytestmark = pytest.mark.servers

Park = Callable[..., None]
PLACE = (104.6405, 30.1205)
ALWAYS = (Hours(frozenset(range(HOLIDAY + 1)), 0, 1440),)
NEVER = replace(Duty("", ALWAYS), valid_to=datetime(2020, 1, 1, tzinfo=UTC).date())


def duties(*on: str, off: tuple[str, ...] = ()) -> City:
    """A city of waste crews u-2 and u-3 with these on and off duty."""
    whole = city()
    (cell,) = whole.cells.values()
    other = replace(cell, cell_id="512002001001002", units={"waste": "u-3"})
    rostered = [Duty(unit_id, ALWAYS) for unit_id in on] + [replace(NEVER, unit_id=unit_id) for unit_id in off]
    return replace(
        whole, cells=whole.cells | {other.cell_id: other}, rules=CityRules(duties=tuple(rostered)), units=whole.units
    )


@pytest.fixture
def park(desk_url: str) -> Park:
    """Put a vehicle of a unit so many metres north of the place, heard of so long ago."""

    def parked(vehicle_id: str, unit_id: str, north_m: float, age_s: float = 5.0) -> None:
        with db.connect(desk_url, autocommit=True) as conn:
            conn.execute(
                "insert into device (device_id, kind, unit_id, source) values (%s, 'vehicle', %s, 'pack')"
                " on conflict do nothing",
                (vehicle_id, unit_id),
            )
            conn.execute(
                "insert into device_health (device_id, kind, state, last_captured_at, lon, lat)"
                " values (%s, 'vehicle', 'online', now() - make_interval(secs => %s), %s, %s)"
                " on conflict (device_id) do update set lat = excluded.lat",
                (vehicle_id, age_s, PLACE[0], PLACE[1] + north_m / 111_320),
            )

    return parked


@pytest.fixture
def job(incidents: IncidentStore, jobs: JobStore) -> Job:
    """A job about waste at the place, for which u-2 is responsible."""
    told = incidents.open_or_refresh(sighting(unit_id="u-2", point=PLACE), None, picture())
    found = jobs.of_incident(told.incident_id)
    assert found is not None
    return found


def relayed(jobs: JobStore, queue: JobQueue, now: City) -> None:
    Relay(jobs, queue, NullMeter(), picker=Picker(lambda: now, 300.0)).once()


def dispatches(incidents: IncidentStore, job: Job) -> list[dict[str, Any]]:
    steps = incidents.events(job.incident.incident_id)
    return [dict(step.detail) for step in steps if step.what == "dispatched"]


def test_the_responsible_unit_on_duty_gets_it_and_the_record_says_so(
    incidents: IncidentStore, jobs: JobStore, queue: JobQueue, job: Job, park: Park
) -> None:
    park("c-2", "u-2", 120)
    park("c-3", "u-3", 5)
    relayed(jobs, queue, duties("u-2", "u-3"))
    found = jobs.find(job.job_id)
    assert (found.unit_id, found.why, found.vehicle_id) == ("u-2", "responsible", "c-2")
    assert found.distance_m == pytest.approx(120, abs=1)
    told = {"job": job.job_id, "unit": "u-2", "why": "responsible", "vehicle": "c-2", "distance_m": 120}
    assert dispatches(incidents, job) == [told]
    assert queue.draw("u-2", "li") is not None


def test_off_duty_the_job_goes_to_the_stream_of_the_nearest_peer(
    incidents: IncidentStore, jobs: JobStore, queue: JobQueue, job: Job, park: Park
) -> None:
    park("c-1", "u-1", 5)  # street enforcement: no sweeper
    park("c-3", "u-3", 900)
    relayed(jobs, queue, duties("u-1", "u-3", off=("u-2",)))
    found = jobs.find(job.job_id)
    assert (found.unit_id, found.why, found.vehicle_id) == ("u-3", "nearest", "c-3")
    assert queue.draw("u-2", "li") is None
    drawn = queue.draw("u-3", "li")
    assert drawn is not None
    assert drawn[2] == job.job_id
    assert found.incident.unit_id == "u-2", "who is responsible stays as it is"


def test_an_old_position_decides_nothing(jobs: JobStore, queue: JobQueue, job: Job, park: Park) -> None:
    park("c-3", "u-3", 900, age_s=400)
    relayed(jobs, queue, duties("u-3", off=("u-2",)))
    assert (jobs.find(job.job_id).why, jobs.find(job.job_id).distance_m) == ("on_duty", None)


def test_a_job_keeps_its_unit_while_that_is_on_duty_and_finds_another_when_it_is_not(
    incidents: IncidentStore, jobs: JobStore, queue: JobQueue, job: Job, park: Park
) -> None:
    park("c-3", "u-3", 50)
    relayed(jobs, queue, duties("u-2", "u-3"))
    jobs.take(job.job_id, "li")
    jobs.reject(job.job_id, "li", "no lorry")
    relayed(jobs, queue, duties("u-2", "u-3"))
    assert len(dispatches(incidents, job)) == 1
    jobs.take(job.job_id, "li")
    jobs.reject(job.job_id, "li", "shift is over")
    relayed(jobs, queue, duties("u-3", off=("u-2",)))
    assert (jobs.find(job.job_id).unit_id, len(dispatches(incidents, job))) == ("u-3", 2)


def test_an_entry_left_in_the_stream_of_another_unit_gives_it_nothing(
    jobs: JobStore, queue: JobQueue, job: Job
) -> None:
    relayed(jobs, queue, duties("u-3", off=("u-2",)))
    assert jobs.take(job.job_id, "li", unit_id="u-2") is None
    assert jobs.take(job.job_id, "li", unit_id="u-3") is not None


def test_a_job_that_somebody_holds_is_left_to_them_when_the_queue_begins_anew(
    jobs: JobStore, queue: JobQueue, job: Job
) -> None:
    relayed(jobs, queue, duties("u-2"))
    jobs.take(job.job_id, "li")
    jobs.new_epoch()
    for _ in range(2):
        relayed(jobs, queue, duties("u-3", off=("u-2",)))
    found = jobs.find(job.job_id)
    assert (found.unit_id, found.holder) == ("u-2", "li")


def test_a_moment_of_the_clock_decides(jobs: JobStore, queue: JobQueue, job: Job) -> None:
    late = duties("u-2")
    now = datetime.now(UTC) + timedelta(days=1)
    ending = replace(late.rules.duties[0], valid_to=now.date() - timedelta(days=3))
    late = replace(late, rules=CityRules(duties=(ending, Duty("u-3", ALWAYS))))
    picker = Picker(lambda: late, 300.0, lambda: now)
    Relay(jobs, queue, NullMeter(), picker=picker).once()
    assert jobs.find(job.job_id).unit_id == "u-3"
