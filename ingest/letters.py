"""Dead letters as rows of the database. Pure."""

import json
from collections.abc import Iterable
from dataclasses import replace

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


def columns(letter: DeadLetter) -> tuple[object, ...]:
    """What LETTER takes."""
    # PostgreSQL text holds no NUL; a device may have sent one.
    texts = (letter.topic[:DETAIL_MAX], letter.device_id, letter.reason, letter.detail[:DETAIL_MAX])
    topic, device_id, reason, detail = (text.replace("\0", "\\0") for text in texts)
    properties = json.dumps([[part.replace("\0", "\\0") for part in pair] for pair in letter.properties])
    received_at, size, digest = utc(letter.received_ns), letter.size_bytes, letter.sha256
    who = received_at, utc(letter.last_ns or letter.received_ns), topic, device_id, reason, detail
    return *who, size, digest, letter.payload, properties, letter.times
