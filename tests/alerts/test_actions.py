"""What people do with cases on the database: once, by one of two, with everything that hangs on it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.desk.actions import Acted, CaseActions, ChangedError, Given, RefusedError
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.record.audit import verify
from alerts.record.seals import Sealer
from alerts.store import AlertDatabase
from schemas.errors import UsageError
from schemas.record import Actor, State, What
from tests.alerts.deskwork import LEI, WANG, opened, refused, taken, whats
from tests.alerts.makers import city, picture, sighting, together

pytestmark = pytest.mark.servers
NOBODY = "00000000-0000-0000-0000-000000000001"
SOON = datetime.now(UTC) + timedelta(hours=2)


@pytest.fixture
def desk(database: AlertDatabase) -> CaseActions:
    return CaseActions(database, city)


def job_state(jobs: JobStore, incident_id: str) -> tuple[str, str]:
    job = jobs.of_incident(incident_id)
    assert job is not None
    return job.state, job.holder


def test_nothing_can_be_done_with_what_is_not_there(desk: CaseActions) -> None:
    with pytest.raises(UsageError, match="no incident"):
        desk.act(NOBODY, Wish(Act.CONFIRM), LEI)
    with pytest.raises(UsageError, match="not the id"):
        desk.act("x'; drop table incident; --", Wish(Act.CONFIRM), LEI)


def test_a_confirmed_lead_gets_its_number_and_its_job(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    got = desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    assert (got.row.state, got.row.decided_by, got.what, got.again) == ("dispatched", "李雷", "confirmed", False)
    assert got.row.case_no.startswith("512002")
    assert len(got.row.case_no) == 20
    assert job_state(jobs, incident_id) == ("queued", "")
    assert incidents.events(incident_id)[-1].detail == {"urgent": False, "case_no": got.row.case_no}


def test_a_case_outside_every_cell_has_a_number_of_the_city(desk: CaseActions, incidents: IncidentStore) -> None:
    incident_id = opened(incidents, cell_id="")
    assert desk.act(incident_id, Wish(Act.CONFIRM), LEI).row.case_no.startswith("512002")


def test_clicked_twice_is_once_also_where_a_crew_took_the_job_meanwhile(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    first = desk.act(incident_id, Wish(Act.CONFIRM), LEI, Given(version=1))
    taken(jobs, incident_id)
    again = desk.act(incident_id, Wish(Act.CONFIRM), LEI, Given(version=1))
    assert (again.seq, again.again, again.row.state) == (first.seq, True, "handling")
    assert whats(incidents, incident_id) == ["opened", "confirmed", "taken"]


def test_the_same_key_again_answers_the_same_and_is_good_for_nothing_else(
    desk: CaseActions, incidents: IncidentStore
) -> None:
    one, other = opened(incidents), opened(incidents, track_id=8, camera_id="cam-2")
    wish, given = Wish(Act.NOTE, text="去看看"), Given(key="k-1")
    first = desk.act(one, wish, LEI, given)
    again = desk.act(one, wish, LEI, given)
    assert (first.again, again.again, again.seq) == (False, True, first.seq)
    assert whats(incidents, one) == ["opened", "noted"]
    for incident_id, asked, actor in ((other, wish, LEI), (one, Wish(Act.FILE), LEI), (one, wish, WANG)):
        with pytest.raises(UsageError, match="was used for note"):
            desk.act(incident_id, asked, actor, given)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (Wish(Act.EXTEND, text="等", working_h=2), Wish(Act.EXTEND, text="等", working_h=9)),
        (Wish(Act.NOTE, text="有证"), Wish(Act.NOTE, text="无证")),
        (Wish(Act.DOWNGRADE, "minor", urgent=True), Wish(Act.DOWNGRADE, "minor", urgent=False)),
        (
            Wish(Act.SNOOZE, text="施工", until=SOON, until_said="2h"),
            Wish(Act.SNOOZE, text="施工", until=SOON, until_said="3h"),
        ),
    ],
)
def test_the_same_key_with_other_content_is_refused(
    desk: CaseActions, incidents: IncidentStore, first: Wish, other: Wish
) -> None:
    incident_id, given = opened(incidents), Given(key="k-1")
    step = desk.act(incident_id, first, LEI, given)
    later = first.until and first.until + timedelta(seconds=7)  # "2h" some seconds later is the same word
    again = desk.act(incident_id, replace(first, until=later, text=f"{first.text} "), LEI, given)
    assert (again.again, again.seq) == (True, step.seq)
    with pytest.raises(UsageError, match=f"--key k-1: was used for {first.act} of this case with other content"):
        desk.act(incident_id, other, LEI, given)
    assert len(whats(incidents, incident_id)) == 2


def test_a_key_from_before_its_content_was_kept_answers_as_ever(
    desk: CaseActions, incidents: IncidentStore, database: AlertDatabase
) -> None:
    incident_id = opened(incidents)
    with database.transaction() as conn:
        conn.execute(
            "insert into action_key (key, incident_id, action, actor, seq) values ('k-0', %s, 'note', '李雷', 1)",
            (incident_id,),
        )
    assert desk.act(incident_id, Wish(Act.NOTE, text="有证"), LEI, Given(key="k-0")).again


def test_who_decides_on_an_old_picture_is_told_what_changed(desk: CaseActions, incidents: IncidentStore) -> None:
    incident_id = opened(incidents)
    desk.act(incident_id, Wish(Act.NOTE, text="有证"), WANG)
    with pytest.raises(ChangedError, match="since version 1: 2 王芳 noted") as caught:
        desk.act(incident_id, Wish(Act.CONFIRM), LEI, Given(version=1))
    assert caught.value.exit_code == 1
    assert desk.act(incident_id, Wish(Act.CONFIRM), LEI, Given(version=2)).row.state == "dispatched"


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(
    desk: CaseActions, incidents: IncidentStore, desk_url: str
) -> None:
    incident_id = opened(incidents)
    told: dict[int, Acted | RefusedError] = {}
    wishes = (Wish(Act.CONFIRM), Wish(Act.VOID, reason="permitted"))
    desks = [CaseActions(AlertDatabase(desk_url), city) for _ in range(6)]

    def act(index: int) -> None:
        try:
            told[index] = desks[index].act(incident_id, wishes[index % 2], Actor(f"p-{index}", "dispatcher"))
        except RefusedError as error:
            told[index] = error

    together(6, act)
    for one in desks:
        one._database.close()
    won = [index for index, got in told.items() if isinstance(got, Acted)]
    lost = [got for got in told.values() if isinstance(got, RefusedError)]
    # A confirmed case may still be voided, by one of those who wanted it void; never more than that.
    assert 1 <= len(won) <= 2
    assert all(error.exit_code == 1 and error.last is not None for error in lost)
    assert len([what for what in whats(incidents, incident_id) if what != "opened"]) == len(won)


def test_a_void_calls_the_crew_back_and_is_counted(desk: CaseActions, incidents: IncidentStore, jobs: JobStore) -> None:
    incident_id = opened(incidents)
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    job_id = taken(jobs, incident_id)
    got = desk.act(incident_id, Wish(Act.VOID, reason="permitted", text="有证"), WANG)
    assert (got.row.state, got.row.outcome, got.row.closed_at is not None) == ("void", "void", True)
    assert job_state(jobs, incident_id) == ("withdrawn", "")
    assert incidents.events(incident_id)[-1].detail == {"reason": "permitted", "note": "有证", "holder": "crew-1"}
    with pytest.raises(UsageError, match="not held"):
        jobs.done(job_id, "crew-1")
    since = datetime.now(UTC) - timedelta(hours=1)
    assert desk.voids(since) == [{"actor": "王芳", "role": "dispatcher", "reason": "permitted", "count": 1, "asked": 0}]
    assert refused(desk, incident_id, Wish(Act.CONFIRM)) == "ended"


def test_a_handled_case_is_voided_by_two(desk: CaseActions, incidents: IncidentStore, jobs: JobStore) -> None:
    incident_id = opened(incidents, check="person")
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    jobs.done(taken(jobs, incident_id), "crew-1")
    asked = desk.act(incident_id, Wish(Act.VOID, reason="duplicate"), LEI)
    assert (asked.what, asked.row.state) == ("void_asked", "checking")
    for click in (Wish(Act.VOID, reason="duplicate"), Wish(Act.VOID)):
        again = desk.act(incident_id, click, LEI, Given(version=1))
        assert (again.again, again.seq, again.what, again.row.state) == (True, asked.seq, "void_asked", "checking")
    assert whats(incidents, incident_id).count("void_asked") == 1
    assert refused(desk, incident_id, Wish(Act.VOID, text="真的")) == "second", "that says more"
    assert desk.act(incident_id, Wish(Act.VOID), WANG).row.state == "void"


def test_what_is_checked_is_done_or_goes_back_under_the_same_job(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents, check="person")
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    job_id = taken(jobs, incident_id)
    jobs.done(job_id, "crew-1")
    assert refused(desk, incident_id, Wish(Act.CLOSE), Actor("crew-1", "dispatcher")) == "own_work"
    back = desk.act(incident_id, Wish(Act.REWORK, text="还有一半"), WANG)
    assert (back.row.state, back.row.reworks) == ("dispatched", 1)
    assert taken(jobs, incident_id) == job_id
    jobs.done(job_id, "crew-1")
    closed = desk.act(incident_id, Wish(Act.CLOSE), WANG)
    assert (closed.row.state, closed.row.outcome) == ("done", "handled")
    assert desk.act(incident_id, Wish(Act.CLOSE), WANG).again
    assert refused(desk, incident_id, Wish(Act.CLOSE)) == "ended"


def test_who_did_the_work_gets_it_back_also_where_they_are_not_responsible_there(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore, database: AlertDatabase
) -> None:
    incident_id = opened(incidents, check="person")
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    with database.transaction() as conn:
        conn.execute("update job set unit_id = 'u-2', why = 'reassigned'")
    jobs.done(taken(jobs, incident_id), "crew-1")
    desk.act(incident_id, Wish(Act.REWORK, text="还有一半"), WANG)
    job = jobs.of_incident(incident_id)
    assert job is not None
    assert (job.unit_id, job.state, job.holder) == ("u-2", "queued", "")


def test_a_suspended_case_has_no_job_out_and_gets_it_back(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    job_id = taken(jobs, incident_id)
    desk.act(incident_id, Wish(Act.SUSPEND, text="等拆迁"), LEI)
    assert job_state(jobs, incident_id) == ("withdrawn", "")
    assert desk.act(incident_id, Wish(Act.RESUME), LEI).row.state == "dispatched"
    assert taken(jobs, incident_id, "crew-2") == job_id


def test_more_time_is_given_once_a_round(desk: CaseActions, incidents: IncidentStore) -> None:
    incident_id = opened(incidents)
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    wish = Wish(Act.EXTEND, working_h=4, text="路上封闭")
    desk.act(incident_id, wish, LEI)
    assert refused(desk, incident_id, wish) == "extended"
    desk.act(incident_id, wish, Actor("赵敏", "supervisor"))
    detail = {"stage": "handle", "working_h": 4, "reason": "路上封闭"}
    assert [event.detail for event in incidents.events(incident_id) if event.what == What.EXTENDED] == [detail, detail]


def test_a_downgrade_changes_class_and_urgency_of_case_and_job(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    desk.act(incident_id, Wish(Act.CONFIRM, urgent=True), LEI)
    wish = Wish(Act.DOWNGRADE, reason="wrong_class", class_code="09005", urgent=False)
    got = desk.act(incident_id, wish, LEI)
    job = jobs.of_incident(incident_id)
    assert job is not None
    assert (got.row.class_code, got.row.urgent, job.urgency, job.state) == ("09005", False, "normal", "queued")
    assert refused(desk, incident_id, Wish(Act.DOWNGRADE, reason="minor", class_code="06010")) == "family"
    with pytest.raises(UsageError, match="no class '99999'"):
        desk.act(incident_id, Wish(Act.DOWNGRADE, reason="minor", class_code="99999"), LEI)


def test_two_that_are_one_thing_become_one_and_both_say_so(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    one, into = opened(incidents), opened(incidents, track_id=8, camera_id="cam-2")
    for each in (one, into):
        desk.act(each, Wish(Act.CONFIRM), LEI)
    got = desk.act(one, Wish(Act.MERGE, into=into), LEI)
    assert (got.row.state, got.row.outcome, job_state(jobs, one)[0]) == ("merged", "merged", "withdrawn")
    assert incidents.events(into)[-1].detail == {"from": one}
    with pytest.raises(UsageError, match="merged"):
        desk.act(into, Wish(Act.MERGE, into=one), LEI)
    with pytest.raises(UsageError, match="two that there are"):
        desk.act(into, Wish(Act.MERGE, into=into), LEI)


def test_two_merges_crosswise_wait_for_one_another(incidents: IncidentStore, desk_url: str) -> None:
    ids = [opened(incidents), opened(incidents, track_id=8, camera_id="cam-2")]
    got: list[object] = []

    def merge(index: int) -> None:
        database = AlertDatabase(desk_url)
        try:
            got.append(CaseActions(database, city).act(ids[index], Wish(Act.MERGE, into=ids[1 - index]), LEI))
        except UsageError as error:
            got.append(error)
        database.close()

    together(2, merge)
    assert sorted(isinstance(one, UsageError) for one in got) == [False, True]


def test_what_was_dealt_with_on_the_spot_shows_both_pictures(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    inspector = Actor("赵敏", "inspector")
    assert refused(desk, incident_id, Wish(Act.SELF_HANDLE), inspector) == "pictures"
    after = picture("after")
    got = desk.act(incident_id, Wish(Act.SELF_HANDLE, text="劝离"), inspector, Given(after=after))
    assert (got.row.state, got.row.outcome, got.row.after_sha256) == ("done", "self_handled", after.sha256)
    detail = incidents.events(incident_id)[-1].detail
    assert {"before", "before_digest", "after", "after_digest", "note", "case_no"} == set(detail)
    assert got.row.case_no == detail["case_no"] != ""
    assert detail["after_digest"] != after.sha256
    assert jobs.of_incident(incident_id) is None


def test_an_ended_case_opens_again_unless_another_one_stands_there(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    incident_id = opened(incidents)
    desk.act(incident_id, Wish(Act.VOID, reason="permitted"), LEI)
    got = desk.act(incident_id, Wish(Act.REOPEN, text="证已过期"), WANG)
    assert (got.row.state, got.row.reopenings, got.row.closed_at, got.row.outcome) == ("verify", 1, None, "")
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    jobs.done(taken(jobs, incident_id), "crew-1")
    again = desk.act(incident_id, Wish(Act.REOPEN, text="又来了"), WANG)
    assert (again.row.state, again.row.reworks, job_state(jobs, incident_id)[0]) == ("dispatched", 1, "queued")
    desk.act(incident_id, Wish(Act.VOID, reason="permitted"), LEI)
    desk.act(incident_id, Wish(Act.VOID), WANG)
    other = opened(incidents, track_id=9, urgent=True, appeared_ns=sighting().captured_ns + 7200 * 10**9, captured_ns=sighting().captured_ns + 7300 * 10**9)  # fmt: skip  # noqa: E501
    assert other != incident_id
    with pytest.raises(UsageError, match=f"{other} is open at this place"):
        desk.act(incident_id, Wish(Act.REOPEN, text="x"), WANG)


def test_a_quiet_place_opens_nothing_until_its_end(
    desk: CaseActions, incidents: IncidentStore, database: AlertDatabase
) -> None:
    incident_id = opened(incidents)
    until = datetime.now(UTC) + timedelta(hours=1)
    got = desk.act(incident_id, Wish(Act.SNOOZE, until=until, text="施工"), LEI)
    assert got.row.state == "verify"
    with database.transaction() as conn:
        row = conn.execute("select until, by, reason from site_quiet").fetchone()
    assert row == {"until": until, "by": "李雷", "reason": "施工"}


def test_a_hold_is_in_the_record_and_ends(desk: CaseActions, incidents: IncidentStore) -> None:
    incident_id = opened(incidents)
    assert refused(desk, incident_id, Wish(Act.RELEASE, text="x")) == "not_held"
    desk.act(incident_id, Wish(Act.HOLD, text="复议"), LEI)
    desk.act(incident_id, Wish(Act.RELEASE, text="复议结束"), LEI)
    assert whats(incidents, incident_id) == ["opened", "held", "released"]


def test_auxiliary_staff_are_told_what_they_may(desk: CaseActions, incidents: IncidentStore) -> None:
    incident_id = opened(incidents)
    helper = Actor("小张", "auxiliary")
    with pytest.raises(RefusedError, match="小张 is auxiliary staff, who advise and collect"):
        desk.act(incident_id, Wish(Act.CONFIRM), helper)
    assert desk.act(incident_id, Wish(Act.NOTE, text="已劝导"), helper).row.state == State.VERIFY
    with pytest.raises(UsageError, match="printable"):
        desk.act(incident_id, Wish(Act.NOTE, text="\0"), helper)


def test_the_record_of_all_this_verifies(desk: CaseActions, incidents: IncidentStore, database: AlertDatabase) -> None:
    incident_id = opened(incidents)
    desk.act(incident_id, Wish(Act.CONFIRM), WANG)
    desk.act(incident_id, Wish(Act.EXTEND, working_h=0.1, text="重\n要"), WANG)
    Sealer(database).seal(datetime.now(UTC))
    audit = verify(database)
    assert (audit.findings, audit.rows, audit.unsealed) == ([], 3, 0)
