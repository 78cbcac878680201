"""What verbs refuse is said in the language of the desk: no sentence of another one is left."""

import ast
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

import curbwatch.database as db
from alerts.incidents.store import IncidentStore
from alerts.jobs.store import JobStore
from alerts.store import AlertDatabase
from config.pack import load_pack
from curbwatch.__main__ import VERBS
from curbwatch.cli.app import app
from curbwatch.parts import Servers
from curbwatch.spoken import AWAY, DENIED, NOT_SET_UP, spoken
from schemas.errors import CurbwatchError, SaidError, SetupError, SinkError, UsageError
from tests.alerts.makers import picture, sighting
from tests.fix_servers import own_database
from tests.fix_verbs import Verbs

ROOT = Path(__file__).parents[2]
HAN = re.compile(r"[\u4e00-\u9fff]")
# Three words of English in a row are a sentence; what is in quotes, a path or an option is a name.
NAMES = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|\S*/\S*|--?[a-z][a-z-]*|\$\w+")
SENTENCE = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]+){2,}")
# What a dispatcher, a crew or an installer is refused by; each file of alerts/ beside.
SHELLS = (
    *(f"curbwatch/{name}.py" for name in ("desk", "office", "people", "letters", "reports", "strangers", "feedback")),
    *(f"curbwatch/{name}.py" for name in ("packs_kept", "spoken")),
    *(f"curbwatch/cli/{name}.py" for name in ("acting", "audit", "keep", "staff", "outlet", "dlq", "device", "kpi")),
    *(f"curbwatch/cli/{name}.py" for name in ("device_track", "camera_memory", "camera_health", "dispatch")),
    *(f"curbwatch/cli/dispatch_{name}.py" for name in ("board", "moves", "show")),
    *(f"curbwatch/cli/incident{name}.py" for name in ("", "_acts", "_stages", "_clocks", "_report")),
)
# Read by who runs the service, or by a program: bundles, and the points at which tests end a process.
ENGLISH = ("alerts/record/bundle*", "alerts/crash.py")
GROUPS = ("incident", "dispatch", "staff", "outlet", "keep", "audit", "device", "camera", "dlq", "kpi", "pack")
NOBODY = "00000000-0000-0000-0000-000000000001"
AS = ("--as", "林芳")
MAY = ("--from", "2026-05-01", "--to", "2026-05-31")
FAR = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()  # in no time zone over yet
# What each verb is refused, and what it says where there is nothing; {seen} is an incident that waits for a person,
# {pack} the version of the pack in use.
REFUSED: dict[str, tuple[tuple[str, ...], ...]] = {
    "incident list": ((), ("--since", "x"), ("--unit", "yj-enf-9")),
    "incident show": ((), ("7d4f",), (NOBODY,), ("--ref", "1")),
    "incident log": (("abcdef01",),),
    "incident confirm": (("{seen}",), ("{seen}", "--as", "a\nb"), (NOBODY, *AS), ("{seen}", *AS, "--key", "a\n")),
    "incident file": (("{seen}", "--as", "冯琪"), ("{seen}", *AS, "--token-file", "/nowhere")),
    "incident void": (("{seen}", *AS), ("{seen}", *AS, "--reason", "test", "--text", "x" * 2001)),
    "incident downgrade": (("{seen}", *AS), ("{seen}", *AS, "--reason", "minor", "--class", "1")),
    "incident snooze": (("{seen}", *AS), ("{seen}", *AS, "--until", "tomorrow"), ("{seen}", *AS, "--until", "2h")),
    "incident wake": (("{seen}", *AS),),
    "incident merge": (("{seen}", *AS), ("{seen}", *AS, "--into", "{seen}"), ("{seen}", *AS, "--into", NOBODY)),
    "incident reopen": (("{seen}", *AS),),
    "incident note": (("{seen}", *AS), ("{seen}", *AS, "--text", "a\x1b[2J")),
    "incident close": (("{seen}", *AS),),
    "incident rework": (("{seen}", *AS),),
    "incident suspend": (("{seen}", *AS, "--until", "x"), ("{seen}", *AS)),
    "incident resume": (("{seen}", *AS),),
    "incident extend": (("{seen}", *AS),),
    "incident self-handle": (("{seen}", *AS), ("{seen}", *AS, "--after", "/nowhere"), ("{seen}", *AS, "--after", ".")),
    "incident overdue": ((), ("--unit", "yj-enf-9")),
    "incident stuck": ((), ("--day", "x")),
    "incident report": (
        (),
        ("--kind", "patrol", *AS),
        ("--kind", "patrol", "--ref", "1", *AS),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stal"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--class", "0"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "waste", "--class", "09006", "--camera", "yj-cam-01"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--lon", "1"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--lon", "1", "--lat", "91"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--box", "1"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--box", "1,2,3,0"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--box", "1,2,3,4"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--camera", "yj-cam-001"),
        ("--kind", "patrol", "--ref", "1", *AS, "--family", "stall", "--cell", "x"),
        ("--kind", "patrol", "--ref", "1", *AS, "--at", "noon"),
        (
            "--kind",
            "patrol",
            "--ref",
            "1",
            *AS,
            "--class",
            "09006",
            "--camera",
            "yj-cam-01",
            "--at",
            "2099-01-01T00:00Z",
        ),
        ("--kind", "patrol", "--ref", "1", "--as", "冯琪"),
    ),
    "dispatch take": (("x", *AS), (*AS, "--unit", "x"), (NOBODY, *AS), ("--as", "冯琪"), ("--as", "nobody")),
    "dispatch watch": (("--unit", "x"),),
    "dispatch done": ((NOBODY, *AS), ("x", *AS), (NOBODY, *AS, "--note", "x" * 2001)),
    "dispatch reject": ((NOBODY, *AS), ("x", *AS, "--reason", "y")),
    "dispatch reassign": ((NOBODY, *AS), (NOBODY, *AS, "--to", "yj-enf-1"), ("x", *AS, "--to", "y")),
    "dispatch escalate": ((NOBODY, *AS), (NOBODY, *AS, "--reason", "x"), (NOBODY, "--as", "冯琪", "--reason", "x")),
    "dispatch dead": ((), ("--requeue", NOBODY, *AS)),
    "dispatch board": (("--unit", "x"),),
    "dispatch show": ((NOBODY,), ("x",)),
    "staff list": (),
    "staff token": (("lin-fan",),),
    "staff revoke": (("lin-fan",), ("lin-fang",)),
    "outlet list": ((), ("--outlet", "police")),
    "outlet retry": ((), ("--outlet", "police")),
    "keep show": ((),),
    "keep run": ((),),
    "keep hold": (
        AS,
        (*AS, "--incident", "{seen}"),
        (*AS, "--incident", NOBODY, "--reason", "x"),
        (*AS, "--device", "x", "--from", "1d", "--reason", "x"),
        (*AS, "--device", "x", "--from", "1h", "--to", "2h", "--reason", "x"),
        (*AS, "--device", "x", "--from", "y", "--reason", "x"),
        ("--as", "邓伟", "--incident", "{seen}", "--reason", "x"),
        ("--as", "huang-tao", "--incident", "{seen}", "--reason", "x"),
    ),
    "keep release": (("7", *AS, "--reason", "x"), ("7", *AS)),
    "audit verify": ((), ("--head", "x")),
    "audit head": ((),),
    "audit voids": ((), ("--since", "x")),
    "device list": (),
    "device strangers": ((),),
    "device accept": (("x",), ("x:y", "--kind", "camera"), ("x", "--unit", "y"), ("a b", "--kind", "camera")),
    "device forget": (("x",), ("yj-cam-01",)),
    "device health": ((), ("x",), ("yj-cam-01",)),
    "device where": ((), ("--near", "x")),
    "device track": (("x", "--from", "y"), ("x", "--from", "1h", "--to", "2h")),
    "device passed": (("x",), ("104.6,30.1", "--from", "1h", "--to", "2h")),
    "camera health": (("x",),),
    "camera adoptions": (("x",), ("yj-cam-01",)),
    "camera orders": (("x",), ("yj-cam-01",)),
    "camera undo": (("yj-cam-01", "7", *AS), ("x", "7", "--as", "冯琪")),
    "camera ignore": (
        ("yj-cam-01", *AS),
        ("yj-cam-01", *AS, "--box", "1"),
        ("yj-cam-01", *AS, "--box", "1,2,0,4"),
        ("yj-cam-02", *AS, "--incident", "{seen}"),
    ),
    "camera fixture": (
        ("yj-cam-01", *AS, "--box", "1,2,3,4", "--until", "x"),
        ("yj-cam-01", *AS, "--box", "1,2,3,4", "--until", "2020-01-01T00:00"),
    ),
    "dlq list": ((), ("--since", "x")),
    "dlq show": (("7",),),
    "dlq replay": ((), ("--id", "7")),
    "dlq drop": ((), ("--id", "7")),
    "kpi report": (
        (*MAY, "--json", "--csv"),
        ("--from", "x", "--to", "2026-05-01"),
        ("--from", "2026-05-02", "--to", "2026-05-01"),
        ("--from", "2020-05-02", "--to", "2026-05-01"),
        ("--from", "2026-05-01", "--to", FAR),
        ("--from", FAR, "--to", FAR, "--so-far"),
        MAY,
    ),
    "kpi sample": ((*MAY, "--seed", "x"), (*MAY, "--seed", "x", "--share", "0"), (*MAY, "--seed", "x", "--share", "2")),
    "pack list": ((),),
    "pack fetch": (("x", "/nowhere"), ("00000000", "/nowhere"), ("{pack}", "."), ("{pack}", "/dev/null/x")),
}
# A bundle has a page of its own in English, for a court's expert; its verb says so. An indicator's source is cited as
# it is. Packs at hand are of no site yet.
ELSEWHERE = {"incident export", "kpi list", "pack show", "pack diff", "pack export", "pack import"}


@pytest.fixture
def verbs(desk_verbs: Verbs) -> Verbs:
    """Verbs on the desk's database with the pack's devices, nobody's token, and a site that speaks Chinese."""
    return desk_verbs


def verbs_of(group: str) -> Iterator[str]:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    found = command.commands[group]
    assert isinstance(found, TyperGroup)
    yield from (f"{group} {name}" for name in found.commands)


def foreign(text: str) -> str:
    """The first sentence of English in a text; empty: there is none."""
    found = SENTENCE.search(NAMES.sub(" ~ ", text.removeprefix("curbwatch: ")))
    return "" if found is None else found[0]


def test_a_sentence_of_english_is_told_from_names() -> None:
    assert foreign("curbwatch: 请给出 --family,可用:stall, truck, waste") == ""
    assert foreign("curbwatch: say who you are: --as PERSON") == "say who you are"
    assert foreign("没有任务 x:见 `curbwatch dispatch watch`; token_file /a b c/d 'it is so'") == ""


def test_every_verb_of_the_desk_and_the_office_is_walked() -> None:
    for name in VERBS:
        __import__(f"curbwatch.cli.{name}")
    assert {verb for group in GROUPS for verb in verbs_of(group)} - ELSEWHERE == set(REFUSED)


@pytest.mark.servers
def test_what_is_refused_and_what_is_empty_is_said_in_the_desks_language(
    verbs: Verbs, incidents: IncidentStore
) -> None:
    seen = incidents.open_or_refresh(
        sighting(camera_id="yj-cam-01", family="stall", class_code="09006", direct=False, unit_id="yj-enf-1"),
        None,
        picture("seen"),
    ).incident_id
    pack = load_pack(Path("yanjiang")).city.version
    # Made once: it takes as long as everything else that a verb does.
    verbs.monkeypatch.setattr("curbwatch.__main__.app", typer.main.get_command(app))
    left = []
    for verb, cases in REFUSED.items():
        for case in cases:
            said = [one.replace("{seen}", seen).replace("{pack}", pack) for one in case]
            status, out, err = verbs.run(*verb.split(), *said)
            if status not in {0, 1, 2} or not HAN.search(out + err) or foreign(err) or foreign(out):
                left.append((verb, case, status, foreign(err) or foreign(out), out + err))
    assert left == []


@pytest.mark.parametrize(
    ("error", "chinese"),
    [
        (SinkError("it", retryable=True), f"{AWAY}:it"),
        (SinkError("it", retryable=False), f"{DENIED}:it"),
        (SetupError("it"), f"{NOT_SET_UP}:it"),
        (SinkError("it", "封账数据不符", retryable=False), "封账数据不符"),
        (SetupError("it", "没有数据库"), "没有数据库"),
        (CurbwatchError("it", "摘要不符"), "摘要不符"),
        (CurbwatchError("it"), "it"),
    ],
)
def test_only_what_may_be_there_later_is_told_as_an_outage(error: CurbwatchError, chinese: str) -> None:
    with pytest.raises(type(error)) as caught, spoken("en"):
        raise error
    assert str(caught.value) == "it"
    with pytest.raises(type(error)) as caught, spoken("zh"), spoken("zh"):
        raise error
    assert (str(caught.value), AWAY in chinese) == (chinese, getattr(error, "retryable", False))


@pytest.mark.servers
def test_a_database_without_our_tables_is_told_with_what_to_do(servers: Servers) -> None:
    with own_database(servers) as url:
        with (
            pytest.raises(SinkError, match=r"^数据库 .* 的表不全.*`curbwatch run`"),
            spoken("zh"),
            db.session(url) as conn,
        ):
            conn.execute("select from incident")
        with closing(AlertDatabase(url)) as database, pytest.raises(SinkError, match=r"^数据库的表不全"), spoken("zh"):
            JobStore(database, lease_s=60).epoch()


def test_a_refusal_is_told_in_the_language_of_who_reads_it() -> None:
    with pytest.raises(UsageError, match=r"^不行$"), spoken("zh"):
        raise SaidError("no", "不行")
    with pytest.raises(UsageError, match=r"^no$"), spoken("en"):
        raise SaidError("no", "不行")


def called(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def spoken_files() -> list[Path]:
    shared = [one.relative_to(ROOT) for one in (ROOT / "alerts").rglob("*.py")]
    return [Path(one) for one in SHELLS] + [one for one in shared if not any(one.match(kind) for kind in ENGLISH)]


def test_no_refusal_of_the_desk_is_in_one_language_only() -> None:
    for path in spoken_files():
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert [
            node.lineno for node in called(tree, "UsageError") if isinstance(node.args[0], ast.JoinedStr | ast.Constant)
        ] == [], path
        for node in called(tree, "SaidError"):
            words = [part.value for part in ast.walk(node.args[1]) if isinstance(part, ast.Constant)]
            plain = isinstance(node.args[1], ast.JoinedStr | ast.Constant)
            assert not plain or HAN.search("".join(map(str, words))), (path, node.lineno)
