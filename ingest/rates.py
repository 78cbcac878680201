"""How much a device may send: token buckets by our clock and, for what was held up, by the device's own. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field

BURST_S = 30.0  # a device that was out of reach for half a minute may send what it kept
LATE_S = 10.0  # a message that took longer was held up on its way; less than that may be a clock that goes wrong
RESERVED = 0.5  # share of a bucket that is not spent on messages that were held up


@dataclass(slots=True)
class TokenBuckets:
    """Counts messages against each device's sustained rate. A trial is charged apart until it is accepted."""

    tokens: dict[str, tuple[float, float]] = field(default_factory=dict)  # device -> tokens left, when (s)
    below: "TokenBuckets | None" = None  # what a trial starts from

    def allow(self, device_id: str, rate_per_s: float | None, now_s: float, *, reserved: float = 0.0) -> bool:
        """Whether one more message may pass; None is unlimited. ``now_s`` is any steady clock.

        ``reserved`` is the share of a full bucket, 0..1, that must be left after it.
        """
        if rate_per_s is None:
            return True
        burst = max(1.0, rate_per_s * BURST_S)
        found = self.tokens.get(device_id)
        if found is None and self.below is not None:
            found = self.below.tokens.get(device_id)
        tokens, then_s = found or (burst, now_s)
        now_s = max(now_s, then_s)
        tokens = min(burst, tokens + (now_s - then_s) * rate_per_s)
        passed = tokens >= 1.0 + reserved * burst
        self.tokens[device_id] = (tokens - 1.0 if passed else tokens, now_s)
        return passed

    def trial(self) -> "TokenBuckets":
        """Buckets as they are now, to be charged without a trace here unless they are accepted."""
        return TokenBuckets(below=self)

    def accept(self, trial: "TokenBuckets") -> None:
        """Take over what a trial of these buckets charged."""
        self.tokens.update(trial.tokens)


@dataclass(slots=True)
class HeldRates:
    """Each device's rate by our clock, and by its own for what the broker or the device held up.

    A backlog that comes at once was sent at the device's rate, and only its own times tell. They are asked only
    when the bucket by our clock is half empty, which a device that keeps to its rate never sees. Whatever times a
    device makes up, in any stretch of ours it passes at most what its rate allows for that stretch, and once what
    its rate allows for the span of times that are accepted.
    """

    ours: TokenBuckets = field(default_factory=TokenBuckets)
    own: TokenBuckets = field(default_factory=TokenBuckets)

    def allow(
        self, device_id: str, rate_per_s: float | None, now_s: float, sent_s: Callable[[], tuple[float, float] | None]
    ) -> bool:
        """Whether one more message may pass; None is unlimited. ``now_s`` is any steady clock.

        ``sent_s()`` gives the message's own time and how long ago that was, both in s; None where it has no time.
        """
        if self.ours.allow(device_id, rate_per_s, now_s, reserved=RESERVED):
            return True
        sent = sent_s()
        if sent is not None and sent[1] > LATE_S and self.own.allow(device_id, rate_per_s, sent[0]):
            return True
        return self.ours.allow(device_id, rate_per_s, now_s)

    def trial(self) -> "HeldRates":
        """Rates as they are now, to be charged without a trace here unless they are accepted."""
        return HeldRates(self.ours.trial(), self.own.trial())

    def accept(self, trial: "HeldRates") -> None:
        """Take over what a trial of these rates charged."""
        self.ours.accept(trial.ours)
        self.own.accept(trial.own)
