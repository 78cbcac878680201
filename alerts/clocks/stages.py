"""The stages of a case, read from its record: when each ran, stood still and ended. Pure; knows no limits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

from schemas.record import State, What
from schemas.rules import Stage

# What runs in a state. While a lead waits for a person, both its verification and its filing are due (核实, 立案).
RUNNING: dict[str, tuple[Stage, ...]] = {
    State.VERIFY: ("verify", "file"),
    State.FILED: ("dispatch",),
    State.DISPATCHED: ("handle",),
    State.HANDLING: ("handle",),
    State.CHECKING: ("check",),
}
NEW_ROUND = frozenset({What.REWORK, What.REOPENED})
# Steps after which a job waits afresh, although its incident was dispatched before.
WAITS_AFRESH = frozenset({What.REJECTED, What.LEASE_EXPIRED, What.REASSIGNED, What.REWORK})
UNIT_AT: dict[str, str] = {What.DISPATCHED: "unit", What.REASSIGNED: "to"}  # where a step names the unit it waits at

Run = tuple[datetime, datetime | None]  # from, to; None: still


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the record, as far as clocks ask. ``state``: the incident's after it; empty: older than the record."""

    at: datetime
    what: str
    state: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageSpan:
    """One stage in one round.

    Attributes:
        stage, round: round 1, and one more after each rework and reopening.
        class_code: the class it is measured by: the last one it had while it ran.
        started_at: when it first ran.
        runs: when its time counts, in order; the last one is open where it runs now.
        ended_at: when it was left; None: it runs or stands still.
        extensions: hours it was given (延时), each with the name of the limit it is for, empty: all of the stage.
    """

    stage: Stage
    round: int
    class_code: str
    started_at: datetime
    runs: tuple[Run, ...]
    ended_at: datetime | None
    extensions: tuple[tuple[str, float], ...] = ()

    @property
    def paused(self) -> bool:
        """Whether it stands still (挂账)."""
        return self.ended_at is None and self.runs[-1][1] is not None

    @property
    def stood_still(self) -> bool:
        """Whether it stands still, or did when it was left."""
        stopped_at = self.runs[-1][1]
        return stopped_at is not None and (self.ended_at is None or stopped_at < self.ended_at)


@dataclass(frozen=True, slots=True)
class Suspension:
    """A case that is suspended (挂账): in which stage, since when, until when, and the how manieth time, from 1."""

    stage: Stage
    since: datetime
    until: datetime
    times: int


@dataclass(slots=True)
class _Open:
    """A stage while its record is read."""

    stage: Stage
    round: int
    class_code: str
    runs: list[Run]
    ended_at: datetime | None = None
    extensions: list[tuple[str, float]] = field(default_factory=list)


def stages_of(steps: Iterable[Step], class_code: str) -> tuple[StageSpan, ...]:
    """Read an incident's steps, in their order; its stages in the order in which they began. No steps: none.

    ``class_code``: the class it has now, used where its record names none. A suspended case keeps its stage and stands
    still. A stage that is entered again in its round (given back, 回退) goes on where it was: nobody gets fresh time by
    handing a case around. A reclassed stage is measured by its new class from its own beginning. A step whose clock
    is behind the one before it happened at that moment: no time passes backwards.
    """
    record = tuple(steps)
    reader = _Reader(_first_class(record, class_code))
    for step in record:
        reader.read(step)
    return tuple(
        StageSpan(s.stage, s.round, s.class_code, s.runs[0][0], tuple(s.runs), s.ended_at, tuple(s.extensions))
        for s in reader.stages.values()
    )


def round_of(steps: Iterable[Step]) -> int:
    """The round a case is in: 1, and one more after each rework and reopening."""
    return 1 + sum(step.what in NEW_ROUND for step in steps)


def waiting_since(steps: Iterable[Step]) -> datetime | None:
    """Since when a case waits for a crew to take its job; None where it does not.

    A job that is picked for the unit that it waits at, as when a shift ends and nobody else is on duty, waits on.
    """
    since: datetime | None = None
    unit_id: str | None = None
    for step in steps:
        was = unit_id
        if step.what in UNIT_AT:
            unit_id = step.detail.get(UNIT_AT[step.what])
        if step.state == State.DISPATCHED:
            elsewhere = step.what == What.DISPATCHED and (unit_id is None or unit_id != was)
            if since is None or elsewhere or step.what in WAITS_AFRESH:
                since = step.at
        elif step.state:
            since = None
    return since


def suspension_of(steps: Iterable[Step], class_code: str) -> Suspension | None:
    """The suspension of a case that is suspended; None of any other, and of one of which nobody said until when."""
    record = tuple(steps)
    said = [step for step in record if step.what == What.SUSPENDED]
    states = [step.state for step in record if step.state]
    if not said or states[-1:] != [State.SUSPENDED]:
        return None
    try:
        until = datetime.fromisoformat(str(said[-1].detail.get("until", "")))
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    paused = [span.stage for span in stages_of(record, class_code) if span.paused]
    return Suspension(paused[-1] if paused else "handle", said[-1].at, until.astimezone(UTC), len(said))


class _Reader:
    def __init__(self, class_code: str) -> None:
        self.stages: dict[tuple[str, int], _Open] = {}
        self._class = class_code
        self._round = 1
        self._given: dict[tuple[str, int], list[tuple[str, float]]] = {}  # extensions of stages that are to come
        self._now: datetime | None = None

    def read(self, step: Step) -> None:
        """Take one step in."""
        at = step.at if self._now is None else max(step.at, self._now)
        self._now = at
        if step.what in NEW_ROUND:
            self._leave(at, keep=())
            self._round += 1
        if step.what == What.RECLASSED and step.detail.get("to"):
            self._class = str(step.detail["to"])
            for stage in self._live():
                stage.class_code = self._class
        if step.what == What.EXTENDED:
            self._extend(step.detail)
        if not step.state:
            return
        if step.state == State.SUSPENDED:
            for stage in self._live():
                _stop(stage, at)
            return
        wanted = RUNNING.get(step.state, ())
        self._leave(at, keep=wanted)
        for name in wanted:
            self._enter(name, at)

    def _live(self) -> list[_Open]:
        return [stage for stage in self.stages.values() if stage.ended_at is None]

    def _leave(self, at: datetime, keep: tuple[Stage, ...]) -> None:
        for stage in self._live():
            if stage.stage not in keep or stage.round != self._round:
                _stop(stage, at)
                stage.ended_at = at

    def _enter(self, name: Stage, at: datetime) -> None:
        key = (name, self._round)
        stage = self.stages.get(key)
        if stage is None:
            given = self._given.pop(key, [])
            self.stages[key] = _Open(name, self._round, self._class, [(at, None)], extensions=given)
        elif stage.ended_at is not None or stage.runs[-1][1] is not None:
            stage.ended_at = None
            stage.class_code = self._class
            stage.runs.append((at, None))

    def _extend(self, detail: Mapping[str, Any]) -> None:
        """Note hours for the stage that is named, else for what runs; one that has ended stays as it was judged.

        Nothing where the hours are no number.
        """
        hours = detail.get("working_h")
        if isinstance(hours, bool) or not isinstance(hours, int | float):
            return
        given = (str(detail.get("limit", "")), float(hours))
        for named in [detail[key] for key in ("stage", "also") if detail.get(key)] or [""]:
            self._give(str(named), given)

    def _give(self, named: str, given: tuple[str, float]) -> None:
        if named in get_args(Stage) and (named, self._round) not in self.stages:
            self._given.setdefault((named, self._round), []).append(given)
            return
        for stage in self._live():
            if named in {"", stage.stage}:
                stage.extensions.append(given)


def _stop(stage: _Open, at: datetime) -> None:
    begun, end = stage.runs[-1]
    if end is None:
        stage.runs[-1] = (begun, at)


def _first_class(steps: tuple[Step, ...], class_code: str) -> str:
    """The class an incident was opened with: its record says it, or what it was reclassed from."""
    for step in steps:
        named = step.detail.get("class" if step.what == What.OPENED else "from")
        if step.what in {What.OPENED, What.RECLASSED} and named:
            return str(named)
    return class_code
