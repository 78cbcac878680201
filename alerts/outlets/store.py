"""Messages to other systems in the database: worked out from the record, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.incidents.naming import incident_key
from alerts.outlets.webhook import Answer
from alerts.rows import incident_row
from alerts.store import AlertDatabase, Connection
from schemas.errors import SaidError
from schemas.incident import IncidentRow

ENTER_LOCK = 0x6F75746C  # outlets are entered by one process at a time
# The first message of each incident that waits: the next one only after it was told, or given up.
DUE = """
select m.incident_id, m.seq, m.tries, e.at, e.what, e.state as step_state, e.detail, i.*
from outlet_message m join incident_event e using (incident_id, seq) join incident_view i using (incident_id)
where m.outlet = %s and m.state = 'waiting' and m.next_try <= now()
and not exists (select from outlet_message b where b.outlet = m.outlet and b.incident_id = m.incident_id
    and b.state = 'waiting' and b.seq < m.seq)
order by i.urgent desc, m.next_try, m.incident_id limit %s
"""
PROJECT = """
insert into outlet_message (outlet, incident_id, seq)
select %(name)s, e.incident_id, e.seq
from unnest(%(ids)s::uuid[], %(told)s::int[], %(now)s::int[]) as n (incident_id, told, now)
join incident i using (incident_id)
join incident_event e on e.incident_id = n.incident_id and e.seq > n.told and e.seq <= n.now
where (cardinality(%(families)s::text[]) = 0 or i.family = any(%(families)s::text[]))
and (cardinality(%(steps)s::text[]) = 0 or e.what = any(%(steps)s::text[]))
and not e.detail ? 'quiet' -- told together with others, by one step: docs/clocks.md
on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Wants:
    """Which steps an outlet is told of; an empty tuple: all."""

    name: str
    families: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """A message whose turn it is: one step of an incident, and the incident as it is now. ``tries`` failed so far."""

    seq: int
    tries: int
    at: datetime
    what: str
    state: str  # of the incident after this step
    incident: IncidentRow

    @property
    def delivery(self) -> str:
        """Name of the message, the same at every try."""
        return f"{self.incident.incident_id}/{self.seq}"


@dataclass(frozen=True, slots=True)
class Told:
    """One message as people and programs list it."""

    outlet: str
    incident_id: str
    seq: int
    what: str
    state: str
    tries: int
    next_try: datetime
    sent_at: datetime | None
    status: int | None
    receipt: str
    error: str


class OutletStore:
    """Messages by outlet; every method is one transaction and raises SinkError when it did not happen."""

    def __init__(self, database: AlertDatabase) -> None:
        self._database = database

    def enter(self, names: Sequence[str]) -> None:
        """Note which outlets there are; those that are gone are forgotten, with what waited for them.

        The first ones are told of what comes, not of what was: there may be years of it.
        """
        with self._database.transaction() as conn:
            conn.execute("select pg_advisory_xact_lock(%s)", (ENTER_LOCK,))
            conn.execute("delete from outlet where not name = any(%s)", (list(names),))
            conn.execute("delete from outlet_message where state = 'waiting' and not outlet = any(%s)", (list(names),))
            known = conn.execute("select count(*) as n from outlet").fetchone()
            if known is not None and known["n"] == 0:
                conn.execute("update incident set told_seq = chain_seq where chain_seq > told_seq")
            for name in names:
                conn.execute("insert into outlet (name) values (%s) on conflict do nothing", (name,))

    def project(self, wanted: Sequence[Wants], limit: int = 500) -> int:
        """Make the messages of steps that are new, up to ``limit`` incidents; the number of messages.

        Each incident has its own mark, read and moved under the incident's lock, and steps of one incident commit in
        their order: none can be skipped by a transaction that commits late.
        """
        with self._database.transaction() as conn:
            rows = conn.execute(
                "select incident_id, told_seq, chain_seq from incident where chain_seq > told_seq"
                " order by incident_id limit %s for no key update skip locked",
                (limit,),
            ).fetchall()
            if not rows:
                return 0
            ids = [row["incident_id"] for row in rows]
            span = {"ids": ids, "told": [row["told_seq"] for row in rows], "now": [row["chain_seq"] for row in rows]}
            made = 0
            for one in wanted:
                filters = {"name": one.name, "families": list(one.families), "steps": list(one.steps)}
                made += conn.execute(PROJECT, span | filters).rowcount
            conn.execute("update incident set told_seq = chain_seq where incident_id = any(%s)", (ids,))
        return made

    def due(self, name: str, limit: int = 100) -> list[Due]:
        """Messages whose turn it is, at most one of each incident, urgent incidents first."""
        with self._database.transaction() as conn:
            rows = conn.execute(DUE, (name, limit)).fetchall()
        return [
            Due(row["seq"], row["tries"], row["at"], row["what"], row["step_state"], incident_row(row)) for row in rows
        ]

    def sent(self, name: str, told: Sequence[tuple[Due, Answer]]) -> None:
        """Note that messages were told, each with the other side's receipt; none: nothing."""
        if not told:
            return
        with self._database.transaction() as conn:
            conn.execute(
                "update outlet_message m set state = 'sent', tries = tries + 1, sent_at = now(), status = t.status,"
                " receipt = t.receipt, error = ''"
                " from unnest(%s::uuid[], %s::int[], %s::int[], %s::text[]) as t (incident_id, seq, status, receipt)"
                " where m.outlet = %s and m.incident_id = t.incident_id and m.seq = t.seq",
                (
                    [due.incident.incident_id for due, _ in told],
                    [due.seq for due, _ in told],
                    [answer.status for _, answer in told],
                    [answer.receipt for _, answer in told],
                    name,
                ),
            )

    def failed(self, name: str, due: Due, answer: Answer, wait_s: float | None) -> None:
        """Note that a try failed; the next one after ``wait_s`` s. None: it is given up."""
        with self._database.transaction() as conn:
            conn.execute(
                "update outlet_message set state = %s, tries = tries + 1, status = %s, error = %s,"
                " next_try = now() + make_interval(secs => %s) where outlet = %s and incident_id = %s and seq = %s",
                (
                    "dead" if wait_s is None else "waiting",
                    answer.status,
                    answer.error,
                    wait_s or 0.0,
                    name,
                    due.incident.incident_id,
                    due.seq,
                ),
            )

    def counts(self, name: str) -> dict[str, int]:
        """Number of messages that wait and that were given up."""
        with self._database.transaction() as conn:
            # Each has an index of its own; what was told, by far the most, is in neither.
            row = conn.execute(
                "select (select count(*) from outlet_message where outlet = %(name)s and state = 'waiting') as waiting,"
                " (select count(*) from outlet_message where outlet = %(name)s and state = 'dead') as dead",
                {"name": name},
            ).fetchone()
        return {state: int((row or {state: 0})[state]) for state in ("waiting", "dead")}

    def listed(self, *, outlet: str = "", state: str = "", incident_id: str = "", limit: int = 100) -> list[Told]:
        """Messages, newest first; of one outlet, state or incident where given."""
        with self._database.transaction() as conn:
            key = incident_key(conn, incident_id) if incident_id else None
            rows = conn.execute(
                "select m.*, e.what from outlet_message m join incident_event e using (incident_id, seq)"
                " where %(outlet)s in ('', m.outlet) and %(state)s in ('', m.state)"
                " and (%(key)s::uuid is null or m.incident_id = %(key)s)"
                " order by m.created_at desc, m.incident_id, m.seq desc limit %(limit)s",
                {"outlet": outlet, "state": state, "key": key, "limit": limit},
            ).fetchall()
        return [_told(row) for row in rows]

    def retry(self, *, outlet: str = "", incident_id: str = "") -> int:
        """Let messages that were given up be tried again, and those that wait now; how many."""
        with self._database.transaction() as conn:
            key = incident_key(conn, incident_id) if incident_id else None
            _known(conn, outlet)
            done = conn.execute(
                "update outlet_message set state = 'waiting', tries = 0, next_try = now()"
                " where state <> 'sent' and %(outlet)s in ('', outlet)"
                " and (%(key)s::uuid is null or incident_id = %(key)s)",
                {"outlet": outlet, "key": key},
            )
            return done.rowcount


def _known(conn: Connection, outlet: str) -> None:
    names = [row["name"] for row in conn.execute("select name from outlet order by name").fetchall()]
    if outlet and outlet not in names:
        raise SaidError(
            f"no outlet {outlet!r}; there are: {', '.join(names) or 'none'}",
            f"没有对接系统 {outlet!r};现有:{', '.join(names) or '无'}",
        )


def _told(row: dict[str, Any]) -> Told:
    values = {name: row[name] for name in Told.__dataclass_fields__}
    return Told(**values | {"incident_id": str(row["incident_id"])})
