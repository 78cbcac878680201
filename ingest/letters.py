"""Dead letters as rows of the database. Pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from schemas.position import DeadLetter
from schemas.units import utc

LETTER = """
insert into dead_letter
    (received_at, last_at, topic, device_id, reason, detail, size_bytes, payload_sha256, payload, properties, times)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (topic, reason, payload_sha256, device_id) where replayed_at is null
do update set times = dead_letter.times + excluded.times, last_at = excluded.last_at
"""
DETAIL_MAX = 400  # characters kept of a topic and of a detail
WHOLE = frozenset({"rate", "unknown_device"})  # design 13.5: nothing is wrong with the message, it may be replayed
SHARE = 0.1  # of the cap that the letters of one device may take, and those without a device together
DEVICES_WEIGHED = 10_000  # those beyond have one share together
LETTER_BYTES = 300  # of a letter beside its payload: the other columns, the row's head, its index entries


def folded(letters: Iterable[DeadLetter]) -> list[DeadLetter]:
    """The same letters, those alike as one that says how often it came; in order of the first. None give none.

    Each would be one more update of the same row in one transaction, and the database looks through all of a row's
    versions for each: 60 000 equal items of one message would take a minute.
    """
    found: dict[tuple[str, str, str, bytes], DeadLetter] = {}
    for letter in letters:
        key = letter.topic, letter.device_id, letter.reason, letter.sha256
        before = found.get(key)
        if before is None:
            found[key] = letter
        else:
            last_ns = max(before.last_ns, before.received_ns, letter.last_ns, letter.received_ns)
            found[key] = replace(before, times=before.times + letter.times, last_ns=last_ns)
    return list(found.values())


def cost_bytes(letter: DeadLetter) -> int:
    """What a letter takes of the table's cap."""
    return LETTER_BYTES + len(letter.payload)


@dataclass(frozen=True, slots=True)
class Admitted:
    """Letters that there is room for, in order; how many others came, and of these beyond their device's share."""

    kept: list[DeadLetter]
    capped: int = 0
    device_capped: int = 0


class Room:
    """What dead letters may still take: all together, and those of one device that wait to be replayed or dropped.

    Without a share one device's flood would leave no room for the letters of the others.
    """

    def __init__(self, cap_bytes: int) -> None:
        self.cap_bytes = cap_bytes
        self.free_bytes = 0
        self._taken: dict[str, int] = {}

    def measured(self, free_bytes: int, taken: Iterable[tuple[str, int]]) -> None:
        """Begin anew with what the table holds: bytes of each device, of the first DEVICES_WEIGHED."""
        self.free_bytes = free_bytes
        self._taken = dict(taken)

    def judge(self, letters: Sequence[DeadLetter]) -> Admitted:
        """Which letters there is room for; none give none. Takes nothing: they may not be stored."""
        left, asked, kept, capped, device_capped = self.free_bytes, dict[str, int](), list[DeadLetter](), 0, 0
        for letter in letters:
            cost, whose = cost_bytes(letter), self._whose(letter)
            if cost > left:
                capped += letter.times
            elif self._taken.get(whose, 0) + asked.get(whose, 0) + cost > self.cap_bytes * SHARE:
                device_capped += letter.times
            else:
                kept.append(letter)
                left -= cost
                asked[whose] = asked.get(whose, 0) + cost
        return Admitted(kept, capped + device_capped, device_capped)

    def take(self, letters: Iterable[DeadLetter]) -> None:
        """Count letters that were stored."""
        for letter in letters:
            cost, whose = cost_bytes(letter), self._whose(letter)
            self.free_bytes -= cost
            self._taken[whose] = self._taken.get(whose, 0) + cost

    def _whose(self, letter: DeadLetter) -> str:
        known = letter.device_id in self._taken or len(self._taken) < DEVICES_WEIGHED
        return letter.device_id if known else ""


def columns(letter: DeadLetter) -> tuple[object, ...]:
    """What LETTER takes."""
    # PostgreSQL text holds no NUL; a device may have sent one.
    texts = (letter.topic[:DETAIL_MAX], letter.device_id, letter.reason, letter.detail[:DETAIL_MAX])
    topic, device_id, reason, detail = (text.replace("\0", "\\0") for text in texts)
    properties = json.dumps([[part.replace("\0", "\\0") for part in pair] for pair in letter.properties])
    received_at, size, digest = utc(letter.received_ns), letter.size_bytes, letter.sha256
    who = received_at, utc(letter.last_ns or letter.received_ns), topic, device_id, reason, detail
    return *who, size, digest, letter.payload, properties, letter.times
