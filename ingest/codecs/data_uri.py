"""Pictures as data URIs, as sketches for small boards publish what a browser shows without more ado."""

from config.codecs import CodecKnobs
from ingest.codecs.base import Codec
from ingest.codecs.picture import PictureCodec

NAME = "data_uri"
FILTERS = ("esp32/+/image",)


def make(knobs: CodecKnobs) -> tuple[Codec, ...]:
    """Return the codec."""
    return (PictureCodec(NAME, knobs.topics.get(NAME, FILTERS)),)
