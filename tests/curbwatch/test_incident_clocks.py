"""`curbwatch incident overdue|stuck` as people and scripts read them, on real servers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest

from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.kpi.store import LOCK
from alerts.store import AlertDatabase
from config.load import load_config
from config.pack import load_pack
from curbwatch.build import Site, make_chores, make_months
from curbwatch.database import Edition
from curbwatch.endpoints import resolve
from curbwatch.parts import Servers
from schemas.meter import NullMeter
from schemas.record import State, What
from tests.alerts.clocks.made_city import ALWAYS, limit, limited
from tests.alerts.clocks.made_desk import HOUR, Town, opened, step
from tests.fix_service import wait_until
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.servers
SCHEMA = Path(__file__).parents[2] / "schemas" / "wire" / "incident.v1.json"


@pytest.fixture
def verbs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, servers: Servers, desk_url: str
) -> Verbs:
    """Verbs on the desk's database, in the city of the example."""
    return Verbs(monkeypatch, capsys, config_of(tmp_path, servers, desk_url))


@pytest.fixture
def late(database: AlertDatabase, incidents: IncidentStore, jobs: JobStore) -> list[str]:
    """A case of yj-san-1 that 李雷 has had for long, one of yj-enf-1 nearly over, one of nobody, one in time."""
    minute = limit("m", amount=1 / 60, unit="natural_h", classes=frozenset({"06010"}))
    day = limit("d", amount=0.0001 * 24, unit="natural_h", name="stop", classes=frozenset({"09006"}))
    long = limit("l", amount=48, unit="natural_h")
    town = Town(database, limited(minute, day, long, calendar=ALWAYS))
    ids = [
        opened(incidents, 1, unit_id="yj-san-1"),
        opened(incidents, 2, unit_id="yj-enf-1", family="stall", class_code="09006"),
        opened(incidents, 3, unit_id="yj-san-1", class_code="06011"),
    ]
    job = jobs.of_incident(ids[0])
    assert job is not None
    jobs.take(job.job_id, "李雷")
    town.look()
    with database.transaction() as conn:
        conn.execute("update incident_clock set due_at = now() - interval '3 h' where limit_id = 'm'")
        conn.execute(
            "update incident_clock set yellow_at = now(), due_at = now() + interval '1 h' where limit_id = 'd'"
        )
    return ids


def test_without_cases_there_is_nothing_overdue(verbs: Verbs) -> None:
    assert verbs.told("incident", "overdue") == []
    assert verbs.run("incident", "overdue", "--lang", "en")[:2] == (0, "none\n")


def test_what_is_over_its_limit_is_told_with_stage_unit_and_holder(verbs: Verbs, late: list[str]) -> None:
    (case,) = verbs.told("incident", "overdue")
    assert case["incident"]["incident_id"] == late[0]
    expected = {"lamp": "red", "stage": "handle", "round": 1, "limit_id": "m", "unit_id": "yj-san-1", "holder": "李雷"}
    assert case.items() >= expected.items()
    assert 3 * 3600 <= case["late_s"] < 3 * 3600 + 60
    jsonschema.validate(case["incident"], json.loads(SCHEMA.read_text("utf-8")))
    status, out, _ = verbs.run("incident", "overdue", "--lang", "zh")
    assert status == 0
    assert all(word in out for word in ("红灯", "3小时", "处置", "@李雷", late[0], "暴露垃圾"))
    assert "red" in verbs.run("incident", "overdue", "--lang", "en")[1]


def test_what_is_nearly_over_is_told_too_where_asked_and_of_one_unit(verbs: Verbs, late: list[str]) -> None:
    cases = verbs.told("incident", "overdue", "--soon")
    assert [(case["lamp"], case["incident"]["incident_id"]) for case in cases] == [
        ("red", late[0]),
        ("yellow", late[1]),
    ]
    (case,) = verbs.told("incident", "overdue", "--soon", "--unit", "yj-enf-1")
    assert (case["limit_name"], case["late_s"] < 0) == ("stop", True)
    status, out, err = verbs.run("incident", "overdue", "--soon", "--limit", "1", "--json", "--lang", "en")
    assert (status, out.count("\n"), err) == (0, 1, "the first 1 only: --limit N for more\n")
    assert "left: 60 min" in verbs.run("incident", "overdue", "--soon", "--lang", "en")[1]
    assert "yj-enf-1" in verbs.refused("incident", "overdue", "--unit", "yj-enf-9")


def test_a_list_that_is_not_made_yet_is_no_empty_list(verbs: Verbs) -> None:
    status, out, err = verbs.run("incident", "stuck", "--day", "2026-09-21", "--lang", "en")
    assert (status, out) == (1, "")
    assert "no list of 2026-09-21: it is made at 08:30" in err
    assert "--day 'yesterday': write it as 2026-09-21" in verbs.refused(
        "incident", "stuck", "--day", "yesterday", "--lang", "en"
    )


def test_the_list_of_a_day_names_what_is_stuck_and_why(
    verbs: Verbs, database: AlertDatabase, incidents: IncidentStore
) -> None:
    limits = [limit(stage, stage=stage, unit="natural_h") for stage in ("verify", "handle", "check")]
    town = Town(database, limited(*limits, calendar=ALWAYS), sweep_at_min=0)
    town.look()
    today = town.sweep._time.now()[1].day_of(town.at)
    assert verbs.told("incident", "stuck") == []
    lead = opened(incidents, 1, direct=False)
    waiting, checking = opened(incidents, 2), opened(incidents, 3)
    step(database, checking, What.FINISHED, State.CHECKING)
    town.look(24 * HOUR)
    tomorrow = (today + timedelta(days=1)).isoformat()
    cases = verbs.told("incident", "stuck", "--day", tomorrow)
    found = {(case["list"], case["stage"], case["incident"]["incident_id"]) for case in cases}
    assert found == {
        ("undecided", "verify", lead),
        ("unhandled", "handle", waiting),
        ("unclosed", "check", checking),
    }
    assert all(datetime.fromisoformat(case["due_at"]) < datetime.now(UTC) + 24 * HOUR for case in cases)
    out = verbs.run("incident", "stuck", "--day", tomorrow, "--lang", "zh")[1]
    assert all(word in out for word in ("应立未立", "立而不办", "办而不结", "监督指挥中心", "核查"))
    assert "handled, not closed" in verbs.run("incident", "stuck", "--day", tomorrow, "--lang", "en")[1]


def test_the_running_system_works_clocks_out_and_looks_at_lamps(
    verbs: Verbs, database: AlertDatabase, incidents: IncidentStore
) -> None:
    incident_id = opened(incidents, unit_id="yj-san-1")
    config = load_config(verbs.config)
    site = Site(config, load_pack(Path(config.site.pack)), resolve(config), Edition.APACHE)
    chores = make_chores(site, NullMeter())
    chores.round(0.0)
    with database.transaction() as conn:
        clocks = conn.execute(
            "select stage, limit_id from incident_clock where incident_id = %s", (incident_id,)
        ).fetchall()
        state = conn.execute("select rule_version, looked_at is not null as looked from clock_state").fetchone()
    chores.stop()
    assert clocks == [{"stage": "handle", "limit_id": "waste"}]  # four working hours, by the example's limits.csv
    assert state == {"rule_version": site.pack.city.version, "looked": True}


def waits_for_a_lock(database: AlertDatabase) -> bool:
    with database.transaction() as conn:
        return bool(conn.execute("select 1 from pg_locks where locktype = 'advisory' and not granted").fetchall())


def test_closing_a_month_holds_up_no_clock(
    verbs: Verbs, database: AlertDatabase, desk_url: str, incidents: IncidentStore
) -> None:
    incident_id = opened(incidents, unit_id="yj-san-1")
    config = load_config(verbs.config)
    site = Site(config, load_pack(Path(config.site.pack)), resolve(config), Edition.APACHE)
    chores, months, somebody = make_chores(site, NullMeter()), make_months(site, NullMeter()), AlertDatabase(desk_url)
    with database.transaction() as conn:
        conn.execute("update incident set created_at = created_at - interval '70 days'")
    with somebody.transaction() as conn:
        conn.execute("select pg_advisory_xact_lock(%s)", (LOCK,))  # a month that takes long
        months.start()
        chores.round(0.0)
        with database.transaction() as other:
            query = "select stage from incident_clock where incident_id = %s"
            assert other.execute(query, (incident_id,)).fetchall() == [{"stage": "handle"}]
            assert other.execute("select 1 from kpi_period").fetchall() == []
        wait_until("the month to wait for its lock", lambda: waits_for_a_lock(database))
    months.stop()
    chores.stop()
    somebody.close()
    with database.transaction() as conn:
        assert len(conn.execute("select 1 from kpi_period").fetchall()) == 1
