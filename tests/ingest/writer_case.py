"""A position writer beside a database and a session of our own faults."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alerts.durable import sync_folder
from config.codecs import CodecKnobs
from config.intake import IntakeKnobs
from config.quality import QualityKnobs
from ingest.forms import Forms, PositionForms
from ingest.health import HealthBook
from ingest.ledger import Ticket
from ingest.marks import Key, Standing
from ingest.positions import Outlets, PositionWriter, Sinks, Watch
from ingest.quality import Quality
from ingest.spool import Spool
from ingest.store import Stored
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.errors import SinkError
from schemas.meter import Meter, NullMeter
from schemas.position import DeadLetter, PositionRows, RawMessage

SCHEME = TopicScheme("city/v1", "test")


@dataclass
class FakeStore:
    """Fails ``failures`` times, then keeps; only the database's absence is a fault of our own making here."""

    failures: int = 0
    capped: int = 0
    tried: int = 0
    seqs: list[int] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    known: dict[Key, int] = field(default_factory=dict)

    def write(
        self, rows: PositionRows, letters: Sequence[DeadLetter], marks: Mapping[Key, Standing] | None = None
    ) -> Stored:
        self.tried += len(rows) + len(letters)
        if self.failures:
            self.failures -= 1
            raise SinkError("away", retryable=True)
        self.seqs += rows.seq
        self.letters += letters
        self.known |= {key: at.mark for key, at in (marks or {}).items()}
        return Stored(len(rows), letters_capped=self.capped)

    def marks_of(self, keys: Sequence[Key]) -> dict[Key, int]:
        return {key: self.known[key] for key in keys if key in self.known}

    def close(self) -> None:
        pass


@dataclass
class Registry:
    rules: Mapping[str, DeviceRule]
    later: Mapping[str, DeviceRule] = field(default_factory=dict)

    def refresh(self) -> bool:
        news = bool(self.later)
        self.rules = {**self.rules, **self.later}
        self.later = {}
        return news

    def ask(self) -> None:
        pass


@dataclass
class Session:
    """Notes what the writer does to its session."""

    generation: int = 1
    finished: list[Ticket] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def outlets(self) -> Outlets:
        return Outlets(self._finish, self._drop, self._publish, lambda: self.generation)

    def until(self, true: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(true, 10)

    def _finish(self, tickets: Sequence[Ticket]) -> None:
        with self.changed:
            self.finished += tickets
            self.changed.notify_all()

    def _drop(self, reason: str) -> None:
        with self.changed:
            self.dropped.append(reason)
            self.changed.notify_all()

    def _publish(self, topic: str, payload: bytes) -> None:
        with self.changed:
            self.told.append((topic, json.loads(payload)))
            self.changed.notify_all()


def message(seq: int, device: str = "car", *, age_s: float = 0, retain: bool = False) -> RawMessage:
    ts_ms = time.time_ns() // 1_000_000 - round(age_s * 1000)
    body = json.dumps({"ts": ts_ms, "lon": 104.6, "lat": 30.1, "seq": seq, "boot": "b"})
    return RawMessage(SCHEME.of("vehicle", device, "position"), body.encode(), time.time_ns(), retain=retain)


def writer_of(
    store: FakeStore,
    registry: Registry | None = None,
    meter: Meter | None = None,
    spool: Spool | None = None,
    **knobs: float,
) -> PositionWriter:
    known = registry or Registry({"car": DeviceRule("car", "vehicle")})
    settings = IntakeKnobs.model_validate({"positions_batch_wait_s": 0.01, "retry_s": 0.5, **knobs})
    forms = PositionForms(SCHEME, settings.future_limit_s, Forms(CodecKnobs(enabled=()), "vehicle"))
    watch = Watch(Quality(QualityKnobs(), None), HealthBook(known, silence_s=300.0))
    return PositionWriter(settings, forms, Sinks(store, spool), watch, known, meter or NullMeter())  # type: ignore[arg-type]


def spool_in(folder: Path, max_bytes: int = 1_000_000) -> Spool:
    return Spool(folder, max_bytes=max_bytes, sync_folder=sync_folder)
