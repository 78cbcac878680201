"""Device times to ns since 1970 UTC. Pure."""

from datetime import datetime

from schemas.units import ns_of

MS_MIN, MS_MAX = 10**11, 10**14  # epoch ms of 1973 and of 5138: seconds, micro- and nanoseconds fall outside


class StampError(ValueError):
    """A time that cannot be used; ``reason`` is the dead letter's: ``ts``, ``tz``, ``ts_future`` or ``ts_too_old``."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


def digits(text: str) -> int | None:
    """Return the number that up to 18 ASCII digits spell; None for anything else, as for nothing."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def stamp_ns(stamp: str | float) -> int:
    """RFC 3339 with a zone, or epoch ms as a number or its digits, to ns since 1970 UTC, in whole microseconds.

    Microseconds are what the database keeps: two spellings of one time must be one time. Raises StampError ``ts`` or
    ``tz``, nothing else.
    """
    if isinstance(stamp, str) and (number := digits(stamp)) is not None:
        stamp = number
    if isinstance(stamp, str):
        try:
            # Python reads any separator and only a capital Z.
            when = datetime.fromisoformat(stamp[:-1] + "Z" if stamp[-1:] == "z" else stamp)
        except ValueError:
            raise StampError("ts", f"not RFC 3339: {stamp[:40]!r}") from None
        if when.tzinfo is None:
            raise StampError("tz", f"a time without a zone: {stamp[:40]!r}")
        ns = ns_of(when)
    elif MS_MIN <= stamp <= MS_MAX:
        whole = int(stamp)
        ns = (whole * 1000 + round((stamp - whole) * 1000)) * 1000
    else:
        # An integer of thousands of digits has no short form, and above 4 300 none at all.
        shown = "a number beyond reason" if isinstance(stamp, int) and stamp.bit_length() > 64 else f"{stamp!r}"
        raise StampError("ts", f"not epoch milliseconds: {shown}")
    if ns <= 0:
        raise StampError("ts", "before 1970")
    return ns


def timely_ns(stamp: str | float, received_ns: int, *, past_s: float | None, future_s: float) -> int:
    """``stamp_ns`` of a time within ``past_s`` (None: any age) and ``future_s`` of its receipt. Raises StampError."""
    ns = stamp_ns(stamp)
    age_s = (received_ns - ns) / 1e9
    if age_s < -future_s:
        raise StampError("ts_future", f"{-age_s:.0f} s ahead of us")
    if past_s is not None and age_s > past_s:
        raise StampError("ts_too_old", f"{age_s:.0f} s old, allowed {past_s:.0f}")
    return ns
