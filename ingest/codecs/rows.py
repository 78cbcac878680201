"""Fixes to rows: what every form of position shares, checked and counted once. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, get_args

import msgspec
import numpy as np

from ingest.codecs.base import StatusItem
from ingest.crs import to_wgs84
from ingest.marks import Covered
from ingest.stamps import StampError, digits, stamp_ns, timely_ns
from schemas import flags as f
from schemas.alarms import EMERGENCIES
from schemas.device import Crs, DeviceRule
from schemas.position import DeadLetter, PositionRows, RawMessage

SEQ_MAX = 2**62
SPEED_MAX_MPS = 1000 / 3.6
ITEMS_MAX, BOOTS_MAX = 5000, 16  # of one message: a backlog comes in several, and a device starts a few times an hour
DETAIL_MAX = 200  # characters of a dead letter's detail: some of them quote what the device sent
CRS_NAMES = frozenset(get_args(Crs)) - {"from_message"}
ROLLOVER_S = 1024 * 7 * 86_400  # a GPS receiver counts weeks in ten bits


class Reading(Protocol):
    """A fix with its speed in SI: what ``codecs.base.Fix`` has and each form adds."""

    lon: float
    lat: float
    ts: str | int | float | None
    crs: str | None
    heading_deg: float | None
    alt_m: float | None
    acc_m: float | None
    sat: int | None
    seq: int | None
    boot: str | None
    oldest: int | None
    ignition: bool | None
    lift: bool | None
    cover: bool | None
    load: float | None
    alarms: tuple[str, ...] | None

    @property
    def speed_mps(self) -> float | None:
        """In m/s."""

    @property
    def raw_speed(self) -> float | None:
        """As it came, in the form's unit."""

    @property
    def fix(self) -> bool:
        """False where the device calls its position invalid."""

    @property
    def extra(self) -> dict[str, Any] | None:
        """What the form says beyond the columns."""


class Counters(msgspec.Struct, frozen=True):
    """What an acknowledgement needs: of a position that is refused for another key, or beside a body."""

    seq: int | None = None
    boot: str | None = None
    oldest: int | None = None


UNSAID = Counters(boot="")


class RefusedError(Exception):
    """One item cannot be used; ``reason`` and ``detail`` are its dead letter's."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


@dataclass(slots=True)
class Decoded:
    """What a batch of messages held.

    Attributes:
        rows: positions.
        dead_letters: what could not be used.
        marks: which (device, boot, seq, oldest seq still held) both of them cover.
        statuses: what foreign forms say of a device's presence.
        ignored: messages that hold nothing for us, by reason.
        without_time: rows that stand at their receive time.
        states: the codecs' states behind this batch; they count once it is stored.
    """

    rows: PositionRows = field(default_factory=PositionRows)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    marks: list[Covered] = field(default_factory=list)
    statuses: list[StatusItem] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    without_time: int = 0
    states: dict[str, object] = field(default_factory=dict)


class RowBuilder:
    """Collects a batch in ``found``. ``future_s``: how far a device's clock may be ahead of ours."""

    def __init__(self, *, future_s: float) -> None:
        self.found = Decoded()
        self.future_s = future_s

    def add(self, message: RawMessage, rule: DeviceRule, fix: Reading, raw: bytes, beside: Counters, form: str) -> None:
        """Append one position; ``raw`` identifies it where it has no ``seq`` of its own. Raises RefusedError."""
        found = self.found
        boot, seq = self.cover(rule, fix, beside)
        ts_ns, flags = self._time(fix, message, rule)
        _check(fix, boot, seq)
        crs = rule.crs if rule.crs != "from_message" else (fix.crs or "wgs84")
        if crs not in CRS_NAMES:
            raise RefusedError("crs", f"crs {crs!r}")
        if flags & f.NO_TIME:
            found.without_time += 1
        if message.qos == 0:
            flags |= f.QOS0
        if fix.sat == 0 or not fix.fix:
            flags |= f.NO_FIX
        if fix.lon == 0 == fix.lat:
            flags |= f.NULL_ISLAND
        rows = found.rows
        rows.device_id.append(rule.device_id)
        rows.ts_ns.append(ts_ns)
        rows.boot.append(boot)
        rows.seq.append(fix.seq if fix.seq is not None else -1)
        rows.item_hash.append(0 if fix.seq is not None else item_hash(raw))
        rows.received_ns.append(message.received_ns)
        rows.lon.append(fix.lon + 0.0)  # -0.0 becomes 0.0
        rows.lat.append(fix.lat + 0.0)
        rows.raw_lon.append(fix.lon)
        rows.raw_lat.append(fix.lat)
        rows.crs.append(crs)
        rows.speed_mps.append(fix.speed_mps)
        rows.raw_speed.append(fix.raw_speed)
        rows.heading_deg.append(None if fix.heading_deg is None else fix.heading_deg % 360.0)
        rows.alt_m.append(fix.alt_m)
        rows.acc_m.append(fix.acc_m)
        rows.sat.append(fix.sat)
        rows.ignition.append(fix.ignition)
        rows.lift.append(fix.lift)
        rows.cover.append(fix.cover)
        rows.load.append(fix.load)
        rows.alarms.append(fix.alarms or ())
        rows.flags.append(flags)
        rows.form.append(form)
        rows.extra.append(fix.extra)

    def cover(self, rule: DeviceRule, fix: Reading | Counters, beside: Counters) -> tuple[str, int | None]:
        """Note what an acknowledgement may cover, row or dead letter: both are kept. Returns boot and seq."""
        boot = fix.boot if fix.boot is not None else beside.boot or ""
        seq = fix.seq if fix.seq is not None else beside.seq
        if seq is not None and 0 <= seq <= SEQ_MAX and len(boot) <= 64 and "\0" not in boot:
            held = fix.oldest if fix.oldest is not None else beside.oldest
            self.found.marks.append((rule.device_id, boot, seq, held if held is not None and held <= seq else -1))
        return boot, seq

    def refuse(self, message: RawMessage, device_id: str, refused: RefusedError, raw: bytes | None = None) -> None:
        """Append a dead letter of a message, or of the part ``raw`` of it."""
        detail = refused.detail[:DETAIL_MAX]
        payload, properties = (message.payload, message.properties) if raw is None else (raw, ())
        self.found.dead_letters.append(
            DeadLetter(message.received_ns, message.topic, device_id, refused.reason, detail, payload, properties)
        )

    def ignore(self, reason: str) -> None:
        """Count something that holds nothing for us."""
        self.found.ignored[reason] = self.found.ignored.get(reason, 0) + 1

    def finished(self) -> Decoded:
        """Return what was found, in WGS-84."""
        rows = self.found.rows
        for crs in ("gcj02", "bd09"):
            at = [index for index, name in enumerate(rows.crs) if name == crs]
            if at:
                raw_lon, raw_lat = np.array([rows.raw_lon[i] for i in at]), np.array([rows.raw_lat[i] for i in at])
                lon, lat = to_wgs84(raw_lon, raw_lat, crs)
                for index, new_lon, new_lat in zip(at, lon.tolist(), lat.tolist(), strict=True):
                    rows.lon[index], rows.lat[index] = new_lon, new_lat
        return self.found

    def _time(self, fix: Reading, message: RawMessage, rule: DeviceRule) -> tuple[int, int]:
        """Device time in ns and flags; refuses what is too old or in the future, unless it is an emergency."""
        if fix.ts is None:
            return message.received_ns, f.NO_TIME
        try:
            return timely_ns(fix.ts, message.received_ns, past_s=rule.max_age_s, future_s=self.future_s), 0
        except StampError as error:
            if error.reason == "ts_too_old" and rule.max_age_s is not None:
                moved_ns = stamp_ns(fix.ts) + ROLLOVER_S * 1_000_000_000
                age_s = (message.received_ns - moved_ns) / 1e9
                if -self.future_s <= age_s <= rule.max_age_s:
                    return moved_ns, f.ROLLOVER
            if fix.alarms and not EMERGENCIES.isdisjoint(fix.alarms):
                return message.received_ns, f.NO_TIME | f.LATE
            raise RefusedError(error.reason, error.detail) from None


def besides(message: RawMessage, items: Sequence[Reading | Counters]) -> list[Counters]:
    """What the user properties say of each item: ``seq`` is an array's highest, where no item has one of its own."""
    if not message.properties:
        return [UNSAID] * len(items)
    said, count = beside(message), len(items)
    if said.seq is None or count == 1:
        return [said] * count
    if any(item.seq is not None for item in items):
        return [Counters(None, said.boot, said.oldest)] * count
    seqs = range(said.seq - count + 1, said.seq + 1)
    return [Counters(seq if seq >= 0 else None, said.boot, said.oldest) for seq in seqs]


def beside(message: RawMessage) -> Counters:
    """What the user properties say, for devices whose body is fixed."""
    said = dict(message.properties)
    return Counters(digits(said.get("seq", "")), said.get("boot", ""), digits(said.get("oldest", "")))


def item_hash(raw: bytes) -> int:
    """Signed 64-bit hash of an item's raw bytes, never 0: 0 stands for "has a seq"."""
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big", signed=True) or 1


def _check(fix: Reading, boot: str, seq: int | None) -> None:
    if not (-180.0 <= fix.lon <= 180.0 and -90.0 <= fix.lat <= 90.0):
        raise RefusedError("range", f"lon {fix.lon}, lat {fix.lat}")
    if seq is not None and not 0 <= seq <= SEQ_MAX:
        raise RefusedError("range", f"seq {seq}")
    if fix.raw_speed is not None and not 0 <= (fix.speed_mps or 0.0) <= SPEED_MAX_MPS:
        raise RefusedError("range", f"speed {fix.raw_speed}")
    if fix.heading_deg is not None and not -3600 <= fix.heading_deg <= 3600:
        raise RefusedError("range", f"heading_deg {fix.heading_deg}")
    for name, value in (("alt_m", fix.alt_m), ("acc_m", fix.acc_m), ("load", fix.load)):
        if value is not None and not -1e9 <= value <= 1e9:
            raise RefusedError("range", f"{name} {value}")
    if fix.sat is not None and not 0 <= fix.sat <= 1000:
        raise RefusedError("range", f"sat {fix.sat}")
    alarms = fix.alarms or ()
    texts = (boot, *alarms)
    if len(alarms) > 64 or any(len(text) > 64 or "\0" in text for text in texts):
        raise RefusedError("text", "boot or an alarm is too long or holds a NUL")
