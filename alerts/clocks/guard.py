"""Whether the time can be trusted: a clock that was moved holds lamps until it has settled."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from schemas.meter import Meter

log = structlog.get_logger()

START = "start"  # no clock: how far the last trusted look lies back when a process begins
JUMP_S = 60.0  # two clocks that part by more than this between two looks: one of them was moved


@dataclass(frozen=True, slots=True)
class Look:
    """Three clocks at one moment: ours, the database's, and one that nobody sets (s, of this process)."""

    wall: datetime
    database: datetime
    monotonic_s: float


class ClockGuard:
    """Says at each look whether lamps may turn. For one thread.

    A clock that moved by more than ``JUMP_S`` against the one that nobody sets holds them for ``settle_s``: time
    servers put most such moves right again within minutes, and what was told to people cannot be called back. A move
    that stays is then accepted. After a start, the same holds where the last trusted look lies more than ``JUMP_S``
    away: whether the clock moved meanwhile or nobody was there to look cannot be told apart.
    """

    def __init__(self, settle_s: float, meter: Meter) -> None:
        self._settle_s = settle_s
        self._meter = meter
        self._last: Look | None = None
        self._holds_until_s: float | None = None

    def steady(self, look: Look, trusted: datetime | None) -> bool:
        """Whether lamps may turn now. ``trusted``: the database's time at the last look that might; None: never yet."""
        moved = self._moved(look, trusted)
        self._last = look
        for clock, by_s in moved.items():
            effect = f"lamps wait {self._settle_s:g} s"
            if clock == START:
                log.info("lamps_wait", last_look_s=round(by_s), effect=effect)
            else:
                self._meter.add("clock_jumps", clock=clock)
                log.warning("clock_jumped", clock=clock, by_s=round(by_s), effect=effect)
        if moved:
            self._holds_until_s = look.monotonic_s + self._settle_s
        if self._holds_until_s is not None and look.monotonic_s >= self._holds_until_s:
            self._holds_until_s = None
            log.info("clock_settled", at=look.database.isoformat())
        return self._holds_until_s is None

    def _moved(self, look: Look, trusted: datetime | None) -> dict[str, float]:
        """Clocks that moved since the last look, each with by how many s."""
        if self._last is None:
            moved = {} if trusted is None else {START: (look.database - trusted).total_seconds()}
        else:
            passed = timedelta(seconds=look.monotonic_s - self._last.monotonic_s)
            moved = {
                "wall": (look.wall - self._last.wall - passed).total_seconds(),
                "database": (look.database - self._last.database - passed).total_seconds(),
            }
        return {clock: by_s for clock, by_s in moved.items() if abs(by_s) > JUMP_S}
