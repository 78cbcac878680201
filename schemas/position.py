"""Vehicle positions as columns, and what became of the items that were not positions."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One MQTT message as it came: nothing parsed but the topic's last known parts.

    ``properties`` are MQTT 5 user properties in order. ``qos`` and ``retain`` as the broker said.
    """

    topic: str
    payload: bytes
    received_ns: int
    properties: tuple[tuple[str, str], ...] = ()
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One input that could not be used. ``reason`` is one word of a closed list, ``detail`` says more.

    Attributes:
        received_ns: when it came, ns since 1970 UTC.
        topic: where it was published.
        device_id: whose it is; "": not known.
        reason: one word of a closed list.
        detail: more about it, "" where there is no more to say.
        payload: what came, or its beginning.
        properties: MQTT 5 user properties of a message that is kept whole.
        size_bytes: size of all that came; -1: ``payload`` is all.
        sha256: digest of all that came; empty: ``payload`` is all.
        times: how often the same came.
        last_ns: when it came last, ns since 1970 UTC; 0: it came once.
    """

    received_ns: int
    topic: str
    device_id: str
    reason: str
    detail: str
    payload: bytes
    properties: tuple[tuple[str, str], ...] = ()
    size_bytes: int = -1
    sha256: bytes = b""
    times: int = 1
    last_ns: int = 0

    def cut(self, payload_bytes: int) -> "DeadLetter":
        """The same with at most so many bytes of payload; size and digest are those of all that came."""
        whole = self.size_bytes < 0
        return replace(
            self,
            payload=self.payload[:payload_bytes],
            size_bytes=len(self.payload) if whole else self.size_bytes,
            sha256=hashlib.sha256(self.payload).digest() if whole else self.sha256,
        )


@dataclass(slots=True)
class PositionRows:
    """Positions ready to be stored; every list has the same length. Appended to, never edited.

    Identity of a row is (device_id, ts_ns, boot, seq, item_hash): design 13.5.
    Units: ts and received in ns since 1970 UTC; lon, lat in degrees WGS-84; raw_* as the device sent them in
    ``crs``; speed in m/s, heading in degrees clockwise from north, altitude and accuracy in m. None: not given.
    ``flags`` are bits of ``schemas.flags``; ``raw_speed`` is in the unit of ``form``, ``extra`` what the form says
    beyond the columns.
    """

    device_id: list[str] = field(default_factory=list)
    ts_ns: list[int] = field(default_factory=list)
    boot: list[str] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)
    item_hash: list[int] = field(default_factory=list)
    received_ns: list[int] = field(default_factory=list)
    lon: list[float] = field(default_factory=list)
    lat: list[float] = field(default_factory=list)
    raw_lon: list[float] = field(default_factory=list)
    raw_lat: list[float] = field(default_factory=list)
    crs: list[str] = field(default_factory=list)
    speed_mps: list[float | None] = field(default_factory=list)
    heading_deg: list[float | None] = field(default_factory=list)
    alt_m: list[float | None] = field(default_factory=list)
    acc_m: list[float | None] = field(default_factory=list)
    sat: list[int | None] = field(default_factory=list)
    ignition: list[bool | None] = field(default_factory=list)
    lift: list[bool | None] = field(default_factory=list)
    cover: list[bool | None] = field(default_factory=list)
    load: list[float | None] = field(default_factory=list)
    alarms: list[tuple[str, ...]] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    form: list[str] = field(default_factory=list)
    raw_speed: list[float | None] = field(default_factory=list)
    extra: list[dict[str, Any] | None] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.device_id)
