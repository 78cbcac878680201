"""The position writer: batches of messages to rows and dead letters, stored before anything is acknowledged.

While the database is away messages go to the spool, if there is one: on disk, they are acknowledged to the broker; the
devices are told only when they are stored.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from config.intake import IntakeKnobs
from ingest.admission import Admission, Admitted
from ingest.buffer import MessageBuffer, Waiting
from ingest.codecs.rows import Decoded
from ingest.delivery import Delivery, Outcome
from ingest.devices import KnownDevices
from ingest.emergencies import Emergencies, calls_in
from ingest.forms import PositionForms
from ingest.health import HealthBook
from ingest.ledger import Ticket
from ingest.marks import Key, Marks, Standing
from ingest.quality import Judged, Quality
from ingest.spool import Spool
from ingest.store import IntakeStore, Stored
from schemas.alarms import Call
from schemas.errors import SinkError
from schemas.meter import Meter
from schemas.position import RawMessage

log = structlog.get_logger()

BACK_OFF_MAX_S = 5.0
SPOOL_TURNS = 10  # batches out of the spool between two out of the buffer, so that neither waits for the other

Batch = list[RawMessage]


@dataclass(frozen=True, slots=True)
class Outlets:
    """What the writer needs of the session that feeds it.

    ``finish(tickets)`` acknowledges to the broker, ``drop(reason)`` makes it send again what is not acknowledged,
    ``publish(topic, payload)`` tells a device, ``generation()`` is the number of the present connection.
    """

    finish: Callable[[Sequence[Ticket]], None]
    drop: Callable[[str], None]
    publish: Callable[[str, bytes], None]
    generation: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where positions go: the database, and while it is away the spool; None: the broker keeps them then."""

    store: IntakeStore
    spool: Spool | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks at what is stored: flags for doubtful positions, how each device does, and who calls for help.

    ``hear(calls)`` raises SinkError, retryable, where a call could not be taken: nothing is acknowledged then.
    """

    quality: Quality
    book: HealthBook
    hear: Callable[[Sequence[Call]], object] | None = None


class PositionWriter:
    """Takes position messages in the network thread, stores them in its own. Start and stop it once.

    At most Receive Maximum messages are un-acknowledged, so the broker bounds their number; ``full`` asks the session
    to read no further while they are too many bytes. QoS 0 messages, which no window holds back, are shed beyond as
    many again, and counted.
    """

    def __init__(
        self,
        knobs: IntakeKnobs,
        forms: PositionForms,
        sinks: Sinks,
        watch: Watch,
        devices: KnownDevices,
        meter: Meter,
    ) -> None:
        self._knobs = knobs
        self._forms = forms
        self._states = forms.foreign.begin()
        self._store = sinks.store
        self._spool = sinks.spool
        self._quality = watch.quality
        self._book = watch.book
        self._hear = watch.hear
        self._said = Emergencies()
        self._devices = devices
        self._meter = meter
        self._admission = Admission(knobs, forms, devices)
        self._marks = Marks()
        self._generation = 0  # of the connection on which they were learned
        self._buffer = MessageBuffer(
            window=knobs.positions_window, max_bytes=knobs.positions_buffer_bytes, urgent=forms.urgent
        )
        self._again_s = 0.0  # monotonic time before which the spool is not tried again
        self._back_off_s = 0.1
        self._outlets: Outlets | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="position-writer", daemon=True)

    def start(self, outlets: Outlets) -> None:
        """Begin to write; ``outlets`` belong to the session that will call ``put``. Raises SetupError for the spool."""
        self._outlets = outlets
        if self._spool is not None and (left := self._spool.open()):
            log.info("spool_found", messages=left, effect="they are stored first")
        self._thread.start()

    def stop(self) -> None:
        """Write and acknowledge what was put, then end; the spool is for the next start. Nothing may be put after."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()
        if self._spool is not None:
            self._spool.close()

    def put(self, message: RawMessage, ticket: Ticket | None) -> None:
        """Take one message; never blocks."""
        if not self._buffer.put(message, ticket):
            self._meter.add("messages_shed", kind="position", reason="qos0_overflow")

    @property
    def full(self) -> bool:
        """Whether so many bytes wait that the session should read no further."""
        return self._buffer.full

    @property
    def alive(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Messages put and not yet taken into a batch."""
        return len(self._buffer)

    @property
    def spooled(self) -> int:
        """Messages on disk that the database has not got yet."""
        return len(self._spool) if self._spool is not None else 0

    @property
    def spooled_bytes(self) -> int:
        """Bytes of them on disk."""
        return self._spool.size_bytes if self._spool is not None else 0

    @property
    def spool_damaged(self) -> int:
        """Places of the spool that could not be read, since the start."""
        return self._spool.damaged if self._spool is not None else 0

    def _run(self) -> None:
        assert self._outlets is not None  # noqa: S101  # start() sets it before the thread runs
        while True:
            spooled = self._unspool(self._outlets) if self._spool else False
            first_s = 0.0 if spooled else 0.1
            batch = self._buffer.gather(self._knobs.positions_batch_max, first_s=first_s, rest_s=self._rest_s())
            if batch:
                self._deliver(batch, self._outlets)
            elif self._stopping.is_set() and self._buffer.empty:
                return

    def _rest_s(self) -> float:
        return 0.0 if self._stopping.is_set() else self._knobs.positions_batch_wait_s

    def _unspool(self, outlets: Outlets) -> bool:
        """Store some of what waits in the spool. True: there is more, and the database takes it."""
        spool = self._spool
        if spool is None or self._stopping.is_set() or time.monotonic() < self._again_s:
            return False
        for _ in range(SPOOL_TURNS):
            try:
                chunk = spool.head(self._knobs.positions_batch_max)
                if chunk is None:
                    return False
                self._store_batch(chunk.messages, outlets, lambda: None)
                spool.drop(chunk)
            except SinkError as error:
                self._again_s = time.monotonic() + self._back_off_s
                self._back_off_s = min(BACK_OFF_MAX_S, self._back_off_s * 2)
                log.warning("spool_waits", error=str(error), messages=len(spool))
                return False
            self._back_off_s = 0.1
        return True

    def _deliver(self, taken: list[Waiting], outlets: Outlets) -> None:
        generation = outlets.generation()
        if generation != self._generation:
            # Another process may have had the session meanwhile, and stored what we only know as a gap.
            self._generation, self._marks = generation, Marks()
        fresh = [waiting for waiting in taken if waiting.ticket is None or waiting.ticket.generation == generation]
        if len(fresh) < len(taken):
            # Their connection is gone; the broker sends them again.
            self._meter.add("messages_stale", len(taken) - len(fresh))
        if self._spool:
            # An alarm does not wait for what the database has not got yet; marks do, so nothing is told too soon.
            first = [waiting for waiting in fresh if self._forms.urgent(waiting.message)]
            self._write(first, outlets, direct=True)
            fresh = [waiting for waiting in fresh if waiting not in first]
        self._write(fresh, outlets)

    def _write(self, taken: list[Waiting], outlets: Outlets, *, direct: bool = False) -> None:
        """Store a batch, trying again for ``retry_s``; then acknowledge to the broker, then to the devices.

        ``direct``: not behind what waits in the spool, unless the database is away.
        """
        if not taken:
            return
        tickets = [waiting.ticket for waiting in taken if waiting.ticket is not None]

        def settled(outcome: Outcome, reason: str) -> None:
            if outcome is Outcome.RETRY:
                outlets.drop(reason)
            else:
                outlets.finish(tickets)

        delivery = Delivery([waiting.message for waiting in taken], settled)
        began_s, wait_s = time.monotonic(), 0.1
        while True:
            error = self._attempt(delivery, outlets, time.monotonic() - began_s, direct=direct)
            if error is None:
                return
            self._meter.add("position_write_failures")
            if time.monotonic() + wait_s > began_s + self._knobs.retry_s or self._stopping.is_set():
                log.error("positions_not_stored", error=str(error), remedy="the broker keeps and sends them again")
                delivery.settle(Outcome.RETRY, "database_away")
                return
            log.warning("positions_wait", error=str(error), again_in_s=round(wait_s, 1))
            self._stopping.wait(wait_s)
            wait_s = min(BACK_OFF_MAX_S, wait_s * 2)
            self._unspool(outlets)

    def _attempt(
        self, delivery: Delivery[Batch], outlets: Outlets, waited_s: float, *, direct: bool
    ) -> SinkError | None:
        """Store a batch, or spool it: behind what the spool holds, and where it has waited long enough."""
        error = None
        try:
            if not self._spool or (direct and time.monotonic() >= self._again_s):
                self._store_batch(delivery.payload, outlets, lambda: delivery.settle(Outcome.DONE))
                return None
        except SinkError as failed:
            error = failed
        hurry = self._stopping.is_set() or waited_s >= self._knobs.spool_after_s
        if self._spool is None or (error is not None and not hurry):
            return error
        try:
            self._spool.append(delivery.payload)
        except SinkError as failed:
            self._meter.add("spool_failures")
            return failed
        self._meter.add("messages_spooled", len(delivery.payload))
        delivery.settle(Outcome.DONE)
        return None

    def _store_batch(self, batch: Batch, outlets: Outlets, on_stored: Callable[[], None]) -> None:
        """Store a batch durably, then call ``on_stored``, then count it and tell its devices. Raises SinkError."""
        admitted = self._admission.admit(batch)
        decoded = self._decode(admitted)
        judged = self._quality.judge(decoded.rows)
        planned = self._planned(decoded)
        started_s = time.monotonic()
        stored = self._store.write(decoded.rows, decoded.dead_letters, planned)
        self._meter.observe("position_write", time.monotonic() - started_s)
        if self._hear is not None and (calls := calls_in(decoded.rows)):
            self._hear(calls)  # before anything is acknowledged: a call must not be lost in between
        self._admission.accept(admitted)
        self._quality.accept(judged)
        self._states = decoded.states
        on_stored()
        self._count(batch, decoded, stored)
        self._note(decoded, judged, stored)
        self._tell(planned, outlets)

    def _decode(self, admitted: Admitted) -> Decoded:
        now_ns = time.time_ns()
        decoded = self._forms.decode(admitted.passed, self._devices.rules, self._states, now_ns, admitted.gate)
        strangers = any(letter.reason == "unknown_device" for letter in decoded.dead_letters)
        if strangers and self._devices.refresh():
            decoded = self._forms.decode(admitted.passed, self._devices.rules, self._states, now_ns, admitted.gate)
        decoded.dead_letters.extend(admitted.shed)
        decoded.marks.extend(admitted.covered)
        if admitted.retained:
            decoded.ignored["retained"] = admitted.retained
        return decoded

    def _planned(self, decoded: Decoded) -> dict[Key, Standing]:
        unknown = self._marks.unknown(decoded.marks)
        if unknown:
            self._marks.read_back(self._store.marks_of(unknown), unknown)
        return self._marks.plan(decoded.marks)

    def _count(self, batch: Batch, decoded: Decoded, stored: Stored) -> None:
        rejected = len(decoded.dead_letters) + stored.refused
        self._meter.add("messages_received", len(batch), kind="position")
        self._meter.add("positions_received", len(decoded.rows) + len(decoded.dead_letters))
        self._meter.add("positions_stored", stored.inserted)
        self._meter.add("positions_duplicate", stored.duplicate)
        if rejected:
            for letter in decoded.dead_letters:
                self._meter.add("positions_rejected", reason=letter.reason)
            if stored.refused:
                self._meter.add("positions_rejected", stored.refused, reason="store")
        stored.count_dropped(self._meter)
        for reason, count in decoded.ignored.items():
            self._meter.add("messages_ignored", count, kind="position", reason=reason)
        if decoded.without_time:
            self._meter.add("positions_without_time", decoded.without_time)

    def _note(self, decoded: Decoded, judged: Judged, stored: Stored) -> None:
        """Tell those who look on what a stored batch held."""
        if judged.alarms:
            self._meter.add("alarms", len(judged.alarms))
            for device_id, emergencies in self._said.news(judged.alarms, time.monotonic()):
                log.warning("emergency", device=device_id, alarms=emergencies)
        for flag, count in judged.counts.items():
            self._meter.add("positions_flagged", count, flag=flag)
        now_ns = time.time_ns()
        self._book.positions(decoded.rows, decoded.dead_letters, stored.inserted, now_ns)
        for status in decoded.statuses:
            self._book.status(status.device, status.online, now_ns)

    def _tell(self, planned: dict[Key, Standing], outlets: Outlets) -> None:
        """Tell each device up to where its positions are kept: only now, when they are."""
        for device_id, count in self._marks.accept(planned).items():
            self._meter.add("positions_given_up", count)
            self._book.gave_up(device_id, count)
        for (device_id, boot), standing in planned.items():
            if standing.mark >= 0:
                body = json.dumps({"boot": boot, "seq": standing.mark}).encode()
                outlets.publish(self._forms.scheme.of("vehicle", device_id, "ack"), body)
