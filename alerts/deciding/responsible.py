"""Which unit takes care of what, where and when (权责清单). Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.deciding.exceptions import longest_prefix
from schemas.city import CaseClass, City
from schemas.rules import Responsibility

UNROUTED = ""  # nobody is named: a person has to route it


def unit_for(city: City, case: CaseClass, cell_id: str, when: datetime, *, own_unit: str = "") -> str:
    """The unit responsible for a class in a cell at an aware moment; ``UNROUTED`` where the pack names none.

    ``own_unit``, the camera's, goes before everything. Then the pack's responsibilities: of those whose dates, hours,
    cells and classes fit, the most special wins, which is the one with

    1. the longest cell prefix (a cell before a community before a street before the district before everywhere),
    2. named classes before all classes,
    3. hours before always,
    4. and of those still alike, which no checked pack has for two units, the one that stands first in the file.

    Where none fits the cell's own units count: that of the family, else that of all others ("*"). Dates are inclusive
    and, like hours, on the city's own clock; a day counts as what the calendar says (a make-up day, a holiday), and a
    night belongs to the day on which it starts.
    """
    if own_unit:
        return own_unit
    local = when.astimezone(ZoneInfo(city.timezone))
    best, best_rank = UNROUTED, (-2, False, False)
    for row in city.rules.responsibilities:
        rank = _rank(row, city, case, cell_id, local)
        if rank is not None and rank > best_rank:
            best, best_rank = row.unit_id, rank
    if best:
        return best
    units = city.cells[cell_id].units if cell_id in city.cells else {}
    return units.get(case.family) or units.get("*") or UNROUTED


def _rank(
    row: Responsibility, city: City, case: CaseClass, cell_id: str, local: datetime
) -> tuple[int, bool, bool] | None:
    """How special a responsibility is: the more, the greater; None where it does not fit."""
    if row.classes and case.code not in row.classes:
        return None
    prefix = longest_prefix(row.cells, cell_id)
    if row.cells and prefix < 0:
        return None
    if row.hours:
        holds = city.rules.calendar.within(row.hours, local, row.valid_from, row.valid_to)
    else:
        holds = row.valid_from <= local.date() <= row.valid_to
    if not holds:
        return None
    return prefix, bool(row.classes), bool(row.hours)
