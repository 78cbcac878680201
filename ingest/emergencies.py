"""Which emergencies are news, as a pressed button sends one with each position; and calls for help. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest.quality import Alarm
from schemas.alarms import EMERGENCIES, SOS, Call
from schemas.position import PositionRows

AGAIN_S = 600.0
KNOWN_MAX = 10_000  # emergencies remembered; beyond it the oldest is said again sooner


def calls_in(rows: PositionRows) -> list[Call]:
    """Calls for help among positions, in their order; none where nobody calls."""
    return [
        Call(rows.device_id[at], min(rows.ts_ns[at], rows.received_ns[at]), _point(rows.lon[at], rows.lat[at]))
        for at, alarms in enumerate(rows.alarms)
        if SOS in alarms
    ]


def _point(lon: float, lat: float) -> tuple[float, float] | None:
    """Where a position says it is; None for 0/0, which receivers say that do not know."""
    return None if lon == 0 == lat else (lon, lat)


@dataclass(slots=True)
class Emergencies:
    """Remembers what was said of whom, and when."""

    _said_s: dict[tuple[str, str], float] = field(default_factory=dict)

    def news(self, alarms: Iterable[Alarm], now_s: float) -> list[tuple[str, tuple[str, ...]]]:
        """Return (device, emergencies) not said of it in the last ten minutes, in order. ``now_s``: a steady clock."""
        found = []
        for alarm in alarms:
            new = tuple(
                name
                for name in alarm.alarms
                if name in EMERGENCIES and now_s - self._said_s.get((alarm.device_id, name), now_s - AGAIN_S) >= AGAIN_S
            )
            for name in new:
                self._said_s.pop((alarm.device_id, name), None)
                self._said_s[alarm.device_id, name] = now_s
            if new:
                found.append((alarm.device_id, new))
        while len(self._said_s) > KNOWN_MAX:
            del self._said_s[next(iter(self._said_s))]
        return found
