"""Plays recordings and tracks to a broker, as the devices themselves would."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from curbwatch.device import Client
from curbwatch.tuning.publish_plan import CameraPlay, Plan, position_of
from curbwatch.tuning.tracks import Track

ARRAY = 100  # positions a terminal that was out of reach sends at once
AHEAD = 20 * ARRAY  # positions a vehicle may be ahead of what the intake has stored
UNANSWERED = 3  # frames in a row without an answer from anybody, before it is said


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast: ``speed`` None is as fast as the system takes it; ``ack_timeout_s``: how long an answer may take."""

    speed: float | None = None
    time_scale_s: float | None = None
    ack_timeout_s: float = 30.0


@dataclass(slots=True)
class Summary:
    """What was sent and what the intake made of it. ``frames`` and ``positions`` count by outcome; see ``to_dict``."""

    boot: str
    frames: Counter[str] = field(default_factory=Counter)
    positions: Counter[str] = field(default_factory=Counter)
    short: dict[str, int] = field(default_factory=dict)
    broker: dict[str, int] = field(default_factory=dict)
    cameras: int = 0
    vehicles: int = 0
    took_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON values.

        frames: ``published``, ``processed``, ``timed_out``, and where there are any ``shed:<reason>``,
        ``rejected:<reason>`` and ``too_large``. positions: ``published``, ``messages``, ``acknowledged`` (stored, by
        the vehicle's mark). not_acknowledged: positions by vehicle. broker: ``acked``, ``resent``, ``reconnects``,
        ``put_aside``.
        """
        return {
            "boot": self.boot,
            "cameras": self.cameras,
            "vehicles": self.vehicles,
            "frames": {"published": 0, "processed": 0, "timed_out": 0} | dict(sorted(self.frames.items())),
            "positions": {"published": 0, "messages": 0, "acknowledged": 0} | dict(self.positions),
            "not_acknowledged": self.short,
            "broker": self.broker,
            "took_s": round(self.took_s, 3),
        }


async def publish(
    plan: Plan, client: Client, pace: Pace, summary: Summary, note: Callable[[str], None] = lambda _text: None
) -> Summary:
    """Play everything of ``plan``, all devices side by side, and wait for the intake's answers.

    ``summary`` counts meanwhile and is returned; ``note`` is told what a person should know at once. Raises FeedError
    where the broker no longer lets us in.
    """
    play = _Play(client, pace, summary, note)
    try:
        async with asyncio.TaskGroup() as group:
            for camera in plan.cameras:
                group.create_task(play.camera(camera))
            for track in plan.tracks:
                group.create_task(play.vehicle(track))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the connection is one for all, and so is its error
    await play.settle(plan)
    play.summary.took_s = time.monotonic() - play.start_s
    return play.summary


class _Play:
    """One run: what all its devices share."""

    def __init__(self, client: Client, pace: Pace, summary: Summary, note: Callable[[str], None]) -> None:
        self.client, self.pace, self.summary, self.note = client, pace, summary, note
        self.start_s, self.start_ns = time.monotonic(), time.time_ns()
        self.open: set[asyncio.Task[None]] = set()
        self.answered = False
        self.told = False

    async def camera(self, play: CameraPlay) -> None:
        """Send one camera's frames; without a speed each one waits for the outcome of the one before."""
        span_ns, silent = max(play.offsets_ns), 0
        first_ns = self._last_ns(span_ns) - span_ns
        pictures = play.recording.frames(self.pace.time_scale_s)
        for seq, offset_ns in enumerate(play.offsets_ns):
            jpeg = await asyncio.to_thread(_next, pictures)
            if jpeg is None:
                return
            await self._due(offset_ns)
            if not self.client.fits(jpeg):
                self.summary.frames["too_large"] += 1
                continue
            asked = self.client.ask(play.device_id, self.summary.boot, seq)
            await self.client.frame(play.device_id, jpeg, ts_ns=first_ns + offset_ns, boot=self.summary.boot, seq=seq)
            self.summary.frames["published"] += 1
            answer = asyncio.create_task(self._answer(asked))
            self.open.add(answer)
            answer.add_done_callback(self.open.discard)
            if self.pace.speed is None:
                await answer
                silent = 0 if self.answered else silent + 1
                self._say_if_silent(silent)

    async def vehicle(self, track: Track) -> None:
        """Send one vehicle's positions: one by one at their times, or, without a speed, in arrays as fast as taken."""
        times = [fix.ts_ns for fix in track.fixes]
        first_ns, span_ns = min(times), max(times) - min(times)
        shift_ns = self._last_ns(span_ns) - max(times)
        boot = self.summary.boot
        size, heard = (ARRAY if self.pace.speed is None else 1), True
        for start in range(0, len(times), size):
            await self._due(times[start] - first_ns)
            if heard and self.pace.speed is None and start >= AHEAD:
                wanted = {(track.device_id, boot): start - AHEAD}
                heard = not await self.client.wait_marks(wanted, self.pace.ack_timeout_s)
            items = [
                position_of(fix, fix.ts_ns + shift_ns, boot=boot, seq=seq)
                for seq, fix in enumerate(track.fixes[start : start + size], start=start)
            ]
            self.summary.positions["messages"] += await self.client.positions(track.device_id, items)
            self.summary.positions["published"] += len(items)

    async def settle(self, plan: Plan) -> None:
        """Wait until all is acked, by the broker and then by the intake, or nothing moves any more."""
        await self.client.flush()
        boot = self.summary.boot
        wanted = {(track.device_id, boot): len(track.fixes) - 1 for track in plan.tracks}
        if self.open:
            await asyncio.gather(*self.open)
        missing = await self.client.wait_marks(wanted, self.pace.ack_timeout_s)
        for key, last in wanted.items():
            stored = min(self.client.marks.get(key, -1), last) + 1
            self.summary.positions["acknowledged"] += stored
            if key in missing:
                self.summary.short[key[0]] = last + 1 - stored
        client = self.client
        self.summary.broker = {"acked": client.sent, "resent": client.resent, "reconnects": client.reconnects}
        self.summary.broker["put_aside"] = client.put_aside

    async def _answer(self, asked: asyncio.Future[str]) -> None:
        try:
            async with asyncio.timeout(self.pace.ack_timeout_s):
                outcome = await asked
        except TimeoutError:
            outcome = "timed_out"
        else:
            self.answered = True
        self.summary.frames[outcome] += 1

    async def _due(self, offset_ns: int) -> None:
        if self.pace.speed is not None:
            await asyncio.sleep(self.start_s + offset_ns / 1e9 / self.pace.speed - time.monotonic())

    def _last_ns(self, span_ns: int) -> int:
        """Return the time of the last stamp: now, or, where a speed is given, when it is sent; never in the future."""
        if self.pace.speed is None:
            return self.start_ns
        return self.start_ns + round(span_ns / max(self.pace.speed, 1.0))

    def _say_if_silent(self, silent: int) -> None:
        if silent >= UNANSWERED and not self.told:
            self.told = True
            wait_s = self.pace.ack_timeout_s
            self.note(f"no answer from the intake: does `curbwatch run` run? Each frame waits {wait_s:g} s for it")


def _next(pictures: Iterator[tuple[int, bytes]]) -> bytes | None:
    """Read the next picture; None after the last one."""
    return next((jpeg for _, jpeg in pictures), None)
