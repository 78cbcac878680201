"""Crews, dispatchers and a detector who act on the desk at a fixed pace, whether or not it keeps up.

Each person is a thread with a connection of its own to the database and one to the queue, as a terminal is a process.
An action is due at a moment of the plan; its time runs from that moment, so that waiting behind a slow one counts.
"""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from alerts.desk.actions import CaseActions, Given, RefusedError
from alerts.desk.lifecycle import Act as Word
from alerts.desk.lifecycle import Wish
from alerts.dispatch import JobQueue
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.crew import Crew
from schemas.city import City
from schemas.errors import SinkError, UsageError
from schemas.incident import EvidenceRecord, Job, Sighting
from schemas.record import Actor
from schemas.units import ns_of

CAMERAS = 500  # of the city; things stand beside one another at each
STEP_PX = 60.0  # between two things of one camera, wider than a thing
WIDE = 30  # things in a row
DONE_SHARE = 0.3  # of the jobs a crew takes; the others it gives back
LEASE_S = 1800.0
TRIES = 3  # of one action, where a server did not answer


class Act(NamedTuple):
    """One action that was due. ``subject``: the job or incident; ``key``: what its row in the record carries."""

    kind: str
    subject: str
    person: str
    key: str
    late_ms: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """What one person does: ``role`` is ``crew``, ``dispatcher`` or ``detector``.

    Their first action is due ``offset_s`` after the plan's start, the others every ``every_s``. ``subjects``: the
    incidents that a dispatcher has to decide on. ``first``: the number of a detector's first new thing.
    """

    role: str
    person: str
    offset_s: float
    every_s: float
    unit_id: str = ""
    subjects: tuple[str, ...] = ()
    first: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """The persons of one process. ``start_s`` is monotonic, which is one clock for all processes of a machine."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    start_s: float
    seconds: float
    city: City
    shifts: tuple[Shift, ...]

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the units whose crews act."""
        return tuple(self.city.units)


class Worker(Protocol):
    """One person at work."""

    def act(self, number: int) -> tuple[str, str, str, bool]:
        """Do the next thing: kind, subject, key and whether it was accepted. Raises SinkError."""


def play(plan: Plan) -> tuple[list[Act], float]:
    """Let everybody of a plan act until its end; what they did, and the processor time of this process, s."""
    before_s = time.process_time()
    with ThreadPoolExecutor(len(plan.shifts)) as threads:
        found = list(threads.map(lambda shift: _shift(plan, shift), plan.shifts))
    return [act for acts in found for act in acts], time.process_time() - before_s


def thing(number: int, units: tuple[str, ...], *, direct: bool) -> Sighting:
    """The n-th thing of the city: at a place of its own, of a unit in turn, just come to stand."""
    captured_ns = ns_of(datetime.now(UTC))
    place = number // CAMERAS
    return Sighting(
        camera_id=f"bench-cam-{number % CAMERAS:03d}",
        track_id=number,
        family="waste",
        class_code="06010",
        zone="road",
        cell_id="",
        unit_id=units[number % len(units)],
        point=None,
        box_px=(place % WIDE * STEP_PX, place // WIDE * STEP_PX, 50.0, 50.0),
        captured_ns=captured_ns,
        appeared_ns=captured_ns - 90_000_000_000,
        dwell_s=90.0,
        confidence=0.9,
        direct=direct,
        urgent=number % 10 == 0,
        rule_version="bench",
    )


def picture(number: int) -> EvidenceRecord:
    """A picture of one camera; its bytes are nowhere, as no part of the desk reads them."""
    now_ns = ns_of(datetime.now(UTC))
    return EvidenceRecord(f"{number % CAMERAS:064x}", f"bench-cam-{number % CAMERAS:03d}", now_ns, now_ns, 160_000)


def fill(database_url: str, units: tuple[str, ...], numbers: range, *, direct: bool) -> list[str]:
    """Open an incident for each thing of these numbers; their ids."""
    database = AlertDatabase(database_url)
    store = _incidents(database)
    found = [
        store.open_or_refresh(thing(number, units, direct=direct), None, picture(number)).incident_id
        for number in numbers
    ]
    database.close()
    return found


class CrewWorker:
    """Takes a job, says that it was shown, ends it or gives it back, and again."""

    def __init__(self, shift: Shift, database: AlertDatabase, queue: JobQueue) -> None:
        self._person = shift.person
        self._jobs = JobStore(database, lease_s=LEASE_S)
        self._crew = Crew(self._jobs, queue, shift.unit_id, shift.person, resend_s=60.0)
        self._dice = random.Random(shift.person)  # noqa: S311  # reproducible
        self._job: Job | None = None
        self._shown = False

    def act(self, number: int) -> tuple[str, str, str, bool]:
        """Do the next thing: see Worker."""
        key = f"{self._person}/{number}"
        if self._job is None:
            found = self._crew.take_next()
            self._job, self._shown = (None if found is None else found.job), False
            return "take", "" if found is None else found.job.job_id, key, found is not None
        job_id = self._job.job_id
        if not self._shown:
            self._crew.shown(self._job)
            self._shown = True
            return "shown", job_id, key, True
        kind = "done" if self._dice.random() < DONE_SHARE else "reject"
        try:
            self._jobs.done(job_id, self._person, key) if kind == "done" else self._jobs.reject(
                job_id, self._person, key
            )
        except UsageError:  # a dispatcher called it back meanwhile
            kind, key = f"{kind}_late", ""
        self._job = None
        return kind, job_id, key, key != ""


class DispatcherWorker:
    """Has some words on one waiting incident after the other: a note, that it is real, that it rests and goes on.

    Every fifth is void in the end. Each word has a key, under which it may be said again.
    """

    WORDS = (Word.NOTE, Word.CONFIRM, Word.SUSPEND, Word.RESUME, Word.VOID)

    def __init__(self, shift: Shift, database: AlertDatabase, city: City) -> None:
        self._actor = Actor(shift.person, "duty_lead")
        self._desk = CaseActions(database, lambda: city)
        self._ahead = (
            (subject, act)
            for number, subject in enumerate(shift.subjects)
            for act in self.WORDS[: len(self.WORDS) if number % 5 == 4 else -1]
        )

    def act(self, number: int) -> tuple[str, str, str, bool]:
        """Do the next thing: see Worker."""
        subject, act = next(self._ahead, ("", Word.NOTE))
        key = f"{self._actor.name}/{number}"
        if not subject:
            return act, subject, key, False
        wish = Wish(act, reason="permitted" if act is Word.VOID else "", text="bench")
        try:
            self._desk.act(subject, wish, self._actor, Given(key=key))
        except RefusedError:  # a crew was faster: it is dealt with
            return act, subject, key, False
        return act, subject, key, True


class DetectorWorker:
    """Sees new things, so that there are as many open as before."""

    def __init__(self, plan: Plan, shift: Shift, database: AlertDatabase) -> None:
        self._units = plan.units
        self._first = shift.first
        self._store = _incidents(database)

    def act(self, number: int) -> tuple[str, str, str, bool]:
        """Do the next thing: see Worker."""
        at = self._first + number
        told = self._store.open_or_refresh(thing(at, self._units, direct=True), None, picture(at))
        return "open", told.incident_id, str(at), told.opened


def _shift(plan: Plan, shift: Shift) -> list[Act]:
    database = AlertDatabase(plan.database_url)
    queue = JobQueue(plan.redis_url, claim_idle_s=60.0)
    worker = _worker(plan, shift, database, queue)
    JobStore(database, lease_s=LEASE_S).epoch()  # connected before it begins
    queue.alive()
    wait, found, number = threading.Event(), list[Act](), 0
    while (due_s := shift.offset_s + number * shift.every_s) < plan.seconds:
        wait.wait(max(0.0, plan.start_s + due_s - time.monotonic()))
        kind, subject, key, accepted = _insist(worker, number)
        late_ms = (time.monotonic() - plan.start_s - due_s) * 1000
        found.append(Act(kind, subject, shift.person, key, late_ms, accepted))
        number += 1
    database.close()
    queue.close()
    return found


def _insist(worker: Worker, number: int) -> tuple[str, str, str, bool]:
    """Act, and act again where a server did not answer: an action may be said twice."""
    for _ in range(TRIES - 1):
        try:
            return worker.act(number)
        except SinkError as error:
            if not error.retryable:
                raise
    return worker.act(number)


def _worker(plan: Plan, shift: Shift, database: AlertDatabase, queue: JobQueue) -> Worker:
    if shift.role == "crew":
        return CrewWorker(shift, database, queue)
    if shift.role == "dispatcher":
        return DispatcherWorker(shift, database, plan.city)
    return DetectorWorker(plan, shift, database)


def _incidents(database: AlertDatabase) -> IncidentStore:
    return IncidentStore(database, merge_m=3.0, merge_iou=0.3)
