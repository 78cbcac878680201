"""Which alarms are emergencies: words that forms share, whatever the device calls them."""

from dataclasses import dataclass

# Other alarms (a broken antenna, a low battery) may stand for days; they are stored and counted like anything else.
EMERGENCIES = frozenset({"sos", "stolen", "collision", "rollover"})

SOS = "sos"  # the one that opens an incident: somebody in the vehicle needs help, whatever else is to be done
SOS_CLASS = "99001"  # its class; 98 and 99 are the city's own extensions of the catalogue (domain.md 2.1)


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody in a vehicle calls for help: a position with ``SOS`` among its alarms.

    ``at_ns``: when, by the device's clock, but never later than it came; ns since 1970 UTC. ``point``: lon, lat in
    degrees WGS-84; None: the device did not know.
    """

    vehicle_id: str
    at_ns: int
    point: tuple[float, float] | None
