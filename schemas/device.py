"""What the registry says of one device to the intake."""

from dataclasses import dataclass
from typing import Literal

Crs = Literal["wgs84", "cgcs2000", "gcj02", "bd09", "from_message"]


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """How one device's messages are taken.

    Attributes:
        device_id: ``[A-Za-z0-9_-]{1,64}``.
        kind: "camera" or "vehicle"; a message on the other kind's topic is not this device's.
        crs: coordinate system of its positions; "from_message" lets each message say.
        max_age_s: oldest accepted device time; None: any age.
        rate_per_s: sustained messages per second before the token bucket closes; None: unlimited.
        period_s: how often it should send; None: not known.
        max_bytes: its largest message; None: the intake's own limit.
    """

    device_id: str
    kind: Literal["camera", "vehicle"]
    crs: Crs = "wgs84"
    max_age_s: float | None = None
    rate_per_s: float | None = None
    period_s: float | None = None
    max_bytes: int | None = None

    def bytes_max(self, limit: int) -> int:
        """Return its largest message: its own limit, but never more than the intake's, on which the memory counts."""
        return limit if self.max_bytes is None else min(limit, self.max_bytes)
