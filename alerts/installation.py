"""Whose a folder or a queue is: two databases that name the same one must not empty it for each other."""

import uuid

from alerts.store import Connection
from schemas.errors import SinkError

# The same for a server that was moved or promoted, another for every database that was made anew.
IDENTITY = """
select (select system_identifier from pg_control_system())::text || '/' || oid as id
from pg_database where datname = current_database()
"""
QUEUE_REMEDY = (
    "give each its own number at the end of redis.url; where the other database is gone for good, its relay says"
    " nothing for a minute, and the queue is built anew from this one"
)
HELD_S = 60.0  # after which a relay that says nothing no longer has its queue: a restart of its database takes less
WAIT_S = 5.0  # until somebody who found the queue another's looks again


def identity(conn: Connection) -> str:
    """What tells our database from every other one."""
    row = conn.execute(IDENTITY).fetchone()
    return "" if row is None else str(row["id"])


def owner_of(epoch: str) -> str:
    """The database whose epoch it is; empty: nobody's, or from before an epoch said so."""
    return epoch.rpartition(" ")[0]


def next_epoch(conn: Connection, there: str) -> str:
    """Name a new epoch of ours for a queue whose epoch is ``there``. Raises SinkError where the queue is another's."""
    ours, owner = identity(conn), owner_of(there)
    if owner not in {"", ours}:
        message = f"the queue belongs to another database ({owner}, not {ours}): {QUEUE_REMEDY}"
        chinese = f"任务队列属于另一个数据库({owner},不是 {ours}):请联系管理员,运行 `curbwatch doctor` 可看处理办法"
        raise SinkError(message, chinese, retryable=True, wait_s=WAIT_S)
    return f"{ours} {uuid.uuid4().hex}"
