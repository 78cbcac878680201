"""A city that sends at its own pace, in a child process, and measures how long until it is told "kept".

The lag of a position runs from the moment its packet is written to the acknowledgement that covers it, on one clock.
"""

import json
import multiprocessing
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from curbwatch.bench.load import Link
from curbwatch.packets import user_properties
from schemas.errors import FeedError

TICK_S = 0.005
BEAT_S = 10.0
DRAIN_S = 30.0  # that the last acknowledgements may take


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Attributes:
        base: ``city/v1/SITE``.
        vehicles: names of the vehicles, which take turns; each sends one position at a time.
        arrays: names of vehicles that send ten positions at once, as seldom as that makes it.
        phones: names of devices that speak OwnTracks, each once a second; nobody tells them what is kept.
        positions_per_s: of all vehicles together, without the phones.
        cameras: names of the cameras, which take turns.
        reels: pictures; camera k plays reel k modulo their number, forth and back, from another place.
        seconds: how long.
    """

    url: str
    user: str
    password: str = field(repr=False)
    base: str
    vehicles: tuple[str, ...]
    positions_per_s: float
    seconds: float
    arrays: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    reels: tuple[tuple[bytes, ...], ...] = field(default=(), repr=False)
    frames_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Beat:
    """Counts since the start, and the lags (ms) of what was acknowledged since the last beat.

    ``phones`` counts the positions that phones sent. ``cpu_s`` is the generator's own processor time, ``late_s`` how
    far it was behind its own pace at worst.
    """

    elapsed_s: float
    positions: int
    kept: int
    frames: int
    answered: int
    lags_ms: list[float]
    oldest_s: float
    cpu_s: float
    late_s: float
    phones: int = 0
    last: bool = False
    error: str = ""


class City:
    """Sends a load. Pure but for its two connections; ``send`` and ``hear`` are called in turn."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._boot = f"b{time.time_ns():x}"
        self._vehicles = Link(load.url, load.user, load.password, (f"{load.base}/vehicle/+/ack",))
        self._cameras = Link(load.url, load.user, load.password, (f"{load.base}/camera/+/ack",))
        self._names = (*load.vehicles, *load.arrays)
        self._seq = dict.fromkeys(self._names, 0)
        self._open: dict[str, deque[tuple[int, float]]] = {name: deque() for name in self._names}
        self._turns = 0
        self.positions = self.kept = self.phones = self.frames = self.answered = 0
        self.lags_ms: list[float] = []

    def send(self, elapsed_s: float) -> float:
        """Send what is due; how many seconds the first of it is late."""
        load = self._load
        late_s = 0.0
        due = int(elapsed_s * load.positions_per_s)
        if due > self.positions:
            late_s = elapsed_s - self.positions / load.positions_per_s
        while self.positions < due:
            self._position()
        while self.phones < int(elapsed_s * len(load.phones)):
            self._phone()
        while self.frames < int(elapsed_s * load.frames_per_s):
            self._frame()
        return late_s

    def hear(self, wait_s: float) -> None:
        """Move bytes both ways and note what was acknowledged."""
        for topic, payload in self._vehicles.pump(wait_s):
            told = json.loads(payload)
            if told["boot"] == self._boot:
                self._acknowledged(topic.split("/")[-2], told["seq"], time.monotonic())
        if self._load.cameras:
            self.answered += len(self._cameras.pump(0))

    def oldest_s(self) -> float:
        """How long the oldest position waits for its acknowledgement; 0 where none does."""
        first = min((waiting[0][1] for waiting in self._open.values() if waiting), default=None)
        return 0.0 if first is None else time.monotonic() - first

    def close(self) -> None:
        """Leave."""
        self._vehicles.close()
        self._cameras.close()

    def _position(self) -> None:
        load = self._load
        place = self._turns % len(self._names)
        self._turns += 1
        name = self._names[place]
        many = 1
        if place >= len(load.vehicles):
            # Ten at once, every tenth turn: the same number of positions as another vehicle's.
            if self._turns // len(self._names) % 10:
                return
            many = 10
        seq, now_ms = self._seq[name], time.time_ns() // 1_000_000
        tail = f'"speed_kmh":31.5,"heading_deg":271.0,"sat":11,"boot":"{self._boot}"'
        items = [
            f'{{"ts":{now_ms - 1000 * (many - 1 - k)},"lon":{104.6 + place / 1e4:.6f},'
            f'"lat":{30.1 + (seq + k) / 1e6:.6f},"seq":{seq + k},{tail}}}'
            for k in range(many)
        ]
        body = items[0] if many == 1 else f"[{','.join(items)}]"
        self._seq[name] = seq + many
        self.positions += many
        waiting = self._open[name]
        now_s = time.monotonic()
        waiting.extend((seq + k, now_s) for k in range(many))
        self._vehicles.put(f"{load.base}/vehicle/{name}/position", body.encode())

    def _phone(self) -> None:
        place, turn = self.phones % len(self._load.phones), self.phones // len(self._load.phones)
        body = (
            f'{{"_type":"location","tst":{int(time.time())},"lon":{104.6 + place / 1e4:.6f},'
            f'"lat":{30.1 + turn % 10_000 / 1e6:.6f},"vel":31,"cog":271,"acc":8,"batt":80}}'
        )
        self._vehicles.put(f"owntracks/{self._load.phones[place]}/phone", body.encode())
        self.phones += 1

    def _frame(self) -> None:
        load = self._load
        number, turn = self.frames % len(load.cameras), self.frames // len(load.cameras)
        reel = load.reels[number % len(load.reels)]
        span = max(1, 2 * (len(reel) - 1))
        at = (turn + 5 * (number // len(load.reels))) % span
        properties = user_properties((("ts", datetime.now(UTC).isoformat()), ("seq", str(turn)), ("boot", self._boot)))
        self._cameras.put(f"{load.base}/camera/{load.cameras[number]}/frame", reel[min(at, span - at)], properties)
        self.frames += 1

    def _acknowledged(self, name: str, mark: int, now_s: float) -> None:
        waiting = self._open.get(name)
        while waiting and waiting[0][0] <= mark:
            self.lags_ms.append((now_s - waiting.popleft()[1]) * 1000)
            self.kept += 1


def play(load: Load, beat: Callable[[Beat], None]) -> None:
    """Send a load to its end and wait for what is open; a beat each ten seconds and one at the end.

    Raises FeedError where the broker is lost.
    """
    city = City(load)
    began_s, cpu_s = time.monotonic(), time.process_time()
    next_s, late_s = BEAT_S, 0.0

    def told(elapsed_s: float, *, last: bool = False) -> None:
        cost_s = time.process_time() - cpu_s
        lags, city.lags_ms = city.lags_ms, []
        counts = (city.positions, city.kept, city.frames, city.answered)
        beat(Beat(elapsed_s, *counts, lags, city.oldest_s(), cost_s, late_s, city.phones, last))

    while (elapsed_s := time.monotonic() - began_s) < load.seconds + DRAIN_S:
        if elapsed_s < load.seconds:
            late_s = max(late_s, city.send(elapsed_s))
        elif city.kept >= city.positions and city.answered >= city.frames:
            break
        city.hear(TICK_S)
        if elapsed_s < load.seconds:
            time.sleep(TICK_S)  # gathers what comes: a wake-up for each acknowledgement would cost more than it says
        if elapsed_s >= next_s:
            told(elapsed_s)
            next_s, late_s = next_s + BEAT_S, 0.0
    told(time.monotonic() - began_s, last=True)
    city.close()


class Child:
    """The load in a process of its own, so that its cost is nobody's else. Start it, draw beats, then ``end`` it."""

    def __init__(self, load: Load) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(load, theirs), name="load", daemon=True)
        self._process.start()
        theirs.close()

    def beat(self, wait_s: float) -> Beat | None:
        """The next beat, waiting up to ``wait_s``; None where none came. Raises FeedError where the load has ended."""
        try:
            if not self._ours.poll(wait_s):
                return None
            found: Beat = self._ours.recv()
        except EOFError:
            raise FeedError("the load ended before its time") from None
        if found.error:
            raise FeedError(found.error)
        return found

    def last(self, wait_s: float) -> tuple[Beat, list[float]]:
        """Wait for the end, with at most ``wait_s`` between two beats; the last beat and all lags. Raises FeedError."""
        lags_ms: list[float] = []
        while (beat := self.beat(wait_s)) is not None:
            lags_ms += beat.lags_ms
            if beat.last:
                return beat, lags_ms
        raise FeedError("the load says nothing")

    @property
    def alive(self) -> bool:
        """Whether it still sends or waits."""
        return self._process.is_alive()

    def end(self) -> None:
        """End it at once."""
        self._process.terminate()
        self._process.join()
        self._ours.close()


def _run(load: Load, pipe: Connection) -> None:
    try:
        play(load, pipe.send)
    except (FeedError, OSError) as error:
        pipe.send(Beat(0, 0, 0, 0, 0, [], 0, 0, 0, last=True, error=str(error)))
    finally:
        pipe.close()
