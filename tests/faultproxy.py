"""A way to a server that a test can spoil: slow, cut, silent, half closed, in slices. Runs in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

CHUNK = 65_536
WAITING_MAX = 64  # chunks on their way in one direction: a slow way holds its sender back, as a real one does


class FaultProxy:
    """Passes connections on to ``host:port``. Faults hold for connections that are open and for new ones.

    Attributes:
        latency_s: how long each chunk is on its way.
        slice_bytes: bytes that are passed on at once; 0: as they come.
        refusing: new connections are aborted.
        connections: how many were made, ever.
    """

    def __init__(self, host: str, port: int) -> None:
        self.latency_s = 0.0
        self.slice_bytes = 0
        self.refusing = False
        self.connections = 0
        self.port = 0
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._ways: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}  # to the client -> to the server
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="faultproxy", daemon=True)

    @classmethod
    def to(cls, url: str) -> "FaultProxy":
        """Return a proxy to the server of a URL."""
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or 0)

    def instead(self, url: str) -> str:
        """The same URL, through here."""
        parts = urlsplit(url)
        login, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{login}{at}127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Abort every connection; both sides see a reset."""
        self._call(self._each(_abort))

    def half_close(self) -> None:
        """Tell every server that its client will send no more; answers still pass."""
        self._call(self._each(lambda _client, server: server.write_eof()))

    def swallow(self) -> None:
        """Let nothing pass in either direction, and close nothing: a black hole."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Pass everything again, also what was swallowed, as a network does that comes back."""
        self.latency_s, self.slice_bytes, self.refusing = 0.0, 0, False
        self._loop.call_soon_threadsafe(self._open.set)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _each(self, spoil: Callable[[asyncio.StreamWriter, asyncio.StreamWriter], object]) -> None:
        for client, server in list(self._ways.items()):
            with suppress(OSError):
                spoil(client, server)

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._each(_abort)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            back, there = await asyncio.open_connection(*self._target)
            self._ways[writer] = there
            await asyncio.gather(self._pass(reader, there), self._pass(back, writer))
        except OSError:
            pass  # the server is away, or one side has gone: the other sees the same
        finally:
            self._ways.pop(writer, None)
            for one in (writer, there):
                if one is not None:
                    one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_MAX)
        reading = asyncio.create_task(self._read(reader, waiting))
        try:
            while True:
                due_s, data = await waiting.get()
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
                await self._open.wait()
                if not data:
                    break
                size = self.slice_bytes or len(data)
                for at in range(0, len(data), size):
                    writer.write(data[at : at + size])
                    await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, waiting: "asyncio.Queue[tuple[float, bytes]]") -> None:
        data = b"x"
        while data:
            await self._open.wait()
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            await waiting.put((self._loop.time() + self.latency_s, data))


def _abort(client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
    client.transport.abort()
    server.transport.abort()
