"""Acknowledgements in the order of arrival, for the current connection only. Pure."""

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ticket:
    """One message's place in one connection's order."""

    generation: int
    mid: int


@dataclass(slots=True)
class Ledger:
    """Releases the longest finished prefix of what arrived.

    MQTT 5 wants PUBACKs in the order of the PUBLISHes. Packet ids begin again with each session, so a ticket of an
    older connection is dropped: its late acknowledgement would delete a message that was never processed.
    Not thread-safe: the source guards it.
    """

    generation: int = 0
    _open: "OrderedDict[int, tuple[bool, int]]" = field(default_factory=OrderedDict)  # mid -> finished, arrived_ns

    def connected(self) -> int:
        """Begin a new connection; every open ticket of the old one is void. Returns the new generation."""
        self.generation += 1
        self._open.clear()
        return self.generation

    def add(self, mid: int, now_ns: int) -> Ticket:
        """Note a message that arrived on the current connection at ``now_ns`` (any steady clock)."""
        self._open[mid] = (False, now_ns)
        return Ticket(self.generation, mid)

    def finish(self, ticket: Ticket) -> list[int]:
        """Note that a message is dealt with; the mids that may be acknowledged now, in order of arrival."""
        if ticket.generation != self.generation or ticket.mid not in self._open:
            return []
        self._open[ticket.mid] = (True, self._open[ticket.mid][1])
        released = []
        while self._open:
            mid, (finished, _) = next(iter(self._open.items()))
            if not finished:
                break
            del self._open[mid]
            released.append(mid)
        return released

    def oldest_age_s(self, now_ns: int) -> float:
        """Seconds that the oldest un-acknowledged message waits; 0 where none does."""
        if not self._open:
            return 0.0
        return (now_ns - next(iter(self._open.values()))[1]) / 1e9

    def __len__(self) -> int:
        """Number of un-acknowledged messages."""
        return len(self._open)
