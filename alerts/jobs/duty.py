"""Who is on duty now, by the pack's rosters. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.city import City
from schemas.rules import Duty


def duties_at(city: City, now: datetime) -> tuple[Duty, ...]:
    """The duties that hold at ``now`` (aware); none where nobody is on duty, or the pack has no roster.

    A night shift is that of the day on which it starts, also where that is the roster's last.
    """
    local = now.astimezone(ZoneInfo(city.timezone))
    return tuple(
        duty
        for duty in city.rules.duties
        if city.rules.calendar.within(duty.hours, local, duty.valid_from, duty.valid_to)
    )


def units_on_duty(city: City, now: datetime) -> dict[str, frozenset[str]]:
    """Units on duty at ``now`` (aware), each with the vehicles its roster names; empty: all that belong to it.

    A unit of which no roster speaks is on duty at any time.
    """
    rostered = {duty.unit_id for duty in city.rules.duties}
    found: dict[str, frozenset[str]] = {unit_id: frozenset() for unit_id in city.units if unit_id not in rostered}
    for duty in duties_at(city, now):
        found[duty.unit_id] = found.get(duty.unit_id, frozenset()) | frozenset(duty.vehicles)
    return found


def peers(city: City, family: str, class_code: str) -> frozenset[str]:
    """Units that take care of such things somewhere in the city: of one kind, in that each can do the other's work."""
    found = {
        unit_id
        for cell in city.cells.values()
        for unit_id in (cell.units.get(family) or cell.units.get("*"),)
        if unit_id is not None
    }
    # A rule for every class says nothing of what its unit can do: a district's squad is no street sweeper.
    found |= {rule.unit_id for rule in city.rules.responsibilities if class_code in rule.classes}
    return frozenset(found)
