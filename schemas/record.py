"""The words of an incident's record: its states, what happened to it, and who did it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """Where an incident is in its life. The city's stage names stand behind."""

    GRACE = "grace"  # 劝诫: its party may put it right; no case yet
    VERIFY = "verify"  # 待核实: a lead that waits for a person
    FILED = "filed"  # 立案: a case, not yet with a unit
    DISPATCHED = "dispatched"  # 派遣: its job waits at a unit
    HANDLING = "handling"  # 处置: a crew has the job
    CHECKING = "checking"  # 核查: the crew says it is dealt with
    SUSPENDED = "suspended"  # 挂账: cannot be dealt with now, its clocks stand still
    DONE = "done"  # 结案
    GONE = "gone"  # 自行消失: left before anybody came
    CORRECTED = "corrected"  # 自行纠正: put right within its grace, never a case
    VOID = "void"  # 作废
    MERGED = "merged"  # the same thing as another incident, which goes on


OPEN = frozenset(
    {
        State.GRACE,
        State.VERIFY,
        State.FILED,
        State.DISPATCHED,
        State.HANDLING,
        State.CHECKING,
        State.SUSPENDED,
    }
)


class What(StrEnum):
    """What one row of the record says. The detail's keys stand behind; each may hold ``note``."""

    OPENED = "opened"  # class, zone, source
    GRACE_OVER = "grace_over"  # unit where it is dispatched at once, permit where one holds by now
    CONFIRMED = "confirmed"  # urgent: a person says it is real (立案 and 派遣 in one)
    FILED = "filed"  # case_no
    DISPATCHED = "dispatched"  # unit, why: the nearest on-duty unit, and why it
    TAKEN = "taken"  # job
    REJECTED = "rejected"  # job, reason
    LEASE_EXPIRED = "lease_expired"  # job, holder
    REASSIGNED = "reassigned"  # job, from, to, reason
    FINISHED = "finished"  # job, note: the crew says it is dealt with (处理反馈)
    REWORK = "rework"  # reason (返工)
    DONE = "done"  # how: checked by whom, or not at all (结案)
    SELF_HANDLED = "self_handled"  # before, after: closed on the spot (自处置)
    GONE = "gone"  # at
    CORRECTED = "corrected"  # at
    LEFT = "left"  # camera, track, at
    BACK = "back"  # camera, track, at
    REOPENED = "reopened"  # why, at
    SUSPENDED = "suspended"  # until, reason (挂账)
    RESUMED = "resumed"
    EXTENDED = "extended"  # stage, also, working_h, reason (延时)
    RECLASSED = "reclassed"  # from, to, reason: also a downgrade
    SNOOZED = "snoozed"  # until, reason
    WOKEN = "woken"  # words: of how many people about its place no one has to be heeded any more
    VOID_ASKED = "void_asked"  # reason, instead_of (the one asked before): a second person must say the same
    VOID = "void"  # reason, second (作废)
    MERGED = "merged"  # into, or from
    ATTACHED = "attached"  # kind, ref: a complaint, a vehicle's finding
    EVIDENCE = "evidence"  # role, digest: a picture came to it
    URGED = "urged"  # stage, limit, lamp (催办)
    ESCALATED = "escalated"  # stage, limit, to (督办)
    NOTED = "noted"  # note: somebody's word, which changes nothing
    HELD = "held"  # by, reason, from (what was held before it was merged into this one): nothing of it is deleted
    RELEASED = "released"  # by, reason


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, or a part of the system.

    ``role``: the person's role in the pack's staff, ``crew`` for a crew's terminal whose person it does not list,
    ``system`` for a part (``detector``, ``relay``, ``clock``). ``proved``: a token file showed who it is.
    """

    name: str
    role: str
    proved: bool = False


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One link of an incident's chain. ``seq`` counts from 1; ``state`` is the incident's after this step.

    ``hash`` is SHA-256 over ``prev_hash`` (32 bytes; zeros before the first) and the canonical row: see alerts/record.
    """

    incident_id: str
    seq: int
    at: datetime
    actor: str
    role: str
    proved: bool
    what: str
    state: str
    detail: Mapping[str, Any]
    prev_hash: bytes
    hash: bytes
