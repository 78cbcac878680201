"""What one vehicle still has to send, and when it sends again. Pure but for its outbox; every moment is given."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from curbwatch.device.messages import Entry, Habits, Outgoing, in_arrays, position_message
from curbwatch.device.outbox import Held, Outbox

JOINED = 100  # positions in one array of what is sent again
_DICE = random.SystemRandom()


@dataclass(eq=False, slots=True)
class Item:
    """One message to be sent: positions of a lane by their numbers, or a finished one.

    Attributes:
        lane: whose positions; None: ``outgoing`` is finished, a picture.
        again: whether it, or a part of it, was handed to a connection before.
        alone: nothing else may be on its way with it: one of those that were when a connection was lost.
        tries: how often it was sent alone.
        camera: whose picture, where a newer one takes its place; empty: none does. ``boot`` and ``seq`` name it.
    """

    lane: "Lane | None" = None
    boot: str = ""
    numbers: tuple[int, ...] = ()
    outgoing: Outgoing | None = None
    again: bool = False
    alone: bool = False
    tries: int = 0
    camera: str = ""
    seq: int = 0


@dataclass(slots=True)
class _News:
    """Since when nothing was heard of a boot that waits, and how long is waited; s on a monotonic clock."""

    since_s: float
    wait_s: float


@dataclass(eq=False, slots=True)
class Lane:
    """One vehicle's positions on their way.

    Attributes:
        device_id: whose.
        topic: where they go.
        waiting: numbers of those that are queued or on their way.
        parked: numbers of those that cost the connection each time; they stay held, and wait for the next time-out.
        marks: boot -> the highest ``seq`` up to which the intake has stored them.
    """

    device_id: str
    topic: str
    outbox: Outbox
    habits: Habits
    waiting: set[int] = field(default_factory=set)
    parked: set[int] = field(default_factory=set)
    marks: dict[str, int] = field(default_factory=dict)
    spread: Callable[[], float] = lambda: _DICE.uniform(0.8, 1.2)
    _news: dict[str, _News] = field(default_factory=dict)

    def queue(self, entries: Sequence[Entry], numbers: Sequence[int], now_s: float) -> list[Item]:
        """Return the messages for entries just kept, in arrays where they are more than one."""
        items, at = [], 0
        for count in in_arrays((len(entry.body) for entry in entries), self.habits.array_bytes, len(entries)):
            items.append(Item(self, entries[at].boot, tuple(numbers[at : at + count])))
            at += count
        self.waiting.update(numbers)
        for entry in entries:
            self._news.setdefault(entry.boot, _News(now_s, self.habits.resend_s))
        return items

    def again(self, now_s: float) -> list[Item]:
        """Return messages for all that is held and neither queued nor parked: after a connection, or when asked."""
        held = self.outbox.held()
        self._news = {boot: _News(now_s, self.habits.resend_s) for boot in {one.boot for one in held}}
        return self._gathered([one for one in held if one.number not in self.parked])

    def overdue(self, now_s: float) -> list[Item]:
        """Return messages for each boot without news for too long of which nothing is queued; parked ones as well."""
        late = {boot for boot, news in self._news.items() if now_s - news.since_s >= news.wait_s}
        if not late:
            return []
        held = [one for one in self.outbox.held() if one.boot in late]
        queued = {one.boot for one in held if one.number in self.waiting}
        for boot in late:
            wait_s = self._news[boot].wait_s
            if boot not in queued:  # else the wait begins anew: it is still being sent
                wait_s = min(wait_s * 2, self.habits.resend_max_s) * self.spread()
            self._news[boot] = _News(now_s, wait_s)
        due = [one for one in held if one.boot not in queued]
        self.parked.difference_update(one.number for one in due)
        return self._gathered(due)

    def heard(self, boot: str, seq: int, now_s: float) -> bool:
        """Let go of what the intake has stored; whether the mark rose."""
        if seq <= self.marks.get(boot, -1):
            return False
        self.marks[boot] = seq
        self.outbox.acknowledge(boot, seq)
        if self.outbox.oldest(boot) is None:
            self._news.pop(boot, None)
        else:
            self._news[boot] = _News(now_s, self.habits.resend_s)
        return True

    def message(self, item: Item) -> Outgoing | None:
        """Return what an item sends now; None where all of it was acknowledged or dropped meanwhile.

        It says the ``oldest`` held where it is sent again, or where something between the mark and that is missing.
        """
        entries = [entry for number in item.numbers if (entry := self.outbox.get(number)) is not None]
        if not entries:
            return None
        oldest = self.outbox.oldest(item.boot)
        tell = item.again or (oldest or 0) > self.marks.get(item.boot, -1) + 1
        return position_message(self.topic, entries, oldest if tell else None)

    def done(self, item: Item) -> None:
        """The broker has it, or nothing of it was left."""
        self.waiting.difference_update(item.numbers)

    def park(self, item: Item) -> None:
        """Set aside what costs the connection each time."""
        self.done(item)
        self.parked.update(item.numbers)

    def _gathered(self, held: Sequence[Held[object]]) -> list[Item]:
        """Return messages for these, but for what is queued: neighbours of one boot in one array."""
        items: list[Item] = []
        boots: dict[str, list[Held[object]]] = {}
        for one in held:
            if one.number not in self.waiting:
                boots.setdefault(one.boot, []).append(one)
        for boot, same in boots.items():
            at = 0
            for count in in_arrays((one.size for one in same), self.habits.array_bytes, JOINED):
                items.append(Item(self, boot, tuple(one.number for one in same[at : at + count]), again=True))
                at += count
        self.waiting.update(number for item in items for number in item.numbers)
        return items
