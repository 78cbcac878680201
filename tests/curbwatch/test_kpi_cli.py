"""`curbwatch kpi` as a supervisor and a script use it, on a real database."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import curbwatch.database as db
from alerts.store import AlertDatabase
from curbwatch.parts import Servers
from tests.alerts.kpi.fill import enter
from tests.alerts.kpi.may import CASES
from tests.fix_servers import own_database
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.servers

BEGUN = (datetime.now(UTC).date() - timedelta(days=2)).isoformat()
SOON = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()  # in no time zone over yet
MAY = ("--from", "2026-05-01", "--to", "2026-05-31")


@pytest.fixture(scope="module")
def may_url(servers: Servers, migrated: str) -> Iterator[str]:
    """A database with the twenty-two cases of May."""
    with own_database(servers, migrated) as url:
        database = AlertDatabase(url)
        with database.transaction() as conn:
            for name in CASES:
                enter(conn, name)
        database.close()
        yield url


@pytest.fixture
def kpi(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    servers: Servers,
    may_url: str,
) -> Verbs:
    return Verbs(monkeypatch, capsys, config_of(tmp_path, servers, may_url))


def test_the_indicators_are_listed_with_what_over_what(kpi: Verbs) -> None:
    status, out, _ = kpi.run("kpi", "list")
    assert status == 0
    assert "处置率  handling_rate v2\n  处置数 / 应处置数" in out
    assert "返工率  rework_rate v2  (越低越好)" in out
    _, out, _ = kpi.run("kpi", "list", "--lang", "en")
    assert "Handling rate  handling_rate v2" in out
    told = kpi.told("kpi", "list")
    assert (told[0]["kpi_id"], told[0]["numerator"], told[0]["denominator"]) == (
        "handling_rate",
        "handled",
        "to_handle",
    )


def test_a_closed_month_is_reported_to_the_same_byte_and_its_digest_is_told(kpi: Verbs) -> None:
    status, out, err = kpi.run("kpi", "report", *MAY, "--json")
    assert status == 0
    assert err == f"SHA-256 {hashlib.sha256(out.encode()).hexdigest()}\n"
    assert kpi.run("kpi", "report", *MAY, "--json") == (status, out, err)
    found = json.loads(out)
    assert (found["period"]["closed"], found["by"], found["cases"]) == (True, "unit", 20)
    assert found["total"]["counts"]["to_handle"] == 13
    assert found["total"]["counts"]["handled"] == 10
    assert [group["key"] for group in found["groups"]] == ["u-1", "u-2"]


def test_a_period_of_an_earlier_counting_is_reported_by_the_indicators_of_its_day(kpi: Verbs, may_url: str) -> None:
    days = ("--from", "2026-05-02", "--to", "2026-05-20")
    kpi.run("kpi", "report", *days)
    with db.connect(may_url, autocommit=True) as conn:
        conn.execute("update kpi_period set counting = 1 where first_day = '2026-05-02'")
    _, out, _ = kpi.run("kpi", "report", *days, "--json")
    found = json.loads(out)
    assert (found["form"], {one["version"] for one in found["kpis"]}) == ("curbwatch-kpi/1", {1})
    assert "口径 1" in kpi.run("kpi", "report", *days)[1]


def test_a_person_reads_shares_counts_and_the_same_digest(kpi: Verbs) -> None:
    _, canonical, _ = kpi.run("kpi", "report", *MAY, "--json")
    status, out, err = kpi.run("kpi", "report", *MAY)
    assert (status, err) == (0, "")
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0].startswith("2026-05-01 – 2026-05-31 (Asia/Shanghai)  案件 20  已封账  口径 2")
    assert any(line.startswith("处置率") and line.endswith("76.9 %  10 / 13") for line in lines)
    assert any(line.startswith("相机在线率") and "-" in line for line in lines)
    # What no indicator tells of: idleness that a rate would hide.
    told = [line for line in lines if line.startswith("另计")]
    assert "作废数 3" in told[0]
    assert [("接单超时数 1" in line) for line in told] == [True, True, False]
    assert lines[-1] == f"SHA-256 {hashlib.sha256(canonical.encode()).hexdigest()}"
    _, out, _ = kpi.run("kpi", "report", *MAY, "--lang", "en", "--by", "post")
    assert "(nobody yet)" in out
    assert "Handling rate" in out


def test_a_spreadsheet_gets_a_row_per_group_and_indicator(kpi: Verbs) -> None:
    status, out, err = kpi.run("kpi", "report", *MAY, "--csv", "--by", "district")
    assert (status, err.startswith("SHA-256 ")) == (0, True)
    lines = out.splitlines()
    assert lines[0] == "from,to,district,kpi,version,numerator,denominator,value"
    assert "2026-05-01,2026-05-31,512002,handling_rate,2,10,13,0.769231" in lines


def test_what_cannot_be_meant_is_refused_in_one_line(kpi: Verbs) -> None:
    def refused(verb: str, *options: str) -> str:
        return kpi.refused("kpi", verb, *options, "--lang", "en")

    assert "not both" in refused("report", *MAY, "--json", "--csv")
    assert "--from 1 May: is not a date" in refused("report", "--from", "1 May", "--to", SOON)
    assert "ends before it starts" in refused("report", "--from", "2026-05-02", "--to", "2026-05-01")
    assert "not over yet" in refused("report", "--from", "2026-05-01", "--to", SOON)
    assert "a sample's share" in refused("sample", *MAY, "--seed", "x", "--share", "0")
    assert "not over yet" in refused("sample", "--from", SOON, "--to", SOON, "--seed", "x")


def test_a_period_that_is_not_over_is_marked_where_it_is_asked_for(kpi: Verbs) -> None:
    span = ("--from", BEGUN, "--to", SOON, "--so-far")
    _, out, _ = kpi.run("kpi", "report", *span, "--json")
    assert json.loads(out)["period"]["closed"] is False
    _, out, _ = kpi.run("kpi", "report", *span)
    assert "未结束，数字会变" in out


def test_a_sites_own_indicators_are_read_and_their_faults_told(kpi: Verbs, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    text = (
        '[[kpi]]\nid = "x"\nversion = 3\nname_zh = "甲"\nname_en = "A"\nnumerator = "closed"\n'
        'denominator = "handled"\nunit = "share"\nhigher_is_better = true\nsource = "here"\n'
    )
    own.write_text(text, encoding="utf-8")
    _, out, _ = kpi.run("kpi", "report", *MAY, "--formulas", str(own), "--json")
    assert json.loads(out)["total"]["values"] == [{"kpi_id": "x", "numerator": 10, "denominator": 10, "value": 1.0}]
    own.write_text(text.replace("甲", "罚款率"), encoding="utf-8")
    status, _, err = kpi.run("kpi", "report", *MAY, "--formulas", str(own))
    assert status == 2
    assert "own.toml: kpi[x].name_zh = 罚款率: speaks of money" in err


def test_a_sample_is_drawn_again_by_its_seed_and_names_nobody(kpi: Verbs) -> None:
    drawn = kpi.told("kpi", "sample", *MAY, "--seed", "2026-05", "--share", "0.5")
    assert kpi.told("kpi", "sample", *MAY, "--seed", "2026-05", "--share", "0.5") == drawn
    assert [case["no"] for case in drawn] == [1, 2, 3, 4, 5, 6, 7]
    assert not {"state", "outcome", "unit_id", "decided_by", "actor"} & drawn[0].keys()
    assert "王芳" not in json.dumps(drawn, ensure_ascii=False)
    status, out, _ = kpi.run("kpi", "sample", *MAY, "--seed", "2026-05")
    assert (status, len(out.splitlines())) == (0, 3)
    assert drawn[0]["incident_id"] in out


def test_facts_that_were_changed_end_as_one_line(kpi: Verbs, may_url: str) -> None:
    kpi.run("kpi", "report", "--from", "2026-05-01", "--to", "2026-05-10")
    with db.connect(may_url, autocommit=True) as conn:
        conn.execute("update kpi_period set facts = '' where last_day = '2026-05-10'")
    for lang, said in (("zh", "与封账时写入的不符"), ("en", "not those that were written")):
        status, out, err = kpi.run("kpi", "report", "--from", "2026-05-01", "--to", "2026-05-10", "--lang", lang)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert said in err
        assert "稍后再试" not in err
