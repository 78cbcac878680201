"""A meter that can be asked."""

from collections import Counter


class Tally:
    """Counts by name, and by name and reason: ``frames_shed`` and ``frames_shed:waited``."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        self.counts[name] += int(amount)
        if "reason" in labels:
            self.counts[f"{name}:{labels['reason']}"] += int(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        pass

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        pass
