"""A pack that drops a unit, or calls it otherwise: what waits there goes on, once, whoever dies. On real servers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

import curbwatch.database as db
from alerts import crash
from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.desk.listing import Asked, listed
from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.relay import TEND_S, Relay
from alerts.jobs.rerouting import AGAIN_S, Rerouting
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.crew import Crew
from schemas.city import City
from schemas.errors import SinkError
from schemas.incident import Job, Opened
from schemas.meter import NullMeter
from schemas.record import Actor
from tests.alerts.makers import CELL, city, picture, sighting

pytestmark = pytest.mark.servers

CHEN = Actor("chen", "dispatcher")


def before() -> City:
    return city()


def dropped(waste: str = "u-9") -> City:
    """The same without u-2, whose waste another unit has; empty: nobody."""
    whole = city()
    units = {"u-1": whole.units["u-1"], "u-9": replace(whole.units["u-2"], unit_id="u-9")}
    cell = replace(whole.cells[CELL], units={"stall": "u-1"} | ({"waste": waste} if waste else {}))
    return replace(whole, version="v2", units=units, cells={CELL: cell})


@dataclass
class Bureau:
    """A relay that can die and start again, and the pack that holds."""

    database: AlertDatabase
    jobs: JobStore
    queue: JobQueue
    city: City = field(default_factory=before)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.picker = Picker(lambda: self.city, 300.0)
        self.start()

    def start(self) -> None:
        self.relay = Relay(
            self.jobs,
            self.queue,
            NullMeter(),
            picker=self.picker,
            rerouting=Rerouting(self.database, self.picker, monotonic_s=lambda: self.now_s),
            monotonic_s=lambda: self.now_s,
        )

    def turn(self, to: City) -> None:
        """Another pack holds, and the relay has looked around."""
        self.city = to
        self.rounds()

    def rounds(self) -> None:
        for _ in range(3):
            self.now_s += TEND_S
            self.relay.once()

    def crew(self, unit_id: str, person: str = "li") -> Crew:
        return Crew(self.jobs, self.queue, unit_id, person, resend_s=3600.0)


@pytest.fixture
def bureau(database: AlertDatabase, jobs: JobStore, queue: JobQueue) -> Bureau:
    return Bureau(database, jobs, queue)


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


@pytest.fixture
def job(incidents: IncidentStore, jobs: JobStore) -> Job:
    """A job of u-2 in the outbox."""
    told = incidents.open_or_refresh(sighting(unit_id="u-2"), None, picture())
    found = jobs.of_incident(told.incident_id)
    assert found is not None
    return found


def moves_of(incidents: IncidentStore, job: Job) -> list[tuple[str, dict[str, object]]]:
    steps = incidents.events(job.incident.incident_id)
    return [
        (one.what, dict(one.detail))
        for one in steps
        if "unit_gone" in {one.detail.get("why"), one.detail.get("reason")}
    ]


def wait_unsent(_bureau: Bureau, _job: Job) -> None:
    """Not in any stream yet."""


def wait_sent(bureau: Bureau, _job: Job) -> None:
    bureau.rounds()


def draw_it(bureau: Bureau, job: Job) -> None:
    """A terminal drew the entry, and died before the job was its own."""
    bureau.rounds()
    drawn = bureau.queue.draw("u-2", "dying")
    assert drawn is not None
    assert drawn.job_id == job.job_id


def a_dispatcher_chose(bureau: Bureau, job: Job) -> None:
    bureau.rounds()
    moves = JobMoves(bureau.database, bureau.picker)
    moves.reassign(job.job_id, CHEN, "u-1", "nearer")
    moves.reassign(job.job_id, CHEN, "u-2", "no, them")


@pytest.mark.parametrize("how", [wait_unsent, wait_sent, draw_it, a_dispatcher_chose])
def test_a_job_that_waits_at_a_unit_that_is_gone_goes_to_who_is_responsible_now_once(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, job: Job, how: Callable[[Bureau, Job], None]
) -> None:
    how(bureau, job)
    bureau.turn(dropped())
    bureau.rounds()
    assert moves_of(incidents, job) == [
        ("reassigned", {"job": job.job_id, "from": "u-2", "to": "u-9", "reason": "unit_gone"})
    ]
    assert bureau.crew("u-2").take_next() is None
    taken = bureau.crew("u-9", "wang").take_next()
    assert taken is not None
    assert (taken.job.job_id, taken.job.unit_id, taken.job.why) == (job.job_id, "u-9", "responsible")
    assert taken.job.incident.unit_id == "u-9"
    assert bureau.crew("u-9", "zhao").take_next() is None
    assert jobs.counts() == {"taken": 1}


@pytest.mark.parametrize("shown", [False, True])
def test_a_job_that_a_crew_has_stays_theirs_and_given_back_goes_on(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, job: Job, conn: db.Connection, shown: bool
) -> None:
    bureau.rounds()
    taken = bureau.crew("u-2").take_next()
    assert taken is not None
    if shown:
        jobs.shown(job.job_id, "li")
    bureau.turn(dropped())
    held = jobs.find(job.job_id)
    assert (held.state, held.holder, held.unit_id, held.incident.unit_id) == ("taken", "li", "u-2", "u-9")
    assert [what for what, _ in moves_of(incidents, job)] == ["noted"]
    if shown:
        assert jobs.done(job.job_id, "li").state == "done"
        return
    conn.execute("update job set lease_until = now() - interval '1 s'")
    bureau.rounds()
    assert (jobs.find(job.job_id).state, jobs.find(job.job_id).unit_id) == ("queued", "u-9")


def test_a_case_that_waits_for_a_person_has_its_new_unit_when_they_confirm_it(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, database: AlertDatabase
) -> None:
    told = incidents.open_or_refresh(sighting(unit_id="u-2", direct=False), None, picture())
    bureau.turn(dropped())
    (step,) = incidents.events(told.incident_id)[1:]
    assert (step.what, dict(step.detail)) == ("noted", {"why": "unit_gone", "from": "u-2", "to": "u-9"})
    CaseActions(database, dropped).act(told.incident_id, Wish(Act.CONFIRM), CHEN)
    bureau.rounds()
    taken = bureau.crew("u-9").take_next()
    assert taken is not None
    assert taken.job.incident.incident_id == told.incident_id


def test_a_job_for_which_the_rules_name_nobody_is_in_the_list_of_unrouted_ones_and_said(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, job: Job, database: AlertDatabase
) -> None:
    bureau.rounds()
    with capture_logs() as logs:
        bureau.turn(dropped(waste=""))
        bureau.rounds()
    said = [one for one in logs if one["event"] == "case_rerouted"]
    assert [(one["unit"], one["to"]) for one in said] == [("u-2", "nobody")]
    assert "incident list --unrouted" in said[0]["remedy"]
    left = jobs.find(job.job_id)
    assert (left.state, left.unit_id, left.why, left.incident.unit_id) == ("queued", "", "nobody", "")
    found = listed(database, Asked(unrouted=True))
    assert [one.row.incident_id for one in found] == [job.incident.incident_id]
    JobMoves(database, bureau.picker).reassign(job.job_id, CHEN, "u-9", "they are near")
    bureau.rounds()
    assert bureau.crew("u-9").take_next() is not None


def test_a_unit_that_a_camera_names_as_its_own_is_known_and_one_that_is_set_aside_stays(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, job: Job, conn: db.Connection
) -> None:
    conn.execute("insert into device (device_id, kind, unit_id, source) values ('cam-1', 'camera', 'u-2', 'accepted')")
    bureau.turn(dropped())
    assert moves_of(incidents, job) == []
    conn.execute("delete from device")
    assert jobs.stick(job.job_id, "deliveries", 6)
    bureau.rounds()
    assert [what for what, _ in moves_of(incidents, job)] == ["noted"]
    JobMoves(bureau.database, bureau.picker).unstick(job.job_id, CHEN)
    bureau.rounds()
    assert jobs.find(job.job_id).unit_id == "u-9"


@contextmanager
def refusing(url: str, table: str, job: Job) -> Iterator[None]:
    """The database takes no other unit for one incident, or for its job."""
    only = f"check (incident_id <> '{job.incident.incident_id}' or unit_id = 'u-2') not valid"
    with db.connect(url, autocommit=True) as conn:
        conn.execute(f"alter table {table} add constraint refused {only}")
        try:
            yield
        finally:
            conn.execute(f"alter table {table} drop constraint refused")


def another(incidents: IncidentStore, track_id: int, unit_id: str) -> Opened:
    """A case beside the first one."""
    box = (track_id * 10.0, 0.0, 9.0, 9.0)
    return incidents.open_or_refresh(sighting(1, track_id=track_id, unit_id=unit_id, box_px=box), None, picture())


@pytest.mark.parametrize("table", ["incident", "job"])
def test_a_case_that_the_database_refuses_to_move_is_logged_once_and_holds_nothing_else_up(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, job: Job, desk_url: str, table: str
) -> None:
    bureau.rounds()
    others = [another(incidents, 8, "u-2"), another(incidents, 9, "u-1")]
    with refusing(desk_url, table, job), capture_logs() as logs:
        bureau.turn(dropped())
        found = [jobs.of_incident(one.incident_id) for one in others]
        assert [one and one.unit_id for one in found] == ["u-9", "u-1"]
        assert bureau.crew("u-1").take_next() is not None
        bureau.rounds()
    said = [one for one in logs if one["event"] == "reroute_refused"]
    assert [one["incident"] for one in said] == [job.incident.incident_id]
    assert "refused" in said[0]["error"]
    assert moves_of(incidents, job) == []
    bureau.now_s += AGAIN_S
    bureau.rounds()
    assert jobs.find(job.job_id).unit_id == "u-9"


def test_cases_that_are_refused_do_not_stand_before_all_others(
    bureau: Bureau, incidents: IncidentStore, job: Job, desk_url: str
) -> None:
    second = another(incidents, 8, "u-2")
    bureau.city = dropped()
    following = Rerouting(bureau.database, bureau.picker)
    with refusing(desk_url, "incident", job):
        assert [following.once(limit=1) for _ in range(3)] == [0, 1, 0]
    assert incidents.show(second.incident_id).unit_id == "u-9"


def test_a_database_that_is_away_is_no_refusal(
    bureau: Bureau, incidents: IncidentStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: object) -> None:
        raise SinkError("database: gone", retryable=True)

    monkeypatch.setattr(Rerouting, "_settle", away)
    with pytest.raises(SinkError, match="gone"):
        bureau.turn(dropped())
    monkeypatch.undo()
    bureau.rounds()
    assert len(moves_of(incidents, job)) == 1


class DiedError(BaseException):
    """The relay has ended."""


@pytest.mark.parametrize(
    "point",
    [f"{step}_{moment}" for step in ("reassign", "assign", "sent") for moment in ("before_commit", "after_commit")]
    + ["relay_before_xadd", "relay_after_xadd"],
)
def test_a_relay_that_dies_in_between_moves_it_once_all_the_same(
    bureau: Bureau, jobs: JobStore, incidents: IncidentStore, job: Job, point: str
) -> None:
    bureau.rounds()
    died: list[str] = []

    def die(at: str) -> None:
        if at == point and not died:
            died.append(at)
            raise DiedError

    bureau.city = dropped()
    with crash.hooked(die), pytest.raises(DiedError):
        bureau.rounds()
    bureau.database.close()
    bureau.start()
    bureau.rounds()
    assert [what for what, _ in moves_of(incidents, job)] == ["reassigned"]
    assert bureau.crew("u-2").take_next() is None
    taken = bureau.crew("u-9", "wang").take_next()
    assert taken is not None
    assert taken.job.job_id == job.job_id
    assert bureau.crew("u-9", "zhao").take_next() is None
    assert jobs.counts() == {"taken": 1}
