"""A case as its record tells it: what a decision asks, read from the steps. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from alerts.desk.lifecycle import Act, Case
from schemas.record import State, What

HANDLED = frozenset({What.FINISHED, What.DONE, What.SELF_HANDLED})
SENT = frozenset({State.DISPATCHED, State.HANDLING, State.CHECKING})
AFRESH = frozenset({What.REWORK, What.REOPENED})
# What an act that moved a case has written: the same person's same act again is the same act.
WROTE: dict[Act, What] = {
    Act.CONFIRM: What.CONFIRMED,
    Act.FILE: What.FILED,
    Act.VOID: What.VOID,
    Act.MERGE: What.MERGED,
    Act.CLOSE: What.DONE,
    Act.REWORK: What.REWORK,
    Act.SELF_HANDLE: What.SELF_HANDLED,
    Act.SUSPEND: What.SUSPENDED,
    Act.RESUME: What.RESUMED,
    Act.REOPEN: What.REOPENED,
}


@dataclass(frozen=True, slots=True)
class Told:
    """One row of the record, as far as decisions ask."""

    seq: int
    at: datetime
    actor: str
    role: str
    what: str
    state: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def case_of(row: Mapping[str, Any], steps: Iterable[Told], *, grave: bool, held: bool) -> Case:
    """Return the case of a row of ``incident`` and its steps, in their order.

    ``grave``: what the city pack says of its class now; a step that said so counts whatever the pack says by now.
    """
    reader = _Reader()
    for step in steps:
        reader.read(step)
    return Case(
        state=State(row["state"]),
        version=int(row["chain_seq"]),
        family=row["family"],
        class_code=row["class_code"],
        urgent=bool(row["urgent"]),
        grave=grave or reader.grave,
        held=held,
        handled=reader.handled,
        finished_by=reader.finished_by,
        asked_by=reader.asked.actor if reader.asked else "",
        asked_reason=str(reader.asked.detail.get("reason", "")) if reader.asked else "",
        asked_text=str(reader.asked.detail.get("note", "")) if reader.asked else "",
        suspended_from=reader.suspended_from if row["state"] == State.SUSPENDED else None,
        sent=reader.sent,
        extended=frozenset(reader.extended),
        merged_into=reader.merged_into,
    )


def moved_by(steps: Iterable[Told]) -> Told | None:
    """The step that brought a case where it is: the last one with a state that the one before it did not have."""
    moved, before = None, ""
    for step in steps:
        if step.state != before:
            moved, before = step, step.state
    return moved


class _Reader:
    def __init__(self) -> None:
        self.grave = False
        self.handled = False
        self.finished_by = ""
        self.asked: Told | None = None
        self.suspended_from: State | None = None
        self.sent = False
        self.extended: set[str] = set()
        self.merged_into = ""
        self._state = ""

    def read(self, step: Told) -> None:
        """Take one step in."""
        if step.what in AFRESH:
            self.finished_by = ""
            self.extended.clear()
        if step.state != self._state:
            self.asked = None
            if step.state == State.SUSPENDED and self._state in set(State):
                self.suspended_from = State(self._state)
        if step.what == What.VOID_ASKED:
            self.asked = step
        if step.what == What.MERGED and step.state == State.MERGED:
            self.merged_into = str(step.detail.get("into", ""))
        if step.what == What.FINISHED:
            self.finished_by = step.actor
        if step.what == What.EXTENDED and step.role != "system":
            self.extended.add(str(step.detail.get("stage", "")))
        self.grave = self.grave or bool(step.detail.get("grave"))
        self.handled = self.handled or step.what in HANDLED or bool(step.detail.get("handled"))
        self.sent = self.sent or step.state in SENT
        self._state = step.state
