"""One vehicle, one clock, and what the codec makes of a body."""

import json
from typing import Any

from config.codecs import CodecKnobs
from ingest.codecs.rows import Decoded
from ingest.forms import Forms, PositionForms
from ingest.topics import TopicScheme
from schemas.device import DeviceRule
from schemas.position import PositionRows, RawMessage

SECOND_NS = 1_000_000_000
NOW_NS = 1_777_851_000 * SECOND_NS  # 2026-05-03T23:30:00Z
NOW_MS = NOW_NS // 1_000_000
WEEK_S = 604_800.0
SCHEME = TopicScheme("city/v1", "yanjiang")
TOPIC = SCHEME.of("vehicle", "v-1", "position")
RULES = {
    "v-1": DeviceRule("v-1", "vehicle", max_age_s=WEEK_S),
    "v-free": DeviceRule("v-free", "vehicle"),
    "v-gcj": DeviceRule("v-gcj", "vehicle", "gcj02"),
    "v-own": DeviceRule("v-own", "vehicle", "from_message"),
    "c-1": DeviceRule("c-1", "camera"),
}
GOOD: dict[str, Any] = {"ts": NOW_MS, "lon": 104.6427, "lat": 30.1218, "seq": 7, "boot": "b"}
FORMS = PositionForms(SCHEME, 300.0, Forms(CodecKnobs(enabled=()), "vehicle"))


def body(**change: object) -> bytes:
    """A good position with some keys changed; a key of value ``...`` is left out."""
    item = {key: value for key, value in (GOOD | change).items() if value is not ...}
    return json.dumps(item).encode()


def item(lon: bytes = b"104.6", lat: bytes = b"30.1", rest: bytes = b"") -> bytes:
    """A position spelled by hand, for what no encoder writes."""
    return b'{"lon":' + lon + b',"lat":' + lat + (b"," + rest if rest else b"") + b"}"


def array(*items: bytes) -> bytes:
    return b"[" + b",".join(items) + b"]"


BARE = body(seq=..., boot=...)


def message(payload: bytes, *, device: str = "v-1", qos: int = 1, **properties: str) -> RawMessage:
    return RawMessage(SCHEME.of("vehicle", device, "position"), payload, NOW_NS, tuple(properties.items()), qos)


def decoded(*messages: RawMessage) -> Decoded:
    return FORMS.decode(messages, RULES, {}, NOW_NS)


def reasons(found: Decoded) -> list[str]:
    return [letter.reason for letter in found.dead_letters]


def identities(rows: PositionRows) -> list[tuple[str, int, str, int, int]]:
    return list(zip(rows.device_id, rows.ts_ns, rows.boot, rows.seq, rows.item_hash, strict=True))
