"""Messages between the network thread and the writer: alarms first, bounded in number and in bytes."""

import sys
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NamedTuple

import structlog

from ingest.ledger import Ticket
from schemas.position import RawMessage

log = structlog.get_logger()

OVERHEAD_BYTES = 600  # objects of a message, beside what its payload and topic hold; a user property has 150 more
PROPERTY_BYTES = 150
BATCH_BYTES = 4_000_000  # more is not drawn at once, but for the last message: rows and letters made of it weigh again


class Waiting(NamedTuple):
    """A message, its acknowledgement (None at QoS 0), and what holding it costs."""

    message: RawMessage
    ticket: Ticket | None
    size_bytes: int


class MessageBuffer:
    """Holds what waits for the writer. One thread puts, one gathers.

    ``urgent(message)`` says what goes first. At most ``window`` messages at QoS 1 can be un-acknowledged, so their
    number is the broker's to bound; what they weigh together is not: while ``max_bytes`` wait, ``full`` asks whoever
    reads the socket to read no further, and messages at QoS 0 are not taken.
    """

    def __init__(self, *, window: int, max_bytes: int, urgent: Callable[[RawMessage], bool]) -> None:
        self._window = window
        self._max_bytes = max_bytes
        self._urgent = urgent
        self._first: SimpleQueue[Waiting] = SimpleQueue()
        self._rest: SimpleQueue[Waiting | None] = SimpleQueue()  # None: something waits in front
        self._put_bytes = self._got_bytes = 0  # each is written by one thread only

    def put(self, message: RawMessage, ticket: Ticket | None) -> bool:
        """Take one message; never blocks. False: it came at QoS 0 and there is no room."""
        if ticket is None and (self.full or self._rest.qsize() > 2 * self._window):
            return False
        # getsizeof: one character beyond ASCII makes a text of 65 kB one of up to 260 kB.
        size_bytes = OVERHEAD_BYTES + len(message.payload) + sys.getsizeof(message.topic)
        for name, value in message.properties:
            size_bytes += PROPERTY_BYTES + sys.getsizeof(name) + sys.getsizeof(value)
        self._put_bytes += size_bytes
        waiting = Waiting(message, ticket, size_bytes)
        if self._hurries(message):
            self._first.put(waiting)
            self._rest.put(None)
        else:
            self._rest.put(waiting)
        return True

    def gather(self, count: int, *, first_s: float, rest_s: float) -> list[Waiting]:
        """Draw up to ``count`` messages, or BATCH_BYTES of them, urgent ones in front; empty where nothing came.

        Waits ``first_s`` for the first, and ``rest_s`` more for others while the batch is not full; not where one of
        them is urgent.
        """
        batch, size_bytes = self._urgent_ones(count, BATCH_BYTES)
        hurry, deadline_s = bool(batch), time.monotonic() + first_s
        while len(batch) < count and size_bytes < BATCH_BYTES:
            try:
                drawn = self._rest.get_nowait()
            except Empty:
                wait_s = 0.0 if hurry else deadline_s - time.monotonic()
                if wait_s <= 0:
                    break
                try:
                    drawn = self._rest.get(timeout=wait_s)
                except Empty:
                    break
            if drawn is None:
                urgent, more_bytes = self._urgent_ones(count - len(batch), BATCH_BYTES - size_bytes)
                batch[:0] = urgent
                size_bytes += more_bytes
                hurry = hurry or bool(urgent)
                continue
            if not batch:
                deadline_s = time.monotonic() + rest_s
            batch.append(drawn)
            size_bytes += drawn.size_bytes
        self._got_bytes += size_bytes
        return batch

    @property
    def full(self) -> bool:
        """Whether as many bytes wait as may."""
        return self.waiting_bytes >= self._max_bytes

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait, with what holding them costs."""
        return self._put_bytes - self._got_bytes

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._rest.empty() and self._first.empty()

    def __len__(self) -> int:
        """Number of waiting messages, about."""
        return self._rest.qsize()

    def _hurries(self, message: RawMessage) -> bool:
        try:
            return self._urgent(message)
        except Exception:
            # A defect of ours; raised in the network thread it would cost the message.
            log.exception("urgent_failed", topic=message.topic[:200])
            return False

    def _urgent_ones(self, count: int, max_bytes: int) -> tuple[list[Waiting], int]:
        drawn: list[Waiting] = []
        size_bytes = 0
        while len(drawn) < count and size_bytes < max_bytes:
            try:
                drawn.append(self._first.get_nowait())
            except Empty:
                break
            size_bytes += drawn[-1].size_bytes
        return drawn, size_bytes
