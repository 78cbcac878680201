"""Our own position JSON, one object or an array of them: bytes to rows. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import msgspec
import numpy as np

from ingest.crs import to_wgs84
from ingest.marks import Covered
from ingest.stamps import StampError, digits, stamp_ns, timely_ns
from ingest.topics import TopicScheme
from schemas.device import Crs, DeviceRule
from schemas.position import DeadLetter, PositionRows, RawMessage

NO_TIME = 1  # flag: the device sent no time, the receive time counts; outside the no-duplicate promise
QOS0 = 2  # flag: sent without acknowledgement
NULL_ISLAND = 4  # flag: 0 degrees, 0 degrees, which is what a receiver without a fix says
NO_FIX = 8  # flag: a position from no satellite

SEQ_MAX = 2**62
DETAIL_MAX = 200  # characters of a dead letter's detail: some of them quote what the device sent
SPACE = b" \t\r\n"  # of JSON
CRS_NAMES = frozenset(get_args(Crs)) - {"from_message"}
# Keys that say what a position is, when and where. JSON lets a key stand twice and parsers differ in which one they
# believe, so that two readers of one message see two places. The others are not worth the time of looking.
KEYS_ONCE = ("lon", "lat", "ts", "seq", "boot", "crs")
# All that keeps JSON from being read; the last one is nesting deeper than the interpreter's stack.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Item(msgspec.Struct, forbid_unknown_fields=False):
    """One position as devices send it; unknown fields are left out."""

    lon: float
    lat: float
    ts: str | int | float | None = None
    crs: str | None = None
    speed_kmh: float | None = None
    heading_deg: float | None = None
    alt_m: float | None = None
    acc_m: float | None = None
    sat: int | None = None
    seq: int | None = None
    boot: str | None = None
    oldest: int | None = None
    ignition: bool | None = None
    lift: bool | None = None
    cover: bool | None = None
    load: float | None = None
    alarms: tuple[str, ...] | None = None


class Counters(msgspec.Struct, frozen=True):
    """What an acknowledgement needs: of a position that is refused for another key, or beside a body."""

    seq: int | None = None
    boot: str | None = None
    oldest: int | None = None


class Clock(msgspec.Struct, frozen=True):
    """A position's own time."""

    ts: str | int | float | None = None


UNSAID = Counters(boot="")


@dataclass(slots=True)
class Decoded:
    """Rows, dead letters, and which (device, boot, seq, oldest seq still held) they cover."""

    rows: PositionRows = field(default_factory=PositionRows)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    marks: list[Covered] = field(default_factory=list)
    without_time: int = 0


class _Refused(Exception):  # noqa: N818  # a control-flow signal inside this file
    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


class NativeCodec:
    """Decodes batches of messages. Holds decoders only, no state between messages.

    ``future_s``: how far a device's clock may be ahead of ours. How old its messages may be is its rule's to say.
    """

    def __init__(self, scheme: TopicScheme, *, future_s: float) -> None:
        self._scheme = scheme
        self._future_s = future_s
        self._one = msgspec.json.Decoder(Item)
        self._many = msgspec.json.Decoder(list[Item])
        self._raw = msgspec.json.Decoder(list[msgspec.Raw])
        self._counters = msgspec.json.Decoder(Counters)
        self._clock = msgspec.json.Decoder(Clock | list[Clock])

    def decode(self, messages: Sequence[RawMessage], rules: Mapping[str, DeviceRule]) -> Decoded:
        """Decode messages of registered vehicles; nothing a device sends raises.

        Each input item ends as exactly one row or one dead letter; a message that is no JSON is one item. No
        messages give an empty result.
        """
        found = Decoded()
        for message in messages:
            topic = self._scheme.parse(message.topic)
            if topic is None or topic.kind != "vehicle" or topic.leaf != "position":
                _reject(found, message, "", _Refused("topic"))
                continue
            rule = rules.get(topic.device_id)
            if rule is None or rule.kind != "vehicle":
                _reject(found, message, topic.device_id, _Refused("unknown_device"))
                continue
            self._message(found, message, rule)
        _to_wgs84(found.rows)
        return found

    def covered_unread(self, message: RawMessage, rule: DeviceRule) -> list[Covered]:
        """What an acknowledgement covers of a message that is refused as a whole, as for its size: one position.

        Nothing of an array: the device still has its positions, and may send them in smaller ones.
        """
        found, body = Decoded(), message.payload.lstrip(SPACE)
        if body[:1] != b"[":
            _cover(found, rule, self._counted(body), _beside(message))
        return found.marks

    def sent_ns(self, message: RawMessage) -> int | None:
        """A message's own time in ns since 1970 UTC, an array's that of its last position; None without one."""
        try:
            read = self._clock.decode(message.payload)
            last = read if isinstance(read, Clock) else read[-1]
            return None if last.ts is None else stamp_ns(last.ts)
        except (*UNREADABLE, IndexError, StampError):
            return None

    def _message(self, found: Decoded, message: RawMessage, rule: DeviceRule) -> None:
        body = message.payload.strip(SPACE)
        array = body[:1] == b"["
        try:
            items = self._many.decode(body) if array else [self._one.decode(body)] if body else []
        except UNREADABLE:
            self._apart(found, message, rule, body)
            return
        if not items:
            if not array:
                _cover(found, rule, Counters(), _beside(message))
            _reject(found, message, rule.device_id, _Refused("empty", "an array without positions" if array else ""))
            return
        besides = _besides(message, items) if message.properties else [UNSAID] * len(items)
        doubtful = _maybe_twice(body, len(items))
        # Raw items cost as much as reading them, so they are cut out only where one is needed.
        raws: Sequence[bytes | msgspec.Raw] | None = None if array else [body]
        if raws is None and (doubtful or any(item.seq is None for item in items)):
            raws = self._raw.decode(body)
        for index, item in enumerate(items):
            raw = b"" if raws is None else bytes(raws[index])
            try:
                if doubtful:
                    _check_once(found, rule, item, raw, besides[index])
                self._item(found, message, rule, item, raw, besides[index])
            except _Refused as refused:
                if raws is None:
                    raws = self._raw.decode(body)
                _reject(found, message, rule.device_id, refused, bytes(raws[index]))

    def _apart(self, found: Decoded, message: RawMessage, rule: DeviceRule, body: bytes) -> None:
        """One bad item must not cost its neighbours: take an array apart; anything else is one dead letter."""
        try:
            raws = self._raws(body)
        except UNREADABLE as fault:
            _reject(found, message, rule.device_id, _unread(fault))
            return
        counted = [self._counted(raw) for raw in raws]
        besides = _besides(message, counted)
        for raw, counters, beside in zip(raws, counted, besides, strict=True):
            try:
                item = self._one.decode(raw)
                if _maybe_twice(raw, 1):
                    _check_once(found, rule, item, raw, beside)
                self._item(found, message, rule, item, raw, beside)
            except UNREADABLE as fault:
                # Without it the device would send it again for ever.
                _cover(found, rule, counters, beside)
                _reject(found, message, rule.device_id, _unread(fault), raw)
            except _Refused as refused:
                _reject(found, message, rule.device_id, refused, raw)

    def _raws(self, body: bytes) -> list[bytes]:
        """The items of an array, and anything else as its only item. Raises one of UNREADABLE for half an array."""
        return [bytes(raw) for raw in self._raw.decode(body)] if body[:1] == b"[" else [body]

    def _counted(self, raw: bytes) -> Counters:
        """The counters of an item, as far as they can be read."""
        try:
            return self._counters.decode(raw)
        except UNREADABLE:
            return Counters()

    def _item(
        self,
        found: Decoded,
        message: RawMessage,
        rule: DeviceRule,
        item: Item,
        raw: bytes,
        beside: Counters,
    ) -> None:
        boot, seq = _cover(found, rule, item, beside)
        ts_ns, flags = self._time(item, message, rule)
        _check(item, boot, seq)
        crs = rule.crs if rule.crs != "from_message" else (item.crs or "wgs84")
        if crs not in CRS_NAMES:
            raise _Refused("crs", f"crs {crs!r}")
        found.without_time += flags & NO_TIME
        flags |= (QOS0 if message.qos == 0 else 0) | (NO_FIX if item.sat == 0 else 0)
        if item.lon == 0 == item.lat:
            flags |= NULL_ISLAND
        rows = found.rows
        rows.device_id.append(rule.device_id)
        rows.ts_ns.append(ts_ns)
        rows.boot.append(boot)
        rows.seq.append(item.seq if item.seq is not None else -1)
        rows.item_hash.append(0 if item.seq is not None else item_hash(raw))
        rows.received_ns.append(message.received_ns)
        rows.lon.append(item.lon + 0.0)  # -0.0 becomes 0.0
        rows.lat.append(item.lat + 0.0)
        rows.raw_lon.append(item.lon)
        rows.raw_lat.append(item.lat)
        rows.crs.append(crs)
        rows.speed_mps.append(None if item.speed_kmh is None else item.speed_kmh / 3.6)
        rows.heading_deg.append(None if item.heading_deg is None else item.heading_deg % 360.0)
        rows.alt_m.append(item.alt_m)
        rows.acc_m.append(item.acc_m)
        rows.sat.append(item.sat)
        rows.ignition.append(item.ignition)
        rows.lift.append(item.lift)
        rows.cover.append(item.cover)
        rows.load.append(item.load)
        rows.alarms.append(item.alarms or ())
        rows.flags.append(flags)

    def _time(self, item: Item, message: RawMessage, rule: DeviceRule) -> tuple[int, int]:
        """Device time in ns and flags; refuses what is too old or in the future."""
        if item.ts is None:
            return message.received_ns, NO_TIME
        try:
            return timely_ns(item.ts, message.received_ns, past_s=rule.max_age_s, future_s=self._future_s), 0
        except StampError as error:
            raise _Refused(error.reason, error.detail) from None


def _beside(message: RawMessage) -> Counters:
    """What the user properties say, for devices whose body is fixed."""
    said = dict(message.properties)
    return Counters(digits(said.get("seq", "")), said.get("boot", ""), digits(said.get("oldest", "")))


def _besides(message: RawMessage, items: Sequence[Item | Counters]) -> list[Counters]:
    """What the user properties say of each item: ``seq`` is an array's highest, where no item has one of its own."""
    beside, count = _beside(message), len(items)
    if beside.seq is None or count == 1:
        return [beside] * count
    if any(item.seq is not None for item in items):
        return [Counters(None, beside.boot, beside.oldest)] * count
    seqs = range(beside.seq - count + 1, beside.seq + 1)
    return [Counters(seq if seq >= 0 else None, beside.boot, beside.oldest) for seq in seqs]


def _cover(found: Decoded, rule: DeviceRule, item: Item | Counters, beside: Counters) -> tuple[str, int | None]:
    """Note what an acknowledgement may cover, row or dead letter: both are kept. Returns boot and seq."""
    boot = item.boot if item.boot is not None else beside.boot or ""
    seq = item.seq if item.seq is not None else beside.seq
    if seq is not None and 0 <= seq <= SEQ_MAX and len(boot) <= 64 and "\0" not in boot:
        held = item.oldest if item.oldest is not None else beside.oldest
        found.marks.append((rule.device_id, boot, seq, held if held is not None and held <= seq else -1))
    return boot, seq


def item_hash(raw: bytes) -> int:
    """Signed 64-bit hash of an item's raw bytes, never 0: 0 stands for "has a seq"."""
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big", signed=True) or 1


def _check(item: Item, boot: str, seq: int | None) -> None:
    if not (-180.0 <= item.lon <= 180.0 and -90.0 <= item.lat <= 90.0):
        raise _Refused("range", f"lon {item.lon}, lat {item.lat}")
    if seq is not None and not 0 <= seq <= SEQ_MAX:
        raise _Refused("range", f"seq {seq}")
    if item.speed_kmh is not None and not 0 <= item.speed_kmh <= 1000:
        raise _Refused("range", f"speed_kmh {item.speed_kmh}")
    if item.heading_deg is not None and not -3600 <= item.heading_deg <= 3600:
        raise _Refused("range", f"heading_deg {item.heading_deg}")
    for name, value in (("alt_m", item.alt_m), ("acc_m", item.acc_m), ("load", item.load)):
        if value is not None and not -1e9 <= value <= 1e9:
            raise _Refused("range", f"{name} {value}")
    if item.sat is not None and not 0 <= item.sat <= 1000:
        raise _Refused("range", f"sat {item.sat}")
    alarms = item.alarms or ()
    texts = (boot, *alarms)
    if len(alarms) > 64 or any(len(text) > 64 or "\0" in text for text in texts):
        raise _Refused("text", "boot or an alarm is too long or holds a NUL")


def _maybe_twice(body: bytes, items: int) -> bool:
    """Whether one of KEYS_ONCE might stand twice in one of so many items: quick, and never wrongly False."""
    count = body.count
    return (
        count(b'"lon"') != items
        or count(b'"lat"') != items
        or count(b'"ts"') not in (0, items)
        or count(b'"seq"') not in (0, items)
        or count(b'"boot"') not in (0, items)
        or count(b'"crs"') not in (0, items)
        or b"\\" in body  # a key may be written with escapes
    )


def _check_once(found: Decoded, rule: DeviceRule, item: Item, raw: bytes, beside: Counters) -> None:
    """Refuse an item in which one of KEYS_ONCE stands twice; ``raw`` is JSON that was read already."""
    try:
        # As forgiving as msgspec in what nobody reads: digits without end stay text, bad UTF-8 passes.
        text = raw.decode("utf-8", "replace")
        keys = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_keys)
    except (ValueError, RecursionError) as error:
        raise _unread(error) from None
    twice = [key for key in KEYS_ONCE if keys.count(key) > 1]
    if not twice:
        return
    if "seq" not in twice and "boot" not in twice:
        _cover(found, rule, item, beside)
    raise _Refused("dup_key", f"{', '.join(twice)} more than once")


def _keys(pairs: list[tuple[str, object]]) -> list[str]:
    return [key for key, _ in pairs]


def _unread(error: Exception) -> _Refused:
    return _Refused("type" if isinstance(error, msgspec.ValidationError) else "json", str(error))


def _reject(found: Decoded, message: RawMessage, device_id: str, refused: _Refused, raw: bytes | None = None) -> None:
    detail = refused.detail[:DETAIL_MAX]
    payload, properties = (message.payload, message.properties) if raw is None else (raw, ())
    found.dead_letters.append(
        DeadLetter(message.received_ns, message.topic, device_id, refused.reason, detail, payload, properties)
    )


def _to_wgs84(rows: PositionRows) -> None:
    for crs in ("gcj02", "bd09"):
        at = [index for index, name in enumerate(rows.crs) if name == crs]
        if at:
            lon, lat = to_wgs84(np.array([rows.raw_lon[i] for i in at]), np.array([rows.raw_lat[i] for i in at]), crs)
            for index, new_lon, new_lat in zip(at, lon.tolist(), lat.tolist(), strict=True):
                rows.lon[index], rows.lat[index] = new_lon, new_lat
