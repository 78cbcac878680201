"""The real process that decodes pictures, one for the whole run; whoever ended it gets a new one."""

from collections.abc import Iterator

import pytest

from ingest.decode_process import DecoderLimits, DecoderProcess
from schemas.meter import NullMeter

LIMITS = DecoderLimits(limit_s=2.0, frame_max_bytes=2_000_000, frame_max_pixels=8_300_000)


@pytest.fixture(scope="session")
def decoder() -> Iterator[DecoderProcess]:
    """Starts with the first picture."""
    made = DecoderProcess(LIMITS, NullMeter())
    yield made
    made.close()
