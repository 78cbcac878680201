"""Pictures at the end of their term. Rows first, the file after them, and a note between, so that a crash leaves work.

1. One transaction: incidents and camera events stop naming the picture, its row goes (with the salt of its digest in
   the record), dead letters of the same bytes go, and ``evidence_expiring`` notes the digest.
2. The file is deleted, here and in known backups.
3. The note goes.

A crash after 1 or 2 leaves a note, and the next turn goes on with it. At no moment does a row name a file that is gone;
a file that no row names is found by its note, or as a stray (alerts/keeping/strays.py).
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from alerts.incidents.evidence import EvidenceFolder
from alerts.keeping.files import remove_picture
from alerts.keeping.holds import DEVICE_HELD, INCIDENT_HELD
from alerts.keeping.retention import may_delete
from alerts.record.steps import OPEN_STATES
from alerts.store import AlertDatabase, Connection

BATCH = 50  # pictures of one transaction
# From when on the term counts: not before the incident was entered, or an old recording played today would go at once.
ENDED = "greatest(coalesce(i.closed_at, i.last_seen_at), i.created_at)"
KEEPS = f"(i.state = any(%(open)s) or {ENDED} >= %(cutoff)s or {INCIDENT_HELD})"
OLD = f"""
e.captured_at < %(cutoff)s and e.received_at < %(cutoff)s
and not {DEVICE_HELD.format(device="e.camera_id", at="e.captured_at")}
and not exists (select from incident_evidence p join incident i using (incident_id)
                where p.evidence_id = e.evidence_id and {KEEPS})
and not exists (select from incident i where i.before_id = e.evidence_id and {KEEPS})
and not exists (select from incident i where i.opening_id = e.evidence_id and {KEEPS})
and not exists (select from incident i where i.after_id = e.evidence_id and {KEEPS})
and not exists (select from camera_event c where c.sha256 = e.sha256)
"""  # noqa: S608  # constants
CHOOSE = f"select e.evidence_id from evidence e where {OLD} order by e.captured_at limit %(most)s"  # noqa: S608  # constants
# Incidents before what hangs on them, as everywhere.
LOCK = """
select incident_id from incident
where before_id = any(%(ids)s) or opening_id = any(%(ids)s) or after_id = any(%(ids)s)
   or incident_id in (select incident_id from incident_evidence where evidence_id = any(%(ids)s))
order by incident_id for no key update
"""
AGAIN = f"""
select e.evidence_id, e.sha256, e.camera_id, e.captured_at from evidence e
where e.evidence_id = any(%(ids)s) and {OLD} for update
"""  # noqa: S608  # constants
FORGET = """
update incident set evidence_gone_at = now(),
    before_id = case when before_id = any(%(ids)s) then null else before_id end,
    opening_id = case when opening_id = any(%(ids)s) then null else opening_id end,
    after_id = case when after_id = any(%(ids)s) then null else after_id end
where before_id = any(%(ids)s) or opening_id = any(%(ids)s) or after_id = any(%(ids)s)
   or incident_id in (select incident_id from incident_evidence where evidence_id = any(%(ids)s))
"""
GONE = """
insert into evidence_gone (evidence_id, camera_id, captured_at, term_days)
select evidence_id, camera_id, captured_at, %(days)s from evidence where evidence_id = any(%(ids)s)
"""
EVENTS = f"""
select c.event_id, c.sha256 from camera_event c
where c.sha256 <> '' and c.until < %(cutoff)s and c.written_at < %(cutoff)s
and not {DEVICE_HELD.format(device="c.camera_id", at="c.since")} order by c.event_id limit %(most)s for update
"""  # noqa: S608  # constants
NAMED = """
select sha256 from evidence where sha256 = any(%(digests)s)
union select sha256 from camera_event where sha256 = any(%(digests)s)
"""

Prune = Callable[[Sequence[str]], None]


class Pictures:
    """Deletes pictures whose incidents and camera events ended ``days`` ago. One process at a time: the chores' lock.

    ``prune(digests)`` deletes pictures from the backups that are known.
    """

    def __init__(self, database: AlertDatabase, folder: EvidenceFolder, *, days: int, prune: Prune) -> None:
        self._database = database
        self._folder = folder
        self._days = days
        self._prune = prune

    def do(self, now: datetime) -> int:
        """Delete ``BATCH`` pictures at most, and what an earlier turn left; how many files. Raises SinkError."""
        with self._database.transaction() as conn:
            if may_delete(conn):
                self._expire(conn, now)
        with self._database.transaction() as conn:
            rows = conn.execute("select sha256 from evidence_expiring order by since limit %s", (BATCH,)).fetchall()
        self._finish([row["sha256"] for row in rows])
        return len(rows)

    def waiting(self, now: datetime) -> int:
        """Number of pictures that would be deleted now. Raises SinkError."""
        with self._database.transaction() as conn:
            return len(conn.execute(CHOOSE, self._values(now, most=None)).fetchall())

    def _values(self, now: datetime, *, most: int | None) -> dict[str, Any]:
        return {"cutoff": now - timedelta(days=self._days), "open": list(OPEN_STATES), "most": most}

    def _expire(self, conn: Connection, now: datetime) -> None:
        """Take away every row that names pictures whose term is over, and note their digests."""
        values = self._values(now, most=BATCH)
        ids = [row["evidence_id"] for row in conn.execute(CHOOSE, values).fetchall()]
        if ids:
            conn.execute(LOCK, {"ids": ids})
            old = conn.execute(AGAIN, {**values, "ids": ids}).fetchall()
            forget(conn, [row["evidence_id"] for row in old], days=self._days)
            _note(conn, [row["sha256"] for row in old])
        events = conn.execute(EVENTS, values).fetchall()
        if events:
            conn.execute(
                "update camera_event set sha256 = '' where event_id = any(%s)", ([row["event_id"] for row in events],)
            )
            digests = {row["sha256"] for row in events}
            named = {row["sha256"] for row in conn.execute(NAMED, {"digests": list(digests)}).fetchall()}
            _note(conn, sorted(digests - named))

    def _finish(self, digests: Sequence[str]) -> None:
        """Delete noted pictures' files, but those that somebody names again, then their notes."""
        for digest in digests:
            if not self._named(digest):
                remove_picture(self._folder, digest, partial(self._named, digest))
        if digests:
            self._prune(digests)
        with self._database.transaction() as conn:
            conn.execute("delete from evidence_expiring where sha256 = any(%s)", (list(digests),))

    def _named(self, digest: str) -> bool:
        with self._database.transaction() as conn:
            return conn.execute(NAMED, {"digests": [digest]}).fetchone() is not None


def forget(conn: Connection, ids: Sequence[int], *, days: int) -> None:
    """Take away rows of pictures and everything that refers to them; ``days``: the term that was over, 0: none was.

    The caller holds the locks of their incidents.
    """
    conn.execute(FORGET, {"ids": list(ids)})
    conn.execute(GONE, {"ids": list(ids), "days": days})
    conn.execute("delete from evidence where evidence_id = any(%s)", (list(ids),))


def forget_missing(database: AlertDatabase, kept: Collection[str]) -> int:
    """Take away rows of pictures that are not ``kept``: what was deleted must not be named again by a backup.

    How many. For a database that nobody else uses yet. Raises SinkError.
    """
    with database.transaction() as conn:
        rows = conn.execute("select evidence_id, sha256 from evidence").fetchall()
        ids = [row["evidence_id"] for row in rows if row["sha256"] not in kept]
        forget(conn, ids, days=0)
        events = conn.execute("select event_id, sha256 from camera_event where sha256 <> ''").fetchall()
        gone = [row["event_id"] for row in events if row["sha256"] not in kept]
        conn.execute("update camera_event set sha256 = '' where event_id = any(%s)", (gone,))
    return len(ids) + len(gone)


def _note(conn: Connection, digests: Sequence[str]) -> None:
    """Note pictures that are to be deleted, and take away dead letters of the same bytes."""
    for digest in digests:
        conn.execute("insert into evidence_expiring (sha256) values (%s) on conflict do nothing", (digest,))
    conn.execute(
        "delete from dead_letter where payload_sha256 = any(%s)", ([bytes.fromhex(digest) for digest in digests],)
    )
