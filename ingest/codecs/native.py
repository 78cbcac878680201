"""Our own position JSON, one object or an array of them: bytes to rows. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec

from ingest.codecs.base import Fix
from ingest.codecs.columns import add_array
from ingest.codecs.rows import BOOTS_MAX, ITEMS_MAX, UNSAID, Counters, RefusedError, RowBuilder, beside, besides
from ingest.marks import Covered
from ingest.stamps import StampError, stamp_ns
from schemas.device import DeviceRule
from schemas.position import RawMessage

FORM = "native"
SPACE = b" \t\r\n"  # of JSON
# Keys that say what a position is, when and where. JSON lets a key stand twice and parsers differ in which one they
# believe, so that two readers of one message see two places. The others are not worth the time of looking.
KEYS_ONCE = ("lon", "lat", "ts", "seq", "boot", "crs")
# All that keeps JSON from being read; the last one is nesting deeper than the interpreter's stack.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Item(Fix):
    """One position as devices send it; unknown fields are left out."""

    speed_kmh: float | None = None
    fix: ClassVar[bool] = True
    extra: ClassVar[None] = None

    @property
    def speed_mps(self) -> float | None:
        """In m/s."""
        return None if self.speed_kmh is None else self.speed_kmh / 3.6

    @property
    def raw_speed(self) -> float | None:
        """In km/h, as it came."""
        return self.speed_kmh


class Clock(msgspec.Struct, frozen=True):
    """A position's own time."""

    ts: str | int | float | None = None


class NativeCodec:
    """Reads messages into a builder. Holds decoders only, no state between messages.

    Not a ``codecs.base.Codec``: thousands of its messages come in a second, and an object for each position would
    cost more than reading it.
    """

    def __init__(self) -> None:
        self._one = msgspec.json.Decoder(Item)
        self._many = msgspec.json.Decoder(list[Item])
        self._raw = msgspec.json.Decoder(list[msgspec.Raw])
        self._counters = msgspec.json.Decoder(Counters)
        self._clock = msgspec.json.Decoder(Clock | list[Clock])

    def read(self, build: RowBuilder, message: RawMessage, rule: DeviceRule) -> None:
        """Read one message of a registered vehicle; nothing a device sends raises.

        Each input item ends as exactly one row or one dead letter; a message that is no JSON is one item.
        """
        body = message.payload.strip(SPACE)
        array = body[:1] == b"["
        try:
            items = self._many.decode(body) if array else [self._one.decode(body)] if body else []
        except UNREADABLE:
            self._apart(build, message, rule, body)
            return
        if not items:
            if not array:
                build.cover(rule, Counters(), beside(message))
            empty = RefusedError("empty", "an array without positions" if array else "")
            build.refuse(message, rule.device_id, empty)
            return
        if _too_many(len(items), (item.boot for item in items)):
            build.refuse(message, rule.device_id, RefusedError("items", f"{len(items)} positions"))
            return
        said = besides(message, items) if message.properties else [UNSAID] * len(items)
        doubtful = _maybe_twice(body, len(items))
        plain = array and not doubtful and not message.properties
        if plain and add_array(build.found, message, rule, items, build.future_s):
            return
        # Raw items cost as much as reading them, so they are cut out only where one is needed.
        raws: Sequence[bytes | msgspec.Raw] | None = None if array else [body]
        if raws is None and (doubtful or any(item.seq is None for item in items)):
            raws = self._raw.decode(body)
        for index, item in enumerate(items):
            raw = b"" if raws is None else bytes(raws[index])
            try:
                if doubtful:
                    _check_once(build, rule, item, raw, said[index])
                build.add(message, rule, item, raw, said[index], FORM)
            except RefusedError as refused:
                if raws is None:
                    raws = self._raw.decode(body)
                build.refuse(message, rule.device_id, refused, bytes(raws[index]))

    def covered_unread(self, message: RawMessage, rule: DeviceRule) -> list[Covered]:
        """What an acknowledgement covers of a message that is refused as a whole, as for its size: one position.

        Nothing of an array: the device still has its positions, and may send them in smaller ones.
        """
        build, body = RowBuilder(future_s=0.0), message.payload.lstrip(SPACE)
        if body[:1] != b"[":
            build.cover(rule, self._counted(body), beside(message))
        return build.found.marks

    def sent_ns(self, message: RawMessage) -> int | None:
        """A message's own time in ns since 1970 UTC, an array's that of its last position; None without one."""
        try:
            read = self._clock.decode(message.payload)
            last = read if isinstance(read, Clock) else read[-1]
            return None if last.ts is None else stamp_ns(last.ts)
        except (*UNREADABLE, IndexError, StampError):
            return None

    def _apart(self, build: RowBuilder, message: RawMessage, rule: DeviceRule, body: bytes) -> None:
        """One bad item must not cost its neighbours: take an array apart; anything else is one dead letter."""
        try:
            raws = self._raws(body)
        except UNREADABLE as fault:
            build.refuse(message, rule.device_id, unread(fault))
            return
        counted = [self._counted(raw) for raw in raws[: ITEMS_MAX + 1]]
        if _too_many(len(raws), (one.boot for one in counted)):
            build.refuse(message, rule.device_id, RefusedError("items", f"{len(raws)} positions"))
            return
        for raw, counters, said in zip(raws, counted, besides(message, counted), strict=True):
            try:
                item = self._one.decode(raw)
                if _maybe_twice(raw, 1):
                    _check_once(build, rule, item, raw, said)
                build.add(message, rule, item, raw, said, FORM)
            except UNREADABLE as fault:
                # Without it the device would send it again for ever.
                build.cover(rule, counters, said)
                build.refuse(message, rule.device_id, unread(fault), raw)
            except RefusedError as refused:
                build.refuse(message, rule.device_id, refused, raw)

    def _raws(self, body: bytes) -> list[bytes]:
        """The items of an array, and anything else as its only item. Raises one of UNREADABLE for half an array."""
        return [bytes(raw) for raw in self._raw.decode(body)] if body[:1] == b"[" else [body]

    def _counted(self, raw: bytes) -> Counters:
        """The counters of an item, as far as they can be read."""
        try:
            return self._counters.decode(raw)
        except UNREADABLE:
            return Counters()


def _too_many(items: int, boots: Iterable[str | None]) -> bool:
    """Whether one message would be more rows, or move more marks, than any device needs."""
    return items > ITEMS_MAX or (items > BOOTS_MAX and len(set(boots)) > BOOTS_MAX)


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


def _check_once(build: RowBuilder, rule: DeviceRule, item: Item, raw: bytes, said: Counters) -> None:
    """Refuse an item in which one of KEYS_ONCE stands twice; ``raw`` is JSON that was read already."""
    try:
        # As forgiving as msgspec in what nobody reads: digits without end stay text, bad UTF-8 passes.
        text = raw.decode("utf-8", "replace")
        keys = json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_keys)
    except (ValueError, RecursionError) as error:
        raise unread(error) from None
    twice = [key for key in KEYS_ONCE if keys.count(key) > 1]
    if not twice:
        return
    if "seq" not in twice and "boot" not in twice:
        build.cover(rule, item, said)
    raise RefusedError("dup_key", f"{', '.join(twice)} more than once")


def _keys(pairs: list[tuple[str, object]]) -> list[str]:
    return [key for key, _ in pairs]


def unread(error: Exception) -> RefusedError:
    """Return the dead letter's reason of JSON that cannot be read: ``type`` or ``json``."""
    return RefusedError("type" if isinstance(error, msgspec.ValidationError) else "json", str(error))
