"""The load on the desk: its paces, and the count that would find a lost or a doubled action."""

import time

import pytest

import curbwatch.database as db
from curbwatch.bench.desk import CREWS, Pace, bench_pack, shifts, units
from curbwatch.bench.desk_check import check
from curbwatch.bench.desk_load import Act, Plan, Shift, fill, play
from tests.alerts.made_desk import parts


def test_the_paces_of_all_add_up_to_what_was_asked() -> None:
    crews, others = shifts(Pace(500.0, 60.0), [str(number) for number in range(7)])
    assert len(crews) == CREWS
    assert sum(1 / shift.every_s for shift in [*crews, *others] if shift.role != "detector") == pytest.approx(500.0)
    assert sorted(subject for shift in others for subject in shift.subjects) == [str(number) for number in range(7)]


@pytest.mark.servers
def test_a_desk_on_which_nothing_happened_has_lost_nothing(desk_url: str) -> None:
    with db.connect(desk_url) as conn:
        found = check(conn, [], [])
    assert set(found.values()) == {0}


@pytest.mark.servers
def test_everything_that_was_accepted_is_in_the_record_once(desk_url: str, redis_url: str) -> None:
    opened = fill(desk_url, units()[:1], range(6), direct=True) + (
        waiting := fill(desk_url, units()[:1], range(6, 8), direct=False)
    )
    made = parts(desk_url, redis_url)
    made.relay().once()
    made.close()
    people = (
        Shift("crew", "c-1", 0.0, 0.05, units()[0]),
        Shift("crew", "c-2", 0.02, 0.05, units()[0]),
        Shift("dispatcher", "d-1", 0.0, 0.2, subjects=tuple(waiting)),
        Shift("detector", "detector", 0.0, 0.2, first=8),
    )
    acts, cpu_s = play(Plan(desk_url, redis_url, time.monotonic(), 0.6, bench_pack().city, people))
    assert cpu_s > 0
    kinds = {act.kind for act in acts if act.accepted}
    assert kinds >= {"take", "shown", "note", "confirm", "open"}
    assert kinds & {"done", "reject"}
    with db.connect(desk_url) as conn:
        found = check(conn, acts, opened)
        assert (found["lost"], found["doubled"], found["two_owners"], found["rows_not_chained"]) == (0, 0, 0, 0)
        never_written = Act("reject", acts[0].subject, "c-1", "c-1/999", 1.0, accepted=True)
        assert check(conn, [*acts, never_written], opened)["lost"] == 1
        never_asked = next(act for act in acts if act.kind == "take" and act.accepted)
        assert check(conn, [act for act in acts if act is not never_asked], opened)["doubled"] == 1
