"""Named moments at which this process can be made to die, so that tests walk every one of them. Nobody else dies here.

``CURBWATCH_CRASH=point:n`` at its start ends a process without any clearing up at the n-th passage of a point, as
``kill -9`` does; tests within one process hand over a hook instead. Otherwise a point costs one look at a variable.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from schemas.errors import UsageError

VARIABLE = "CURBWATCH_CRASH"
KILLED = 137  # exit code of a process that was ended by signal 9, as a shell tells it
# Transactions that carry a name: each may end before its commit or after it (``AlertDatabase.transaction``).
STEPS = (
    "open",
    "depart",
    "grace",
    "action",
    "assign",
    "sent",
    "epoch",
    "requeue",
    "take",
    "done",
    "reject",
    "reassign",
    "seal",
    "clock",
    "sweep",
)
POINTS = frozenset(
    {f"{step}_{moment}" for step in STEPS for moment in ("before_commit", "after_commit")}
    | {
        "open_after_evidence",
        "relay_before_xadd",
        "relay_after_xadd",
        "epoch_before_flush",
        "epoch_after_flush",
        "take_after_draw",
        "take_before_ack",
        "take_after_ack",
        "take_before_shown",
        "take_after_shown",
    }
)

_hook: Callable[[str], None] | None = None


def at(point: str) -> None:
    """Say that this moment has come."""
    if _hook is not None:
        _hook(point)


def arm(wanted: str) -> None:
    """Make this process die at the n-th passage of a point: ``point:n``, n from 1; empty: at none.

    Raises UsageError for a point that does not exist, naming those that do.
    """
    global _hook  # noqa: PLW0603  # one process dies once
    point, _, number = wanted.partition(":")
    if not wanted:
        _hook = None
        return
    if point not in POINTS or not number.isdecimal() or int(number) < 1:
        raise UsageError(f"{VARIABLE}={wanted}: write point:n, n from 1, point one of {', '.join(sorted(POINTS))}")
    _hook = _Countdown(point, int(number))


@contextmanager
def hooked(hook: Callable[[str], None]) -> Iterator[None]:
    """Have every point told to ``hook``, which may raise, for a while. For tests; for all threads of the process."""
    global _hook  # noqa: PLW0603
    before, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = before


class _Countdown:
    """Ends the process at the last of so many passages of one point."""

    def __init__(self, point: str, passages: int) -> None:
        self._point = point
        self._left = passages

    def __call__(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os._exit(KILLED)
