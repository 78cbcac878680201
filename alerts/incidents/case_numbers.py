"""The number of a case (案号), which it gets when it becomes one: filed by a person, or sent out by itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from alerts.store import Connection
from schemas.city import City


@dataclass(frozen=True, slots=True)
class Numbering:
    """What of the city is in a number: the time zone of its days; its division (6 digits) where no cell is known."""

    timezone: str = "UTC"
    division: str = "000000"


def numbering_of(city: City) -> Numbering:
    """How a city numbers its cases."""
    return Numbering(city.timezone, city.division)


def case_no(conn: Connection, row: dict[str, Any], numbering: Numbering) -> str:
    """Number of a case: its division (6 digits; the city's where no cell is known), the day (8), a count; it stays.

    ``row`` has the incident's ``case_no`` and ``cell_id``. The caller writes the number into the incident and into the
    step that makes it a case. A count is never used twice; a transaction that is undone leaves a gap.
    """
    if row["case_no"]:
        return str(row["case_no"])
    found = conn.execute("select nextval('case_serial') as serial, now() as at").fetchone()
    if found is None:
        raise RuntimeError("a statement that must return a row returned none")
    at: datetime = found["at"]
    day = at.astimezone(ZoneInfo(numbering.timezone))
    return f"{row['cell_id'][:6] or numbering.division}{day:%Y%m%d}{found['serial']:06d}"
