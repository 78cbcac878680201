"""Places that are quiet for a while: after a void, by a snooze; what is kept meanwhile, and what breaks through."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import curbwatch.database as db
from alerts.desk.actions import Acted, CaseActions, RefusedError
from alerts.desk.lifecycle import Act, Wish
from alerts.desk.listing import Asked, listed
from alerts.incidents.locking import lock
from alerts.incidents.quiet import Quiet, hush
from alerts.incidents.sites import USUAL
from alerts.incidents.store import IncidentStore
from alerts.store import AlertDatabase, id_of
from schemas.incident import Opened
from schemas.record import Actor, State
from schemas.units import M_PER_DEG, utc
from tests.alerts.lives import DAY_S, later, leave, now_s, put, say
from tests.alerts.makers import MONDAY_1059, S, city, sighting

pytestmark = pytest.mark.servers


@pytest.fixture
def conn(desk_url: str) -> Iterator[db.Connection]:
    with db.connect(desk_url, autocommit=True) as found:
        yield found


def quiet_after_void(conn: db.Connection, database: AlertDatabase, told: Opened, quiet: Quiet) -> None:
    put(conn, told, State.VOID)
    with database.transaction() as own:
        hush(own, lock(own, id_of(told.incident_id, "an incident")), quiet, USUAL)


@pytest.mark.parametrize(
    ("urgent", "family", "names_urgent", "opens"),
    [
        (False, "waste", False, False),
        (False, "stall", False, True),  # of stalls nobody spoke
        (True, "waste", False, True),  # what is urgent is never muted unnamed
        (True, "waste", True, False),
    ],
)
def test_a_quiet_place_opens_nothing_of_what_was_named_until_it_ends(
    incidents: IncidentStore,
    database: AlertDatabase,
    conn: db.Connection,
    urgent: bool,
    family: str,
    names_urgent: bool,
    opens: bool,
) -> None:
    told = say(incidents, sighting())
    until = utc(MONDAY_1059 + 3600 * S)
    quiet_after_void(conn, database, told, Quiet(until, "wang", "a market", "waste", urgent=names_urgent))
    again = later(600, family=family, urgent=urgent)
    assert (incidents.refresh(again) is None) == opens
    found = say(incidents, again)
    assert (found.opened, found.quiet) == (opens, not opens)
    before = incidents.show(told.incident_id)
    assert (before.sightings, before.state) == (1, "void")
    assert conn.execute("select count(*) from sighting where quiet").fetchone() == (int(not opens),)
    assert leave(incidents, 700, track_id=8, appeared_ns=again.appeared_ns) == (found.incident_id if opens else None)
    on = replace(again, captured_ns=MONDAY_1059 + 3600 * S)  # it stands on when the quiet is over
    assert say(incidents, on).opened != opens


def test_a_quiet_place_lets_nothing_come_back_either_and_may_be_woken(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection
) -> None:
    told = say(incidents, sighting())
    leave(incidents)
    incidents.hush(told.incident_id, Quiet(utc(MONDAY_1059 + 7200 * S), "wang", "works"))
    assert say(incidents, later(600)).quiet
    assert incidents.show(told.incident_id).state == "gone"
    conn.execute("delete from site_quiet")
    assert say(incidents, later(660)).reopened


def test_what_comes_and_goes_quietly_neither_ends_nor_holds_what_is_open_there(incidents: IncidentStore) -> None:
    told = say(incidents, sighting(family="stall", class_code="09006"))
    incidents.hush(told.incident_id, Quiet(utc(MONDAY_1059 + 7200 * S), "wang", "works"))
    quiet = later(700)
    assert say(incidents, quiet).quiet
    assert leave(incidents, 760, track_id=8, appeared_ns=quiet.appeared_ns) is None
    assert incidents.show(told.incident_id).state == "dispatched"
    assert say(incidents, later(770, track_id=9)).quiet
    assert leave(incidents, 780) == told.incident_id


def test_the_very_thing_that_a_person_voided_stays_void_however_long_it_stands(
    incidents: IncidentStore, conn: db.Connection
) -> None:
    told = say(incidents, sighting())
    put(conn, told, State.VOID)
    found = incidents.refresh(sighting(DAY_S))
    assert found is not None
    assert (found.incident_id, incidents.show(told.incident_id).state) == (told.incident_id, "void")


@pytest.mark.parametrize("breaks", ["nothing", "urgent", "later"])
def test_what_a_person_voided_is_quiet_at_its_place_for_an_hour_also_under_a_new_track(
    incidents: IncidentStore, database: AlertDatabase, breaks: str
) -> None:
    base_s = now_s()
    told = say(incidents, later(base_s))
    wish = Wish(Act.VOID, reason="false_alarm")
    CaseActions(database, city, quiet_s=3600).act(told.incident_id, wish, Actor("wang", "dispatcher"))
    at_s = base_s + (3700 if breaks == "later" else 600)
    again = say(incidents, later(at_s, track_id=9, urgent=breaks == "urgent"))
    assert (again.opened, again.quiet) == (breaks != "nothing", breaks == "nothing")


def test_a_snooze_that_names_what_is_urgent_mutes_that_too(incidents: IncidentStore, database: AlertDatabase) -> None:
    told = say(incidents, later(now_s()))
    leave(incidents, now_s() + 60, track_id=8, appeared_ns=told.sighting.appeared_ns)
    for number, urgent in enumerate((None, True)):
        wish = Wish(Act.SNOOZE, text="市场", until=datetime.now(UTC) + timedelta(hours=2), urgent=urgent)
        CaseActions(database, city).act(told.incident_id, wish, Actor("wang", "dispatcher"))
        again = say(incidents, later(now_s() + 600, track_id=20 + number, urgent=True))
        assert again.quiet == bool(urgent)
        leave(incidents, now_s() + 660, track_id=20 + number, appeared_ns=again.sighting.appeared_ns)


def test_each_family_of_a_place_and_what_is_urgent_there_is_quiet_for_itself(
    incidents: IncidentStore, conn: db.Connection
) -> None:
    base_s = now_s()
    stall = say(incidents, later(base_s, family="stall", class_code="09006", direct=False))
    hours = utc(MONDAY_1059 + int((base_s + 7200) * S)), utc(MONDAY_1059 + int((base_s + 72_000) * S))
    incidents.hush(stall.incident_id, Quiet(hours[1], "wang", "works", "stall"))
    incidents.hush(stall.incident_id, Quiet(hours[0], "chen", "a false alarm", "waste", urgent=True))

    def muted(hour: float, **what: object) -> bool:
        at_s = base_s + hour * 3600
        return say(incidents, later(at_s, track_id=int(hour * 100) + len(str(what)), **what)).quiet

    truck: dict[str, object] = {"family": "truck", "class_code": "08011"}
    assert muted(1, urgent=True), "waste, as it was said"
    assert not muted(1.1, **truck), "of trucks nobody spoke"
    assert not muted(3, urgent=True), "no longer than it was said, whatever was said of stalls"
    assert conn.execute("select family, urgent, by, reason from site_quiet order by 1").fetchall() == [
        ("stall", False, "wang", "works"),
        ("waste", True, "chen", "a false alarm"),
    ]


def word(incidents: IncidentStore, database: AlertDatabase, told: Opened, act: Act, **said: object) -> Acted:
    """What Wang says of a case."""
    return CaseActions(database, city).act(told.incident_id, Wish(act, **said), Actor("wang", "dispatcher"))  # type: ignore[arg-type]


def test_a_later_word_about_a_place_takes_the_place_of_an_earlier_one_also_where_it_is_shorter(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection
) -> None:
    base_s, now = now_s(), datetime.now(UTC)
    told = say(incidents, later(base_s))
    for hours, text in ((29 * 24, "works"), (1, "that was a mistake")):
        word(incidents, database, told, Act.SNOOZE, text=text, until=now + timedelta(hours=hours))
    assert conn.execute("select reason from site_quiet").fetchall() == [("that was a mistake",)]
    leave(incidents, base_s + 60, track_id=8, appeared_ns=told.sighting.appeared_ns)
    assert say(incidents, later(base_s + 600, track_id=9)).quiet
    assert say(incidents, later(base_s + 3700, track_id=10)).opened


def test_to_void_what_is_snoozed_does_not_shorten_that(incidents: IncidentStore, database: AlertDatabase) -> None:
    base_s, now = now_s(), datetime.now(UTC)
    told = say(incidents, later(base_s))
    word(incidents, database, told, Act.SNOOZE, text="works", until=now + timedelta(days=2))
    word(incidents, database, told, Act.VOID, reason="false_alarm")
    assert say(incidents, later(base_s + DAY_S, track_id=9)).quiet


def test_a_person_who_reopens_what_was_voided_hears_of_it_again(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection
) -> None:
    base_s = now_s()
    told = say(incidents, later(base_s))
    word(incidents, database, told, Act.SNOOZE, text="works", until=datetime.now(UTC) + timedelta(days=2))
    conn.execute("update site_quiet set until = now() - interval '80 days', urgent = true")
    word(incidents, database, told, Act.VOID, reason="false_alarm")
    word(incidents, database, told, Act.REOPEN, text="it is real")
    assert conn.execute("select count(*) from site_quiet").fetchone() == (0,)
    leave(incidents, base_s + 60, track_id=8, appeared_ns=told.sighting.appeared_ns)
    again = say(incidents, later(base_s + 300, track_id=9))
    assert (again.incident_id, again.reopened, again.quiet) == (told.incident_id, True, False)
    woken = [event.detail["woken"] for event in incidents.events(told.incident_id) if event.detail.get("woken")]
    assert woken == [1], "a word that was over long ago is none"


def test_a_place_may_be_woken_and_is_not_woken_twice(incidents: IncidentStore, database: AlertDatabase) -> None:
    base_s, now = now_s(), datetime.now(UTC)
    told = say(incidents, later(base_s))
    leave(incidents, base_s + 60, track_id=8, appeared_ns=told.sighting.appeared_ns)
    word(incidents, database, told, Act.SNOOZE, text="works", until=now + timedelta(days=2))
    word(incidents, database, told, Act.SNOOZE, text="works", until=now + timedelta(days=2), urgent=True)
    assert say(incidents, later(base_s + 600, track_id=9)).quiet
    woken = word(incidents, database, told, Act.WAKE)
    assert (woken.what, woken.detail["words"]) == ("woken", 2)
    assert not say(incidents, later(base_s + 660, track_id=10)).quiet
    with pytest.raises(RefusedError) as refused:
        word(incidents, database, told, Act.WAKE)
    assert "not quiet" in refused.value.line("en")


def quiet_of(database: AlertDatabase) -> set[str]:
    """The incidents that the list marks as quiet, and none of the others may be woken."""
    found = listed(database, Asked())
    for one in found:
        if not one.quiet:
            with pytest.raises(RefusedError):
                CaseActions(database, city).act(one.row.incident_id, Wish(Act.WAKE), Actor("wang", "dispatcher"))
    return {one.row.incident_id for one in found if one.quiet}


def test_the_list_marks_as_quiet_what_may_be_woken_and_nothing_else(
    incidents: IncidentStore, database: AlertDatabase, conn: db.Connection
) -> None:
    assert quiet_of(database) == set()
    base_s, now = now_s(), datetime.now(UTC)

    def seen(metres: float, at_s: float, track_id: int, **changes: object) -> Opened:
        point = (104.64, 30.12 + metres / M_PER_DEG)
        return say(incidents, later(at_s, track_id=track_id, point=point, **changes))

    old = seen(2.5, base_s - 10 * DAY_S, 1)
    leave(incidents, base_s - 10 * DAY_S + 60, track_id=1, appeared_ns=old.sighting.appeared_ns)
    voided = seen(0, base_s, 2)
    word(incidents, database, voided, Act.VOID, reason="false_alarm")
    beside = seen(5, base_s + 10, 3)
    assert beside.opened
    sites = conn.execute("select count(*) from site").fetchone()
    assert sites == (1,), "one place, and beyond the reach of the word"
    # Within reach of the word stood what ended long ago as well.
    assert quiet_of(database) == {voided.incident_id, old.incident_id}
    here, there = (seen(metres, base_s, track) for metres, track in ((200, 4), (400, 5)))
    other = seen(200, base_s, 6, family="stall", class_code="09006")
    word(incidents, database, here, Act.MERGE, into=there.incident_id)
    word(incidents, database, there, Act.SNOOZE, text="works", until=now + timedelta(days=2))
    joined = {here.incident_id, there.incident_id}
    assert quiet_of(database) == {voided.incident_id, old.incident_id} | joined
    assert other.incident_id not in joined
    conn.execute("update site_quiet set until = now() - interval '1 s'")
    assert quiet_of(database) == set()


def test_the_list_marks_boxes_in_the_picture_of_one_camera(incidents: IncidentStore, database: AlertDatabase) -> None:
    base_s = now_s()
    told = say(incidents, later(base_s))
    word(incidents, database, told, Act.VOID, reason="false_alarm")
    say(incidents, later(base_s, track_id=9, camera_id="cam-2"))
    assert quiet_of(database) == {told.incident_id}
