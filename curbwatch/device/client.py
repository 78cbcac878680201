"""The client: devices that share one connection, what they have to send, and what they hear of it."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from curbwatch.device.lane import Item, Lane
from curbwatch.device.link import Connection, Link
from curbwatch.device.messages import (
    Broker,
    CameraAck,
    DeviceKey,
    Entry,
    Habits,
    Outgoing,
    frame_message,
    position_entry,
    read_ack,
)
from curbwatch.device.outbox import MemoryOutbox, Outbox
from ingest.topics import TopicScheme
from schemas.errors import FeedError, UsageError

TRIES = 3  # a message that alone costs the connection so often is put aside
TICK_S = 1.0  # at most, between two looks for what must be sent again


class Client:
    """One connection for ``devices``: QoS 1, at most ``habits.window`` messages un-acked, reconnecting by itself.

    Positions stay in their vehicle's outbox until the intake's own acknowledgement covers them. They are sent again
    after each reconnect, on ``resync``, and without news for ``habits.resend_s``; a broker's PUBACK only makes room for
    the next message. Pictures are sent until the broker has them.

    Use as an async context manager. Entering raises FeedError where the broker cannot be reached or refuses; a
    ``patient`` client does not wait for it and never gives up.

    Attributes:
        scheme: the topics.
        marks: (device_id, boot) -> the highest ``seq`` up to which the intake has stored this vehicle's positions.
        sent: messages the broker has acked; ``resent``: how many of them were sent before.
        put_aside: messages that cost the connection each time: pictures are given up, positions wait for a time-out.
        shed: pictures that a newer one replaced before they were sent.
    """

    def __init__(
        self,
        broker: Broker,
        scheme: TopicScheme,
        devices: Sequence[DeviceKey],
        *,
        outboxes: Mapping[str, Outbox] | None = None,
        habits: Habits | None = None,
        patient: bool = False,
    ) -> None:
        self.scheme, self.habits = scheme, habits or Habits()
        self.marks: dict[tuple[str, str], int] = {}
        self.sent = self.resent = self.put_aside = self.shed = 0
        self._patient = patient
        self._lanes = {
            name: Lane(name, scheme.of(kind, name, "position"), (outboxes or {}).get(name, MemoryOutbox()), self.habits)
            for kind, name in devices
            if kind == "vehicle"
        }
        self._locks = {name: asyncio.Lock() for name in self._lanes}
        self._queue: deque[Item] = deque()
        self._flight: dict[Item, None] = {}
        self._asked: dict[tuple[str, str, int], asyncio.Future[str]] = {}
        self.link = Link(broker, scheme, devices, self.habits, self._serve)

    async def __aenter__(self) -> Self:
        opened: list[Outbox] = []
        try:
            for lane in self._lanes.values():
                await asyncio.to_thread(lane.outbox.open) if lane.outbox.durable else lane.outbox.open()
                opened.append(lane.outbox)
            await self.link.open(patient=self._patient)
        except BaseException:
            for outbox in opened:
                outbox.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with suppress(TimeoutError, FeedError):
                if kind is None:
                    async with asyncio.timeout(self.habits.close_s):
                        await self.flush()
            await self.link.close()
        finally:
            for name, lane in self._lanes.items():
                async with self._locks[name]:
                    lane.outbox.close()

    @property
    def reconnects(self) -> int:
        """How often the connection was lost and found again."""
        return self.link.reconnects

    @property
    def unsent(self) -> int:
        """Messages handed over that the broker has not acked."""
        return len(self._queue) + len(self._flight)

    @property
    def unacknowledged(self) -> int:
        """Positions that no acknowledgement of the intake covers yet."""
        return sum(len(lane.outbox) for lane in self._lanes.values())

    @property
    def lost(self) -> int:
        """Positions dropped unacknowledged because an outbox was full."""
        return sum(lane.outbox.lost for lane in self._lanes.values())

    def fits(self, payload: bytes) -> bool:
        """Whether a payload may be sent at all."""
        return len(payload) <= self.habits.max_bytes

    async def frame(self, device_id: str, jpeg: bytes, *, ts_ns: int, boot: str, seq: int) -> None:
        """Hand one picture over; returns as soon as there is room for it in the window.

        Raises UsageError for a picture that is too large, FeedError where the broker no longer lets us in.
        """
        item = self._picture(device_id, jpeg, ts_ns=ts_ns, boot=boot, seq=seq)
        await self._room()
        self._queue.append(item)
        await self.link.tell()

    async def newest_frame(
        self, device_id: str, jpeg: bytes, *, ts_ns: int, boot: str, seq: int, preset: str = ""
    ) -> None:
        """Hand one picture over without waiting; one of this camera that is not on its way yet gives way to it.

        The outcome of that one is ``shed:newer``. Raises UsageError for a picture that is too large.
        """
        item = self._picture(device_id, jpeg, ts_ns=ts_ns, boot=boot, seq=seq, preset=preset)
        item.camera = device_id
        for older in [one for one in self._queue if one.camera == device_id]:
            self._queue.remove(older)
            self._shed(older)
        self._queue.append(item)
        await self.link.tell()

    async def positions(self, device_id: str, positions: Sequence[Mapping[str, Any]]) -> int:
        """Hand positions over, each with ``boot`` and a ``seq`` that rises, in one message where they fit.

        Returns in how many, as soon as they are kept and there is room in the window. Raises UsageError, SetupError
        where the outbox does not take them, FeedError where the broker no longer lets us in.
        """
        entries = [position_entry(position) for position in positions]
        await self._room()
        return await self.keep(device_id, entries)

    async def keep(self, device_id: str, entries: Sequence[Entry]) -> int:
        """Keep positions and queue them, without waiting for the broker; in how many messages. Raises as above."""
        for entry in entries:
            if not self.fits(entry.body) or len(entry.body) > self.habits.array_bytes:
                raise UsageError(f"{device_id}: a position of {len(entry.body)} bytes is more than a message may have")
        lane = self._lanes[device_id]
        async with self._locks[device_id]:
            append = lane.outbox.append
            numbers = await asyncio.to_thread(append, entries) if lane.outbox.durable else append(entries)
            items = lane.queue(entries, numbers, time.monotonic())
        self._queue.extend(items)
        await self.link.tell()
        return len(items)

    async def flush(self) -> None:
        """Wait until the broker has acked everything. Raises FeedError where it no longer lets us in."""
        await self.link.until(lambda: not self.unsent)

    async def settled(self) -> None:
        """Wait until the intake has acknowledged every position. Raises FeedError as above."""
        await self.link.until(lambda: not self.unacknowledged)

    def ask(self, device_id: str, boot: str, seq: int) -> asyncio.Future[str]:
        """Return what will be the intake's outcome of a camera's frame; ask before sending it.

        The outcome is ``processed``, ``shed:<reason>`` or ``rejected:<reason>``. It may never come: wait with a
        time-out, which also forgets the question.
        """
        asked: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[device_id, boot, seq] = asked
        asked.add_done_callback(lambda _: self._asked.pop((device_id, boot, seq), None))
        return asked

    async def wait_marks(self, wanted: Mapping[tuple[str, str], int], quiet_s: float) -> dict[tuple[str, str], int]:
        """Wait until ``marks`` reach ``wanted``, or none of them moved for ``quiet_s``; return those still below it."""

        def now() -> dict[tuple[str, str], int]:
            return {key: self.marks.get(key, -1) for key in wanted}

        while (before := now()) and any(before[key] < seq for key, seq in wanted.items()):
            try:
                async with asyncio.timeout(quiet_s):
                    await self.link.until(lambda before=before: now() != before)  # type: ignore[misc]
            except TimeoutError:
                break
        return {key: seq for key, seq in wanted.items() if self.marks.get(key, -1) < seq}

    def _picture(self, device_id: str, jpeg: bytes, *, ts_ns: int, boot: str, seq: int, preset: str = "") -> Item:
        topic = self.scheme.of("camera", device_id, "frame")
        if not self.fits(jpeg):
            raise UsageError(
                f"{topic}: {len(jpeg)} bytes are more than a message may have ({self.habits.max_bytes}): compress more"
            )
        outgoing = frame_message(topic, jpeg, ts_ns=ts_ns, boot=boot, seq=seq, preset=preset)
        return Item(boot=boot, seq=seq, outgoing=outgoing)

    def _shed(self, older: Item) -> None:
        self.shed += 1
        self._answer((older.camera, older.boot, older.seq), "shed:newer")

    def _answer(self, key: tuple[str, str, int], outcome: str) -> None:
        asked = self._asked.get(key)
        if asked is not None and not asked.done():
            asked.set_result(outcome)

    async def _room(self) -> None:
        await self.link.until(lambda: self.unsent < self.habits.window)

    async def _serve(self, connection: Connection) -> None:
        """Work with one connection until it is lost."""
        await self._recover()
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        works = self._pump(connection, lost), self._hear(connection), self._remind()
        tasks = [asyncio.ensure_future(work) for work in works]
        try:
            done, _ = await asyncio.wait([lost, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for ended in done:
            ended.result()

    async def _recover(self) -> None:
        """Queue again what the last connection left: first, alone, what was on its way; then what is unacknowledged."""
        suspects: list[Item] = []
        for item in self._flight:
            item.alone = item.again = True
            if item.tries >= TRIES:
                self.put_aside += 1
                if item.lane is not None:
                    item.lane.park(item)
            elif item.camera and any(newer.camera == item.camera for newer in self._queue):
                self._shed(item)
            else:
                suspects.append(item)
        self._flight.clear()
        again: list[Item] = []
        for name, lane in self._lanes.items():
            async with self._locks[name]:
                again += lane.again(time.monotonic())
        self._queue = deque([*suspects, *again, *self._queue])
        await self.link.tell()

    def _may_send(self) -> bool:
        if not self._queue or any(item.alone for item in self._flight):
            return False
        first = self._queue[0]
        if first.camera and any(item.camera == first.camera for item in self._flight):
            return False  # on a slow line a newer one may come before this one's turn
        return len(self._flight) < (1 if first.alone else self.habits.window)

    async def _pump(self, connection: Connection, lost: asyncio.Future[None]) -> None:
        """Send what is queued, in order, as the window allows. Returns when the connection does not take it."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self.link.until(self._may_send)
                item = self._queue.popleft()
                self._flight[item] = None
                outgoing = item.outgoing
                if item.lane is not None:
                    async with self._locks[item.lane.device_id]:
                        outgoing = item.lane.message(item)
                if outgoing is None:
                    await self._done(item)
                    continue
                item.tries += item.alone
                task = asyncio.create_task(self._publish(connection, item, outgoing, lost))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _publish(
        self, connection: Connection, item: Item, outgoing: Outgoing, lost: asyncio.Future[None]
    ) -> None:
        try:
            await connection.publish(outgoing)
        except ConnectionError:
            if not lost.done():
                lost.set_result(None)  # it stays on its way, and goes over the next connection
            return
        self.sent += 1
        self.resent += item.again
        await self._done(item)

    async def _done(self, item: Item) -> None:
        del self._flight[item]
        if item.lane is not None:
            item.lane.done(item)
        await self.link.tell()

    async def _remind(self) -> None:
        """Queue again what the intake has not acknowledged for too long."""
        while True:
            await asyncio.sleep(min(TICK_S, self.habits.resend_s / 4))
            for name, lane in self._lanes.items():
                async with self._locks[name]:
                    items = lane.overdue(time.monotonic())
                if items:
                    self._queue.extend(items)
                    await self.link.tell()

    async def _hear(self, connection: Connection) -> None:
        async for message in connection.messages:
            kind, device_id, leaf = message.topic.value.split("/")[-3:]
            body = message.payload if isinstance(message.payload, bytes) else b""
            if leaf == "resync":
                await self._resync(device_id)
            elif leaf == "ack" and (ack := read_ack(body, kind)) is not None:
                if isinstance(ack, CameraAck):
                    self._answer((device_id, ack.boot, ack.seq), ack.outcome)
                else:
                    await self._acknowledged(device_id, ack.boot, ack.seq)

    async def _resync(self, device_id: str) -> None:
        """The broker lost the intake's session: what it had for it is gone."""
        if device_id not in self._lanes:
            return
        async with self._locks[device_id]:
            items = self._lanes[device_id].again(time.monotonic())
        self._queue.extend(items)
        await self.link.tell()

    async def _acknowledged(self, device_id: str, boot: str, seq: int) -> None:
        lane = self._lanes.get(device_id)
        if lane is None:
            return
        async with self._locks[device_id]:
            rose = lane.heard(boot, seq, time.monotonic())
        if rose:
            self.marks[device_id, boot] = seq
            await self.link.tell()
