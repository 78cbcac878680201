"""What a device keeps until the intake acknowledges it: the common index, and the outbox in memory."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from curbwatch.device.messages import Entry
from schemas.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """One entry of the index; ``place`` is where its body is, ``size`` that body's bytes."""

    number: int
    boot: str
    seq: int
    size: int
    place: T


class Index(Generic[T]):
    """What is held, in the order in which it came. Each entry gets a number that is never used again."""

    def __init__(self) -> None:
        self._held: OrderedDict[int, Held[T]] = OrderedDict()
        self._boots: dict[str, deque[Held[T]]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._held)

    def refuse_backwards(self, entries: Sequence[Entry]) -> None:
        """Raise UsageError where a ``seq`` is not above the one before it of the same boot."""
        last: dict[str, int] = {}
        for entry in entries:
            queue = self._boots.get(entry.boot)
            before = last.get(entry.boot, queue[-1].seq if queue else -1)
            if entry.seq <= before:
                raise UsageError(f"seq {entry.seq} of boot {entry.boot}: must be above {before}")
            last[entry.boot] = entry.seq

    def add(self, entry: Entry, place: T) -> int:
        """Take one entry in; return its number."""
        held = Held(self._next, entry.boot, entry.seq, len(entry.body), place)
        self._next += 1
        self._held[held.number] = held
        self._boots.setdefault(entry.boot, deque()).append(held)
        return held.number

    def get(self, number: int) -> Held[T] | None:
        """Return one entry; None where it is no longer held."""
        return self._held.get(number)

    def first(self) -> Held[T] | None:
        """Return the oldest of all; None where nothing is held."""
        return next(iter(self._held.values()), None)

    def acknowledge(self, boot: str, seq: int) -> list[Held[T]]:
        """Let go of everything of ``boot`` up to ``seq``; return it."""
        queue = self._boots.get(boot, deque())
        gone: list[Held[T]] = []
        while queue and queue[0].seq <= seq:
            gone.append(self.remove_first(boot))
        return gone

    def remove_first(self, boot: str) -> Held[T]:
        """Let go of the oldest of one boot, of which something is held."""
        queue = self._boots[boot]
        held = queue.popleft()
        del self._held[held.number]
        if not queue:
            del self._boots[boot]
        return held

    def held(self) -> list[Held[T]]:
        """Return everything, the oldest first."""
        return list(self._held.values())

    def oldest(self, boot: str) -> int | None:
        """Return the lowest ``seq`` held of one boot; None where nothing of it is."""
        queue = self._boots.get(boot)
        return queue[0].seq if queue else None


class Outbox(Protocol):
    """Where positions wait. One user at a time; ``append`` may run in another thread than the rest, but not beside it.

    Attributes:
        durable: whether ``append`` waits for a disk.
        lost: entries that were dropped unacknowledged because there was no room.
    """

    durable: bool
    lost: int

    def open(self) -> None:
        """Begin; what an earlier start left is held again. Raises SetupError."""

    def close(self) -> None:
        """End. What is held stays where it is kept on disk."""

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Keep entries, ``seq`` rising within each boot; return their numbers. When full the oldest are dropped.

        Raises UsageError for what can never be kept, SetupError where the disk does not take it; then nothing is kept.
        """

    def acknowledge(self, boot: str, seq: int) -> int:
        """Let go of everything of ``boot`` up to ``seq``; return how many that were."""

    def get(self, number: int) -> Entry | None:
        """Return one entry; None where it is no longer held."""

    def held(self) -> list[Held[object]]:
        """Return what is held, the oldest first."""

    def oldest(self, boot: str) -> int | None:
        """Return the lowest ``seq`` held of one boot; None where nothing of it is."""

    def __len__(self) -> int: ...


class MemoryOutbox:
    """An outbox for players and simulators: gone with the process. At most ``max_bytes`` of bodies, always one."""

    durable = False

    def __init__(self, max_bytes: int = 64_000_000) -> None:
        self.lost = 0
        self._max_bytes, self._bytes = max_bytes, 0
        self._index: Index[Entry] = Index()

    def open(self) -> None:
        """Begin: nothing is held."""

    def close(self) -> None:
        """End."""

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Keep entries; when full the oldest are dropped. Raises UsageError where a ``seq`` goes back."""
        self._index.refuse_backwards(entries)
        numbers = [self._index.add(entry, entry) for entry in entries]
        self._bytes += sum(len(entry.body) for entry in entries)
        while self._bytes > self._max_bytes and len(self._index) > 1 and (first := self._index.first()) is not None:
            self._bytes -= self._index.remove_first(first.boot).size
            self.lost += 1
        return numbers

    def acknowledge(self, boot: str, seq: int) -> int:
        """Let go of everything of ``boot`` up to ``seq``; return how many that were."""
        gone = self._index.acknowledge(boot, seq)
        self._bytes -= sum(held.size for held in gone)
        return len(gone)

    def get(self, number: int) -> Entry | None:
        """Return one entry; None where it is no longer held."""
        held = self._index.get(number)
        return None if held is None else held.place

    def held(self) -> list[Held[object]]:
        """Return what is held, the oldest first."""
        return [Held(held.number, held.boot, held.seq, held.size, None) for held in self._index.held()]

    def oldest(self, boot: str) -> int | None:
        """Return the lowest ``seq`` held of one boot; None where nothing of it is."""
        return self._index.oldest(boot)

    def __len__(self) -> int:
        return len(self._index)
