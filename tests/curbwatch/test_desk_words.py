"""What the desk says to a person who is in a hurry: who was first, what to do instead, until when."""

from typing import Any

import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.record.steps import record
from alerts.store import AlertDatabase
from curbwatch import feedback
from schemas.record import Actor, What
from tests.alerts.makers import picture, sighting
from tests.fix_verbs import Verbs

pytestmark = pytest.mark.servers
LIN, MIN = ("--as", "林芳"), ("--as", "周敏")


@pytest.fixture
def verbs(desk_verbs: Verbs) -> Verbs:
    """Verbs on the desk's database, with nobody's token."""
    return desk_verbs


def opened(incidents: IncidentStore, **changes: Any) -> str:  # noqa: ANN401
    """Id of a stall before a camera of the pack that waits for a person."""
    whole: dict[str, Any] = {
        "camera_id": "yj-cam-01",
        "family": "stall",
        "class_code": "09006",
        "direct": False,
        "unit_id": "yj-enf-1",
    }
    return incidents.open_or_refresh(sighting(**whole | changes), None, picture(f"{changes}")).incident_id


@pytest.fixture
def seen(incidents: IncidentStore) -> str:
    return opened(incidents)


def system_step(database: AlertDatabase, incident_id: str) -> None:
    """What the relay writes after a person's word: the unit that gets the job."""
    with database.transaction() as conn:
        conn.execute("select 1 from incident where incident_id = %s for no key update", (incident_id,))
        record(conn, incident_id, Actor("relay", "system"), What.DISPATCHED, {"unit": "yj-enf-1", "why": "nearest"})


def test_who_comes_late_is_told_which_person_was_first_not_what_the_system_did_after(
    verbs: Verbs, seen: str, database: AlertDatabase
) -> None:
    verbs.told("incident", "confirm", seen, *LIN)
    system_step(database, seen)
    status, _, err = verbs.run("incident", "confirm", seen, *MIN)
    assert (status, "林芳: 核实立案" in err, "relay" in err) == (1, True, False)
    _, _, err = verbs.run("incident", "note", seen, *MIN, "--text", "x", "--version", "2")
    assert ("3 系统派遣: 派遣" in err, "relay" in err) == (True, False)


def test_a_token_is_made_and_ended_by_whoever_has_the_configuration_until_a_supervisor_guards_them(
    verbs: Verbs,
) -> None:
    for person in ("xie-ning", "tang-hui"):
        assert verbs.run("staff", "token", person)[0] == 0
    assert verbs.run("staff", "revoke", "tang-hui")[0] == 0
    with verbs.config.open("a") as config:
        config.write("[desk]\ntokens = true\n")
    assert "wants a token file" in verbs.refused("staff", "revoke", "xie-ning", "--lang", "en")


def test_what_was_merged_sends_people_to_the_case_that_goes_on(
    verbs: Verbs, seen: str, incidents: IncidentStore
) -> None:
    into = opened(incidents, camera_id="yj-cam-02")
    assert "say who you are: --as PERSON, or --token-file" in verbs.refused(
        "incident", "merge", seen, "--into", into, "--lang", "en"
    )
    verbs.told("incident", "merge", seen, *LIN, "--into", into)
    assert verbs.told("incident", "merge", seen, *LIN, "--into", into)[0]["again"]
    for words in (("reopen", seen, "--text", "x"), ("merge", seen, "--into", seen)):
        status, out, err = verbs.run("incident", *words, *LIN)
        assert (status, out, f"请办理并入的案件 {into}" in err) == (1, "", True)


def test_whose_word_was_the_first_of_two_is_counted_in_the_desks_language(
    verbs: Verbs, incidents: IncidentStore
) -> None:
    grave = opened(incidents, family="truck", class_code="08011")
    for who in (("--as", "谢宁"), LIN):
        verbs.told("incident", "void", grave, *who, "--reason", "not_ours")
    told = [(one["actor"], one["count"], one["asked"]) for one in verbs.told("audit", "voids")]
    assert told == [("林芳", 1, 0), ("谢宁", 0, 1)]
    lines = verbs.run("audit", "voids", "--lang", "zh")[1].splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["林芳", "派遣员", "不属本辖区", "1", "0"],
        ["谢宁", "督查", "不属本辖区", "0", "1"],
    ]


def test_a_case_is_found_by_its_number_and_by_the_beginning_of_its_id(
    verbs: Verbs, seen: str, incidents: IncidentStore, desk_url: str
) -> None:
    number = verbs.told("incident", "confirm", seen[:8], *LIN)[0]["case_no"]
    (known,) = verbs.told("incident", "show", number)
    assert (known["incident"]["incident_id"], known["job"]["state"]) == (seen, "queued")
    assert verbs.told("incident", "log", seen[:13].upper())[0]["incident_id"] == seen
    assert verbs.told("keep", "hold", *LIN, "--incident", number, "--reason", "复议")
    assert verbs.told("outlet", "list", "--incident", number) == []
    other = opened(incidents, camera_id="yj-cam-02")
    with db.connect(desk_url) as conn:
        assert feedback.place_of(conn, number)[0] == "yj-cam-01"
    assert verbs.told("incident", "merge", other[:8], *LIN, "--into", number)[0]["incident"]["state"] == "merged"
    for name in ("00000000", "0" * 20):
        assert f"no incident {name}" in verbs.refused("incident", "show", name, "--lang", "en")
    assert "or a case number of 20 digits" in verbs.refused("incident", "show", "7d4f", "--lang", "en")


def test_a_second_word_with_another_reason_is_told_to_ask_anew(
    verbs: Verbs, incidents: IncidentStore, seen: str
) -> None:
    assert verbs.run("incident", "list", "--state", "suspended")[1] == "无\n"
    grave = opened(incidents, family="truck", class_code="08011", camera_id="yj-cam-02")
    refusal = verbs.refused("incident", "void", grave, *LIN, "--reason", "没有")
    assert "false_alarm (误报), not_found (现场未发现)" in refusal
    assert verbs.told("incident", "void", grave, *LIN, "--reason", "误报")[0]["event"] == "void_asked"
    marked = {one["incident_id"]: one["void_asked"] for one in verbs.told("incident", "list")}
    assert marked == {grave: True, seen: False}
    assert "待另一人确认作废" in verbs.run("incident", "list", "--class", "08011")[1]
    status, out, _ = verbs.run("incident", "void", grave, *MIN, "--reason", "不属本辖区")
    assert (status, "理由与先前的“误报”不同,已重新提出" in out) == (0, True)
    assert "先前理由:误报" in verbs.run("incident", "show", grave)[1]
    assert verbs.told("incident", "void", grave, *LIN, "--reason", "not_ours")[0]["event"] == "void"


def test_more_time_and_a_quiet_place_say_until_when(verbs: Verbs, seen: str) -> None:
    assert "--until 2026-11-27 08:00:请写" in verbs.refused(
        "incident", "snooze", seen, *LIN, "--until", "2026-11-27 08:00", "--text", "庙会"
    )
    out = verbs.run("incident", "snooze", seen, *LIN, "--until", "2h", "--text", "庙会", "--lang", "zh")[1]
    assert ("  至 20" in out, "余120分钟" in out) == (True, True)
    verbs.told("incident", "confirm", seen, *LIN)
    (told,) = verbs.told("incident", "extend", seen, *LIN, "--hours", "2", "--text", "路上封闭")
    (known,) = verbs.told("incident", "list")
    assert told["until"] == known["due_at"]
    assert verbs.told("incident", "suspend", seen, *LIN, "--text", "等拆迁", "--until", "7d")[0]["until"]
    assert "请先恢复办理(resume)" in verbs.run("incident", "close", seen, *MIN)[2]
    lines = verbs.run("incident", "show", seen)[1].splitlines()
    assert any(line.startswith("  任务") and line.endswith("市容一中队") for line in lines)
