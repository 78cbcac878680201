"""Periods that were closed when each fact was a row of its own: their text, and so their digest, is the same."""

from datetime import date

import msgspec
import pytest
from psycopg.types.json import Jsonb

import curbwatch.database as db
from alerts.kpi.period import Period
from alerts.kpi.report import Facts, digest_of, facts_text, in_order
from alerts.kpi.store import KpiStore
from alerts.store import AlertDatabase
from tests.alerts.kpi.may import LIMITED, MAY, all_facts
from tests.alerts.kpi.test_report import AWKWARD

pytestmark = pytest.mark.servers

ROWS = "select first_day, last_day, kind, key, fact from kpi_fact order by 1, 2, 3, 4"


def test_periods_go_forward_and_back_with_every_fact(database_url: str) -> None:
    db.migrate(database_url, target=26)
    june = (date(2026, 6, 1), date(2026, 6, 30))
    # By key as programs sort, which is not as people do: where a collation decided, digests would not match.
    cases = in_order([*all_facts().cases, *AWKWARD.cases, msgspec.structs.replace(AWKWARD.cases[0], key="A-b")])
    facts = Facts(cases, in_order([*AWKWARD.cameras, msgspec.structs.replace(AWKWARD.cameras[0], key="相机")]))
    with db.session(database_url) as conn:
        for days, kept in (((MAY.first, MAY.last), facts), (june, Facts())):
            conn.execute(
                "insert into kpi_period (first_day, last_day, zone, rule_version, sha256)"
                " values (%s, %s, 'Asia/Shanghai', 'v1', %s)",
                (*days, digest_of(facts_text(kept))),
            )
            for kind, each in [("case", one) for one in kept.cases] + [("camera", one) for one in kept.cameras]:
                row = (*days, kind, each.key, Jsonb(msgspec.to_builtins(each)))
                conn.execute("insert into kpi_fact values (%s, %s, %s, %s, %s)", row)
        before = conn.execute(ROWS).fetchall()
    db.migrate(database_url)
    database = AlertDatabase(database_url)
    assert KpiStore(database, lambda: LIMITED).known(MAY).facts == facts
    assert KpiStore(database, lambda: LIMITED).known(Period(*june, MAY.zone)).facts == Facts()
    database.close()
    with db.session(database_url) as conn:
        assert set(conn.execute("select counting from kpi_period").fetchall()) == {(1,)}
        # Closed by a version that counts otherwise: one that does not know how would report it wrongly.
        conn.execute(
            "insert into kpi_period (first_day, last_day, zone, rule_version, sha256, facts, counting)"
            " values ('2026-07-01', '2026-07-31', 'Asia/Shanghai', 'v1', %s, '', 2)",
            (digest_of(""),),
        )
    db.migrate(database_url, target=26)
    with db.session(database_url) as conn:
        assert conn.execute("select last_day from kpi_period order by 1").fetchall() == [(MAY.last,), (june[1],)]
        assert conn.execute(ROWS).fetchall() == before
    assert len(before) == len(facts.cases) + len(facts.cameras)
