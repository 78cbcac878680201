"""Device times to ns since 1970 UTC. Pure."""

from datetime import datetime
from math import isfinite

from schemas.units import ns_of

MS_MIN, MS_MAX = 10**11, 10**14  # epoch ms of 1973 and of 5138: seconds, micro- and nanoseconds fall outside


class StampError(ValueError):
    """A time that cannot be used; ``reason`` is the dead letter's: ``tz`` or ``ts``."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


def stamp_ns(stamp: str | float) -> int:
    """RFC 3339 with a zone, or epoch ms as a number or its digits, to ns since 1970 UTC. Raises StampError."""
    if isinstance(stamp, str) and stamp.isascii() and stamp.isdigit() and len(stamp) < 19:
        stamp = int(stamp)
    if isinstance(stamp, str):
        try:
            when = datetime.fromisoformat(stamp)
        except ValueError:
            raise StampError("ts", f"not RFC 3339: {stamp[:40]!r}") from None
        if when.tzinfo is None:
            raise StampError("tz", f"a time without a zone: {stamp[:40]!r}")
        try:
            ns = ns_of(when)
        except OverflowError:
            raise StampError("ts", f"out of range: {stamp[:40]!r}") from None
    elif isfinite(stamp) and MS_MIN <= stamp <= MS_MAX:
        ns = round(stamp * 1_000_000)
    else:
        raise StampError("ts", f"not epoch milliseconds: {stamp!r}"[:80])
    if ns <= 0:
        raise StampError("ts", "before 1970")
    return ns
