"""Checks the whole record against its hashes, row by row; what is changed, missing, doubled or moved is told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from alerts.record.canonical import ZERO, entries_hash, link, parsed, row_value, seal_value
from alerts.store import AlertDatabase, Connection

FETCHED = 2000  # rows in memory at a time
FOUND_MAX = 1000  # faults that are told one by one; more are counted
TOLD_EVERY = 10_000  # rows between two words on how far it is

ROWS = """
select incident_id, seq, case when isfinite(at) then (extract(epoch from at) * 1000000)::bigint end as at_us,
    actor, role, proved, what, state, detail::text as detail, prev_hash, hash
from incident_event order by incident_id, seq nulls first, event_id
"""
HEADS = """
select incident_id, chain_seq, chain_head, sealed_seq, state from incident order by incident_id
"""
ENTRIES = "select incident_id, seal_id, seq, hash from seal_entry order by incident_id, seq, seal_id"
SEALS = """
select seal_id, case when isfinite(sealed_at) then (extract(epoch from sealed_at) * 1000000)::bigint end as at_us,
    prev_hash, hash
from seal order by seal_id
"""
SEALED = "select seal_id, incident_id, seq, hash from seal_entry order by seal_id, incident_id"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written.

    ``kind``: ``changed``, ``missing``, ``doubled``, ``moved`` (does not follow the row before it), ``head`` (the
    incident itself says otherwise than its last row), ``gone`` (a whole incident), ``resealed`` (the row is not the
    one that was sealed), ``seal`` (a seal is changed, missing or moved), ``cut`` (the head that was kept elsewhere is
    no longer there).
    """

    kind: str
    message: str
    incident_id: str = ""
    seq: int = 0
    seal_id: int = 0


@dataclass(slots=True)
class Audit:
    """What was looked at, and what was found.

    ``unchained``: rows from before the chain, which prove nothing. ``unsealed``: rows no seal holds yet. ``head``:
    newest seal's hash, empty without one. ``more``: findings beyond those that are listed.
    """

    rows: int = 0
    incidents: int = 0
    seals: int = 0
    unchained: int = 0
    unsealed: int = 0
    unsealed_incidents: int = 0
    head: str = ""
    findings: list[Finding] = field(default_factory=list)
    more: int = 0

    def found(self, finding: Finding) -> None:
        """Note a finding; beyond ``FOUND_MAX`` it is only counted."""
        if len(self.findings) < FOUND_MAX:
            self.findings.append(finding)
        else:
            self.more += 1


def verify(database: AlertDatabase, *, head: str = "", tell: Callable[[int], None] = lambda _rows: None) -> Audit:
    """Check every row, chain and seal as of one moment; memory does not grow with the record.

    ``head``: hash of a seal that was kept elsewhere, 64 hex digits. ``tell`` hears of the rows that were read. Raises
    SinkError where the database does not answer.
    """
    with database.transaction() as conn:
        conn.execute("set transaction isolation level repeatable read, read only")
        return check(conn, head=head, tell=tell)


def check(conn: Connection, *, head: str = "", tell: Callable[[int], None] = lambda _rows: None) -> Audit:
    """As ``verify``, inside the caller's transaction."""
    audit = Audit()
    with ExitStack() as stack:
        _check_chains(conn, stack, audit, tell)
    with ExitStack() as stack:
        kept = _check_seals(conn, stack, audit, head)
    if head and not kept:
        audit.found(Finding("cut", f"no seal has the hash {head}: the record was cut off or made anew since"))
    return audit


def _check_chains(conn: Connection, stack: ExitStack, audit: Audit, tell: Callable[[int], None]) -> None:
    """Walk rows, incidents and seal entries side by side, each ordered by incident."""
    rows = Grouped(_stream(conn, stack, "audit_rows", ROWS))
    heads = Grouped(_stream(conn, stack, "audit_heads", HEADS))
    entries = Grouped(_stream(conn, stack, "audit_entries", ENTRIES))
    told = 0
    while (incident_id := min(filter(None, (rows.next_id, heads.next_id, entries.next_id)), default="")) != "":
        chain = Chain(incident_id, audit)
        audit.incidents += 1
        sealed = entries.group(incident_id)
        seal = next(sealed, None)
        for row in rows.group(incident_id):
            seal = chain.row(row, seal, sealed)
            if audit.rows - told >= TOLD_EVERY:
                told = audit.rows
                tell(told)
        chain.end(next(heads.group(incident_id), None), seal, sealed)
    tell(audit.rows)


class Grouped:
    """Rows that are ordered by incident, handed out one incident after the other."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    @property
    def next_id(self) -> str:
        """Incident of the next row; empty at the end."""
        return "" if self._next is None else str(self._next["incident_id"])

    def group(self, incident_id: str) -> Iterator[Row]:
        """Rows of this incident, if the next ones are."""
        while (row := self._next) is not None and self.next_id == incident_id:
            self._next = next(self._rows, None)
            yield row


class Chain:
    """One incident's rows, as they come."""

    def __init__(self, incident_id: str, audit: Audit) -> None:
        self._id = incident_id
        self._audit = audit
        self._seq = 0
        self._hash = ZERO
        self._state = ""
        self._chained = False
        self._rows = 0
        self._sealed = 0

    def row(self, row: Row, seal: Row | None, sealed: Iterator[Row]) -> Row | None:
        """Check one row against the one before it and against its seal; the seal that comes next."""
        self._audit.rows += 1
        self._rows += 1
        if row["hash"] is None and not self._chained:
            self._audit.unchained += 1
            self._seq = row["seq"] or 0
            self._state = row["state"]
            return seal
        self._chained = True
        seq = row["seq"] or 0
        self._numbered(seq)
        if (row["prev_hash"] or b"") != self._hash:
            self._found("moved", seq, "does not follow the row before it")
        if (
            link(row["prev_hash"] or b"", row_value(row | {"incident_id": self._id, "detail": parsed(row["detail"])}))
            != row["hash"]
        ):
            self._found("changed", seq, f"({row['what']} by {row['actor']}) is not what was written")
        while seal is not None and seal["seq"] <= seq:
            if seal["seq"] == seq and seal["hash"] != row["hash"]:
                self._found("resealed", seq, f"is not the one that seal {seal['seal_id']} holds", seal["seal_id"])
            self._sealed = seal["seq"]
            seal = next(sealed, None)
        self._seq, self._hash, self._state = max(seq, self._seq), row["hash"] or b"", row["state"]
        return seal

    def end(self, incident: Row | None, seal: Row | None, sealed: Iterator[Row]) -> None:
        """Check the end of the chain against the incident itself and against the seals that are left."""
        while seal is not None:
            if self._rows:
                self._found("missing", seal["seq"], f"is in seal {seal['seal_id']} and not there", seal["seal_id"])
            else:
                message = f"incident {self._id} is gone altogether: seal {seal['seal_id']} holds row {seal['seq']}"
                self._audit.found(Finding("gone", message, self._id, seal["seq"], seal["seal_id"]))
            self._sealed = seal["seq"]
            seal = next(sealed, None)
        if incident is None:
            if self._rows:
                self._audit.found(Finding("gone", f"incident {self._id} is gone, its rows are there", self._id))
            return
        self._unsealed(incident)
        if incident["chain_seq"] > self._seq:
            self._found("missing", incident["chain_seq"], "is the last one, says the incident, and is not there")
        elif self._chained and (incident["chain_head"] or b"") != self._hash:
            self._found("head", self._seq, "is the last one, and the incident says another")
        if self._chained and incident["chain_seq"] == self._seq and incident["state"] != self._state:
            message = f"incident {self._id} is {incident['state']}, but its last row says {self._state}"
            self._audit.found(Finding("head", message, self._id, self._seq))

    def _unsealed(self, incident: Row) -> None:
        """Count what no seal holds, by the seals themselves: what the incident says of it is in no hash."""
        tail = incident["chain_seq"] - self._sealed
        if incident["sealed_seq"] != self._sealed:
            message = (
                f"incident {self._id} says it is sealed up to row {incident['sealed_seq']}, and its newest seal holds"
                f" row {self._sealed}"
            )
            self._audit.found(Finding("seal", message, self._id, self._sealed))
        if self._chained and tail > 0:
            self._audit.unsealed += tail
            self._audit.unsealed_incidents += 1

    def _numbered(self, seq: int) -> None:
        if seq == self._seq:
            self._found("doubled", seq, "is there twice")
        for missing in range(self._seq + 1, min(seq, self._seq + 1 + FOUND_MAX)):
            self._found("missing", missing, "is missing")

    def _found(self, kind: str, seq: int, message: str, seal_id: int = 0) -> None:
        said = f"incident {self._id}, row {seq}: {message}"
        self._audit.found(Finding(kind, said, self._id, seq, seal_id))


def _check_seals(conn: Connection, stack: ExitStack, audit: Audit, head: str) -> bool:
    """Walk the seals with what each holds; whether one has the hash that was kept elsewhere."""
    sealed = Sealed(_stream(conn, stack, "audit_sealed", SEALED))
    before, number, kept = ZERO, 0, False
    for seal in _stream(conn, stack, "audit_seals", SEALS):
        audit.seals += 1
        seal_id = int(seal["seal_id"])
        for orphan in sealed.until(seal_id):
            audit.found(Finding("seal", f"seal {orphan} is missing, what it held is there", seal_id=orphan))
        if seal_id != number + 1:
            audit.found(Finding("seal", f"seals {number + 1} to {seal_id - 1} are missing", seal_id=number + 1))
        if seal["prev_hash"] != before:
            audit.found(Finding("seal", f"seal {seal_id} does not follow the one before it", seal_id=seal_id))
        held = entries_hash(sealed.of(seal_id))
        if link(seal["prev_hash"], seal_value(seal_id, seal["at_us"], held)) != seal["hash"]:
            audit.found(Finding("seal", f"seal {seal_id}, or what it holds, was changed", seal_id=seal_id))
        before, number = seal["hash"], seal_id
        kept = kept or before.hex() == head
    for orphan in sealed.until(None):
        audit.found(Finding("seal", f"seal {orphan} is missing, what it held is there", seal_id=orphan))
    audit.head = before.hex() if audit.seals else ""
    return kept


class Sealed:
    """What seals hold, ordered by seal, read beside them."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, seal_id: int) -> list[tuple[str, int, bytes]]:
        """What this seal holds."""
        held = []
        while self._next is not None and self._next["seal_id"] == seal_id:
            held.append((str(self._next["incident_id"]), int(self._next["seq"]), self._next["hash"]))
            self._next = next(self._rows, None)
        return held

    def until(self, seal_id: int | None) -> Iterator[int]:
        """Numbers of seals before this one (None: of all that are left) that are only known by what they held."""
        while self._next is not None and (seal_id is None or self._next["seal_id"] < seal_id):
            orphan = int(self._next["seal_id"])
            self.of(orphan)
            yield orphan


def _stream(conn: Connection, stack: ExitStack, name: str, query: str) -> Iterator[Row]:
    """Rows of a query, a few at a time."""
    cursor = stack.enter_context(conn.cursor(name))
    cursor.itersize = FETCHED
    cursor.execute(query)
    yield from cursor
