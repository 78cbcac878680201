"""`curbwatch dispatch show|reassign|escalate|dead` and `curbwatch outlet list|retry`, on real servers."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import curbwatch.database as db
from alerts.dispatch import Dead, JobQueue
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from alerts.outlets.store import OutletStore, Wants
from alerts.outlets.webhook import Answer
from alerts.store import AlertDatabase
from curbwatch.parts import Servers
from schemas.meter import NullMeter
from tests.alerts.makers import MONDAY_1059, frame, sighting
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.servers

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def desk(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    servers: Servers,
    desk_url: str,
    redis_url: str,
) -> Verbs:
    config = config_of(tmp_path, servers, desk_url)
    config.write_text(
        config.read_text().replace(servers.redis_url, redis_url) + f'[alerts]\nevidence_dir = "{tmp_path}/evidence"\n'
    )
    return Verbs(monkeypatch, capsys, config)


@pytest.fixture
def job_id(incidents: IncidentStore, jobs: JobStore, queue: JobQueue, tmp_path: Path) -> str:
    """A job of yj-san-1 about waste at a known place, with its two pictures, in its stream."""
    folder = EvidenceFolder(tmp_path / "evidence")
    before, opening = folder.keep(frame(b"before", MONDAY_1059 - 1)), folder.keep(frame(b"opening"))
    one = sighting(unit_id="yj-san-1", camera_id="yj-cam-01", point=(104.6405, 30.1205))
    told = incidents.open_or_refresh(one, before, opening)
    Relay(jobs, queue, NullMeter()).once()
    job = jobs.of_incident(told.incident_id)
    assert job is not None
    return job.job_id


def test_a_job_is_shown_on_one_page_with_a_link_for_a_map(desk: Verbs, job_id: str, tmp_path: Path) -> None:
    status, out, err = desk.run("dispatch", "show", job_id, "--lang", "en")
    assert (status, err) == (0, "")
    for part in ("Exposed waste", "map geo:30.120500,104.640500", "[waiting]", "before  ", f"{tmp_path}/evidence"):
        assert part in out
    (told,) = desk.told("dispatch", "show", job_id)
    assert (told["event"], told["job_id"], told["geo"]) == ("shown", job_id, "geo:30.120500,104.640500")
    assert [one["role"] for one in told["pictures"]] == ["before", "opening"]
    assert [one["what"] for one in told["events"]] == ["opened"]
    assert "地图 geo:" in desk.run("dispatch", "show", job_id)[1]
    assert "no job" in desk.refused("dispatch", "show", "00000000-0000-0000-0000-000000000001", "--lang", "en")


def test_a_job_is_reassigned_and_escalated_by_those_who_may(desk: Verbs, job_id: str) -> None:
    (told,) = desk.told("dispatch", "reassign", job_id, "--to", "yj-san-2", "--as", "lin-fang", "--reason", "更近")
    assert (told["event"], told["unit_id"], told["why"], told["reason"]) == (
        "reassigned",
        "yj-san-2",
        "reassigned",
        "更近",
    )
    assert told["why_line"] == "派遣员改派"
    (told,) = desk.told("dispatch", "escalate", job_id, "--as", "lin-fang", "--reason", "无人领取")
    assert (told["event"], told["unit_id"], told["urgency"]) == ("escalated", "yj-san-2", "urgent"), "both had it"
    assert told["moved"] is False
    said = desk.run("dispatch", "escalate", job_id, "--as", "lin-fang", "--reason", "太久")[1]
    assert "无其他当班单位,已转为紧急" in said
    (shown,) = desk.told("dispatch", "show", job_id)
    assert [one["what"] for one in shown["events"]][-3:] == ["reassigned", "escalated", "escalated"]


def test_a_wrong_move_is_one_clean_line(desk: Verbs, job_id: str) -> None:
    for arguments, said in (
        (["reassign", job_id, "--to", "yj-san-9", "--as", "lin-fang", "--reason", "x"], "no unit 'yj-san-9'"),
        (["reassign", job_id, "--to", "yj-san-2", "--as", "lin-fang", "--reason", " "], "for a reason"),
        (["reassign", job_id, "--to", "yj-san-2", "--as", "deng-wei", "--reason", "x"], "auxiliary staff"),
        (["escalate", job_id, "--as", "feng-qi", "--reason", "x"], "auditor staff"),
        (["dead", "--requeue", job_id, "--as", "lin-fang"], "is not set aside"),
    ):
        assert said in desk.refused("dispatch", *arguments, "--lang", "en")
        assert any("\u4e00" <= mark <= "\u9fff" for mark in desk.refused("dispatch", *arguments)), (
            "by default in Chinese"
        )


def test_what_would_steer_a_terminal_or_is_no_text_goes_into_no_record(desk: Verbs, job_id: str) -> None:
    incident_id = desk.told("dispatch", "show", job_id)[0]["incident"]["incident_id"]
    hold = ("keep", "hold", "--incident", incident_id, "--as", "xie-ning")
    complaint = ("incident", "report", "--kind", "complaint", "--ref", "1", "--family", "waste", "--as", "zhou-min")
    for arguments, option in (
        (("dispatch", "done", job_id, "--as", "tang-hui"), "--note"),
        (("dispatch", "reject", job_id, "--as", "tang-hui"), "--reason"),
        (("dispatch", "reassign", job_id, "--to", "yj-san-2", "--as", "lin-fang"), "--reason"),
        (("dispatch", "escalate", job_id, "--as", "lin-fang"), "--reason"),
        (hold, "--reason"),
        ((*complaint, "--lon", "104.64", "--lat", "30.12"), "--text"),
        (("incident", "note", incident_id, "--as", "lin-fang"), "--text"),
    ):
        assert f"{option}: at most 2000" in desk.refused(*arguments, option, "x" * 2001, "--lang", "en")
        assert "character 3 is U+DCFF" in desk.refused(*arguments, option, os.fsdecode(b"ab\xff"), "--lang", "en")


def test_a_crew_of_the_pack_need_not_name_its_unit(desk: Verbs, job_id: str) -> None:
    (told,) = desk.told("dispatch", "take", "--as", "唐慧")
    assert (told["job_id"], told["holder"]) == (job_id, "唐慧")
    assert "no unit 'x'" in desk.refused("dispatch", "take", "--as", "唐慧", "--unit", "x", "--lang", "en")
    assert "whose jobs?" in desk.refused("dispatch", "take", "--as", "somebody", "--lang", "en")
    status, out, _ = desk.run("dispatch", "take", "--as", "somebody", "--unit", "环卫一所")
    assert (status, "暂无任务" in out) == (1, True)


def test_what_was_set_aside_is_listed_and_fetched_back(
    desk: Verbs, job_id: str, jobs: JobStore, queue: JobQueue
) -> None:
    assert desk.told("dispatch", "dead") == []
    assert "没有滞留任务" in desk.run("dispatch", "dead")[1]
    jobs.stick(job_id, "deliveries", 6)
    queue.draw("yj-san-1", "li")
    queue.bury("dispatch:yj-san-1:normal", "9-0", Dead("nonsense", "unreadable", 1))
    dead, stray = desk.told("dispatch", "dead", "--unit", "yj-san-1")
    assert (dead["event"], dead["job_id"], dead["stuck"]) == ("dead", job_id, "deliveries")
    assert (stray["event"], stray["unit_id"]) == ("stray", "yj-san-1")
    (told,) = desk.told("dispatch", "dead", "--requeue", job_id, "--as", "lin-fang")
    assert (told["event"], told["stuck"]) == ("requeued", "")
    assert [one["event"] for one in desk.told("dispatch", "dead")] == ["stray"]
    assert "林芳  备注 · 任务重新排队" in desk.run("dispatch", "show", job_id)[1]


def test_messages_to_other_systems_are_listed_and_tried_again(
    desk: Verbs, job_id: str, database: AlertDatabase, desk_url: str
) -> None:
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute("delete from outlet")
        conn.execute("update incident set told_seq = 0")
    store = OutletStore(database)
    assert desk.told("outlet", "list") == []
    store.enter(["hotline"])
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute("update incident set told_seq = 0")
    store.project([Wants("hotline")])
    (due,) = store.due("hotline")
    store.failed("hotline", due, Answer(503, error="answered 503"), None)
    (told,) = desk.told("outlet", "list", "--state", "dead")
    assert (told["outlet"], told["what"], told["status"], told["error"]) == ("hotline", "opened", 503, "answered 503")
    assert "answered 503" in desk.run("outlet", "list", "--lang", "en")[1]
    assert "--all" in desk.refused("outlet", "retry")
    assert desk.told("outlet", "retry", "--outlet", "hotline") == [{"event": "retried", "messages": 1}]
    assert "no outlet 'police'" in desk.refused("outlet", "retry", "--outlet", "police", "--lang", "en")
    assert [one["state"] for one in desk.told("outlet", "list")] == ["waiting"]
