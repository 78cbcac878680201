"""Clocks of a case: its stages measured by the limits that hold for them. Pure: one record, one answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from alerts.clocks.limits import CLASS, class_limit, limits_for
from alerts.clocks.stages import Run, StageSpan, Step, stages_of
from alerts.clocks.worktime import Measure, WorkTime, amount_s, measure_of
from schemas.city import City
from schemas.errors import ConfigError
from schemas.rules import Stage, TimeLimit

Lamp = Literal["green", "yellow", "red"]
# 0-80 % of the limit green, 80-100 % yellow, above it red: as public urban-management code has it (domain.md 2.3).
YELLOW_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Clock:
    """One limit of one stage in one round.

    Attributes:
        stage, round, limit_id, limit_name: which; the name is empty where the limit is for the stage itself.
        started_at: when it began to count.
        yellow_at, due_at: when 80 % and all of it are used up, though it may have ended before; None: not as long as it
            stands still, or never.
        ended_at: when its stage was left; None: not yet.
        limit_s: seconds it gives, of working time or by the clock as the limit says, extensions included.
        used_s: seconds of the same used up where it has ended or stands still; None while it runs.
        paused: it stands still (挂账).
        extensions: how often it was given more time.
        met: whether its stage was left by ``due_at``; None: not left yet.
        rule_version: of the city pack whose limits and calendar these are.
    """

    stage: Stage
    round: int
    limit_id: str
    limit_name: str
    started_at: datetime
    yellow_at: datetime | None
    due_at: datetime | None
    ended_at: datetime | None
    limit_s: float
    used_s: float | None
    paused: bool
    extensions: int
    met: bool | None
    rule_version: str


def clocks_of(
    steps: Iterable[Step], class_code: str, cell_id: str, city: City, work: WorkTime, held: Sequence[Clock] = ()
) -> tuple[Clock, ...]:
    """Work out every clock of one incident from its record, in the order of the stages, then of the limits' names.

    ``class_code`` and ``cell_id``: as the incident has them now. A limit in working time has no clock where the
    calendar has no working hours: ``limits.uncounted`` says which. No steps, or none that runs: no clocks. ``held``:
    the clocks that it had; by them a case whose class the pack has dropped keeps the last limit of that class for
    handling, under that rule version.
    """
    spans = stages_of(steps, class_code)
    found = []
    for span in spans:
        limits = limits_for(city, work, span.stage, span.class_code, cell_id, span.started_at)
        ruled = [(limit, city.version) for limit in limits]
        if not ruled and span.stage == "handle":
            ruled = _dropped(spans, span.class_code, held)
        found += [
            _clock(span, limit, version, work) for limit, version in ruled if work.works or limit.unit == "natural_h"
        ]
    return tuple(found)


def _dropped(spans: Sequence[StageSpan], class_code: str, held: Sequence[Clock]) -> list[tuple[TimeLimit, str]]:
    """The last limit of a class that the pack does not know any more, with its rule version; none where it had none."""
    handled = {span.round: span for span in spans if span.stage == "handle"}
    known = [clock for clock in held if clock.limit_id == CLASS + class_code and clock.round in handled]
    if not known:
        return []
    last = max(known, key=lambda clock: clock.round)
    given = [hours for name, hours in handled[last.round].extensions if not name][: last.extensions]
    return [(class_limit(class_code, last.limit_s / 3600 - sum(given)), last.rule_version)]


def lamp(clock: Clock, now: datetime) -> Lamp:
    """Green, yellow from 80 % of the limit, red once it is over; of one that ended: as it was at its end."""
    return lamp_at(clock.yellow_at, clock.due_at, now if clock.ended_at is None else clock.ended_at)


def lamp_at(yellow_at: datetime | None, due_at: datetime | None, seen: datetime) -> Lamp:
    """The lamp at ``seen`` of a clock that turns at these moments; None: it does not."""
    if due_at is not None and seen > due_at:
        return "red"
    return "yellow" if yellow_at is not None and seen >= yellow_at else "green"


def _clock(span: StageSpan, limit: TimeLimit, version: str, work: WorkTime) -> Clock:
    measure = measure_of(work, limit.unit)
    given = [hours for name, hours in span.extensions if name in {"", limit.name}]
    limit_s = max(amount_s(work, limit.amount, limit.unit) + 3600 * sum(given), 0.0)
    started_at, runs = span.started_at, span.runs
    if limit.starts_from_min is not None:
        opens = work.at_minute(work.day_of(started_at), limit.starts_from_min)
        started_at = max(started_at, opens)
        runs = tuple((max(begun, opens), None if end is None else max(end, opens)) for begun, end in runs)
    due_at = _reached(measure, runs, limit_s, still=span.stood_still)
    used_s = None
    if runs[-1][1] is not None:
        used_s = sum(measure.between(begun, end) for begun, end in runs if end is not None)
    return Clock(
        stage=span.stage,
        round=span.round,
        limit_id=limit.limit_id,
        limit_name=limit.name,
        started_at=started_at,
        yellow_at=_reached(measure, runs, YELLOW_SHARE * limit_s, still=span.stood_still),
        due_at=due_at,
        ended_at=span.ended_at,
        limit_s=limit_s,
        used_s=used_s,
        paused=span.paused,
        extensions=len(given),
        met=None if span.ended_at is None else due_at is None or span.ended_at <= due_at,
        rule_version=version,
    )


def _reached(measure: Measure, runs: tuple[Run, ...], amount_s: float, *, still: bool) -> datetime | None:
    """When an amount is used up: within the runs, or as if the last one went on; None where it stood still before."""
    left_s = amount_s
    for begun, end in runs[:-1]:
        spent_s = measure.between(begun, end or begun)
        if left_s <= spent_s:
            return measure.add(begun, left_s)
        left_s -= spent_s
    begun, end = runs[-1]
    if still and end is not None and left_s > measure.between(begun, end):
        return None
    try:
        return measure.add(begun, left_s)
    except ConfigError:  # so much working time never comes: a limit of thousands of days
        return None
