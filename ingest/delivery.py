"""A payload travels with its acknowledgement."""

from collections.abc import Callable
from enum import IntEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Outcome(IntEnum):
    """How a delivery ended; the worst of several wins (``max``).

    DONE and REJECT acknowledge to the broker, REJECT has also dead-lettered; RETRY does not acknowledge.
    """

    DONE = 0
    RETRY = 1
    REJECT = 2


class Delivery(Generic[T]):
    """One payload and the duty to say, exactly once, how it ended.

    ``on_settle(outcome, reason)`` is called in the thread that settles; it must not block.
    """

    __slots__ = ("_on_settle", "payload")

    def __init__(self, payload: T, on_settle: Callable[[Outcome, str], None]) -> None:
        self.payload = payload
        self._on_settle: Callable[[Outcome, str], None] | None = on_settle

    @property
    def settled(self) -> bool:
        """Whether ``settle`` was called."""
        return self._on_settle is None

    def settle(self, outcome: Outcome, reason: str = "") -> None:
        """End this delivery. Raises RuntimeError the second time."""
        on_settle, self._on_settle = self._on_settle, None
        if on_settle is None:
            raise RuntimeError("delivery settled twice")
        on_settle(outcome, reason)
