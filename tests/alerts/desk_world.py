"""A street, and everybody who works on what stands in it, in one process: any of them may die at any named point.

What a process knows dies with it; the database, the queue, the disk, and what a screen has shown stay. Whoever died
comes back, and says again what its caller would say again.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import redis

import curbwatch.database as db
from alerts import crash
from alerts.clocks.store import CityTime, Clocks
from alerts.deciding.decide import Decider
from alerts.desk.actions import CaseActions, Given
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.before import BeforeRing
from alerts.incidents.evidence import EvidenceFolder
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.relay import TEND_S, Relay
from alerts.record.seals import Sealer
from config.alerts import AlertKnobs
from curbwatch.journal import DecisionJournal
from curbwatch.teller import Teller
from schemas.city import Check, City, Unit
from schemas.detections import Phase
from schemas.errors import UsageError
from schemas.incident import Job
from schemas.meter import NullMeter
from schemas.record import Actor
from schemas.units import ns_of
from tests.alerts.made_desk import parts
from tests.alerts.makers import CELL, LEFT, S, frame, standing, times, view
from tests.alerts.makers import city as small_city

CREWS = {"li": 0, "wang": 0, "zhao": 1, "sun": 1}  # whose terminals, and of which unit
PLACES = 8
FRAME_S = 120  # between two frames; longer than a dwell, so that a new thing came after the last frame
SOON_S, LATE_S = FRAME_S, 7200  # after which a thing comes back: to the same incident, or to one of its own
LEAD = Actor("chief", "duty_lead")
# What a person may say of the oldest case that is in one of these states.
ACTS = {
    Act.CONFIRM: ("grace", "verify", "filed"),
    Act.FILE: ("grace", "verify"),
    Act.VOID: ("verify", "filed", "dispatched", "handling"),
    Act.SUSPEND: ("filed", "dispatched", "handling", "checking"),
    Act.RESUME: ("suspended",),
    Act.CLOSE: ("checking",),
    Act.REWORK: ("checking",),
}
T = TypeVar("T")


class DiedError(BaseException):
    """A process has ended; nothing of it may catch this."""


@dataclass
class Death:
    """Where processes die: at which passage of each point. ``died``: where they did; ``passed`` counts all."""

    at: Mapping[str, int] = field(default_factory=dict)
    died: list[str] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    passages_left: int = 0

    def __call__(self, point: str) -> None:
        self.passed[point] += 1
        self.passages_left -= 1
        if self.passages_left == 0 or self.passed[point] == self.at.get(point):
            self.died.append(point)
            raise DiedError(point)

    def soon(self, passages: int) -> None:
        """Let somebody die at the n-th passage of whatever point from now on."""
        self.passages_left = passages


@dataclass
class Thing:
    """What stands at a place, or stood. ``settled``: a crew's word closed it as it stood, and nobody checks that."""

    place: int
    track_id: int
    family: str
    appeared_ns: int
    standing: bool = True
    told: bool = False  # that it is gone
    settled: bool = False


@dataclass
class Screen:
    """A crew's terminal, which keeps on disk what it shows: ``held`` is the job on it; ``shown`` counts each time."""

    held: str = ""
    place: int = -1
    shown: Counter[str] = field(default_factory=Counter)


def town(tag: str, check: Check, grace_h: float) -> City:
    """Waste goes out at once, stalls wait for a person, after their grace if any; ``check`` says who checks work."""
    city = small_city()
    classes = {
        code: replace(case, check=check, grace_h=grace_h if case.family == "stall" else 0.0)
        for code, case in city.classes.items()
    }
    first, second = (f"{tag}-{number}" for number in (0, 1))
    cell = replace(city.cells[CELL], units={"*": first, "waste": second})
    return replace(city, classes=classes, cells={CELL: cell}, units={u: Unit(u, u, u) for u in (first, second)})


def box_of(place: int) -> tuple[float, float, float, float]:
    return (20.0 + 70.0 * place, 400.0, 50.0, 50.0)


def place_of(x_px: float) -> int:
    return round((x_px - 20.0) / 70.0)


class World:
    """Streets, processes and people; ``death`` is told every point.

    Each world is a quarter of its own in one city, with camera, units and crews of its own: nothing has to be emptied.
    """

    def __init__(
        self, database_url: str, redis_url: str, folder: Path, *, check: Check = "none", grace_h: float = 0.0
    ) -> None:
        self.tag = uuid.uuid4().hex[:8]
        self.city = town(self.tag, check, grace_h)
        self.units = tuple(self.city.units)
        self.camera = f"cam-{self.tag}"
        self.view = view(camera_id=self.camera, zones=(LEFT,), cell_id=CELL)
        self.death = Death()
        self.things: dict[int, Thing] = {}
        self.tracks = 0
        self.screens = {name: Screen() for name in CREWS}
        self.now_ns = ns_of(datetime.now(UTC) + timedelta(hours=2))
        self.monotonic_s = 0.0
        self.said = 0
        self.folder = folder
        self.client = redis.Redis.from_url(redis_url)
        self.client.flushdb()
        self.conn = db.connect(database_url, autocommit=True)
        self.parts = parts(database_url, redis_url)
        self._begin()

    def _begin(self) -> None:
        """What every process is when it starts."""
        database, meter = self.parts.database, NullMeter()
        decider = Decider(self.city, AlertKnobs(refresh_s=0))
        evidence, ring = EvidenceFolder(self.folder / "evidence"), BeforeRing(8, 1.0, 90.0, 1_000_000)
        self.decider = decider
        self.teller = Teller(self.parts.incidents, decider, ring, evidence, DecisionJournal(self.folder), meter)
        picker = Picker(lambda: self.city, 300.0)
        self.moves = JobMoves(database, picker)
        jobs, queue = self.parts.jobs, self.parts.queue
        self.relay = Relay(jobs, queue, meter, picker=picker, monotonic_s=lambda: self.monotonic_s)
        self.sealer = Sealer(database)
        self.clocks = Clocks(database, CityTime(lambda: self.city, take_s=1800.0, sos_take_s=120.0))
        self.desk = CaseActions(database, lambda: self.city)

    def close(self) -> None:
        """Leave nothing for the next world to do."""
        self.conn.execute(
            "update job set state = 'withdrawn' where unit_id = any(%s) and state in ('queued', 'taken')",
            (list(self.units),),
        )
        self.parts.close()
        self.client.close()
        self.conn.close()

    def alive(self, work: Callable[[], T]) -> T | None:
        """Let somebody work; None where they died of it, and all that they knew is gone."""
        try:
            with crash.hooked(self.death):
                return work()
        except DiedError:
            # One connection serves all, and goes with whoever dies: its locks and its open transaction as well.
            self.parts.database.close()
            self._begin()
            return None

    def insist(self, work: Callable[[], T]) -> T:
        """The same, said again by its caller until somebody lives to do it."""
        done: list[T] = []
        while not done:
            self.alive(lambda: done.append(work()))
        return done[0]

    def through(self, step: Callable[[], object]) -> None:
        """A step of a story, which goes on once nobody died of it."""
        deaths = -1
        while deaths != (deaths := len(self.death.died)):
            step()

    # The street

    def come(self, place: int, family: str) -> None:
        self.tracks += 1
        self.things[place] = Thing(place, self.tracks, family, self.now_ns + (FRAME_S - 90) * S)

    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * S

    def look(self) -> None:
        """One frame: everything in it is decided and told; what was not told is told by a later frame."""
        self.now_ns += FRAME_S * S
        self.alive(self._see)

    def _see(self) -> None:
        for thing in sorted(self.things.values(), key=lambda one: one.place):
            if thing.told:
                continue
            phase = Phase.STANDING if thing.standing else Phase.GONE
            row = standing(
                track_id=thing.track_id,
                phase=phase,
                box_px=box_of(thing.place),
                appeared_ns=thing.appeared_ns,
                dwell_s=(self.now_ns - thing.appeared_ns) / S,
                family=thing.family,
            )
            picture = frame(b"\xff\xd8%d\xff\xd9" % thing.track_id, self.now_ns, self.camera)
            told = self.decider.decide(row, times(self.now_ns, self.camera), {self.camera: self.view})
            for sighting in told.sightings:
                self.teller.say(sighting, picture)
            for departure in told.departures:
                self.teller.leave(departure, picture)
            thing.told = not thing.standing
            assert len(told.sightings) + len(told.departures) == 1

    # The crews

    def unit_of(self, person: str) -> str:
        return self.units[CREWS[person]]

    def take(self, person: str) -> None:
        """Ask for a job, if there is none on the screen, and show it."""
        screen = self.screens[person]
        if not screen.held:
            self.alive(lambda: self._take(person, screen))

    def _take(self, person: str, screen: Screen) -> None:
        unit_id = self.unit_of(person)
        crew = self.parts.crew(person, unit_id=unit_id)
        # A terminal that comes back is given again what it took and did not show; here without a minute's wait.
        job = next(iter(self.parts.jobs.unshown(unit_id, person, older_s=0)), None)
        if job is None:
            found = crew.take_next()
            job = None if found is None else found.job
        if job is not None:
            assert (job.state, job.holder) == ("taken", person)
            if screen.held != job.job_id:
                self._show(screen, job)
            crew.shown(job)

    def _show(self, screen: Screen, job: Job) -> None:
        screen.held, screen.place = job.job_id, place_of(job.incident.box_px[0])
        screen.shown[job.job_id] += 1

    def finish(self, person: str) -> None:
        """End the job on the screen, unless it is somebody else's by now."""

        def done(job_id: str) -> None:
            ended = self.parts.jobs.done(job_id, person)
            if ended.incident.state == "done":
                self.settled(self.screens[person].place)

        self._with_job(person, done)

    def settled(self, place: int) -> None:
        """A person had the last word on what stands there."""
        if place in self.things and self.things[place].standing:
            self.things[place].settled = True

    def give_back(self, person: str) -> None:
        self._with_job(person, lambda job_id: self.parts.jobs.reject(job_id, person, "no lorry"))

    def _with_job(self, person: str, work: Callable[[str], object]) -> None:
        screen = self.screens[person]
        if screen.held:

            def try_it() -> None:
                with suppress(UsageError):  # not theirs any more, or said before
                    work(screen.held)

            self.insist(try_it)
            screen.held = ""

    def draw_and_die(self, person: str) -> None:
        """A terminal that dies with an entry in its hand."""
        self.parts.queue.draw(self.unit_of(person), person)

    def expire(self, person: str) -> None:
        """The lease of what somebody holds runs out; nothing is told to their screen."""
        self.conn.execute(
            "update job set lease_until = now() - interval '1 s'"
            " where holder = %s and unit_id = %s and state = 'taken'",
            (person, self.unit_of(person)),
        )

    # Relay, desk and chores

    def relay_round(self, later_s: float = 0.0) -> None:
        self.monotonic_s += later_s
        self.alive(self.relay.once)

    def say(self, act: Act) -> None:
        """A duty lead has a word on the oldest case that it can be said of; said again, under its key, it is one."""
        row = self.conn.execute(
            "select incident_id::text, box_px[1] from incident where camera_id = %s and state = any(%s)"
            " order by opened_at, incident_id limit 1",
            (self.camera, list(ACTS[act])),
        ).fetchone()
        if row is None:
            return
        place = place_of(row[1])
        if act is Act.REWORK and not (place in self.things and self.things[place].standing):
            return  # they look, and there is nothing
        self.said += 1
        given = Given(key=f"{self.tag}/{self.said}")
        wish = Wish(act, reason="permitted" if act is Act.VOID else "", text="because")

        def told() -> str:
            with suppress(UsageError):  # a second person has to agree, say
                return self.desk.act(row[0], wish, LEAD, given).row.state
            return ""

        if self.insist(told) in {"void", "done"}:
            self.settled(place)

    def reassign(self) -> None:
        """A duty lead sends the oldest job that waits or is held to the other unit."""
        row = self.conn.execute(
            "select job_id::text, unit_id from job where unit_id = any(%s) and state in ('queued', 'taken')"
            " order by created_at, job_id limit 1",
            (list(self.units),),
        ).fetchone()
        if row is None:
            return
        other = self.units[row[1] == self.units[0]]

        def move() -> None:
            with suppress(UsageError):  # it had been written before the desk died
                self.moves.reassign(row[0], LEAD, other, "nearer")

        self.insist(move)

    def end_grace(self) -> None:
        """An hour passes."""
        self.conn.execute(
            "update incident set grace_until = now() where state = 'grace' and camera_id = %s", (self.camera,)
        )
        self.alive(self.parts.incidents.end_grace)

    def chores(self) -> None:
        """Seal the record, and work out the clocks."""
        now = datetime.now(UTC)
        self.alive(lambda: self.sealer.seal(now))
        self.alive(lambda: self.clocks.do(now))

    def settle(self) -> None:
        """Everybody who works comes to rest, and nobody dies any more."""
        self.death = Death(died=self.death.died)
        self.look()
        for name, screen in self.screens.items():  # what a dead terminal was owed is on its screen now
            while self.parts.jobs.unshown(self.unit_of(name), name, older_s=0):
                self._take(name, screen)
        for _ in range(3):
            self.relay_round(TEND_S)
        self.chores()
