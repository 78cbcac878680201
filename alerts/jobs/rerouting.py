"""What waits at a unit that the city does not know any more, or that goes off duty, goes to who has it to do now."""

import time
import uuid
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import structlog

from alerts.deciding.responsible import UNROUTED, unit_for
from alerts.jobs.duty import peers, units_on_duty
from alerts.jobs.moves import find, move
from alerts.jobs.nearest import choose
from alerts.jobs.pick import AWAY, Picker, errand_of
from alerts.record.steps import KEPT, OPEN_STATES, RELAY, queue_again, record
from alerts.store import AlertDatabase, Connection
from schemas.alarms import SOS
from schemas.city import City
from schemas.dispatch import Why
from schemas.errors import SinkError
from schemas.record import What

log = structlog.get_logger()

MOST = 100  # cases of one round: the relay sends what is due in between
AGAIN_S = 600.0  # after which a case that the database refused to move is tried again
REASON = "unit_gone"
# Whose terminals can be opened: those of the pack, and what a camera names as its own.
OWN_UNITS = "select distinct unit_id from device where kind = 'camera' and unit_id <> ''"
HOMELESS = """
select i.incident_id from incident i left join job j on j.incident_id = i.incident_id and j.state = 'queued'
where i.state = any(%(open)s) and i.incident_id <> all(%(refused)s)
    and (i.unit_id <> '' and not i.unit_id = any(%(known)s)
        or j.stuck = '' and j.unit_id <> '' and not j.unit_id = any(%(known)s))
order by i.family = 'sos' desc, i.urgent desc, i.opened_at, i.incident_id limit %(limit)s
"""
# Waiting jobs for which another unit may be on duty now; the picker judges each again under its lock. One that has no
# reason yet is on its way to the relay, which picks; one that is set aside waits for a person. What is open first, by
# its index: in the order of ids all jobs there ever were would be read for the few that wait.
ASTRAY = """
with waiting as materialized (
    select job_id, incident_id, unit_id, why from job
    where state = 'queued' and stuck = '' and why <> '' and why <> all(%(kept)s) and incident_id <> all(%(refused)s)
)
select j.job_id, j.incident_id, j.unit_id from waiting j join incident i using (incident_id)
where j.job_id > %(after)s and (j.why = %(nobody)s or not j.unit_id = any(%(on_duty)s)
        or j.why = any(%(away)s) and i.unit_id = any(%(on_duty)s))
order by j.job_id limit %(limit)s
"""
LOCKED = """
select i.family, i.class_code, i.cell_id, i.unit_id, j.job_id, coalesce(d.unit_id, '') as own_unit
from incident i left join job j using (incident_id)
left join device d on d.device_id = i.camera_id and d.kind = 'camera'
where i.incident_id = %(id)s and i.state = any(%(open)s) for no key update of i
"""


class Rerouting:
    """Gives open cases, and jobs that wait, to units that there are; each is one transaction.

    A pack that names a unit no more, or calls it otherwise, leaves them where no terminal looks. By the city that holds
    now, so that it does not matter when that came: while we ran, or before we started. One that the database refuses to
    move is logged, left where it is for ``AGAIN_S``, and holds nothing else up.
    """

    def __init__(
        self, database: AlertDatabase, picker: Picker, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._picker = picker
        self._monotonic_s = monotonic_s
        self._refused: dict[uuid.UUID, float] = {}  # incident -> monotonic s from which it is tried again
        self._followed: frozenset[str] | None = None  # who was on duty when all that waits had been looked at

    def follow(self, limit: int = MOST) -> int:
        """Give waiting jobs to the units that are on duty now, where a shift began or ended; how many went elsewhere.

        What a dispatcher or an escalation said stays. A job for which nobody is on duty says so from now on, and one
        whose responsible unit is on duty again goes back to it. Each ``limit`` of them are one transaction: unit, step
        and outbox row. Raises SinkError.
        """
        on_duty = frozenset(units_on_duty(self._picker.city(), self._picker.clock()))
        if on_duty == self._followed:
            return 0
        asked = {"on_duty": sorted(on_duty), "kept": sorted(KEPT), "away": sorted(AWAY), "nobody": Why.NOBODY}
        asked["refused"] = self._left_alone()
        moved, after, more = 0, uuid.UUID(int=0), True
        while more:
            rows: list[dict[str, Any]] = []
            gone: list[dict[str, Any]] = []
            try:
                with self._database.transaction("reassign") as conn:
                    rows = conn.execute(ASTRAY, asked | {"after": after, "limit": limit}).fetchall()
                    gone = self._follow(conn, rows)
            except SinkError as error:
                if error.retryable or not rows:
                    raise
                if limit > 1:
                    limit = 1  # by one from here: all but the one that is refused follow
                    continue
                self._refuse(rows[0]["incident_id"], error)
            moved, more = moved + len(gone), len(rows) == limit
            after = rows[-1]["job_id"] if rows else after
        self._followed = None if self._refused else on_duty
        return moved

    def _follow(self, conn: Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Pick for waiting jobs anew, and queue those again that go elsewhere; these."""
        chosen = self._picker.pick(conn, [row["incident_id"] for row in rows])
        gone = [row for row in rows if chosen.get(str(row["job_id"]), row["unit_id"]) != row["unit_id"]]
        for row in gone:
            queue_again(conn, str(row["job_id"]))
        return gone

    def once(self, limit: int = MOST) -> int:
        """Give each case of an unknown unit its responsible one, and move its job where nobody holds it; how many.

        A job that a crew holds stays theirs; given back, it is moved by a later call. One that was set aside stays
        where a dispatcher finds it. Where the rules name no unit the case has none, and is in the list of unrouted
        ones. Raises SinkError.
        """
        city = self._picker.city()
        with self._database.transaction() as conn:
            known = set(city.units) | {row["unit_id"] for row in conn.execute(OWN_UNITS).fetchall()}
            asked = {"open": list(OPEN_STATES), "known": sorted(known), "limit": limit, "refused": self._left_alone()}
            found = conn.execute(HOMELESS, asked).fetchall()
        moved = 0
        for row in found:
            try:
                with self._database.transaction("reassign") as conn:
                    told = self._settle(conn, row["incident_id"], city, known)
            except SinkError as error:
                if error.retryable:
                    raise
                self._refuse(row["incident_id"], error)
                continue
            if told is None:  # somebody was first, or it ended
                continue
            moved += 1
            unit_id, remedy = told["to"], "`curbwatch incident list --unrouted`, then `curbwatch dispatch reassign`"
            log.warning(
                "case_rerouted",
                incident=str(row["incident_id"]),
                unit=told["from"],
                to=unit_id or "nobody",
                why="the city pack does not know its unit any more",
                **({} if unit_id else {"remedy": remedy}),
            )
        return moved

    def _left_alone(self) -> list[uuid.UUID]:
        """Incidents that were refused a short while ago."""
        now_s = self._monotonic_s()
        self._refused = {key: again_s for key, again_s in self._refused.items() if again_s > now_s}
        return list(self._refused)

    def _refuse(self, incident_id: uuid.UUID, error: SinkError) -> None:
        self._refused[incident_id] = self._monotonic_s() + AGAIN_S
        log.error(
            "reroute_refused",
            incident=str(incident_id),
            error=str(error),
            effect="it stays at a unit that may not look for it",
            remedy="`curbwatch dispatch reassign`, or tell its crew; please report this",
        )

    def _settle(
        self, conn: Connection, incident_id: uuid.UUID, city: City, known: AbstractSet[str]
    ) -> dict[str, str] | None:
        """What was told of one case, under its lock: from which unit to which; None: nothing was to be done."""
        row = conn.execute(LOCKED, {"id": incident_id, "open": list(OPEN_STATES)}).fetchone()
        if row is None:
            return None
        gone = bool(row["unit_id"]) and row["unit_id"] not in known
        said = {"from": row["unit_id"], "to": row["unit_id"]}
        if gone:
            named = self._responsible(city, row)
            said["to"] = named if named in known else UNROUTED
            conn.execute("update incident set unit_id = %s where incident_id = %s", (said["to"], incident_id))
        job = None if row["job_id"] is None else find(conn, row["job_id"])
        if job is not None and job["state"] == "queued" and not job["stuck"] and job["unit_id"] not in {*known, ""}:
            return self._move(conn, job, city, known)
        if not gone:
            return None
        record(conn, incident_id, RELAY, What.NOTED, {"why": REASON} | said)
        return said

    def _responsible(self, city: City, row: dict[str, Any]) -> str:
        """The unit that the rules name now; ``UNROUTED``: none."""
        if row["family"] == SOS:
            return next(iter(city.units), UNROUTED)
        case = city.classes.get(row["class_code"]) or city.classes.get(city.default_class.get(row["family"], ""))
        if case is None:
            return str(row["own_unit"]) or UNROUTED
        return unit_for(city, case, row["cell_id"], self._picker.clock(), own_unit=row["own_unit"])

    def _move(self, conn: Connection, job: dict[str, Any], city: City, known: AbstractSet[str]) -> dict[str, str]:
        """Let a job wait at the unit that the relay would pick for it now."""
        now = self._picker.clock()
        errand = errand_of(job, peers(city, job["family"], job["class_code"]), job["tried"])
        on_duty = {unit_id: vehicles for unit_id, vehicles in units_on_duty(city, now).items() if unit_id in known}
        choice = choose(errand, on_duty, self._picker.fixes(conn, now), now, fresh_s=self._picker.fresh_s)
        move(conn, job, RELAY, choice, {"reason": REASON})
        return {"from": job["unit_id"], "to": choice.unit_id}
