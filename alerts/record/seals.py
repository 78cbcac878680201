"""Seals: each second the heads of all chains that grew are hashed together, and each seal over the one before."""

from dataclasses import dataclass
from datetime import datetime

from alerts.record.canonical import ZERO, entries_hash, link, seal_value
from alerts.store import AlertDatabase, Connection
from schemas.units import ns_of

SEAL_LOCK = 0x7365616C  # one sealer at a time, also where somebody starts a second one by hand
SEALED_MAX = 1000  # incidents in one seal; more are sealed by the next one, at once
LAST = "select seal_id, hash, clock_timestamp() as at from seal order by seal_id desc limit 1"
# One that somebody writes to at this moment is sealed at the next turn: by its own counter, so that no late commit
# can be passed over.
GREW = """
select incident_id, chain_seq, chain_head from incident where chain_seq > sealed_seq and chain_head <> ''
order by incident_id limit %s for no key update skip locked
"""


@dataclass(frozen=True, slots=True)
class Seal:
    """One seal, as it is kept elsewhere."""

    seal_id: int
    sealed_at: datetime
    hash: bytes


class Sealer:
    """Seals what grew. ``database`` is the caller's own."""

    def __init__(self, database: AlertDatabase) -> None:
        self._database = database

    def seal(self, _now: datetime) -> int:
        """Seal every chain that grew and that nobody writes to; how many. Raises SinkError.

        The moment is the database's, as everywhere in the record.
        """
        sealed = 0
        while True:
            with self._database.transaction("seal") as conn:
                count = _seal_some(conn)
            sealed += count
            if count < SEALED_MAX:
                return sealed


def newest_seal(database: AlertDatabase) -> Seal | None:
    """The newest seal; None before the first. Raises SinkError."""
    with database.transaction() as conn:
        row = conn.execute("select seal_id, sealed_at, hash from seal order by seal_id desc limit 1").fetchone()
    return None if row is None else Seal(int(row["seal_id"]), row["sealed_at"], bytes(row["hash"]))


def _seal_some(conn: Connection) -> int:
    conn.execute("select pg_advisory_xact_lock(%s)", (SEAL_LOCK,))
    grown = conn.execute(GREW, (SEALED_MAX,)).fetchall()
    if not grown:
        return 0
    last = conn.execute(LAST).fetchone()
    if last is None:
        last = conn.execute("select 0 as seal_id, ''::bytea as hash, clock_timestamp() as at").fetchone() or {}
    seal_id, at, before = int(last["seal_id"]) + 1, last["at"], last["hash"] or ZERO
    entries = [(str(row["incident_id"]), int(row["chain_seq"]), row["chain_head"]) for row in grown]
    head = link(before, seal_value(seal_id, ns_of(at) // 1000, entries_hash(entries)))
    conn.execute(
        "insert into seal (seal_id, sealed_at, prev_hash, hash) overriding system value values (%s, %s, %s, %s)",
        (seal_id, at, before, head),
    )
    columns = [list(column) for column in zip(*entries, strict=True)]
    conn.execute(
        "insert into seal_entry (seal_id, incident_id, seq, hash)"
        " select %s, * from unnest(%s::uuid[], %s::integer[], %s::bytea[])",
        (seal_id, *columns),
    )
    conn.execute(
        "update incident i set sealed_seq = e.seq from unnest(%s::uuid[], %s::integer[]) as e (incident_id, seq)"
        " where i.incident_id = e.incident_id",
        columns[:2],
    )
    return len(entries)
