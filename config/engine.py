"""Knobs of the engine that runs the detectors, and of the states it keeps on disk."""

from pydantic import Field

from config.base import Knobs


class EngineKnobs(Knobs):
    """How many shards there are, and where the cameras' backgrounds survive a restart."""

    shards: int = Field(default=2, ge=1, le=64)
    batch_max: int = Field(default=16, ge=1, le=256)
    snapshot_s: float = Field(default=60.0, ge=0)
    memory_limit_bytes: int = Field(default=1_000_000_000, ge=100_000_000)  # of this process; buffers get 60 % of it
    snapshot_dir: str = ""  # empty: <private folder>/snapshots
