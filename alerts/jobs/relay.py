"""The one relay: outbox rows to streams, strictly in order, never passing a row whose end is unknown."""

import time
from collections.abc import Callable
from threading import Event

import structlog

from alerts import crash
from alerts.dispatch import JobQueue, Sent
from alerts.installation import HELD_S, owner_of
from alerts.jobs.pick import Picker
from alerts.jobs.rerouting import Rerouting
from alerts.jobs.store import JobStore, OutboxRow
from schemas.errors import SinkError
from schemas.meter import Meter

log = structlog.get_logger()

TEND_S = 5.0  # between two looks whether the streams still hold what they must, and no more


class Relay:
    """Moves jobs from the outbox to the queue. ``on_sent(row)`` is called after each entry that is in its stream.

    ``picker`` says which unit each job is for; without one it is the responsible one. ``rerouting`` moves what waits at
    units that the city does not know any more, or that are off duty.

    Two that believe to be the relay for a moment do no harm: places are given under a row lock, and the queue knows
    an entry that it has.
    """

    def __init__(
        self,
        jobs: JobStore,
        queue: JobQueue,
        meter: Meter,
        on_sent: Callable[[OutboxRow], None] | None = None,
        *,
        picker: Picker | None = None,
        rerouting: Rerouting | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._queue = queue
        self._meter = meter
        self._on_sent = on_sent
        self._picker = picker
        self._rerouting = rerouting
        self._rerouted_s: float | None = None
        self._monotonic_s = monotonic_s
        self._tended_s: float | None = None

    def run(self, stop: Event, poll_s: float) -> None:
        """Relay until ``stop``; waits out a database or queue that is away."""
        failing = False
        while not stop.is_set():
            try:
                moved = self.once()
            except SinkError as error:
                if not failing:
                    log.warning("relay_waits", error=str(error), effect="jobs wait in the outbox")
                failing = True
                stop.wait(max(error.wait_s, poll_s))
                continue
            failing = False
            if moved == 0:
                stop.wait(poll_s)

    def once(self) -> int:
        """One round: take back expired leases, give places, send. The number of rows handled.

        0 where another process is the relay. Raises SinkError where the database or the queue is away, or the queue is
        another database's.
        """
        # Asked each round: the lock went with the connection if that was lost since, by whatever store that uses it.
        if not self._jobs.become_relay():
            return 0
        self._reroute()
        epoch = self._jobs.epoch()
        if not epoch or self._queue.epoch() != epoch:
            epoch = self._begin_epoch("lost" if epoch else "first")
        elif not self._tended():
            epoch = self._begin_epoch(Sent.BEHIND.value)
        self._meter.add("leases_expired", self._jobs.requeue_expired())
        self._jobs.assign(picker=self._picker)
        return self._send_all(epoch)

    def _reroute(self) -> None:
        """Move what waits at units that are gone or off duty; at the start, now and then, and on until nothing is left.

        Before anything asks the queue: where that is away, terminals take what the database says.
        """
        now_s = self._monotonic_s()
        due = self._rerouted_s is None or now_s - self._rerouted_s >= TEND_S
        if self._rerouting is None or not due:
            return
        moved = self._rerouting.once()
        self._meter.add("jobs_followed", self._rerouting.follow())
        self._rerouted_s = None if moved else now_s
        self._meter.add("cases_rerouted", moved)

    def _send_all(self, epoch: str) -> int:
        """Send what has a place, in order, then note what is in its stream.

        Who dies in between sends it again, and the queue knows it. A new epoch supersedes what was not noted.
        """
        rows = self._jobs.unsent()
        if not rows:
            return 0
        confirmed = self._jobs.confirmed_seq({row.stream for row in rows})
        there: list[OutboxRow] = []
        try:
            for row in rows:
                crash.at("relay_before_xadd")
                told = self._queue.send(epoch, row.relay_seq, confirmed.get(row.stream, 0), row.stream, row.job_id)
                if told in (Sent.EPOCH, Sent.BEHIND):
                    self._begin_epoch(told.value)
                    return len(rows)
                crash.at("relay_after_xadd")
                there.append(row)
                confirmed[row.stream] = row.relay_seq
        except SinkError:
            self._note(there)
            raise
        self._note(there)
        return len(rows)

    def _note(self, there: list[OutboxRow]) -> None:
        """Write down that these rows are in their streams."""
        if there:
            self._jobs.sent([row.relay_seq for row in there])
        self._meter.add("jobs_queued", len(there))
        if self._on_sent is not None:
            for row in there:
                self._on_sent(row)

    def _tended(self) -> bool:
        """Trim what has ended, now and then; False where a stream lost entries that were confirmed.

        A queue that died may have lost its last second: without this look a stream to which nothing more is sent
        would never be found short.
        """
        now_s = self._monotonic_s()
        if self._tended_s is not None and now_s - self._tended_s < TEND_S:
            return True
        for stream, span in self._jobs.needed().items():
            if self._queue.last_seq(stream) < span.last_seq:
                return False
            self._queue.trim(stream, span.first_seq)
        self._meter.set("jobs_stuck", self._jobs.set_aside())
        self._queue.hold(owner_of(self._queue.epoch()), HELD_S)
        self._tended_s = now_s
        return True

    def _begin_epoch(self, why: str) -> str:
        there = self._queue.epoch()
        held = there if owner_of(there) == self._queue.held_by() else ""  # an owner that says nothing is gone
        epoch = self._jobs.new_epoch(held)
        crash.at("epoch_before_flush")
        self._queue.begin_epoch(epoch, there)
        self._queue.hold(owner_of(epoch), HELD_S)
        crash.at("epoch_after_flush")
        self._meter.add("queue_epochs", reason=why)
        log.info("queue_epoch", why=why, effect="every unfinished job is queued again")
        return epoch
