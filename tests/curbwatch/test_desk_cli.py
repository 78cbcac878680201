"""The dispatcher's desk, the auditor's verbs and the bundle, as people and scripts use them."""

import hashlib
import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import curbwatch.database as db
from alerts.desk.listing import Asked, listed
from alerts.incidents.evidence import EvidenceFolder
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.record.seals import Sealer
from alerts.record.words import WHATS, step_words
from alerts.store import AlertDatabase
from curbwatch import feedback
from schemas.record import What
from tests.alerts.makers import city, frame, sighting
from tests.fix_desk import OPEN_RECORD
from tests.fix_verbs import Verbs
from tests.ingest.jpegs import jpeg

pytestmark = pytest.mark.servers
NOW = datetime(2026, 5, 4, tzinfo=UTC)
LIN, WU = ("--as", "林芳"), ("--as", "wu-jian")  # a dispatcher by name, a duty lead by id


@pytest.fixture
def verbs(picture_verbs: Verbs) -> Verbs:
    """Verbs on the desk's database, with nobody's token."""
    return picture_verbs


def opened(incidents: IncidentStore, tmp_path: Path, **changes: Any) -> str:  # noqa: ANN401
    """Id of a stall before a camera of the pack that waits for a person, its picture on disk."""
    whole: dict[str, Any] = {
        "camera_id": "yj-cam-01",
        "family": "stall",
        "class_code": "09006",
        "direct": False,
        "unit_id": "yj-enf-1",
    }
    kept = EvidenceFolder(tmp_path / "evidence").keep(frame(f"\xff\xd8{changes}\xff\xd9".encode("latin-1")))
    return incidents.open_or_refresh(sighting(**whole | changes), None, kept).incident_id


@pytest.fixture
def seen(incidents: IncidentStore, tmp_path: Path) -> str:
    return opened(incidents, tmp_path)


def last(verbs: Verbs, incident_id: str) -> dict[str, Any]:
    (known,) = verbs.told("incident", "show", incident_id)
    found: dict[str, Any] = known["events"][-1]
    return found


def test_an_empty_desk_says_nothing(verbs: Verbs) -> None:
    assert verbs.told("incident", "list", "--state", "verify") == []
    assert verbs.told("audit", "voids") == []
    (audit,) = verbs.told("audit", "verify")
    assert (audit["ok"], audit["rows"], audit["head"]) == (True, 0, "")
    assert verbs.run("audit", "head")[0] == 1


def test_what_waits_for_a_person_stands_urgent_first_then_oldest_first(
    verbs: Verbs, incidents: IncidentStore, tmp_path: Path
) -> None:
    kinds: list[dict[str, Any]] = [{"captured_ns": sighting().captured_ns + 10**9}, {}, {"urgent": True}]
    ids = [
        opened(incidents, tmp_path, track_id=index, box_px=(index * 200.0, 0.0, 50.0, 50.0), **changes)
        for index, changes in enumerate(kinds)
    ]
    waiting = verbs.told("incident", "list", "--state", "verify")
    assert [one["incident_id"] for one in waiting] == [ids[2], ids[1], ids[0]]
    newest = verbs.told("incident", "list", "--open", "--limit", "1")
    assert [one["incident_id"] for one in newest] == [ids[0]]
    status, out, _ = verbs.run("incident", "list", "--state", "verify", "--lang", "en")
    assert (status, out.splitlines()[0].startswith("○!")) == (0, True)


def test_a_list_holds_what_was_asked_for(verbs: Verbs, seen: str, database: AlertDatabase) -> None:
    asked: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"unit": "yj-enf-1"}, {"unit": "yj-san-1"}),
        ({"cell": "512002001"}, {"cell": "512003"}),
        ({"class_code": "09006"}, {"class_code": "09005"}),
        ({"camera": "yj-cam-01"}, {"camera": "yj-cam-02"}),
        ({"since": datetime(2026, 5, 1, tzinfo=UTC)}, {"since": datetime(2026, 5, 5, tzinfo=UTC)}),
        ({"open_only": True}, {"overdue": True}),
        ({"state": "verify"}, {"unrouted": True}),
        ({}, {"cell": "' or 1=1 --"}),
        ({"cell": "5"}, {"cell": "%"}),
        ({"limit": 1}, {"camera": "x" * 10_000}),
    ]
    for yes, no in asked:
        assert [one.row.incident_id for one in listed(database, Asked(**yes))] == [seen], yes
        assert listed(database, Asked(**no)) == [], no
    options = (
        "--unit yj-enf-1 --cell 512002 --class 09006 --camera yj-cam-01 --since 2026-05-01T00:00Z --open --limit 9"
    )
    assert [one["incident_id"] for one in verbs.told("incident", "list", *options.split())] == [seen]
    assert verbs.told("incident", "list", "--overdue") == verbs.told("incident", "list", "--unrouted") == []


def test_lamps_of_running_clocks_are_shown(verbs: Verbs, seen: str, desk_url: str) -> None:
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute(
            "insert into incident_clock (incident_id, stage, round, limit_id, started_at, yellow_at, due_at, limit_s,"
            " rule_version) values (%s, 'verify', 1, 'l', now() - interval '2 h', now() - interval '1 h',"
            " now() - interval '30 min', 5400, 'v')",
            (seen,),
        )
    (told,) = verbs.told("incident", "list", "--overdue")
    assert (told["lamp"], told["incident_id"]) == ("red", seen)
    assert "late 30 min" in verbs.run("incident", "list", "--lang", "en")[1]


def test_a_case_goes_its_whole_way_and_tells_it(verbs: Verbs, seen: str, jobs: JobStore) -> None:
    (told,) = verbs.told("incident", "confirm", seen, *LIN)
    assert (told["event"], told["unit_id"], told["again"]) == ("confirmed", "yj-enf-1", False)
    assert told["case_no"].startswith("512002")
    taken = jobs.take(told["job_id"], "李雷")
    assert taken is not None
    (told,) = verbs.told("incident", "extend", seen, *WU, "--hours", "2", "--text", "路上封闭")
    assert (told["event"], told["actor"], told["role"], told["proved"]) == ("extended", "吴建", "duty_lead", False)
    verbs.told("incident", "suspend", seen, *WU, "--text", "等拆迁", "--until", "7d")
    assert verbs.told("incident", "list", "--suspended-past") == []
    verbs.told("incident", "resume", seen, *WU)
    jobs.take(taken.job_id, "李雷")
    jobs.done(taken.job_id, "李雷")
    (told,) = verbs.told("incident", "reopen", seen, *LIN, "--text", "又摆出来了")
    assert told["incident"]["state"] == "dispatched"
    text = verbs.run("incident", "show", seen, "--lang", "zh")[1]
    for part in (
        "林芳  核实立案 · 案号 512002",
        "延时 · 处置 · 2 工作小时 · 路上封闭",
        "挂账 · 等拆迁",
        "人工 · 又摆出来了 · 返工",
    ):
        assert part in text
    rows = verbs.told("incident", "log", seen)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(row["prev_hash"] == before["hash"] for before, row in pairwise(rows))


def test_a_refusal_is_one_line_in_the_desks_language_and_an_object_for_scripts(verbs: Verbs, seen: str) -> None:
    assert verbs.refused("incident", "confirm", seen, "--as", "邓伟") == (
        "curbwatch: 邓伟是协管员:可以劝导、采集和备注,不能核实派遣\n"
    )
    assert "作废须有理由" in verbs.refused("incident", "void", seen, *LIN)
    assert "冯琪 is an auditor" in verbs.refused("incident", "void", seen, "--as", "feng-qi", "--lang", "en")
    status, out, _ = verbs.run("incident", "void", seen, *LIN, "--json")
    told = json.loads(out)
    assert (status, told["event"], told["reason"], told["incident_id"]) == (2, "refused", "void_reason", seen)
    assert verbs.told("incident", "note", seen, "--as", "deng-wei", "--text", "已劝导")[0]["role"] == "auxiliary"


def test_clicked_twice_is_said_to_be_done_before(
    verbs: Verbs, seen: str, incidents: IncidentStore, jobs: JobStore, tmp_path: Path
) -> None:
    for _ in range(2):
        verbs.told("incident", "snooze", seen, *LIN, "--until", "2h", "--text", "施工", "--key", "s-1")
    refusal = verbs.refused("incident", "snooze", seen, *LIN, "--until", "3h", "--text", "施工", "--key", "s-1")
    assert "--key s-1:已用于本案的 snooze,但内容不同" in refusal
    first, second = (verbs.run("incident", "confirm", seen, *LIN)[1] for _ in range(2))
    assert ("已办过" in first, "已办过,未重复" in second) == (False, True)
    assert "done before, not twice" in verbs.run("incident", "confirm", seen, *LIN, "--lang", "en")[1]
    handled = opened(incidents, tmp_path, camera_id="yj-cam-02", check="person")
    verbs.told("incident", "confirm", handled, *LIN)
    job = jobs.of_incident(handled)
    assert job is not None
    assert jobs.take(job.job_id, "crew-1") is not None
    jobs.done(job.job_id, "crew-1")
    void = ("incident", "void", handled, *LIN, "--reason", "duplicate")
    (status, asked, _), (again_status, again, _) = verbs.run(*void), verbs.run(*void)
    assert (status, "须由另一人确认" in asked, "已办过" in asked) == (0, True, False)
    assert (again_status, "须由另一人确认(已办过,未重复)" in again) == (0, True)


def test_who_comes_late_is_told_who_was_first_and_what_changed(verbs: Verbs, seen: str) -> None:
    verbs.told("incident", "confirm", seen, *LIN, "--key", "k-1")
    (again,) = verbs.told("incident", "confirm", seen, *LIN, "--key", "k-1")
    assert again["again"]
    status, _, err = verbs.run("incident", "file", seen, *WU)
    assert (status, "林芳: 核实立案" in err, err.count("\n")) == (1, True, 1)
    status, out, err = verbs.run("incident", "void", seen, *WU, "--reason", "test", "--version", "1", "--json")
    assert (status, json.loads(out)["reason"]) == (1, "changed")
    assert "2 林芳: 核实立案" in err


def test_a_false_alarm_teaches_the_camera_and_a_permitted_stall_does_not(
    verbs: Verbs, seen: str, incidents: IncidentStore, tmp_path: Path, desk_url: str
) -> None:
    other = opened(incidents, tmp_path, camera_id="yj-cam-02")
    verbs.told("incident", "void", other, *LIN, "--reason", "permitted")
    verbs.told("incident", "void", seen, *LIN, "--reason", "false_alarm")
    verbs.told("incident", "void", seen, *LIN, "--reason", "false_alarm")
    with db.connect(desk_url) as conn:
        assert feedback.orders_of(conn, "yj-cam-02", 9) == []
        (order,) = feedback.orders_of(conn, "yj-cam-01", 9)
    assert (order["action"], order["person"], order["detail"]["track_id"]) == ("ignore", "林芳", 7)
    told = verbs.told("audit", "voids")
    assert [(one["actor"], one["reason"], one["count"]) for one in told] == [
        ("林芳", "false_alarm", 1),
        ("林芳", "permitted", 1),
    ]


def test_pictures_from_the_spot_are_checked_and_kept(verbs: Verbs, seen: str, tmp_path: Path) -> None:
    for name, data in (("no.jpg", b"GIF89a"), ("empty.jpg", b"")):
        (tmp_path / name).write_bytes(data)
        path = str(tmp_path / name)
        assert "no picture that is taken: it is no JPEG" in verbs.refused(
            "incident", "self-handle", seen, *LIN, "--after", path, "--lang", "en"
        )
    assert "无法读取" in verbs.refused("incident", "self-handle", seen, *LIN, "--after", str(tmp_path / "x"))
    after = tmp_path / "after.jpg"
    after.write_bytes(jpeg(64, 48))
    (told,) = verbs.told("incident", "self-handle", seen, *LIN, "--after", str(after), "--text", "劝离")
    assert told["incident"]["state"] == "done"
    (known,) = verbs.told("incident", "show", seen)
    assert [(one["role"], one["intact"]) for one in known["evidence"]] == [("opening", True), ("after", True)]


def test_a_quiet_place_and_a_merge_are_said_in_words(
    verbs: Verbs, seen: str, incidents: IncidentStore, tmp_path: Path
) -> None:
    verbs.told("incident", "snooze", seen, *LIN, "--until", "2h", "--text", "施工")
    assert "暂停提醒" in verbs.run("incident", "show", seen)[1]
    assert "截止时间" in verbs.refused("incident", "snooze", seen, *LIN, "--until", "2020-01-01T00:00Z", "--text", "x")
    assert "恢复提醒" in verbs.run("incident", "wake", seen, *LIN, "--lang", "zh")[1]
    assert last(verbs, seen)["what"] == "woken"
    assert "此处未暂停提醒" in verbs.refused("incident", "wake", seen, *LIN)
    into = opened(incidents, tmp_path, camera_id="yj-cam-02")
    assert verbs.told("incident", "merge", seen, *LIN, "--into", into)[0]["incident"]["state"] == "merged"
    assert last(verbs, into)["detail"] == {"from": seen}


def test_every_step_has_its_word_and_every_detail_a_place() -> None:
    assert set(WHATS) == set(What)
    page = (Path(__file__).parents[2] / "docs/record.md").read_text("utf-8")
    assert [what for what in What if f"| `{what}` |" not in page] == []
    words = step_words(city(), "reclassed", {"from": "09006", "to": "09005", "reason": "minor", "digest": "ab"}, "zh")
    assert words == "改类 · 占道经营 · → 店外经营 · 情节轻微"
    assert step_words(city(), "danced", {"with": "li"}, "en") == "danced · li"


def test_an_auditor_is_told_what_was_changed_and_keeps_the_head_elsewhere(
    verbs: Verbs, seen: str, database: AlertDatabase, desk_url: str
) -> None:
    Sealer(database).seal(NOW)
    (head,) = verbs.told("audit", "head")
    assert head["hash"][:8] in verbs.run("audit", "head")[1]
    assert verbs.told("audit", "verify", "--head", head["hash"])[0]["ok"]
    assert "64 hexadecimal" in verbs.refused("audit", "verify", "--head", "abc", "--lang", "en")
    with db.connect(desk_url, autocommit=True) as conn:
        conn.execute(OPEN_RECORD)
        conn.execute("update incident_event set actor = 'nobody' where incident_id = %s and seq = 1", (seen,))
    status, out, _ = verbs.run("audit", "verify", "--json")
    told = json.loads(out)
    assert (status, told["ok"], told["findings"][0]["kind"], told["findings"][0]["seq"]) == (1, False, "changed", 1)
    status, out, _ = verbs.run("audit", "verify", "--lang", "en")
    assert (status, f"incident {seen}, row 1" in out, "NOT AS IT WAS WRITTEN" in out) == (1, True, True)
    status, out, _ = verbs.run("audit", "verify")
    assert (status, f"changed   案件 {seen} 第 1 步:内容与写入时不同" in out, "不一致:" in out) == (1, True, True)


def checked(bundle: Path, *options: str) -> tuple[int, str]:
    """What the bundle's own program says, without the system: isolated, without site packages."""
    program = bundle.with_name("verify.py")
    program.write_bytes(zipfile.ZipFile(bundle).read("verify.py"))
    command = [sys.executable, "-I", "-S", str(program), str(bundle), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout + done.stderr


def changed(bundle: Path, name: str, old: bytes, new: bytes, *, listed: bool = False, shown: bool = False) -> Path:
    """The bundle with one file changed; ``listed``: its digest in the manifest made right, ``shown``: the picture's."""
    with zipfile.ZipFile(bundle) as made:
        files = {one: made.read(one) for one in made.namelist()}
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
    if listed:
        manifest = json.loads(files["manifest.json"])
        manifest["files"][name] = hashlib.sha256(files[name]).hexdigest()
        if shown:
            manifest["pictures"][0]["sha256"] = manifest["files"][name]
        files["manifest.json"] = json.dumps(manifest).encode()
    path = bundle.with_name("changed.zip")
    with zipfile.ZipFile(path, "w") as made:
        for one, data in files.items():
            made.writestr(one, data)
    return path


def test_a_bundle_proves_a_case_without_us_and_tells_what_was_changed(
    verbs: Verbs, seen: str, database: AlertDatabase, tmp_path: Path
) -> None:
    verbs.told("incident", "confirm", seen, *LIN)
    out = tmp_path / "case.zip"
    verbs.told("incident", "export", seen, "--out", str(out))
    assert checked(out)[0] == 0
    assert "no seal holds it yet" in checked(out)[1]
    Sealer(database).seal(NOW)
    (head,) = verbs.told("audit", "head")
    verbs.told("incident", "note", seen, *LIN, "--text", "后来")
    verbs.told("incident", "export", seen, "--out", str(out), "--head", head["hash"])
    status, text = checked(out, "--head", head["hash"])
    assert (status, "as it was written" in text, "1 rows are not sealed yet" in text) == (0, True, True)
    assert checked(out, "--head", "0" * 64)[0] == 1
    with zipfile.ZipFile(out) as made:
        (shown,) = [name for name in made.namelist() if name.startswith("pictures/")]
    cases = [
        ("record.jsonl", "林芳".encode(), "王芳".encode(), True),
        ("record.jsonl", "林芳".encode(), "王芳".encode(), False),
        (shown, b"\xff\xd9", b"\xff\xd8", True),
        ("seals.jsonl", head["hash"][:8].encode(), b"00000000", True),
        ("manifest.json", b"curbwatch/bundle/1", b"curbwatch/bundle/9", False),
    ]
    for name, old, new, right in cases:
        status, text = checked(changed(out, name, old, new, listed=right))
        assert (status, "WRONG" in text) == (1, True), (name, right, text)
    status, text = checked(changed(out, shown, b"\xff\xd9", b"\xff\xd8", listed=True, shown=True))
    assert (status, "is not the picture that the record names" in text) == (1, True)
    (tmp_path / "no.zip").write_bytes(b"x")
    (tmp_path / "verify.py").write_bytes(zipfile.ZipFile(out).read("verify.py"))
    refusal = [sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(tmp_path / "no.zip")]
    assert subprocess.run(refusal, capture_output=True, check=False).returncode == 1
    assert "无法写入" in verbs.refused("incident", "export", seen, "--out", str(tmp_path / "no" / "x.zip"))
