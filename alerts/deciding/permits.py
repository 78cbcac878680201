"""Allowed here and now? Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.deciding.place import contains
from schemas.city import City, Permit
from schemas.hours import LonLat


def permit_for(
    city: City, family: str, when: datetime, point: LonLat | None, camera_id: str, zone: str, *, code: str = ""
) -> Permit | None:
    """The first permit that allows ``family`` at this place and moment; None where none does.

    ``code``: the thing's class. A permit may be for some classes of its families alone, and is then for no unknown one.

    ``when`` is aware; hours and dates count in the city's own time zone, and a day counts as what its calendar says:
    a make-up day as the weekday it stands for, a public holiday as a holiday, which a permit has to name. A permit's
    hours end exclusive: what opens at 11:00 still is an alert at 10:59, and what closes at 21:00 is one again at 21:00.
    A night belongs to the day on which it starts: that day has to be named and within the dates, the next one not.
    """
    local = when.astimezone(ZoneInfo(city.timezone))
    for permit in city.permits:
        meant = family in permit.families and (not permit.classes or code in permit.classes)
        if meant and _open(permit, city, local) and _here(permit, point, camera_id, zone):
            return permit
    return None


def market_at(
    city: City, family: str, when: datetime, point: LonLat | None, camera_id: str, zone: str
) -> Permit | None:
    """The first permit for ``family`` whose place this is and whose dates hold, whatever the hour; None: no such."""
    local = when.astimezone(ZoneInfo(city.timezone))
    for permit in city.permits:
        dated = permit.valid_from <= local.date() <= permit.valid_to
        if family in permit.families and dated and _here(permit, point, camera_id, zone):
            return permit
    return None


def _here(permit: Permit, point: LonLat | None, camera_id: str, zone: str) -> bool:
    if (camera_id, zone) in permit.camera_zones:
        return True
    return point is not None and contains(permit.polygon, point)


def _open(permit: Permit, city: City, local: datetime) -> bool:
    return city.rules.calendar.within(permit.hours, local, permit.valid_from, permit.valid_to)
