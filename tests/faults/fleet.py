"""Vehicles that keep what is not acknowledged and send it again: docs/intake.md, as short as it goes."""

import json
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from curbwatch.bench.load import Link
from schemas.errors import FeedError

TICK_S = 0.01


@dataclass
class Entry:
    """One position that is not acknowledged; times are monotonic."""

    seq: int
    body: bytes
    first_s: float
    sent_s: float


@dataclass
class Car:
    """One vehicle: ``open`` holds what is above the mark, ascending; ``lags_ms`` (when first sent, how long)."""

    name: str
    rate_per_s: float
    seq: int = 0
    mark: int = -1
    due_s: float = 0.0
    open: deque[Entry] = field(default_factory=deque)
    lags_ms: list[tuple[float, float]] = field(default_factory=list)


class Fleet:
    """Sends in a thread until ``rest``; then sends again only: when asked, on a new connection, after a while."""

    def __init__(
        self,
        url: str,
        password: str,
        base: str,
        rates_per_s: dict[str, float],
        *,
        patience_s: float = 15.0,
        pad: int = 0,
    ) -> None:
        self.cars = {name: Car(name, rate) for name, rate in rates_per_s.items()}
        self.boot = uuid.uuid4().hex[:8]
        self.resent = self.reconnects = self.resyncs = 0
        self.last_ack_s = 0.0
        self.changed = threading.Condition()
        self._url, self._password, self._base = url, password, base
        self._patience_s, self._pad = patience_s, "x" * pad
        self._sending, self._ending = True, False
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_told: object) -> None:
        self._ending = True
        self._thread.join()

    @property
    def sent(self) -> int:
        """Positions that were sent, each once."""
        return sum(car.seq for car in self.cars.values())

    @property
    def acked(self) -> int:
        """Positions that the intake says are kept."""
        return sum(car.mark + 1 for car in self.cars.values())

    @property
    def settled(self) -> bool:
        """Whether the broker has acknowledged everything of the present connection."""
        return self._link is not None and self._link.acked >= self._link.sent

    @staticmethod
    def now_s() -> float:
        """The clock of ``lags_ms``."""
        return time.monotonic()

    def rest(self) -> None:
        """Send nothing new any more."""
        with self.changed:
            self._sending = False

    def until(self, what: str, true: Callable[[], bool], wait_s: float = 60.0) -> float:
        """Wait until something holds that changes with an acknowledgement; how long that took."""
        started_s = time.monotonic()
        with self.changed:
            assert self.changed.wait_for(true, wait_s), f"waited {wait_s:.0f} s in vain for {what}"
        return time.monotonic() - started_s

    def until_acked_anew(self, wait_s: float = 60.0) -> float:
        """Wait for the acknowledgement of something first sent from now on; how long that took."""
        with self.changed:
            marks = {name: car.seq for name, car in self.cars.items()}
        return self.until(
            "a new acknowledgement",
            lambda: any(car.mark >= marks[name] for name, car in self.cars.items()),
            wait_s,
        )

    def until_all_acked(self, wait_s: float = 60.0) -> float:
        """Wait until everything is acknowledged; how long that took."""
        return self.until("all acknowledgements", lambda: self.acked >= self.sent, wait_s)

    def _run(self) -> None:
        while not self._ending:
            try:
                topics = [f"{self._base}/vehicle/+/{leaf}" for leaf in ("ack", "resync")]
                link = Link(self._url, "devices", self._password, topics)
            except (FeedError, OSError):
                threading.Event().wait(random.uniform(0.02, 0.1))
                continue
            self.reconnects += 1
            self._link = link
            try:
                self._again(link, self.cars.values(), older_s=0)
                while not self._ending:
                    self._step(link)
            except (FeedError, OSError):
                pass
            link.close()

    def _step(self, link: Link) -> None:
        now_s = time.monotonic()
        for car in self.cars.values():
            if self._sending and link.unsent_bytes < 1_000_000:
                self._drive(link, car, now_s)
        self._again(link, self.cars.values(), older_s=self._patience_s)
        for topic, payload in link.pump(TICK_S):
            name, leaf = topic.split("/")[-2:]
            if name not in self.cars:
                continue
            car = self.cars[name]
            if leaf == "resync":
                with self.changed:
                    self.resyncs += 1
                    self.changed.notify_all()
                self._again(link, [car], older_s=0)
            else:
                self._acknowledged(car, json.loads(payload))

    def _drive(self, link: Link, car: Car, now_s: float) -> None:
        car.due_s = car.due_s or now_s + random.random() / car.rate_per_s
        while car.due_s <= now_s:
            # Held back for long, it does not catch up with what it would have sent: its clock goes on.
            car.due_s = max(car.due_s + 1 / car.rate_per_s, now_s - 1)
            body = json.dumps(
                {"ts": time.time_ns() // 1_000_000, "lon": 104.64, "lat": 30.12, "seq": car.seq, "boot": self.boot}
                | ({"pad": self._pad} if self._pad else {})
            ).encode()
            with self.changed:
                car.open.append(Entry(car.seq, body, now_s, now_s))
                car.seq += 1
            link.put(f"{self._base}/vehicle/{car.name}/position", body)

    def _again(self, link: Link, cars: Iterable[Car], *, older_s: float) -> None:
        now_s = time.monotonic()
        for car in cars:
            for entry in car.open:
                if link.unsent_bytes > 4_000_000 or now_s - entry.sent_s < older_s:
                    break
                entry.sent_s = now_s
                self.resent += 1
                link.put(f"{self._base}/vehicle/{car.name}/position", entry.body)

    def _acknowledged(self, car: Car, told: dict[str, Any]) -> None:
        if told.get("boot") != self.boot:
            return
        now_s = time.monotonic()
        with self.changed:
            car.mark = max(car.mark, told["seq"])
            while car.open and car.open[0].seq <= car.mark:
                entry = car.open.popleft()
                car.lags_ms.append((entry.first_s, (now_s - entry.first_s) * 1000))
            self.last_ack_s = now_s
            self.changed.notify_all()
