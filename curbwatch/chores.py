"""What must be done now and then beside the road: one thread, one database connection, one at a time in the city."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from alerts.store import AlertDatabase
from schemas.errors import SinkError
from schemas.meter import Meter

log = structlog.get_logger()

CHORES_LOCK = 0x63686F72  # one process does the chores of this database
SEALS_LOCK = 0x7365616D  # and one, maybe another, seals its record: no chore that takes long may hold that up
MONTHS_LOCK = 0x6D6F6E74  # and one closes the figures of a month: half a minute of a city's 50 000 cases
POLL_S = 0.2  # between two looks at what is due


@dataclass(frozen=True, slots=True)
class Chore:
    """One thing to do every ``every_s`` s by a clock that nobody sets; ``do(now)`` returns how much it did.

    ``do`` raises SinkError where the database is away: it is tried again at its next turn.
    """

    name: str
    every_s: float
    do: Callable[[datetime], int]


class ChoreThread:
    """Does chores while this process holds their lock; another process takes over when it is gone.

    A chore that fails costs the others nothing. ``database`` is this thread's own.
    """

    def __init__(
        self,
        chores: Sequence[Chore],
        database: AlertDatabase,
        meter: Meter,
        *,
        lock: int = CHORES_LOCK,
        name: str = "chores",
    ) -> None:
        self._lock = lock
        self._chores = tuple(chores)
        self._database = database
        self._meter = meter
        self._due_s = {chore.name: 0.0 for chore in self._chores}
        self._failing: set[str] = set()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still works."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End after the present chore, then do each once more that is quick, so that the record is sealed."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self.round(time.monotonic(), quick_only=True)
        self._database.close()

    def round(self, now_s: float, *, quick_only: bool = False) -> None:
        """Do what is due at ``now_s`` (monotonic). ``quick_only``: those of every few seconds, due or not."""
        try:
            if not self._database.leads(self._lock):
                return
        except SinkError as error:
            self._failed("lock", error)
            return
        for chore in self._chores:
            if chore.every_s <= 5.0 if quick_only else now_s >= self._due_s[chore.name]:
                self._due_s[chore.name] = now_s + chore.every_s
                self._do(chore)

    def _run(self) -> None:
        while not self._ending.wait(POLL_S):
            self.round(time.monotonic())

    def _do(self, chore: Chore) -> None:
        started_s = time.perf_counter()
        try:
            done = chore.do(datetime.now(UTC))
        except SinkError as error:
            self._failed(chore.name, error)
        except Exception as error:  # a defect of ours costs this chore its turn, never the others
            log.exception("chore_failed", chore=chore.name)
            self._failed(chore.name, error)
        else:
            self._failing.discard(chore.name)
            self._meter.add("chores_done", done, chore=chore.name)
        self._meter.observe("chore", time.perf_counter() - started_s, chore=chore.name)

    def _failed(self, name: str, error: Exception) -> None:
        self._meter.add("chores_failed", chore=name)
        if name not in self._failing:
            log.warning("chore_waits", chore=name, error=str(error), effect="tried again at its next turn")
        self._failing.add(name)
