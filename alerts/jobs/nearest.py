"""Which unit gets a job: the responsible one if it is on duty, else the nearest that is. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from alerts.deciding.place import distance_m
from schemas.dispatch import Choice, Errand, Fix, Why


def choose(
    errand: Errand,
    on_duty: Mapping[str, frozenset[str]],
    fixes: Iterable[Fix],
    now: datetime,
    *,
    fresh_s: float,
) -> Choice:
    """The unit that gets a job, and why. Distances are straight; a fix older than ``fresh_s`` (s) counts for nothing.

    ``on_duty``: units on duty with the vehicles that their rosters name (``alerts.duty.units_on_duty``). Where
    somebody calls for help the nearest of all on duty is right, whoever is responsible; otherwise the responsible one
    where it is on duty, else the nearest of its kind. Without a position that counts it is the first by name, and
    where nobody of the kind is on duty it waits at the responsible one. Ties go to the lower name.
    """
    fresh = [fix for fix in fixes if fix.vehicle_id != errand.caller and now - fix.at <= timedelta(seconds=fresh_s)]
    able = set(on_duty) - errand.without
    if not errand.sos:
        if errand.unit_id in able:
            return _told(Choice(errand.unit_id, Why.RESPONSIBLE), errand, on_duty, fresh)
        able &= errand.peers
    nearest = _nearest(errand, {unit: on_duty[unit] for unit in able}, fresh)
    if nearest is not None:
        metres, unit_id, vehicle_id = nearest
        return Choice(unit_id, Why.NEAREST_ANY if errand.sos else Why.NEAREST, vehicle_id, metres)
    if able:
        return Choice(errand.unit_id if errand.unit_id in able else min(able), Why.ON_DUTY)
    return Choice(errand.unit_id, Why.NOBODY)


def _told(choice: Choice, errand: Errand, on_duty: Mapping[str, frozenset[str]], fresh: Collection[Fix]) -> Choice:
    """The same with the unit's nearest vehicle, where one is known."""
    nearest = _nearest(errand, {choice.unit_id: on_duty[choice.unit_id]}, fresh)
    return choice if nearest is None else Choice(choice.unit_id, choice.why, nearest[2], nearest[0])


def _nearest(
    errand: Errand, units: Mapping[str, frozenset[str]], fresh: Collection[Fix]
) -> tuple[float, str, str] | None:
    """Metres, unit and vehicle of the nearest fix of these units; None where no place or no position is known."""
    place = errand.place
    if place is None:
        return None
    return min(
        (
            (distance_m(place, fix.point), unit_id, fix.vehicle_id)
            for unit_id, vehicles in units.items()
            for fix in fresh
            if (fix.vehicle_id in vehicles if vehicles else fix.unit_id == unit_id)
        ),
        default=None,
    )
