"""Running the pipeline as a service: signals, exit, drain."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import structlog

from curbwatch.build import Site
from curbwatch.pipeline import Pipeline
from curbwatch.telemetry import Telemetry

log = structlog.get_logger()

DRAIN_S = 40.0  # longer than intake.retry_s: a batch that is being tried again may still succeed
While = Callable[[Pipeline], Awaitable[None]]


async def serve(
    site: Site, telemetry: Telemetry, meanwhile: While | None = None, *, leave: Callable[[int], object] = os._exit
) -> None:
    """Run until SIGTERM or SIGINT, or until ``meanwhile(pipeline)`` returns; then drain.

    Raises CurbwatchError where the pipeline cannot start, a part of it ends, or the broker is given up for good;
    ``meanwhile``'s own errors come through. Whatever happens, what was taken is finished first, for ``DRAIN_S`` at
    most; a second signal ends at once. What is not acknowledged by then the broker keeps. ``leave(exit code)`` ends
    the process where it cannot wait. Without ``meanwhile`` SIGHUP loads the city pack again; with it somebody sits at
    a terminal, whose end ends the process as ever. At the end signals do what they did before.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    ours = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[: 3 if meanwhile is None else 2]
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in ours}
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _end, ending, number, leave)
    pipeline = Pipeline(site, telemetry)
    if meanwhile is None:
        loop.add_signal_handler(signal.SIGHUP, lambda: pipeline.reload_pack())  # noqa: PLW0108 - asked of it only then
    other: asyncio.Task[None] | None = None
    try:
        await pipeline.start()
        if meanwhile is not None:
            other = asyncio.ensure_future(_then(meanwhile(pipeline), ending))
        await pipeline.watch(ending)
    finally:
        if other is not None:
            if not other.done():
                other.cancel()
            await asyncio.gather(other, return_exceptions=True)
        hard = loop.call_later(DRAIN_S, _give_up, leave)
        await pipeline.stop()
        hard.cancel()
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
    if other is not None and not other.cancelled() and (error := other.exception()) is not None:
        raise error


def _end(ending: asyncio.Event, number: int, leave: Callable[[int], object]) -> None:
    if ending.is_set():
        log.warning("ended_at_once", signal=number, effect="the broker keeps what is not acknowledged")
        leave(128 + number)
    ending.set()


def _give_up(leave: Callable[[int], object]) -> None:
    """A server that stopped answering must not hold the process for ever; threads cannot be interrupted."""
    log.error("drain_timed_out", after_s=DRAIN_S, effect="the broker keeps what is not acknowledged")
    leave(1)


async def _then(work: Awaitable[None], ending: asyncio.Event) -> None:
    try:
        await work
    finally:
        ending.set()
