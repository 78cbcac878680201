"""A city of ninety days in a database of its own: rows as the intake and the desk write them, made by the server."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources

from curbwatch.database import Connection

DAYS = 90
BLOCK = re.compile(r"^-- block (\w+)\n(.*?);$", re.MULTILINE | re.DOTALL)
DAILY = ("position", "sighting")  # blocks that are run for each day


@dataclass(frozen=True, slots=True)
class City:
    """What was filled: how many of what, from when to when."""

    positions: int
    sightings: int
    incidents: int
    begin: datetime
    now: datetime


def fill(conn: Connection, *, positions: int, say: Callable[[str], None]) -> City:
    """Fill a migrated, empty database: ``positions``, a tenth as many sightings, a two-hundredth incidents.

    ``conn`` is in autocommit; each day is a transaction. Ends with ANALYZE.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    begin = now - timedelta(days=DAYS)
    incidents, per_day = max(positions // 200, 100), max(-(-positions // DAYS), 1)
    values = {"n": incidents, "begin": begin, "now": now, "step": timedelta(days=DAYS) / incidents}
    started_s = time.perf_counter()
    conn.execute("set synchronous_commit = off")
    blocks = blocks_of(resources.files("curbwatch.bench").joinpath("queries_fill.sql").read_text("utf-8"))
    for name, statement in blocks.items():
        if name not in DAILY:
            conn.execute(statement, values)
            say(f"{name}: {time.perf_counter() - started_s:.0f} s")
    each = max(positions // 10 // incidents, 1)
    for day in range(DAYS):
        at = begin + timedelta(days=day)
        conn.execute(blocks["position"], {"day": at, "rows": per_day, "first": day * per_day})
        conn.execute(blocks["sighting"], {"day": at, "each": each})
        if day % 10 == 9:
            say(f"{day + 1} of {DAYS} days of positions and sightings: {time.perf_counter() - started_s:.0f} s")
    conn.execute("analyze")
    say(f"filled and analysed: {time.perf_counter() - started_s:.0f} s")
    return City(per_day * DAYS, each * incidents, incidents, begin, now)


def blocks_of(text: str) -> dict[str, str]:
    """Statements of a file by the names above them, in its order."""
    return dict(BLOCK.findall(text))
