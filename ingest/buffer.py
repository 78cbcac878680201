"""Messages between the network thread and the writer: alarms first, bounded in number and in bytes."""

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import NamedTuple

from ingest.ledger import Ticket
from schemas.position import RawMessage

OVERHEAD_BYTES = 600  # of a message beside its payload: objects and topic; a user property has about 150 more
PROPERTY_BYTES = 150


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
        size_bytes = OVERHEAD_BYTES + len(message.payload)
        for name, value in message.properties:
            size_bytes += PROPERTY_BYTES + len(name) + len(value)
        self._put_bytes += size_bytes
        waiting = Waiting(message, ticket, size_bytes)
        if self._urgent(message):
            self._first.put(waiting)
            self._rest.put(None)
        else:
            self._rest.put(waiting)
        return True

    def gather(self, count: int, *, first_s: float, rest_s: float) -> list[Waiting]:
        """Draw up to ``count`` messages, urgent ones in front; empty where nothing came.

        Waits ``first_s`` for the first, and ``rest_s`` more for others while the batch is not full; not where one of
        them is urgent.
        """
        batch = self._urgent_ones(count)
        hurry, deadline_s = bool(batch), time.monotonic() + first_s
        while len(batch) < count:
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
                batch[:0] = urgent = self._urgent_ones(count - len(batch))
                hurry = hurry or bool(urgent)
                continue
            if not batch:
                deadline_s = time.monotonic() + rest_s
            batch.append(drawn)
        self._got_bytes += sum([waiting.size_bytes for waiting in batch])
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

    def _urgent_ones(self, count: int) -> list[Waiting]:
        drawn: list[Waiting] = []
        while len(drawn) < count:
            try:
                drawn.append(self._first.get_nowait())
            except Empty:
                break
        return drawn
