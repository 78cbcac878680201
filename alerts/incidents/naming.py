"""What people call an incident: its id, the first characters of it, or its case number (案号)."""

import re
import uuid
from collections.abc import Sequence

from alerts.store import Connection
from schemas.errors import SaidError

CASE_NO = re.compile(r"[0-9]{20}")  # division, day, count: alerts/desk/acting.py
SHORT = re.compile(r"[0-9a-f]{8,31}")  # as the first characters of an id are read out
ID_DIGITS = 32
OF_CASE = "select incident_id from incident where case_no = %s"
OF_RANGE = "select incident_id from incident where incident_id between %s and %s limit 2"


def incident_key(conn: Connection, said: str) -> uuid.UUID:
    """The id of the incident that somebody names; a whole id is not looked for.

    Raises UsageError where it is no such name, none is called so, or several begin so.
    """
    key = whole_id(said)
    if key is not None:
        return key
    query, values = lookup(said)
    return only(said, [row["incident_id"] for row in conn.execute(query, values).fetchall()])


def whole_id(said: str) -> uuid.UUID | None:
    """The id, where that is what was said."""
    try:
        return uuid.UUID(said.strip())
    except ValueError:
        return None


def lookup(said: str) -> tuple[str, tuple[object, ...]]:
    """A query for the ids that are called so, with its values. Raises UsageError where it is no name of an incident."""
    name = said.strip().lower()
    if CASE_NO.fullmatch(name):
        return OF_CASE, (name,)
    digits = name.replace("-", "")
    if not SHORT.fullmatch(digits):
        raise SaidError(
            f"{said!r} is not the id of an incident: ids look like 7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10;"
            " the first 8 characters of one, or a case number of 20 digits, do too",
            f"{said!r} 不是案件编号:编号形如 7d4f0c7e-2f5e-4c1b-9a55-0c3d3c1f2a10,也可用其前 8 位,或 20 位案号",
        )
    return OF_RANGE, (uuid.UUID(digits.ljust(ID_DIGITS, "0")), uuid.UUID(digits.ljust(ID_DIGITS, "f")))


def only(said: str, found: Sequence[uuid.UUID]) -> uuid.UUID:
    """The one that was found. Raises UsageError where there is none, or more than one."""
    if not found:
        raise no_incident(said)
    if len(found) > 1:
        raise SaidError(
            f"several incidents begin with {said}: say more of its id", f"有多个案件以 {said} 开头:请多写几位编号"
        )
    return found[0]


def no_incident(said: str) -> SaidError:
    """There is no incident that is called so."""
    return SaidError(
        f"no incident {said}: see `curbwatch incident list`", f"没有案件 {said}:见 `curbwatch incident list`"
    )
