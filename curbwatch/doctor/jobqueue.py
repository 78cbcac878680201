"""Looks at the queue. Whatever is lost there is rebuilt from the database; these findings say how often that comes."""

import re
from collections.abc import Mapping
from typing import Any

from alerts.dispatch import JobQueue
from alerts.installation import QUEUE_REMEDY, identity, owner_of
from alerts.store import AlertDatabase
from curbwatch.doctor.finding import Finding, Level, fault, judged
from schemas.errors import CurbwatchError

AREA = "queue"
VERSION_MIN = (6, 2)  # XAUTOCLAIM


def look_at_queue(url: str, database_url: str = "") -> list[Finding]:
    """Ask and judge; without a queue: one fault. ``database_url``: whose queue it should be; empty: not asked."""
    if not url:
        return [fault(AREA, "reachable", "no queue is configured", "set redis.url_file, or run `curbwatch parts up`")]
    try:
        queue = JobQueue(url)
        try:
            told, owner, held_by = queue.server(), owner_of(queue.epoch()), queue.held_by()
        finally:
            queue.close()
    except CurbwatchError as error:
        remedy = "check redis.url_file, and that the server runs: `curbwatch parts up`"
        return [fault(AREA, "reachable", str(error), remedy)]
    return [*judge_server(told), *_look_at_owner(owner, held_by, database_url)]


def _look_at_owner(owner: str, held_by: str, database_url: str) -> list[Finding]:
    """Whether our relay may use this queue; nothing where the database does not say who it is."""
    if not database_url:
        return []
    database = AlertDatabase(database_url)
    try:
        with database.transaction() as conn:
            ours = identity(conn)
    except CurbwatchError:
        return []
    finally:
        database.close()
    foreign = owner not in {"", ours} and owner == held_by
    seen = f"another database's ({owner}, not {ours})" if foreign else ("ours" if owner == ours else "nobody's")
    return [judged(AREA, "owner", Level.FAULT if foreign else Level.OK, seen, QUEUE_REMEDY)]


def judge_server(told: Mapping[str, Any]) -> list[Finding]:
    """Judge what a server says of itself (INFO). Pure; what it does not say is not held against it."""
    version = str(told.get("redis_version", ""))
    numbers = re.match(r"(\d+)\.(\d+)", version)
    old = numbers is not None and (int(numbers[1]), int(numbers[2])) < VERSION_MIN
    policy = str(told.get("maxmemory_policy", "noeviction"))
    bounded = bool(int(told.get("maxmemory", 0) or 0))
    evicts = policy != "noeviction" and bounded
    replica = told.get("role", "master") != "master"
    kept = bool(int(told.get("aof_enabled", 1)))
    failing = [name for name in ("aof_last_write_status", "rdb_last_bgsave_status") if told.get(name, "ok") != "ok"]
    name = "Valkey" if "valkey_version" in told else "Redis"
    return [
        judged(
            AREA,
            "version",
            Level.FAULT if old else Level.OK,
            f"{name} {told.get('valkey_version', version)}",
            "use Redis >= 6.2 or Valkey: crews need XAUTOCLAIM",
        ),
        judged(
            AREA,
            "writable",
            Level.FAULT if replica else Level.OK,
            "a replica" if replica else "yes",
            "name the primary server in redis.url",
        ),
        judged(
            AREA,
            "eviction",
            Level.WARN if evicts else Level.OK,
            policy if bounded else f"{policy}, memory not limited",
            "maxmemory-policy noeviction: else a whole stream of jobs goes at once and is built anew",
        ),
        judged(
            AREA,
            "persistence",
            Level.OK if kept else Level.WARN,
            "append-only file" if kept else "no append-only file",
            "appendonly yes: else every restart empties the queue, and it is built anew from the database",
        ),
        judged(
            AREA,
            "disk",
            Level.FAULT if failing else Level.OK,
            f"{failing[0]} is {told.get(failing[0])}" if failing else "writes succeed",
            "free space where the queue's data lies: it refuses writes until then",
        ),
    ]
