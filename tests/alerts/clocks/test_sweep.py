"""Lamps, lists and escalations on a real database, by a time that the test sets."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from alerts import crash
from alerts.incidents.store import IncidentStore
from alerts.jobs.moves import JobMoves
from alerts.jobs.pick import Picker
from alerts.jobs.store import JobStore
from alerts.outlets.store import OutletStore, Wants
from alerts.store import AlertDatabase
from schemas.record import State, What
from tests.alerts.clocks.made_city import ALWAYS, BERLIN, limit, limited, local
from tests.alerts.clocks.made_desk import HANDLED_IN_FOUR, HOUR, Town, opened, step
from tests.alerts.test_moves import sweepers

pytestmark = pytest.mark.servers
MINUTE = timedelta(minutes=1)


def taken(jobs: JobStore, incident_id: str) -> None:
    """So that nobody is missed who should take it."""
    job = jobs.of_incident(incident_id)
    assert job is not None
    jobs.take(job.job_id, "甲")


@pytest.fixture
def town(database: AlertDatabase) -> Town:
    """Four hours by the clock for handling, 80 % at 3 h 12 min; no daily list unless a test asks for it."""
    return Town(database)


def test_with_no_case_nothing_is_told(town: Town) -> None:
    assert (town.look(), town.look(HOUR), town.entries()) == (0, 0, [])


def test_a_case_is_urged_at_80_and_escalated_at_100_percent_and_once_more_later(
    town: Town, incidents: IncidentStore, jobs: JobStore
) -> None:
    taken(jobs, opened(incidents))
    assert town.look(3.1 * HOUR) == 0
    assert town.look(0.15 * HOUR) == 1
    assert town.look(0.7 * HOUR) == 0
    assert town.look(0.1 * HOUR) == 1
    assert town.look(3.8 * HOUR) == 0
    assert town.look(0.2 * HOUR) == 1
    assert town.look(100 * HOUR) == town.look() == 0
    assert [row[0] for row in town.entries()] == ["yellow", "red", "escalated"]
    (urged,) = town.steps(What.URGED)
    assert urged.items() >= {"stage": "handle", "round": 1, "limit": "l-1", "lamp": "yellow", "to": "officer"}.items()
    red, late = town.steps(What.ESCALATED)
    assert (red["to"], red["people"], red["lamp"]) == ("duty_lead", ["p-lead"], "red")
    assert (late["to"], late["people"]) == ("supervisor", ["p-super"])
    assert town.rows("select state from incident") == [("handling",)]
    assert town.rows("select actor, role from incident_event where what = 'urged'") == [("clock", "system")]


def test_a_case_that_ends_in_time_or_stands_still_is_never_urged(town: Town, incidents: IncidentStore) -> None:
    done, suspended = opened(incidents, 1), opened(incidents, 2)
    step(town.database, suspended, What.SUSPENDED, State.SUSPENDED)
    step(town.database, done, What.DONE, State.DONE)
    assert (town.look(24 * HOUR), town.entries()) == (0, [])


def test_a_case_that_ended_a_moment_ago_is_not_urged_though_its_clock_is_not_worked_out_yet(
    town: Town, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    taken(jobs, incident_id)
    town.look()
    town.pass_by(5 * HOUR)
    step(town.database, incident_id, What.DONE, State.DONE)
    assert (town.sweep.do(town.at), town.entries()) == (0, [])
    assert town.rows("select ended_at is not null from incident_clock") == [(True,)]


def test_each_round_and_each_limit_is_told_by_itself(database: AlertDatabase, incidents: IncidentStore) -> None:
    stop, remove = limit("a", name="stop", unit="natural_h"), limit("b", name="remove", amount=9, unit="natural_h")
    town = Town(database, limited(stop, remove, calendar=ALWAYS), chief_h=1000.0)
    incident_id = opened(incidents, 1)
    step(database, incident_id, What.TAKEN, State.HANDLING)
    town.look(4.1 * HOUR)
    town.look(5 * HOUR)
    assert town.entries() == [("red", "handle", 1, "a"), ("red", "handle", 1, "b")]
    step(database, incident_id, What.REWORK, State.HANDLING)  # written now: its time begins with the record's clock
    town.look()
    assert sorted(town.entries()) == [("red", "handle", number, limit_id) for number in (1, 2) for limit_id in "ab"]
    assert [detail.get("name") for detail in town.steps(What.ESCALATED)][:2] == ["stop", "remove"]


def test_an_extension_takes_the_lamp_back_and_what_runs_out_again_is_told_again(
    town: Town, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    taken(jobs, incident_id)
    town.look(4.1 * HOUR)
    step(town.database, incident_id, What.EXTENDED, working_h=4, stage="handle")
    assert (town.look(), town.meter.gauges["clocks_overdue"]) == (0, 0)  # 4.1 h of 8 h are green
    assert (town.look(2.5 * HOUR), town.look(1.5 * HOUR)) == (1, 1)  # yellow at 6.4 h, red at 8 h: not a word before
    assert town.meter.gauges["clocks_overdue"] == 1
    assert town.look(4.1 * HOUR) == 1
    assert town.rows("select kind, again from sweep_entry order by at") == [
        ("red", 0),
        ("yellow", 1),
        ("red", 1),
        ("escalated", 1),
    ]
    assert town.look(100 * HOUR) == 0
    step(town.database, incident_id, What.EXTENDED, working_h=1000, stage="handle")
    assert town.look() == 0
    assert town.meter.gauges["clocks_overdue"] == 0


def test_a_case_whose_extended_limit_runs_out_is_listed_and_sent_on_again(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    town = Town(database, replace(sweepers(), rules=HANDLED_IN_FOUR.rules), sweep_at_min=0, chief_h=1.0)
    moves = JobMoves(database, Picker(lambda: town.city, 300.0))
    incident_id = opened(incidents, unit_id="u-2")
    town.look(24 * HOUR)
    assert moves.follow_sweep() == 2  # nobody took it, and the supervisor heard of it
    job = jobs.of_incident(incident_id)
    assert job is not None
    step(database, incident_id, What.EXTENDED, working_h=72, stage="handle")
    town.look(24 * HOUR)
    assert moves.follow_sweep() == 1  # of the unit that it was sent on to
    town.look(48 * HOUR)
    assert moves.follow_sweep() == 1
    town.look(24 * HOUR)
    assert town.rows(
        "select kind, again from sweep_entry where kind in ('stuck', 'escalated') order by 2, 1, limit_id"
    ) == [
        ("escalated", 0),
        ("escalated", 0),
        ("escalated", 0),
        ("stuck", 0),
        ("escalated", 1),
        ("stuck", 1),
    ]
    town.look(240 * HOUR)
    assert moves.follow_sweep() == 0


def test_a_job_that_nobody_takes_goes_on_once_for_each_unit(
    town: Town, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    assert town.look(29 * MINUTE) == 0
    assert town.look(2 * MINUTE) == 1
    assert town.look(10 * MINUTE) == 0
    assert town.entries() == [("escalated", "handle", 1, "take/u-1")]
    (detail,) = town.steps(What.ESCALATED)
    assert (detail["why"], detail["unit"], detail["people"]) == ("untaken", "u-1", ["p-lead"])
    with town.database.transaction() as conn:
        conn.execute("update job set unit_id = 'u-2'")
    step(town.database, incident_id, What.REASSIGNED, State.DISPATCHED)
    town.look(31 * MINUTE)  # of the new unit's own waiting
    assert [row[3] for row in town.entries()] == ["take/u-1", "take/u-2"]
    taken(jobs, incident_id)
    assert town.look(2 * HOUR) == 0


def test_an_untaken_job_reaches_the_next_unit_and_each_of_them_is_missed_once(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    town = Town(database, replace(sweepers(), rules=HANDLED_IN_FOUR.rules), chief_h=1000.0)
    moves = JobMoves(database, Picker(lambda: town.city, 300.0))
    incident_id = opened(incidents, unit_id="u-2")
    seen = []
    for _ in range(4):
        town.look(31 * MINUTE)
        moves.follow_sweep()
        job = jobs.of_incident(incident_id)
        assert job is not None
        seen.append((job.unit_id, job.urgency))
    assert seen == [("u-3", "urgent")] * 4  # nobody is left who did not have it
    assert [row[3] for row in town.entries() if row[0] == "escalated"] == ["take/u-2", "take/u-3"]


def test_a_taken_job_is_not_missed_by_anybody(town: Town, incidents: IncidentStore, jobs: JobStore) -> None:
    taken(jobs, opened(incidents))
    assert town.look(HOUR) == 0


@pytest.fixture
def listing(database: AlertDatabase) -> Town:
    """A city whose list is made at 08:30 of Shanghai, and whose time begins at noon."""
    town = Town(database, sweep_at_min=510, chief_h=1000.0)
    noon = town.at.astimezone(local("01-01 00:00").tzinfo).replace(hour=4, minute=0)
    town.at = noon + timedelta(days=1)
    return town


def stuck(town: Town) -> list[tuple[Any, ...]]:
    """Stages on lists: the how manieth list, stage, which list."""
    return town.rows(
        "select day - (select min(day) from sweep_day) as nth, stage, detail ->> 'list' as list from sweep_entry"
        " where kind = 'stuck' order by 1, 2"
    )


def test_a_stuck_case_is_on_the_list_of_one_day_only_for_its_stage(listing: Town, incidents: IncidentStore) -> None:
    town = listing
    incident_id = opened(incidents)
    town.look(24 * HOUR)
    assert stuck(town) == [(0, "handle", "unhandled")]
    step(town.database, incident_id, What.TAKEN, State.HANDLING)
    for _ in range(3):
        town.look(24 * HOUR)
    assert stuck(town) == [(0, "handle", "unhandled")]  # once for its stage, whoever has it
    assert town.rows("select count(*) as days, sum(cases) as cases from sweep_day") == [(4, 1)]
    step(town.database, incident_id, What.FINISHED, State.CHECKING)  # a stage that nothing limits here
    town.look(24 * HOUR)
    assert len(stuck(town)) == 1
    assert [detail["day"] for detail in town.steps(What.ESCALATED) if detail.get("why") == "stuck"] == [
        town.rows("select min(day)::text from sweep_day")[0][0]
    ]


def test_a_case_with_two_stages_over_their_limits_is_listed_for_each_on_its_day(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    limits = (limit("v", stage="verify", amount=30, unit="natural_h"), limit("f", stage="file", unit="natural_h"))
    town = Town(database, limited(*limits, calendar=ALWAYS), sweep_at_min=0)
    opened(incidents, direct=False)
    for _ in range(3):
        town.look(20 * HOUR)
    assert [(stage, kind) for _, stage, kind in stuck(town)] == [("file", "undecided"), ("verify", "undecided")]


def test_the_list_is_made_once_a_day_at_its_time_also_after_a_day_without(
    listing: Town, incidents: IncidentStore
) -> None:
    town = listing
    town.look()  # noon: the day's list is due
    town.look(HOUR)
    assert town.rows("select count(*) from sweep_day") == [(1,)]
    town.look(13 * HOUR)  # 02:00 of the next day: too early
    assert town.rows("select count(*) from sweep_day") == [(1,)]
    opened(incidents)
    town.look(6.6 * HOUR)
    assert town.rows("select cases from sweep_day order by day") == [(0,), (1,)]
    town.look(72 * HOUR)
    assert town.rows("select count(*) from sweep_day") == [(3,)]


def test_what_turned_while_nobody_could_tell_is_one_message_to_each_unit_and_each_is_recorded(
    town: Town, incidents: IncidentStore, jobs: JobStore
) -> None:
    for number in range(1, 7):
        taken(jobs, opened(incidents, number, unit_id="u-1" if number % 2 else "u-2"))
    town.look()
    assert town.look(7 * HOUR) == 6
    digests = town.digests()
    found = sorted((told["unit"], told["count"], len(told["cases"]), tuple(told["people"])) for told in digests)
    assert found == [("u-1", 3, 3, ("p-lead",)), ("u-2", 3, 3, ("p-chief",))]
    each = town.steps(What.ESCALATED)
    assert (len(each), all(detail["quiet"] for detail in each)) == (6, True)
    assert {detail["digest"] for detail in each} == {told["digest"] for told in digests}
    assert town.look(MINUTE) == 0
    assert len(town.digests()) == 2
    outlets = OutletStore(town.database)
    with town.database.transaction() as conn:
        conn.execute("insert into outlet (name) values ('hotline')")
    outlets.project([Wants("hotline", steps=(What.URGED, What.ESCALATED))])
    sent = "select e.detail ->> 'why' from outlet_message join incident_event e using (incident_id, seq)"
    assert town.rows(sent) == [("digest",), ("digest",)]  # six cases, two messages


def test_a_digest_whose_teller_was_killed_is_told_by_the_next_and_one_of_many_names_a_hundred(
    town: Town, incidents: IncidentStore, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        taken(jobs, opened(incidents, number))
    town.look()
    passed = 0

    def die(at: str) -> None:
        nonlocal passed
        passed += at == "sweep_before_commit"
        if passed == 2:  # the lamps are told, the digest is not
            raise KeyboardInterrupt

    with crash.hooked(die), pytest.raises(KeyboardInterrupt):
        town.look(7 * HOUR)
    assert (len(town.steps(What.ESCALATED)), town.digests()) == (3, [])
    monkeypatch.setattr("alerts.clocks.sweep.CASES_MAX", 2)
    town.start()
    assert town.look() == 0
    (told,) = town.digests()
    assert (told["count"], len(told["cases"])) == (3, 2)
    assert town.look() == 0
    assert len(town.digests()) == 1


def test_what_turned_just_now_is_told_by_itself(town: Town, incidents: IncidentStore, jobs: JobStore) -> None:
    taken(jobs, opened(incidents))
    town.look(4.05 * HOUR)
    (told,) = town.steps(What.ESCALATED)
    assert ("quiet" in told, town.digests()) == (False, [])


def test_a_moved_clock_tells_nobody_until_it_has_settled(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    town = Town(database, settle_s=300.0)
    taken(jobs, opened(incidents))
    assert town.look() == 0
    town.at += 24 * HOUR  # nobody's time passed
    assert (town.look(), town.look(4 * MINUTE)) == (0, 0)
    assert town.meter.counted["clock_jumps database"] == 1
    town.at -= 24 * HOUR  # put right
    assert (town.look(MINUTE), town.look(6 * MINUTE), town.entries()) == (0, 0, [])
    town.wall_off = 24 * HOUR  # ours alone: the lamps wait too, and go by the database's then
    assert (town.look(MINUTE), town.look(6 * MINUTE), town.entries()) == (0, 0, [])
    town.at += 24 * HOUR  # and a move that stays
    assert (town.look(), town.look(6 * MINUTE)) == (0, 2)
    assert (len(town.digests()), [row[0] for row in town.entries()]) == (1, ["escalated", "red"])


def test_a_restart_after_a_jump_holds_too(database: AlertDatabase, incidents: IncidentStore, jobs: JobStore) -> None:
    town = Town(database, settle_s=300.0)
    taken(jobs, opened(incidents))
    town.look()
    town.start()
    assert town.look(3.3 * HOUR) == 0  # the last look is long ago
    town.start()
    assert town.look(4 * MINUTE) == 0  # and a restart while it waits waits again
    assert town.look(6 * MINUTE) == 1


@pytest.mark.parametrize(
    "point", ["sweep_before_commit", "sweep_after_commit", "clock_before_commit", "clock_after_commit"]
)
def test_a_crash_anywhere_loses_no_lamp_and_tells_none_twice(
    town: Town, incidents: IncidentStore, jobs: JobStore, point: str
) -> None:
    for number in range(1, 4):
        taken(jobs, opened(incidents, number))
    town.look()

    def die(at: str) -> None:
        if at == point:
            raise KeyboardInterrupt

    with crash.hooked(die), pytest.raises(KeyboardInterrupt):
        town.look(4.1 * HOUR)
    town.start()
    town.look()
    assert [row[0] for row in town.entries()] == ["red"] * 3
    assert len(town.steps(What.ESCALATED)) == 3


@pytest.mark.parametrize(("day", "made"), [("03-29", "03:00"), ("10-25", "02:30")])
def test_a_list_whose_time_is_left_out_or_comes_twice_that_night_is_made_once(
    database: AlertDatabase, day: str, made: str
) -> None:
    """On 29 March 02:00 becomes 03:00, on 25 October 03:00 becomes 02:00; the list is due at 02:30."""
    town = Town(database, limited(calendar=ALWAYS, timezone="Europe/Berlin"), sweep_at_min=150)
    town.at = local(f"{day} 00:00", BERLIN)
    first = None
    for _ in range(9):
        town.look(30 * MINUTE)
        if first is None and town.rows("select 1 from sweep_day"):
            first = town.at
    assert first == local(f"{day} {made}", BERLIN)
    assert town.rows("select day::text from sweep_day") == [(f"2026-{day}",)]
