"""Who acts: by name as told, by the pack's staff, and by a file that only they have."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from curbwatch.parts import Servers
from curbwatch.people import FREE_TRIES, WAIT_MAX_S, People, read_token
from schemas.errors import UsageError
from schemas.record import Actor
from schemas.rules import StaffMember
from tests.alerts.makers import picture, sighting
from tests.fix_verbs import Verbs, config_of

pytestmark = pytest.mark.servers
STAFF = {
    "lin": StaffMember("lin", "林芳", "dispatcher"),
    "xie": StaffMember("xie", "谢宁", "supervisor"),
    "wang-1": StaffMember("wang-1", "王芳", "officer"),
    "wang-2": StaffMember("wang-2", "王芳", "intake"),
}
MADE_BY = Actor("administrator", "system")


@pytest.fixture
def slept() -> list[float]:
    """How long somebody had to wait, each time, s."""
    return []


@pytest.fixture
def people(database: AlertDatabase, tmp_path: Path, slept: list[float]) -> People:
    return People(STAFF, database, environment={"XDG_CONFIG_HOME": str(tmp_path)}, sleep=slept.append)


def strict(people: People, **environment: str) -> People:
    """The same where nobody acts without a token."""
    return People(people.staff, people.database, True, {**people.environment, **environment}, people.sleep)


def test_nobody_is_nobody(people: People) -> None:
    for nothing in ("", " ", "x" * 65, "a\nb", "\x1b[2J"):
        with pytest.raises(UsageError, match="say who you are"):
            people.actor(nothing)


def test_without_tokens_a_name_is_taken_as_told_and_the_staff_keep_their_roles(people: People) -> None:
    assert people.actor("李雷") == Actor("李雷", "dispatcher")
    assert people.actor("李雷", unlisted="crew") == Actor("李雷", "crew")
    assert people.actor("lin") == people.actor(" 林芳 ") == Actor("林芳", "dispatcher")
    assert people.actor("xie", unlisted="crew") == Actor("谢宁", "supervisor")
    assert people.actor("wang-1") == Actor("wang-1", "officer")  # two share the name
    with pytest.raises(UsageError, match="two are called so; use an id: wang-1, wang-2"):
        people.actor("王芳")


def test_a_token_file_proves_who_somebody_is_and_only_its_digest_is_kept(
    people: People, database: AlertDatabase
) -> None:
    path = people.make_token(STAFF["lin"], MADE_BY)
    assert path == people.usual("lin")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = path.read_text().strip()
    for actor in (people.actor("lin"), people.actor("林芳"), people.actor("", path), strict(people).actor("lin")):
        assert actor == Actor("林芳", "dispatcher", proved=True)
    assert strict(people, CURBWATCH_TOKEN_FILE=str(path)).actor("") == Actor("林芳", "dispatcher", proved=True)
    with database.transaction() as conn:
        kept = conn.execute("select person_token::text as row from person_token").fetchall()
    assert len(kept) == 1
    assert token not in kept[0]["row"]


def test_with_tokens_nobody_acts_without_one(people: People) -> None:
    for said in ("lin", "李雷", ""):
        with pytest.raises(UsageError, match="curbwatch staff token"):
            strict(people).actor(said)


def test_a_new_token_ends_the_old_one_and_a_revoked_one_ends_at_once(people: People, tmp_path: Path) -> None:
    old = people.make_token(STAFF["lin"], MADE_BY, tmp_path / "old.token")
    new = people.make_token(STAFF["lin"], MADE_BY, tmp_path / "new.token")
    assert people.actor("lin", new).proved
    with pytest.raises(UsageError, match="ended or unknown"):
        people.actor("lin", old)
    assert people.end_tokens(STAFF["lin"], MADE_BY) == 1
    with pytest.raises(UsageError, match=r"makes a new one$"):
        people.actor("lin", new)
    people.usual("lin").parent.mkdir(parents=True, exist_ok=True)
    new.rename(people.usual("lin"))
    with pytest.raises(UsageError, match="or remove the file"):
        people.actor("lin")
    with pytest.raises(UsageError, match=r"makes a new one$"):
        strict(people).actor("lin")


def test_a_token_is_good_for_its_person_only_and_goes_with_them(people: People) -> None:
    path = people.make_token(STAFF["lin"], MADE_BY)
    with pytest.raises(UsageError, match="林芳's, not xie's"):
        people.actor("xie", path)
    with pytest.raises(UsageError, match="林芳's, not 李雷's"):
        people.actor("李雷", path)
    left = People({"xie": STAFF["xie"]}, people.database, environment=people.environment, sleep=people.sleep)
    with pytest.raises(UsageError, match="of nobody in the pack's staff any more"):
        left.actor("", path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.chmod(0o640), "can be read by others"),
        (lambda path: path.chmod(0o604), "can be read by others"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text("abc"), "holds no token"),
        (lambda path: path.write_bytes(b"\xff" * 10_000_000), "holds no token"),
        (lambda path: (path.unlink(), path.mkdir()), "is no file"),
    ],
)
def test_a_file_that_proves_nothing_is_refused(people: People, change: Any, said: str) -> None:  # noqa: ANN401
    path = people.make_token(STAFF["lin"], MADE_BY)
    assert len(read_token(path)) == 64
    change(path)
    with pytest.raises(UsageError, match=said):
        people.actor("lin", path)


def test_guessing_is_written_down_and_slows_down(people: People, tmp_path: Path, slept: list[float]) -> None:
    guess = tmp_path / "guess.token"
    guess.write_text("0" * 64)
    guess.chmod(0o600)
    assert people.refusals() == 0
    for _ in range(FREE_TRIES + 8):
        with pytest.raises(UsageError):
            people.actor("lin", guess)
    assert people.refusals() == FREE_TRIES + 8
    assert slept[:3] == [1.0, 2.0, 4.0]
    assert max(slept) == WAIT_MAX_S
    before = len(slept)
    people.actor("xie", people.make_token(STAFF["xie"], MADE_BY, tmp_path / "xie.token"))
    assert len(slept) == before  # another person waits for nothing


def test_once_a_supervisor_has_a_token_only_they_make_tokens(people: People, tmp_path: Path) -> None:
    wanted = strict(people)
    wanted.make_token(STAFF["lin"], MADE_BY)
    path = wanted.make_token(STAFF["xie"], MADE_BY)
    for maker in (MADE_BY, wanted.actor("lin"), Actor("谢宁", "supervisor")):
        with pytest.raises(UsageError, match="by a supervisor"):
            wanted.make_token(STAFF["lin"], maker)
        with pytest.raises(UsageError, match="by a supervisor"):
            wanted.end_tokens(STAFF["lin"], maker)
    assert wanted.make_token(STAFF["lin"], wanted.actor("", path), tmp_path / "again").exists()


def test_a_token_whose_file_cannot_be_written_leaves_the_old_one_good(people: People, tmp_path: Path) -> None:
    path = people.make_token(STAFF["lin"], MADE_BY)
    (tmp_path / "taken").mkdir()
    with pytest.raises(Exception, match="cannot be written"):
        people.make_token(STAFF["lin"], MADE_BY, tmp_path / "taken")
    assert people.actor("lin", path).proved


@pytest.fixture
def verbs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    servers: Servers,
    desk_url: str,
) -> Verbs:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("CURBWATCH_TOKEN_FILE", raising=False)
    path = config_of(tmp_path, servers, desk_url)
    with path.open("a") as config:
        config.write("[desk]\ntokens = true\n")
    return Verbs(monkeypatch, capsys, path)


def test_at_a_desk_with_tokens_the_record_says_who_was_proved(
    verbs: Verbs, incidents: IncidentStore, jobs: JobStore, desk_url: str
) -> None:
    one = sighting(direct=False, unit_id="yj-san-1")
    seen = incidents.open_or_refresh(one, None, picture()).incident_id
    assert "staff token lin-fang" in verbs.refused("incident", "confirm", seen, "--as", "lin-fang", "--lang", "en")
    status, out, _ = verbs.run("staff", "token", "林芳")
    assert (status, out.endswith("lin-fang.token\n")) == (0, True)
    (told,) = verbs.told("incident", "confirm", seen, "--as", "lin-fang")
    assert told["event"] == "confirmed"
    assert verbs.run("staff", "token", "tang-hui", "--as", "lin-fang")[0] == 0
    (taken,) = verbs.told("dispatch", "take", told["job_id"], "--as", "唐慧")
    assert taken["holder"] == "唐慧"
    assert "curbwatch staff token" in verbs.refused(
        "dispatch", "done", told["job_id"], "--as", "somebody", "--lang", "en"
    )
    with db.connect(desk_url) as conn:
        rows = conn.execute("select actor, role, proved from incident_event order by event_id").fetchall()
    assert rows == [
        ("detector", "system", False),
        ("林芳", "dispatcher", True),
        ("唐慧", "officer", True),
    ]
    listed = {row["person_id"]: row for row in verbs.told("staff", "list")}
    assert (listed["lin-fang"]["token_since"] is None, listed["deng-wei"]["token_since"]) == (False, None)
    assert "派遣员" in verbs.run("staff", "list")[1]
    status, out, _ = verbs.run("staff", "revoke", "lin-fang", "--as", "lin-fang", "--json")
    assert (status, json.loads(out)) == (0, {"ended": 1})
    assert "ended or unknown" in verbs.refused(
        "incident", "note", seen, "--as", "lin-fang", "--text", "x", "--lang", "en"
    )
    assert "no 'lin-fan'" in verbs.refused("staff", "token", "lin-fan", "--as", "tang-hui", "--lang", "en")


def test_an_auditor_takes_no_jobs(verbs: Verbs, desk_url: str) -> None:
    verbs.config.write_text(verbs.config.read_text().replace("tokens = true", "tokens = false"))
    assert "auditor, who reads only" in verbs.refused(
        "dispatch", "take", "--as", "冯琪", "--unit", "yj-san-1", "--lang", "en"
    )


def test_who_may_not_hold_a_case_at_the_desk_may_not_by_its_number_either(
    verbs: Verbs, incidents: IncidentStore
) -> None:
    verbs.config.write_text(verbs.config.read_text().replace("tokens = true", "tokens = false"))
    seen = incidents.open_or_refresh(sighting(), None, picture()).incident_id
    (held,) = verbs.told("keep", "hold", "--incident", seen, "--as", "谢宁", "--reason", "法院调取")
    number = str(held["hold"])
    for who in ("huang-tao", "chen-lan", "zhou-min", "deng-wei", "feng-qi"):
        verbs.refused("keep", "release", number, "--as", who, "--reason", "x")
        verbs.refused("keep", "hold", "--incident", seen, "--as", who, "--reason", "x")
    assert "黄涛是执法队员" in verbs.refused("keep", "release", number, "--as", "huang-tao", "--reason", "x")
    assert [step.what for step in incidents.events(seen)][-1] == "held"
    assert verbs.told("keep", "release", number, "--as", "wu-jian", "--reason", "已结案") == [
        {"released": held["hold"]}
    ]
