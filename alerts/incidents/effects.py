"""What another look at a place means to the incident there. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from config.incidents import IncidentKnobs
from schemas.record import OPEN, State

STANDS_S = 600.0  # captured s after its last sighting for which a thing that has not been seen leaving counts as there


class Effect(Enum):
    """What a sighting does to an incident."""

    REFRESH = auto()  # it goes on
    NOTE = auto()  # kept with it, and changes nothing of it: it is over, and this is no news
    REWORK = auto()  # a crew said that it is dealt with, and it stands there still
    REOPEN = auto()  # it had ended, and the thing is there again, or still
    NEW = auto()  # another thing


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of an incident.

    Attributes:
        state: where it is in its life.
        check: who checks a crew's work.
        finished_at: when a crew last said that it is dealt with; None: none did.
        ended_at: captured time at which its thing had left, or, where no camera told so, at which it was last seen.
        seen_leaving: whether a camera told that the thing left.
    """

    state: State
    check: str
    finished_at: datetime | None
    ended_at: datetime | None
    seen_leaving: bool


def effect_of(
    past: Past,
    appeared_at: datetime,
    captured_at: datetime,
    knobs: IncidentKnobs,
    received_at: datetime | None = None,
) -> Effect:
    """What a look at ``captured_at`` at a thing that came at ``appeared_at`` does to the incident of its place.

    A person's word about a thing (void, done) is not overruled by the same thing standing on; a camera's is: what one
    camera took for gone and another still sees goes on. A thing that comes after the end is the same incident for
    ``reopen_s``, then another one. ``received_at``: when its picture came, by our clock, on which a crew's word is
    too; None: it is not here yet. A camera whose clock is ahead shows nothing from after that word before this is so.
    """
    if past.state in OPEN:
        checked_by_camera = past.state is State.CHECKING and past.check == "camera"
        if checked_by_camera and past.finished_at is not None:
            looked_at = captured_at if received_at is None else min(captured_at, received_at)
            still = looked_at >= past.finished_at + timedelta(seconds=knobs.recheck_s)
            return Effect.REWORK if still else Effect.REFRESH
        return Effect.REFRESH
    if past.state not in {State.DONE, State.GONE, State.CORRECTED} or past.ended_at is None:
        return Effect.NOTE
    if captured_at <= past.ended_at:
        return Effect.NOTE
    if appeared_at <= past.ended_at:
        return Effect.REOPEN if past.seen_leaving else Effect.NOTE
    return Effect.REOPEN if appeared_at - past.ended_at <= timedelta(seconds=knobs.reopen_s) else Effect.NEW


def unseen(last_seen_at: datetime, appeared_at: datetime, least_s: float = STANDS_S) -> bool:
    """Whether a thing was last seen so long before another one appeared at its place that it must have left."""
    return appeared_at - last_seen_at > timedelta(seconds=least_s)
