"""The position writer: batches of messages to rows and dead letters, stored before anything is acknowledged."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

import structlog

from config.intake import IntakeKnobs
from ingest.codecs.rows import Decoded
from ingest.delivery import Delivery, Outcome
from ingest.devices import KnownDevices
from ingest.forms import PositionForms
from ingest.ledger import Ticket
from ingest.marks import Covered, Key, Marks, Standing
from ingest.rates import HeldRates
from ingest.store import IntakeStore, Stored
from schemas.errors import SinkError
from schemas.meter import Meter
from schemas.position import DeadLetter, RawMessage

log = structlog.get_logger()

BACK_OFF_MAX_S = 5.0

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


@dataclass(slots=True)
class _Admitted:
    """A batch before it is decoded.

    Attributes:
        passed: messages to decode.
        shed: dead letters of what is too large or too much.
        covered: what an acknowledgement covers of those.
        rates: the devices' rates with this batch; they count once it is stored, because what is not comes again.
    """

    rates: HeldRates
    passed: Batch = field(default_factory=list)
    shed: list[DeadLetter] = field(default_factory=list)
    covered: list[Covered] = field(default_factory=list)


class PositionWriter:
    """Takes position messages in the network thread, stores them in its own. Start and stop it once.

    The buffer is bounded by the broker: at most Receive Maximum messages are un-acknowledged. QoS 0 messages, which
    no window holds back, are shed beyond as many again, and counted.
    """

    def __init__(
        self, knobs: IntakeKnobs, forms: PositionForms, store: IntakeStore, devices: KnownDevices, meter: Meter
    ) -> None:
        self._knobs = knobs
        self._forms = forms
        self._states = forms.foreign.begin()
        self._store = store
        self._devices = devices
        self._meter = meter
        self._rates = HeldRates()
        self._marks = Marks()
        self._buffer: SimpleQueue[tuple[RawMessage, Ticket | None]] = SimpleQueue()
        self._outlets: Outlets | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="position-writer", daemon=True)

    def start(self, outlets: Outlets) -> None:
        """Begin to write; ``outlets`` belong to the session that will call ``put``."""
        self._outlets = outlets
        self._thread.start()

    def stop(self) -> None:
        """Write and acknowledge what was put, then end. Nothing may be put afterwards."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def put(self, message: RawMessage, ticket: Ticket | None) -> None:
        """Take one message; never blocks."""
        if ticket is None and self._buffer.qsize() > 2 * self._knobs.positions_window:
            self._meter.add("messages_shed", kind="position", reason="qos0_overflow")
            return
        self._buffer.put((message, ticket))

    @property
    def alive(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Messages put and not yet taken into a batch."""
        return self._buffer.qsize()

    def _run(self) -> None:
        assert self._outlets is not None  # noqa: S101  # start() sets it before the thread runs
        while True:
            batch = self._gather()
            if batch:
                self._deliver(batch, self._outlets)
            elif self._stopping.is_set() and self._buffer.empty():
                return

    def _gather(self) -> list[tuple[RawMessage, Ticket | None]]:
        """Up to a full batch; less when ``positions_batch_wait_s`` has passed since the first."""
        try:
            batch = [self._buffer.get(timeout=0.1)]
        except Empty:
            return []
        deadline_s = time.monotonic() + self._knobs.positions_batch_wait_s
        while len(batch) < self._knobs.positions_batch_max:
            try:
                batch.append(self._buffer.get_nowait())
            except Empty:
                rest_s = deadline_s - time.monotonic()
                if rest_s <= 0 or self._stopping.is_set():
                    break
                try:
                    batch.append(self._buffer.get(timeout=rest_s))
                except Empty:
                    break
        return batch

    def _deliver(self, taken: list[tuple[RawMessage, Ticket | None]], outlets: Outlets) -> None:
        generation = outlets.generation()
        fresh = [pair for pair in taken if pair[1] is None or pair[1].generation == generation]
        if len(fresh) < len(taken):
            # Their connection is gone; the broker sends them again.
            self._meter.add("messages_stale", len(taken) - len(fresh))
        if not fresh:
            return
        tickets = [ticket for _, ticket in fresh if ticket is not None]

        def settled(outcome: Outcome, reason: str) -> None:
            if outcome is Outcome.RETRY:
                outlets.drop(reason)
            else:
                outlets.finish(tickets)

        self._write(Delivery([message for message, _ in fresh], settled), outlets)

    def _write(self, delivery: Delivery[Batch], outlets: Outlets) -> None:
        """Store a batch, trying again for ``retry_s``; then acknowledge to the broker, then to the devices."""
        admitted = self._admit(delivery.payload)
        give_up_s = time.monotonic() + self._knobs.retry_s
        wait_s = 0.1
        while True:
            error = self._attempt(delivery, admitted, outlets)
            if error is None:
                return
            self._meter.add("position_write_failures")
            if time.monotonic() + wait_s > give_up_s or self._stopping.is_set():
                log.error("positions_not_stored", error=str(error), remedy="the broker keeps and sends them again")
                delivery.settle(Outcome.RETRY, "database_away")
                return
            log.warning("positions_wait", error=str(error), again_in_s=round(wait_s, 1))
            self._stopping.wait(wait_s)
            wait_s = min(BACK_OFF_MAX_S, wait_s * 2)

    def _attempt(self, delivery: Delivery[Batch], admitted: _Admitted, outlets: Outlets) -> SinkError | None:
        try:
            decoded = self._decode(admitted)
            planned = self._planned(decoded)
            started_s = time.monotonic()
            stored = self._store.write(decoded.rows, decoded.dead_letters, planned)
        except SinkError as error:
            return error
        self._meter.observe("position_write", time.monotonic() - started_s)
        self._rates.accept(admitted.rates)
        self._states = decoded.states
        delivery.settle(Outcome.DONE)
        self._count(delivery.payload, decoded, stored)
        self._tell(planned, outlets)
        return None

    def _admit(self, batch: Batch) -> _Admitted:
        """Split into messages to decode and dead letters of what is too large or too much."""
        admitted = _Admitted(self._rates.trial())
        passed, allow = admitted.passed, admitted.rates.allow
        now_s = time.monotonic()
        rules = self._devices.rules
        for message in batch:
            rule = self._forms.device_of(message, rules)
            if message.retain:
                self._meter.add("messages_ignored", kind="position", reason="retained")
            elif len(message.payload) > self._knobs.positions_max_bytes:
                letter = _letter(message, rule.device_id if rule else "", "size", f"{len(message.payload)} bytes")
                admitted.shed.append(letter)
                if rule is not None:
                    admitted.covered += self._forms.covered_unread(message, rule)
            elif (
                rule is None
                or rule.rate_per_s is None
                or allow(rule.device_id, rule.rate_per_s, now_s, partial(self._sent, message))
            ):
                passed.append(message)
            else:
                admitted.shed.append(
                    _letter(message, rule.device_id, "rate", f"more than {rule.rate_per_s:g} messages/s")
                )
        return admitted

    def _sent(self, message: RawMessage) -> tuple[float, float] | None:
        """The message's own time, and how long before its receipt that was, in s; None without one."""
        ns = self._forms.native.sent_ns(message)
        return None if ns is None else (ns / 1e9, (message.received_ns - ns) / 1e9)

    def _decode(self, admitted: _Admitted) -> Decoded:
        now_ns = time.time_ns()
        decoded = self._forms.decode(admitted.passed, self._devices.rules, self._states, now_ns)
        strangers = any(letter.reason == "unknown_device" for letter in decoded.dead_letters)
        if strangers and self._devices.refresh():
            decoded = self._forms.decode(admitted.passed, self._devices.rules, self._states, now_ns)
        decoded.dead_letters.extend(admitted.shed)
        decoded.marks.extend(admitted.covered)
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
        if decoded.without_time:
            self._meter.add("positions_without_time", decoded.without_time)

    def _tell(self, planned: dict[Key, Standing], outlets: Outlets) -> None:
        """Tell each device up to where its positions are kept: only now, when they are."""
        given_up = self._marks.accept(planned)
        if given_up:
            self._meter.add("positions_given_up", given_up)
        for (device_id, boot), standing in planned.items():
            if standing.mark >= 0:
                body = json.dumps({"boot": boot, "seq": standing.mark}).encode()
                outlets.publish(self._forms.scheme.of("vehicle", device_id, "ack"), body)


def _letter(message: RawMessage, device_id: str, reason: str, detail: str) -> DeadLetter:
    return DeadLetter(
        message.received_ns, message.topic, device_id, reason, detail, message.payload, message.properties
    )
