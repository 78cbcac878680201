"""A crew's terminal without its screen: draw and take, follow a unit's jobs, keep leases alive."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from alerts import crash
from alerts.dispatch import Dead, JobQueue
from alerts.jobs.store import JobStore
from schemas.errors import SinkError, UsageError
from schemas.incident import Job

log = structlog.get_logger()

RENEWALS = 3  # per lease: two may fail before it runs out
FOLLOWED_MAX = 1000  # open jobs of a unit that a terminal shows


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that is ours now. ``again``: it was before, and nobody knows whether it was shown."""

    job: Job
    again: bool = False


class Crew:
    """Takes jobs for one person of one unit. After ``resend_s`` a job that got stuck on its way is given again.

    An entry that was drawn ``deliveries_max`` times before, and whose job still has no owner, ended as many terminals:
    it is set aside for a dispatcher.
    """

    def __init__(
        self,
        jobs: JobStore,
        queue: JobQueue,
        unit_id: str,
        person: str,
        *,
        resend_s: float,
        deliveries_max: int = 5,
    ) -> None:
        self._jobs = jobs
        self._queue = queue
        self._unit_id = unit_id
        self._person = person
        self._resend_s = resend_s
        self._deliveries_max = deliveries_max

    def take_next(self) -> Taken | None:
        """Take the next job of the unit, calls for help first, then what is urgent; None where nothing waits.

        First what this person took and was never shown, then a call for help, whatever waits in the streams before it,
        then what the queue gives, then what PostgreSQL knows to wait and the queue does not give: it may be away, or
        have lost an entry. Raises SinkError where the database does not answer; an entry drawn by then goes to the
        next terminal.
        """
        for held in self._jobs.unshown(self._unit_id, self._person, older_s=self._resend_s):
            return Taken(held, again=True)
        for job_id in self._jobs.calls(self._unit_id):
            if (job := self._take(job_id)) is not None:
                return Taken(job)
        stuck_s = self._resend_s
        try:
            if (job := self._drawn()) is not None:
                return Taken(job)
        except _QueueAwayError as error:
            log.warning("queue_away", error=str(error), effect="jobs are taken from the database")
            stuck_s = 0.0
        job = self._waiting(older_s=stuck_s)
        return None if job is None else Taken(job)

    def shown(self, job: Job) -> None:
        """Note that the person saw the job: until then it is given again."""
        self._jobs.shown(job.job_id, self._person)

    def _waiting(self, *, older_s: float) -> Job | None:
        """Take what PostgreSQL knows to wait; None where nothing does."""
        for waiting in self._jobs.stranded(self._unit_id, older_s=older_s):
            if (job := self._take(waiting.job_id)) is not None:
                return job
        return None

    def _take(self, job_id: str) -> Job | None:
        # A job that is already ours was drawn again after a flush of the queue: it is no new one.
        return self._jobs.take(job_id, self._person, again=False, unit_id=self._unit_id)

    def _drawn(self) -> Job | None:
        """Draw entries until one is a job that nobody has; the others are settled and passed over."""
        while True:
            with _queue_answers():
                drawn = self._queue.draw(self._unit_id, self._person)
                if drawn is None:
                    return None
            stream, entry_id, job_id, deliveries = drawn
            crash.at("take_after_draw")
            job, poison = self._owned(stream, entry_id, job_id, deliveries)
            crash.at("take_before_ack")
            try:
                if poison is None:
                    self._queue.settle(stream, entry_id)
                else:
                    self._queue.bury(stream, entry_id, poison)
            except SinkError as error:
                log.warning("entry_not_settled", stream=stream, entry=entry_id, error=str(error))
                if job is None:
                    raise _QueueAwayError(str(error), retryable=True) from error
            crash.at("take_after_ack")
            if job is not None:
                return job

    def _owned(self, stream: str, entry_id: str, job_id: str, deliveries: int) -> tuple[Job | None, Dead | None]:
        """Take the job of an entry; why the entry is to be set aside, where it is. Raises SinkError: database away."""
        try:
            if deliveries > self._deliveries_max and self._jobs.stick(job_id, "deliveries", deliveries):
                log.error("job_set_aside", job=job_id, deliveries=deliveries, remedy="curbwatch dispatch dead")
                return None, Dead(job_id, "deliveries", deliveries)
            return self._take(job_id), None
        except UsageError:
            log.warning("entry_without_job", stream=stream, entry=entry_id)
            return None, Dead(job_id, "unreadable", deliveries)
        except SinkError:
            # Not the entry's fault: a database that was away for minutes must not make poison of it.
            with suppress(SinkError):
                self._queue.give_back(stream, entry_id, self._person, deliveries - 1)
            raise


class _QueueAwayError(SinkError):
    """The queue, not the database, does not answer."""


@contextmanager
def _queue_answers() -> Iterator[None]:
    try:
        yield
    except SinkError as error:
        raise _QueueAwayError(str(error), retryable=True) from error


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a job: ``queued``, ``taken``, ``returned``, ``moved``, ``done``, ``withdrawn`` or ``lost``."""

    event: str
    job: Job


def changes(known: Mapping[str, Job], jobs: Iterable[Job]) -> list[Change]:
    """Compare a unit's jobs with what was known of them. Nothing known: every job is news. Pure."""
    found = []
    for job in jobs:
        before = known.get(job.job_id)
        if before is not None and before.unit_id != job.unit_id:
            found.append(Change("moved", job))
        elif before is None or (before.state, before.holder) != (job.state, job.holder):
            returned = before is not None and job.state == "queued"
            found.append(Change("returned" if returned else job.state, job))
    return found


class Watch:
    """Follows the jobs of a unit, and renews what ``person`` holds; empty: nobody's. Not thread-safe."""

    def __init__(self, jobs: JobStore, unit_id: str, person: str, *, monotonic_s: Callable[[], float]) -> None:
        self._jobs = jobs
        self._unit_id = unit_id
        self._person = person
        self._monotonic_s = monotonic_s
        self._known: dict[str, Job] = {}
        self._renewed_s: float | None = None

    def look(self) -> list[Change]:
        """What changed since the last look. Raises SinkError where the database does not answer; then look again."""
        self._renew()
        jobs = self._jobs.follow(self._unit_id, self._known, limit=FOLLOWED_MAX)
        found = changes(self._known, jobs)
        lost = [Change("lost", change.job) for change in found if self._was_lost(change.job)]
        ours = (job for job in jobs if job.unit_id == self._unit_id)
        self._known = {job.job_id: job for job in ours if job.state in {"queued", "taken"}}
        return lost + found

    def _renew(self) -> None:
        now_s = self._monotonic_s()
        if not self._person or (
            self._renewed_s is not None and now_s - self._renewed_s < self._jobs.lease_s / RENEWALS
        ):
            return
        self._jobs.renew(self._person)
        self._renewed_s = now_s

    def _was_lost(self, job: Job) -> bool:
        """Whether this person held the job until its lease ran out."""
        before = self._known.get(job.job_id)
        mine = before is not None and before.state == "taken" and before.holder == self._person != ""
        gone = job.holder != self._person
        return mine and gone and self._jobs.lease_lost(job.job_id)
