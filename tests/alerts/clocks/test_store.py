"""Clocks in the database: worked out from the record, once, and again when the pack changes."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from alerts.clocks.store import CityTime
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.hours import Hours
from schemas.record import State, What
from schemas.rules import Duty, WorkCalendar
from tests.alerts.clocks.made_city import ALWAYS, NIGHTS, limit, limited, local
from tests.alerts.clocks.made_desk import HOUR, Town, opened, step
from tests.alerts.makers import together

pytestmark = pytest.mark.servers
CLOCKS = (
    "select stage, round, limit_id, limit_s, ended_at is not null, paused, met from incident_clock order by 1, 2, 3"
)


def test_nothing_recorded_gives_nothing_to_do(database: AlertDatabase) -> None:
    town = Town(database)
    assert (town.clocks.do(town.at), town.rows(CLOCKS)) == (0, [])


def test_a_case_has_its_clocks_a_moment_after_each_step_and_again_changes_nothing(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    town = Town(database)
    incident_id = opened(incidents)
    assert town.clocks.do(town.at) == 1
    assert town.rows(CLOCKS) == [("handle", 1, "l-1", 4 * 3600.0, False, False, None)]
    ((started, yellow, due, version),) = town.rows(
        "select started_at, yellow_at, due_at, rule_version from incident_clock"
    )
    assert (yellow - started, due - started, version) == (3.2 * HOUR, 4 * HOUR, "v1")
    before = town.rows("select ctid, xmin::text from incident_clock")
    assert town.clocks.do(town.at) == 0
    step(database, incident_id, What.EVIDENCE)
    assert town.clocks.do(town.at) == 1
    assert town.rows("select ctid, xmin::text from incident_clock") == before  # not even written again
    job = jobs.of_incident(incident_id)
    assert job is not None
    jobs.take(job.job_id, "甲")
    jobs.done(job.job_id, "甲")
    town.clocks.do(town.at)
    assert town.rows(CLOCKS) == [("handle", 1, "l-1", 4 * 3600.0, True, False, True)]


def test_what_was_thrown_away_is_made_again_as_it_was(database: AlertDatabase, incidents: IncidentStore) -> None:
    town = Town(database)
    incident_id = opened(incidents)
    step(database, incident_id, What.SUSPENDED, State.SUSPENDED)
    step(database, incident_id, What.RESUMED, State.DISPATCHED)
    step(database, incident_id, What.VOID, State.VOID)
    step(database, incident_id, What.REOPENED, State.DISPATCHED)
    town.clocks.do(town.at)
    before = town.rows("select * from incident_clock order by round")
    assert len(before) == 2
    with database.transaction() as conn:
        conn.execute("delete from incident_clock")
        conn.execute("update incident set clocked_seq = 0")
    town.clocks.do(town.at)
    assert town.rows("select * from incident_clock order by round") == before


def test_cases_worked_out_step_by_step_are_as_those_worked_out_at_once(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    town = Town(database)
    incident_id = opened(incidents)
    path = ((What.TAKEN, State.HANDLING), (What.FINISHED, State.CHECKING), (What.REWORK, State.DISPATCHED))
    for what, state in (*path, (What.EXTENDED, State.DISPATCHED), (What.SUSPENDED, State.SUSPENDED)):
        step(database, incident_id, what, state, working_h=1, stage="handle")
        town.clocks.do(town.at)
    stepwise = town.rows("select * from incident_clock order by stage, round")
    assert [(row[1], row[2]) for row in stepwise] == [("handle", 1), ("handle", 2)]
    with database.transaction() as conn:
        conn.execute("delete from incident_clock")
        conn.execute("update incident set clocked_seq = 0")
    town.clocks.do(town.at)
    assert town.rows("select * from incident_clock order by stage, round") == stepwise


def test_a_new_pack_counts_for_what_runs_and_never_for_what_has_ended(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    town = Town(database)
    reworked, waiting = opened(incidents, 1), opened(incidents, 2)
    step(database, reworked, What.FINISHED, State.CHECKING)
    step(database, reworked, What.REWORK, State.DISPATCHED)
    town.look()
    town.city = replace(
        limited(limit("new", amount=1, unit="natural_h"), limit("c", stage="check", unit="natural_h"), calendar=ALWAYS),
        version="v2",
    )
    assert town.clocks.do(town.at) == 2
    ask = "select round, limit_id, rule_version, ended_at is null from incident_clock where incident_id = %s order by 1"
    assert town.rows(ask, reworked) == [(1, "l-1", "v1", False), (2, "new", "v2", True)]
    assert town.rows(ask, waiting) == [(1, "new", "v2", True)]
    assert town.clocks.do(town.at) == 0
    step(database, reworked, What.DONE, State.DONE)  # what had ended is not judged anew by a later step either
    town.clocks.do(town.at)
    assert town.rows(ask, reworked) == [(1, "l-1", "v1", False), (2, "new", "v2", False)]
    town.start()
    assert town.clocks.do(town.at) == 0  # a restart knows that it is done


def test_a_pack_that_limits_nothing_any_more_leaves_no_running_clock(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    town = Town(database)
    opened(incidents)
    town.look()
    town.city = replace(limited(calendar=ALWAYS), version="v2", classes={})
    town.look()
    assert town.rows(CLOCKS) == []


def test_more_cases_than_one_batch_are_all_worked_out_also_under_a_new_pack(database: AlertDatabase) -> None:
    town = Town(database)
    with database.transaction() as conn:
        conn.execute(MANY)
    assert town.clocks.do(town.at) == 250
    town.city = replace(limited(limit("new"), calendar=ALWAYS), version="v2")
    assert town.clocks.do(town.at) == 250
    assert town.rows("select limit_id, count(*) from incident_clock group by 1") == [("new", 250)]


def test_a_case_that_somebody_acts_on_is_left_for_the_next_turn(
    database: AlertDatabase, incidents: IncidentStore, desk_url: str
) -> None:
    town = Town(database)
    incident_id = opened(incidents)
    town.clocks.do(town.at)
    step(database, incident_id, What.EVIDENCE)
    other = AlertDatabase(desk_url)
    with other.transaction() as conn:
        conn.execute("select 1 from incident for no key update")
        assert town.clocks.do(town.at) == 0
    other.close()
    assert town.clocks.do(town.at) == 1


def test_clocks_worked_out_by_several_at_once_are_the_same(
    database: AlertDatabase, incidents: IncidentStore, desk_url: str
) -> None:
    town = Town(database)
    ids = [opened(incidents, number) for number in range(1, 6)]
    towns = [Town(AlertDatabase(desk_url)) for _ in range(3)]

    def work(index: int) -> None:
        for incident_id in ids:
            step(towns[index].database, incident_id, What.ATTACHED)
            towns[index].clocks.do(town.at)
        towns[index].database.close()

    together(3, work)
    town.clocks.do(town.at)
    assert town.rows("select count(*), count(distinct incident_id) as cases from incident_clock") == [(5, 5)]
    assert town.rows("select count(*) from incident where clocked_seq <> chain_seq") == [(0,)]


def test_a_job_waits_until_somebody_takes_it_and_afresh_when_it_is_given_back(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    town = Town(database)
    job = jobs.of_incident(opened(incidents, urgent=True))
    assert job is not None
    town.look()
    ((round_, since, due),) = town.rows("select round, since, due_at from incident_wait")
    assert (round_, due - since) == (1, timedelta(seconds=1800))
    jobs.take(job.job_id, "甲")
    town.look()
    assert town.rows("select * from incident_wait") == []
    jobs.reject(job.job_id, "甲", "车坏了")
    town.look()
    ((again,),) = town.rows("select since from incident_wait")
    assert again > since


@pytest.mark.parametrize(
    ("unit_id", "urgent", "sos", "due"),
    [
        ("u-night", False, False, "09-22 22:30"),  # which comes on duty at 22:00
        ("u-day", False, False, "09-23 08:10"),  # 20 minutes before it goes home, 10 the next morning
        ("u-ended", False, False, "09-23 09:00"),  # of working time: it is never on duty again
        ("u-1", False, False, "09-23 09:00"),  # no roster speaks of it
        ("u-day", True, False, "09-22 22:10"),
        ("u-day", True, True, "09-22 21:42"),
    ],
)
def test_how_long_a_job_may_wait_is_counted_in_its_units_duty_hours(
    unit_id: str, urgent: bool, sos: bool, due: str
) -> None:
    week = frozenset(range(8))
    day, night = (Hours(week, 480, 1320),), (Hours(week, 1320, 1800),)
    whole = limited()
    rosters = (Duty("u-day", day), Duty("u-night", night), Duty("u-ended", day, valid_to=date(2026, 1, 1)))
    whole = replace(whole, rules=replace(whole.rules, duties=rosters))
    time = CityTime(lambda: whole, take_s=1800.0, sos_take_s=120.0)
    assert time.waits_until(local("09-22 21:40"), unit_id, urgent=urgent, sos=sos) == local(due)


def test_a_job_that_was_escalated_is_urgent_and_waits_by_the_clock(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    town = Town(database, limited(limit(), calendar=NIGHTS))
    opened(incidents)
    with database.transaction() as conn:
        conn.execute("update job set urgency = 'urgent'")
    town.look()
    assert town.rows("select due_at - since from incident_wait") == [(timedelta(seconds=1800),)]


def test_a_case_whose_class_the_pack_drops_keeps_the_last_limit_of_that_class(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    whole = limited(calendar=ALWAYS)
    town = Town(database, whole)
    incident_id = opened(incidents)
    step(database, incident_id, What.EXTENDED, working_h=6, stage="handle")
    town.look()
    held = town.rows("select limit_id, limit_s, rule_version, due_at from incident_clock")
    assert held[0][:3] == ("class/06010", 30 * 3600.0, "v1")
    classes = {code: case for code, case in whole.classes.items() if code != "06010"}
    town.city = replace(whole, version="v2", classes=classes)
    town.look()
    assert town.rows("select limit_id, limit_s, rule_version, due_at from incident_clock") == held
    step(database, incident_id, What.EXTENDED, working_h=4, stage="handle")
    town.look()
    assert town.rows("select limit_s, extensions, rule_version from incident_clock") == [(34 * 3600.0, 2, "v1")]
    town.start()
    town.look(35 * HOUR)
    assert town.rows("select kind from sweep_entry where limit_id = 'class/06010'") == [("red",)]
    step(database, incident_id, What.REWORK, State.HANDLING)
    town.look()
    rounds = "select round, limit_s, rule_version, ended_at is null from incident_clock order by 1"
    assert town.rows(rounds) == [(1, 34 * 3600.0, "v1", False), (2, 24 * 3600.0, "v1", True)]
    town.city = replace(whole, version="v3")
    town.look()
    assert town.rows(rounds)[1] == (2, 24 * 3600.0, "v3", True)


def test_a_case_of_a_class_that_was_never_limited_has_no_clock_when_it_is_dropped(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    whole = limited(calendar=ALWAYS)
    town = Town(database, replace(whole, classes={}))
    opened(incidents)
    town.look()
    assert town.rows("select 1 from incident_clock") == []


def test_a_year_that_comes_soon_and_has_no_holidays_in_the_calendar_is_told_once(
    database: AlertDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    town = Town(database, limited(limit()))  # holidays of 2026 only
    for day in (1, 20, 21):
        town.clocks.do(town.at.replace(year=2026, month=12, day=day))
        assert capsys.readouterr().out.count("year=2027") == (day == 20)


def test_limits_that_nobody_can_count_are_told_once_with_their_remedy(
    database: AlertDatabase, incidents: IncidentStore, capsys: pytest.CaptureFixture[str]
) -> None:
    town = Town(database, limited(limit(), calendar=WorkCalendar()))
    opened(incidents)
    town.look()
    town.look()
    assert town.rows(CLOCKS) == []
    told = capsys.readouterr().out
    assert told.count("limit_without_hours") == 1
    assert "give calendar.toml hours" in told


MANY = """
with place as (
    insert into site (cell_id, camera_id, box_px)
    select '512002001001001', 'cam-1', '{0,0,1,1}' from generate_series(1, 250) returning site_id
), made as (
    insert into incident (incident_id, family, site_id, class_code, state, camera_id, track_id, zone, cell_id, unit_id,
        box_px, appeared_at, opened_at, last_seen_at, confidence, rule_version, chain_seq, clocked_seq)
    select gen_random_uuid(), 'waste', site_id, '06010', 'dispatched', 'cam-1', 1, '', '512002001001001', 'u-1',
        '{0,0,1,1}', now(), now(), now(), 1, 'v1', 1, 0 from place returning incident_id
)
insert into incident_event (incident_id, seq, actor, what, state, prev_hash, hash)
select incident_id, 1, 'detector', 'opened', 'dispatched', sha256(''), sha256('') from made
"""
