"""Periods in the database: closed once, and the same ever after, whatever happens to cases, packs and clocks."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from msgspec import structs

from alerts.kpi.facts import Told
from alerts.kpi.period import Period
from alerts.kpi.report import as_json, report_of
from alerts.kpi.store import Known, KpiStore
from alerts.store import AlertDatabase
from config.kpi import load_formulas
from schemas.city import City
from schemas.errors import SinkError, UsageError
from schemas.kpi import COUNTING
from schemas.rules import CityRules, TimeLimit
from tests.alerts.kpi.fill import enter, id_of, insert, write
from tests.alerts.kpi.may import CASES, LIMITED, MAY, all_facts, clocks_by, moment, steps_of

pytestmark = pytest.mark.servers

NUMBERS = ("rate_per_min", "messages", "gaps", "duplicates", "shed", "rejected", "given_up", "boots")
JUNE_2 = datetime(2026, 6, 2, tzinfo=UTC)
# An hour for everything: by it hardly a case is on time.
STRICT = replace(
    LIMITED,
    version="v2",
    rules=CityRules(
        limits=(TimeLimit("l-handle", "handle", 1, "natural_h"), TimeLimit("l-file", "file", 0.1, "natural_h"))
    ),
)


def store(database: AlertDatabase, city: City = LIMITED) -> KpiStore:
    return KpiStore(database, lambda: city)


def bytes_of(known: Known) -> str:
    return as_json(report_of(known.facts, load_formulas(), known.period, "unit", closed=known.closed))


@pytest.fixture
def database(made_url: str) -> Iterator[AlertDatabase]:
    """A database for all tests of this file, in each of which everything is taken back at its end."""
    found = AlertDatabase(made_url)
    with found._connected().transaction(force_rollback=True):
        yield found
    found.close()


@pytest.fixture
def may(database: AlertDatabase) -> AlertDatabase:
    """The database with every case of May in it."""
    with database.transaction() as conn:
        for name in CASES:
            enter(conn, name)
    return database


def test_a_period_without_cases_is_closed_empty(database: AlertDatabase) -> None:
    known = store(database).known(MAY)
    assert (known.facts.cases, known.facts.cameras, known.closed) == ((), (), True)
    assert store(database).known(MAY) == known


def test_the_cases_of_a_month_count_for_what_the_hand_says(may: AlertDatabase) -> None:
    found = {fact.key: fact for fact in store(may).known(MAY).facts.cases}
    expected = {id_of(fact.key): structs.replace(fact, key=id_of(fact.key)) for fact in all_facts().cases}
    assert found == expected
    (untaken,) = store(may).known(MAY).facts.untaken
    assert (untaken.key, untaken.unit_id, dict(untaken.counts)) == (id_of("untaken"), "u-1", {"let_lie": 1})


def test_a_period_says_by_which_rules_it_was_counted(may: AlertDatabase) -> None:
    assert store(may).known(MAY).counting == store(may).known(MAY).counting == COUNTING
    with may.transaction() as conn:
        conn.execute("update kpi_period set counting = 1")
    assert store(may).known(MAY).counting == 1


def test_a_closed_period_is_the_same_whatever_happens_later(may: AlertDatabase) -> None:
    before = bytes_of(store(may).known(MAY))
    with may.transaction() as conn:
        for name in ("plain", "overdue", "in_time"):
            later = Told(moment("7-01 08:00"), "reassigned", "dispatched", {"to": "u-9"}, "dispatcher")
            write(conn, name, [later], first=50)
            # What was begun before the end and written long after it: no such step is looked at any more.
            write(conn, name, [Told(moment("5-30 08:00"), "void", "void", {}, "dispatcher")], first=51)
        conn.execute("update incident set unit_id = 'u-9', class_code = '09005', cell_id = '', rule_version = 'v9'")
    assert bytes_of(store(may, STRICT).known(MAY)) == before


def test_before_it_is_closed_later_steps_change_nothing_either(may: AlertDatabase) -> None:
    with may.transaction() as conn:
        for name in CASES:
            state = steps_of(name)[-1].state
            write(conn, name, [Told(moment("7-01 08:00"), "evidence", state, {"role": "after"}, "system")], first=50)
    found = {fact.key: dict(fact.counts) for fact in store(may).known(MAY).facts.cases}
    assert found == {id_of(fact.key): dict(fact.counts) for fact in all_facts().cases}


def test_a_stage_that_ended_counts_as_it_was_judged_though_the_pack_is_another_by_now(may: AlertDatabase) -> None:
    steps = steps_of("plain")
    with may.transaction() as conn:
        for clock in clocks_by(steps):
            insert(conn, "incident_clock", asdict(clock) | {"incident_id": id_of("plain")})
    found = {fact.key: fact for fact in store(may, STRICT).known(MAY).facts.cases}
    assert found[id_of("plain")].counts["handled_on_time"] == 1
    assert found[id_of("plain")].packs == ("v1",)
    assert "handled_on_time" not in found[id_of("rework")].counts
    assert found[id_of("rework")].packs == ("v1", "v2")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("replace(facts, '\"handled\":1', '\"handled\":2')", id="a number"),
        pytest.param("substr(facts, strpos(facts, E'\\n') + 1)", id="a case less"),
        pytest.param("substr(facts, 1, strpos(facts, E'\\n')) || facts", id="a case twice"),
        pytest.param("facts || ' '", id="what no reader sees"),
        pytest.param("''", id="everything"),
        pytest.param("'[]', sha256 = encode(sha256('[]'), 'hex')", id="to no facts, and their digest"),
    ],
)
def test_facts_that_were_changed_are_not_reported(may: AlertDatabase, change: str) -> None:
    store(may).known(MAY)
    with may.transaction() as conn:
        conn.execute(f"update kpi_period set facts = {change}")  # noqa: S608  # this test's own
    with pytest.raises(SinkError, match="not those that were written"):
        store(may).known(MAY)


def test_whoever_has_the_database_checks_a_period_without_us(may: AlertDatabase) -> None:
    store(may).known(MAY)
    with may.transaction() as conn:
        rows = conn.execute(
            "select encode(sha256(convert_to(facts, 'UTF8')), 'hex') = sha256 as same,"
            " cardinality(string_to_array(facts, E'\\n')) - 1 as lines from kpi_period"
        ).fetchall()
    assert rows == [{"same": True, "lines": len(all_facts().cases) + len(all_facts().untaken)}]


def test_a_period_that_is_not_over_is_refused_or_marked_and_never_kept(database: AlertDatabase) -> None:
    today = datetime.now(UTC)
    with database.transaction() as conn:
        enter(conn, "in_time", [replace(step, at=today - timedelta(hours=1)) for step in steps_of("in_time")])
    now = Period(today.date() - timedelta(days=2), today.date() + timedelta(days=2), MAY.zone)
    with pytest.raises(UsageError, match="not over"):
        store(database).known(now)
    shown = store(database).known(now, so_far=True)
    assert (shown.closed, len(shown.facts.cases)) == (False, 1)
    with database.transaction() as conn:
        assert conn.execute("select count(*) as n from kpi_period").fetchone() == {"n": 0}


def test_a_period_that_has_not_begun_is_refused(database: AlertDatabase) -> None:
    day = datetime.now(UTC).date() + timedelta(days=3)
    with pytest.raises(UsageError, match="has not begun"):
        store(database).known(Period(day, day, MAY.zone), so_far=True)


def test_a_case_that_nobody_touched_all_month_is_still_overdue_in_it(may: AlertDatabase) -> None:
    june = Period(date(2026, 6, 1), date(2026, 6, 30), "Asia/Shanghai")
    (found,) = [fact for fact in store(may).known(june).facts.cases if fact.key == id_of("in_time")]
    assert dict(found.counts) == {"to_handle": 1, "overdue_waiting": 1}


def test_a_call_for_help_is_no_case(database: AlertDatabase) -> None:
    with database.transaction() as conn:
        enter(conn, "plain", family="sos", class_code="sos")
    assert store(database).known(MAY).facts.cases == ()


def test_how_long_cameras_were_up_is_kept_with_the_period(database: AlertDatabase) -> None:
    with database.transaction() as conn:
        for hour in range(10):
            state = "offline" if hour in {3, 4, 7} else "online"
            row = {"ts": MAY.begin + timedelta(hours=hour), "device_id": "cam-1", "kind": "camera", "state": state}
            insert(conn, "device_health_log", row | dict.fromkeys(NUMBERS, 0))
    (camera,) = store(database).known(MAY).facts.cameras
    # Ten samples of an hour, the last of which holds a quarter more; two gaps, of two hours and of one.
    assert dict(camera.counts) == {"up_s": 26_100, "down_s": 10_800, "known_s": 36_900, "gaps": 2}
    with database.transaction() as conn:
        conn.execute("delete from device_health_log")
    assert store(database).known(MAY).facts.cameras == (camera,)


def test_the_month_before_is_closed_by_itself_and_once(may: AlertDatabase) -> None:
    assert store(may).close_month(JUNE_2) == 1
    assert store(may).close_month(JUNE_2) == 0
    with may.transaction() as conn:
        rows = conn.execute("select first_day, last_day, rule_version from kpi_period").fetchall()
    assert rows == [{"first_day": date(2026, 5, 1), "last_day": date(2026, 5, 31), "rule_version": "v1"}]


def test_a_month_before_the_first_case_is_not_closed(database: AlertDatabase) -> None:
    assert store(database).close_month(JUNE_2) == 0
    with database.transaction() as conn:
        enter(conn, "waiting")
    assert store(database).close_month(datetime(2026, 5, 2, tzinfo=UTC)) == 0


def test_a_sample_shows_pictures_and_nobody(may: AlertDatabase) -> None:
    rows = store(may).pictures([id_of("plain"), id_of("void")])
    assert rows.keys() == {id_of("plain"), id_of("void")}
    told = " ".join(str(value) for row in rows.values() for value in row.values())
    assert "王芳" not in told
    assert not {"state", "outcome", "decided_by", "unit_id"} & rows[id_of("void")].keys()
    assert UUID(str(rows[id_of("plain")]["incident_id"])) == UUID(id_of("plain"))
