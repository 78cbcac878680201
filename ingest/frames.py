"""A frame message to a Frame or a dead letter. Pure."""

import hashlib
from collections.abc import Mapping

from ingest.codecs.native import SEQ_MAX
from ingest.jpeg import inspect
from ingest.stamps import StampError, stamp_ns
from schemas.device import DeviceRule
from schemas.errors import FrameError
from schemas.frame import Frame
from schemas.position import RawMessage


def read_frame(message: RawMessage, rule: DeviceRule, *, max_bytes: int, max_pixels: int, future_s: float) -> Frame:
    """Gate and stamp one picture.

    The MQTT 5 user properties ``ts``, ``seq``, ``boot``, ``preset`` and ``sha256`` count; without ``ts`` the receive
    time does, and the frame says so. Raises FrameError with the dead letter's reason: the gate's, ``ts``, ``tz``,
    ``ts_future``, ``ts_too_old``, ``seq`` or ``sha256``.
    """
    header = inspect(message.payload, max_bytes=max_bytes, max_pixels=max_pixels)
    properties = dict(message.properties)
    claimed = properties.get("sha256", "")
    if claimed and claimed.lower() != hashlib.sha256(message.payload).hexdigest():
        raise FrameError("sha256", "the bytes are not those the camera sent")
    captured_ns, stamped = _captured(properties, message.received_ns, rule, future_s)
    return Frame(
        camera_id=rule.device_id,
        captured_ns=captured_ns,
        received_ns=message.received_ns,
        jpeg=message.payload,
        width=header.width,
        height=header.height,
        seq=_seq(properties),
        boot=properties.get("boot", "")[:64],
        preset=properties.get("preset", "")[:64],
        stamped=stamped,
    )


def _captured(properties: Mapping[str, str], received_ns: int, rule: DeviceRule, future_s: float) -> tuple[int, bool]:
    text = properties.get("ts", "")
    if not text:
        return received_ns, False
    try:
        captured_ns = stamp_ns(text)
    except StampError as error:
        raise FrameError(error.reason, error.detail) from None
    age_s = (received_ns - captured_ns) / 1e9
    if age_s < -future_s:
        raise FrameError("ts_future", f"{-age_s:.0f} s ahead of us")
    if rule.max_age_s is not None and age_s > rule.max_age_s:
        raise FrameError("ts_too_old", f"{age_s:.0f} s old, allowed {rule.max_age_s:.0f}")
    return captured_ns, True


def _seq(properties: Mapping[str, str]) -> int:
    text = properties.get("seq", "")
    if not text:
        return -1
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= SEQ_MAX):
        raise FrameError("seq", f"not a counter: {text[:40]!r}")
    return int(text)
