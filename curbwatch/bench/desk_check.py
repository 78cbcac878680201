"""After a load on the desk: does the record hold what was accepted, each once, and nothing else?"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from curbwatch.bench.desk_load import Act
from curbwatch.database import Connection

# Rows that carry the key of the action which wrote them.
KEYED = """
select what, coalesce(detail ->> 'reason', detail ->> 'note') as key, count(*)
from incident_event where what in ('rejected', 'finished') group by 1, 2
"""
TAKEN = "select detail ->> 'job', actor, count(*) from incident_event where what = 'taken' group by 1, 2"
# A desk's action carries its key beside the record, with the step that it made.
ACTED = """
select a.key, count(e.event_id) from action_key a left join incident_event e using (incident_id, seq) group by a.key
"""
OPENED = "select incident_id::text, count(*) from incident_event where what = 'opened' group by 1"
# A case whose job is taken while somebody has it would have two owners.
TWO_OWNERS = """
select count(*) from (
    select what, lag(what) over (partition by incident_id order by event_id) as before
    from incident_event where what in ('taken', 'rejected', 'reassigned', 'finished', 'lease_expired', 'suspended',
        'void', 'self_handled', 'merged', 'gone')
) as step where what = 'taken' and before = 'taken'
"""
UNSHOWN = "select job_id::text, holder from job where state = 'taken' and shown_at is null"
COUNTS = """
select (select count(*) from incident_event) as rows,
       (select coalesce(sum(chain_seq), 0) from incident) as chained,
       (select count(*) from job) as jobs,
       (select count(*) from outbox where sent_at is null) as unsent
"""
ROW_OF = {"reject": "rejected", "done": "finished"}


def check(conn: Connection, acts: Iterable[Act], opened: Iterable[str]) -> dict[str, int]:
    """Compare accepted actions with the record: ``lost``, ``doubled``, ``two_owners``; rows and jobs counted.

    ``opened``: incidents that were there before.
    """
    accepted = [act for act in acts if act.accepted]
    wanted, written = _expected(accepted), _written(conn)
    wanted.update(("open", incident_id) for incident_id in opened)
    lost = sum((wanted - written).values()) + _unshown(conn, accepted)
    doubled = sum((written - wanted).values())
    row = _one(conn, COUNTS)
    return {
        "accepted": len(accepted),
        "lost": lost,
        "doubled": doubled,
        "two_owners": int(_one(conn, TWO_OWNERS)[0]),
        "rows": int(row[0]),
        "rows_not_chained": int(row[0]) - int(row[1]),
        "jobs": int(row[2]),
        "unsent": int(row[3]),
    }


def _expected(accepted: Iterable[Act]) -> Counter[tuple[str, ...]]:
    wanted: Counter[tuple[str, ...]] = Counter()
    for act in accepted:
        if act.kind in ROW_OF:
            wanted[ROW_OF[act.kind], act.key] += 1
        elif act.kind == "take":
            wanted[act.kind, act.subject, act.person] += 1
        elif act.kind == "open":
            wanted[act.kind, act.subject] += 1
        elif act.kind != "shown":
            wanted["act", act.key] += 1
    return wanted


def _written(conn: Connection) -> Counter[tuple[str, ...]]:
    written: Counter[tuple[str, ...]] = Counter()
    for what, key, count in conn.execute(KEYED):
        written[what, key] = count
    for kind, query in (("take", TAKEN), ("act", ACTED), ("open", OPENED)):
        for *names, count in conn.execute(query):
            written[(kind, *names)] = count
    return written


def _unshown(conn: Connection, accepted: Iterable[Act]) -> int:
    """How many jobs whose holder last said that they were shown are not known as shown."""
    last = {(act.subject, act.person): act.kind for act in accepted if act.kind in {"take", "shown", "done", "reject"}}
    return sum(last.get((job_id, holder)) == "shown" for job_id, holder in conn.execute(UNSHOWN))


def _one(conn: Connection, query: str) -> tuple[Any, ...]:
    row = conn.execute(query).fetchone()
    if row is None:
        raise RuntimeError("a count that returned no row")
    return tuple(row)
