"""Jobs that change hands by somebody's word: reassigned, escalated, set aside. On real servers."""

from dataclasses import replace

import pytest
import redis

import curbwatch.database as db
from alerts.dispatch import Dead, JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from alerts.record.steps import requeue
from alerts.store import AlertDatabase
from curbwatch.crew import Crew
from schemas.city import City
from schemas.errors import SinkError, UsageError
from schemas.incident import Job
from schemas.meter import NullMeter
from schemas.record import Actor
from tests.alerts.makers import city, departure, picture, sighting

pytestmark = pytest.mark.servers

LONG_S = 3600.0
DISPATCHER = Actor("chen", "dispatcher")


def sweepers() -> City:
    """A city of two waste crews, u-2 and u-3, always on duty."""
    whole = city()
    (cell,) = whole.cells.values()
    other = replace(cell, cell_id="512002001001002", units={"waste": "u-3"})
    units = whole.units | {"u-3": replace(whole.units["u-2"], unit_id="u-3")}
    return replace(whole, cells=whole.cells | {other.cell_id: other}, units=units)


@pytest.fixture
def picker() -> Picker:
    return Picker(sweepers, 300.0)


@pytest.fixture
def moves(database: AlertDatabase, picker: Picker) -> JobMoves:
    return JobMoves(database, picker)


@pytest.fixture
def relay(jobs: JobStore, queue: JobQueue, picker: Picker) -> Relay:
    return Relay(jobs, queue, NullMeter(), picker=picker)


@pytest.fixture
def job(incidents: IncidentStore, jobs: JobStore, relay: Relay) -> Job:
    """A job of u-2 in its stream."""
    told = incidents.open_or_refresh(sighting(unit_id="u-2"), None, picture())
    relay.once()
    found = jobs.of_incident(told.incident_id)
    assert found is not None
    return found


def crew(jobs: JobStore, queue: JobQueue, unit_id: str = "u-2", person: str = "li") -> Crew:
    return Crew(jobs, queue, unit_id, person, resend_s=LONG_S)


def last_step(incidents: IncidentStore, job: Job) -> tuple[str, str, dict[str, object]]:
    step = incidents.events(job.incident.incident_id)[-1]
    return step.actor, step.what, dict(step.detail)


def test_a_held_job_goes_to_another_unit_under_its_own_id(
    moves: JobMoves, jobs: JobStore, queue: JobQueue, relay: Relay, incidents: IncidentStore, job: Job
) -> None:
    crew(jobs, queue).take_next()
    moved = moves.reassign(job.job_id, DISPATCHER, "u-3", "lorry broke down")
    assert (moved.job_id, moved.unit_id, moved.state, moved.holder) == (job.job_id, "u-3", "queued", "")
    assert moved.incident.state == "dispatched"
    told = {"job": job.job_id, "from": "u-2", "to": "u-3", "reason": "lorry broke down", "holder": "li"}
    assert last_step(incidents, job) == ("chen", "reassigned", told)
    with pytest.raises(UsageError, match="not held by li"):
        jobs.done(job.job_id, "li")
    assert not jobs.lease_lost(job.job_id)
    relay.once()
    assert crew(jobs, queue).take_next() is None
    taken = crew(jobs, queue, "u-3", "wang").take_next()
    assert taken is not None
    assert (taken.job.job_id, taken.job.why) == (job.job_id, "reassigned")


def test_a_crew_that_draws_an_entry_of_a_job_that_was_moved_passes_it_over(
    moves: JobMoves, jobs: JobStore, queue: JobQueue, job: Job
) -> None:
    moves.reassign(job.job_id, DISPATCHER, "u-3", "nearer")
    assert crew(jobs, queue).take_next() is None
    assert jobs.find(job.job_id).state == "queued"


def test_a_move_that_makes_no_sense_is_refused(moves: JobMoves, jobs: JobStore, job: Job) -> None:
    for unit_id, reason, actor, said in (
        ("u-2", "nearer", DISPATCHER, "waits at u-2 already"),
        ("u-3", " ", DISPATCHER, "for a reason"),
        ("u-3", "nearer", Actor("deng", "auxiliary"), "auxiliary staff"),
    ):
        with pytest.raises(UsageError, match=said):
            moves.reassign(job.job_id, actor, unit_id, reason)
    assert jobs.find(job.job_id) == job


def test_a_job_that_has_ended_goes_nowhere(moves: JobMoves, jobs: JobStore, job: Job) -> None:
    jobs.take(job.job_id, "li")
    with pytest.raises(UsageError, match="is with li"):
        moves.escalate(job.job_id, DISPATCHER, "late")
    jobs.done(job.job_id, "li")
    with pytest.raises(UsageError, match="has ended"):
        moves.reassign(job.job_id, DISPATCHER, "u-3", "late")
    with pytest.raises(UsageError, match="no job"):
        moves.reassign("00000000-0000-0000-0000-000000000001", DISPATCHER, "u-3", "late")


def test_a_job_whose_object_left_is_withdrawn_when_it_is_taken_from_its_crew(
    moves: JobMoves, jobs: JobStore, incidents: IncidentStore, job: Job
) -> None:
    jobs.take(job.job_id, "li")
    incidents.depart(departure())
    assert moves.reassign(job.job_id, DISPATCHER, "u-3", "nearer").state == "withdrawn"
    assert last_step(incidents, job)[1] == "gone"


def test_what_nobody_takes_goes_to_the_next_unit_and_then_stays_urgent(
    moves: JobMoves, jobs: JobStore, incidents: IncidentStore, job: Job
) -> None:
    moved = moves.escalate(job.job_id, DISPATCHER, "nobody answers")
    assert (moved.unit_id, moved.urgency, moved.why) == ("u-3", "urgent", "escalated")
    moved = moves.escalate(job.job_id, DISPATCHER, "nobody answers")
    assert moved.unit_id == "u-3", "both had it: it stays where it is"
    actor, what, detail = last_step(incidents, job)
    assert (actor, what, detail["unit"], detail["reason"]) == ("chen", "escalated", "u-3", "nobody answers")
    assert [step.what for step in incidents.events(job.incident.incident_id)].count("reassigned") == 1
    assert incidents.show(job.incident.incident_id).urgent, "also when it comes back later"


def swept(url: str, job: Job, stage: str = "dispatch") -> None:
    with db.connect(url, autocommit=True) as conn:
        conn.execute(
            "insert into sweep_entry (incident_id, stage, round, limit_id, kind, day)"
            " values (%s, %s, 1, 'l', 'escalated', current_date)",
            (job.incident.incident_id, stage),
        )


def test_the_sweep_finds_nothing(moves: JobMoves) -> None:
    assert moves.follow_sweep() == 0
    assert moves.stuck() == []


def test_an_escalation_of_the_sweep_is_acted_on_once(
    moves: JobMoves, jobs: JobStore, incidents: IncidentStore, job: Job, desk_url: str
) -> None:
    swept(desk_url, job)
    assert moves.follow_sweep() == 1
    assert moves.follow_sweep() == 0
    assert jobs.find(job.job_id).unit_id == "u-3"
    actor, what, detail = last_step(incidents, job)
    assert (actor, what, detail["reason"], detail["stage"]) == ("relay", "reassigned", "escalated", "dispatch")


def test_what_a_crew_has_is_not_sent_on(moves: JobMoves, jobs: JobStore, job: Job, desk_url: str) -> None:
    swept(desk_url, job, "verify")
    assert moves.follow_sweep() == 0, "that stage waits for no crew"
    jobs.take(job.job_id, "li")
    swept(desk_url, job, "handle")
    assert moves.follow_sweep() == 0
    assert jobs.find(job.job_id).holder == "li"


def test_rework_puts_the_same_job_back(
    jobs: JobStore, queue: JobQueue, relay: Relay, database: AlertDatabase, job: Job
) -> None:
    first = crew(jobs, queue).take_next()
    assert first is not None
    with database.transaction() as conn:
        requeue(conn, job.job_id)
    assert jobs.find(job.job_id).holder == "li", "who has it keeps it"
    jobs.done(job.job_id, "li")
    with database.transaction() as conn:
        requeue(conn, job.job_id)
    relay.once()
    again = crew(jobs, queue, person="wang").take_next()
    assert again is not None
    assert (again.job.job_id, again.job.holder) == (job.job_id, "wang")
    assert jobs.counts() == {"taken": 1}


def draw(queue: JobQueue, times: int) -> None:
    """As many terminals die on the first entry of u-2 right after they drew it."""
    for index in range(times):
        assert queue.draw("u-2", f"dying-{index}") is not None


def test_an_entry_on_which_terminals_die_is_set_aside_and_its_job_is_not_lost(
    moves: JobMoves, jobs: JobStore, queue: JobQueue, relay: Relay, incidents: IncidentStore, job: Job
) -> None:
    draw(queue, 5)
    assert crew(jobs, queue).take_next() is None
    assert [one.job_id for one in moves.stuck()] == [job.job_id]
    assert jobs.find(job.job_id).stuck == "deliveries"
    assert queue.buried("u-2") == [Dead(job.job_id, "deliveries", 6)]
    assert crew(jobs, queue).take_next() is None
    jobs.new_epoch()
    for _ in range(2):
        relay.once()
    assert queue.buried("u-2") != [], "a new epoch forgets no dead entry"
    assert crew(jobs, queue).take_next() is None
    with pytest.raises(UsageError, match="auditor staff"):
        moves.unstick(job.job_id, Actor("feng", "auditor"))
    moves.unstick(job.job_id, DISPATCHER)
    assert last_step(incidents, job) == ("chen", "noted", {"job": job.job_id, "why": "requeued"})
    relay.once()
    taken = crew(jobs, queue).take_next()
    assert taken is not None
    assert (taken.job.job_id, taken.job.stuck) == (job.job_id, "")
    with pytest.raises(UsageError, match="not set aside"):
        moves.unstick(job.job_id, DISPATCHER)


def test_four_terminals_that_died_are_bad_luck(jobs: JobStore, queue: JobQueue, job: Job) -> None:
    draw(queue, 4)
    assert crew(jobs, queue).take_next() is not None
    assert queue.buried("u-2") == []


def test_a_job_set_aside_can_be_taken_by_name(moves: JobMoves, jobs: JobStore, job: Job) -> None:
    assert jobs.stick(job.job_id, "deliveries", 6)
    assert jobs.take(job.job_id, "li") is not None
    assert not jobs.stick(job.job_id, "deliveries", 6)
    assert moves.stuck() == []


def test_an_entry_that_leads_to_no_job_does_not_hold_up_the_others(
    jobs: JobStore, queue: JobQueue, job: Job, redis_url: str
) -> None:
    ended = "00000000-0000-0000-0000-000000000001"  # a job that was: nothing is wrong with its entry
    with redis.Redis.from_url(redis_url) as client:
        for forged in ("nonsense", "", ended):
            client.xadd("dispatch:u-2:urgent", {"job": forged})
    taken = crew(jobs, queue).take_next()
    assert taken is not None
    assert taken.job.job_id == job.job_id
    assert queue.buried("u-2") == [Dead("nonsense", "unreadable", 1), Dead("", "unreadable", 1)]


class AwayJobs(JobStore):
    """A database that goes away between the entry and its owner."""

    def take(self, job_id: str, person: str, *, again: bool = True, unit_id: str = "") -> Job | None:
        raise SinkError("database: gone", retryable=True)


def test_a_database_that_is_away_again_and_again_makes_no_poison(
    database: AlertDatabase, moves: JobMoves, jobs: JobStore, queue: JobQueue, job: Job
) -> None:
    away = AwayJobs(database, lease_s=60)
    for _ in range(12):
        with pytest.raises(SinkError):
            crew(away, queue).take_next()
    taken = crew(jobs, queue).take_next()
    assert taken is not None
    assert taken.job.job_id == job.job_id
    assert moves.stuck() == []
