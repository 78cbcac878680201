"""`curbwatch dispatch` and `curbwatch incident` as crews and scripts use them, on real servers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import redis
import structlog

import curbwatch.cli.dispatch as dispatch_verbs
import curbwatch.cli.incident  # noqa: F401 - registers the verbs
import curbwatch.database as db
from alerts.dispatch import JobQueue
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from alerts.jobs.relay import Relay
from alerts.jobs.store import JobStore
from alerts.messages import EVENTS
from config.pack import load_pack
from curbwatch.__main__ import main
from curbwatch.crew import Change, Watch
from curbwatch.parts import Servers
from curbwatch.registry import sync_pack
from schemas.meter import NullMeter
from tests.alerts.makers import MONDAY_1059, departure, frame, picture, sighting

pytestmark = pytest.mark.servers

NOBODY = "00000000-0000-0000-0000-000000000001"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path, desk_url: str, redis_url: str, servers: Servers) -> Path:
    path = tmp_path / "curbwatch.toml"
    lines = [
        f'[broker]\nurl = "{servers.broker_url}"',
        f'[database]\nurl = "{desk_url}"',
        f'[redis]\nurl = "{redis_url}"',
        f'[alerts]\nevidence_dir = "{tmp_path}/evidence"',
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: Path) -> Run:
    """Run a verb in this process; status, standard output, standard error."""

    def started(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["curbwatch", *arguments, "--config", str(config)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        structlog.reset_defaults()  # it would keep this test's standard error for the next one
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return started


def process(config: Path, *arguments: str) -> "subprocess.Popen[str]":
    """The same as a process of its own."""
    command = [sys.executable, "-m", "curbwatch", "dispatch", *arguments, "--config", str(config), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def relay(jobs: JobStore, queue: JobQueue) -> Relay:
    return Relay(jobs, queue, NullMeter())


@pytest.fixture
def made(incidents: IncidentStore, jobs: JobStore, relay: Relay) -> list[str]:
    """Ids of two normal jobs and an urgent one of yj-san-1, in their streams."""
    for index in range(3):
        box = (index * 100.0, 0.0, 50.0, 50.0)
        one = sighting(track_id=index, box_px=box, urgent=index == 2, unit_id="yj-san-1", camera_id="yj-cam-01")
        incidents.open_or_refresh(one, None, picture())
    relay.once()
    return [job.job_id for job in sorted(jobs.of_unit("yj-san-1"), key=lambda job: job.urgency)]


def test_nothing_waits(run: Run) -> None:
    status, out, _ = run("dispatch", "take", "--as", "li", "--unit", "yj-san-1", "--json")
    assert (status, [event["event"] for event in events(out)]) == (1, ["none"])
    status, out, _ = run("dispatch", "take", "--as", "li", "--unit", "yj-san-1", "--lang", "en", "--wait", "0.1")
    assert (status, out.strip().endswith("nothing waits")) == (1, True)


def test_a_job_is_taken_shown_and_dealt_with(run: Run, jobs: JobStore, made: list[str]) -> None:
    status, out, err = run("dispatch", "take", "--as", "李雷", "--unit", "yj-san-1", "--json")
    assert status == 0, err
    (told,) = events(out)
    assert (told["event"], told["job_id"], told["holder"], told["again"]) == ("taken", made[2], "李雷", False)
    assert (told["urgency"], told["unit_id"], told["unit_name"]) == ("urgent", "yj-san-1", "环卫一所")
    assert told["incident"]["state"] == "handling"
    assert jobs.unshown("yj-san-1", "李雷", older_s=0) == []
    status, out, _ = run("dispatch", "done", made[2], "--as", "李雷", "--note", "已清运", "--json")
    assert (status, events(out)[0]["event"], events(out)[0]["incident"]["state"]) == (0, "done", "done")
    assert jobs.find(made[2]).state == "done"


def test_a_person_reads_plain_sentences(run: Run, made: list[str], desk_url: str) -> None:
    with db.connect(desk_url) as conn:
        sync_pack(conn, load_pack(Path("yanjiang")), past_limit_s=604_800)
    status, out, _ = run("dispatch", "take", "--as", "li", "--unit", "yj-san-1")
    assert status == 0
    assert "已领取 @li" in out
    assert "【紧急】滨河路沱江桥头 暴露垃圾" in out
    assert f"curbwatch dispatch done {made[2]} --as li" in out
    status, out, _ = run("dispatch", "take", "--as", "li", "--unit", "yj-san-1", "--lang", "en")
    assert "滨河路沱江桥头: Exposed waste" in out


def test_two_processes_that_compete_get_one_job_once(config: Path, jobs: JobStore, made: list[str]) -> None:
    for job_id in made[1:]:
        jobs.take(job_id, "somebody")
    both = [process(config, "take", "--as", f"crew-{index}", "--unit", "yj-san-1") for index in range(2)]
    told = [(one.communicate(timeout=60)[0], one.returncode) for one in both]
    assert sorted(status for _, status in told) == [0, 1]
    (won,) = [events(out)[0] for out, status in told if status == 0]
    (lost,) = [events(out)[0] for out, status in told if status == 1]
    assert (won["job_id"], lost["event"]) == (made[0], "none")
    assert jobs.find(made[0]).holder == won["holder"]


def test_a_named_job_is_taken_once_and_whoever_comes_late_is_told_who_has_it(run: Run, made: list[str]) -> None:
    assert run("dispatch", "take", made[0], "--as", "li", "--json")[0] == 0
    assert run("dispatch", "take", made[0], "--as", "li", "--json")[0] == 0
    status, out, _ = run("dispatch", "take", made[0], "--as", "wang", "--json")
    (told,) = events(out)
    assert (status, told["event"], told["state"], told["holder"]) == (1, "not_taken", "taken", "li")
    status, out, _ = run("dispatch", "take", made[0], "--as", "wang", "--lang", "en")
    assert (status, "not taken (taken) @li" in out) == (1, True)
    assert "dispatch done" not in out + run("dispatch", "show", made[0])[1], "that is li's to say"
    assert "the case is closed" in run("dispatch", "done", made[0], "--as", "li", "--lang", "en")[1]


def test_a_rejected_job_waits_for_another(run: Run, jobs: JobStore, relay: Relay, made: list[str]) -> None:
    run("dispatch", "take", made[2], "--as", "li")
    status, out, _ = run("dispatch", "reject", made[2], "--as", "li", "--reason", "车坏了", "--json")
    (told,) = events(out)
    assert (status, told["event"], told["reason"], told["state"]) == (0, "rejected", "车坏了", "queued")
    relay.once()
    _, out, _ = run("dispatch", "take", "--as", "wang", "--unit", "yj-san-1", "--json")
    assert (events(out)[0]["job_id"], events(out)[0]["holder"]) == (made[2], "wang")


def test_waiting_ends_when_a_job_comes(config: Path, incidents: IncidentStore, relay: Relay) -> None:
    waiting = process(config, "take", "--as", "li", "--unit", "yj-san-1", "--wait", "60")
    incidents.open_or_refresh(sighting(unit_id="yj-san-1"), None, picture())
    relay.once()
    out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, events(out)[0]["event"]) == (0, "taken"), err


def test_a_flushed_queue_loses_no_job_and_doubles_none(run: Run, relay: Relay, redis_url: str, made: list[str]) -> None:
    run("dispatch", "take", "--as", "li", "--unit", "yj-san-1")
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    for _ in range(2):
        relay.once()
    got = []
    while (told := run("dispatch", "take", "--as", "wang", "--unit", "yj-san-1", "--json"))[0] == 0:
        got.append(events(told[1])[0]["job_id"])
    assert got == made[:2]


def test_a_queue_that_is_away_is_said_and_the_job_is_had(
    run: Run, config: Path, redis_url: str, made: list[str]
) -> None:
    config.write_text(config.read_text().replace(redis_url, "redis://127.0.0.1:1/0"))
    status, out, err = run("dispatch", "take", "--as", "li", "--unit", "yj-san-1", "--json")
    assert (status, events(out)[0]["job_id"]) == (0, made[2])
    assert "queue_away" in err


def test_a_database_that_is_away_is_one_clean_line(run: Run, config: Path, desk_url: str) -> None:
    config.write_text(config.read_text().replace(desk_url, "postgresql://u:hidden-word@127.0.0.1:1/none"))
    status, out, err = run("dispatch", "take", "--as", "li", "--unit", "yj-san-1", "--json")
    assert (status, out) == (1, "")
    assert err.startswith("curbwatch: 数据库、任务队列或磁盘暂时不可用")
    assert len(err.splitlines()) == 1
    assert "hidden-word" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["take", "--as", "li", "--unit", "yj-san-9"], "no unit 'yj-san-9'; did you mean 'yj-san-"),
        (["take", "--as", "li"], "whose jobs? --unit U, one of: yj-enf-1"),
        (["take", "--as", "  "], "say who you are"),
        (["take", "--as", "a\nb"], "say who you are"),
        (["take", "--as", "x" * 65], "say who you are"),
        (["take", "7", "--as", "li"], "is not the id of a job"),
        (["take", NOBODY, "--as", "li"], f"no job {NOBODY}"),
        (["done", NOBODY, "--as", "li"], f"no job {NOBODY}"),
        (["reject", NOBODY, "--as", "li", "--reason", " "], "needs a reason"),
        (["watch", "--unit", "nonsense"], "no unit 'nonsense'; there are"),
    ],
)
def test_wrong_usage_is_one_clean_line(run: Run, arguments: list[str], said: str) -> None:
    status, out, err = run("dispatch", *arguments, "--lang", "en")
    assert (status, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [["take"], ["done", NOBODY], ["reject", NOBODY, "--as", "li"], ["take", "--as", "li", "--wait", "-1"], ["sing"]],
)
def test_a_missing_or_wrong_option_is_status_2(run: Run, arguments: list[str]) -> None:
    assert run("dispatch", *arguments)[0] == 2


def test_a_crew_may_not_end_what_it_does_not_hold(run: Run, jobs: JobStore, made: list[str]) -> None:
    jobs.take(made[0], "li")
    status, _, err = run("dispatch", "done", made[0], "--as", "wang", "--lang", "en")
    assert (status, "is not held by wang" in err) == (2, True)
    assert "不在wang手上" in run("dispatch", "done", made[0], "--as", "wang")[2]
    assert jobs.find(made[0]).state == "taken"


def test_a_watch_shows_what_is_there_and_ends_by_itself(run: Run, jobs: JobStore, made: list[str]) -> None:
    jobs.take(made[1], "li")
    before = jobs.find(made[1]).lease_until
    status, out, err = run("dispatch", "watch", "--unit", "yj-san-1", "--as", "li", "--seconds", "0", "--json")
    assert status == 0, err
    told = events(out)
    assert [event["event"] for event in told] == ["queued", "queued", "taken", "stopped"]
    assert [event.get("job_id") for event in told[:3]] == [made[2], made[0], made[1]]
    after = jobs.find(made[1]).lease_until
    assert before is not None
    assert after is not None
    assert after > before
    assert {job.state for job in jobs.of_unit("yj-san-1")} == {"queued", "taken"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watch_follows_a_job_and_ends_cleanly_when_told(
    config: Path, jobs: JobStore, made: list[str], number: signal.Signals
) -> None:
    watching = process(config, "watch", "--unit", "yj-san-1", "--as", "li")
    assert watching.stdout is not None
    lines = iter(watching.stdout)
    assert [json.loads(next(lines))["event"] for _ in made] == ["queued"] * 3
    jobs.take(made[0], "li")
    told = json.loads(next(lines))
    assert (told["event"], told["job_id"], told["holder"]) == ("taken", made[0], "li")
    watching.send_signal(number)
    out, err = watching.communicate(timeout=60)
    assert [event["event"] for event in events(out)] == ["stopped"]
    assert (watching.returncode, err) == (0, "")


def test_a_watch_outlives_a_database_that_was_away(
    run: Run, monkeypatch: pytest.MonkeyPatch, jobs: JobStore, made: list[str], desk_url: str
) -> None:
    real, looks = Watch.look, []

    def look(watch: Watch) -> list[Change]:
        looks.append(1)
        if len(looks) == 2:
            with db.connect(desk_url, autocommit=True) as conn:
                conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                    " and application_name = 'curbwatch-alerts'"
                )
        if len(looks) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(watch)

    monkeypatch.setattr(Watch, "look", look)
    monkeypatch.setattr(dispatch_verbs, "LOOK_S", 0.01)
    status, out, _ = run("dispatch", "watch", "--unit", "yj-san-1", "--json")
    assert status == 0
    told = [event["event"] for event in events(out)]
    assert told == ["queued", "queued", "queued", "trouble", "back", "stopped"]


@pytest.fixture
def seen(incidents: IncidentStore, tmp_path: Path) -> str:
    """Id of an incident that waits for a person, its pictures on disk."""
    folder = EvidenceFolder(tmp_path / "evidence")
    before, opening = folder.keep(frame(b"before", MONDAY_1059 - 1)), folder.keep(frame(b"opening"))
    one = sighting(direct=False, unit_id="yj-san-1", camera_id="yj-cam-01")
    return incidents.open_or_refresh(one, before, opening).incident_id


def test_no_incidents(run: Run) -> None:
    assert run("incident", "list")[:2] == (0, "无\n")
    assert run("incident", "list", "--json")[:2] == (0, "")


def test_incidents_are_listed_for_people_and_programs(run: Run, incidents: IncidentStore, seen: str) -> None:
    assert f"{seen}  [待核实] yj-cam-01 暴露垃圾" in run("incident", "list")[1]
    (told,) = events(run("incident", "list", "--json")[1])
    schema = json.loads((Path(__file__).parents[2] / "schemas/wire/incident.v1.json").read_text("utf-8"))
    known = {key: value for key, value in told.items() if key in schema["properties"]}
    jsonschema.validate(known, schema)
    assert run("incident", "list", "--state", "done")[1] == "无\n"
    incidents.depart(departure(camera_id="yj-cam-01"))
    assert len(events(run("incident", "list", "--state", "gone", "--limit", "1", "--json")[1])) == 1


def test_an_incident_shows_every_fact_picture_and_step(run: Run, seen: str, tmp_path: Path) -> None:
    status, out, err = run("incident", "show", seen, "--json")
    assert status == 0, err
    (told,) = events(out)
    assert (told["incident"]["incident_id"], told["job"]) == (seen, None)
    assert [(one["role"], one["intact"]) for one in told["evidence"]] == [("before", True), ("opening", True)]
    assert [(event["actor"], event["what"]) for event in told["events"]] == [("detector", "opened")]
    Path(told["evidence"][1]["path"]).write_bytes(b"forged")
    (told,) = events(run("incident", "show", seen, "--json")[1])
    assert [one["intact"] for one in told["evidence"]] == [True, False]
    text = run("incident", "show", seen, "--lang", "en")[1]
    for part in ("[to verify]", "06010 Exposed waste", told["evidence"][0]["sha256"], "NOT INTACT", "opened"):
        assert part in text


def test_evidence_that_is_nowhere_is_said(run: Run, incidents: IncidentStore, tmp_path: Path) -> None:
    seen = incidents.open_or_refresh(sighting(), None, picture()).incident_id
    (told,) = events(run("incident", "show", seen, "--json")[1])
    assert [(one["path"], one["intact"]) for one in told["evidence"]] == [(None, False)]
    assert not (tmp_path / "evidence").exists()


def test_a_person_confirms_and_the_job_goes_out_under_their_name(run: Run, jobs: JobStore, seen: str) -> None:
    status, out, _ = run("incident", "confirm", seen, "--as", "王芳", "--urgent", "--json")
    (told,) = events(out)
    assert (status, told["event"], told["urgency"], told["state"]) == (0, "confirmed", "urgent", "queued")
    (shown,) = events(run("incident", "show", seen, "--json")[1])
    assert (shown["incident"]["decided_by"], shown["events"][-1]["actor"]) == ("王芳", "王芳")
    status, _, err = run("incident", "confirm", seen, "--as", "li")
    assert (status, "案件已派遣" in err, "王芳" in err) == (1, True, True)


def test_a_class_that_is_urgent_needs_no_option(run: Run, incidents: IncidentStore) -> None:
    one = sighting(direct=False, class_code="06014")
    seen = incidents.open_or_refresh(one, None, picture()).incident_id
    assert events(run("incident", "confirm", seen, "--as", "li", "--json")[1])[0]["urgency"] == "urgent"


@pytest.mark.parametrize("verb", [["show"], ["confirm", "--as", "li"]])
@pytest.mark.parametrize("incident_id", ["7", NOBODY])
def test_an_unknown_incident_is_one_clean_line(run: Run, verb: list[str], incident_id: str) -> None:
    status, out, err = run("incident", verb[0], incident_id, *verb[1:])
    assert (status, out) == (2, "")
    assert err.startswith("curbwatch: ")
    assert len(err.splitlines()) == 1


def test_every_event_and_key_is_documented(run: Run, made: list[str]) -> None:
    text = (Path(__file__).parents[2] / "docs/dispatch.md").read_text("utf-8")
    assert [name for name in EVENTS if f"`{name}`" not in text] == []
    (told,) = events(run("dispatch", "take", "--as", "li", "--unit", "yj-san-1", "--json")[1])
    assert [key for key in told if f"`{key}`" not in text] == []
