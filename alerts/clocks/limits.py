"""Which time limits hold for a case: by stage, class, cell and the day on which the stage began. Pure."""

from datetime import datetime

from alerts.clocks.worktime import WorkTime
from alerts.deciding.exceptions import longest_prefix
from schemas.alarms import SOS_CLASS
from schemas.city import City
from schemas.errors import Fault
from schemas.rules import Stage, TimeLimit

CLASS = "class/"  # a limit id that begins so is that of the class behind it
# A call for help that somebody took and nobody ended. Half an hour reaches any place of a city; a pack that names the
# class, in its catalogue or its limits, says otherwise.
SOS_HANDLE_H = 0.5


def limits_for(
    city: City, work: WorkTime, stage: Stage, class_code: str, cell_id: str, begun: datetime
) -> tuple[TimeLimit, ...]:
    """The limits of one stage of one case, one of each name, by name; () where nothing limits it.

    Of those that fit, the one with the longest fitting cell prefix holds: a street's own table replaces the city's. Of
    two with the same prefix one that names the class holds over one for all classes, then the one that came into force
    later. Where the pack has none at all for handling, the class's ``handle_h`` is the limit. A call for help is
    handled by the clock, and limits for all classes say nothing of it.
    """
    day = work.day_of(begun)
    best: dict[str, tuple[tuple[int, bool, int, str], TimeLimit]] = {}
    for limit in city.rules.limits:
        if limit.stage != stage or not limit.valid_from <= day <= limit.valid_to:
            continue
        reach = longest_prefix(limit.cells, cell_id)
        if (limit.classes and class_code not in limit.classes) or (limit.cells and reach < 0):
            continue
        if not limit.classes and stage == "handle" and class_code == SOS_CLASS:
            continue
        rank = (max(reach, 0), bool(limit.classes), limit.valid_from.toordinal(), limit.limit_id)
        held = best.get(limit.name)
        if held is None or rank > held[0]:
            best[limit.name] = (rank, limit)
    if not best and stage == "handle" and (class_code in city.classes or class_code == SOS_CLASS):
        return (handle_limit(city, class_code),)
    return tuple(best[name][1] for name in sorted(best))


def handle_limit(city: City, class_code: str) -> TimeLimit:
    """The limit that a class of the catalogue brings along: ``handle_h`` working hours, for a call by the clock."""
    if class_code == SOS_CLASS:
        hours = city.classes[class_code].handle_h if class_code in city.classes else SOS_HANDLE_H
        return TimeLimit(f"{CLASS}{class_code}", "handle", hours, "natural_h")
    return class_limit(class_code, city.classes[class_code].handle_h)


def class_limit(class_code: str, hours: float) -> TimeLimit:
    """What a class of the catalogue brings along, in working hours."""
    return TimeLimit(f"{CLASS}{class_code}", "handle", hours, "working_h", source="classes.csv")


def uncounted(city: City, work: WorkTime) -> tuple[Fault, ...]:
    """What to say of limits in working time where the pack has no working hours: no clock runs for them."""
    if work.works:
        return ()
    found = [
        Fault(
            "limits.csv",
            limit.limit_id,
            f"{limit.amount:g} {limit.unit}",
            "counts working time, and the calendar has no hours: no clock runs for it; give calendar.toml hours",
        )
        for limit in city.rules.limits
        if limit.unit != "natural_h"
    ]
    if any(not _limited(city, code) for code in city.classes):
        message = "counts working hours, and the calendar has none: no clock runs for it; give calendar.toml hours"
        found.append(Fault("classes.csv", "handle_h", "", message))
    return tuple(found)


def _limited(city: City, class_code: str) -> bool:
    """Whether the pack has a handling limit that names a class everywhere and always, so that ``handle_h`` is idle."""
    return any(
        limit.stage == "handle" and not limit.cells and (not limit.classes or class_code in limit.classes)
        for limit in city.rules.limits
    )
