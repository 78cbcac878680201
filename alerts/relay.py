"""The one relay: outbox rows to streams, strictly in order, never passing a row whose end is unknown."""

from collections.abc import Callable
from threading import Event

import structlog

from alerts.dispatch import JobQueue, Sent
from alerts.jobs import JobStore, OutboxRow
from schemas.errors import SinkError
from schemas.meter import Meter

log = structlog.get_logger()


class Relay:
    """Moves jobs from the outbox to the queue. ``on_sent(row)`` is called after each entry that is in its stream."""

    def __init__(
        self, jobs: JobStore, queue: JobQueue, meter: Meter, on_sent: Callable[[OutboxRow], None] | None = None
    ) -> None:
        self._jobs = jobs
        self._queue = queue
        self._meter = meter
        self._on_sent = on_sent
        self._leading = False

    def run(self, stop: Event, poll_s: float) -> None:
        """Relay until ``stop``; waits out a database or queue that is away."""
        failing = False
        while not stop.is_set():
            try:
                moved = self.once()
            except SinkError as error:
                self._leading = False
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

        0 where another process is the relay. Raises SinkError where the database or the queue is away.
        """
        if not self._leading:
            self._leading = self._jobs.become_relay()
            if not self._leading:
                return 0
        epoch = self._jobs.epoch()
        if not epoch or self._queue.epoch() != epoch:
            epoch = self._begin_epoch("lost" if epoch else "first")
        self._meter.add("leases_expired", self._jobs.requeue_expired())
        self._jobs.assign()
        return self._send_all(epoch)

    def _send_all(self, epoch: str) -> int:
        rows = self._jobs.unsent()
        confirmed = self._jobs.confirmed_seq() if rows else {}
        for row in rows:
            told = self._queue.send(epoch, row.relay_seq, confirmed.get(row.stream, 0), row.stream, row.job_id)
            if told in (Sent.EPOCH, Sent.BEHIND):
                self._begin_epoch(told.value)
                break
            self._jobs.sent(row.relay_seq)
            confirmed[row.stream] = row.relay_seq
            self._meter.add("jobs_queued")
            if self._on_sent is not None:
                self._on_sent(row)
        return len(rows)

    def _begin_epoch(self, why: str) -> str:
        epoch = self._jobs.new_epoch()
        self._queue.begin_epoch(epoch)
        self._meter.add("queue_epochs", reason=why)
        log.info("queue_epoch", why=why, effect="every unfinished job is queued again")
        return epoch
