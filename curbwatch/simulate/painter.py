"""Renders cameras in a process of its own, so that drawing takes no time from whoever plays them."""

import asyncio
import os
import signal
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import msgspec

from curbwatch.simulate.actors import draw
from curbwatch.simulate.plan import plan_view
from curbwatch.simulate.render import Camera
from curbwatch.simulate.script import Placement
from curbwatch.simulate.sprite import Shop
from curbwatch.simulate.weather import Weather
from schemas.errors import CurbwatchError

NICE = 5  # the pipeline beside it comes first
HEAD = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class View:
    """All that a camera's pictures depend on. ``index`` is its number in the city; sizes are px."""

    seed: int
    index: int
    width: int
    height: int
    weather: Weather
    name: str
    script: tuple[Placement, ...]

    def camera(self, shop: Shop | None = None) -> Camera:
        """Return the camera that draws this view."""
        plan = plan_view(self.seed, self.index, (self.width, self.height))
        return Camera(plan, self.script, self.weather, self.name, shop)


class Painter:
    """A child process that draws ``views``, one picture at a time, at a lower priority.

    Use as an async context manager; the child ends with its block, and by itself when its parent dies.
    """

    def __init__(self, views: Mapping[str, View]) -> None:
        self._views = dict(views)
        self._numbers = {name: number for number, name in enumerate(self._views)}
        self._turn = asyncio.Lock()
        self._child: Process | None = None

    async def __aenter__(self) -> Self:
        words = sys.executable, "-m", "curbwatch.simulate.painter"
        self._child = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE)
        await self._say(msgspec.json.encode(list(self._views.values())))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            if self._child.returncode is None:
                self._child.kill()  # it holds nothing
            await self._child.communicate()

    async def warm(self) -> None:
        """Draw what stands still in every view, so that no picture is late: under a second of work for each."""
        for name in self._views:
            await self.jpeg(name, 0.0)

    async def jpeg(self, name: str, t: float) -> bytes:
        """Return one view at ``t`` seconds."""
        return (await self.live(name, lambda: t))[1]

    async def live(self, name: str, clock: Callable[[], float]) -> tuple[float, bytes]:
        """Return (t, JPEG) of one view at the moment its turn comes. Raises CurbwatchError where the child died."""
        # A caller that is cancelled must not leave its answer to the next one.
        exchange = asyncio.ensure_future(self._exchange(name, clock))
        exchange.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(exchange)

    async def _exchange(self, name: str, clock: Callable[[], float]) -> tuple[float, bytes]:
        async with self._turn:
            t = clock()
            await self._say(f"{self._numbers[name]} {t!r}".encode())
            try:
                (size,) = HEAD.unpack(await self._out.readexactly(HEAD.size))
                return t, await self._out.readexactly(size)
            except asyncio.IncompleteReadError:
                raise CurbwatchError("the simulated cameras' process died; start again") from None

    async def _say(self, line: bytes) -> None:
        child = self._child
        if child is None or child.stdin is None:
            raise CurbwatchError("the simulated cameras' process was not started")
        try:
            child.stdin.write(line + b"\n")
            await child.stdin.drain()
        except ConnectionError:
            raise CurbwatchError("the simulated cameras' process died; start again") from None

    @property
    def _out(self) -> asyncio.StreamReader:
        if self._child is None or self._child.stdout is None:
            raise CurbwatchError("the simulated cameras' process was not started")
        return self._child.stdout


def main() -> None:
    """Be the child: read the views, then draw what is asked for until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    os.nice(NICE)
    cv2.setNumThreads(1)
    asked, out = sys.stdin.buffer, sys.stdout.buffer
    shop = Shop(draw)
    cameras = [view.camera(shop) for view in msgspec.json.decode(asked.readline() or b"[]", type=list[View])]
    for line in asked:
        number, t = line.split()
        jpeg = cameras[int(number)].jpeg(float(t))
        try:
            out.write(HEAD.pack(len(jpeg)) + jpeg)
            out.flush()
        except BrokenPipeError:
            return


if __name__ == "__main__":
    main()
