"""A frame message to a Frame or a dead letter. Pure."""

import hashlib
from collections.abc import Mapping

from ingest.codecs.picture import bare
from ingest.codecs.rows import SEQ_MAX, RefusedError
from ingest.jpeg import inspect
from ingest.stamps import StampError, digits, timely_ns
from schemas.device import DeviceRule
from schemas.errors import FrameError
from schemas.frame import Frame
from schemas.position import RawMessage

WRAPPED = 1.5  # base64 with line breaks has 1.37 bytes for each one of a picture


def read_frame(message: RawMessage, rule: DeviceRule, *, max_bytes: int, max_pixels: int, future_s: float) -> Frame:
    """Unwrap, gate and stamp one picture.

    The MQTT 5 user properties ``ts``, ``seq``, ``boot``, ``preset`` and ``sha256`` count; without ``ts`` the receive
    time does, and the frame says so. Raises FrameError with the dead letter's reason: the gate's, ``base64``, ``ts``,
    ``tz``, ``ts_future``, ``ts_too_old``, ``seq``, ``text`` or ``sha256``.
    """
    max_bytes = rule.bytes_max(max_bytes)
    if len(message.payload) > WRAPPED * max_bytes:
        raise FrameError("size", f"{len(message.payload)} bytes")
    try:
        jpeg = bare(message.payload)
    except RefusedError as refused:
        raise FrameError(refused.reason, refused.detail) from None
    header = inspect(jpeg, max_bytes=max_bytes, max_pixels=max_pixels)
    properties = dict(message.properties)
    claimed = properties.get("sha256", "")
    if claimed and claimed.lower() != hashlib.sha256(jpeg).hexdigest():
        raise FrameError("sha256", "the bytes are not those the camera sent")
    captured_ns, stamped = _captured(properties, message.received_ns, rule, future_s)
    return Frame(
        camera_id=rule.device_id,
        captured_ns=captured_ns,
        received_ns=message.received_ns,
        jpeg=jpeg,
        width=header.width,
        height=header.height,
        seq=_seq(properties),
        boot=_text(properties, "boot"),
        preset=_text(properties, "preset"),
        stamped=stamped,
        grey=header.components == 1,
        progressive=header.progressive,
    )


def _captured(properties: Mapping[str, str], received_ns: int, rule: DeviceRule, future_s: float) -> tuple[int, bool]:
    text = properties.get("ts", "")
    if not text:
        return received_ns, False
    try:
        return timely_ns(text, received_ns, past_s=rule.max_age_s, future_s=future_s), True
    except StampError as error:
        raise FrameError(error.reason, error.detail) from None


def _seq(properties: Mapping[str, str]) -> int:
    text = properties.get("seq", "")
    if not text:
        return -1
    number = digits(text)
    if number is None or number > SEQ_MAX:
        raise FrameError("seq", f"not a counter: {text[:40]!r}")
    return number


def _text(properties: Mapping[str, str], name: str) -> str:
    """Refuse rather than cut: a camera would not know its own boot again in the acknowledgement."""
    text = properties.get(name, "")
    if len(text) > 64 or "\0" in text:
        raise FrameError("text", f"{name} is too long or holds a NUL")
    return text
