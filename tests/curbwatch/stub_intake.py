"""A stand-in for the intake: hears everything and acknowledges as the real one does. And a cuttable way to a broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import aiomqtt

from curbwatch.device import Broker
from curbwatch.parts import Servers
from ingest.topics import TopicScheme


def broker_of(servers: Servers, user: str = "devices", url: str = "") -> Broker:
    return Broker(url or servers.broker_url, user, servers.password_files[user].read_text().strip())


class StubIntake:
    """``frames`` and ``positions`` as they came: (device id, payload, user properties); ``oldest`` as vehicles said."""

    def __init__(self, outcome: Callable[[str, int], str | None], *, marks: bool) -> None:
        self.frames: list[tuple[str, bytes, dict[str, str]]] = []
        self.positions: list[tuple[str, list[dict[str, Any]]]] = []
        self.statuses: list[tuple[str, str]] = []
        self.oldest: list[str] = []
        self.outcome, self.marks = outcome, marks
        self.changed = asyncio.Condition()

    async def until(self, true: Callable[[], bool]) -> None:
        async with self.changed:
            await self.changed.wait_for(true)

    async def hear(self, client: aiomqtt.Client, scheme: TopicScheme) -> None:
        async for message in client.messages:
            topic = scheme.parse(message.topic.value)
            assert topic is not None
            assert isinstance(message.payload, bytes)
            device_id = topic.device_id
            if topic.leaf == "status":
                self.statuses.append((device_id, message.payload.decode()))
            elif topic.kind == "camera":
                assert message.properties is not None
                properties: dict[str, str] = dict(message.properties.UserProperty)  # type: ignore[attr-defined]
                self.frames.append((device_id, message.payload, properties))
                seq = int(properties["seq"])
                outcome = self.outcome(device_id, seq)
                if outcome is not None:
                    body = {"boot": properties["boot"], "seq": seq, "outcome": outcome}
                    await client.publish(scheme.of("camera", device_id, "ack"), json.dumps(body))
            else:
                body = json.loads(message.payload)
                items: list[dict[str, Any]] = body if isinstance(body, list) else [body]
                self.positions.append((device_id, items))
                said: list[tuple[str, str]] = getattr(message.properties, "UserProperty", [])
                self.oldest += [value for name, value in said if name == "oldest"]
                if self.marks:
                    body = {"boot": items[-1]["boot"], "seq": items[-1]["seq"]}
                    await client.publish(scheme.of("vehicle", device_id, "ack"), json.dumps(body))
            async with self.changed:
                self.changed.notify_all()


@asynccontextmanager
async def stub_intake(
    servers: Servers,
    scheme: TopicScheme,
    outcome: Callable[[str, int], str | None] = lambda _device_id, _seq: "processed",
    *,
    marks: bool = True,
) -> AsyncIterator[StubIntake]:
    """Log in as the two intake users and listen until the end of the block."""
    stub = StubIntake(outcome, marks=marks)
    tasks: list[asyncio.Task[None]] = []
    async with _intake(servers, "intake-frames") as frames, _intake(servers, "intake-positions") as positions:
        await frames.subscribe([(scheme.wildcard("camera", leaf), 1) for leaf in ("frame", "status")])
        await positions.subscribe([(scheme.wildcard("vehicle", leaf), 1) for leaf in ("position", "status")])
        tasks += [asyncio.create_task(stub.hear(client, scheme)) for client in (frames, positions)]
        try:
            yield stub
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _intake(servers: Servers, user: str) -> aiomqtt.Client:
    broker = broker_of(servers, user)
    parts = urlsplit(broker.url)
    return aiomqtt.Client(
        parts.hostname or "",
        parts.port or 0,
        username=broker.user,
        password=broker.password,
        protocol=aiomqtt.ProtocolVersion.V5,
    )


class Wire:
    """A way to the broker that a test can cut, and that can keep the broker's answers back."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target, self.silent, self.closed = target, False, False
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        self.connections += 1
        there_reader, there_writer = await asyncio.open_connection(*self.target)
        self._writers += [writer, there_writer]
        with suppress(ConnectionError):
            await asyncio.gather(self._pipe(reader, there_writer), self._pipe(there_reader, writer, back=True))

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False) -> None:
        while data := await reader.read(65536):
            if not (back and self.silent):
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def wire_to(servers: Servers) -> AsyncIterator[Wire]:
    parts = urlsplit(servers.broker_url)
    wire = Wire((parts.hostname or "", parts.port or 0))
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire.url = f"mqtt://127.0.0.1:{port}"
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()
