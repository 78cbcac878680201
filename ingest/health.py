"""The book of the devices: what each sends and how, who is there, and who speaks that is not known. No IO."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ingest.devices import KnownDevices
from ingest.health_columns import DeviceColumns
from ingest.presence import Life, State, limit_s, state_of
from schemas.device import DeviceRule
from schemas.position import DeadLetter, PositionRows

PENDING_ROWS = 4096  # positions that wait to be folded in together, which costs less than one batch at a time
STRANGERS_MAX = 10_000  # that are remembered between two sweeps
ALARM_AGAIN_S = 3600.0
FOLDED = ("device_id", "boot", "seq", "ts_ns", "received_ns", "lon", "lat")  # columns of positions that are looked at

Kind = Literal["camera", "vehicle"]


@dataclass(frozen=True, slots=True)
class Health:
    """How one device does. Counts since the book was begun; ns since 1970 UTC; None: not known.

    Attributes:
        device_id: whose.
        kind: "camera" or "vehicle".
        state: online, offline, silent or flapping.
        seen_ns: when it was last heard, by our clock.
        captured_ns: its newest own time.
        place: (lon, lat) of a vehicle then, degrees WGS-84.
        rate_per_min: messages of the last minute.
        lag_ms: received less captured, median of its latest messages.
        skew_ms: its clock less ours, as the quickest of them tells.
        counts: ``messages``, ``gaps``, ``duplicates``, ``shed``, ``rejected``, ``given_up``, ``boots``.
        last_boot: as it calls its present start.
    """

    device_id: str
    kind: str
    state: State
    seen_ns: int | None
    captured_ns: int | None
    place: tuple[float, float] | None
    rate_per_min: float
    lag_ms: float | None
    skew_ms: float | None
    counts: Mapping[str, int]
    last_boot: str | None


COUNTED = ("messages", "gaps", "duplicates", "shed", "rejected", "given_up", "boots")


@dataclass(frozen=True, slots=True)
class Stranger:
    """A device that is not in the registry. ``device_id`` is what its dead letters call it."""

    form: str
    foreign_id: str
    device_id: str
    kind: Kind
    topic: str
    first_ns: int
    last_ns: int
    messages: int = 1

    def joined(self, later: "Stranger") -> "Stranger":
        """The same with what was heard later."""
        return replace(later, first_ns=self.first_ns, messages=self.messages + later.messages)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What changed since the last one.

    Attributes:
        changed: devices with news.
        strangers: heard since.
        passed_over: messages of strangers beyond ``STRANGERS_MAX``.
        states: devices in each (kind, state).
        alarms: devices that began to flap, at most once an hour each, with their starts within a minute.
    """

    changed: list[Health] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)
    passed_over: int = 0
    states: Mapping[tuple[str, State], int] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)


class HealthBook:
    """Written by the intake's threads, swept by the spine's. Thread-safe; never raises for what a device sends.

    ``silence_s`` is how long a device without a period of its own may be quiet.
    """

    def __init__(
        self, devices: KnownDevices, *, silence_s: float, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._devices = devices
        self._silence_s = silence_s
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._columns = DeviceColumns()
        self._lives: dict[str, Life] = {}
        self._pending = PositionRows()
        self._strangers: dict[tuple[str, str], Stranger] = {}
        self._passed_over = 0

    def resume(self, boots: Mapping[str, str]) -> None:
        """Take over each device's last boot from before a restart of ours, so that it is not counted again."""
        with self._lock:
            for device_id, boot in boots.items():
                self._columns.last_boot[self._columns.row(device_id)] = boot

    def positions(self, rows: PositionRows, letters: Sequence[DeadLetter], inserted: int, now_ns: int) -> None:
        """Note a stored batch, ``inserted`` rows of which are new. The rows are not changed any more."""
        with self._lock:
            for letter in letters:
                self._letter(letter, "vehicle", now_ns)
            known = len(rows) - inserted
            if known:
                self._fold()
                self._fold_one(rows, known)
                return
            for name in FOLDED:
                getattr(self._pending, name).extend(getattr(rows, name))
            if len(self._pending) >= PENDING_ROWS:
                self._fold()

    def frame(self, device_id: str, captured_ns: int, received_ns: int, outcome: str) -> None:
        """Note how a picture ended: ``processed``, ``shed:…`` or ``rejected:…``; ``captured_ns`` 0: not known."""
        if device_id not in self._devices.rules:
            return
        name = {"shed": "shed", "rejected": "rejected"}.get(outcome.partition(":")[0], "")
        with self._lock:
            self._columns.turn(self._monotonic_s())
            self._columns.add(self._columns.row(device_id), received_ns, captured_ns, name)
            self._life(device_id).hear(received_ns, self._monotonic_s())

    def letter(self, letter: DeadLetter, kind: Kind) -> None:
        """Note a message of a device that could not be used: it counts as rejected, or its sender as a stranger."""
        with self._lock:
            self._letter(letter, kind, letter.received_ns)

    def status(self, device_id: str, online: bool, now_ns: int, *, began: bool = True) -> None:
        """Note what a known device says of itself, or its last will for it. ``began``: it has connected just now."""
        if device_id not in self._devices.rules:
            return
        with self._lock:
            life = self._life(device_id)
            life.say(now_ns, self._monotonic_s(), online=online)
            if online and began:
                life.begin("connects", now_ns, self._monotonic_s())
            self._columns.touch(device_id)

    def heard(self, kind: Kind, device_id: str, received_ns: int) -> None:
        """Note a sign of life that is no message of its own."""
        rule = self._devices.rules.get(device_id)
        if rule is None or rule.kind != kind:
            return
        with self._lock:
            self._columns.see(self._columns.row(device_id), received_ns)
            self._life(device_id).hear(received_ns, self._monotonic_s())

    def gave_up(self, device_id: str, count: int) -> None:
        """Note positions that a vehicle says it no longer holds."""
        with self._lock:
            at = self._columns.row(device_id)
            self._columns.of["given_up"][at] += count
            self._columns.changed[at] = True

    def online(self, kind: str) -> frozenset[str]:
        """Ids of the known devices of a kind whose last word on themselves was that they are online."""
        with self._lock:
            said = [device_id for device_id, life in self._lives.items() if life.online]
        rules = self._devices.rules
        return frozenset(device_id for device_id in said if device_id in rules and rules[device_id].kind == kind)

    def sweep(self) -> Sweep:
        """Draw what changed since the last sweep; what cannot be written then goes back by ``again``."""
        now_s, rules = self._monotonic_s(), self._devices.rules
        with self._lock:
            self._columns.turn(now_s)
            self._fold()
            states: Counter[tuple[str, State]] = Counter()
            changed, alarms = [], []
            for device_id, rule in rules.items():
                if device_id != rule.device_id:
                    continue  # an alias
                life = self._life(device_id)
                state = state_of(life, limit_s(rule.period_s, self._silence_s), now_s)
                if state is None:
                    continue
                states[rule.kind, state] += 1
                if state == "flapping" and now_s - life.alarmed_s >= ALARM_AGAIN_S:
                    life.alarmed_s = now_s
                    alarms.append(device_id)
                at = self._columns.row(device_id)
                if state != life.told or self._columns.changed[at]:
                    life.told = state
                    changed.append(self._health(rule, state, at))
            self._columns.changed[:] = False
            for gone in self._lives.keys() - rules.keys():
                del self._lives[gone]
            strangers, self._strangers = list(self._strangers.values()), {}
            passed_over, self._passed_over = self._passed_over, 0
        return Sweep(changed, strangers, passed_over, states, alarms)

    def again(self, devices: Iterable[str], strangers: Iterable[Stranger]) -> None:
        """Take back what a sweep gave out and nobody could keep."""
        with self._lock:
            for device_id in devices:
                self._columns.touch(device_id)
            for stranger in strangers:
                key = stranger.form, stranger.foreign_id
                later = self._strangers.get(key)
                self._strangers[key] = stranger if later is None else stranger.joined(later)

    def _letter(self, letter: DeadLetter, kind: Kind, now_ns: int) -> None:
        rule = self._devices.rules.get(letter.device_id)
        if rule is None:
            if letter.reason == "unknown_device":
                self._stranger(letter, kind)
        elif rule.kind == kind:
            self._columns.turn(self._monotonic_s())
            self._columns.add(self._columns.row(rule.device_id), letter.received_ns, 0, "rejected")
            self._life(rule.device_id).hear(min(letter.received_ns, now_ns), self._monotonic_s())

    def _stranger(self, letter: DeadLetter, kind: Kind) -> None:
        form, foreign_id = foreign_of(letter)
        now_ns = letter.received_ns
        found = Stranger(form, foreign_id, letter.device_id, kind, letter.topic[:200], now_ns, now_ns)
        before = self._strangers.get((form, foreign_id))
        if before is not None:
            self._strangers[form, foreign_id] = before.joined(found)
        elif len(self._strangers) < STRANGERS_MAX:
            self._strangers[form, foreign_id] = found
        else:
            self._passed_over += 1

    def _fold(self) -> None:
        rows, self._pending = self._pending, PositionRows()
        self._fold_one(rows, 0)

    def _fold_one(self, rows: PositionRows, known: int) -> None:
        if not len(rows):
            return
        now_s = self._monotonic_s()
        self._columns.turn(now_s)
        devices, began = self._columns.fold(rows, known)
        seen_ns, ids = self._columns.of["seen_ns"], self._columns.ids
        for at in devices.tolist():
            self._life(ids[at]).hear(int(seen_ns[at]), now_s)
        for start in began:
            self._life(ids[start.device]).begin("boots", start.captured_ns, now_s)

    def _life(self, device_id: str) -> Life:
        life = self._lives.get(device_id)
        if life is None:
            life = self._lives[device_id] = Life(self._monotonic_s())
        return life

    def _health(self, rule: DeviceRule, state: State, at: int) -> Health:
        columns = self._columns
        lags = columns.lag_ms[at]
        lags = lags[~np.isnan(lags)]
        lon, lat = float(columns.at["lon"][at]), float(columns.at["lat"][at])
        return Health(
            device_id=rule.device_id,
            kind=rule.kind,
            state=state,
            seen_ns=int(columns.of["seen_ns"][at]) or None,
            captured_ns=int(columns.of["captured_ns"][at]) or None,
            place=None if np.isnan(lon) else (lon, lat),
            rate_per_min=float(columns.slots[at].sum()),
            lag_ms=float(np.median(lags)) if len(lags) else None,
            skew_ms=-float(lags.min()) if len(lags) else None,
            counts={name: int(columns.of[name][at]) for name in COUNTED},
            last_boot=columns.last_boot[at],
        )


def foreign_of(letter: DeadLetter) -> tuple[str, str]:
    """Form and foreign id of a letter ``unknown_device``: its detail says ``{codec}:{id}``, nothing on our topics."""
    form, colon, foreign_id = letter.detail.partition(":")
    return (form, foreign_id) if colon else ("native", letter.device_id)
