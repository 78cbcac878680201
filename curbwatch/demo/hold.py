"""One demo at a time, and none that leaves its servers behind, however it ends."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from curbwatch.parts import down, status
from curbwatch.parts.paths import home, locked, make_folder

BUSY = "another demo is running in this private folder: wait for its end, or set CURBWATCH_HOME"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held() -> Iterator[Callable[[int], None]]:
    """Hold the place of the one demo; servers that did not run before are stopped at the end.

    Until then SIGINT, SIGTERM and SIGHUP end what runs inside by SystemExit; while the servers stop they do nothing.
    Yields what ends the process at once, servers stopped, with an exit code. Raises SetupError where another demo
    runs: whether its servers are ours is asked only once we are alone, so that we never stop them.
    """
    folder = make_folder(make_folder(home(), 0o755) / "demo", 0o700)
    with locked(folder / "lock", busy=BUSY):
        ours = not any(status().values())

        def leave(code: int) -> None:
            if ours:
                down()
            os._exit(code)

        # nohup has SIGHUP ignored, and so it stays.
        heeded = [number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, _stop) for number in heeded}
        try:
            yield leave
        finally:
            for number in before:
                signal.signal(number, signal.SIG_IGN)
            if ours:
                down()
            for number, handler in before.items():
                signal.signal(number, handler)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
