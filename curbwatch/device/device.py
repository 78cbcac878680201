"""One device, for city integrators: positions that nothing loses, pictures of which the newest wins."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Annotated, Any, Literal, Self, TypeVar

import msgspec

from curbwatch.device.client import Client
from curbwatch.device.messages import Broker, Entry, Habits, new_boot
from curbwatch.device.outbox import Outbox
from ingest.topics import DEVICE_ID, TopicScheme
from schemas.errors import UsageError
from schemas.units import utc

T = TypeVar("T")
EARLIEST_NS = 946_684_800_000_000_000  # 2000: earlier is seconds, milliseconds or microseconds, or no clock
Text = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[^\x00]*$")]
Measure = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class Position(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What a vehicle says of a place and a moment; docs/intake.md has the units. None: not said.

    ``ts``, ``boot`` and ``seq`` are the device's to give.
    """

    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    ts: str = ""
    crs: Literal["wgs84", "cgcs2000", "gcj02", "bd09"] | None = None
    speed_kmh: Annotated[float, msgspec.Meta(ge=0, le=1000)] | None = None
    heading_deg: Annotated[float, msgspec.Meta(ge=-3600, le=3600)] | None = None
    alt_m: Measure | None = None
    acc_m: Measure | None = None
    sat: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    ignition: bool | None = None
    lift: bool | None = None
    cover: bool | None = None
    load: Measure | None = None
    alarms: Annotated[tuple[Text, ...], msgspec.Meta(max_length=64)] | None = None
    seq: int = -1
    boot: str = ""


class Device:
    """One camera or vehicle with a connection of its own, which is found again for as long as the block lasts.

    ``outbox`` (vehicles): where positions wait for the intake; without one in memory, and gone with the process. Use as
    an async context manager. Entering does not wait for the broker: it raises SetupError where the outbox cannot be
    opened, FeedError or UsageError for an address or a name that can never be right.

    Attributes:
        boot: name of this start; ``seq`` counts from 0 in it.
    """

    def __init__(
        self,
        broker: Broker,
        scheme: TopicScheme,
        kind: Literal["camera", "vehicle"],
        device_id: str,
        *,
        outbox: Outbox | None = None,
        habits: Habits | None = None,
    ) -> None:
        if DEVICE_ID.fullmatch(device_id) is None:
            raise UsageError(f"device id {device_id!r}: 1 to 64 letters, digits, _ or -")
        if kind not in ("camera", "vehicle"):
            raise UsageError(f"device {device_id}: kind {kind!r}: camera or vehicle")
        if kind == "camera" and outbox is not None:
            raise UsageError(f"camera {device_id}: only positions are kept in an outbox")
        self.boot = new_boot()
        self._kind, self._id = kind, device_id
        outboxes = {} if outbox is None else {device_id: outbox}
        self._client = Client(broker, scheme, [(kind, device_id)], outboxes=outboxes, habits=habits, patient=True)
        self._seq = 0
        self._order = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.sleep(0)  # a picture of this moment is handed over in its task's first step
        if self._kind == "vehicle":
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.__aexit__(kind, error, trace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._client.link.up

    @property
    def trouble(self) -> str:
        """Why there is no connection, as a sentence; empty where there is one."""
        return self._client.link.trouble

    @property
    def unacknowledged(self) -> int:
        """Positions that the intake has not acknowledged yet."""
        return self._client.unacknowledged

    @property
    def lost(self) -> int:
        """Positions dropped unacknowledged because the outbox was full, since the start."""
        return self._client.lost

    async def position(self, *, lon: float, lat: float, ts_ns: int | None = None, **said: Any) -> int:  # noqa: ANN401
        """Keep one position, taken at ``ts_ns`` (default: now), and send it; return its ``seq``.

        ``said`` are the other fields of Position. When this returns the position is in the outbox, and no longer the
        caller's care. Raises UsageError for a value that no intake would take, SetupError where the outbox takes none.
        """
        return await self.positions([{"lon": lon, "lat": lat, "ts_ns": ts_ns} | said])

    async def positions(self, positions: Sequence[Mapping[str, Any]]) -> int:
        """Keep several at once, as above, each with its ``ts_ns``; return the last ``seq``, -1: there is none yet."""
        self._refuse_unless("vehicle")
        now_ns = time.time_ns()
        read = [_read(position, now_ns) for position in positions]
        # Whoever waits may be cancelled; what was begun is kept to its end, or the counter would not be true.
        return await asyncio.shield(self._task(self._keep(read)))

    def frame(self, jpeg: bytes, *, ts_ns: int | None = None, preset: str = "") -> "asyncio.Task[str]":
        """Send one picture, taken at ``ts_ns`` (default: now); await what is returned to hear its outcome.

        The outcome is ``processed``, ``shed:<reason>`` (``shed:newer``: a newer picture came before this one could be
        sent), ``rejected:<reason>``, or ``timed_out`` where none came within ``habits.answer_s``. Nothing is kept.
        Raises UsageError for a picture that is too large, or a time that is none.
        """
        self._refuse_unless("camera")
        if not self._client.fits(jpeg):
            most = self._client.habits.max_bytes
            raise UsageError(f"camera {self._id}: {len(jpeg)} bytes are more than a message may have ({most})")
        when_ns = _when_ns(ts_ns, time.time_ns())
        seq, self._seq = self._seq, self._seq + 1
        return self._task(self._ask(jpeg, when_ns, seq, preset))

    async def settled(self, wait_s: float) -> bool:
        """Wait until the intake has acknowledged every position; False where it has not within ``wait_s``."""
        try:
            async with asyncio.timeout(wait_s):
                await self._client.settled()
        except TimeoutError:
            return False
        return True

    def _refuse_unless(self, kind: str) -> None:
        if self._kind != kind:
            noun = "position" if kind == "vehicle" else "picture"
            raise UsageError(f"{self._kind} {self._id} sends no {noun}")

    def _task(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep(self, positions: Sequence[Position]) -> int:
        async with self._order:
            entries: list[Entry] = []
            for seq, position in enumerate(positions, start=self._seq):
                position.boot, position.seq = self.boot, seq
                entries.append(Entry(self.boot, seq, msgspec.json.encode(position)))
            await self._client.keep(self._id, entries)
            self._seq += len(entries)
            return self._seq - 1

    async def _ask(self, jpeg: bytes, ts_ns: int, seq: int, preset: str) -> str:
        asked = self._client.ask(self._id, self.boot, seq)
        await self._client.newest_frame(self._id, jpeg, ts_ns=ts_ns, boot=self.boot, seq=seq, preset=preset)
        try:
            async with asyncio.timeout(self._client.habits.answer_s):
                return await asked
        except TimeoutError:
            return "timed_out"


def _when_ns(ts_ns: int | None, now_ns: int) -> int:
    """Return the time that is meant. Raises UsageError for what is not ns, such as seconds."""
    if ts_ns is not None and ts_ns < EARLIEST_NS:
        raise UsageError(f"ts_ns {ts_ns} is before 2000: it counts nanoseconds since 1970, as time.time_ns() does")
    return now_ns if ts_ns is None else ts_ns


def _read(said: Mapping[str, Any], now_ns: int) -> Position:
    """Return a position as the intake would read it. Raises UsageError, naming the field."""
    fields = {name: value for name, value in said.items() if name != "ts_ns" and value is not None}
    for name in ("ts", "seq", "boot"):
        if name in fields:
            raise UsageError(f"a position's {name} is given by the device; say when it was with ts_ns")
    try:
        when = utc(_when_ns(said.get("ts_ns"), now_ns)).isoformat()
        return msgspec.convert(fields | {"ts": when}, Position)
    except (msgspec.ValidationError, OverflowError, TypeError) as error:
        raise UsageError(f"position: {error}") from None
