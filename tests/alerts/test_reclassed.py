"""A case that is called otherwise: what stays with it, and what goes to others."""

from dataclasses import replace

import pytest

from alerts.desk.actions import CaseActions
from alerts.desk.lifecycle import Act, Wish
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from schemas.city import City, Unit
from schemas.rules import Responsibility
from tests.alerts.deskwork import LEI, WANG, opened, taken, whats
from tests.alerts.lives import finish, later, leave, say, steps
from tests.alerts.makers import city, picture, sighting

pytestmark = pytest.mark.servers


@pytest.fixture
def desk(database: AlertDatabase) -> CaseActions:
    return CaseActions(database, city)


@pytest.mark.parametrize("way", ["dropped", "reclassed", "merged", "seen better"])
def test_a_grave_case_is_voided_by_two_whatever_it_is_called_by_now(
    database: AlertDatabase, incidents: IncidentStore, way: str
) -> None:
    plain = city()
    grave = city(classes=plain.classes | {"09005": replace(plain.classes["09005"], grave=True)})
    before, after = CaseActions(database, lambda: grave), CaseActions(database, lambda: plain)
    incident_id = opened(incidents, class_code="09005", grave=True)
    if way == "reclassed":
        before.act(incident_id, Wish(Act.DOWNGRADE, reason="wrong_class", class_code="09006"), LEI)
    elif way == "merged":
        into = opened(incidents, track_id=8, camera_id="cam-2")
        before.act(incident_id, Wish(Act.MERGE, into=into), LEI)
        incident_id = into
    elif way == "seen better":
        again = sighting(10, family="stall", class_code="09006", direct=False, confidence=0.95)
        incidents.refresh(again)
        assert incidents.show(incident_id).class_code == "09006"
    asked = after.act(incident_id, Wish(Act.VOID, reason="permitted"), LEI)
    assert (asked.what, asked.row.state) == ("void_asked", "verify")
    assert after.act(incident_id, Wish(Act.VOID), LEI).again, "one person asks once, and does not end it"
    assert after.act(incident_id, Wish(Act.VOID), WANG).row.state == "void"


def test_what_became_grave_by_its_new_class_stays_so(database: AlertDatabase, incidents: IncidentStore) -> None:
    plain = city()
    grave = city(classes=plain.classes | {"09005": replace(plain.classes["09005"], grave=True)})
    incident_id = opened(incidents)
    wish = Wish(Act.DOWNGRADE, reason="wrong_class", class_code="09005")
    CaseActions(database, lambda: grave).act(incident_id, wish, LEI)
    assert CaseActions(database, lambda: plain).act(incident_id, Wish(Act.VOID, reason="permitted"), LEI).seq == 3
    assert whats(incidents, incident_id)[-1] == "void_asked"


def test_what_was_handled_before_it_was_merged_is_voided_by_two(
    desk: CaseActions, incidents: IncidentStore, jobs: JobStore
) -> None:
    one, into = opened(incidents, check="person"), opened(incidents, track_id=8, camera_id="cam-2")
    for each in (one, into):
        desk.act(each, Wish(Act.CONFIRM), LEI)
    jobs.done(taken(jobs, one), "crew-1")
    desk.act(one, Wish(Act.REWORK, text="还有一半"), WANG)
    desk.act(one, Wish(Act.MERGE, into=into), LEI)
    assert incidents.events(into)[-1].detail == {"from": one, "handled": True}
    assert desk.act(into, Wish(Act.VOID, reason="duplicate"), LEI).what == "void_asked"


@pytest.mark.parametrize(
    ("why", "held", "unit"),
    [("", "", "u-3"), ("nearest", "", "u-3"), ("reassigned", "", "u-2"), ("nearest", "crew-1", "u-2")],
)
def test_a_case_of_another_class_goes_to_who_answers_for_that_class(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore, why: str, held: str, unit: str
) -> None:
    desk = CaseActions(database, spills)
    incident_id = opened(incidents, family="waste", class_code="06010", unit_id="u-2")
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    with database.transaction() as conn:
        conn.execute("update job set why = %s", (why,))
        conn.execute("update outbox set relay_seq = outbox_id")
    if held:
        taken(jobs, incident_id, held)
    desk.act(incident_id, Wish(Act.DOWNGRADE, reason="wrong_class", class_code="06014"), LEI)
    job = jobs.of_incident(incident_id)
    assert job is not None
    assert (job.incident.unit_id, job.unit_id, job.holder) == ("u-3", unit, held)
    assert incidents.events(incident_id)[-1].detail["to_unit"] == "u-3"
    assert jobs.assign() == (unit == "u-3"), "it is drawn from its new queue"


def test_a_case_that_gets_urgent_with_its_new_class_hurries_also_where_its_job_stays_at_the_unit_it_was_given_to(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    desk = CaseActions(database, spills)
    incident_id = opened(incidents, family="waste", class_code="06010", unit_id="u-2")
    desk.act(incident_id, Wish(Act.CONFIRM), LEI)
    desk.act(incident_id, Wish(Act.DOWNGRADE, reason="minor", urgent=False), LEI)
    with database.transaction() as conn:
        conn.execute("update job set why = 'reassigned'")
        conn.execute("update outbox set relay_seq = outbox_id")
    desk.act(incident_id, Wish(Act.DOWNGRADE, reason="wrong_class", class_code="06014", urgent=True), LEI)
    job = jobs.of_incident(incident_id)
    assert job is not None
    assert (job.urgency, job.unit_id, job.incident.unit_id) == ("urgent", "u-2", "u-3")
    assert jobs.assign() == 1, "it is drawn from the stream of what is urgent"


def test_a_case_stays_with_its_unit_where_nobody_is_named_for_its_new_class_or_the_camera_has_one(
    database: AlertDatabase, incidents: IncidentStore
) -> None:
    wish = Wish(Act.DOWNGRADE, reason="wrong_class", class_code="06014")
    nobody = opened(incidents, family="waste", class_code="06010", unit_id="u-2", cell_id="")
    bare = replace(spills(), rules=city().rules)
    assert CaseActions(database, lambda: bare).act(nobody, wish, LEI).row.unit_id == "u-2"
    with database.transaction() as conn:
        conn.execute("insert into device (device_id, kind, unit_id, source) values ('cam-2', 'camera', 'u-1', 'pack')")
    own = opened(incidents, family="waste", class_code="06010", unit_id="u-1", camera_id="cam-2")
    assert CaseActions(database, spills).act(own, wish, LEI).row.unit_id == "u-1"
    assert "to_unit" not in incidents.events(own)[-1].detail


def test_a_later_look_that_calls_it_otherwise_sends_its_waiting_job_to_another_unit(
    incidents: IncidentStore, jobs: JobStore
) -> None:
    told = incidents.open_or_refresh(sighting(unit_id="u-2"), None, picture())
    incidents.refresh(sighting(10, class_code="06014", unit_id="u-3", confidence=0.9))
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    assert (job.unit_id, job.incident.unit_id, job.why) == ("u-3", "u-3", "")
    assert incidents.events(told.incident_id)[-1].detail["to_unit"] == "u-3"


def test_each_step_that_asked_the_rules_says_which(database: AlertDatabase, incidents: IncidentStore) -> None:
    told = incidents.open_or_refresh(sighting(), None, picture())
    incidents.refresh(sighting(10, class_code="06014", confidence=0.9, rule_version="v2"))
    leave(incidents)
    say(incidents, later(200, direct=True, rule_version="v3"))
    assert incidents.show(told.incident_id).rule_version == "v3"
    newest = replace(spills(), version="v4")
    wish = Wish(Act.DOWNGRADE, reason="wrong_class", class_code="06010")
    CaseActions(database, lambda: newest).act(told.incident_id, wish, LEI)
    rules = [event.detail.get("rule") for event in incidents.events(told.incident_id)]
    assert [rule for rule in rules if rule] == ["v1", "v2", "v3", "v4"]


def test_what_left_before_it_got_a_class_that_cameras_check_is_done(
    database: AlertDatabase, incidents: IncidentStore, jobs: JobStore
) -> None:
    whole = spills()
    seen = replace(whole, classes=whole.classes | {"06014": replace(whole.classes["06014"], check="camera")})
    told = say(incidents, sighting(check="person"))
    finish(incidents, jobs, told)
    leave(incidents)
    assert incidents.show(told.incident_id).state == "checking"
    wish = Wish(Act.DOWNGRADE, reason="wrong_class", class_code="06014")
    got = CaseActions(database, lambda: seen).act(told.incident_id, wish, LEI)
    assert (got.row.state, got.row.outcome, steps(incidents, told)[-1]) == ("done", "handled", "done")


def spills() -> City:
    """The city, where a unit of its own answers for spills on the road."""
    whole = city()
    spill = replace(whole.classes["06010"], code="06014", urgent=False)
    theirs = Responsibility("u-3", classes=frozenset({"06014"}))
    return replace(
        whole,
        classes=whole.classes | {"06014": spill},
        units=whole.units | {"u-3": Unit("u-3", "市政", "Roads")},
        rules=replace(whole.rules, responsibilities=(theirs,)),
    )
