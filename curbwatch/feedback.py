"""What people order about the cameras' backgrounds, and what entered those: the tables, and the book of the shards."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from alerts.incidents.naming import lookup, no_incident, only, whole_id
from curbwatch.database import Connection
from schemas.errors import SaidError
from schemas.feedback import Adoption, Feedback, Fixture, Ignore, Undo
from schemas.units import utc

CHANNEL = "curbwatch_feedback"
MOST = 4096  # adoptions and outcomes that wait for the database; beyond it the oldest adoptions go
DONE = "done"
WAITS = "waits"  # with which the outcome of an order begins that waits for its view: it is not carried out yet
ACTIONS: dict[str, type[Undo | Ignore | Fixture]] = {"undo": Undo, "ignore": Ignore, "fixture": Fixture}

# One after the other, so that a camera's numbers ascend in the order in which they can be seen.
ALONE = "lock table vision_order in share row exclusive mode"
ADOPTIONS = """
select adoption_id, captured_at, reason, preset, box_px, undoable, written_at from vision_adoption
where camera_id = %s order by row_id desc limit %s
"""
ORDERS = """
select order_id, action, preset, detail, person, ordered_at, applied_at, outcome from vision_order
where camera_id = %s order by order_id desc limit %s
"""
KEEP = """
insert into vision_adoption (camera_id, adoption_id, captured_at, reason, preset, box_px, undoable)
select camera_id, adoption_id, captured_at::timestamptz, reason, preset, box_px, undoable
from jsonb_to_recordset(%s::jsonb) as r (
    camera_id text, adoption_id bigint, captured_at text, reason text, preset text, box_px real[], undoable boolean)
"""
# Seconds since 1970, or the next number: a database that was made anew or restored gives no number twice, and so no
# camera takes an order for one that it knows.
GIVE = """
insert into vision_order (order_id, camera_id, action, detail, person, preset) overriding system value
select greatest(extract(epoch from now())::bigint, coalesce(max(order_id), 0) + 1), %s, %s, %s::jsonb, %s, %s
from vision_order returning order_id
"""
FINISH = """
update vision_order o set outcome = r.outcome,
    applied_at = case when starts_with(r.outcome, 'waits') then null else now() end
from jsonb_to_recordset(%s::jsonb) as r (order_id bigint, outcome text)
where o.order_id = r.order_id and o.applied_at is null
"""


class FeedbackBook:
    """What the shards have to tell and nobody has written down yet; bounded, safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._adoptions: deque[Adoption] = deque()
        self._outcomes: dict[int, str] = {}
        self._dropped = 0

    def tell(self, adoptions: Iterable[Adoption]) -> None:
        """Take over what entered a background."""
        with self._lock:
            self._adoptions.extend(adoptions)
            while len(self._adoptions) > MOST:
                self._adoptions.popleft()
                self._dropped += 1

    def finish(self, order_id: int, outcome: str) -> None:
        """Note that an order was carried out, or why not, or that it ``WAITS``."""
        with self._lock:
            self._outcomes[order_id] = outcome

    def finished(self) -> frozenset[int]:
        """Orders that need not be given again, though the database does not know yet."""
        with self._lock:
            return frozenset(number for number, said in self._outcomes.items() if not said.startswith(WAITS))

    def sweep(self) -> tuple[list[Adoption], dict[int, str], int]:
        """Everything told, and how many adoptions were dropped since the last sweep; it stays until ``written``."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return list(self._adoptions), dict(self._outcomes), dropped

    def written(self, adoptions: Sequence[Adoption], outcomes: dict[int, str]) -> None:
        """Forget what a sweep returned: the database has it."""
        with self._lock:
            for one in adoptions:
                if self._adoptions and self._adoptions[0] is one:
                    self._adoptions.popleft()
            for order_id, said in outcomes.items():
                if self._outcomes.get(order_id) == said:  # else there is news of it
                    del self._outcomes[order_id]


def give(conn: Connection, camera_id: str, person: str, what: Undo | Ignore | Fixture, preset: str = "") -> int:
    """Order something of a camera, in the view ``preset`` if any; the order's number.

    Raises UsageError where there is no such camera.
    """
    action = next(name for name, kind in ACTIONS.items() if isinstance(what, kind))
    with conn.transaction():
        refuse_unknown(conn, camera_id)
        conn.execute(ALONE)
        row = conn.execute(GIVE, (camera_id, action, json.dumps(asdict(what)), person, preset)).fetchone()
    return int(row[0]) if row is not None else 0


def refuse_unknown(conn: Connection, camera_id: str) -> None:
    """Raise UsageError where the registry has no camera of this id."""
    found = conn.execute("select 1 from device where device_id = %s and kind = 'camera'", (camera_id,)).fetchone()
    if found is None:
        raise SaidError(
            f"no camera {camera_id!r} in the registry: `curbwatch device list` shows them",
            f"登记中没有相机 {camera_id!r}:见 `curbwatch device list`",
        )


def refuse_unlisted(conn: Connection, camera_id: str, adoption_id: int) -> None:
    """Raise UsageError where no adoption of this number is listed of a camera."""
    query = "select 1 from vision_adoption where camera_id = %s and adoption_id = %s"
    if conn.execute(query, (camera_id, adoption_id)).fetchone() is None:
        verb = f"`curbwatch camera adoptions {camera_id}`"
        raise SaidError(
            f"camera {camera_id} has no adoption {adoption_id}: {verb} lists what can be undone",
            f"相机 {camera_id} 没有编号为 {adoption_id} 的背景并入:可撤销的见 {verb}",
        )


def waiting(conn: Connection) -> list[Feedback]:
    """Orders that were not carried out yet, in the order in which they were given."""
    query = "select order_id, camera_id, person, action, detail, preset from vision_order where applied_at is null"
    return [
        Feedback(order_id, camera_id, person, _what(action, detail), preset)
        for order_id, camera_id, person, action, detail, preset in conn.execute(f"{query} order by order_id")
    ]


def outcome(conn: Connection, order_id: int) -> str | None:
    """``done``, or why an order could not be carried out; None: it waits."""
    row = conn.execute("select outcome from vision_order where order_id = %s and applied_at is not null", (order_id,))
    found = row.fetchone()
    return None if found is None else str(found[0])


def keep(conn: Connection, adoptions: Sequence[Adoption], outcomes: dict[int, str]) -> None:
    """Write down what the shards told, in one transaction."""
    rows = [
        {**asdict(one), "captured_at": utc(one.captured_ns).isoformat(), "box_px": [float(side) for side in one.box_px]}
        for one in adoptions
    ]
    told = [{"order_id": order_id, "outcome": said} for order_id, said in outcomes.items()]
    with conn.transaction():
        if rows:
            conn.execute(KEEP, (json.dumps(rows),))
        if told:
            conn.execute(FINISH, (json.dumps(told),))


def adoptions_of(conn: Connection, camera_id: str, limit: int) -> list[dict[str, Any]]:
    """What entered a camera's background, newest first."""
    names = ("adoption_id", "captured_at", "reason", "preset", "box_px", "undoable", "written_at")
    return [dict(zip(names, row, strict=True)) for row in conn.execute(ADOPTIONS, (camera_id, limit))]


def orders_of(conn: Connection, camera_id: str, limit: int) -> list[dict[str, Any]]:
    """What was ordered of a camera, newest first; ``applied_at`` None: it waits for the camera's next frame."""
    names = ("order_id", "action", "preset", "detail", "person", "ordered_at", "applied_at", "outcome")
    return [dict(zip(names, row, strict=True)) for row in conn.execute(ORDERS, (camera_id, limit))]


def place_of(conn: Connection, incident_id: str) -> tuple[str, Ignore, str]:
    """The camera of an incident, what to ignore there, and in which view.

    Raises UsageError where there is no such incident, or no camera saw it.
    """
    key = whole_id(incident_id)
    if key is None:
        found, values = lookup(incident_id)
        key = only(incident_id, [one[0] for one in conn.execute(found, values).fetchall()])
    query = "select camera_id, track_id, box_px, preset, opening_id from incident where incident_id = %s"
    row = conn.execute(query, (key,)).fetchone()
    if row is None:
        raise no_incident(incident_id)
    camera_id, track_id, box_px, preset, opening_id = row
    if opening_id is None:
        raise SaidError(
            f"incident {incident_id}: no camera saw it, so there is nothing to ignore",
            f"案件 {incident_id} 没有相机看到,无可忽略之处",
        )
    x, y, w, h = (float(side) for side in box_px)
    return str(camera_id), Ignore((x, y, w, h), int(track_id)), str(preset)


def _what(action: str, detail: dict[str, Any]) -> Undo | Ignore | Fixture:
    box = detail.get("box_px")
    values = detail if box is None else {**detail, "box_px": tuple(float(side) for side in box)}
    return ACTIONS[action](**values)
