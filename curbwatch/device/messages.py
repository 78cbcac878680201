"""What a device says and hears: messages, and the acknowledgements of the intake. Pure."""

import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from schemas.errors import UsageError
from schemas.units import utc

DeviceKey = tuple[Literal["camera", "vehicle"], str]  # kind and device id


@dataclass(frozen=True, slots=True)
class Broker:
    """Where devices log in: ``mqtt://`` or ``mqtts://host[:port]``; ``ca_file`` empty: the system's authorities."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a device behaves.

    Attributes:
        window: messages that the broker has not acked; 20 is the least Receive Maximum that brokers ship with.
        max_bytes: of one payload. A broker ends the connection of who sends more, and paho cannot read some brokers'
            refusal of it, so the size is looked at before sending.
        array_bytes: of one array of positions; longer ones are split.
        resend_s: without news of a position for so long it is sent again; the wait doubles up to ``resend_max_s``.
        connect_s: how long a broker may take to answer to a connection, or to what is asked of it in greeting.
        reconnect_max_s: longest pause before the next try to connect.
        answer_s: how long the outcome of a picture is waited for.
        close_s: how long the end waits for the broker to take what is left.
    """

    window: int = 20
    max_bytes: int = 2_000_000
    array_bytes: int = 65_536
    resend_s: float = 30.0
    resend_max_s: float = 480.0
    connect_s: float = 10.0
    reconnect_max_s: float = 30.0
    answer_s: float = 30.0
    close_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message of a device.

    Attributes:
        topic: full MQTT topic.
        payload: body as the device sends it.
        properties: MQTT 5 user properties, in order.
    """

    topic: str
    payload: bytes
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One position as it is kept until the intake acknowledges it; ``body`` is its JSON object."""

    boot: str
    seq: int
    body: bytes


class CameraAck(msgspec.Struct, frozen=True):
    """What became of a picture: ``processed``, ``shed:<reason>`` or ``rejected:<reason>``."""

    boot: str
    seq: int
    outcome: str


class VehicleAck(msgspec.Struct, frozen=True):
    """Every position of ``boot`` up to ``seq`` is stored."""

    boot: str
    seq: int


def new_boot() -> str:
    """Return what a device calls its new start."""
    return f"p{int(time.time()):x}-{secrets.token_hex(2)}"


def frame_message(topic: str, jpeg: bytes, *, ts_ns: int, boot: str, seq: int, preset: str = "") -> Outgoing:
    """Return a picture as a camera sends it: bare JPEG, the rest as user properties."""
    digest = hashlib.sha256(jpeg).hexdigest()
    properties = ("ts", utc(ts_ns).isoformat()), ("seq", str(seq)), ("boot", boot), ("sha256", digest)
    return Outgoing(topic, jpeg, (*properties, ("preset", preset)) if preset else properties)


def position_entry(position: Mapping[str, Any]) -> Entry:
    """Return a position, with its ``boot`` and ``seq``, as it is kept. Raises UsageError where it is no JSON."""
    try:
        return Entry(str(position["boot"]), int(position["seq"]), msgspec.json.encode(position))
    except (TypeError, ValueError, KeyError, msgspec.MsgspecError) as error:
        raise UsageError(f"a position needs boot, seq and values that JSON has: {error!r}") from None


def position_message(topic: str, entries: Sequence[Entry], oldest: int | None = None) -> Outgoing:
    """Return positions as a terminal sends them: one as an object, several as an array.

    ``oldest`` is the lowest ``seq`` still held, where it is to be said.
    """
    bodies = [entry.body for entry in entries]
    payload = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
    return Outgoing(topic, payload, () if oldest is None else (("oldest", str(oldest)),))


def in_arrays(sizes: Iterable[int], array_bytes: int, most: int) -> list[int]:
    """Return how many positions of these sizes go into each array: at most ``array_bytes``, but for a single one."""
    counts: list[int] = []
    total = 0
    for size in sizes:
        if not counts or counts[-1] >= most or total + size + 1 > array_bytes:
            counts.append(0)
            total = 1
        counts[-1] += 1
        total += size + 1
    return counts


def read_ack(body: bytes, kind: str) -> CameraAck | VehicleAck | None:
    """Return an acknowledgement; None for what is none. Never raises."""
    try:
        if kind == "camera":
            return msgspec.json.decode(body, type=CameraAck)
        return msgspec.json.decode(body, type=VehicleAck)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
