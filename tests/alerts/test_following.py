"""Jobs that wait follow the duty: a shift ends, begins, or the rosters change. Once, whoever dies. On real servers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from alerts import crash
from alerts.clocks.store import CityTime, Clocks
from alerts.desk.listing import Asked, listed
from alerts.dispatch import JobQueue
from alerts.incidents.sos import SosDesk
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.rerouting import Rerouting
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.alarms import Call
from schemas.city import City
from schemas.hours import Hours
from schemas.incident import Job
from schemas.rules import HOLIDAY, CityRules, Duty
from tests.alerts.makers import MONDAY_1059, picture, sighting
from tests.alerts.test_pick import dispatches, duties
from tests.alerts.test_rerouting import CHEN, Bureau, DiedError, refusing

pytestmark = pytest.mark.servers

DAY = duties("u-2", off=("u-1", "u-3"))
NIGHT = duties("u-3", off=("u-1", "u-2"))
EMPTY_STREETS = duties(off=("u-1", "u-2", "u-3"))
BOTH = duties("u-2", "u-3", off=("u-1",))


def with_unit(whole: City) -> City:
    return replace(whole, units=whole.units | {"u-3": replace(whole.units["u-2"], unit_id="u-3")})


@pytest.fixture
def bureau(database: AlertDatabase, jobs: JobStore, queue: JobQueue) -> Bureau:
    return Bureau(database, jobs, queue, city=with_unit(DAY))


def waiting(bureau: Bureau, incidents: IncidentStore, track_id: int = 7) -> Job:
    """A job of u-2 in its stream."""
    seen = sighting(unit_id="u-2", track_id=track_id, box_px=(track_id * 150.0, 400.0, 100.0, 80.0))
    told = incidents.open_or_refresh(seen, None, picture(f"p{track_id}"))
    bureau.rounds()
    job = bureau.jobs.of_incident(told.incident_id)
    assert job is not None
    assert (job.unit_id, job.why) == ("u-2", "responsible")
    return job


def place(jobs: JobStore, job: Job) -> tuple[str, str]:
    found = jobs.find(job.job_id)
    return found.unit_id, found.why


def test_where_nothing_waits_nothing_follows(bureau: Bureau) -> None:
    following = Rerouting(bureau.database, bureau.picker)
    assert (following.follow(), following.follow()) == (0, 0)
    bureau.city = with_unit(NIGHT)
    assert following.follow() == 0


def test_what_waits_at_a_unit_whose_duty_ends_goes_to_the_one_on_duty_and_is_taken_once(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore
) -> None:
    first, second = (waiting(bureau, incidents, track_id) for track_id in (1, 2))
    bureau.crew("u-2", "zhao").take_next()  # the first: who has it in hand keeps it
    bureau.turn(with_unit(NIGHT))
    bureau.rounds()
    assert place(jobs, first) == ("u-2", "responsible")
    assert place(jobs, second) == ("u-3", "on_duty")
    assert [step["unit"] for step in dispatches(incidents, second)] == ["u-2", "u-3"]
    assert bureau.crew("u-2").take_next() is None
    taken = bureau.crew("u-3", "wang").take_next()
    assert taken is not None
    assert taken.job.job_id == second.job_id
    assert bureau.crew("u-3", "sun").take_next() is None
    assert jobs.counts() == {"taken": 2}


def test_a_job_for_which_nobody_is_on_duty_any_more_is_in_the_list_of_unrouted_ones_until_somebody_is(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, database: AlertDatabase
) -> None:
    job = waiting(bureau, incidents)
    bureau.turn(with_unit(EMPTY_STREETS))
    assert place(jobs, job) == ("u-2", "nobody")
    assert [one.row.incident_id for one in listed(database, Asked(unrouted=True))] == [job.incident.incident_id]
    bureau.rounds()
    assert len(dispatches(incidents, job)) == 2, "said once"
    bureau.turn(with_unit(DAY))
    assert place(jobs, job) == ("u-2", "responsible")
    assert listed(database, Asked(unrouted=True)) == []
    assert bureau.crew("u-2").take_next() is not None
    assert bureau.crew("u-2", "wang").take_next() is None


def test_a_job_goes_back_to_the_responsible_unit_when_that_is_on_duty_again(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore
) -> None:
    job = waiting(bureau, incidents)
    bureau.turn(with_unit(NIGHT))
    bureau.turn(with_unit(BOTH))
    assert place(jobs, job) == ("u-2", "responsible")
    assert bureau.crew("u-3").take_next() is None
    assert bureau.crew("u-2").take_next() is not None


def test_what_a_dispatcher_said_stays_whoever_goes_home(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore
) -> None:
    job = waiting(bureau, incidents)
    JobMoves(bureau.database, bureau.picker).reassign(job.job_id, CHEN, "u-3", "nearer")
    bureau.turn(with_unit(EMPTY_STREETS))
    bureau.turn(with_unit(DAY))
    assert place(jobs, job) == ("u-3", "reassigned")


def test_a_call_for_help_leaves_a_unit_that_goes_home_and_no_other(bureau: Bureau, jobs: JobStore) -> None:
    SosDesk(bureau.database, lambda: bureau.city).hear([Call("car-9", MONDAY_1059, (104.64, 30.12))])
    bureau.rounds()
    job = jobs.of_incident(listed(bureau.database, Asked())[0].row.incident_id)
    assert job is not None
    assert place(jobs, job) == ("u-2", "on_duty")
    bureau.turn(with_unit(NIGHT))
    assert place(jobs, job) == ("u-3", "on_duty")
    bureau.turn(with_unit(duties("u-1", "u-2", "u-3")))
    assert place(jobs, job) == ("u-3", "on_duty"), "the place is nobody's own there"


def test_a_shift_that_ends_by_the_clock_is_seen_at_the_next_look(
    database: AlertDatabase, jobs: JobStore, queue: JobQueue, incidents: IncidentStore
) -> None:
    every = frozenset(range(HOLIDAY + 1))
    rosters = (Duty("u-2", (Hours(every, 480, 1320),)), Duty("u-3", (Hours(every, 1320, 1920),)))
    at = [datetime(2026, 5, 4, 13, 55, tzinfo=UTC)]  # 21:55 in Shanghai
    bureau = Bureau(database, jobs, queue, city=replace(with_unit(BOTH), rules=CityRules(duties=rosters)))
    bureau.picker = Picker(lambda: bureau.city, 300.0, lambda: at[0])
    bureau.start()
    job = waiting(bureau, incidents)
    at[0] += timedelta(minutes=4)
    bureau.rounds()
    assert place(jobs, job) == ("u-2", "responsible")
    at[0] += timedelta(minutes=1)
    bureau.rounds()
    assert place(jobs, job) == ("u-3", "on_duty")
    at[0] += timedelta(hours=10)
    bureau.rounds()
    assert place(jobs, job) == ("u-2", "responsible")


def test_shifts_that_begin_and_end_add_up_for_a_job_that_stays_where_it_is(
    bureau: Bureau, incidents: IncidentStore, database: AlertDatabase
) -> None:
    job = waiting(bureau, incidents)
    clocks = Clocks(database, CityTime(lambda: bureau.city, take_s=36_000.0, sos_take_s=120.0))

    def since() -> datetime:
        clocks.do(datetime.now(UTC))
        with database.transaction() as conn:
            found: datetime = conn.execute("select since from incident_wait").fetchall()[0]["since"]
        return found

    first = since()
    for to in (EMPTY_STREETS, DAY):
        bureau.turn(with_unit(to))
        assert since() == first
    assert [step["why"] for step in dispatches(incidents, job)] == ["responsible", "nobody", "responsible"]
    bureau.turn(with_unit(NIGHT))
    assert since() > first


def test_many_that_wait_follow_in_steps(bureau: Bureau, jobs: JobStore, incidents: IncidentStore) -> None:
    found = [waiting(bureau, incidents, track_id) for track_id in range(1, 6)]
    following = Rerouting(bureau.database, bureau.picker)
    bureau.city = with_unit(NIGHT)
    assert following.follow(limit=2) == 5
    assert {place(jobs, job) for job in found} == {("u-3", "on_duty")}


def test_one_job_that_the_database_refuses_to_move_lets_all_others_follow(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, desk_url: str
) -> None:
    found = [waiting(bureau, incidents, track_id) for track_id in range(1, 5)]
    refused = sorted(found, key=lambda job: job.job_id)[1]
    following = Rerouting(bureau.database, bureau.picker)
    bureau.city = with_unit(NIGHT)
    with refusing(desk_url, "job", refused), capture_logs() as logs:
        assert (following.follow(limit=3), following.follow()) == (3, 0)
    assert [one["incident"] for one in logs if one["event"] == "reroute_refused"] == [refused.incident.incident_id]
    assert [place(jobs, job)[0] for job in found] == ["u-2" if job is refused else "u-3" for job in found]


@pytest.mark.parametrize("point", ["reassign_before_commit", "reassign_after_commit", "assign_after_commit"])
def test_a_relay_that_dies_in_between_moves_each_once_all_the_same(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, point: str
) -> None:
    job = waiting(bureau, incidents)
    died: list[str] = []

    def die(at: str) -> None:
        if at == point and not died:
            died.append(at)
            raise DiedError

    bureau.city = with_unit(NIGHT)
    with crash.hooked(die), pytest.raises(DiedError):
        bureau.rounds()
    bureau.database.close()
    bureau.start()
    bureau.rounds()
    assert [step["unit"] for step in dispatches(incidents, job)] == ["u-2", "u-3"]
    taken = bureau.crew("u-3").take_next()
    assert taken is not None
    assert bureau.crew("u-3", "wang").take_next() is None
    assert jobs.counts() == {"taken": 1}
