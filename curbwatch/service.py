"""Running the pipeline as a service: signals, exit, drain."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from curbwatch.build import Site
from curbwatch.pipeline import Pipeline
from curbwatch.telemetry import Telemetry

While = Callable[[Pipeline], Awaitable[None]]


async def serve(site: Site, telemetry: Telemetry, meanwhile: While | None = None) -> None:
    """Run until SIGTERM or SIGINT, or until ``meanwhile(pipeline)`` returns; then drain.

    Raises CurbwatchError where the pipeline cannot start or the broker is given up for good; ``meanwhile``'s own
    errors come through. Whatever happens, what was taken is finished first.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    pipeline = Pipeline(site, telemetry)
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
        await pipeline.stop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    if other is not None and not other.cancelled() and (error := other.exception()) is not None:
        raise error


async def _then(work: Awaitable[None], ending: asyncio.Event) -> None:
    try:
        await work
    finally:
        ending.set()
