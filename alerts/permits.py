"""Allowed here and now? Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.place import contains
from schemas.city import City, Permit
from schemas.hours import LonLat


def permit_for(
    city: City, family: str, when: datetime, point: LonLat | None, camera_id: str, zone: str
) -> Permit | None:
    """The first permit that allows ``family`` at this place and moment; None where none does.

    ``when`` is aware; hours and dates count in the city's own time zone. A permit's hours end exclusive: what opens
    at 11:00 still is an alert at 10:59, and what closes at 21:00 is one again at 21:00.
    """
    local = when.astimezone(ZoneInfo(city.timezone))
    for permit in city.permits:
        if family in permit.families and _here(permit, point, camera_id, zone) and _now(permit, local):
            return permit
    return None


def _here(permit: Permit, point: LonLat | None, camera_id: str, zone: str) -> bool:
    if (camera_id, zone) in permit.camera_zones:
        return True
    return point is not None and contains(permit.polygon, point)


def _now(permit: Permit, local: datetime) -> bool:
    if not permit.valid_from <= local.date() <= permit.valid_to:
        return False
    minute = local.hour * 60 + local.minute
    return any(
        local.weekday() in hours.weekdays and hours.start_min <= minute < hours.end_min for hours in permit.hours
    )
