"""What a decided step changes of its incident, its job and its place. Within the caller's transaction and lock."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alerts.deciding.responsible import unit_for
from alerts.desk.lifecycle import WEIGHT, Act, Step, Wish
from alerts.incidents import pictures, quiet, sites
from alerts.incidents.case_numbers import case_no, numbering_of
from alerts.incidents.leaving import pass_check
from alerts.incidents.merging import join
from alerts.incidents.opening import open_beside
from alerts.incidents.quiet import Quiet
from alerts.incidents.sites import USUAL, Reach
from alerts.keeping.holds import carry_holds, hold_incident, release_incident
from alerts.record.steps import call_back, close_gone, follow, make_job, queue_again, record
from alerts.store import Connection, id_of
from schemas.city import CaseClass, City
from schemas.errors import SaidError
from schemas.incident import EvidenceRecord
from schemas.record import Actor, State, What


@dataclass(frozen=True, slots=True)
class Doing:
    """Everything a step is written with. ``row`` is the incident's, locked; pictures are on disk already."""

    conn: Connection
    row: dict[str, Any]
    city: City
    actor: Actor
    wish: Wish
    step: Step
    before: EvidenceRecord | None = None
    after: EvidenceRecord | None = None
    quiet_s: float = 3600.0  # for which the place of what was voided is quiet
    reach: Reach = USUAL

    @property
    def incident_id(self) -> uuid.UUID:
        """The incident."""
        found: uuid.UUID = self.row["incident_id"]
        return found

    def write(self, **more: Any) -> int:  # noqa: ANN401  # plain JSON values
        """Append the step to the record; its number."""
        return record(self.conn, self.incident_id, self.actor, self.step.what, self.step.detail | more, to=self.step.to)

    def number(self) -> str:
        """The number of the case, which it gets now where it has none."""
        return case_no(self.conn, self.row, numbering_of(self.city))

    def set(self, assignments: str, *values: object) -> None:
        """Change columns of the incident."""
        query = f"update incident set {assignments} where incident_id = %s"  # noqa: S608  # from this file
        self.conn.execute(query, (*values, self.incident_id))


def perform(doing: Doing) -> int:
    """Write a step with all it changes; its number in the record. Raises UsageError where a neighbour forbids it."""
    return EFFECTS[doing.wish.act](doing)


def _confirm(doing: Doing) -> int:
    number = doing.number()
    urgent = bool(doing.step.detail["urgent"])
    doing.set("decided_by = %s, case_no = %s, urgent = %s", doing.actor.name, number, urgent)
    seq = doing.write(case_no=number)
    make_job(doing.conn, str(doing.incident_id), doing.row["unit_id"], urgent=urgent)
    return seq


def _file(doing: Doing) -> int:
    number = doing.number()
    doing.set("decided_by = %s, case_no = %s", doing.actor.name, number)
    return doing.write(case_no=number)


def _void(doing: Doing) -> int:
    if doing.step.what is What.VOID_ASKED:
        return doing.write()
    holder = call_back(doing.conn, doing.incident_id)
    doing.set("closed_at = now(), outcome = 'void', decided_by = %s", doing.actor.name)
    _quieten(doing)
    return doing.write(**{"holder": holder} if holder else {})


def _quieten(doing: Doing) -> None:
    """Let the same thing open nothing under a new track for a while; what no camera saw says nothing of cameras.

    That is no word about how long: whoever snoozed the place for a month before is not overruled.
    """
    row = doing.conn.execute("select now() + make_interval(secs => %s) as until", (doing.quiet_s,)).fetchone()
    if row is None or doing.row["opening_id"] is None:
        return
    reason, urgent = str(doing.step.detail["reason"]), bool(doing.row["urgent"])
    word = Quiet(row["until"], doing.actor.name, reason, doing.row["family"], urgent=urgent)
    quiet.hush_at_least(doing.conn, doing.row, word)


def _downgrade(doing: Doing) -> int:
    code, urgent = str(doing.step.detail["to"]), bool(doing.step.detail["urgent"])
    case = doing.city.classes.get(code)
    check = doing.row["check_by"] if case is None else case.check
    unit_id = doing.row["unit_id"] if case is None or code == doing.row["class_code"] else _unit_of(doing, case)
    doing.set(
        "class_code = %s, urgent = %s, check_by = %s, unit_id = %s, rule_version = %s",
        *(code, urgent, check, unit_id, doing.city.version),
    )
    moved = doing.conn.execute(
        "update job set urgency = %(urgency)s where incident_id = %(id)s and urgency <> %(urgency)s"
        " and state in ('queued', 'taken') returning job_id, state",
        {"urgency": "urgent" if urgent else "normal", "id": doing.incident_id},
    ).fetchone()
    more: dict[str, Any] = {"rule": doing.city.version}
    followed = False
    if unit_id != doing.row["unit_id"]:
        more["to_unit"] = unit_id
        followed = follow(doing.conn, doing.incident_id, unit_id)
    if moved is not None and moved["state"] == "queued" and not followed:
        queue_again(doing.conn, str(moved["job_id"]))
    # Its record keeps that it was grave: no other name, and no other pack, makes it less so.
    grave = any(one.grave for one in (doing.city.classes.get(doing.row["class_code"]), case) if one is not None)
    seq = doing.write(**more, **({"grave": True} if grave else {}))
    if doing.row["state"] == State.CHECKING:
        pass_check(doing.conn, doing.incident_id)  # a camera checks the new class, and told before that it left
    return seq


def _unit_of(doing: Doing, case: CaseClass) -> str:
    """Who is responsible for a case of this class from now on; who was so far, where nobody is named for it."""
    camera_id, cell_id, known = (doing.row[name] for name in ("camera_id", "cell_id", "unit_id"))
    row = doing.conn.execute(
        "select clock_timestamp() as at, (select unit_id from device where device_id = %s) as own", (camera_id,)
    ).fetchone()
    return known if row is None else unit_for(doing.city, case, cell_id, row["at"], own_unit=row["own"] or "") or known


def _snooze(doing: Doing) -> int:
    until = doing.wish.until
    if until is not None:
        reason = str(doing.step.detail["reason"])
        urgent = bool(doing.wish.urgent)  # what is urgent is muted only where it is named
        word = Quiet(until, doing.actor.name, reason, doing.row["family"], urgent=urgent)
        quiet.hush(doing.conn, doing.row, word, doing.reach)
    return doing.write()


def _wake(doing: Doing) -> int:
    return doing.write(words=quiet.wake(doing.conn, doing.row, doing.reach))


def _merge(doing: Doing) -> int:
    into = id_of(doing.wish.into, "an incident")
    join(doing.conn, doing.incident_id, into)
    seq = doing.write()
    weight = {name: True for name in WEIGHT if name in doing.step.detail}
    record(doing.conn, into, doing.actor, What.MERGED, {"from": str(doing.incident_id)} | weight)
    carry_holds(doing.conn, doing.incident_id, into, doing.actor)
    return seq


def _close(doing: Doing) -> int:
    doing.set("closed_at = now(), outcome = 'handled', decided_by = %s", doing.actor.name)
    return doing.write()


def _rework(doing: Doing) -> int:
    doing.set("reworks = reworks + 1, left_at = null, after_id = null")
    seq = doing.write()
    _send(doing)
    return seq


def _self_handle(doing: Doing) -> int:
    call_back(doing.conn, doing.incident_id)
    before_id = pictures.attach(doing.conn, doing.incident_id, doing.before, "before") or doing.row["opening_id"]
    after_id = pictures.attach(doing.conn, doing.incident_id, doing.after, "after")
    shown: dict[str, Any] = {"case_no": doing.number()}
    doing.set(
        "closed_at = now(), outcome = 'self_handled', decided_by = %s, after_id = %s, case_no = %s",
        doing.actor.name,
        after_id,
        shown["case_no"],
    )
    for role, evidence_id in (("before", before_id), ("after", after_id)):
        named = pictures.named(doing.conn, evidence_id)
        shown |= {role: named.get("evidence"), f"{role}_digest": named.get("digest")}
    return doing.write(**shown)


def _suspend(doing: Doing) -> int:
    holder = call_back(doing.conn, doing.incident_id)
    return doing.write(**{"holder": holder} if holder else {})


def _resume(doing: Doing) -> int:
    seq = doing.write()
    if doing.step.to is State.DISPATCHED:
        if doing.row["left_at"] is None:
            _send(doing)
        else:  # while a crew was on its way: nobody else is sent to where nothing stands
            close_gone(doing.conn, doing.incident_id, doing.row["left_at"])
    return seq


def _reopen(doing: Doing) -> int:
    other = open_beside(doing.conn, doing.row, doing.reach)
    if other is not None:
        raise SaidError(
            f"incident {other['incident_id']} is open at this place: what is seen there belongs to it",
            f"此处已有在办案件 {other['incident_id']}:该处所见归入此案",
        )
    sites.settle(doing.conn, doing.row)
    woken = quiet.wake(doing.conn, doing.row, doing.reach)  # they just said that it is real
    doing.set(
        "closed_at = null, left_at = null, after_id = null, outcome = '', decided_by = '',"
        " reopenings = reopenings + 1, reworks = reworks + %s, reopened_at = %s::timestamptz",
        int(bool(doing.step.detail["rework"])),
        doing.step.detail["at"],
    )
    more: dict[str, Any] = {"woken": woken} if woken else {}
    if doing.step.to is State.DISPATCHED:
        more["case_no"] = doing.number()
        doing.set("case_no = %s", more["case_no"])
    seq = doing.write(**more)
    if doing.step.to is State.DISPATCHED:
        _send(doing)
    return seq


def _hold(doing: Doing) -> int:
    hold_incident(doing.conn, str(doing.incident_id), doing.actor, str(doing.step.detail["reason"]))
    return _last(doing)


def _release(doing: Doing) -> int:
    release_incident(doing.conn, str(doing.incident_id), doing.actor, str(doing.step.detail["reason"]))
    return _last(doing)


def _write(doing: Doing) -> int:
    return doing.write()


def _send(doing: Doing) -> None:
    """Put the case's job in the queue of the unit that had it; one that never had a job gets one."""
    make_job(doing.conn, str(doing.incident_id), doing.row["unit_id"], urgent=bool(doing.row["urgent"]))


def _last(doing: Doing) -> int:
    row = doing.conn.execute("select chain_seq from incident where incident_id = %s", (doing.incident_id,)).fetchone()
    return 0 if row is None else int(row["chain_seq"])


EFFECTS: dict[Act, Callable[[Doing], int]] = {
    Act.CONFIRM: _confirm,
    Act.FILE: _file,
    Act.VOID: _void,
    Act.DOWNGRADE: _downgrade,
    Act.SNOOZE: _snooze,
    Act.WAKE: _wake,
    Act.MERGE: _merge,
    Act.CLOSE: _close,
    Act.REWORK: _rework,
    Act.SELF_HANDLE: _self_handle,
    Act.SUSPEND: _suspend,
    Act.RESUME: _resume,
    Act.EXTEND: _write,
    Act.REOPEN: _reopen,
    Act.NOTE: _write,
    Act.HOLD: _hold,
    Act.RELEASE: _release,
}
