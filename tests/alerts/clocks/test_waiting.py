"""Since when a job waits for a crew, from its record."""

from collections.abc import Mapping
from dataclasses import replace

from alerts.clocks.stages import waiting_since
from alerts.clocks.store import CityTime
from schemas.hours import Hours
from schemas.record import State, What
from schemas.rules import Duty
from tests.alerts.clocks.made_city import limited, local, steps

H = 3600.0
Row = tuple[str, What, State, Mapping[str, str]]
SENT = ("09-21 09:00", What.OPENED, State.DISPATCHED)  # a Monday
TAKEN = ("09-21 09:30", What.TAKEN, State.HANDLING)


def test_a_job_waits_from_when_it_was_last_sent() -> None:
    assert waiting_since([]) is None
    assert waiting_since(steps(("09-21 09:00", What.OPENED, State.VERIFY))) is None
    assert waiting_since(steps(SENT, ("09-21 09:10", What.URGED, State.DISPATCHED))) == local("09-21 09:00")
    assert waiting_since(steps(SENT, TAKEN)) is None
    assert waiting_since(steps(SENT, TAKEN, ("09-21 10:00", What.REJECTED, State.DISPATCHED))) == local("09-21 10:00")
    assert waiting_since(steps(SENT, ("09-21 10:00", What.REASSIGNED, State.DISPATCHED))) == local("09-21 10:00")


def sent(at: str, unit_id: str, why: str) -> Row:
    return at, What.DISPATCHED, State.DISPATCHED, {"job": "j", "unit": unit_id, "why": why}


def test_a_job_that_does_not_move_waits_on_whoever_is_on_duty() -> None:
    first, night, morning = sent("09-21 09:01", "u-1", "responsible"), "09-21 16:00", "09-22 08:00"
    again = sent(morning, "u-1", "responsible")
    assert waiting_since(steps(SENT, first, sent(night, "u-1", "nobody"), again)) == local("09-21 09:01")
    assert waiting_since(steps(SENT, first, sent(night, "u-2", "on_duty"))) == local(night)
    assert waiting_since(steps(SENT, first, sent(night, "u-2", "on_duty"), again)) == local(morning)
    moved = ("09-21 10:00", What.REASSIGNED, State.DISPATCHED, {"from": "u-1", "to": "u-2"})
    assert waiting_since(steps(SENT, first, moved, sent(night, "u-2", "nobody"))) == local("09-21 10:00")
    assert waiting_since(steps(SENT, first, moved, sent(night, "u-1", "responsible"))) == local(night)
    back = ("09-21 10:00", What.REJECTED, State.DISPATCHED)
    assert waiting_since(steps(SENT, first, TAKEN, back, sent(night, "u-1", "nobody"))) == local("09-21 10:00")
    untold = (night, What.DISPATCHED, State.DISPATCHED)
    assert waiting_since(steps(SENT, untold, (morning, *untold[1:]))) == local(morning), "older than units in steps"


def test_a_job_that_may_wait_longer_than_a_shift_is_late_in_the_next_one() -> None:
    shift = Duty("u-1", (Hours(frozenset(range(8)), 480, 960),))  # 08:00 to 16:00
    whole = limited()
    whole = replace(whole, rules=replace(whole.rules, duties=(shift,)))
    time = CityTime(lambda: whole, take_s=10 * H, sos_take_s=120.0)
    days = ("21", "22", "23")
    changes = [
        sent(f"09-{day} {at}", "u-1", why)
        for day in days
        for at, why in (("08:00", "responsible"), ("16:00", "nobody"))
    ]
    since = waiting_since(steps(SENT, sent("09-21 09:00", "u-1", "responsible"), *changes[1:]))
    assert since is not None
    assert time.waits_until(since, "u-1", urgent=False, sos=False) == local("09-22 11:00")  # 7 h and 3 h
