"""What a person may do with a case, from which state to which: one table, and the rules beside it. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from alerts.desk.reasons import DOWNGRADES, VOIDS, code_of
from schemas.alarms import SOS
from schemas.record import OPEN, Actor, State, What
from schemas.rules import Stage

QUIET_MAX = timedelta(days=30)  # that a place may be quiet by one word
SUSPEND_MAX = timedelta(days=90)  # where the city names nothing else; a person resumes, or suspends again
EXTENSION_MAX_H = 240.0  # working hours, six weeks of them


class Act(StrEnum):
    """What a person may ask of a case."""

    CONFIRM = "confirm"
    FILE = "file"
    VOID = "void"
    DOWNGRADE = "downgrade"
    SNOOZE = "snooze"
    WAKE = "wake"
    MERGE = "merge"
    CLOSE = "close"
    REWORK = "rework"
    SELF_HANDLE = "self_handle"
    SUSPEND = "suspend"
    RESUME = "resume"
    EXTEND = "extend"
    REOPEN = "reopen"
    NOTE = "note"
    HOLD = "hold"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of an incident, as far as a decision asks.

    Attributes:
        version: steps in its record.
        grave: voiding it wants a second person; once so, always so, whatever it is called later.
        handled: somebody said at least once that it is dealt with, or of what was merged into it.
        finished_by: who said so last, where that waits for its check; empty: nobody.
        asked_by, asked_reason, asked_text: who asked to void it since its last move, and why; empty: nobody.
        suspended_from: the state that a suspended case had; None: it is not suspended.
        sent: its job was out.
        extended: stages of this round that were given more time.
        held: nothing of it may be deleted.
        quiet: somebody said that nothing of its family is to open where it stands, and that is not over.
        merged_into: id of the case that goes on instead; empty: it is its own.
    """

    state: State
    version: int
    family: str
    class_code: str
    urgent: bool = False
    grave: bool = False
    handled: bool = False
    finished_by: str = ""
    asked_by: str = ""
    asked_reason: str = ""
    asked_text: str = ""
    suspended_from: State | None = None
    sent: bool = False
    extended: frozenset[str] = frozenset()
    held: bool = False
    quiet: bool = False
    merged_into: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks, with what they give.

    Attributes:
        reason: a code of ``alerts/desk/reasons.py``, or its word in Chinese or English, where the act has codes.
        text: why, or what for, in their own words.
        until: end of the quiet, or of the suspension, aware.
        until_said: the same as it was said, as "2h": said again under its key it is the same word. Empty: as ``until``.
        most: how long a case may be suspended by one word; without ``until`` it is so long.
        working_h: more time, hours of work.
        into: id of the incident that goes on.
        class_code, class_family: what it is to be called from now on.
        urgent: whether its job goes before others; None: as it is.
        before, after: whether there is a picture of the place before and after it was dealt with.
    """

    act: Act
    reason: str = ""
    text: str = ""
    until: datetime | None = None
    until_said: str = ""
    most: timedelta = SUSPEND_MAX
    working_h: float = 0.0
    into: str = ""
    class_code: str = ""
    class_family: str = ""
    urgent: bool | None = None
    before: bool = False
    after: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be written: one row of the record, and the state after it (None: as before)."""

    what: What
    detail: dict[str, Any]
    to: State | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: ``code`` is a key of ``alerts.desk.words.REFUSALS``, ``said`` what its sentence names."""

    code: str
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """One line of the table. ``to`` None: the state stays, or the rule beside the table says which."""

    origins: frozenset[State]
    to: State | None
    who: frozenset[str]


DESK = frozenset({"intake", "duty_lead", "dispatcher", "supervisor"})
FIELD = frozenset({"inspector", "officer"})
LEADS = frozenset({"duty_lead", "dispatcher", "supervisor"})
EVERY = frozenset(State)
ENDED = EVERY - OPEN
CASES = frozenset({State.FILED, State.DISPATCHED, State.HANDLING, State.CHECKING})
UNSENT = frozenset({State.GRACE, State.VERIFY, State.FILED})
WEIGHT = ("grave", "handled")  # of a case, which its voiding asks: goes with it where it is merged

MOVES: dict[Act, Move] = {
    Act.CONFIRM: Move(UNSENT, State.DISPATCHED, DESK | FIELD),
    Act.FILE: Move(frozenset({State.GRACE, State.VERIFY}), State.FILED, DESK | FIELD),
    Act.VOID: Move(OPEN, State.VOID, DESK | {"officer"}),
    Act.DOWNGRADE: Move(OPEN, None, DESK | {"officer"}),
    Act.SNOOZE: Move(EVERY, None, DESK),
    Act.WAKE: Move(EVERY, None, DESK),
    Act.MERGE: Move(OPEN - {State.CHECKING}, State.MERGED, DESK),
    Act.CLOSE: Move(frozenset({State.CHECKING}), State.DONE, DESK | {"inspector"}),
    Act.REWORK: Move(frozenset({State.CHECKING}), State.DISPATCHED, DESK | {"inspector"}),
    Act.SELF_HANDLE: Move(UNSENT | {State.DISPATCHED}, State.DONE, LEADS | FIELD),
    Act.SUSPEND: Move(CASES, State.SUSPENDED, LEADS),
    Act.RESUME: Move(frozenset({State.SUSPENDED}), None, LEADS),
    Act.EXTEND: Move(OPEN - {State.GRACE, State.SUSPENDED}, None, LEADS),
    Act.REOPEN: Move(ENDED - {State.MERGED}, None, DESK | {"inspector"}),
    Act.NOTE: Move(EVERY, None, DESK | FIELD | {"auxiliary"}),
    Act.HOLD: Move(EVERY, None, LEADS),
    Act.RELEASE: Move(EVERY, None, LEADS),
}
# The stage that runs in a state, of which more time is asked.
STAGES: dict[State, Stage] = {
    State.VERIFY: "verify",
    State.FILED: "dispatch",
    State.DISPATCHED: "handle",
    State.HANDLING: "handle",
    State.CHECKING: "check",
}


def decide(case: Case, wish: Wish, actor: Actor, now: datetime) -> Step | Refusal:
    """What an act makes of a case, or why it may not be. ``now`` is aware."""
    move = MOVES[wish.act]
    refusal = not_theirs(wish.act, actor)
    if refusal is not None:
        return refusal
    if case.state not in move.origins:
        if case.state is State.MERGED and case.merged_into:
            return Refusal("merged", {"into": case.merged_into})
        return Refusal("ended" if case.state in ENDED else "state", {"state": case.state})
    return RULES[wish.act](case, wish, actor, now)


def not_theirs(act: Act, actor: Actor) -> Refusal | None:
    """Why an act is not for this person's role; None: it is."""
    if actor.role in MOVES[act].who:
        return None
    code = actor.role if actor.role in {"auxiliary", "auditor", "crew"} else "role"
    return Refusal(code, {"who": actor.name, "role": actor.role})


def _confirm(case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    urgent = case.urgent if wish.urgent is None else wish.urgent
    return Step(What.CONFIRMED, {"urgent": urgent} | _note(wish), State.DISPATCHED)


def _file(_case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    return Step(What.FILED, _note(wish), State.FILED)


def _void(case: Case, wish: Wish, actor: Actor, _now: datetime) -> Step | Refusal:
    reason, text = code_of(VOIDS, wish.reason) or case.asked_reason, wish.text.strip()
    if reason not in VOIDS:
        return Refusal("void_reason", {"codes": ", ".join(VOIDS)})
    if VOIDS[reason].wants_text and not (text or case.asked_text):
        return Refusal("text")
    said = {"reason": reason} | ({"note": text} if text else {})
    if not (case.grave or case.handled):
        return Step(What.VOID, said, State.VOID)
    agreed = case.asked_by and case.asked_reason == reason
    if agreed and case.asked_by == actor.name:
        return Refusal("second", {"who": actor.name})
    if not agreed:
        anew = {"instead_of": case.asked_reason} if case.asked_by and case.asked_reason != reason else {}
        return Step(What.VOID_ASKED, said | anew, None)
    asked = {"note": case.asked_text} if case.asked_text else {}
    return Step(What.VOID, asked | said | {"asked_by": case.asked_by, "second": actor.name}, State.VOID)


def _downgrade(case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    code = wish.class_code or case.class_code
    urgent = case.urgent if wish.urgent is None else wish.urgent
    if (code, urgent) == (case.class_code, case.urgent):
        return Refusal("no_change", {"class": code})
    if wish.class_code and wish.class_family != case.family:
        return Refusal("family", {"family": case.family, "class": code})
    reason = code_of(DOWNGRADES, wish.reason)
    if reason not in DOWNGRADES:
        return Refusal("downgrade_reason", {"codes": ", ".join(DOWNGRADES)})
    if DOWNGRADES[reason].wants_text and not wish.text.strip():
        return Refusal("text")
    detail = {"from": case.class_code, "to": code, "urgent": urgent, "reason": reason}
    return Step(What.RECLASSED, detail | _note(wish), None)


def _snooze(case: Case, wish: Wish, _actor: Actor, now: datetime) -> Step | Refusal:
    if case.family == SOS:
        return Refusal("call")
    if wish.until is None or not now < wish.until <= now + QUIET_MAX:
        return Refusal("until", {"days": str(QUIET_MAX.days)})
    if not wish.text.strip():
        return Refusal("why")
    detail: dict[str, Any] = {"until": wish.until.isoformat(), "reason": wish.text.strip(), "family": case.family}
    if wish.urgent:
        detail["urgent"] = True
    return Step(What.SNOOZED, detail, None)


def _wake(case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    return Step(What.WOKEN, _note(wish), None) if case.quiet else Refusal("not_quiet")


def _merge(case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    if not wish.into:
        return Refusal("into")
    weight = {name: True for name in WEIGHT if getattr(case, name)}
    return Step(What.MERGED, {"into": wish.into} | weight | _note(wish), State.MERGED)


def _close(case: Case, wish: Wish, actor: Actor, _now: datetime) -> Step | Refusal:
    if case.finished_by == actor.name:
        return Refusal("own_work", {"who": actor.name})
    return Step(What.DONE, {"how": "checked"} | _note(wish), State.DONE)


def _rework(_case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    if not wish.text.strip():
        return Refusal("why")
    return Step(What.REWORK, {"reason": wish.text.strip()}, State.DISPATCHED)


def _self_handle(_case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    if not (wish.before and wish.after):
        return Refusal("pictures")
    return Step(What.SELF_HANDLED, _note(wish), State.DONE)


def _suspend(case: Case, wish: Wish, _actor: Actor, now: datetime) -> Step | Refusal:
    if case.family == SOS:
        return Refusal("call")
    until = now + wish.most if wish.until is None else wish.until
    if not now < until <= now + wish.most:
        return Refusal("until", {"days": f"{wish.most / timedelta(days=1):g}"})
    if not wish.text.strip():
        return Refusal("why")
    return Step(What.SUSPENDED, {"until": until.isoformat(), "reason": wish.text.strip()}, State.SUSPENDED)


def _resume(case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    to = case.suspended_from if case.suspended_from in CASES else State.FILED
    # Whoever had the job then has it no more.
    return Step(What.RESUMED, _note(wish), State.DISPATCHED if to is State.HANDLING else to)


def _extend(case: Case, wish: Wish, actor: Actor, _now: datetime) -> Step | Refusal:
    stage = STAGES[case.state]
    if not 0 < wish.working_h <= EXTENSION_MAX_H:
        return Refusal("hours", {"most": f"{EXTENSION_MAX_H:g}"})
    if not wish.text.strip():
        return Refusal("why")
    if stage in case.extended and actor.role != "supervisor":
        return Refusal("extended")
    detail: dict[str, Any] = {"stage": stage, "working_h": wish.working_h, "reason": wish.text.strip()}
    if stage == "verify":  # while a lead waits for a word, its filing is due too, and that word ends both
        detail["also"] = "file"
    return Step(What.EXTENDED, detail, None)


def _reopen(case: Case, wish: Wish, _actor: Actor, now: datetime) -> Step | Refusal:
    if not wish.text.strip():
        return Refusal("why")
    again = (case.sent and case.state is not State.VOID) or case.family == SOS
    detail = {
        "why": "person",
        "reason": wish.text.strip(),
        "was": str(case.state),
        "rework": case.state is State.DONE,
        "at": now.isoformat(),
    }
    return Step(What.REOPENED, detail, State.DISPATCHED if again else State.VERIFY)


def _say(_case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    return Step(What.NOTED, _note(wish), None) if wish.text.strip() else Refusal("why")


def _hold(_case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    return Step(What.HELD, {"reason": wish.text.strip()}, None) if wish.text.strip() else Refusal("why")


def _release(case: Case, wish: Wish, _actor: Actor, _now: datetime) -> Step | Refusal:
    if not case.held:
        return Refusal("not_held")
    return Step(What.RELEASED, {"reason": wish.text.strip()}, None) if wish.text.strip() else Refusal("why")


def _note(wish: Wish) -> dict[str, str]:
    return {"note": wish.text.strip()} if wish.text.strip() else {}


RULES: dict[Act, Callable[[Case, Wish, Actor, datetime], Step | Refusal]] = {
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
    Act.EXTEND: _extend,
    Act.REOPEN: _reopen,
    Act.NOTE: _say,
    Act.HOLD: _hold,
    Act.RELEASE: _release,
}
