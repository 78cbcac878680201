"""Cameras as Home Assistant's MQTT camera and image entities read them: bytes, or base64 with ``image_encoding``."""

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec
from ingest.codecs.picture import PictureCodec

NAME = "home_assistant"
FILTERS = ("homeassistant/camera/+/image",)


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Return the codec."""
    return (PictureCodec(NAME, knobs.topics.get(NAME, FILTERS)),)
