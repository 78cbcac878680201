"""The contract of an engine: the only place that knows where a camera's state lives."""

from typing import Protocol

from ingest.delivery import Delivery
from schemas.frame import Frame


class ShardLike(Protocol):
    """What an engine runs: owns cameras' states; called from one thread at a time."""

    def handle(self, deliveries: list[Delivery[Frame]]) -> None:
        """Process and settle every delivery; frames of one camera come in order."""

    def close(self) -> None:
        """Keep what must survive; nothing is handled afterwards."""


class Engine(Protocol):
    """Takes deliveries, ordered per key, bounded; settles each exactly once.

    ``submit`` after ``drain`` raises RuntimeError. One contract suite tests every engine.
    """

    async def start(self) -> None:
        """Be ready to take deliveries."""

    async def submit(self, key: str, deliveries: list[Delivery[Frame]]) -> None:
        """Hand over deliveries of one camera; waits while that camera's shard is full."""

    async def drain(self) -> None:
        """Finish everything submitted, then stop."""
