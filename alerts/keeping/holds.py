"""Legal holds: what somebody needs as evidence elsewhere is not deleted while the hold lasts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.incidents.naming import incident_key, no_incident
from alerts.record.steps import record
from alerts.record.text import refuse_text
from alerts.store import Connection
from schemas.errors import SaidError
from schemas.record import Actor, What

# Conditions of other statements. An incident is held with what was merged into it.
INCIDENT_HELD = (
    "exists (select from legal_hold h where h.released_at is null and h.incident_id in (i.incident_id, i.merged_into))"
)
DEVICE_HELD = (
    "exists (select from legal_hold h where h.released_at is null and h.device_id = {device}"
    " and {at} between h.from_at and h.to_at)"
)
LIST = """
select hold_id, incident_id, device_id, from_at, to_at, person, reason, since, released_at, released_by, release_reason
from legal_hold where released_at is null or %(released)s order by hold_id desc limit %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold: of an incident, or of a device from ``from_at`` to ``to_at`` inclusive (captured time)."""

    hold_id: int
    incident_id: str | None
    device_id: str | None
    from_at: datetime | None
    to_at: datetime | None
    person: str
    reason: str
    since: datetime
    released_at: datetime | None
    released_by: str
    release_reason: str


def hold_incident(conn: Connection, incident_id: str, actor: Actor, reason: str) -> int:
    """Hold an incident, its pictures and its sightings, and say so in its record; the hold's number.

    Several people may hold one, each for a reason. Raises UsageError for no reason or no such incident.
    """
    key = _locked(conn, incident_id)
    hold_id = _enter(conn, key, actor.name, reasoned(reason))
    record(conn, key, actor, What.HELD, {"hold": hold_id, "by": actor.name, "reason": reason.strip()})
    return hold_id


def carry_holds(conn: Connection, incident_id: object, into_id: object, actor: Actor) -> int:
    """Hold an incident by every hold of one that ``actor`` merges into it: what was held there lies here now; how many.

    Each is a hold of its own, of the same person for the same reason, and a step of the record. The caller holds both
    locks.
    """
    rows = conn.execute(
        "select person, reason from legal_hold where incident_id = %s and released_at is null order by hold_id",
        (incident_id,),
    ).fetchall()
    for row in rows:
        said = {"by": row["person"], "reason": row["reason"], "from": str(incident_id)}
        hold_id = _enter(conn, into_id, row["person"], row["reason"])
        record(conn, into_id, actor, What.HELD, {"hold": hold_id} | said)
    return len(rows)


def hold_device(conn: Connection, device_id: str, from_at: datetime, to_at: datetime, person: str, reason: str) -> int:
    """Hold what a device told in a span of its captured time: positions, sightings, pictures, health.

    Returns the hold's number. Raises UsageError for no reason, an unknown device, or a span that ends before it begins.
    """
    if not from_at < to_at:
        raise SaidError(
            f"a hold from {from_at.isoformat()} to {to_at.isoformat()} holds nothing: turn them round",
            f"保全时段 {from_at.isoformat()} 至 {to_at.isoformat()} 为空:请对调 --from 和 --to",
        )
    if conn.execute("select 1 from device where device_id = %s", (device_id,)).fetchone() is None:
        raise SaidError(
            f"no device {device_id!r}: see `curbwatch device list`",
            f"没有设备 {device_id!r}:见 `curbwatch device list`",
        )
    row = conn.execute(
        "insert into legal_hold (device_id, from_at, to_at, person, reason) values (%s, %s, %s, %s, %s)"
        " returning hold_id",
        (device_id, from_at, to_at, person, reasoned(reason)),
    ).fetchone()
    return int(row["hold_id"]) if row is not None else 0


def release_incident(conn: Connection, incident_id: str, actor: Actor, reason: str) -> int:
    """Release every hold of an incident, and say so in its record; how many there were.

    Raises UsageError for no reason, no such incident, or one that nobody holds.
    """
    key = _locked(conn, incident_id)
    rows = conn.execute(
        "select hold_id from legal_hold where incident_id = %s and released_at is null order by hold_id", (key,)
    ).fetchall()
    if not rows:
        raise SaidError(f"incident {incident_id} is not held", f"案件 {incident_id} 未被保全")
    for row in rows:
        release(conn, int(row["hold_id"]), actor, reason)
    return len(rows)


def release(conn: Connection, hold_id: int, actor: Actor, reason: str) -> None:
    """End one hold; that of an incident is told in its record. Raises UsageError for no reason or no such hold."""
    row = conn.execute("select incident_id, released_at from legal_hold where hold_id = %s", (hold_id,)).fetchone()
    if row is None or row["released_at"] is not None:
        state = "there is no" if row is None else f"{row['released_at']:%Y-%m-%d} ended"
        ended_zh = f"没有保全 {hold_id}" if row is None else f"保全 {hold_id} 已于 {row['released_at']:%Y-%m-%d} 解除"
        raise SaidError(f"{state} hold {hold_id}: see `curbwatch keep show`", f"{ended_zh}:见 `curbwatch keep show`")
    if row["incident_id"] is not None:  # incidents are locked first, everywhere
        _locked(conn, str(row["incident_id"]))
    ended = conn.execute(
        "update legal_hold set released_at = now(), released_by = %s, release_reason = %s"
        " where hold_id = %s and released_at is null",
        (actor.name, reasoned(reason), hold_id),
    ).rowcount
    if ended and row["incident_id"] is not None:
        detail = {"hold": hold_id, "by": actor.name, "reason": reason.strip()}
        record(conn, row["incident_id"], actor, What.RELEASED, detail)


def holds(conn: Connection, *, released: bool = False, limit: int = 1000) -> list[Hold]:
    """Holds that last, newest first; with ``released`` those that ended too."""
    rows = conn.execute(LIST, {"released": released, "limit": limit}).fetchall()
    return [_hold(row) for row in rows]


def held(conn: Connection, incident_id: str) -> bool:
    """Whether an incident, or the one it was merged into, is held."""
    row = conn.execute(
        f"select 1 from incident i where i.incident_id = %s and {INCIDENT_HELD}",  # noqa: S608  # constants
        (incident_key(conn, incident_id),),
    ).fetchone()
    return row is not None


def reasoned(reason: str) -> str:
    """The reason without blanks around it. Raises UsageError where nothing is left."""
    if not reason.strip():
        raise SaidError("a hold and its release need a reason: --reason TEXT", "保全和解除保全须写明原因:--reason 文字")
    refuse_text(reason, "--reason")
    return reason.strip()


def _enter(conn: Connection, key: object, person: str, reason: str) -> int:
    row = conn.execute(
        "insert into legal_hold (incident_id, person, reason) values (%s, %s, %s) returning hold_id",
        (key, person, reason),
    ).fetchone()
    return int(row["hold_id"]) if row is not None else 0


def _locked(conn: Connection, incident_id: str) -> object:
    """The incident's id, its row locked. Raises UsageError."""
    key = incident_key(conn, incident_id)
    if conn.execute("select 1 from incident where incident_id = %s for no key update", (key,)).fetchone() is None:
        raise no_incident(incident_id)
    return key


def _hold(row: dict[str, Any]) -> Hold:
    return Hold(**row | {"incident_id": None if row["incident_id"] is None else str(row["incident_id"])})
