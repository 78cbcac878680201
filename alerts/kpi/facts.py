"""What one case counts for in a period: a pure function of its record up to the period's end, and of its clocks.

Steps after the period's end are not looked at, so that a closed period says the same for ever. docs/kpi.md says in
words what each count means.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from alerts.clocks.projection import Clock
from alerts.clocks.stages import StageSpan, Step, stages_of
from alerts.desk.reasons import VOIDS
from schemas.kpi import Fact
from schemas.record import State, What
from schemas.rules import Stage

# Never a case, or another case's: in no count.
UNCOUNTED = frozenset({State.GRACE, State.CORRECTED, State.MERGED})
FILED = frozenset({State.FILED, State.DISPATCHED, State.HANDLING, State.CHECKING, State.SUSPENDED, State.DONE})
AT_UNIT = frozenset({State.DISPATCHED, State.HANDLING})
# With nobody to deal with: voided, left by itself, or at a standstill (挂账), until that is past its end.
IDLE = frozenset({State.VOID, State.GONE, State.SUSPENDED})
SINCE_FILING: tuple[Stage, ...] = ("dispatch", "handle", "check")
SYSTEM = "system"
# Who says so has met it: what was sent out by itself is judged by that.
MET = frozenset({What.FINISHED, What.DONE, What.REWORK, What.SELF_HANDLED})


@dataclass(frozen=True, slots=True)
class Told(Step):
    """One row of the record with who wrote it: ``role`` is a person's, ``crew`` or ``system``."""

    role: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What an incident's row says that its record does not; ``unit_id`` is the responsible one."""

    incident_id: str
    class_code: str
    cell_id: str
    camera_id: str
    unit_id: str
    source: str
    rule_version: str


def known_by(steps: Sequence[Told], end: datetime) -> tuple[Told, ...]:
    """The steps that had been written by ``end``: up to the first later one, in the order of the record."""
    return tuple(takewhile(lambda step: step.at < end, steps))


def clocks_at(steps: Sequence[Told], class_code: str, kept: Iterable[Clock], fresh: Iterable[Clock]) -> list[Clock]:
    """The clocks of a case as they were after ``steps``.

    Where a stage had ended by then, and its kept clocks say that it ended at that moment, they count as they were
    judged; everything else is ``fresh``: worked out from these steps.
    """
    ended = {(span.stage, span.round): span.ended_at for span in stages_of(steps, class_code) if span.ended_at}
    judged = [clock for clock in kept if clock.ended_at and ended.get((clock.stage, clock.round)) == clock.ended_at]
    groups = {(clock.stage, clock.round) for clock in judged}
    return judged + [clock for clock in fresh if (clock.stage, clock.round) not in groups]


def fact_of(case: Case, steps: Sequence[Told], clocks: Sequence[Clock], begin: datetime, end: datetime) -> Fact | None:
    """What a case counts for between two moments; None where it counts for nothing.

    ``steps``: those of ``known_by(…, end)``. ``clocks``: those of ``clocks_at``.
    """
    told = [step for step in steps if step.state]
    if not told or told[-1].state in UNCOUNTED:
        return None
    reader = _Reader(case, told, clocks, begin, end)
    counts = {name: number for name, number in reader.counts().items() if number > 0}
    if not counts:
        return None
    return Fact(
        key=case.incident_id,
        unit_id=_unit(case, told),
        cell_id=case.cell_id,
        class_code=_class(case, told),
        camera_id=case.camera_id,
        source=case.source,
        posts=reader.posts(),
        counts=counts,
        packs=tuple(sorted({case.rule_version, *(clock.rule_version for clock in clocks)})),
        closed="closed" in counts or "voided" in counts,
    )


def untaken_of(case: Case, steps: Sequence[Told], begin: datetime, end: datetime) -> tuple[Fact, ...]:
    """The units that let a case's job lie between two moments, until the clock escalated it; by unit, one fact each.

    ``steps``: those of ``known_by(…, end)``. None where it is in no count, or void: there was nothing to do.
    """
    told = [step for step in steps if step.state]
    if not told or told[-1].state in UNCOUNTED | {State.VOID}:
        return ()
    units = {_let_lie(step) for step in told if begin <= step.at < end} - {""}
    return tuple(
        Fact(
            key=case.incident_id,
            unit_id=unit_id,
            cell_id=case.cell_id,
            class_code=_class(case, told),
            camera_id=case.camera_id,
            source=case.source,
            posts={},
            counts={"let_lie": 1},
            packs=(case.rule_version,),
        )
        for unit_id in sorted(units)
    )


class _Reader:
    """Reads one case's record; ``steps`` is not empty, and each has a state."""

    def __init__(
        self, case: Case, steps: Sequence[Told], clocks: Sequence[Clock], begin: datetime, end: datetime
    ) -> None:
        self._case, self._steps, self._clocks = case, steps, clocks
        self._begin, self._end = begin, end
        self._spans = stages_of(steps, case.class_code)
        self._state = steps[-1].state
        lapsed = self._state == State.SUSPENDED and _lapsed(steps, end)
        self._idle = self._state in IDLE and not lapsed
        self._forgotten = {span.stage for span in self._spans if span.paused} if lapsed else set()
        self._filed = _first(steps, FILED)
        self._dispatched = _first(steps, AT_UNIT)
        before = [""] + [step.state for step in steps[:-1]]
        reopened_done = [
            step for step, was in zip(steps, before, strict=True) if step.what == What.REOPENED and was == State.DONE
        ]
        self._reworks = [step for step in steps if step.what == What.REWORK or step in reopened_done]

    def counts(self) -> dict[str, int]:
        """Every count of ``schemas.kpi.COUNTS`` that a case can have."""
        return self._intake() | self._handling() | self._closing()

    def posts(self) -> dict[str, str]:
        """The role that did each stage: verified, filed, dispatched, dealt with, and checked or closed last."""
        judged = self._judgement()
        handled = self._last({What.FINISHED, What.SELF_HANDLED})
        checked = self._last({What.DONE, What.REWORK, What.SELF_HANDLED})
        by = {
            "verify": judged,
            "file": self._filed,
            "dispatch": self._dispatched,
            "handle": handled,
            "check": checked,
        }
        return {stage: step.role for stage, step in by.items() if step is not None and step.role}

    def _intake(self) -> dict[str, int]:
        """From its report to its dispatch."""
        filed = self._filed is not None and self._inside(self._filed.at)
        dispatched = self._dispatched is not None and self._inside(self._dispatched.at)
        waits = self._dispatched is None and any(
            span.stage == "dispatch" and span.ended_at is None and (not span.paused or "dispatch" in self._forgotten)
            for span in self._spans
        )
        reported = self._inside(self._steps[0].at)
        verified = self._ended("verify")
        judged = self._judgement()
        seen = judged is not None and self._inside(judged.at) and self._case.source == "camera"
        return {
            "reported": int(reported),
            "reported_filed": int(reported and self._filed is not None),
            "verified": int(verified),
            "verified_on_time": int(verified and self._on_time("verify")),
            "filed": int(filed),
            "filed_on_time": int(filed and self._on_time("file")),
            "filed_right": int(filed and self._state != State.VOID and not self._reclassed()),
            "to_dispatch": int(dispatched or waits),
            "dispatched": int(dispatched),
            "dispatched_on_time": int(dispatched and self._on_time("dispatch")),
            "dispatched_right": int(dispatched and not self._moved()),
            "judged": int(seen),
            "confirmed": int(seen and not self._false()),
        }

    def _handling(self) -> dict[str, int]:
        """What its unit had to do, and did."""
        self_handled = self._last({What.SELF_HANDLED})
        spot = self_handled is not None and self._inside(self_handled.at) and self._state == State.DONE
        spans = [span for span in self._spans if span.stage == "handle"]
        busy = not self._idle and (spot or "handle" in self._forgotten or any(self._ran(span) for span in spans))
        ended_at = max((span.ended_at for span in spans if span.ended_at is not None), default=None)
        worked = ended_at is not None and self._inside(ended_at)
        handled = busy and self._state in {State.CHECKING, State.DONE} and (worked or spot)
        limits = [clock for clock in self._clocks if clock.stage == "handle"]
        late = any(clock.due_at is not None and clock.due_at <= self._end for clock in limits if not clock.ended_at)
        return {
            "to_handle": int(busy),
            "handled": int(handled),
            "handled_on_time": int(handled and self._on_time("handle")),
            # On the spot nobody was sent, no limit holds and no time passes.
            "handled_dispatched": int(handled and bool(spans)),
            "handled_unlimited": int(handled and bool(spans) and not limits),
            "handling_s": round(sum(map(_seconds, spans))) if handled else 0,
            "self_handled": int(handled and spot),
            "overdue_waiting": int(busy and self._state in AT_UNIT and late),
            "extended": int(busy and any(self._extends(step) for step in self._steps)),
        }

    def _closing(self) -> dict[str, int]:
        """Whether its work was checked, sent back, closed; or that it ended otherwise."""
        checked = self._ended("check")
        turned = any(
            self._inside(step.at) and step.what in {What.FINISHED, What.SELF_HANDLED, What.DONE} for step in self._steps
        )
        reworked = any(self._inside(step.at) for step in self._reworks)
        closed = self._state == State.DONE and self._inside(self._entered().at)
        waits = self._state == State.CHECKING or "check" in self._forgotten
        to_close = closed or (not self._idle and (waits or turned or reworked))
        limits = [clock for clock in self._clocks if clock.stage in SINCE_FILING]
        ended = self._inside(self._entered().at)
        gone = ended and self._state == State.GONE
        return {
            "reworked": int(to_close and reworked),
            "checked": int(checked),
            "checked_on_time": int(checked and self._on_time("check")),
            "to_close": int(to_close),
            "closed": int(closed),
            "closed_on_time": int(closed and not any(clock.met is False for clock in limits)),
            "voided": int(ended and self._state == State.VOID),
            "gone": int(gone),
            "gone_overdue": int(gone and not self._on_time("handle")),
        }

    def _inside(self, at: datetime) -> bool:
        return self._begin <= at < self._end

    def _ran(self, span: StageSpan) -> bool:
        """Whether a stage ran at any moment of the period."""
        return any(begun < self._end and (until is None or until >= self._begin) for begun, until in span.runs)

    def _ended(self, stage: Stage) -> bool:
        return any(span.stage == stage and span.ended_at and self._inside(span.ended_at) for span in self._spans)

    def _on_time(self, stage: Stage) -> bool:
        """Whether no limit of a stage was missed at an end within the period; also where it has none."""
        return not any(
            clock.met is False and clock.ended_at is not None and self._inside(clock.ended_at)
            for clock in self._clocks
            if clock.stage == stage
        )

    def _last(self, whats: set[What]) -> Told | None:
        return next((step for step in reversed(self._steps) if step.what in whats), None)

    def _entered(self) -> Told:
        """The step by which the case came into the state it is in."""
        found = self._steps[-1]
        for step in reversed(self._steps):
            if step.state != self._state:
                break
            found = step
        return found

    def _judgement(self) -> Told | None:
        """The step by which a person said what it is: void, else its filing, else the word of who met it first."""
        step = self._last({What.VOID}) if self._state == State.VOID else self._filed
        if step is not None and step.role == SYSTEM and self._state != State.VOID:
            step = next((one for one in self._steps if one.what in MET and one.role != SYSTEM), None)
        return step if step is not None and step.role != SYSTEM else None

    def _false(self) -> bool:
        """Whether it was voided because nothing of the kind was there."""
        step = self._last({What.VOID}) if self._state == State.VOID else None
        reason = VOIDS.get(str(step.detail.get("reason", ""))) if step is not None else None
        return step is not None and not (reason is not None and reason.real)

    def _reclassed(self) -> bool:
        """Whether a person gave it another class after its filing."""
        filed = self._filed
        later = self._steps[self._steps.index(filed) + 1 :] if filed is not None else []
        return any(step.what == What.RECLASSED and step.role != SYSTEM for step in later)

    def _moved(self) -> bool:
        """Whether a person gave its job to another unit."""
        return any(step.what == What.REASSIGNED and step.role != SYSTEM for step in self._steps)

    def _extends(self, step: Told) -> bool:
        """Whether a step gives its handling more time."""
        named = step.detail.get("stage") or ("handle" if step.state in AT_UNIT else "")
        return step.what == What.EXTENDED and self._inside(step.at) and named == "handle"


def _first(steps: Sequence[Told], states: frozenset[State]) -> Told | None:
    return next((step for step in steps if step.state in states), None)


def _lapsed(steps: Sequence[Told], end: datetime) -> bool:
    """Whether the last suspension names an end, and that was past by ``end``."""
    told = next((step.detail.get("until") for step in reversed(steps) if step.what == What.SUSPENDED), None)
    try:
        until = datetime.fromisoformat(str(told))
    except ValueError:
        return False
    return until.tzinfo is not None and until < end


def _let_lie(step: Told) -> str:
    """The unit of which a step says that nobody took its job until the clock escalated it; empty: it says nothing so.

    The sweep says whom it urges because nobody took it; the relay moves it, also where another limit was over.
    """
    if step.role != SYSTEM:
        return ""
    if step.what == What.ESCALATED and step.detail.get("why") == "untaken":
        return str(step.detail.get("unit", ""))
    if step.what == What.REASSIGNED and step.detail.get("reason") == "escalated":
        return str(step.detail.get("from", ""))
    return ""


def _seconds(span: StageSpan) -> float:
    """Seconds by the clock that an ended stage ran."""
    return sum((until - begun).total_seconds() for begun, until in span.runs if until is not None)


def _unit(case: Case, steps: Sequence[Told]) -> str:
    """The unit that had its job last, else the responsible one."""
    for step in reversed(steps):
        key = {What.REASSIGNED: "to", What.DISPATCHED: "unit"}.get(What(step.what)) if step.what in KNOWN else None
        if key and step.detail.get(key):
            return str(step.detail[key])
    return case.unit_id


def _class(case: Case, steps: Sequence[Told]) -> str:
    """The class it had last; a class that it was given after these steps is told by what it was before."""
    for step in reversed(steps):
        named = step.detail.get("to" if step.what == What.RECLASSED else "class")
        if step.what in {What.RECLASSED, What.OPENED} and named:
            return str(named)
    return case.class_code


KNOWN = frozenset(str(what) for what in What)
