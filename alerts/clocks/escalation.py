"""What is told to whom when a limit runs out: urged at 80 %, escalated at 100 % and again later, listed daily. Pure."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from alerts.clocks.projection import Clock, lamp
from schemas.city import City
from schemas.record import State
from schemas.rules import Role, Stage

Kind = Literal["yellow", "red", "stuck", "escalated"]
Stuck = Literal["undecided", "unhandled", "unclosed", "forgotten"]
Key = tuple[Stage, int, str, Kind, int]  # stage, round, limit id, kind, again: told once

# Who has a stage in hand (岗位): urged when it is nearly over. domain.md 2.3 names the posts.
IN_HAND: dict[Stage, Role] = {
    "verify": "intake",
    "file": "duty_lead",
    "dispatch": "dispatcher",
    "handle": "officer",
    "check": "inspector",
}
SUSPENDED = "suspended"  # a limit id of its own: the end of a suspension
TAKE = "take/"  # a limit id that begins so is no limit of the pack: nobody of the unit behind it took the job in time


@dataclass(frozen=True, slots=True)
class Told:
    """A role, and the people of the pack's staff who have it there, by their ids; () where it lists none."""

    role: Role
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """Something to tell of one clock, once. ``turned_at``: when it came to be so."""

    kind: Kind
    clock: Clock
    turned_at: datetime

    @property
    def key(self) -> Key:
        """What it is told once by: a limit that was extended and runs out again is news."""
        return self.clock.stage, self.clock.round, self.clock.limit_id, self.kind, self.clock.extensions


def turns(
    clocks: Collection[Clock], told: Collection[Key], now: datetime, chief_at: Callable[[datetime], datetime]
) -> list[Turn]:
    """What is to be told of a case's running clocks now and was not told before, in their order.

    A clock that turned red before anybody was told that it is yellow is told red only. ``chief_at``: when the
    supervisor hears of what was due at a moment. Nothing is told of clocks that stand still or have ended.
    """
    found = []
    for clock in clocks:
        if clock.ended_at is not None or clock.paused or clock.due_at is None or clock.yellow_at is None:
            continue
        shown = lamp(clock, now)
        if shown == "yellow":
            found.append(Turn("yellow", clock, clock.yellow_at))
        elif shown == "red":
            found.append(Turn("red", clock, clock.due_at))
            late_at = chief_at(clock.due_at)
            if now >= late_at:
                found.append(Turn("escalated", clock, late_at))
    return [turn for turn in found if turn.key not in told]


def stuck_stages(clocks: Collection[Clock], state: str, now: datetime) -> dict[tuple[Stage, int], tuple[Stuck, Clock]]:
    """Stages of a case that have run past their limit, by stage and round, with the clock that ran out first.

    Of several clocks one that was extended more often counts before: that it ran out again is news.

    A lead that nobody decides is ``undecided``; a case that no crew has in hand, ``unhandled`` (立而不办); one that a
    crew has in hand or that waits for its check, ``unclosed`` (办而不结).
    """
    found: dict[tuple[Stage, int], tuple[Stuck, Clock]] = {}
    for clock in clocks:
        if clock.ended_at is None and not clock.paused and lamp(clock, now) == "red":
            key = (clock.stage, clock.round)
            held = found.get(key)
            if held is None or _news(clock, now) < _news(held[1], now):
                found[key] = (_stuck(clock.stage, state), clock)
    return found


def in_hand(city: City, stage: Stage, unit_id: str) -> Told:
    """Who is urged: those who have the stage in hand; of the unit where it is the unit's."""
    return _those(city, IN_HAND[stage], whose(stage, unit_id))


def lead(city: City, stage: Stage, unit_id: str) -> Told:
    """Who hears first that a stage is late: the lead of the unit, of the bureau where the unit lists none."""
    own = _those(city, "duty_lead", whose(stage, unit_id))
    return own if own.people else _those(city, "duty_lead", "")


def chief(city: City) -> Told:
    """Who hears of it when it stays late: the supervisor."""
    return Told("supervisor", tuple(sorted(p.person_id for p in city.rules.staff.values() if p.role == "supervisor")))


def both(first: Told, second: Told) -> Told:
    """Two who are told the same at one moment, under the role of the first who is somebody."""
    found = tuple(dict.fromkeys((*first.people, *second.people)))
    return Told(first.role if first.people or not second.people else second.role, found)


def call_again(since: datetime, take: timedelta, now: datetime) -> tuple[int, datetime] | None:
    """How often a call for help that waits ``since`` then is due to be told by now, and when it was the last time.

    Due after ``take``, and each time that it has waited twice as long as at the last; None: not due yet. A call that
    nobody takes is never told for the last time, and never so often that nobody looks any more.
    """
    waited = now - since
    if waited <= take:
        return None
    last, times = take, 1
    while last * 2 < waited:
        last, times = last * 2, times + 1
    return times, since + last


def whose(stage: Stage, unit_id: str) -> str:
    """The unit a stage is due from; empty: the bureau, which decides, files, dispatches and checks."""
    return unit_id if stage == "handle" else ""


def _those(city: City, role: Role, unit_id: str) -> Told:
    people = (person for person in city.rules.staff.values() if person.role == role and person.unit_id == unit_id)
    return Told(role, tuple(sorted(person.person_id for person in people)))


def _news(clock: Clock, now: datetime) -> tuple[int, datetime]:
    return -clock.extensions, clock.due_at or now


def _stuck(stage: Stage, state: str) -> Stuck:
    if stage in {"verify", "file"}:
        return "undecided"
    return "unhandled" if stage == "dispatch" or (stage == "handle" and state == State.DISPATCHED) else "unclosed"
