"""JT/T 808, the language of China's vehicle terminals: positions 0x0200 and their batches 0x0704."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from config.codecs import BitKnobs, CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, PositionItem, Refusal
from ingest.codecs.jt808_frame import (
    BATCH,
    DIGITS_2019,
    LOCATION,
    Frame,
    head_bytes,
    location_frame,
    loosely,
    read,
    split,
    unwrap,
)
from ingest.codecs.rows import RefusedError
from ingest.owners import device_level
from schemas.alarms import EMERGENCIES
from schemas.position import RawMessage

NAME = "jt808"
FILTERS = ("jt808/+", "jt808")  # of a terminal, or of the user that carries its frames; and of a gateway for many
FIXED = struct.Struct(">IIIIHHH6s")  # alarm, status, latitude, longitude, altitude, speed, direction, time
BATCH_HEAD_BYTES = 3  # number of positions, and whether they are sent late
GMT8 = timezone(timedelta(hours=8))
# What terminals say beside positions; an attacker may say any of 65 536, and none of them may make a metric of its own.
OTHERS = {0x0001: "reply", 0x0002: "heartbeat", 0x0003: "logout", 0x0100: "register", 0x0102: "authenticate"}
IGNITION, FIX, SOUTH, WEST, PLUGIN = (1 << bit for bit in (0, 1, 2, 3, 5))
# By bit, as of 2019.
ALARMS = (
    *("sos", "overspeed", "fatigue", "danger", "gnss_fault", "antenna_open", "antenna_short", "low_voltage"),
    *("power_off", "display_fault", "speech_fault", "camera_fault", "ic_card_fault", "overspeed_warning"),
    *("fatigue_warning", "violation", "tyre_warning", "blind_spot", "driving_time", "parking_time", "area", "route"),
    *("route_time", "off_route", "speed_sensor_fault", "fuel", "stolen", "illegal_ignition", "illegal_move"),
    *("collision", "rollover", "illegal_door"),
)
SINCE_2019 = 0b111 << 15  # before, some terminals set them for purposes of their own
# Somebody may need help now. The rest stays on for days, as a broken antenna does, and must not go before others.
URGENT = sum(1 << ALARMS.index(name) for name in EMERGENCIES)
# Additional items by id: bytes, name with unit, factor.
ITEMS: dict[int, tuple[int, str, float]] = {
    0x01: (4, "mileage_km", 0.1),
    0x02: (2, "fuel_l", 0.1),
    0x03: (2, "recorder_kmh", 0.1),
    0x14: (4, "video_alarms", 1),
    0x25: (4, "signals", 1),
    0x30: (1, "rssi", 1),
}
SATELLITES = 0x31


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Return the codec."""
    return (Jt808Codec(knobs.jt808, filters=knobs.topics.get(NAME, FILTERS)),)


@dataclass(slots=True)
class Jt808Codec:
    """Reads frames into positions; ``bits`` say where terminals here report lift, cover and load."""

    bits: Mapping[Literal["lift", "cover", "load"], BitKnobs] = field(default_factory=dict)
    name: str = NAME
    kind: Literal["vehicle", "camera"] = "vehicle"
    filters: tuple[str, ...] = FILTERS

    def begin(self) -> None:
        """No state: the counter of a frame has 16 bits and begins anew, so it tells nothing."""

    def urgent(self, message: RawMessage) -> bool:
        """Whether a position says SOS, theft, collision or rollover; the frames are not checked."""
        try:
            return any(word & URGENT for word in _alarm_words(unwrap(message.payload)))
        except RefusedError:
            return False

    def step(self, state: None, message: RawMessage, now_ns: int) -> tuple[None, list[Item]]:
        """Read every frame of a message; a bad one costs no other."""
        del now_ns
        claimed = device_level(self.filters, message.topic)
        try:
            chunks = split(unwrap(message.payload))
        except RefusedError as refused:
            return state, [Refusal(claimed, refused.reason, refused.detail)]
        if not chunks:
            return state, [Refusal(claimed, "empty", "no frame between the flags")]
        items: list[Item] = []
        for chunk in chunks:
            own = None if len(chunks) == 1 else chunk if chunk[:1] == b"\x7e" else b"\x7e" + chunk + b"\x7e"
            try:
                items += self._of_frame(read(chunk), own)
            except RefusedError as refused:
                items.append(Refusal(claimed, refused.reason, refused.detail, own))
        return state, items

    def same(self, level: str, device: str) -> bool:
        """Whether a topic's level is the terminal's number without the zeros that fill its field."""
        return level.isascii() and level.isdigit() and level.lstrip("0") == device.lstrip("0")

    def _of_frame(self, frame: Frame, own: bytes | None) -> list[Item]:
        """Items of a sound frame; ``own`` is what a dead letter of it holds."""
        who = frame.terminal
        if frame.kind not in (LOCATION, BATCH):
            return [Passed(OTHERS.get(frame.kind, "other"))]
        if frame.encrypted:
            return [Refusal(who, "encrypted", "the terminal must send positions in the clear", own)]
        if frame.part:
            return [Refusal(who, "subpackage", "positions fit in one frame; pieces are not put together", own)]
        if frame.kind == BATCH:
            return self._batch(who, frame.body, own)
        return [self._position(who, frame.body, late=False, own=own)]

    def _batch(self, who: str, body: bytes, own: bytes | None) -> list[Item]:
        said, late = int.from_bytes(body[:2], "big"), body[2:3] == b"\x01"
        items: list[Item] = []
        at = BATCH_HEAD_BYTES
        while at + 2 <= len(body):
            end = at + 2 + int.from_bytes(body[at : at + 2], "big")
            if end > len(body):
                break
            part = body[at + 2 : end]
            items.append(self._position(who, part, late=late, own=location_frame(who, part)))
            at = end
        if at != len(body) or len(items) != said or not said:
            detail = f"a batch of {said} positions holds {len(items)} in {len(body)} bytes"
            items.append(Refusal(who, "length", detail, own))
        return items

    def _position(self, who: str, body: bytes, *, late: bool, own: bytes | None) -> PositionItem | Refusal:
        if len(body) < FIXED.size:
            return Refusal(who, "length", f"a position of {len(body)} bytes, at least {FIXED.size}", own)
        alarm, status, lat, lon, altitude_m, speed, heading_deg, clock = FIXED.unpack_from(body)
        named = alarm if len(who) == DIGITS_2019 else alarm & ~SINCE_2019
        alarms = tuple(name for bit, name in enumerate(ALARMS) if named >> bit & 1)
        ts = _epoch_ms(clock)
        if ts is None and not alarms:
            return Refusal(who, "ts", f"not a time: {clock.hex()}", own)
        found, whole = _additional(body)
        fields = {"alarm": (alarm, 32), "status": (status, 32)}
        fields |= {f"item:{key}": (int.from_bytes(value, "big"), 8 * len(value)) for key, value in found.items()}
        states = {name: _mapped(name, knob, fields) for name, knob in self.bits.items()}
        satellites = found.get(SATELLITES, b"")
        return PositionItem(
            device=who,
            raw=location_frame(who, body),
            lon=(-lon if status & WEST else lon) / 1e6,
            lat=(-lat if status & SOUTH else lat) / 1e6,
            ts=ts,
            # The "secrecy plug-in" of the standard is what shifts coordinates to GCJ-02.
            crs="gcj02" if status & PLUGIN else "wgs84",
            heading_deg=float(heading_deg),
            alt_m=float(altitude_m),
            sat=satellites[0] if len(satellites) == 1 else None,
            ignition=bool(status & IGNITION),
            alarms=alarms or None,
            speed_mps=speed / 36,
            raw_speed=speed / 10,
            fix=bool(status & FIX),
            extra=_extra({"alarm": alarm, "status": status}, found, late=late, whole=whole),
            lift=_yes(states.get("lift")),
            cover=_yes(states.get("cover")),
            load=None if (load := states.get("load")) is None else float(load),
        )


def _alarm_words(data: bytes) -> Iterator[int]:
    """Alarm words of every position in unwrapped bytes, as far as they stand there."""
    for chunk in split(data):
        frame = loosely(chunk)
        kind, body = int.from_bytes(frame[:2], "big"), frame[head_bytes(int.from_bytes(frame[2:4], "big")) :]
        if kind == LOCATION:
            yield int.from_bytes(body[:4], "big")
        elif kind == BATCH:
            at = BATCH_HEAD_BYTES
            while at + 6 <= len(body):
                yield int.from_bytes(body[at + 2 : at + 6], "big")
                at += 2 + int.from_bytes(body[at : at + 2], "big")


def _epoch_ms(clock: bytes) -> int | None:
    """YYMMDDhhmmss of GMT+8 in BCD to ms since 1970 UTC; None where it is no time."""
    text = clock.hex()
    if not text.isdecimal():
        return None
    year, month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 12, 2))
    try:
        when = datetime(2000 + year, month, day, hour, minute, second, tzinfo=GMT8)
    except ValueError:
        return None
    return int(when.timestamp()) * 1000


def _additional(body: bytes) -> tuple[dict[int, bytes], bool]:
    """Additional items by id, the first of each, and whether the last one is whole."""
    found: dict[int, bytes] = {}
    at = FIXED.size
    while at + 2 <= len(body):
        end = at + 2 + body[at + 1]
        if end > len(body):
            break
        found.setdefault(body[at], body[at + 2 : end])
        at = end
    return found, at == len(body)


def _extra(words: dict[str, int], found: Mapping[int, bytes], *, late: bool, whole: bool) -> dict[str, Any]:
    extra: dict[str, Any] = dict(words)
    for key, (size, name, factor) in ITEMS.items():
        value = found.get(key)
        if value is not None and len(value) == size:
            number = int.from_bytes(value, "big")
            extra[name] = number if factor == 1 else round(number * factor, 1)
    if late:
        extra["backfill"] = True
    if not whole:
        extra["items_cut"] = True
    return extra


def _mapped(name: str, knob: BitKnobs, fields: Mapping[str, tuple[int, int]]) -> bool | float | None:
    """What some bits mean; None where they are absent, or mean nothing known."""
    source = knob.source if not knob.source.startswith("item:") else f"item:{int(knob.source[5:], 16)}"
    value, bits = fields.get(source, (0, 0))
    if knob.bit + knob.width > bits:
        return None
    highest = (1 << knob.width) - 1
    number = value >> knob.bit & highest
    if knob.values:
        return knob.values.get(str(number))
    if name == "load":
        return number / highest
    return {0: False, highest: True}.get(number)


def _yes(state: bool | float | None) -> bool | None:
    return None if state is None else bool(state)
