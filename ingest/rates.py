"""One token bucket per device. Pure."""

from dataclasses import dataclass, field

BURST_S = 30.0  # a device that was out of reach for half a minute may send what it kept


@dataclass(slots=True)
class TokenBuckets:
    """Counts messages against each device's sustained rate."""

    _tokens: dict[str, tuple[float, float]] = field(default_factory=dict)  # device -> tokens left, when (s)

    def allow(self, device_id: str, rate_per_s: float | None, now_s: float) -> bool:
        """Whether one more message may pass; None is unlimited. ``now_s`` is any steady clock."""
        if rate_per_s is None:
            return True
        burst = max(1.0, rate_per_s * BURST_S)
        tokens, then_s = self._tokens.get(device_id, (burst, now_s))
        now_s = max(now_s, then_s)
        tokens = min(burst, tokens + (now_s - then_s) * rate_per_s)
        passed = tokens >= 1.0
        self._tokens[device_id] = (tokens - 1.0 if passed else tokens, now_s)
        return passed
