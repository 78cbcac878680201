"""What forms of pictures share: the camera out of the topic, the JPEG out of its wrapping. Pure."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ingest.codecs.base import Item, PictureItem, Refusal
from ingest.codecs.rows import RefusedError
from ingest.owners import device_level
from ingest.topics import matches
from schemas.position import RawMessage

SPACE = b" \t\r\n"
BASE64_JPEG = b"/9j"  # FF D8 and the F of the next FF
DATA_URI = b"data:"
HEAD_MAX = 100  # bytes of a data URI before its comma
MEDIA = (b"data:image/jpeg", b"data:image/jpg")


def bare(payload: bytes) -> bytes:
    """Return the JPEG of a payload that holds it bare, as base64 or as a data URI, line breaks between allowed.

    What looks like none of them is returned as it is, for the gate to refuse. Raises RefusedError ``empty``,
    ``format`` (a data URI of something else, or a link) or ``base64``. Decoded it is shorter than it came.
    """
    if payload[:1] == b"\xff":
        return payload
    start = payload[:HEAD_MAX].lstrip(SPACE)
    if not start:
        raise RefusedError("empty")
    if start[:5].lower() == DATA_URI:
        head, comma, text = payload.lstrip(SPACE).partition(b",")
        media, *options = head[:HEAD_MAX].lower().split(b";")
        if not comma or media not in MEDIA or b"base64" not in options:
            raise RefusedError("format", f"a data URI, but of no JPEG in base64: {head[:HEAD_MAX]!r}")
        return _decoded(text)
    if start.startswith(BASE64_JPEG):
        return _decoded(payload)
    if start[:7].lower() in (b"http://", b"https:/"):
        raise RefusedError("format", "a link; publish the picture itself")
    return payload


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text.translate(None, SPACE), validate=True)
    except binascii.Error as error:
        raise RefusedError("base64", str(error)) from None


def device_in(filters: Sequence[str], topic: str) -> str:
    """Return the device of a topic: its own level, else what ``#`` stands for in the filter that reads it.

    Without a wildcard the whole topic names the device. Several levels are joined with ``-``.
    """
    pattern = next((one for one in filters if matches(one, topic)), topic)
    if "+" in pattern.split("/"):
        return device_level((pattern,), topic)
    fixed = pattern.count("/") if pattern.endswith("#") else 0
    return "-".join(topic.split("/")[fixed:])


@dataclass(slots=True)
class PictureCodec:
    """A form in which one message is one picture, bare or wrapped; ``filters`` are those of this configuration."""

    name: str
    filters: tuple[str, ...]
    kind: Literal["vehicle", "camera"] = "camera"

    def begin(self) -> None:
        """No state."""

    def urgent(self, _message: RawMessage) -> bool:
        """Pictures carry no alarms."""
        return False

    def step(self, state: Any, message: RawMessage, _now_ns: int) -> tuple[Any, list[Item]]:  # noqa: ANN401
        """Return the picture; user properties say of it what they say of ours."""
        device = device_in(self.filters, message.topic)
        try:
            return state, [PictureItem(device, bare(message.payload), message.properties)]
        except RefusedError as refused:
            return state, [Refusal(device, refused.reason, refused.detail)]
