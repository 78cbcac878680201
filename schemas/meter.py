"""Counting, as the rooms see it: the spine hands over the implementation."""

from typing import Protocol


class Meter(Protocol):
    """Counts what happened. Thread-safe, never raises, never blocks."""

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add ``amount`` to counter ``curbwatch_<name>_total`` with these labels."""

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set gauge ``curbwatch_<name>``."""

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Record a duration in histogram ``curbwatch_<name>_seconds``."""


class NullMeter:
    """Counts nothing: for tests and tools that do not care."""

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Ignore."""

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Ignore."""

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """Ignore."""
