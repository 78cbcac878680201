"""The dead letters as an operator handles them: looked through, shown, dropped. Replaying is curbwatch/replay.py."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from curbwatch.database import Connection
from ingest.stamps import StampError, stamp_ns
from schemas.errors import SaidError
from schemas.units import utc

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
AGO = re.compile(r"([0-9]{1,9})([smhd])")
DRAWN = 100  # letters read at once: one may hold a megabyte

# The filter of every verb; what is not asked for is null or empty.
MATCH = """
(%(ids)s::bigint[] is null or id = any(%(ids)s)) and (%(reason)s = '' or reason = %(reason)s)
and (%(device)s = '' or device_id = %(device)s) and (%(since)s::timestamptz is null or last_at >= %(since)s)
and (%(ids)s::bigint[] is not null or (replayed_at is not null) = %(replayed)s)
"""
FACTS = "id, received_at, last_at, times, topic, device_id, reason, detail, size_bytes, length(payload), replayed_at"
LIST = f"select {FACTS}, '' from dead_letter where {MATCH} order by id desc limit %(limit)s"  # noqa: S608  # constants
NEXT = f"""
select {FACTS}, payload, properties from dead_letter
where {MATCH} and id > %(after)s and id <= %(last)s order by id limit %(limit)s
"""  # noqa: S608  # constants
ONE = f"select {FACTS}, payload, properties, payload_sha256 from dead_letter where id = %s"  # noqa: S608  # constants
TALLY = f"select count(*), coalesce(sum(length(payload)), 0)::bigint from dead_letter where {MATCH}"  # noqa: S608
REASONS = f"""
select reason, count(*) from dead_letter where {MATCH} group by reason order by 2 desc, 1
"""  # noqa: S608  # constants
DROP = f"delete from dead_letter where {MATCH}"  # noqa: S608  # constants


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which letters; what is not given chooses all.

    ``replayed``: those that were replayed, else those that wait; ``ids`` name both.
    """

    ids: tuple[int, ...] = ()
    reason: str = ""
    device: str = ""
    since: datetime | None = None
    replayed: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing narrows it."""
        return not (self.ids or self.reason or self.device or self.since or self.replayed)

    def values(self) -> dict[str, Any]:
        """Values of MATCH."""
        return {
            "ids": list(self.ids) or None,
            "reason": self.reason,
            "device": self.device,
            "since": self.since,
            "replayed": self.replayed,
        }


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. ``kept_bytes`` of the ``size_bytes`` that came are there; a list leaves ``payload`` empty."""

    letter_id: int
    received_at: datetime
    last_at: datetime
    times: int
    topic: str
    device_id: str
    reason: str
    detail: str
    size_bytes: int
    kept_bytes: int
    replayed_at: datetime | None
    payload: bytes = b""
    properties: tuple[tuple[str, str], ...] = ()
    sha256: bytes = b""

    @property
    def whole(self) -> bool:
        """Whether all that came is there."""
        return self.kept_bytes == self.size_bytes


def listed(conn: Connection, chosen: Chosen, limit: int) -> list[Letter]:
    """Return letters without their payloads, newest first."""
    found = conn.execute(LIST, chosen.values() | {"limit": limit})
    return [Letter(*row[:11]) for row in found]


def each(conn: Connection, chosen: Chosen, limit: int | None) -> Iterator[list[Letter]]:
    """Yield letters with their payloads, oldest first, some at a time; none that is made meanwhile."""
    newest = conn.execute("select max(id) from dead_letter").fetchone()
    after, last, left = 0, newest[0] if newest is not None else None, limit
    while left is None or left > 0:
        count = DRAWN if left is None else min(DRAWN, left)
        rows = conn.execute(NEXT, chosen.values() | {"after": after, "last": last, "limit": count}).fetchall()
        if not rows:
            return
        yield [_letter(row) for row in rows]
        after, left = rows[-1][0], None if left is None else left - len(rows)


def shown(conn: Connection, letter_id: int) -> Letter:
    """Return one letter. Raises UsageError where there is none."""
    refuse_unknown(conn, (letter_id,))
    return _letter(conn.execute(ONE, (letter_id,)).fetchall()[0])


def tally(conn: Connection, chosen: Chosen) -> tuple[int, int]:
    """How many letters there are, and the bytes of their payloads."""
    row = conn.execute(TALLY, chosen.values()).fetchone()
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


def reasons(conn: Connection, chosen: Chosen) -> dict[str, int]:
    """How many letters there are of each reason, the most frequent first."""
    return dict(conn.execute(REASONS, chosen.values()).fetchall())


def refuse_unknown(conn: Connection, ids: Sequence[int]) -> None:
    """Raise UsageError where one of these letters does not exist; no ids: never."""
    found = {row[0] for row in conn.execute("select id from dead_letter where id = any(%s)", (list(ids),))}
    for letter_id in ids:
        if letter_id not in found:
            raise SaidError(
                f"no dead letter {letter_id}: see `curbwatch dlq list`", f"没有死信 {letter_id}:见 `curbwatch dlq list`"
            )


def drop(conn: Connection, chosen: Chosen) -> int:
    """Delete letters for good; how many."""
    return conn.execute(DROP, chosen.values()).rowcount


def since_of(text: str, now: datetime, option: str = "--since") -> datetime:
    """A moment as RFC 3339 with a zone, or as ``30m``, ``2h``, ``7d`` before ``now``. Raises UsageError.

    ``option``: where it was said, for the refusal.
    """
    ago = AGO.fullmatch(text)
    try:
        return now - timedelta(seconds=int(ago[1]) * UNITS_S[ago[2]]) if ago else utc(stamp_ns(text))
    except (StampError, OverflowError):
        raise SaidError(
            f"{option} {text}: say 30m, 2h or 7d, or a time with its zone: 2026-05-04T08:00+08:00",
            f"{option} {text}:请写 30m、2h 或 7d,或带时区的时间:2026-05-04T08:00+08:00",
        ) from None


def _letter(row: tuple[Any, ...]) -> Letter:
    properties = tuple((name, value) for name, value in row[12])
    return replace(
        Letter(*row[:11]), payload=bytes(row[11]), properties=properties, sha256=bytes(row[13] if row[13:] else b"")
    )
