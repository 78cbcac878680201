"""Frigate's snapshots, and whether its cameras are there."""

from typing import Any

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec, Item, Passed, StatusItem
from ingest.codecs.picture import PictureCodec, device_in
from schemas.position import RawMessage

NAME = "frigate"
FILTERS = ("frigate/+/+/snapshot", "frigate/+/status/detect")
STATES = {b"online": True, b"offline": False, b"disabled": False}


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Return the codec."""
    return (FrigateCodec(NAME, knobs.topics.get(NAME, FILTERS)),)


class FrigateCodec(PictureCodec):
    """A snapshot is a picture of its camera, whatever object it was made for."""

    __slots__ = ()

    def own_level(self, _pattern: str) -> None:
        """Return None: Frigate speaks for all its cameras."""

    def step(self, state: Any, message: RawMessage, now_ns: int) -> tuple[Any, list[Item]]:  # noqa: ANN401
        """Return the snapshot, or the camera's state."""
        if not message.topic.endswith("/status/detect"):
            return PictureCodec.step(self, state, message, now_ns)
        online = STATES.get(message.payload.strip().lower())
        if online is None:
            return state, [Passed("unknown_state")]
        return state, [StatusItem(device_in(self.filters, message.topic), online)]
