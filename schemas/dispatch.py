"""Who gets a job and why: words of the job's row and of the record."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.hours import LonLat


class Why(StrEnum):
    """Why a unit has a job."""

    RESPONSIBLE = "responsible"  # the place is its own, and it is on duty
    NEAREST = "nearest"  # the responsible one is off duty: of its kind the nearest by live position
    NEAREST_ANY = "nearest_any"  # somebody calls for help: the nearest of all
    ON_DUTY = "on_duty"  # as the two above, but nobody's position is known
    NOBODY = "nobody"  # nobody is on duty: it waits at the responsible one
    REASSIGNED = "reassigned"  # a dispatcher's word
    ESCALATED = "escalated"  # nobody took it in time at another unit


@dataclass(frozen=True, slots=True)
class Fix:
    """Where a vehicle was last: degrees WGS-84, by its own clock. ``unit_id`` empty: it belongs to nobody."""

    vehicle_id: str
    unit_id: str
    point: LonLat
    at: datetime


@dataclass(frozen=True, slots=True)
class Errand:
    """What a unit is looked for.

    Attributes:
        unit_id: the responsible unit.
        peers: units of its kind: they take care of the same things somewhere in the city.
        place: degrees WGS-84; None: not known, and then no distance is.
        sos: somebody calls for help, so that anybody is right.
        caller: the vehicle that calls; it does not help itself.
        without: units that had the job and did not take it.
    """

    unit_id: str
    peers: frozenset[str]
    place: LonLat | None = None
    sos: bool = False
    caller: str = ""
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Choice:
    """The unit that gets a job. ``vehicle_id`` is its nearest vehicle, ``distance_m`` how far that is, straight."""

    unit_id: str
    why: Why
    vehicle_id: str = ""
    distance_m: float | None = None
